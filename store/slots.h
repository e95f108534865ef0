/* Slots: the threads of a part encoded as blobs, before any lock is taken.
 *
 * Checking comes first and covers every index and sum of the part, so that
 * encoding and interning need not look again. */
#ifndef PL_STORE_SLOTS_H
#define PL_STORE_SLOTS_H

#include "store/chunk_sink.h"
#include "store/codec.h"

/* INPUT, with the reason, if the part contradicts itself or the format. */
PL_MUST_CHECK enum pl_status pl_part_check(const struct pl_sink_part *part,
                                           struct pl_error *err);

/* One thread's row; blobs are owned. */
struct pl_slot {
    bool ready; /* encoded; else some stack had no id yet */
    bool cpu_known;
    int64_t n, n_on, weight;
    struct pl_nibbles runs;
    size_t runs_len, run_count;
    unsigned char *ticks; /* NULL: the part's */
    size_t ticks_len;
    unsigned char *weights; /* NULL: the period */
    size_t weights_len;
    int64_t weight_unit;
};

struct pl_slots {
    struct pl_slot *rows; /* one per thread of the part */
    size_t count;
    struct pl_tick_plan plan; /* of the part's ticks; its origin is the slots' too */
    unsigned char *ticks;     /* never NULL */
    size_t ticks_len;
    int64_t start_ns, end_ns; /* every sample lies in [start, end) */
    int64_t bytes;            /* of all blobs, once all are ready */
};

PL_MUST_CHECK enum pl_status pl_slots_init(struct pl_slots *slots,
                                           const struct pl_sink_part *part,
                                           struct pl_error *err);
void pl_slots_deinit(struct pl_slots *slots);

/* Encode the rows that are not ready and whose stacks all have ids (0: none). */
PL_MUST_CHECK enum pl_status pl_slots_encode(struct pl_slots *slots,
                                             const struct pl_sink_part *part,
                                             const uint32_t *stack_ids,
                                             struct pl_error *err);

#endif
