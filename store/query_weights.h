/* Weight per stack of a selection: what every answer about functions is made of. */
#ifndef PL_STORE_QUERY_WEIGHTS_H
#define PL_STORE_QUERY_WEIGHTS_H

#include "store/dictionary.h"
#include "store/query_select.h"

/* Add the selection's weight in `metric` to `weights`, which is initialized.
 * `selection->function` is left to pl_dictionary_resolve. The caller holds a read
 * transaction.  Errors  INPUT damaged; IO; NOMEM. */
PL_MUST_CHECK enum pl_status
pl_query_weights(struct pl_store *store, const struct pl_selection *selection,
                 enum pl_metric metric, struct pl_stack_weights *weights,
                 struct pl_selected *selected_out, struct pl_error *err);

#endif
