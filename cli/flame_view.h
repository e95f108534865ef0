/* A profile as a call tree: pruned, printed for a terminal, as JSON columns, or
 * turned into what formats/ draws. */
#ifndef PL_CLI_FLAME_VIEW_H
#define PL_CLI_FLAME_VIEW_H

#include "formats/tree.h"
#include "store/query.h"

#include <stdbool.h>
#include <stdio.h>

/* Which nodes are shown. A hidden node's whole subtree is hidden. */
struct pl_flame_view {
    const struct pl_profile *profile;
    bool *shown;            /* by node */
    int64_t *hidden_ns;     /* by node: weight of its hidden children */
    uint32_t *shown_count;  /* by node: its shown children */
    uint32_t *hidden_count; /* by node: its hidden children */
    size_t shown_nodes;
    int64_t all_hidden_ns;
};

/* Hide what weighs less than `min_ns` or lies deeper than `max_depth` (0: any).
 * Borrows the profile. Errors  NOMEM, INPUT (not a tree). */
PL_MUST_CHECK enum pl_status pl_flame_view_init(struct pl_flame_view *view,
                                                const struct pl_profile *profile,
                                                int64_t min_ns, uint32_t max_depth,
                                                struct pl_error *err);
void pl_flame_view_deinit(struct pl_flame_view *view);

PL_MUST_CHECK enum pl_status pl_flame_print_text(const struct pl_flame_view *view,
                                                 int64_t cut_ns, FILE *out,
                                                 struct pl_error *err);

/* The shape of GET /api/v1/flamegraph. */
PL_MUST_CHECK enum pl_status pl_flame_print_json(const struct pl_flame_view *view,
                                                 FILE *out, struct pl_error *err);

/* The whole profile for formats/: owned arrays, borrowed names. */
struct pl_flame_tree {
    struct pl_tree tree;
    const char **names;
    struct pl_tree_node *nodes;
};
PL_MUST_CHECK enum pl_status
pl_flame_tree_init(struct pl_flame_tree *flame, const struct pl_profile *profile,
                   enum pl_tree_unit unit, const char *title, struct pl_error *err);
void pl_flame_tree_deinit(struct pl_flame_tree *flame);

#endif
