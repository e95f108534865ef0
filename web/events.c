/* One thread looks at the store for all listeners; each listener is a worker of the
 * server that waits for the number to change. A page keeps one stream for all its
 * tabs, so listeners are few; the limit keeps workers for other requests. */
#include "web/events.h"

#include "base/clock.h"
#include "store/store.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LOOK_MS        500
#define LOOK_LIMIT_MS  5000  /* for one look to be answered */
#define STILL_HERE_MS  15000 /* a comment, to notice who is gone */
#define MOST_LISTENERS 32
#define STACK_BYTES    ((size_t)256 << 10)

struct pl_events {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed; /* any of the below; on the monotonic clock */
    struct pl_pool *pool;
    bool stop;
    int listeners;
    bool known; /* `generation` is of this store */
    uint64_t generation;
};

/* ---- looking ---- */

struct look {
    struct pl_job job; /* first: a job is a look */
    uint64_t generation;
    enum pl_status status;
};

static void run_look(struct pl_job *job, struct pl_pool_slot *slot)
{
    struct look *look = (struct look *)job;
    struct pl_store *store = NULL;
    struct pl_error err = {0};
    look->status = pl_pool_store(slot, &store, &err);
    if (look->status == PL_OK)
        look->status = pl_store_generation(store, &look->generation, &err);
    if (look->status == PL_IO || look->status == PL_INPUT)
        pl_pool_store_failed(slot);
}

static void drop_look(struct pl_job *job)
{
    free(job);
}

/* False: nothing is known (no store yet, or the pool is busy). */
static bool take_look(struct pl_pool *pool, uint64_t *generation_out)
{
    struct pl_error err = {0};
    struct look *look = calloc(1, sizeof *look);
    if (!look)
        return false;
    look->job = (struct pl_job){.run = run_look, .drop = drop_look};
    if (pl_pool_run(pool, &look->job, LOOK_LIMIT_MS, &err) != PL_OK)
        return false; /* it is the pool's now */
    bool ok = look->status == PL_OK;
    *generation_out = look->generation;
    free(look);
    return ok;
}

static struct timespec in_ms(int64_t ms)
{
    int64_t at = pl_clock_mono_ns() + ms * 1000000;
    return (struct timespec){.tv_sec = at / PL_NS_PER_S, .tv_nsec = at % PL_NS_PER_S};
}

/* Under the lock: until `ms` have passed or the server stops. */
static void rest(struct pl_events *events, int64_t ms)
{
    struct timespec until = in_ms(ms);
    while (!events->stop &&
           pthread_cond_timedwait(&events->changed, &events->lock, &until) == 0)
        ;
}

static void *watch(void *arg)
{
    struct pl_events *events = arg;
    pthread_mutex_lock(&events->lock);
    while (!events->stop) {
        uint64_t generation = 0;
        if (events->listeners == 0) {
            pthread_cond_wait(&events->changed, &events->lock);
            continue;
        }
        pthread_mutex_unlock(&events->lock);
        bool known = take_look(events->pool, &generation);
        pthread_mutex_lock(&events->lock);
        if (known && (!events->known || generation != events->generation)) {
            events->known = true;
            events->generation = generation;
            pthread_cond_broadcast(&events->changed);
        }
        rest(events, LOOK_MS);
    }
    pthread_mutex_unlock(&events->lock);
    return NULL;
}

/* ---- telling ---- */

static bool write_all(const struct pl_peer *peer, const char *text)
{
    int len = (int)strlen(text);
    return peer->write(peer->conn, text, (size_t)len) == len;
}

/* Under the lock, given back while writing. False: the peer is gone. */
static bool tell(struct pl_events *events, const struct pl_peer *peer, const char *text)
{
    pthread_mutex_unlock(&events->lock);
    bool there = write_all(peer, text);
    pthread_mutex_lock(&events->lock);
    return there;
}

/* Under the lock: something to tell, or false when it is time for a comment. */
static bool wait_for_news(struct pl_events *events, bool told, uint64_t last)
{
    struct timespec until = in_ms(STILL_HERE_MS);
    while (!events->stop && (!events->known || (told && events->generation == last)))
        if (pthread_cond_timedwait(&events->changed, &events->lock, &until) != 0)
            return false;
    return true;
}

static void tell_news(struct pl_events *events, const struct pl_peer *peer)
{
    bool there = true, told = false;
    uint64_t last = 0;
    while (there && !events->stop) {
        char line[64] = ": still here\n\n";
        if (wait_for_news(events, told, last)) {
            last = events->generation;
            told = true;
            (void)snprintf(line, sizeof line,
                           "data: {\"generation\":\"%" PRIu64 "\"}\n\n", last);
        }
        if (!events->stop)
            there = tell(events, peer, line);
    }
}

int pl_events_stream(struct pl_events *events, const struct pl_peer *peer, bool head,
                     struct pl_http_error *error)
{
    pthread_mutex_lock(&events->lock);
    bool room = events->listeners < MOST_LISTENERS;
    if (room) {
        events->listeners++;
        pthread_cond_broadcast(&events->changed);
    }
    pthread_mutex_unlock(&events->lock);
    if (!room)
        return pl_http_error_set(error, 503, "busy", "too many pages listen already");
    bool there = pl_reply_stream(peer, "text/event-stream");
    pthread_mutex_lock(&events->lock);
    if (there && !head)
        tell_news(events, peer);
    events->listeners--;
    pthread_mutex_unlock(&events->lock);
    return 0;
}

bool pl_events_has_listeners(struct pl_events *events)
{
    pthread_mutex_lock(&events->lock);
    bool any = events->listeners > 0 && !events->stop;
    pthread_mutex_unlock(&events->lock);
    return any;
}

/* ---- lifecycle ---- */

enum pl_status pl_events_start(struct pl_pool *pool, struct pl_events **events_out,
                               struct pl_error *err)
{
    pthread_condattr_t clock;
    pthread_attr_t stack;
    struct pl_events *events = calloc(1, sizeof *events);
    if (!events)
        return pl_error_set(err, PL_NOMEM, "out of memory starting the server");
    events->pool = pool;
    pthread_mutex_init(&events->lock, NULL);
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&events->changed, &clock);
    pthread_condattr_destroy(&clock);
    pthread_attr_init(&stack);
    pthread_attr_setstacksize(&stack, STACK_BYTES);
    int failed = pthread_create(&events->thread, &stack, watch, events);
    pthread_attr_destroy(&stack);
    if (failed) {
        pthread_cond_destroy(&events->changed);
        pthread_mutex_destroy(&events->lock);
        free(events);
        return pl_error_set(err, PL_IO, "cannot start a thread: %s", strerror(failed));
    }
    *events_out = events;
    return PL_OK;
}

void pl_events_interrupt(struct pl_events *events)
{
    if (!events)
        return;
    pthread_mutex_lock(&events->lock);
    events->stop = true;
    pthread_cond_broadcast(&events->changed);
    pthread_mutex_unlock(&events->lock);
}

void pl_events_stop(struct pl_events *events)
{
    if (!events)
        return;
    pl_events_interrupt(events);
    pthread_join(events->thread, NULL);
    pthread_cond_destroy(&events->changed);
    pthread_mutex_destroy(&events->lock);
    free(events);
}
