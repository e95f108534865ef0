#include "formats/tree.h"

#include <stdbool.h>
#include <stdlib.h>

static bool node_fits(const struct pl_tree *tree, size_t i)
{
    const struct pl_tree_node *node = &tree->nodes[i];
    if (node->self < 0 || node->total < node->self)
        return false;
    if (i == 0)
        return node->parent == 0 && node->name == PL_TREE_NO_NAME;
    return node->parent < i && node->name < tree->name_count &&
           node->total <= tree->nodes[node->parent].total;
}

/* Subtrees are contiguous when each node hangs on the path to the one before. */
static bool on_path(const struct pl_tree *tree, size_t i, const uint32_t *depths)
{
    uint32_t at = (uint32_t)i - 1, parent = tree->nodes[i].parent;
    while (depths[at] > depths[parent])
        at = tree->nodes[at].parent;
    return at == parent;
}

/* What is left of each node's total must never go below zero. */
static bool totals_add_up(const struct pl_tree *tree)
{
    int64_t *left = calloc(tree->node_count, sizeof *left);
    bool ok = left != NULL;
    for (size_t i = 0; ok && i < tree->node_count; i++) {
        const struct pl_tree_node *node = &tree->nodes[i];
        left[i] = node->total - node->self;
        if (i)
            ok = (left[node->parent] -= node->total) >= 0;
    }
    free(left);
    return ok;
}

enum pl_status pl_tree_depths(const struct pl_tree *tree, uint32_t **depths_out,
                              uint32_t *deepest_out, struct pl_error *err)
{
    uint32_t deepest = 0;
    if (tree->node_count >= UINT32_MAX)
        return pl_error_set(err, PL_INPUT, "the call tree has too many nodes");
    uint32_t *depths = calloc(tree->node_count + 1, sizeof *depths);
    if (!depths)
        return pl_error_set(err, PL_NOMEM, "out of memory for the call tree");
    for (size_t i = 0; i < tree->node_count; i++) {
        if (!node_fits(tree, i) || (i && !on_path(tree, i, depths))) {
            free(depths);
            return pl_error_set(err, PL_INPUT, "node %zu of the call tree is damaged",
                                i);
        }
        depths[i] = i ? depths[tree->nodes[i].parent] + 1 : 0;
        deepest = depths[i] > deepest ? depths[i] : deepest;
    }
    if (!totals_add_up(tree)) {
        free(depths);
        return pl_error_set(err, PL_INPUT, "weights of the call tree do not add up");
    }
    *depths_out = depths;
    *deepest_out = deepest;
    return PL_OK;
}
