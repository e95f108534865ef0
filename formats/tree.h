/* The plain call tree that drawings and folded stacks are made from. Callers
 * fill it from what they have (a queried profile, an import); everything is
 * borrowed for the duration of a call. Text may be anything. */
#ifndef PL_FORMATS_TREE_H
#define PL_FORMATS_TREE_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PL_TREE_NO_NAME UINT32_MAX /* the root */

struct pl_tree_node {
    uint32_t parent; /* index of an earlier node; root: 0 */
    uint32_t name;   /* index into names; root: PL_TREE_NO_NAME */
    int64_t self, total;
};

/* Where the function of a name is; texts may be "". */
struct pl_tree_place {
    const char *module, *build_id, *file;
    uint32_t line; /* 0: not known */
};

enum pl_tree_unit { PL_TREE_NS, PL_TREE_SAMPLES };

/* Pre-order: a parent stands before its children, a subtree is contiguous.
 * Node 0 is the root. total = self + totals of the children. */
struct pl_tree {
    const char *title;
    enum pl_tree_unit unit;
    const char *const *names;
    size_t name_count;
    const struct pl_tree_node *nodes;
    size_t node_count; /* 0: nothing was measured */
    int64_t lost;      /* samples known lost; drawings say so */

    /* What is not always known; NULL or 0 then. */
    const char *metric;                 /* "wall" or "cpu": what PL_TREE_NS are of */
    const struct pl_tree_place *places; /* one per name */
    bool sampled_lines;     /* lines are where samples were, not of declarations */
    const int64_t *samples; /* per node: of its own, in any unit */
    const bool *inlined;    /* per node: into its parent */
    bool threads;           /* the boxes of the first level are threads */
    int64_t from_ns, to_ns; /* Unix */
};

/* Is the shape as promised above? Allocates `depths_out` (one per node, root 0;
 * caller frees) because every writer needs them.
 * Errors  INPUT not a tree; NOMEM. */
PL_MUST_CHECK enum pl_status pl_tree_depths(const struct pl_tree *tree,
                                            uint32_t **depths_out,
                                            uint32_t *deepest_out,
                                            struct pl_error *err);

#endif
