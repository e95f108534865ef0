/* The writer's prefix tree of known stacks. Memory only.
 *
 * Two tables by hash of the path from the root: one finds a whole stack, which is
 * asked for all the time and so kept small; one finds a child in the tree, which is
 * asked when a new stack looks for the longest known prefix. Nodes stand in one
 * array, a parent before its children. */
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
};

/* A known stack, or a hole (depth 0). */
struct pl_tree_stack {
    uint32_t node;    /* where it ends */
    uint32_t depth;   /* frames */
    uint32_t spelled; /* where they stand in a row, to compare without walking */
};

/* Hash -> index, 0 free; cap is a power of two, at most half used. */
struct pl_tree_table {
    struct pl_tree_entry *entries;
    size_t cap;
};

struct pl_stack_tree {
    struct pl_tree_node *nodes;
    size_t count, cap;
    struct pl_tree_table children;
    struct pl_tree_stack *stacks; /* by id - first_id; [0] is a hole */
    size_t stack_count, stack_cap;
    uint32_t first_id;
    struct pl_tree_table paths;
    uint32_t *spelled;
    size_t spelled_count, spelled_cap;
};

/* All zero is an empty tree. */
void pl_stack_tree_deinit(struct pl_stack_tree *tree);

/* The stack with exactly these frames, 0 if unknown. */
uint32_t pl_stack_tree_find(const struct pl_stack_tree *tree, const uint32_t *frames,
                            size_t count);

#define PL_STACK_TREE_MANY 16

/* The same for up to PL_STACK_TREE_MANY stacks, whose frames stand one after the other:
 * they wait for memory together. Stacks of no frames are unknown. */
void pl_stack_tree_find_many(const struct pl_stack_tree *tree, const uint32_t *frames,
                             const uint32_t *counts, size_t stack_count,
                             uint32_t *ids_out);

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
