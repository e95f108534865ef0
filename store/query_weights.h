/* The weight of each stack in a selection: the one place where a selection becomes
 * numbers, so that all queries agree. */
#ifndef PL_STORE_QUERY_WEIGHTS_H
#define PL_STORE_QUERY_WEIGHTS_H

#include "store/dictionary.h"
#include "store/query_select.h"

/* Add the selection's samples to a column of `weights`. `selection->function` is
 * not looked at: the dictionary knows which stacks have it. The caller holds a read
 * transaction.  Errors  INPUT damaged; IO; NOMEM. */
PL_MUST_CHECK enum pl_status
pl_query_weights(struct pl_store *store, const struct pl_selection *selection,
                 enum pl_metric metric, struct pl_stack_weights *weights,
                 uint32_t column, struct pl_selected *selected_out,
                 struct pl_error *err);

/* A column for each thread; those not in `threads` share the last one. */
struct pl_thread_columns {
    struct pl_idmap threads; /* thread -> place in `of` */
    uint32_t *of;            /* columns */
    uint32_t count;          /* of columns, the last one included */
};

/* The same with each thread in its column. */
PL_MUST_CHECK enum pl_status
pl_query_thread_weights(struct pl_store *store, const struct pl_selection *selection,
                        enum pl_metric metric, struct pl_stack_weights *weights,
                        const struct pl_thread_columns *columns,
                        struct pl_selected *selected_out, struct pl_error *err);

#endif
