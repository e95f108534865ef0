/* Pruning a flame graph for the wire: small subtrees leave, their weight stays
 * on record at the parent they left. */
#ifndef PL_WEB_PRUNE_H
#define PL_WEB_PRUNE_H

#include "store/query.h"

#define PL_PRUNE_DEFAULT_NODES 20000
#define PL_PRUNE_MOST_NODES    1000000

struct pl_pruned {
    uint32_t *nodes;       /* indexes into the profile's nodes, pre-order */
    uint32_t *parents;     /* per shown node: index of its parent among the shown */
    int64_t *hidden_ns;    /* per shown node: weight of its children that left */
    uint32_t *functions;   /* indexes into the profile's functions: those shown */
    uint32_t *function_of; /* per shown node: index into `functions`; root: none */
    size_t count, function_count;
    int64_t hidden_total_ns;
};

/* Keep nodes of at least `min_ns` (-1: 1/4000 of the whole), and of these the
 * `max_nodes` heaviest (-1: default). What is kept is a tree with the root in it,
 * and for each node: total = self + hidden + totals of its shown children.
 * Errors  USAGE a limit out of range; INPUT not a pre-order tree; NOMEM. */
PL_MUST_CHECK enum pl_status pl_prune(const struct pl_profile *profile, int64_t min_ns,
                                      int64_t max_nodes, struct pl_pruned *pruned_out,
                                      struct pl_error *err);
void pl_pruned_deinit(struct pl_pruned *pruned);

#endif
