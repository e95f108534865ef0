/* The query part of a URL: selection and the parameters of single routes. */
#ifndef PL_WEB_PARAMS_H
#define PL_WEB_PARAMS_H

#include "store/query_transform.h"
#include "store/selection.h"

struct pl_params {
    struct pl_selection_args selection;
    struct pl_transform_list transforms;
    /* -1: not given */
    int64_t bins, boxes, bucket_ns, keys, limit, max_nodes, min_ns, slices;
    char *a, *b, *by, *file, *format, *root; /* owned; NULL: not given */
};

/* Parse `a=b&c=d` (percent-encoded, + is a space). `own` names the parameters the
 * route takes besides the selection, comma-separated; anything else is refused, as
 * an ignored filter would make a wrong answer look right. Deinit in any case.
 * Errors  USAGE; NOMEM. */
PL_MUST_CHECK enum pl_status pl_params_parse(struct pl_params *params_out,
                                             const char *query, const char *own,
                                             int64_t now_ns, struct pl_error *err);
void pl_params_deinit(struct pl_params *params);

#endif
