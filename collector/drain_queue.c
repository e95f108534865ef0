#include "collector/drain_queue.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define STACK_BYTES ((size_t)1 << 20)

enum kind { BEGIN, PUT, END, LOOK, SHOW };

struct pl_drain_item {
    struct pl_drain_item *next;
    enum kind kind;
    struct pl_sink_session session; /* BEGIN; its texts are owned */
    struct pl_chunk *chunk;         /* PUT, SHOW */
    bool watched;                   /* LOOK: the answer */
    struct pl_id session_id;        /* END */
    int64_t end_ns;
    enum pl_session_state state;
    int exit_status;
};

static void free_text(const char *text)
{
    char *owned;
    memcpy(&owned, &text, sizeof owned); /* const for the sink, ours to free */
    free(owned);
}

static void free_item(struct pl_drain_item *item)
{
    free_text(item->session.app);
    free_text(item->session.release);
    free_text(item->session.environment);
    free_text(item->session.dist);
    free_text(item->session.in_app_include);
    free_text(item->session.in_app_exclude);
    free_text(item->session.project_root);
    free_text(item->session.host);
    pl_chunk_free(item->chunk);
    free(item);
}

void pl_drain_queue_init(struct pl_drain_queue *queue, const struct pl_chunk_sink *sink,
                         void (*idle)(void *sink_self), size_t limit_bytes)
{
    *queue =
        (struct pl_drain_queue){.sink = sink, .idle = idle, .limit_bytes = limit_bytes};
    pthread_mutex_init(&queue->lock, NULL);
    pthread_cond_init(&queue->changed, NULL);
}

void pl_drain_queue_deinit(struct pl_drain_queue *queue)
{
    if (queue->tid) {
        pthread_mutex_lock(&queue->lock);
        queue->stop = true;
        pthread_cond_broadcast(&queue->changed);
        pthread_mutex_unlock(&queue->lock);
        (void)pthread_join(queue->thread, NULL);
    }
    while (queue->first) {
        struct pl_drain_item *next = queue->first->next;
        free_item(queue->first);
        queue->first = next;
    }
    queue->last = NULL;
    pthread_cond_destroy(&queue->changed);
    pthread_mutex_destroy(&queue->lock);
}

/* ---- what is to be told ---- */

static struct pl_drain_item *new_item(enum kind kind)
{
    struct pl_drain_item *item = calloc(1, sizeof *item);
    if (item)
        item->kind = kind;
    return item;
}

static void append(struct pl_drain_queue *queue, struct pl_drain_item *item)
{
    pthread_mutex_lock(&queue->lock);
    if (queue->last)
        queue->last->next = item;
    else
        queue->first = item;
    queue->last = item;
    if (item->chunk)
        queue->bytes += item->chunk->bytes;
    pthread_mutex_unlock(&queue->lock);
}

static const char *copy(const char *text)
{
    return text ? strdup(text) : NULL;
}

bool pl_drain_queue_begin(struct pl_drain_queue *queue,
                          const struct pl_sink_session *session)
{
    struct pl_drain_item *item = new_item(BEGIN);
    if (!item)
        return false;
    item->session = *session;
    item->session.app = copy(session->app);
    item->session.release = copy(session->release);
    item->session.environment = copy(session->environment);
    item->session.dist = copy(session->dist);
    item->session.in_app_include = copy(session->in_app_include);
    item->session.in_app_exclude = copy(session->in_app_exclude);
    item->session.project_root = copy(session->project_root);
    item->session.host = copy(session->host);
    append(queue, item);
    return true;
}

/* What is held may be one chunk of any size. */
static bool has_room(struct pl_drain_queue *queue, size_t bytes)
{
    pthread_mutex_lock(&queue->lock);
    bool room = !queue->bytes || (queue->bytes <= queue->limit_bytes &&
                                  bytes <= queue->limit_bytes - queue->bytes);
    pthread_mutex_unlock(&queue->lock);
    return room;
}

bool pl_drain_queue_put_take(struct pl_drain_queue *queue, struct pl_chunk *chunk)
{
    struct pl_drain_item *item = has_room(queue, chunk->bytes) ? new_item(PUT) : NULL;
    if (!item) {
        pl_chunk_free(chunk);
        return false;
    }
    item->chunk = chunk;
    append(queue, item);
    return true;
}

bool pl_drain_queue_end(struct pl_drain_queue *queue, const struct pl_id *session_id,
                        int64_t end_ns, enum pl_session_state state, int exit_status)
{
    struct pl_drain_item *item = new_item(END);
    if (!item)
        return false;
    item->session_id = *session_id;
    item->end_ns = end_ns;
    item->state = state;
    item->exit_status = exit_status;
    append(queue, item);
    return true;
}

bool pl_drain_queue_watched(struct pl_drain_queue *queue)
{
    struct pl_drain_item *item = queue->sink->watched ? new_item(LOOK) : NULL;
    if (!item)
        return false;
    append(queue, item);
    pthread_mutex_lock(&queue->lock);
    bool watched = queue->watched;
    pthread_mutex_unlock(&queue->lock);
    return watched;
}

void pl_drain_queue_show_take(struct pl_drain_queue *queue, struct pl_chunk *chunk)
{
    struct pl_drain_item *item = has_room(queue, chunk->bytes) ? new_item(SHOW) : NULL;
    if (!item) {
        pl_chunk_free(chunk);
        return;
    }
    item->chunk = chunk;
    append(queue, item);
}

/* ---- rounds ---- */

static enum pl_status hand_over(const struct pl_chunk_sink *sink,
                                struct pl_drain_item *item, struct pl_error *err)
{
    if (item->kind == LOOK) {
        item->watched = sink->watched(sink->self);
        return PL_OK;
    }
    if (item->kind == SHOW) { /* the next one has this, too */
        (void)sink->put_live(sink->self, &item->chunk->part, NULL);
        return PL_OK;
    }
    if (item->kind == BEGIN)
        return sink->session_begin(sink->self, &item->session, err);
    if (item->kind == END)
        return sink->session_end(sink->self, &item->session_id, item->end_ns,
                                 item->state, item->exit_status, err);
    return sink->put(sink->self, &item->chunk->part, err);
}

/* Under the lock: the sink has the first item. */
static void drop_first(struct pl_drain_queue *queue)
{
    struct pl_drain_item *item = queue->first;
    queue->sessions += item->kind == BEGIN;
    if (item->kind == LOOK)
        queue->watched = item->watched;
    if (item->chunk)
        queue->bytes -= item->chunk->bytes;
    if (item->kind == PUT) {
        queue->samples += item->chunk->samples;
        queue->lost += item->chunk->lost;
        queue->chunks++;
    }
    queue->first = item->next;
    if (!queue->first)
        queue->last = NULL;
    free_item(item);
}

/* Under the lock, but for the calls. Items are only ever appended meanwhile. */
static void run_round(struct pl_drain_queue *queue)
{
    struct pl_error error = {0};
    enum pl_status status = PL_OK;
    uint64_t round = queue->wanted;
    while (queue->first && status == PL_OK && !queue->stop) {
        struct pl_drain_item *item = queue->first;
        pthread_mutex_unlock(&queue->lock);
        status = hand_over(queue->sink, item, &error);
        pthread_mutex_lock(&queue->lock);
        if (status == PL_OK)
            drop_first(queue);
    }
    if (queue->idle) {
        pthread_mutex_unlock(&queue->lock);
        queue->idle(queue->sink->self);
        pthread_mutex_lock(&queue->lock);
    }
    queue->status = status;
    queue->error = error;
    queue->done = round;
    pthread_cond_broadcast(&queue->changed);
}

static void *sink_thread(void *argument)
{
    struct pl_drain_queue *queue = argument;
    (void)prctl(PR_SET_NAME, "proflite-store");
    pthread_mutex_lock(&queue->lock);
    queue->tid = gettid();
    pthread_cond_broadcast(&queue->changed);
    while (!queue->stop) {
        if (queue->wanted == queue->done)
            (void)pthread_cond_wait(&queue->changed, &queue->lock);
        else
            run_round(queue);
    }
    pthread_mutex_unlock(&queue->lock);
    return NULL;
}

/* No signal is for this thread: one that a write of its own raises becomes an error. */
void pl_drain_queue_start(struct pl_drain_queue *queue)
{
    pthread_attr_t attributes;
    sigset_t all, before;
    if (pthread_attr_init(&attributes) != 0)
        return;
    (void)pthread_attr_setstacksize(&attributes, STACK_BYTES);
    sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&queue->thread, &attributes, sink_thread, queue);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    pthread_mutex_lock(&queue->lock);
    while (rc == 0 && !queue->tid)
        (void)pthread_cond_wait(&queue->changed, &queue->lock);
    pthread_mutex_unlock(&queue->lock);
}

enum pl_status pl_drain_queue_flush(struct pl_drain_queue *queue, bool wait,
                                    struct pl_error *err)
{
    pthread_mutex_lock(&queue->lock);
    if (queue->first && (wait || queue->wanted == queue->done)) {
        queue->wanted++;
        pthread_cond_broadcast(&queue->changed);
    }
    if (!queue->tid && queue->wanted != queue->done)
        run_round(queue);
    while (wait && queue->done < queue->wanted)
        (void)pthread_cond_wait(&queue->changed, &queue->lock);
    /* Once for each round, whoever asked for it. */
    enum pl_status status = queue->status;
    if (status != PL_OK && err)
        *err = queue->error;
    queue->status = PL_OK;
    pthread_mutex_unlock(&queue->lock);
    return status;
}

bool pl_drain_queue_is_empty(struct pl_drain_queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    bool empty = !queue->first;
    pthread_mutex_unlock(&queue->lock);
    return empty;
}

uint64_t pl_drain_queue_samples(const struct pl_drain_queue *queue)
{
    uint64_t samples = 0;
    for (const struct pl_drain_item *item = queue->first; item; item = item->next)
        samples += item->kind == PUT ? item->chunk->samples : 0;
    return samples;
}
