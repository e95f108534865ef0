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

/* The same, each thread in the column that is its place in `threads`; others are
 * left out. */
PL_MUST_CHECK enum pl_status
pl_query_thread_weights(struct pl_store *store, const struct pl_selection *selection,
                        enum pl_metric metric, struct pl_stack_weights *weights,
                        const struct pl_idmap *threads, struct pl_error *err);

#endif
