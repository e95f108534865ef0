/* Queue: what the sink has to be told, in order. A sink that fails gets the same
 * call again in the next round; meanwhile the queue grows up to a limit.
 *
 * Rounds run in a thread of their own if one was started: a store that takes its time
 * keeps nobody from reading. Threads  the drain's, and that one, which calls nothing
 * but the sink. */
#ifndef PL_COLLECTOR_DRAIN_QUEUE_H
#define PL_COLLECTOR_DRAIN_QUEUE_H

#include "collector/chunk_builder.h"
#include "store/chunk_sink.h"

#include <pthread.h>

struct pl_drain_item;

struct pl_drain_queue {
    const struct pl_chunk_sink *sink;
    void (*idle)(void *sink_self); /* after a round; nullable */
    pthread_t thread;
    int tid; /* of the thread; 0: there is none */

    pthread_mutex_t lock; /* over all below */
    pthread_cond_t changed;
    struct pl_drain_item *first, *last;
    size_t bytes, limit_bytes;                /* held, and most that may be */
    uint64_t samples, lost, chunks, sessions; /* handed over */
    uint64_t wanted, done;                    /* rounds */
    enum pl_status status;                    /* of the last one */
    struct pl_error error;
    bool stop;
    bool watched; /* as the sink last said */
};

void pl_drain_queue_init(struct pl_drain_queue *queue, const struct pl_chunk_sink *sink,
                         void (*idle)(void *sink_self), size_t limit_bytes);
/* Begin to run rounds in a thread; without memory for one, they run as they did. */
void pl_drain_queue_start(struct pl_drain_queue *queue);
/* Ends the thread, after the call it is in. What is left is freed. */
void pl_drain_queue_deinit(struct pl_drain_queue *queue);

/* Copies the session and its texts. */
bool pl_drain_queue_begin(struct pl_drain_queue *queue,
                          const struct pl_sink_session *session);
/* Takes the chunk; false: it did not fit, or memory ran out, and it is freed. */
bool pl_drain_queue_put_take(struct pl_drain_queue *queue, struct pl_chunk *chunk);
bool pl_drain_queue_end(struct pl_drain_queue *queue, const struct pl_id *session_id,
                        int64_t end_ns, enum pl_session_state state, int exit_status);

/* Ask the sink whether somebody watches; what it last said. */
bool pl_drain_queue_watched(struct pl_drain_queue *queue);
/* Takes a part that still grows (put_live of the sink), once: failing it is gone. */
void pl_drain_queue_show_take(struct pl_drain_queue *queue, struct pl_chunk *chunk);

/* Have a round run: hand over until the queue is empty or the sink fails. `wait` until
 * it has. Errors  the sink's, without waiting those of the round before. */
PL_MUST_CHECK enum pl_status pl_drain_queue_flush(struct pl_drain_queue *queue,
                                                  bool wait, struct pl_error *err);
bool pl_drain_queue_is_empty(struct pl_drain_queue *queue);
/* Samples that wait. Under the lock. */
uint64_t pl_drain_queue_samples(const struct pl_drain_queue *queue);

#endif
