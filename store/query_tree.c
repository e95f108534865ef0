/* Aggregator: see query_tree.h.
 *
 * Nodes are numbered as they come, so a parent's number is below its children's and
 * sums flow to the root in one backward sweep. A node remembers its first child; only
 * further children go into the hash table, which long unbranched tails of stacks
 * therefore never touch. */
#include "base/hash.h"
#include "store/query_tree_state.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_TABLE 1024u

enum pl_status pl_tree_new(uint32_t columns, struct pl_tree **tree_out,
                           struct pl_error *err)
{
    struct pl_tree *tree = calloc(1, sizeof *tree);
    if (!tree)
        return pl_error_set(err, PL_NOMEM, "out of memory for a profile");
    tree->arena = pl_arena_new();
    tree->columns = columns;
    if (columns > 1)
        tree->amounts = calloc((size_t)FIRST_TABLE * columns, sizeof *tree->amounts);
    tree->node_cap = FIRST_TABLE;
    tree->nodes = calloc(FIRST_TABLE, sizeof *tree->nodes);
    tree->sums = calloc(FIRST_TABLE, sizeof *tree->sums);
    tree->children = calloc(FIRST_TABLE, sizeof *tree->children);
    tree->child_mask = FIRST_TABLE - 1;
    tree->names = calloc(FIRST_TABLE, sizeof *tree->names);
    tree->name_mask = FIRST_TABLE - 1;
    if (!tree->arena || !tree->nodes || !tree->sums || !tree->children ||
        !tree->names || (columns > 1 && !tree->amounts)) {
        pl_tree_free(tree);
        return pl_error_set(err, PL_NOMEM, "out of memory for a profile");
    }
    tree->node_count = 1;
    tree->nodes[PL_TREE_ROOT].function = PL_ROOT_FUNCTION;
    *tree_out = tree;
    return PL_OK;
}

void pl_tree_free(struct pl_tree *tree)
{
    if (!tree)
        return;
    if (!tree->is_copy) {
        free(tree->nodes);
        free(tree->functions);
    }
    free(tree->sums);
    free(tree->amounts);
    free(tree->children);
    free(tree->names);
    pl_arena_free(tree->arena);
    free(tree);
}

void pl_tree_want_lines(struct pl_tree *tree)
{
    tree->wants_lines = true;
}

bool pl_tree_wants_lines(const struct pl_tree *tree)
{
    return tree->wants_lines;
}

/* ---- functions ---- */

static uint64_t hash_function(const char *name, const char *module, const char *file)
{
    uint64_t hash = pl_hash_bytes(name, strlen(name));
    hash = pl_hash_mix(hash, pl_hash_bytes(module, strlen(module)));
    return pl_hash_mix(hash, pl_hash_bytes(file, strlen(file)));
}

static bool grow_names(struct pl_tree *tree)
{
    uint32_t mask = tree->name_mask * 2 + 1;
    uint32_t *names = calloc((size_t)mask + 1, sizeof *names);
    if (!names)
        return false;
    for (uint32_t i = 0; i < tree->function_count; i++) {
        const struct pl_function *f = &tree->functions[i];
        uint32_t at = (uint32_t)hash_function(f->name, f->module, f->file) & mask;
        while (names[at])
            at = (at + 1) & mask;
        names[at] = i + 1;
    }
    free(tree->names);
    tree->names = names;
    tree->name_mask = mask;
    return true;
}

static bool grow_functions(struct pl_tree *tree)
{
    uint32_t cap = tree->function_cap ? tree->function_cap * 2 : 256;
    struct pl_function *grown = realloc(tree->functions, cap * sizeof *grown);
    if (!grown)
        return false;
    tree->functions = grown;
    tree->function_cap = cap;
    return true;
}

static uint32_t add_function(struct pl_tree *tree, const char *name, const char *module,
                             const char *file)
{
    if (tree->function_count == tree->function_cap && !grow_functions(tree))
        return PL_NO_INDEX;
    struct pl_function *f = &tree->functions[tree->function_count];
    *f = (struct pl_function){.name = pl_arena_text(tree->arena, name),
                              .module = pl_arena_text(tree->arena, module),
                              .file = pl_arena_text(tree->arena, file),
                              .in_app = -1};
    if (!f->name || !f->module || !f->file)
        return PL_NO_INDEX;
    return tree->function_count++;
}

uint32_t pl_tree_function(struct pl_tree *tree, const char *name, const char *module,
                          const char *file, uint32_t line, int8_t in_app)
{
    if (tree->function_count >= tree->name_mask / 2 && !grow_names(tree))
        return PL_NO_INDEX;
    uint32_t at = (uint32_t)hash_function(name, module, file) & tree->name_mask;
    struct pl_function *found = NULL;
    for (; tree->names[at]; at = (at + 1) & tree->name_mask) {
        struct pl_function *f = &tree->functions[tree->names[at] - 1];
        if (!strcmp(f->name, name) && !strcmp(f->module, module) &&
            !strcmp(f->file, file)) {
            found = f;
            break;
        }
    }
    if (found) {
        tree->vague |= found->line != line || found->in_app != in_app;
    } else {
        uint32_t index = add_function(tree, name, module, file);
        if (index == PL_NO_INDEX)
            return PL_NO_INDEX;
        tree->names[at] = index + 1;
        found = &tree->functions[index];
        found->in_app = in_app;
    }
    if (line && (!found->line || line < found->line))
        found->line = line;
    uint32_t function = (uint32_t)(found - tree->functions);
    pl_tree_function_in_app(tree, function, in_app);
    return function;
}

void pl_tree_function_in_app(struct pl_tree *tree, uint32_t function, int8_t in_app)
{
    struct pl_function *f = &tree->functions[function];
    tree->vague |= f->in_app != in_app;
    if (in_app > f->in_app)
        f->in_app = in_app;
}

/* It may stand in the table of names, too: behind the function it was made from. */
uint32_t pl_tree_function_line(struct pl_tree *tree, uint32_t function, uint32_t line)
{
    if ((tree->function_count >= tree->name_mask / 2 && !grow_names(tree)) ||
        (tree->function_count == tree->function_cap && !grow_functions(tree)))
        return PL_NO_INDEX;
    struct pl_function *f = &tree->functions[tree->function_count];
    *f = tree->functions[function];
    f->line = line;
    return tree->function_count++;
}

uint32_t pl_tree_function_count(const struct pl_tree *tree)
{
    return tree->function_count;
}

const struct pl_function *pl_tree_function_at(const struct pl_tree *tree,
                                              uint32_t function)
{
    return &tree->functions[function];
}

const char *pl_tree_function_name(const struct pl_tree *tree, uint32_t function)
{
    return tree->functions[function].name;
}

/* ---- nodes ---- */

static uint32_t hash_child(uint32_t parent, uint32_t function)
{
    return (uint32_t)pl_hash_mix(0, (uint64_t)parent << 32 | function);
}

static bool grow_children(struct pl_tree *tree)
{
    uint32_t mask = tree->child_mask * 2 + 1;
    uint32_t *children = calloc((size_t)mask + 1, sizeof *children);
    if (!children)
        return false;
    for (uint32_t i = 0; i <= tree->child_mask; i++) {
        uint32_t node = tree->children[i];
        if (!node)
            continue;
        uint32_t at =
            hash_child(tree->nodes[node].parent, tree->nodes[node].function) & mask;
        while (children[at])
            at = (at + 1) & mask;
        children[at] = node;
    }
    free(tree->children);
    tree->children = children;
    tree->child_mask = mask;
    return true;
}

static bool grow_amounts(struct pl_tree *tree, size_t cap)
{
    size_t row = tree->columns * sizeof *tree->amounts;
    struct pl_amount *grown = realloc(tree->amounts, cap * row);
    if (!grown)
        return false;
    memset(grown + (size_t)tree->node_cap * tree->columns, 0,
           (cap - tree->node_cap) * row);
    tree->amounts = grown;
    return true;
}

static bool grow_nodes(struct pl_tree *tree)
{
    if (tree->node_cap > UINT32_MAX / 2)
        return false;
    uint32_t cap = tree->node_cap * 2;
    if (tree->amounts && !grow_amounts(tree, cap))
        return false;
    struct pl_build_node *nodes = realloc(tree->nodes, cap * sizeof *nodes);
    if (nodes)
        tree->nodes = nodes;
    struct pl_build_sum *sums = realloc(tree->sums, cap * sizeof *sums);
    if (sums)
        tree->sums = sums;
    if (!nodes || !sums)
        return false;
    tree->node_cap = cap;
    return true;
}

static uint32_t add_node(struct pl_tree *tree, uint32_t parent, uint32_t function,
                         bool inlined)
{
    if (tree->node_count == tree->node_cap && !grow_nodes(tree))
        return PL_NO_INDEX;
    tree->nodes[tree->node_count] = (struct pl_build_node){
        .parent = parent, .function = function & PL_ROOT_FUNCTION, .inlined = inlined};
    tree->sums[tree->node_count] = (struct pl_build_sum){0};
    return tree->node_count++;
}

/* Is that the node for the call? It is not inlined any more if the call is not. */
static bool is_call(struct pl_tree *tree, struct pl_build_node *node, uint32_t function,
                    bool inlined)
{
    if (node->function != function)
        return false;
    if (node->inlined == inlined)
        return true;
    if (tree->apart) {
        tree->torn = true;
        return false;
    }
    node->inlined = false;
    return true;
}

static uint32_t further_child(struct pl_tree *tree, uint32_t parent, uint32_t function,
                              bool inlined)
{
    if (tree->child_count >= tree->child_mask / 2 && !grow_children(tree))
        return PL_NO_INDEX;
    uint32_t at = hash_child(parent, function) & tree->child_mask;
    for (; tree->children[at]; at = (at + 1) & tree->child_mask) {
        struct pl_build_node *node = &tree->nodes[tree->children[at]];
        if (node->parent == parent && is_call(tree, node, function, inlined))
            return tree->children[at];
    }
    uint32_t node = add_node(tree, parent, function, inlined);
    if (node == PL_NO_INDEX)
        return PL_NO_INDEX;
    tree->children[at] = node;
    tree->child_count++;
    struct pl_build_node *first = &tree->nodes[tree->nodes[parent].first_child];
    tree->nodes[node].next_sibling = first->next_sibling;
    first->next_sibling = node;
    return node;
}

uint32_t pl_tree_child(struct pl_tree *tree, uint32_t parent, uint32_t function,
                       bool inlined)
{
    uint32_t first = tree->nodes[parent].first_child;
    if (!first) {
        uint32_t node = add_node(tree, parent, function, inlined);
        if (node != PL_NO_INDEX)
            tree->nodes[parent].first_child = node;
        return node;
    }
    if (is_call(tree, &tree->nodes[first], function, inlined))
        return first;
    return further_child(tree, parent, function, inlined);
}

uint32_t pl_tree_parent(const struct pl_tree *tree, uint32_t node)
{
    return tree->nodes[node].parent;
}

uint32_t pl_tree_node_function(const struct pl_tree *tree, uint32_t node)
{
    return tree->nodes[node].function;
}

void pl_tree_add(struct pl_tree *tree, uint32_t node, const struct pl_amount *amounts)
{
    for (uint32_t c = 0; c < tree->columns; c++) {
        tree->sums[node].ns += amounts[c].ns;
        tree->sums[node].samples += amounts[c].samples;
        if (tree->amounts)
            pl_amount_add(&tree->amounts[(size_t)node * tree->columns + c],
                          &amounts[c]);
    }
}
