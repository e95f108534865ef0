#include "collector/recorder.h"

#include "base/clock.h"
#include "base/log.h"
#include "collector/capture.h"
#include "collector/rest.h"
#include "collector/salvage.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define STEP_MS           50
#define FORK_WAIT_NS      (200 * PL_NS_PER_MS)
#define DRAIN_STACK_BYTES ((size_t)1 << 20)
#define MEMORY_BYTES      ((size_t)1 << 20) /* for what is not written yet */

/* Held while a store is open in this process. */
static pthread_mutex_t store_lock = PTHREAD_MUTEX_INITIALIZER;
static bool fork_holds_store; /* by pl_recorder_fork_prepare */
static bool store_forbidden;  /* child of a fork that fell into a write */

/* A sink that opens the store when first called and is closed by its owner. */
struct door {
    const char *path;
    bool durable;
    void *handle; /* NULL: closed */
    struct pl_chunk_sink sink;
    struct timespec log_time; /* when the log last changed, as of `watched` */
    bool watched;
};

struct pl_recorder {
    const struct pl_settings *settings;
    struct pl_id id, recording_id; /* the session's; that of all its program's */
    char dir[256];
    struct door door;
    struct pl_chunk_sink sink; /* through the door */
    struct pl_drain *drain;    /* the thread's alone once it runs */
    pthread_t thread;

    pthread_mutex_t lock; /* over all below */
    pthread_cond_t changed;
    int hidden_tid; /* of the controller */
    int tid;        /* of the thread; 0: not there yet */
    int sink_tid;   /* of the one that writes the store */
    bool opened;    /* the drain, or not: `status` tells */
    bool stop, finished;
    bool written; /* the store has everything */
    uint64_t flush_wanted, flush_done;
    unsigned flushers;     /* between flush_begin and the end of flush_end */
    enum pl_status status; /* of the last flush, later of the end */
    struct pl_error error;
    struct pl_drain_stats stats;
};

/* ---- the store's door ---- */

static enum pl_status open_door(struct door *door, struct pl_error *err)
{
    if (door->handle)
        return PL_OK;
    pthread_mutex_lock(&store_lock);
    enum pl_status status =
        store_forbidden ? pl_error_set(err, PL_IO,
                                       "forked while the store was being written: this "
                                       "process cannot open it")
                        : pl_chunk_sink_open(door->path, door->durable, &door->sink,
                                             &door->handle, err);
    if (status != PL_OK) {
        door->handle = NULL;
        pthread_mutex_unlock(&store_lock);
    }
    return status;
}

static void close_door(void *self)
{
    struct door *door = self;
    if (!door->handle)
        return;
    pl_chunk_sink_close(door->handle);
    door->handle = NULL;
    pthread_mutex_unlock(&store_lock);
    pl_rest();
}

static enum pl_status door_session_begin(void *self,
                                         const struct pl_sink_session *session,
                                         struct pl_error *err)
{
    struct door *door = self;
    enum pl_status status = open_door(door, err);
    return status == PL_OK ? door->sink.session_begin(door->sink.self, session, err)
                           : status;
}

static enum pl_status door_put(void *self, const struct pl_sink_part *part,
                               struct pl_error *err)
{
    struct door *door = self;
    enum pl_status status = open_door(door, err);
    return status == PL_OK ? door->sink.put(door->sink.self, part, err) : status;
}

/* Who watches writes so into the store: as long as its log is the same, so is the
 * answer, but that it runs out. */
static bool door_watched(void *self)
{
    struct door *door = self;
    char path[PATH_MAX];
    struct stat log = {0};
    int len = snprintf(path, sizeof path, "%s-wal", door->path);
    if (len < 0 || (size_t)len >= sizeof path || stat(path, &log) != 0)
        return false;
    if (!door->watched && log.st_mtim.tv_sec == door->log_time.tv_sec &&
        log.st_mtim.tv_nsec == door->log_time.tv_nsec)
        return false;
    door->log_time = log.st_mtim;
    door->watched = open_door(door, NULL) == PL_OK && door->sink.watched &&
                    door->sink.watched(door->sink.self);
    return door->watched;
}

static enum pl_status door_put_live(void *self, const struct pl_sink_part *part,
                                    struct pl_error *err)
{
    struct door *door = self;
    enum pl_status status = open_door(door, err);
    return status == PL_OK ? door->sink.put_live(door->sink.self, part, err) : status;
}

static enum pl_status door_session_end(void *self, const struct pl_id *session_id,
                                       int64_t end_ns, enum pl_session_state state,
                                       int exit_status, struct pl_error *err)
{
    struct door *door = self;
    enum pl_status status = open_door(door, err);
    return status == PL_OK ? door->sink.session_end(door->sink.self, session_id, end_ns,
                                                    state, exit_status, err)
                           : status;
}

enum pl_status pl_recorder_check_store(const char *path, struct pl_error *err)
{
    struct door door = {.path = path};
    enum pl_status status = open_door(&door, err);
    close_door(&door);
    return status;
}

/* ---- fork ---- */

static struct timespec mono_after(int64_t wait_ns)
{
    int64_t at = pl_clock_mono_ns() + wait_ns;
    return (struct timespec){.tv_sec = at / PL_NS_PER_S, .tv_nsec = at % PL_NS_PER_S};
}

void pl_recorder_fork_prepare(void)
{
    struct timespec until = mono_after(FORK_WAIT_NS);
    fork_holds_store =
        pthread_mutex_clocklock(&store_lock, CLOCK_MONOTONIC, &until) == 0;
}

void pl_recorder_fork_parent(void)
{
    if (fork_holds_store)
        pthread_mutex_unlock(&store_lock);
}

void pl_recorder_fork_child(void)
{
    if (!fork_holds_store)
        store_forbidden = true;
    store_lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
}

/* ---- the drain thread ---- */

/* One round outside the lock, then its results under it. */
static void run_round(struct pl_recorder *recorder)
{
    struct pl_error error = {0};
    uint64_t wanted = recorder->flush_wanted;
    bool flush = wanted != recorder->flush_done;
    pthread_mutex_unlock(&recorder->lock);

    enum pl_status status = flush ? pl_drain_flush(recorder->drain, &error)
                                  : pl_drain_step(recorder->drain, &error);

    pthread_mutex_lock(&recorder->lock);
    pl_drain_get_stats(recorder->drain, &recorder->stats);
    if (flush) {
        recorder->flush_done = wanted;
        recorder->status = status;
        recorder->error = error;
        pthread_cond_broadcast(&recorder->changed);
    }
}

/* Descriptors of our own, unknown to the host: it may close all it has, or fork, and
 * what is written here goes nowhere else, and its locks are nobody else's. Not
 * possible: nothing is kept open for long then, and no journal written. */
static bool leave_descriptors(void)
{
    if (close_range(0, UINT_MAX, CLOSE_RANGE_UNSHARE) != 0)
        return false;
    for (int i = 0; i <= STDERR_FILENO; i++) /* no file of ours is taken for these */
        if (open("/dev/null", O_RDWR | O_CLOEXEC) < 0)
            return false;
    return true;
}

static enum pl_status open_drain(struct pl_recorder *recorder, bool own_table,
                                 struct pl_error *err)
{
    const struct pl_settings *settings = recorder->settings;
    recorder->sink = (struct pl_chunk_sink){
        .self = &recorder->door,
        .session_begin = door_session_begin,
        .put = door_put,
        .watched = door_watched,
        .put_live = door_put_live,
        .session_end = door_session_end,
    };
    const struct pl_drain_options options = {
        .dir = recorder->dir,
        .recording_id = recorder->recording_id,
        .app = settings->app,
        .release = settings->release,
        .environment = settings->environment,
        .dist = settings->dist,
        .in_app_include = settings->in_app_include,
        .in_app_exclude = settings->in_app_exclude,
        .project_root = settings->project_root,
        .db = own_table ? settings->db : NULL,
        .memory_bytes = MEMORY_BYTES,
        .sink_thread = true,
        .sink_idle = close_door,
    };
    enum pl_status status =
        pl_drain_open(&options, &recorder->sink, &recorder->drain, err);
    if (status == PL_OK)
        pl_drain_prepare(recorder->drain, "/proc/self/exe");
    return status;
}

/* What recorders before this one left, while this one samples already. */
static void salvage(const struct pl_recorder *recorder)
{
    struct pl_error err = {0};
    struct pl_salvage_result found;
    pthread_mutex_lock(&store_lock);
    if (!store_forbidden && pl_salvage(recorder->settings->db, &found, &err) != PL_OK)
        pl_log(PL_LOG_WARN, "collector", "not salvaged: %s", err.message);
    pthread_mutex_unlock(&store_lock);
}

static void *drain_thread(void *argument)
{
    struct pl_recorder *recorder = argument;
    struct pl_error opened = {0};
    (void)prctl(PR_SET_NAME, "proflite");
    bool own_table = leave_descriptors();
    enum pl_status ready = open_drain(recorder, own_table, &opened);
    pthread_mutex_lock(&recorder->lock);
    recorder->tid = gettid();
    recorder->sink_tid = ready == PL_OK ? pl_drain_sink_tid(recorder->drain) : 0;
    recorder->opened = ready == PL_OK;
    recorder->status = ready;
    recorder->error = opened;
    pthread_cond_broadcast(&recorder->changed);
    pthread_mutex_unlock(&recorder->lock);
    if (ready != PL_OK)
        return NULL;
    if (own_table)
        salvage(recorder);
    pl_rest();
    pthread_mutex_lock(&recorder->lock);
    while (!recorder->stop) {
        struct timespec until = mono_after(STEP_MS * PL_NS_PER_MS);
        if (recorder->flush_wanted == recorder->flush_done)
            (void)pthread_cond_timedwait(&recorder->changed, &recorder->lock, &until);
        run_round(recorder);
    }
    pthread_mutex_unlock(&recorder->lock);
    struct pl_error error = {0};
    enum pl_status status = pl_drain_finish(recorder->drain, &error);
    struct pl_drain_stats stats;
    pl_drain_get_stats(recorder->drain, &stats);
    bool all = pl_drain_is_written(recorder->drain);
    bool written = all || !own_table || *pl_drain_journal_trouble(recorder->drain);
    if (written && !all) /* nobody can salvage it */
        stats.lost += stats.unwritten;
    pl_drain_close(recorder->drain); /* here, where its descriptors are */

    pthread_mutex_lock(&recorder->lock);
    recorder->drain = NULL;
    recorder->status = status;
    recorder->error = error;
    recorder->written = written;
    recorder->finished = true; /* with the last word on any flush */
    recorder->stats = stats;
    pthread_cond_broadcast(&recorder->changed);
    pthread_mutex_unlock(&recorder->lock);
    return NULL;
}

/* With every signal blocked: the host's are for the host's threads, and what the
 * thread's own writes could raise (SIGXFSZ) turns into an error code. */
static enum pl_status start_thread(struct pl_recorder *recorder, struct pl_error *err)
{
    pthread_attr_t attributes;
    sigset_t all, before;
    int rc = pthread_attr_init(&attributes);
    if (rc != 0)
        return pl_error_set(err, PL_NOMEM, "no drain thread: %s", strerror(rc));
    (void)pthread_attr_setstacksize(&attributes, DRAIN_STACK_BYTES);
    sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = pthread_create(&recorder->thread, &attributes, drain_thread, recorder);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    if (rc != 0)
        return pl_error_set(err, PL_IO, "no drain thread: %s", strerror(rc));
    pthread_mutex_lock(&recorder->lock);
    while (!recorder->tid)
        (void)pthread_cond_wait(&recorder->changed, &recorder->lock);
    bool opened = recorder->opened;
    if (!opened && err)
        *err = recorder->error;
    enum pl_status status = recorder->status;
    pthread_mutex_unlock(&recorder->lock);
    if (!opened)
        (void)pthread_join(recorder->thread, NULL);
    return opened ? PL_OK : status;
}

/* Also waits for those who wait for it. */
static void join_thread(struct pl_recorder *recorder)
{
    pthread_mutex_lock(&recorder->lock);
    recorder->stop = true;
    pthread_cond_broadcast(&recorder->changed);
    pthread_mutex_unlock(&recorder->lock);
    (void)pthread_join(recorder->thread, NULL);
    pthread_mutex_lock(&recorder->lock);
    while (recorder->flushers)
        (void)pthread_cond_wait(&recorder->changed, &recorder->lock);
    pthread_mutex_unlock(&recorder->lock);
}

/* ---- start and stop ---- */

static void free_recorder(struct pl_recorder *recorder)
{
    if (recorder->dir[0] && (recorder->written || !recorder->opened))
        pl_recording_dir_remove(recorder->dir);
    pthread_cond_destroy(&recorder->changed);
    pthread_mutex_destroy(&recorder->lock);
    free(recorder);
}

static struct pl_recorder *new_recorder(const struct pl_settings *settings)
{
    pthread_condattr_t attributes;
    struct pl_recorder *recorder = calloc(1, sizeof *recorder);
    if (!recorder)
        return NULL;
    recorder->settings = settings;
    recorder->door.path = settings->db;
    recorder->door.durable = settings->full_durability;
    pthread_mutex_init(&recorder->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&recorder->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    return recorder;
}

static enum pl_status start_capture(struct pl_recorder *recorder, struct pl_error *err)
{
    const struct pl_settings *settings = recorder->settings;
    struct pl_capture_options options = {
        .dir = recorder->dir,
        .app = settings->app,
        .period_ns = PL_NS_PER_S / settings->hz,
        .cpu_mode = settings->cpu_mode,
        .max_overhead = settings->max_overhead,
        .follow_fork = false, /* a child records from its own start on */
        .hidden_tids = {recorder->tid, recorder->sink_tid, recorder->hidden_tid},
    };
    memcpy(options.session_id, recorder->id.bytes, sizeof options.session_id);
    int rc = pl_capture_start(&options);
    if (rc == 0)
        return PL_OK;
    return pl_error_set(err, rc == -ENOSYS || rc == -EPERM ? PL_UNSUPPORTED : PL_IO,
                        "cannot start sampling: %s", strerror(-rc));
}

enum pl_status pl_recorder_start(const struct pl_settings *settings,
                                 const struct pl_id *recording_id, int hidden_tid,
                                 struct pl_recorder **recorder_out,
                                 struct pl_error *err)
{
    struct pl_recorder *recorder = new_recorder(settings);
    bool threaded = false;
    if (!recorder)
        return pl_error_set(err, PL_NOMEM, "out of memory");
    enum pl_status status = pl_id_new(&recorder->id, err);
    recorder->recording_id = *recording_id;
    recorder->hidden_tid = hidden_tid;
    if (status == PL_OK) /* a folder of its own for each start */
        status = pl_recording_dir_make(&recorder->id, recorder->dir,
                                       sizeof recorder->dir, err);
    if (status == PL_OK)
        status = start_thread(recorder, err);
    threaded = status == PL_OK;
    if (status == PL_OK)
        status = start_capture(recorder, err);
    if (status != PL_OK) {
        if (threaded)
            join_thread(recorder);
        free_recorder(recorder);
        return status;
    }
    *recorder_out = recorder;
    return PL_OK;
}

enum pl_status pl_recorder_stop(struct pl_recorder *recorder,
                                struct pl_drain_stats *stats_out, struct pl_error *err)
{
    pl_capture_stop();
    join_thread(recorder);
    enum pl_status status = recorder->status;
    if (err)
        *err = recorder->error;
    *stats_out = recorder->stats;
    free_recorder(recorder);
    return status;
}

void pl_recorder_flush_begin(struct pl_recorder *recorder)
{
    pthread_mutex_lock(&recorder->lock);
    recorder->flushers++;
    pthread_mutex_unlock(&recorder->lock);
}

enum pl_status pl_recorder_flush_end(struct pl_recorder *recorder, int timeout_ms,
                                     struct pl_error *err)
{
    struct timespec until = mono_after((int64_t)timeout_ms * PL_NS_PER_MS);
    int rc = 0;
    pthread_mutex_lock(&recorder->lock);
    uint64_t wanted = ++recorder->flush_wanted;
    pthread_cond_broadcast(&recorder->changed);
    while (recorder->flush_done < wanted && !recorder->finished && rc == 0)
        rc = pthread_cond_timedwait(&recorder->changed, &recorder->lock, &until);
    enum pl_status status = recorder->status;
    if (recorder->flush_done < wanted && !recorder->finished)
        status = pl_error_set(err, PL_BUSY, "not written within %d ms", timeout_ms);
    else if (err)
        *err = recorder->error;
    recorder->flushers--;
    pthread_cond_broadcast(&recorder->changed);
    pthread_mutex_unlock(&recorder->lock);
    return status;
}

void pl_recorder_get_stats(struct pl_recorder *recorder,
                           struct pl_drain_stats *stats_out)
{
    pthread_mutex_lock(&recorder->lock);
    *stats_out = recorder->stats;
    pthread_mutex_unlock(&recorder->lock);
}

const struct pl_id *pl_recorder_id(const struct pl_recorder *recorder)
{
    return &recorder->id;
}
