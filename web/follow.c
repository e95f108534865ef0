/* One thread, one writing connection. Looking for news is reading one number; only
 * when it differs from the last time is the lease taken and the pass run. The
 * number is read before the pass, so what arrives meanwhile is news again. */
#include "web/follow.h"

#include "base/clock.h"
#include "base/log.h"
#include "process/pass.h"
#include "store/store.h"
#include "web/download.h"
#include "web/intake.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define STACK_BYTES ((size_t)2 << 20)
#define LOOK_NS     PL_NS_PER_S        /* between looks */
#define RETRY_NS    (5 * PL_NS_PER_S)  /* after something failed */
#define WATCH_NS    (20 * PL_NS_PER_S) /* recorders are told for so long */
#define TIDY_NS     (10 * PL_NS_PER_S) /* between checkpoints */

struct pl_follow {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool woken;       /* since the last look */
    atomic_bool stop; /* set under lock; the pass reads it without */
    char *db_path;
    struct pl_events *events;
    int symbolicate_ms; /* most for one chunk; 0: as usual */

    /* the thread's own */
    struct pl_store *store;
    struct pl_pass *pass;
    struct pl_intake *intake;
    dev_t device; /* of the file `store` has open */
    ino_t inode;
    bool looked; /* `generation` means something */
    uint64_t generation;
    int64_t tidied_ns;
    int64_t watching_ns; /* until then recorders have been told */
};

static void close_store(struct pl_follow *follow)
{
    pl_pass_close(follow->pass);
    pl_intake_free(follow->intake);
    pl_store_close(follow->store);
    follow->pass = NULL;
    follow->intake = NULL;
    follow->store = NULL;
    follow->looked = false;
}

static enum pl_status open_pass(struct pl_follow *follow, struct pl_error *err)
{
    const struct pl_pass_options options = {
        .places.fetch.get = pl_download,
        .stop = &follow->stop,
        .intake = pl_intake_run,
        .intake_self = follow->intake,
        .symbolicate_ms = follow->symbolicate_ms,
    };
    return pl_pass_open(follow->store, &options, &follow->pass, err);
}

/* The file at the path, opened for writing; anew when it is another one. */
static enum pl_status open_store(struct pl_follow *follow, struct pl_error *err)
{
    struct stat info;
    if (stat(follow->db_path, &info) != 0) {
        close_store(follow);
        return PL_NOT_FOUND;
    }
    if (info.st_dev != follow->device || info.st_ino != follow->inode)
        close_store(follow);
    if (follow->store)
        return PL_OK;
    enum pl_status status =
        pl_store_open(follow->db_path, PL_STORE_WRITE, &follow->store, err);
    if (status == PL_OK)
        status = pl_intake_new(follow->store, &follow->intake, err);
    if (status == PL_OK)
        status = open_pass(follow, err);
    if (status != PL_OK) {
        close_store(follow);
        return status;
    }
    follow->device = info.st_dev;
    follow->inode = info.st_ino;
    return PL_OK;
}

static enum pl_status run_pass(struct pl_follow *follow, struct pl_error *err)
{
    uint64_t generation = 0;
    enum pl_status status = pl_store_generation(follow->store, &generation, err);
    if (status != PL_OK || (follow->looked && generation == follow->generation))
        return status;
    status = pl_pass_run(follow->pass, err);
    if (status == PL_OK) {
        follow->generation = generation;
        follow->looked = true;
    }
    return status;
}

static enum pl_status tidy(struct pl_follow *follow, struct pl_error *err)
{
    int64_t now_ns = pl_clock_mono_ns();
    if (now_ns - follow->tidied_ns < TIDY_NS)
        return PL_OK;
    follow->tidied_ns = now_ns;
    return pl_store_checkpoint(follow->store, err);
}

/* Pages that listen want to see what happens now. */
static enum pl_status tell_recorders(struct pl_follow *follow, struct pl_error *err)
{
    char viewer[32];
    int64_t now_ns = pl_clock_wall_ns();
    if (!pl_events_has_listeners(follow->events) ||
        follow->watching_ns - now_ns > WATCH_NS / 2)
        return PL_OK;
    (void)snprintf(viewer, sizeof viewer, "serve %d", (int)getpid());
    enum pl_status status =
        pl_store_watch(follow->store, viewer, now_ns + WATCH_NS, err);
    if (status == PL_OK)
        follow->watching_ns = now_ns + WATCH_NS;
    return status;
}

/* One look; how long to wait until the next. */
static int64_t look(struct pl_follow *follow)
{
    struct pl_error err = {0};
    enum pl_status status = open_store(follow, &err);
    if (status == PL_OK)
        status = tell_recorders(follow, &err);
    if (status == PL_OK)
        status = run_pass(follow, &err);
    if (status == PL_OK)
        status = tidy(follow, &err);
    if (status == PL_OK || status == PL_BUSY || status == PL_NOT_FOUND)
        return LOOK_NS;
    pl_log(PL_LOG_INFO, "web", "processing: %s", err.message);
    close_store(follow);
    return RETRY_NS;
}

static void *run(void *arg)
{
    struct pl_follow *follow = arg;
    pthread_mutex_lock(&follow->lock);
    while (!atomic_load(&follow->stop)) {
        pthread_mutex_unlock(&follow->lock);
        int64_t until = look(follow) + pl_clock_mono_ns();
        struct timespec at = {.tv_sec = (time_t)(until / PL_NS_PER_S),
                              .tv_nsec = (long)(until % PL_NS_PER_S)};
        pthread_mutex_lock(&follow->lock);
        int failure = 0;
        while (!atomic_load(&follow->stop) && !follow->woken && !failure)
            failure = pthread_cond_timedwait(&follow->wake, &follow->lock, &at);
        follow->woken = false;
    }
    pthread_mutex_unlock(&follow->lock);
    close_store(follow);
    return NULL;
}

static int start_thread(struct pl_follow *follow)
{
    pthread_attr_t attributes;
    int failure = pthread_attr_init(&attributes);
    if (failure)
        return failure;
    failure = pthread_attr_setstacksize(&attributes, STACK_BYTES);
    if (!failure)
        failure = pthread_create(&follow->thread, &attributes, run, follow);
    pthread_attr_destroy(&attributes);
    return failure;
}

static void free_follow(struct pl_follow *follow)
{
    pthread_cond_destroy(&follow->wake);
    pthread_mutex_destroy(&follow->lock);
    free(follow->db_path);
    free(follow);
}

enum pl_status pl_follow_start(const char *db_path, int symbolicate_ms,
                               struct pl_events *events, struct pl_follow **follow_out,
                               struct pl_error *err)
{
    pthread_condattr_t clock;
    struct pl_follow *follow = calloc(1, sizeof *follow);
    char *path = strdup(db_path);
    if (!follow || !path) {
        free(follow);
        free(path);
        return pl_error_set(err, PL_NOMEM, "out of memory starting the server");
    }
    follow->db_path = path;
    follow->events = events;
    follow->symbolicate_ms = symbolicate_ms;
    pthread_mutex_init(&follow->lock, NULL);
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&follow->wake, &clock);
    pthread_condattr_destroy(&clock);
    int failure = start_thread(follow);
    if (failure) {
        free_follow(follow);
        return pl_error_set(err, PL_IO, "cannot start a thread: %s", strerror(failure));
    }
    *follow_out = follow;
    return PL_OK;
}

void pl_follow_wake(struct pl_follow *follow)
{
    if (!follow)
        return;
    pthread_mutex_lock(&follow->lock);
    follow->woken = true;
    pthread_cond_signal(&follow->wake);
    pthread_mutex_unlock(&follow->lock);
}

void pl_follow_stop(struct pl_follow *follow)
{
    if (!follow)
        return;
    pthread_mutex_lock(&follow->lock);
    atomic_store(&follow->stop, true);
    pthread_cond_signal(&follow->wake);
    pthread_mutex_unlock(&follow->lock);
    pthread_join(follow->thread, NULL);
    free_follow(follow);
}
