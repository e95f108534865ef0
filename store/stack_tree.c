#include "store/stack_tree.h"

#include "base/hash.h"

#include <stdlib.h>
#include <string.h>

struct pl_tree_entry {
    uint32_t tag;   /* upper half of the path's hash */
    uint32_t index; /* 0: free */
};

enum { MAX_ID_STEP = 1000000, MAX_DEPTH = 65536 };

static const uint64_t root_hash = UINT64_C(0x452821e638d01377);

void pl_stack_tree_deinit(struct pl_stack_tree *tree)
{
    free(tree->nodes);
    free(tree->children.entries);
    free(tree->stacks);
    free(tree->paths.entries);
    free(tree->spelled);
    *tree = (struct pl_stack_tree){0};
}

/* ---- tables ---- */

static uint32_t tag_of(uint64_t hash)
{
    return (uint32_t)(hash >> 32);
}

static void enter(struct pl_tree_table *table, uint64_t hash, size_t index)
{
    size_t at = hash & (table->cap - 1);
    while (table->entries[at].index)
        at = (at + 1) & (table->cap - 1);
    table->entries[at] = (struct pl_tree_entry){tag_of(hash), (uint32_t)index};
}

/* The child of `parent` with this frame, 0 if none; `hash` is of its path. */
static uint32_t find_child(const struct pl_stack_tree *tree, uint64_t hash,
                           uint32_t parent, uint32_t frame)
{
    const struct pl_tree_table *table = &tree->children;
    if (!table->cap)
        return 0;
    for (size_t at = hash & (table->cap - 1);; at = (at + 1) & (table->cap - 1)) {
        const struct pl_tree_entry *entry = &table->entries[at];
        const struct pl_tree_node *node = &tree->nodes[entry->index];
        if (!entry->index || (entry->tag == tag_of(hash) && node->parent == parent &&
                              node->frame == frame))
            return entry->index;
    }
}

/* ---- look-up ---- */

uint32_t pl_stack_tree_find(const struct pl_stack_tree *tree, const uint32_t *frames,
                            size_t count)
{
    const struct pl_tree_table *table = &tree->paths;
    if (!table->cap)
        return 0;
    uint64_t hash = root_hash;
    for (size_t i = 0; i < count; i++)
        hash = pl_hash_mix(hash, frames[i]);
    for (size_t at = hash & (table->cap - 1);; at = (at + 1) & (table->cap - 1)) {
        const struct pl_tree_entry *entry = &table->entries[at];
        if (!entry->index)
            return 0;
        const struct pl_tree_stack *stack = &tree->stacks[entry->index];
        if (entry->tag == tag_of(hash) && stack->depth == count &&
            memcmp(tree->spelled + stack->spelled, frames, count * sizeof *frames) == 0)
            return tree->first_id + entry->index;
    }
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

/* The array with room for `need` elements; NULL: out of memory, it stays as it is. */
static void *grow(void *array, size_t *cap, size_t need, size_t size)
{
    if (need <= *cap)
        return array;
    size_t wanted = 2 * need + 1024;
    void *grown = realloc(array, wanted * size);
    if (grown)
        *cap = wanted;
    return grown;
}

/* A fresh table for `need` indexes, or NULL entries if the old one will do. */
static bool fresh_table(const struct pl_tree_table *old, size_t need,
                        struct pl_tree_table *table_out)
{
    *table_out = (struct pl_tree_table){0};
    if (2 * need <= old->cap)
        return true;
    size_t cap = old->cap ? old->cap : 1024;
    while (cap < 4 * need)
        cap *= 2;
    table_out->entries = calloc(cap, sizeof *table_out->entries);
    table_out->cap = cap;
    return table_out->entries != NULL;
}

static bool grow_nodes(struct pl_stack_tree *tree, size_t more)
{
    struct pl_tree_table table;
    size_t need = tree->count + more + 1;
    if (need > UINT32_MAX / 8)
        return false;
    struct pl_tree_node *nodes = grow(tree->nodes, &tree->cap, need, sizeof *nodes);
    if (!nodes)
        return false;
    tree->nodes = nodes;
    if (!tree->count)
        tree->nodes[tree->count++] = (struct pl_tree_node){.hash = root_hash};
    if (!fresh_table(&tree->children, need, &table))
        return false;
    if (table.entries) {
        for (size_t i = 1; i < tree->count; i++)
            enter(&table, tree->nodes[i].hash, i);
        free(tree->children.entries);
        tree->children = table;
    }
    return true;
}

static bool grow_stacks(struct pl_stack_tree *tree, uint32_t id)
{
    struct pl_tree_table table;
    if (!tree->stack_count)
        tree->first_id = id - 1; /* so that index 0 stays free */
    size_t need = (size_t)(id - tree->first_id) + 1;
    if (id <= tree->first_id || need > tree->stack_count + MAX_ID_STEP)
        return false;
    struct pl_tree_stack *stacks =
        grow(tree->stacks, &tree->stack_cap, need, sizeof *stacks);
    if (!stacks)
        return false;
    tree->stacks = stacks;
    while (tree->stack_count < need)
        tree->stacks[tree->stack_count++] = (struct pl_tree_stack){0};
    if (!fresh_table(&tree->paths, need, &table))
        return false;
    if (table.entries) {
        for (size_t i = 1; i < tree->stack_count; i++)
            if (tree->stacks[i].depth)
                enter(&table, tree->nodes[tree->stacks[i].node].hash, i);
        free(tree->paths.entries);
        tree->paths = table;
    }
    return true;
}

/* The node `keep` frames below the root on the way to stack `id`. */
static bool find_attachment(const struct pl_stack_tree *tree, uint32_t id,
                            uint32_t keep, uint32_t *node_out)
{
    *node_out = 0;
    if (!keep)
        return true;
    if (id <= tree->first_id || id - tree->first_id >= tree->stack_count ||
        tree->stacks[id - tree->first_id].depth < keep)
        return false;
    uint32_t node = tree->stacks[id - tree->first_id].node;
    while (tree->nodes[node].depth > keep)
        node = tree->nodes[node].parent;
    *node_out = node;
    return true;
}

static uint32_t extend(struct pl_stack_tree *tree, uint32_t node, uint32_t owner,
                       const uint32_t *frames, size_t count)
{
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
                                      .owner = owner};
            enter(&tree->children, hash, child);
        }
        node = child;
    }
    return node;
}

bool pl_stack_tree_add(struct pl_stack_tree *tree, uint32_t id, uint32_t parent,
                       uint32_t keep, const uint32_t *frames, size_t count)
{
    uint32_t node;
    if (!grow_nodes(tree, count) || !grow_stacks(tree, id))
        return false;
    if (!find_attachment(tree, parent, keep, &node) || keep + count > MAX_DEPTH ||
        keep + count == 0)
        return true;
    size_t depth = keep + count, need = tree->spelled_count + depth;
    uint32_t *spelled = NULL;
    if (need <= UINT32_MAX)
        spelled = grow(tree->spelled, &tree->spelled_cap, need, sizeof *spelled);
    if (!spelled)
        return false;
    tree->spelled = spelled;
    node = extend(tree, node, id, frames, count);
    tree->stacks[id - tree->first_id] =
        (struct pl_tree_stack){node, (uint32_t)depth, (uint32_t)tree->spelled_count};
    enter(&tree->paths, tree->nodes[node].hash, id - tree->first_id);
    for (size_t i = depth; i > 0; node = tree->nodes[node].parent)
        tree->spelled[tree->spelled_count + --i] = tree->nodes[node].frame;
    tree->spelled_count = need;
    return true;
}
