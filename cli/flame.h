/* A profile as a call tree: printed for a terminal, or turned into what formats/
 * draws. As JSON it is web/document's. */
#ifndef PL_CLI_FLAME_H
#define PL_CLI_FLAME_H

#include "formats/tree.h"
#include "store/query.h"
#include "web/prune.h"

#include <stdio.h>

/* What is left of `profile` in `pruned`; a rest of hidden children that weighs less
 * than `cut_ns` gets no line. Errors  NOMEM. */
PL_MUST_CHECK enum pl_status pl_flame_print_text(const struct pl_profile *profile,
                                                 const struct pl_pruned *pruned,
                                                 int64_t cut_ns, FILE *out,
                                                 struct pl_error *err);

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
