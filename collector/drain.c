/* The drain's rounds: look for segments, read each, compile rows, hand over.
 *
 *   folder ─▶ sessions (drain_session.c) ─▶ timeline ─▶ chunk ─▶ queue ─▶ sink
 *                └─▶ journal, until the sink has it
 *
 * One thread calls everything here. Sessions never wait for each other: what is
 * late in one keeps only that one's chunk open. */
#include "collector/drain.h"

#include "base/clock.h"
#include "base/log.h"
#include "collector/drain_salvage.h"
#include "collector/drain_session.h"
#include "collector/grow.h"
#include "collector/journal_folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define DEFAULT_CHUNK_NS (60 * PL_NS_PER_S)
#define DEFAULT_BYTES    ((size_t)128 << 20)
#define ROWS_BUDGET_NS   (25 * PL_NS_PER_MS)
#define STOP_WAIT_NS     (50 * PL_NS_PER_MS)
#define FLUSH_WAIT_NS    (3 * PL_NS_PER_S) /* longer than a late answer may take */
#define LOOK_NS          PL_NS_PER_S       /* is somebody watching? */
#define SHOW_NS          (2 * PL_NS_PER_S) /* then show what is not sealed yet */
#define REMOTE_REST_NS   (2 * PL_NS_PER_S)
#define TIMER_GRAIN_NS   (50 * PL_NS_PER_MS)
#define MAX_NOTES        65536u
#define YOUNG_NS         (300 * PL_NS_PER_MS)
#define YOUNG_PAUSE_MS   3
#define PAUSE_MS         20

struct wait_note {
    pid_t pid;
    int status;
};

struct pl_drain {
    struct pl_drain_shared shared;
    DIR *dir;
    struct pl_journal_folder journals;
    struct pl_error journal_error;
    struct pl_drain_session *sessions;
    struct pl_drain_session *ended; /* read to their end; the sink may lack some */
    uint64_t *ignored; /* inodes of files that are no segments, or are done with */
    size_t ignored_count, ignored_capacity;
    struct wait_note *waits;
    size_t wait_count, wait_capacity;
    struct pl_id *skipped; /* sessions that the store has */
    size_t skipped_count, skipped_capacity;
    int64_t next_look_ns, next_show_ns;
    int64_t folder_ns; /* when its list last changed, as of the last scan */
    bool retry_attach; /* a segment there was not ready */
};

/* ---- open and close ---- */

static bool copy_text(char **to, const char *from)
{
    *to = from ? strdup(from) : NULL;
    return !from || *to;
}

static bool copy_options(struct pl_drain *drain, const struct pl_drain_options *options)
{
    struct pl_drain_shared *shared = &drain->shared;
    shared->recording_id = options->recording_id;
    shared->chunk_ns = options->chunk_ns > 0 ? options->chunk_ns : DEFAULT_CHUNK_NS;
    if (shared->chunk_ns > DEFAULT_CHUNK_NS)
        shared->chunk_ns = DEFAULT_CHUNK_NS;
    size_t bytes = options->memory_bytes ? options->memory_bytes : DEFAULT_BYTES;
    shared->memory_bytes = bytes / 2;
    shared->queue.limit_bytes = bytes / 2;
    shared->queue.idle = options->sink_idle;
    if (gethostname(shared->host, sizeof shared->host - 1) != 0)
        shared->host[0] = '\0';
    return copy_text(&shared->app, options->app) &&
           copy_text(&shared->release, options->release) &&
           copy_text(&shared->environment, options->environment) &&
           copy_text(&shared->dist, options->dist) &&
           copy_text(&shared->in_app_include, options->in_app_include) &&
           copy_text(&shared->in_app_exclude, options->in_app_exclude) &&
           copy_text(&shared->project_root, options->project_root);
}

static void init(struct pl_drain *drain, const struct pl_chunk_sink *sink)
{
    pl_drain_queue_init(&drain->shared.queue, sink, NULL, 0);
    drain->shared.dir_fd = drain->shared.journal_fd = -1;
    drain->journals =
        (struct pl_journal_folder){.base_fd = -1, .fd = -1, .owner_fd = -1};
}

static enum pl_status open_folder(struct pl_drain *drain, const char *path,
                                  struct pl_error *err)
{
    drain->shared.dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (drain->shared.dir_fd < 0)
        return pl_error_set(err, PL_IO, "cannot open recording folder %s: %s", path,
                            strerror(errno));
    drain->dir = opendir(path);
    if (!drain->dir)
        return pl_error_set(err, PL_IO, "cannot list recording folder %s: %s", path,
                            strerror(errno));
    return PL_OK;
}

static void open_journals(struct pl_drain *drain,
                          const struct pl_drain_options *options)
{
    if (options->db && pl_journal_folder_make(&drain->journals, options,
                                              &drain->journal_error) == PL_OK)
        drain->shared.journal_fd = drain->journals.fd;
}

enum pl_status pl_drain_open(const struct pl_drain_options *options,
                             const struct pl_chunk_sink *sink,
                             struct pl_drain **drain_out, struct pl_error *err)
{
    enum pl_status status = PL_OK;
    *drain_out = NULL;
    struct pl_drain *drain = calloc(1, sizeof *drain);
    if (!drain)
        return pl_error_set(err, PL_NOMEM, "out of memory for the drain");
    init(drain, sink);
    status = open_folder(drain, options->dir, err);
    if (status != PL_OK)
        goto out;
    if (!copy_options(drain, options)) {
        status = pl_error_set(err, PL_NOMEM, "out of memory for the drain");
        goto out;
    }
    open_journals(drain, options);
    status = pl_rowcache_open(options->dir, &drain->shared.rows, err);
    if (status != PL_OK)
        goto out;
    pl_rowcache_keep(drain->shared.rows, options->keep_dir);
    pl_rowcache_prepare_common(drain->shared.rows);
    if (options->sink_thread)
        pl_drain_queue_start(&drain->shared.queue);
    *drain_out = drain;
    drain = NULL;
out:
    pl_drain_close(drain);
    return status;
}

static void close_sessions(struct pl_drain_session *list)
{
    while (list) {
        struct pl_drain_session *next = list->next;
        pl_drain_session_close(list);
        list = next;
    }
}

void pl_drain_close(struct pl_drain *drain)
{
    if (!drain)
        return;
    bool written = pl_drain_is_written(drain);
    close_sessions(drain->sessions);
    close_sessions(drain->ended);
    pl_journal_folder_close(&drain->journals, written);
    if (drain->dir)
        closedir(drain->dir);
    if (drain->shared.dir_fd >= 0)
        close(drain->shared.dir_fd);
    pl_rowcache_close(drain->shared.rows);
    pl_remote_close(drain->shared.remote);
    pl_drain_queue_deinit(&drain->shared.queue);
    free(drain->shared.app);
    free(drain->shared.release);
    free(drain->shared.environment);
    free(drain->shared.dist);
    free(drain->shared.in_app_include);
    free(drain->shared.in_app_exclude);
    free(drain->shared.project_root);
    free(drain->ignored);
    free(drain->waits);
    free(drain->skipped);
    free(drain);
}

void pl_drain_prepare(struct pl_drain *drain, const char *program)
{
    pl_rowcache_prepare_program(drain->shared.rows, program);
}

/* ---- attaching ---- */

static bool is_known(const struct pl_drain *drain, uint64_t inode)
{
    for (size_t i = 0; i < drain->ignored_count; i++)
        if (drain->ignored[i] == inode)
            return true;
    for (const struct pl_drain_session *s = drain->sessions; s; s = s->next)
        if (s->inode == inode)
            return true;
    for (const struct pl_drain_session *s = drain->ended; s; s = s->next)
        if (s->inode == inode)
            return true;
    return false;
}

static void ignore(struct pl_drain *drain, uint64_t inode)
{
    if (pl_grow(&drain->ignored, &drain->ignored_capacity, drain->ignored_count + 1,
                sizeof *drain->ignored, MAX_NOTES))
        drain->ignored[drain->ignored_count++] = inode;
}

static bool is_segment_name(const char *name)
{
    size_t len = strlen(name);
    return name[0] != '.' && len > 4 && len < 200 &&
           strcmp(name + len - 4, ".seg") == 0;
}

static void apply_wait(const struct pl_drain *drain, struct pl_drain_session *session)
{
    for (size_t i = 0; i < drain->wait_count; i++) {
        if (drain->waits[i].pid == (pid_t)session->reader.facts.pid) {
            session->wait_known = true;
            session->wait_status = drain->waits[i].status;
        }
    }
}

/* A process has one program: an older segment of its has been replaced. */
static void replace_older(struct pl_drain *drain, const struct pl_drain_session *newer)
{
    const struct pl_segment_facts *facts = &newer->reader.facts;
    for (struct pl_drain_session *s = drain->sessions; s; s = s->next)
        if (s->reader.facts.pid == facts->pid &&
            s->reader.facts.pid_start == facts->pid_start &&
            s->reader.facts.mono_origin_ns < facts->mono_origin_ns)
            s->replaced = true;
}

static bool is_skipped(const struct pl_drain *drain, const struct pl_id *id)
{
    for (size_t i = 0; i < drain->skipped_count; i++)
        if (memcmp(&drain->skipped[i], id, sizeof *id) == 0)
            return true;
    return false;
}

static void attach(struct pl_drain *drain, const char *name, uint64_t inode)
{
    struct pl_error err;
    struct pl_drain_session *session = NULL;
    enum pl_status status =
        pl_drain_session_open(&drain->shared, name, inode, &session, &err);
    if (status == PL_BUSY || status == PL_NOMEM) {
        drain->retry_attach = true; /* next round */
        return;
    }
    if (status != PL_OK) {
        pl_log(PL_LOG_WARN, "collector", "%s", err.message);
        ignore(drain, inode);
        return;
    }
    if (is_skipped(drain, &session->id)) {
        ignore(drain, inode);
        pl_drain_session_close(session);
        return;
    }
    apply_wait(drain, session);
    replace_older(drain, session);
    session->next = drain->sessions;
    drain->sessions = session;
}

/* Has the folder changed since it was last read? Its time has the grain of the kernel's
 * timer: what has only just changed may change again without a trace. */
static bool has_changed(struct pl_drain *drain)
{
    struct stat folder;
    struct timespec now;
    if (fstat(drain->shared.dir_fd, &folder) != 0 ||
        clock_gettime(CLOCK_REALTIME, &now) != 0)
        return true;
    int64_t changed_ns = folder.st_mtim.tv_sec * PL_NS_PER_S + folder.st_mtim.tv_nsec;
    int64_t age_ns = now.tv_sec * PL_NS_PER_S + now.tv_nsec - changed_ns;
    bool settled = changed_ns == drain->folder_ns && age_ns > TIMER_GRAIN_NS;
    drain->folder_ns = changed_ns;
    return !settled;
}

static void scan(struct pl_drain *drain)
{
    struct dirent *entry;
    if (!drain->dir || (!drain->retry_attach && !has_changed(drain)))
        return;
    drain->retry_attach = false;
    rewinddir(drain->dir);
    while ((entry = readdir(drain->dir)))
        if (is_segment_name(entry->d_name) && !is_known(drain, entry->d_ino))
            attach(drain, entry->d_name, entry->d_ino);
}

/* ---- rounds ---- */

static void finish_session(struct pl_drain *drain, struct pl_drain_session *session,
                           enum pl_drain_life life, bool abandoned, int64_t now_ns)
{
    pl_drain_session_finish(&drain->shared, session, life, abandoned, now_ns);
    session->next = drain->ended;
    drain->ended = session;
}

/* Hand over. When the sink has everything, what was kept in case it never would can
 * go. */
static enum pl_status flush(struct pl_drain *drain, bool wait, struct pl_error *err)
{
    struct pl_drain_queue *queue = &drain->shared.queue;
    enum pl_status status = pl_drain_queue_flush(queue, wait, err);
    if (status != PL_OK || !pl_drain_queue_is_empty(queue))
        return status;
    int64_t now_ns = pl_clock_mono_ns();
    for (struct pl_drain_session *s = drain->sessions; s; s = s->next)
        pl_drain_session_settle(s, now_ns);
    while (drain->ended && !drain->shared.salvage) {
        struct pl_drain_session *session = drain->ended;
        drain->ended = session->next;
        pl_drain_session_remove(&drain->shared, session);
        pl_drain_session_close(session);
    }
    return PL_OK;
}

/* Those that ended leave the list. Whether one ended is found out before its last
 * records are read, not after. */
static void run_sessions(struct pl_drain *drain, int64_t now_ns)
{
    struct pl_drain_session **link = &drain->sessions;
    while (*link) {
        struct pl_drain_session *session = *link;
        enum pl_drain_life life = pl_drain_session_life(session, now_ns);
        if (life == PL_LIFE_ON) {
            pl_drain_session_pump(&drain->shared, session, now_ns);
            link = &session->next;
            continue;
        }
        *link = session->next;
        finish_session(drain, session, life, false, now_ns);
    }
}

/* Stacks come whole at a program's beginning, and seldom later. */
static void rest_remote(struct pl_drain_shared *shared)
{
    if (!shared->remote || pl_clock_mono_ns() - shared->remote_used_ns < REMOTE_REST_NS)
        return;
    pl_remote_close(shared->remote);
    shared->remote = NULL;
}

static void make_rows(struct pl_drain *drain)
{
    int64_t deadline_ns = pl_clock_mono_ns() + ROWS_BUDGET_NS;
    for (struct pl_drain_session *s = drain->sessions; s; s = s->next)
        pl_drain_session_rows(&drain->shared, s, deadline_ns);
}

static void show(struct pl_drain *drain)
{
    struct pl_drain_queue *queue = &drain->shared.queue;
    int64_t now_ns = pl_clock_mono_ns();
    if (now_ns < drain->next_look_ns || !pl_drain_queue_is_empty(queue))
        return;
    drain->next_look_ns = now_ns + LOOK_NS;
    if (!pl_drain_queue_watched(queue) || now_ns < drain->next_show_ns)
        return;
    for (struct pl_drain_session *s = drain->sessions; s; s = s->next)
        pl_drain_session_show(&drain->shared, s);
    drain->next_show_ns = now_ns + SHOW_NS;
}

enum pl_status pl_drain_step(struct pl_drain *drain, struct pl_error *err)
{
    scan(drain);
    run_sessions(drain, pl_clock_mono_ns());
    make_rows(drain);
    rest_remote(&drain->shared);
    show(drain);
    return flush(drain, false, err);
}

/* Has all that `session` captured up to its cut left the timeline? */
static bool is_flushed(const struct pl_drain_session *session)
{
    const struct pl_window *first = session->timeline.windows;
    return !first || first->start_ns > session->flush_ns;
}

static bool all_flushed(const struct pl_drain *drain)
{
    for (const struct pl_drain_session *s = drain->sessions; s; s = s->next)
        if (!is_flushed(s))
            return false;
    return true;
}

/* A cut window is sealed when the next one has begun and each thread has answered
 * or is late: mostly with the next tick. */
enum pl_status pl_drain_flush(struct pl_drain *drain, struct pl_error *err)
{
    int64_t until_ns = pl_clock_mono_ns() + FLUSH_WAIT_NS;
    scan(drain);
    run_sessions(drain, pl_clock_mono_ns());
    for (struct pl_drain_session *s = drain->sessions; s; s = s->next) {
        s->flush_ns = s->timeline.newest_ns + s->timeline.to_unix_ns;
        pl_drain_timeline_cut(&s->timeline);
    }
    while (!all_flushed(drain) && pl_clock_mono_ns() < until_ns) {
        usleep(2000);
        run_sessions(drain, pl_clock_mono_ns());
    }
    make_rows(drain);
    bool complete = all_flushed(drain);
    enum pl_status status = flush(drain, true, err);
    return status == PL_OK && !complete
               ? pl_error_set(err, PL_BUSY, "some threads have not answered yet")
               : status;
}

int pl_drain_sink_tid(const struct pl_drain *drain)
{
    return drain->shared.queue.tid;
}

int pl_drain_pause_ms(const struct pl_drain *drain)
{
    int64_t now_ns = pl_clock_mono_ns();
    for (const struct pl_drain_session *s = drain->sessions; s; s = s->next)
        if (s->rows_wanted || now_ns - s->attached_ns < YOUNG_NS)
            return YOUNG_PAUSE_MS;
    return PAUSE_MS;
}

void pl_drain_process_ended(struct pl_drain *drain, pid_t pid, int wait_status)
{
    for (struct pl_drain_session *s = drain->sessions; s; s = s->next) {
        if (s->reader.facts.pid == (uint32_t)pid) {
            s->wait_known = true;
            s->wait_status = wait_status;
        }
    }
    /* Its last segment may not have been seen yet. */
    if (pl_grow(&drain->waits, &drain->wait_capacity, drain->wait_count + 1,
                sizeof *drain->waits, MAX_NOTES))
        drain->waits[drain->wait_count++] = (struct wait_note){pid, wait_status};
}

/* ---- the end ---- */

static bool all_stopped(const struct pl_drain *drain, int64_t *beats)
{
    int64_t sum = 0;
    for (struct pl_drain_session *s = drain->sessions; s; s = s->next)
        if (s->reader.seg && pl_segment_refresh(&s->reader))
            sum += atomic_load(&s->reader.seg->heartbeat_ns) / 1024;
    bool same = sum == *beats;
    *beats = sum;
    return same;
}

/* Samplers look at `stop` once a tick; wait until none ticks any more. */
static void stop_all(struct pl_drain *drain)
{
    int64_t until_ns = pl_clock_mono_ns() + STOP_WAIT_NS, beats = -1;
    bool any = false;
    for (struct pl_drain_session *s = drain->sessions; s; s = s->next) {
        if (!s->reader.seg || !pl_segment_refresh(&s->reader))
            continue;
        pl_segment_stop(&s->reader);
        any = true;
    }
    if (!any)
        return;
    do {
        usleep(15000);
    } while (!all_stopped(drain, &beats) && pl_clock_mono_ns() < until_ns);
}

enum pl_status pl_drain_finish(struct pl_drain *drain, struct pl_error *err)
{
    scan(drain);
    for (struct pl_drain_session *s = drain->sessions; s; s = s->next) {
        s->last_look = true;
        s->next_look_ns = 0;
    }
    run_sessions(drain, pl_clock_mono_ns());
    stop_all(drain);
    int64_t now_ns = pl_clock_mono_ns();
    while (drain->sessions) {
        struct pl_drain_session *session = drain->sessions;
        drain->sessions = session->next;
        session->next_look_ns = 0;
        enum pl_drain_life life = pl_drain_session_life(session, now_ns);
        session->stopped = life == PL_LIFE_ON && pl_drain_session_said_exit(session);
        if (session->stopped)
            life = PL_LIFE_EXITED;
        finish_session(drain, session, life, life == PL_LIFE_ON, now_ns);
    }
    return flush(drain, true, err);
}

bool pl_drain_is_written(struct pl_drain *drain)
{
    return !drain->sessions && pl_drain_queue_is_empty(&drain->shared.queue) &&
           (!drain->ended || drain->shared.salvage);
}

const char *pl_drain_journal_trouble(const struct pl_drain *drain)
{
    return drain->journal_error.message;
}

/* ---- figures ---- */

void pl_drain_get_stats(struct pl_drain *drain, struct pl_drain_stats *stats_out)
{
    struct pl_drain_shared *shared = &drain->shared;
    pthread_mutex_lock(&shared->queue.lock);
    *stats_out = (struct pl_drain_stats){
        .samples = shared->queue.samples,
        .lost = shared->queue.lost + shared->lost,
        .chunks = shared->queue.chunks,
        .sessions = shared->queue.sessions,
    };
    pthread_mutex_unlock(&shared->queue.lock);
    for (const struct pl_drain_session *s = drain->sessions; s; s = s->next)
        stats_out->processes++;
    for (unsigned end = 0; end < PL_WALK_COUNT; end++) {
        bool complete = end == PL_WALK_ROOT || end == PL_WALK_ROOT_ZERO;
        *(complete ? &stats_out->walks_complete : &stats_out->walks_cut) +=
            shared->walks[end];
    }
}

uint64_t pl_drain_walk_count(const struct pl_drain *drain, unsigned end)
{
    return end < PL_WALK_COUNT ? drain->shared.walks[end] : 0;
}

/* ---- what another drain left ---- */

enum pl_status pl_drain_open_salvage(const struct pl_journal_owner *owner,
                                     const struct pl_chunk_sink *sink,
                                     struct pl_drain **drain_out, struct pl_error *err)
{
    struct pl_error gone;
    struct pl_drain *drain = calloc(1, sizeof *drain);
    if (!drain)
        return pl_error_set(err, PL_NOMEM, "out of memory for the drain");
    init(drain, sink);
    drain->shared.salvage = true;
    if (owner->options.dir)
        (void)!open_folder(drain, owner->options.dir, &gone);
    if (!copy_options(drain, &owner->options)) {
        pl_drain_close(drain);
        return pl_error_set(err, PL_NOMEM, "out of memory for the drain");
    }
    snprintf(drain->shared.host, sizeof drain->shared.host, "%s",
             owner->host ? owner->host : "");
    *drain_out = drain;
    return PL_OK;
}

enum pl_status pl_drain_adopt(struct pl_drain *drain, int journal_fd, const char *name,
                              struct pl_error *err)
{
    struct pl_drain_session *session = NULL;
    enum pl_status status =
        pl_journal_replay(&drain->shared, journal_fd, name, &session, err);
    if (status != PL_OK)
        return status;
    (void)pl_drain_session_attach(&drain->shared, session);
    session->next = drain->sessions;
    drain->sessions = session;
    return PL_OK;
}

void pl_drain_skip(struct pl_drain *drain, const struct pl_id *session_id)
{
    if (pl_grow(&drain->skipped, &drain->skipped_capacity, drain->skipped_count + 1,
                sizeof *drain->skipped, MAX_NOTES))
        drain->skipped[drain->skipped_count++] = *session_id;
}
