/* Function metrics: how long calls of the application's functions last, over time.
 *
 * Of each chunk the calls are found (store/calls.h) and their self times are put to the
 * bucket the chunk begins in; a function is (package, name), known by its fingerprint.
 * Computed from the samples when asked; of profiles of which only this was kept
 * (function_metric) it is read. */
#ifndef PL_STORE_QUERY_FUNCTIONS_H
#define PL_STORE_QUERY_FUNCTIONS_H

#include "store/query.h"

struct pl_call_times {
    int64_t start_ns; /* of the bucket; 0 in sums of all */
    int64_t calls, sum_ns;
    int64_t p75_ns, p95_ns, p99_ns; /* of the self time of a call */
};

struct pl_function_metric {
    uint32_t fingerprint;
    const char *function, *module, *file; /* "" unknown */
    int64_t samples, chunks;
    struct pl_call_times all;
    struct pl_call_times *buckets; /* those with calls, in order of time */
    size_t bucket_count;
};

struct pl_function_metrics {
    int64_t bucket_ns;
    int64_t chunks;                  /* looked at */
    struct pl_function_metric *rows; /* most self time first */
    size_t count;
    void *owned;
};

/* `bucket_ns` 0: all in one. Of the selection, `function` keeps its metrics only; with
 * sessions, threads or labels what is only kept as metrics is left out.
 * Errors  USAGE a bucket below zero, too many calls; as pl_query_profile. */
PL_MUST_CHECK enum pl_status pl_query_functions(struct pl_store *store,
                                                const struct pl_selection *selection,
                                                int64_t bucket_ns,
                                                struct pl_function_metrics *metrics_out,
                                                struct pl_error *err);
void pl_function_metrics_deinit(struct pl_function_metrics *metrics);

#endif
