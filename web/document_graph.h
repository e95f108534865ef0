/* The columns of a pruned tree, as flame graphs and diffs send them: a table of the
 * functions shown and a table of the nodes, one array a column. */
#ifndef PL_WEB_DOCUMENT_GRAPH_H
#define PL_WEB_DOCUMENT_GRAPH_H

#include "base/buf.h"
#include "store/query_diff.h"
#include "web/prune.h"

/* `,"metric":"cpu"` or `"wall"`. */
void pl_json_metric(struct pl_buf *out, const struct pl_profile *profile);

/* `,"functions":{...},"nodes":{...}`, with the nodes' keys if `pruned` has them. */
void pl_json_graph_columns(struct pl_buf *out, const struct pl_profile *profile,
                           const struct pl_pruned *pruned);

/* The same with the times of both sides in place of one. `pruned` is of the diff's
 * profile. */
void pl_json_diff_columns(struct pl_buf *out, const struct pl_diff *diff,
                          const struct pl_pruned *pruned);

#endif
