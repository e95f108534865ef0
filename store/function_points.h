/* Points: calls of functions, known by number, on their way to percentiles. Inside
 * query_functions.c, whose text this half does not read. */
#ifndef PL_STORE_FUNCTION_POINTS_H
#define PL_STORE_FUNCTION_POINTS_H

#include "store/query_functions.h"
#include "store/query_tree.h"

#define PL_POINTS_MAX 20000000 /* 480 MB: then the selection is to be narrowed */

struct pl_known_function {
    uint32_t fingerprint, function; /* of a tree; the first of this number */
    int64_t samples, chunks;
};

struct pl_function_points {
    int64_t bucket_ns;
    struct pl_point *points;
    size_t count, cap;
    struct pl_known_function *known; /* by fingerprint */
    size_t known_count, known_cap;
};

void pl_points_deinit(struct pl_function_points *points);

/* NULL: out of memory. Valid until the next call. */
struct pl_known_function *pl_points_know(struct pl_function_points *points,
                                         uint32_t fingerprint, uint32_t function);

/* One call, in the bucket `at_ns` is in.  Errors  USAGE too many; NOMEM. */
PL_MUST_CHECK enum pl_status pl_points_add(struct pl_function_points *points,
                                           uint32_t fingerprint, int64_t at_ns,
                                           int64_t self_ns, struct pl_error *err);

/* Rows of all that is known, of functions called `only` if that is not NULL; names are
 * the tree's. `metrics->owned` is an arena. False: out of memory. */
bool pl_points_finish(struct pl_function_points *points, const struct pl_tree *tree,
                      const char *only, struct pl_function_metrics *metrics);

#endif
