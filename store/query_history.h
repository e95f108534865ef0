/* History: a function's share of the time, bucket by bucket, and where it changed.
 *
 * Buckets are aligned to Unix time, so that hours and days are answered from sums of
 * hours and days. Changes of level are found by change_point.h. */
#ifndef PL_STORE_QUERY_HISTORY_H
#define PL_STORE_QUERY_HISTORY_H

#include "store/change_point.h"
#include "store/query.h"

#define PL_HISTORY_BUCKETS_MAX 2000
#define PL_HISTORY_CHANGES_MAX 100

struct pl_history_bucket {
    int64_t start_ns;
    struct pl_amount all; /* everything in the selection but for its function */
    struct pl_amount self, total;
};

struct pl_history_change {
    struct pl_change_point point; /* of shares; `at` is a bucket */
    bool of_self;                 /* of the function's self share, else of its total */
};

struct pl_history {
    int64_t bucket_ns;
    struct pl_history_bucket *buckets; /* owned; in order of time, none left out */
    size_t count;
    struct pl_history_change *changes; /* owned; by bucket */
    size_t change_count;
};

/* The selection's function, over the selection's time; `bucket_ns` 0 takes the
 * shortest of 1 and 10 minutes, 1 and 6 hours, 1 and 7 days that makes 200 buckets
 * or fewer.  Errors  USAGE no function, or too many buckets; as pl_query_profile. */
PL_MUST_CHECK enum pl_status pl_query_history(struct pl_store *store,
                                              const struct pl_selection *selection,
                                              enum pl_metric metric, int64_t bucket_ns,
                                              struct pl_history *history_out,
                                              struct pl_error *err);
void pl_history_deinit(struct pl_history *history);

#endif
