/* Sums per thread, and per bin of time: what thread lists and timelines share. */
#ifndef PL_STORE_QUERY_SERIES_H
#define PL_STORE_QUERY_SERIES_H

#include "store/arena.h"
#include "store/idmap.h"
#include "store/query_select.h"

struct pl_series {
    uint32_t thread_id;
    int64_t session_id, tid;
    const char *name;
    int64_t samples, wall_ns, cpu_ns;
    int64_t *bin_wall_ns, *bin_cpu_ns; /* `bins` entries, or NULL */
};

struct pl_series_list {
    struct pl_arena *arena; /* names and bins */
    size_t bins;            /* 0: sums only */
    struct pl_idmap threads;
    struct pl_series *rows; /* heaviest CPU first, then by id */
    size_t cap;
};

/* One row for each thread with samples in the selection (and its function, if it
 * has one). `time` is NULL for no bins. The caller holds a read transaction.
 * Errors  INPUT damaged; IO; NOMEM. */
PL_MUST_CHECK enum pl_status pl_series_gather(struct pl_store *store,
                                              const struct pl_selection *selection,
                                              const struct pl_bins *time, size_t bins,
                                              struct pl_series_list *list_out,
                                              struct pl_error *err);
/* Bins over the selection's range; an open end is where the data ends. `bin_ns` is 0 if
 * there are none.  Errors  USAGE; IO. */
PL_MUST_CHECK enum pl_status pl_timeline_plan(struct pl_store *store,
                                              const struct pl_selection *selection,
                                              size_t bins, struct pl_bins *time_out,
                                              struct pl_error *err);
void pl_series_deinit(struct pl_series_list *list);

#endif
