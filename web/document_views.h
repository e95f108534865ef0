/* More documents, as in document.h: sandwich, diff, history, lines, labels,
 * threads, charts, function metrics. */
#ifndef PL_WEB_DOCUMENT_VIEWS_H
#define PL_WEB_DOCUMENT_VIEWS_H

#include "base/buf.h"
#include "store/query_chart.h"
#include "store/query_diff.h"
#include "store/query_functions.h"
#include "store/query_history.h"
#include "store/query_sandwich.h"
#include "web/prune.h"

/* Both trees without what weighs less than `min_ns`.  Errors  NOMEM. */
PL_MUST_CHECK enum pl_status pl_json_sandwich(struct pl_buf *out,
                                              const struct pl_sandwich *sandwich,
                                              const char *function, int64_t min_ns,
                                              struct pl_error *err);

/* Functions that changed most (by their own share) first; at most `count` of them, and
 * the tree that is left in `pruned`. */
PL_MUST_CHECK enum pl_status pl_json_diff(struct pl_buf *out,
                                          const struct pl_diff *diff, size_t count,
                                          const struct pl_pruned *pruned,
                                          struct pl_error *err);

/* The functions of a diff by how much their self (or total) share changed; malloc'd,
 * caller frees; NULL: out of memory. */
uint32_t *pl_diff_order(const struct pl_diff *diff, bool by_total);

/* `,"key":` and a value each. */
void pl_json_history_field(struct pl_buf *out, const char *key,
                           const struct pl_history *history);
void pl_json_lines_field(struct pl_buf *out, const char *key,
                         const struct pl_line_list *list);
void pl_json_labels_field(struct pl_buf *out, const char *key,
                          const struct pl_label_list *list);

void pl_json_threads_field(struct pl_buf *out, const char *key,
                           const struct pl_thread_list *list);

/* The first `count` functions and their times, per bucket where there are any. */
void pl_json_functions(struct pl_buf *out, const struct pl_function_metrics *metrics,
                       size_t count);

void pl_json_chart(struct pl_buf *out, const struct pl_chart *chart);

#endif
