/* The writer's prefix tree of known stacks. Memory only; nodes are kept in one
 * array, a parent before its children, and found by the hash of their path. */
#ifndef PL_STORE_STACK_TREE_H
#define PL_STORE_STACK_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pl_tree_node {
    uint64_t hash;   /* of the frames from the root to here */
    uint32_t parent; /* index; the root is 0 and its own parent */
    uint32_t frame;  /* id */
    uint32_t depth;  /* frames from the root to here; root 0 */
    uint32_t owner;  /* the stack whose row holds this frame */
    uint32_t stack;  /* the stack that ends here, 0 none */
};

struct pl_stack_tree {
    struct pl_tree_node *nodes;
    size_t count, cap;
    struct pl_tree_entry *table; /* path hash -> node; cap is a power of two */
    size_t table_cap;
    uint32_t *leaves; /* stack id - first_stack -> node, 0: not in the tree */
    size_t leaf_count, leaf_cap;
    uint32_t first_stack;
};

/* All zero is an empty tree. */
void pl_stack_tree_deinit(struct pl_stack_tree *tree);

/* The stack with exactly these frames, 0 if unknown. */
uint32_t pl_stack_tree_find(const struct pl_stack_tree *tree, const uint32_t *frames,
                            size_t count);

/* The known stack sharing most frames from the root: `*parent_out` holds the last
 * of the `*keep_out` shared frames in its own row (0 and 0: none). */
void pl_stack_tree_prefix(const struct pl_stack_tree *tree, const uint32_t *frames,
                          size_t count, uint32_t *parent_out, uint32_t *keep_out);

/* Add stack `id`: the first `keep` frames of `parent`, then `frames`. Ids must
 * grow, by little. A parent that is unknown or too short adds nothing and is fine.
 * False: out of memory or an id far off; the tree is still usable. */
bool pl_stack_tree_add(struct pl_stack_tree *tree, uint32_t id, uint32_t parent,
                       uint32_t keep, const uint32_t *frames, size_t count);

#endif
