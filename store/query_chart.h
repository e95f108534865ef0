/* Flame chart: what one thread ran, in order of time.
 *
 * A box is a call: a function at a depth, from when the stack first had it until it
 * no longer did. Neighbouring samples with the same outer part of the stack share its
 * boxes. Where there is more than `most` boxes, time is cut into cells, and a cell
 * shows the stack that had most of it. */
#ifndef PL_STORE_QUERY_CHART_H
#define PL_STORE_QUERY_CHART_H

#include "store/query.h"

#define PL_CHART_MOST 100000 /* boxes */

struct pl_chart_box {
    int64_t start_ns, end_ns;
    uint32_t depth;    /* outermost call 1 */
    uint32_t function; /* index into functions */
};

struct pl_chart {
    int64_t from_ns, to_ns;     /* of what was found; 0 if nothing */
    int64_t cell_ns;            /* 0: every sample is shown */
    int64_t samples;            /* of the thread in the selection */
    struct pl_chart_box *boxes; /* by start, outer before inner */
    size_t box_count;
    struct pl_function *functions; /* names only: no weights */
    size_t function_count;
    void *owned;
};

/* The selection's one thread: `selection->threads` has one id.
 * Errors  USAGE more or fewer threads, most not 1..PL_CHART_MOST; as
 * pl_query_profile. */
PL_MUST_CHECK enum pl_status pl_query_chart(struct pl_store *store,
                                            const struct pl_selection *selection,
                                            size_t most, struct pl_chart *chart_out,
                                            struct pl_error *err);
void pl_chart_deinit(struct pl_chart *chart);

#endif
