/* What a selection consists of as time goes on: kinds of code in each bin of a
 * timeline, and a coarse tree with a column for each of a few slices of time. */
#ifndef PL_STORE_QUERY_SPREAD_H
#define PL_STORE_QUERY_SPREAD_H

#include "store/query.h"

/* Whose code it is that runs: by the function a stack ends in. */
enum pl_code {
    PL_CODE_APP,     /* in_app */
    PL_CODE_SYSTEM,  /* not in_app: libraries, runtimes */
    PL_CODE_KERNEL,  /* in a module "[kernel…" */
    PL_CODE_UNKNOWN, /* in_app is not known */
};
#define PL_CODES 4

struct pl_code_times {
    int64_t from_ns, to_ns, bin_ns;
    size_t bins;
    int64_t *wall_ns[PL_CODES]; /* `bins` entries each */
    int64_t *cpu_ns[PL_CODES];
    void *owned;
};

/* The bins are those of pl_query_timeline, and so are their sums. Every sample is
 * looked at.  Errors  USAGE; IO, INPUT (damaged), NOMEM. */
PL_MUST_CHECK enum pl_status
pl_query_code_times(struct pl_store *store, const struct pl_selection *selection,
                    size_t bins, struct pl_code_times *times_out, struct pl_error *err);
void pl_code_times_deinit(struct pl_code_times *times);

#define PL_SLICE_NODES_MAX 10000

/* The heaviest `most` nodes (1..PL_SLICE_NODES_MAX) of the selection's tree, with a
 * column for each of 2..PL_COLUMNS_MAX slices of the profile's from_ns to to_ns, cut
 * like bins. What the others weigh is self weight of the one they hang on.  Errors  as
 * above. */
PL_MUST_CHECK enum pl_status
pl_query_slices(struct pl_store *store, const struct pl_selection *selection,
                enum pl_metric metric, size_t slices, size_t most,
                struct pl_profile *profile_out, struct pl_error *err);

#endif
