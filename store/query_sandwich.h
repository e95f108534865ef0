/* Sandwich: who calls a function, and what it calls.
 *
 * Two trees whose roots have the function below them: callers go up from its outermost
 * calls, callees down. Both weigh what the function weighs in total, recursion once. */
#ifndef PL_STORE_QUERY_SANDWICH_H
#define PL_STORE_QUERY_SANDWICH_H

#include "store/query_transform.h"

struct pl_sandwich {
    struct pl_profile callers, callees;
    struct pl_amount whole; /* of the selection; squares are not known */
    struct pl_amount self;  /* of the function; its total is the callers' */
};

/* `function` is a name; the selection may ask for one, too. Nothing found is OK with
 * callers.samples 0.  Errors  as pl_query_profile. */
PL_MUST_CHECK enum pl_status
pl_query_sandwich(struct pl_store *store, const struct pl_selection *selection,
                  enum pl_metric metric, const struct pl_transform_list *transforms,
                  const char *function, struct pl_sandwich *sandwich_out,
                  struct pl_error *err);
void pl_sandwich_deinit(struct pl_sandwich *sandwich);

#endif
