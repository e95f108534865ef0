/* Function metrics that are all that is kept of a profile: rows of function_metric, put
 * when it came, read by query_functions.h. */
#ifndef PL_STORE_FUNCTION_METRIC_H
#define PL_STORE_FUNCTION_METRIC_H

#include "store/calls.h"
#include "store/counters.h"
#include "store/store.h"

struct pl_kept_function {
    const char *function, *module, *file; /* "" unknown */
    struct pl_call_group group;           /* of it only the figures count */
};

struct pl_kept_metrics {
    int64_t project_id, start_ns;
    const char *app;
    const char *release, *environment, *platform; /* nullable */
    const struct pl_kept_function *functions;
    size_t count;
    const struct pl_count *counts; /* into the file's counters */
    size_t count_count;
};

/* All in one transaction. */
PL_MUST_CHECK enum pl_status pl_function_metric_put(struct pl_store *store,
                                                    const struct pl_kept_metrics *kept,
                                                    struct pl_error *err);

/* Retention, inside a write transaction: those of profiles before `before_ns`. */
PL_MUST_CHECK enum pl_status pl_function_metric_expire(struct pl_store *store,
                                                       int64_t before_ns,
                                                       struct pl_error *err);

#endif
