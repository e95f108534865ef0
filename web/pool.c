/*      handler thread                       pool thread
 *        QUEUED ──────────────────────────▶ RUNNING ──▶ DONE ──▶ handler takes it
 *          │ waited too long                   │ waited too long
 *          ▼                                   ▼
 *        dropped by the handler             LEFT ──▶ dropped by the pool thread
 *
 * Every state and the queue are under `lock`. */
#include "web/pool.h"

#include "base/clock.h"
#include "base/hash.h"
#include "store/store.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define STACK_BYTES  ((size_t)2 << 20)
#define QUEUE_LIMIT  128
#define THREAD_LIMIT 16
#define WAIT_ROOMS   16 /* so that the end of a job does not wake all who wait */

enum job_state { JOB_QUEUED, JOB_RUNNING, JOB_DONE, JOB_LEFT };

struct pl_pool_slot {
    struct pl_pool *pool;
    pthread_t thread;
    struct pl_store *store;
    dev_t device; /* of the file `store` has open */
    ino_t inode;
    bool failed;
};

struct pl_pool {
    char *db_path;
    pthread_mutex_t lock;
    pthread_cond_t work;                 /* something queued, or stopping */
    pthread_cond_t finished[WAIT_ROOMS]; /* a job of it is done, or stopping */
    unsigned next_room;
    struct pl_job *first, **last;
    int queued;
    bool stopping;
    int slot_count;
    struct pl_pool_slot slots[THREAD_LIMIT];
};

/* ---- the connection ---- */

static void close_store(struct pl_pool_slot *slot)
{
    pl_store_close(slot->store);
    slot->store = NULL;
    slot->failed = false;
}

enum pl_status pl_pool_store(struct pl_pool_slot *slot, struct pl_store **store_out,
                             struct pl_error *err)
{
    const char *path = slot->pool->db_path;
    struct stat info;
    if (stat(path, &info) != 0) {
        int reason = errno;
        close_store(slot);
        if (reason == ENOENT)
            return pl_error_set(
                err, PL_NOT_FOUND,
                "%s does not exist (any more): record something into it", path);
        return pl_error_set(err, PL_IO, "cannot open %s: %s", path, strerror(reason));
    }
    if (slot->failed || info.st_dev != slot->device || info.st_ino != slot->inode)
        close_store(slot);
    if (!slot->store) {
        enum pl_status status = pl_store_open(path, PL_STORE_READ, &slot->store, err);
        if (status != PL_OK)
            return status;
        slot->device = info.st_dev;
        slot->inode = info.st_ino;
    }
    *store_out = slot->store;
    return PL_OK;
}

uint64_t pl_pool_store_file(const struct pl_pool_slot *slot)
{
    return pl_hash_mix((uint64_t)slot->device, (uint64_t)slot->inode);
}

void pl_pool_store_failed(struct pl_pool_slot *slot)
{
    slot->failed = true;
}

/* ---- pool threads ---- */

static struct pl_job *take(struct pl_pool *pool)
{
    struct pl_job *job = pool->first;
    if (job) {
        pool->first = job->next;
        if (!pool->first)
            pool->last = &pool->first;
        pool->queued--;
        job->state = JOB_RUNNING;
    }
    return job;
}

static void *work(void *arg)
{
    struct pl_pool_slot *slot = arg;
    struct pl_pool *pool = slot->pool;
    pthread_mutex_lock(&pool->lock);
    while (!pool->stopping) {
        struct pl_job *job = take(pool);
        if (!job) {
            pthread_cond_wait(&pool->work, &pool->lock);
            continue;
        }
        pthread_mutex_unlock(&pool->lock);
        job->run(job, slot);
        pthread_mutex_lock(&pool->lock);
        if (job->state == JOB_LEFT) {
            pthread_mutex_unlock(&pool->lock);
            job->drop(job);
            pthread_mutex_lock(&pool->lock);
            continue;
        }
        job->state = JOB_DONE;
        pthread_cond_broadcast(&pool->finished[job->room]);
    }
    pthread_mutex_unlock(&pool->lock);
    close_store(slot);
    return NULL;
}

static enum pl_status start_threads(struct pl_pool *pool, int count,
                                    struct pl_error *err)
{
    pthread_attr_t attributes;
    int failure = pthread_attr_init(&attributes);
    if (failure)
        return pl_error_set(err, PL_IO, "cannot start threads: %s", strerror(failure));
    failure = pthread_attr_setstacksize(&attributes, STACK_BYTES);
    while (!failure && pool->slot_count < count && pool->slot_count < THREAD_LIMIT) {
        struct pl_pool_slot *slot = &pool->slots[pool->slot_count];
        slot->pool = pool;
        failure = pthread_create(&slot->thread, &attributes, work, slot);
        pool->slot_count += !failure;
    }
    pthread_attr_destroy(&attributes);
    if (failure)
        return pl_error_set(err, PL_IO, "cannot start threads: %s", strerror(failure));
    return PL_OK;
}

enum pl_status pl_pool_start(const char *db_path, int thread_count,
                             struct pl_pool **pool_out, struct pl_error *err)
{
    pthread_condattr_t clock;
    struct pl_pool *pool = calloc(1, sizeof *pool);
    char *path = strdup(db_path);
    if (!pool || !path) {
        free(pool);
        free(path);
        return pl_error_set(err, PL_NOMEM, "out of memory starting the server");
    }
    pool->db_path = path;
    pool->last = &pool->first;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->work, NULL);
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    for (int i = 0; i < WAIT_ROOMS; i++)
        pthread_cond_init(&pool->finished[i], &clock);
    pthread_condattr_destroy(&clock);
    enum pl_status status = start_threads(pool, thread_count, err);
    if (status != PL_OK) {
        pl_pool_stop(pool);
        return status;
    }
    *pool_out = pool;
    return PL_OK;
}

void pl_pool_interrupt(struct pl_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    pool->stopping = true;
    pthread_cond_broadcast(&pool->work);
    for (int i = 0; i < WAIT_ROOMS; i++)
        pthread_cond_broadcast(&pool->finished[i]);
    pthread_mutex_unlock(&pool->lock);
}

void pl_pool_stop(struct pl_pool *pool)
{
    if (!pool)
        return;
    pl_pool_interrupt(pool);
    for (int i = 0; i < pool->slot_count; i++)
        pthread_join(pool->slots[i].thread, NULL);
    for (int i = 0; i < WAIT_ROOMS; i++)
        pthread_cond_destroy(&pool->finished[i]);
    pthread_cond_destroy(&pool->work);
    pthread_mutex_destroy(&pool->lock);
    free(pool->db_path);
    free(pool);
}

/* ---- handler threads ---- */

static void forget(struct pl_pool *pool, const struct pl_job *job)
{
    struct pl_job **at = &pool->first;
    while (*at != job)
        at = &(*at)->next;
    *at = job->next;
    if (!*at)
        pool->last = at;
    pool->queued--;
}

/* Under the lock: wait for the job; true when it is done. Otherwise the job is
 * out of the queue and `*drop_out` says who frees it. */
static bool wait_for(struct pl_pool *pool, struct pl_job *job, int timeout_ms,
                     bool *drop_out)
{
    int64_t until = pl_clock_mono_ns() + timeout_ms * PL_NS_PER_MS;
    struct timespec at = {.tv_sec = (time_t)(until / PL_NS_PER_S),
                          .tv_nsec = (long)(until % PL_NS_PER_S)};
    int failure = 0;
    while (job->state != JOB_DONE && !failure && !pool->stopping)
        failure = pthread_cond_timedwait(&pool->finished[job->room], &pool->lock, &at);
    if (job->state == JOB_DONE)
        return true;
    *drop_out = job->state == JOB_QUEUED;
    if (*drop_out)
        forget(pool, job);
    else
        job->state = JOB_LEFT;
    return false;
}

enum pl_status pl_pool_run(struct pl_pool *pool, struct pl_job *job, int timeout_ms,
                           struct pl_error *err)
{
    bool done = false, drop = true;
    pthread_mutex_lock(&pool->lock);
    bool full = pool->queued >= QUEUE_LIMIT;
    if (!full && !pool->stopping) {
        job->state = JOB_QUEUED;
        job->next = NULL;
        job->room = pool->next_room++ % WAIT_ROOMS;
        *pool->last = job;
        pool->last = &job->next;
        pool->queued++;
        pthread_cond_signal(&pool->work);
        done = wait_for(pool, job, timeout_ms, &drop);
    }
    bool stopping = pool->stopping;
    pthread_mutex_unlock(&pool->lock);
    if (done)
        return PL_OK;
    if (drop)
        job->drop(job);
    return pl_error_set(err, PL_BUSY,
                        stopping ? "the server is stopping"
                        : full
                            ? "the server has too much to do: try again"
                            : "the answer took longer than %d s: narrow the selection",
                        timeout_ms / 1000);
}
