/* Rollups or slots: the choice a query over a long time makes.
 *
 *   days wholly in the selection, then hours not in one of these   rollup rows
 *   what is left, session by session                               slots
 *
 * A bucket is taken only if `rolled` says it is whole and its rows add up to what
 * that says, so the answer is the same either way, to the sample and the ns. */
#ifndef PL_STORE_QUERY_ROLLUP_H
#define PL_STORE_QUERY_ROLLUP_H

#include "store/query_select.h"
#include "store/rollup_sums.h"

/* What is handed over: sums of a thread's stack in a bucket, and slots. */
struct pl_rolled_visitor {
    void *self;
    bool (*sum)(void *self, int64_t thread_id, uint32_t stack,
                const struct pl_stack_sum *sum); /* false: out of memory */
    /* Instead: a thread's sum in a bucket, of which nothing is decoded. NULL: not
     * wanted. */
    bool (*total)(void *self, int64_t thread_id, const struct pl_stack_sum *sum);
    enum pl_status (*slot)(void *self, const struct pl_slot *slot,
                           struct pl_error *err);
    /* As of pl_slot_visitor; NULL: not wanted. */
    enum pl_status (*slot_sum)(void *self, const struct pl_slot_sum *sum,
                               struct pl_error *err);
};

/* As pl_select_slots, from rollups where they say the same. */
PL_MUST_CHECK enum pl_status pl_select_rolled(struct pl_store *store,
                                              const struct pl_selection *selection,
                                              const struct pl_rolled_visitor *visitor,
                                              struct pl_selected *selected_out,
                                              struct pl_error *err);

#endif
