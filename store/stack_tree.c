#include "store/stack_tree.h"

#include "base/hash.h"

#include <stdlib.h>
#include <string.h>

struct pl_tree_entry {
    uint32_t tag;  /* upper half of the path's hash */
    uint32_t node; /* 0: free */
};

enum { MAX_ID_STEP = 1000000, MAX_DEPTH = 65536 };

static const uint64_t root_hash = UINT64_C(0x452821e638d01377);

void pl_stack_tree_deinit(struct pl_stack_tree *tree)
{
    free(tree->nodes);
    free(tree->table);
    free(tree->leaves);
    *tree = (struct pl_stack_tree){0};
}

/* ---- look-up ---- */

static uint32_t tag_of(uint64_t hash)
{
    return (uint32_t)(hash >> 32);
}

/* The child of `parent` with this frame, 0 if none; `hash` is of its path. */
static uint32_t find_child(const struct pl_stack_tree *tree, uint64_t hash,
                           uint32_t parent, uint32_t frame)
{
    if (!tree->table_cap)
        return 0;
    size_t mask = tree->table_cap - 1;
    for (size_t at = hash & mask; tree->table[at].node; at = (at + 1) & mask) {
        uint32_t node = tree->table[at].node;
        if (tree->table[at].tag == tag_of(hash) && tree->nodes[node].parent == parent &&
            tree->nodes[node].frame == frame)
            return node;
    }
    return 0;
}

static bool is_path(const struct pl_stack_tree *tree, uint32_t node,
                    const uint32_t *frames, size_t count)
{
    if (tree->nodes[node].depth != count)
        return false;
    for (; count; node = tree->nodes[node].parent)
        if (tree->nodes[node].frame != frames[--count])
            return false;
    return true;
}

uint32_t pl_stack_tree_find(const struct pl_stack_tree *tree, const uint32_t *frames,
                            size_t count)
{
    if (!tree->table_cap)
        return 0;
    if (!count)
        return tree->nodes[0].stack;
    uint64_t hash = root_hash;
    for (size_t i = 0; i < count; i++)
        hash = pl_hash_mix(hash, frames[i]);
    size_t mask = tree->table_cap - 1;
    for (size_t at = hash & mask; tree->table[at].node; at = (at + 1) & mask) {
        uint32_t node = tree->table[at].node;
        if (tree->table[at].tag == tag_of(hash) && is_path(tree, node, frames, count))
            return tree->nodes[node].stack;
    }
    return 0;
}

void pl_stack_tree_prefix(const struct pl_stack_tree *tree, const uint32_t *frames,
                          size_t count, uint32_t *parent_out, uint32_t *keep_out)
{
    uint64_t hash = root_hash;
    uint32_t node = 0;
    *parent_out = *keep_out = 0;
    for (size_t i = 0; i < count; i++) {
        hash = pl_hash_mix(hash, frames[i]);
        node = find_child(tree, hash, node, frames[i]);
        if (!node)
            return;
        *parent_out = tree->nodes[node].owner;
        *keep_out = (uint32_t)i + 1;
    }
}

/* ---- growth ---- */

static void enter(struct pl_tree_entry *table, size_t cap, uint64_t hash, uint32_t node)
{
    size_t at = hash & (cap - 1);
    while (table[at].node)
        at = (at + 1) & (cap - 1);
    table[at] = (struct pl_tree_entry){tag_of(hash), node};
}

/* Room for `more` nodes, in the array and (at most half full) in the table. */
static bool grow_nodes(struct pl_stack_tree *tree, size_t more)
{
    size_t need = tree->count + more + 1;
    if (need > UINT32_MAX / 2)
        return false;
    if (need > tree->cap) {
        size_t cap = tree->cap ? tree->cap : 1024;
        while (cap < need)
            cap *= 2;
        struct pl_tree_node *nodes = realloc(tree->nodes, cap * sizeof *nodes);
        if (!nodes)
            return false;
        tree->nodes = nodes;
        tree->cap = cap;
        if (!tree->count)
            tree->nodes[tree->count++] = (struct pl_tree_node){.hash = root_hash};
    }
    if (2 * tree->cap <= tree->table_cap)
        return true;
    size_t table_cap = 2 * tree->cap; /* a power of two like cap */
    struct pl_tree_entry *table = calloc(table_cap, sizeof *table);
    if (!table)
        return false;
    for (uint32_t i = 1; i < tree->count; i++)
        enter(table, table_cap, tree->nodes[i].hash, i);
    free(tree->table);
    tree->table = table;
    tree->table_cap = table_cap;
    return true;
}

static bool grow_leaves(struct pl_stack_tree *tree, uint32_t id)
{
    if (!tree->first_stack)
        tree->first_stack = id;
    size_t need = (size_t)(id - tree->first_stack) + 1;
    if (id < tree->first_stack || need > tree->leaf_count + MAX_ID_STEP)
        return false;
    if (need > tree->leaf_cap) {
        size_t cap = 2 * need + 1024;
        uint32_t *leaves = realloc(tree->leaves, cap * sizeof *leaves);
        if (!leaves)
            return false;
        tree->leaves = leaves;
        tree->leaf_cap = cap;
    }
    while (tree->leaf_count < need)
        tree->leaves[tree->leaf_count++] = 0;
    return true;
}

/* The node `keep` frames below the root on the way to stack `id`. */
static bool find_attachment(const struct pl_stack_tree *tree, uint32_t id,
                            uint32_t keep, uint32_t *node_out)
{
    *node_out = 0;
    if (!keep)
        return true;
    if (id < tree->first_stack || id - tree->first_stack >= tree->leaf_count)
        return false;
    uint32_t node = tree->leaves[id - tree->first_stack];
    if (tree->nodes[node].depth < keep)
        return false;
    while (tree->nodes[node].depth > keep)
        node = tree->nodes[node].parent;
    *node_out = node;
    return true;
}

bool pl_stack_tree_add(struct pl_stack_tree *tree, uint32_t id, uint32_t parent,
                       uint32_t keep, const uint32_t *frames, size_t count)
{
    uint32_t node;
    if (!grow_nodes(tree, count) || !grow_leaves(tree, id))
        return false;
    if (!find_attachment(tree, parent, keep, &node) || keep + count > MAX_DEPTH)
        return true;
    uint64_t hash = tree->nodes[node].hash;
    for (size_t i = 0; i < count; i++) {
        hash = pl_hash_mix(hash, frames[i]);
        uint32_t child = find_child(tree, hash, node, frames[i]);
        if (!child) {
            child = (uint32_t)tree->count++;
            tree->nodes[child] =
                (struct pl_tree_node){.hash = hash,
                                      .parent = node,
                                      .frame = frames[i],
                                      .depth = tree->nodes[node].depth + 1,
                                      .owner = id};
            enter(tree->table, tree->table_cap, hash, child);
        }
        node = child;
    }
    if (!tree->nodes[node].stack)
        tree->nodes[node].stack = id;
    tree->leaves[id - tree->first_stack] = node;
    return true;
}
