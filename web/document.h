/* The documents that answer a question about a store: what the API sends and what
 * `--json` prints are the same bytes. Shapes: docs/API.md.
 *
 * They go into `out`, whose failure is the caller's to check. */
#ifndef PL_WEB_DOCUMENT_H
#define PL_WEB_DOCUMENT_H

#include "base/buf.h"
#include "store/query.h"
#include "web/prune.h"

void pl_json_sessions(struct pl_buf *out, const struct pl_session_list *list);

/* Functions by self or by total time, heaviest first. The nodes' indexes into them
 * are of no use afterwards. */
void pl_top_sort(struct pl_profile *profile, bool by_total);

/* The first `count` functions. */
void pl_json_top(struct pl_buf *out, const struct pl_profile *profile, size_t count);

void pl_json_flamegraph(struct pl_buf *out, const struct pl_profile *profile,
                        const struct pl_pruned *pruned);

#endif
