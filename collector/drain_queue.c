#include "collector/drain_queue.h"

#include <stdlib.h>
#include <string.h>

enum kind { BEGIN, PUT, END };

struct pl_drain_item {
    struct pl_drain_item *next;
    enum kind kind;
    struct pl_sink_session session; /* BEGIN; its texts are owned */
    struct pl_chunk *chunk;         /* PUT */
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
    free_text(item->session.host);
    pl_chunk_free(item->chunk);
    free(item);
}

void pl_drain_queue_deinit(struct pl_drain_queue *queue)
{
    while (queue->first) {
        struct pl_drain_item *next = queue->first->next;
        free_item(queue->first);
        queue->first = next;
    }
    queue->last = NULL;
    queue->bytes = 0;
}

static struct pl_drain_item *append(struct pl_drain_queue *queue, enum kind kind)
{
    struct pl_drain_item *item = calloc(1, sizeof *item);
    if (!item)
        return NULL;
    item->kind = kind;
    if (queue->last)
        queue->last->next = item;
    else
        queue->first = item;
    queue->last = item;
    return item;
}

static const char *copy(const char *text)
{
    return text ? strdup(text) : NULL;
}

bool pl_drain_queue_begin(struct pl_drain_queue *queue,
                          const struct pl_sink_session *session)
{
    struct pl_drain_item *item = append(queue, BEGIN);
    if (!item)
        return false;
    item->session = *session;
    item->session.app = copy(session->app);
    item->session.release = copy(session->release);
    item->session.environment = copy(session->environment);
    item->session.dist = copy(session->dist);
    item->session.host = copy(session->host);
    return true;
}

bool pl_drain_queue_put_take(struct pl_drain_queue *queue, struct pl_chunk *chunk)
{
    struct pl_drain_item *item = NULL;
    if (queue->bytes <= queue->limit_bytes &&
        chunk->bytes <= queue->limit_bytes - queue->bytes)
        item = append(queue, PUT);
    if (!item) {
        pl_chunk_free(chunk);
        return false;
    }
    item->chunk = chunk;
    queue->bytes += chunk->bytes;
    return true;
}

bool pl_drain_queue_end(struct pl_drain_queue *queue, const struct pl_id *session_id,
                        int64_t end_ns, enum pl_session_state state, int exit_status)
{
    struct pl_drain_item *item = append(queue, END);
    if (!item)
        return false;
    item->session_id = *session_id;
    item->end_ns = end_ns;
    item->state = state;
    item->exit_status = exit_status;
    return true;
}

static enum pl_status hand_over(struct pl_drain_queue *queue,
                                const struct pl_chunk_sink *sink,
                                const struct pl_drain_item *item, struct pl_error *err)
{
    enum pl_status status;
    if (item->kind == BEGIN) {
        status = sink->session_begin(sink->self, &item->session, err);
        queue->sessions += status == PL_OK;
    } else if (item->kind == END) {
        status = sink->session_end(sink->self, &item->session_id, item->end_ns,
                                   item->state, item->exit_status, err);
    } else {
        status = sink->put(sink->self, &item->chunk->part, err);
        if (status == PL_OK) {
            queue->bytes -= item->chunk->bytes;
            queue->samples += item->chunk->samples;
            queue->lost += item->chunk->lost;
            queue->chunks++;
        }
    }
    return status;
}

enum pl_status pl_drain_queue_flush(struct pl_drain_queue *queue,
                                    const struct pl_chunk_sink *sink,
                                    struct pl_error *err)
{
    while (queue->first) {
        struct pl_drain_item *item = queue->first;
        enum pl_status status = hand_over(queue, sink, item, err);
        if (status != PL_OK)
            return status;
        queue->first = item->next;
        if (!queue->first)
            queue->last = NULL;
        free_item(item);
    }
    return PL_OK;
}
