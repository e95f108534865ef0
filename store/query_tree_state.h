/* What an aggregator is; inside query_tree*.c. */
#ifndef PL_STORE_QUERY_TREE_STATE_H
#define PL_STORE_QUERY_TREE_STATE_H

#include "store/arena.h"
#include "store/query_tree.h"

#define PL_ROOT_FUNCTION (PL_NO_INDEX >> 1)

struct pl_build_node {
    uint32_t parent;
    uint32_t function : 31;
    uint32_t inlined : 1;
    uint32_t first_child, next_sibling; /* 0: none */
};

struct pl_build_sum {
    int64_t ns, samples; /* self; when finishing, total */
};

struct pl_tree {
    struct pl_build_node *nodes;
    struct pl_build_sum *sums; /* by node */
    uint32_t node_count, node_cap;
    bool wants_lines;
    bool is_copy;            /* nodes and functions are another tree's */
    bool apart, torn, vague; /* see pl_tree_keep_apart */
    uint32_t columns;
    struct pl_amount *amounts; /* [node * columns + column], as sums; NULL with one
                                  column */
    uint32_t *children;        /* hash of (parent, function) -> node; 0 empty */
    uint32_t child_count, child_mask;
    struct pl_function *functions;
    uint32_t function_count, function_cap;
    uint32_t *names; /* hash of the identity -> function + 1 */
    uint32_t name_mask;
    struct pl_arena *arena; /* text, later the profile's */
};

static inline void pl_amount_add(struct pl_amount *to, const struct pl_amount *amount)
{
    to->ns += amount->ns;
    to->samples += amount->samples;
    to->squares += amount->squares;
}

#endif
