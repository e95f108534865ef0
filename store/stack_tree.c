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

/* A frame's part in the hash of a path. Parts are added up, so that the processor
 * works on several at once; `depth` makes their order count. */
static uint64_t hash_step(uint32_t frame, uint32_t depth)
{
    return pl_hash_mix((uint64_t)depth << 32, frame);
}

static uint64_t hash_path(const uint32_t *frames, size_t count)
{
    uint64_t hash = root_hash;
    for (size_t i = 0; i < count; i++)
        hash += hash_step(frames[i], (uint32_t)i);
    return hash;
}

/* The first entry from `at` on that may be the path's, or a free one. */
static size_t find_entry(const struct pl_tree_table *table, uint64_t hash, size_t at)
{
    while (table->entries[at].index && table->entries[at].tag != tag_of(hash))
        at = (at + 1) & (table->cap - 1);
    return at;
}

static bool is_stack(const struct pl_stack_tree *tree, uint32_t index,
                     const uint32_t *frames, size_t count)
{
    const struct pl_tree_stack *stack = &tree->stacks[index];
    return stack->depth == count &&
           memcmp(tree->spelled + stack->spelled, frames, count * sizeof *frames) == 0;
}

/* `at`: what find_entry says. */
static uint32_t find_from(const struct pl_stack_tree *tree, uint64_t hash, size_t at,
                          const uint32_t *frames, size_t count)
{
    const struct pl_tree_table *table = &tree->paths;
    while (table->entries[at].index) {
        if (is_stack(tree, table->entries[at].index, frames, count))
            return tree->first_id + table->entries[at].index;
        at = find_entry(table, hash, (at + 1) & (table->cap - 1));
    }
    return 0;
}

uint32_t pl_stack_tree_find(const struct pl_stack_tree *tree, const uint32_t *frames,
                            size_t count)
{
    const struct pl_tree_table *table = &tree->paths;
    if (!table->cap)
        return 0;
    uint64_t hash = hash_path(frames, count);
    return find_from(tree, hash, find_entry(table, hash, hash & (table->cap - 1)),
                     frames, count);
}

/* Each step asks for the memory the next one reads. */
void pl_stack_tree_find_many(const struct pl_stack_tree *tree, const uint32_t *frames,
                             const uint32_t *counts, size_t stack_count,
                             uint32_t *ids_out)
{
    const struct pl_tree_table *table = &tree->paths;
    uint64_t hashes[PL_STACK_TREE_MANY];
    size_t at[PL_STACK_TREE_MANY];
    const uint32_t *own = frames;
    memset(ids_out, 0, stack_count * sizeof *ids_out);
    if (!tree->spelled_count)
        return;
    for (size_t i = 0; i < stack_count; own += counts[i++]) {
        hashes[i] = hash_path(own, counts[i]);
        __builtin_prefetch(&table->entries[hashes[i] & (table->cap - 1)]);
    }
    for (size_t i = 0; i < stack_count; i++) {
        at[i] = find_entry(table, hashes[i], hashes[i] & (table->cap - 1));
        __builtin_prefetch(&tree->stacks[table->entries[at[i]].index]);
    }
    for (size_t i = 0; i < stack_count; i++) {
        uint32_t spelled = tree->stacks[table->entries[at[i]].index].spelled;
        __builtin_prefetch(&tree->spelled[spelled]);
        __builtin_prefetch(&tree->spelled[spelled] + 16);
    }
    for (size_t i = 0; i < stack_count; frames += counts[i++])
        if (counts[i])
            ids_out[i] = find_from(tree, hashes[i], at[i], frames, counts[i]);
}

void pl_stack_tree_prefix(const struct pl_stack_tree *tree, const uint32_t *frames,
                          size_t count, uint32_t *parent_out, uint32_t *keep_out)
{
    uint64_t hash = root_hash;
    uint32_t node = 0;
    *parent_out = *keep_out = 0;
    for (size_t i = 0; i < count; i++) {
        hash += hash_step(frames[i], (uint32_t)i);
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
        hash += hash_step(frames[i], tree->nodes[node].depth);
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
