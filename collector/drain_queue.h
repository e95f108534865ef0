/* Queue: what the sink has to be told, in order. A sink that fails gets the same
 * call again in the next round; meanwhile the queue grows up to a limit. */
#ifndef PL_COLLECTOR_DRAIN_QUEUE_H
#define PL_COLLECTOR_DRAIN_QUEUE_H

#include "collector/chunk_builder.h"
#include "store/chunk_sink.h"

struct pl_drain_item;

struct pl_drain_queue {
    struct pl_drain_item *first, *last;
    size_t bytes, limit_bytes;                /* held, and most that may be */
    uint64_t samples, lost, chunks, sessions; /* handed over */
};

void pl_drain_queue_deinit(struct pl_drain_queue *queue);

/* Copies the session and its texts. */
bool pl_drain_queue_begin(struct pl_drain_queue *queue,
                          const struct pl_sink_session *session);
/* Takes the chunk; false: it did not fit, or memory ran out, and it is freed. */
bool pl_drain_queue_put_take(struct pl_drain_queue *queue, struct pl_chunk *chunk);
bool pl_drain_queue_end(struct pl_drain_queue *queue, const struct pl_id *session_id,
                        int64_t end_ns, enum pl_session_state state, int exit_status);

/* Hand over until the queue is empty or the sink fails. Errors  the sink's. */
PL_MUST_CHECK enum pl_status pl_drain_queue_flush(struct pl_drain_queue *queue,
                                                  const struct pl_chunk_sink *sink,
                                                  struct pl_error *err);

#endif
