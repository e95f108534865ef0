/* A queried profile as the plain call tree that formats/ writes and draws. */
#ifndef PL_WEB_FLAME_TREE_H
#define PL_WEB_FLAME_TREE_H

#include "formats/tree.h"
#include "store/query.h"

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
