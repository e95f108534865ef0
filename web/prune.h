/* Pruning a call tree for the wire and for the eye: small subtrees leave, their
 * weight stays on record at the parent they left. */
#ifndef PL_WEB_PRUNE_H
#define PL_WEB_PRUNE_H

#include "store/query.h"

struct pl_prune_limits { /* 0: none */
    int64_t min_ns;      /* lighter nodes leave */
    uint32_t max_depth;  /* so do deeper ones, counted from `node` */
    size_t max_nodes;    /* and of the others all but the heaviest */
    uint32_t node;       /* what is looked at: of all that is not below it only its
                            callers stay, and the limits are for what is */
};

struct pl_pruned {
    uint32_t *nodes;        /* indexes into the profile's nodes, pre-order */
    uint32_t *parents;      /* per shown node: index of its parent among the shown */
    int64_t *hidden_ns;     /* per shown node: weight of its children that left */
    uint32_t *hidden_count; /* per shown node: how many of them */
    uint32_t *functions;    /* indexes into the profile's functions: those shown */
    uint32_t *function_of;  /* per shown node: index into `functions`; root: none */
    size_t count, function_count;
    uint32_t node; /* the limits' node, among the shown; PL_NO_INDEX: it is not there */
    uint64_t *keys; /* of the profile's nodes (web/node_key.h); NULL: not wanted */
    int64_t hidden_total_ns;
};

/* What is kept is a tree with the root in it, and for each node:
 * total = self + hidden + totals of its shown children.
 * Errors  INPUT not a pre-order tree; NOMEM. */
PL_MUST_CHECK enum pl_status pl_prune(const struct pl_profile *profile,
                                      const struct pl_prune_limits *limits,
                                      struct pl_pruned *pruned_out,
                                      struct pl_error *err);
void pl_pruned_deinit(struct pl_pruned *pruned);

#endif
