#include "web/forward.h"

#include "base/clock.h"
#include "base/log.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define STACK_BYTES ((size_t)2 << 20)
#define RETRY_NS    (5 * PL_NS_PER_S) /* after the store failed */
#define LONGEST_NS  PL_NS_PER_S       /* of a wait: something new may have come */

struct worker {
    struct pl_forward *forward;
    struct pl_forwarder *forwarder;
    pthread_t thread;
    bool running;
};

struct pl_forward {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    atomic_bool stop; /* set under lock; requests read it without */
    struct worker workers[PL_FORWARD_TARGETS];
    size_t count;
};

/* What to wait until the next step. */
static int64_t step(struct worker *worker)
{
    struct pl_error err = {0};
    struct pl_forward_step did;
    enum pl_status status = pl_forwarder_step(worker->forwarder, &did, &err);
    if (status == PL_OK)
        return did.wait_ns < LONGEST_NS ? did.wait_ns : LONGEST_NS;
    if (status != PL_NOT_FOUND && status != PL_BUSY)
        pl_log(PL_LOG_INFO, "forward", "%s", err.message);
    return status == PL_NOT_FOUND ? LONGEST_NS : RETRY_NS;
}

static void *run(void *arg)
{
    struct worker *worker = arg;
    struct pl_forward *forward = worker->forward;
    pthread_mutex_lock(&forward->lock);
    while (!atomic_load(&forward->stop)) {
        pthread_mutex_unlock(&forward->lock);
        int64_t until_ns = step(worker) + pl_clock_mono_ns();
        struct timespec at = {.tv_sec = (time_t)(until_ns / PL_NS_PER_S),
                              .tv_nsec = (long)(until_ns % PL_NS_PER_S)};
        pthread_mutex_lock(&forward->lock);
        int failure = 0;
        while (!atomic_load(&forward->stop) && !failure)
            failure = pthread_cond_timedwait(&forward->wake, &forward->lock, &at);
    }
    pthread_mutex_unlock(&forward->lock);
    return NULL;
}

static enum pl_status start_worker(struct worker *worker, struct pl_error *err)
{
    pthread_attr_t attributes;
    int failure = pthread_attr_init(&attributes);
    if (!failure) {
        failure = pthread_attr_setstacksize(&attributes, STACK_BYTES);
        if (!failure)
            failure = pthread_create(&worker->thread, &attributes, run, worker);
        pthread_attr_destroy(&attributes);
    }
    worker->running = !failure;
    return failure ? pl_error_set(err, PL_IO, "cannot start a thread: %s",
                                  strerror(failure))
                   : PL_OK;
}

static enum pl_status add(struct pl_forward *forward,
                          const struct pl_forward_settings *settings, const char *dsn,
                          struct pl_error *err)
{
    struct worker *worker = &forward->workers[forward->count];
    const struct pl_forward_options options = {
        .db_path = settings->db_path,
        .dsn = dsn,
        .redact = settings->redact,
        .received = settings->received,
        .timeout_ms = PL_FORWARD_TIMEOUT_MS,
        .bounds = PL_FORWARD_BOUNDS,
        .stop = &forward->stop,
    };
    if (forward->count == PL_FORWARD_TARGETS)
        return pl_error_set(err, PL_USAGE, "more than %d targets to forward to",
                            PL_FORWARD_TARGETS);
    enum pl_status status = pl_forwarder_new(&options, &worker->forwarder, err);
    if (status != PL_OK)
        return status;
    worker->forward = forward;
    forward->count++;
    for (struct worker *other = forward->workers; other < worker; other++)
        if (strcmp(pl_forwarder_name(other->forwarder),
                   pl_forwarder_name(worker->forwarder)) == 0)
            return pl_error_set(err, PL_USAGE, "two DSNs of %s",
                                pl_forwarder_name(worker->forwarder));
    return PL_OK;
}

enum pl_status pl_forward_start(const struct pl_forward_settings *settings,
                                struct pl_forward **forward_out, struct pl_error *err)
{
    pthread_condattr_t clock;
    enum pl_status status = PL_OK;
    struct pl_forward *forward = calloc(1, sizeof *forward);
    if (!forward)
        return pl_error_set(err, PL_NOMEM, "out of memory starting the server");
    pthread_mutex_init(&forward->lock, NULL);
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&forward->wake, &clock);
    pthread_condattr_destroy(&clock);
    for (size_t i = 0; i < settings->dsn_count && status == PL_OK; i++)
        status = add(forward, settings, settings->dsns[i], err);
    for (size_t i = 0; i < forward->count && status == PL_OK; i++)
        status = start_worker(&forward->workers[i], err);
    if (status == PL_OK)
        *forward_out = forward;
    else
        pl_forward_stop(forward);
    return status;
}

void pl_forward_stop(struct pl_forward *forward)
{
    if (!forward)
        return;
    pthread_mutex_lock(&forward->lock);
    atomic_store(&forward->stop, true);
    pthread_cond_broadcast(&forward->wake);
    pthread_mutex_unlock(&forward->lock);
    for (size_t i = 0; i < forward->count; i++) {
        if (forward->workers[i].running)
            pthread_join(forward->workers[i].thread, NULL);
        pl_forwarder_free(forward->workers[i].forwarder);
    }
    pthread_cond_destroy(&forward->wake);
    pthread_mutex_destroy(&forward->lock);
    free(forward);
}
