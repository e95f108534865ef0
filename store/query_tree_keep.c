/* Trees that are kept and weighed again and again: see query_tree.h. */
#include "store/query_tree_state.h"

#include <stdlib.h>
#include <string.h>

void pl_tree_keep_apart(struct pl_tree *tree)
{
    tree->apart = true;
}

bool pl_tree_is_vague(const struct pl_tree *tree)
{
    return tree->vague;
}

bool pl_tree_is_torn(const struct pl_tree *tree)
{
    return tree->torn;
}

uint32_t pl_tree_node_count(const struct pl_tree *tree)
{
    return tree->node_count;
}

enum pl_status pl_tree_copy(const struct pl_tree *from, uint32_t columns,
                            struct pl_tree **tree_out, struct pl_error *err)
{
    struct pl_tree *tree = calloc(1, sizeof *tree);
    if (!tree)
        return pl_error_set(err, PL_NOMEM, "out of memory for a profile");
    *tree = (struct pl_tree){.nodes = from->nodes,
                             .node_count = from->node_count,
                             .is_copy = true,
                             .torn = from->torn,
                             .columns = columns,
                             .functions = from->functions,
                             .function_count = from->function_count,
                             .arena = pl_arena_share(from->arena)};
    tree->sums = calloc(from->node_count, sizeof *tree->sums);
    if (columns > 1)
        tree->amounts =
            calloc((size_t)from->node_count * columns, sizeof *tree->amounts);
    if (!tree->sums || (columns > 1 && !tree->amounts)) {
        pl_tree_free(tree);
        return pl_error_set(err, PL_NOMEM, "out of memory for a profile");
    }
    *tree_out = tree;
    return PL_OK;
}

/* The node after `at` in pre-order; the root after the last. */
static uint32_t next_node(const struct pl_tree *tree, uint32_t at)
{
    if (tree->nodes[at].first_child)
        return tree->nodes[at].first_child;
    while (at != PL_TREE_ROOT && !tree->nodes[at].next_sibling)
        at = tree->nodes[at].parent;
    return at == PL_TREE_ROOT ? PL_TREE_ROOT : tree->nodes[at].next_sibling;
}

/* Nodes as pre-order numbers them; old -> new number. */
static void number_anew(const struct pl_tree *tree, struct pl_build_node *nodes,
                        uint32_t *numbers)
{
    uint32_t at = PL_TREE_ROOT, count = 0;
    do
        numbers[at] = count++;
    while ((at = next_node(tree, at)) != PL_TREE_ROOT);
    for (uint32_t i = 0; i < tree->node_count; i++) {
        struct pl_build_node *node = &nodes[numbers[i]];
        *node = tree->nodes[i];
        node->parent = numbers[node->parent];
        node->first_child = numbers[node->first_child]; /* none, the root, stays 0 */
        node->next_sibling = numbers[node->next_sibling];
    }
}

enum pl_status pl_tree_settle(struct pl_tree *tree, uint32_t *ends, size_t end_count,
                              struct pl_error *err)
{
    struct pl_build_node *nodes = malloc(tree->node_count * sizeof *nodes);
    uint32_t *numbers = malloc(tree->node_count * sizeof *numbers);
    enum pl_status status = PL_OK;
    if (nodes && numbers) {
        number_anew(tree, nodes, numbers);
        for (size_t i = 0; i < end_count; i++)
            ends[i] = numbers[ends[i]];
        free(tree->nodes);
        tree->nodes = nodes;
        nodes = NULL;
    } else {
        status = pl_error_set(err, PL_NOMEM, "out of memory for a profile");
    }
    free(nodes);
    free(numbers);
    free(tree->sums);
    free(tree->children);
    free(tree->names);
    tree->sums = NULL;
    tree->children = tree->names = NULL;
    return status;
}

bool *pl_tree_below(const struct pl_tree *tree, const char *function)
{
    bool *named = calloc((size_t)tree->function_count + 1, sizeof *named);
    bool *below = named ? calloc(tree->node_count, sizeof *below) : NULL;
    for (uint32_t i = 0; below && i < tree->function_count; i++)
        named[i] = strcmp(tree->functions[i].name, function) == 0;
    for (uint32_t i = 1; below && i < tree->node_count; i++)
        below[i] = below[tree->nodes[i].parent] || named[tree->nodes[i].function];
    free(named);
    return below;
}

/* ---- mending ---- */

/* Functions and nodes of the mended tree by those of the torn one. */
struct mending {
    const struct pl_tree *from;
    struct pl_tree *to;
    uint32_t *functions; /* + 1; 0: not there yet */
    uint32_t *nodes;
    bool *weighs; /* node: it or one below does */
};

static void find_weight(struct mending *mending)
{
    const struct pl_tree *from = mending->from;
    for (uint32_t i = from->node_count; i-- > 1;) {
        if (from->sums[i].samples || from->sums[i].ns)
            mending->weighs[i] = true;
        mending->weighs[from->nodes[i].parent] |= mending->weighs[i];
    }
}

static uint32_t mended_function(struct mending *mending, uint32_t function)
{
    uint32_t *known = &mending->functions[function];
    if (!*known) {
        const struct pl_function *f = &mending->from->functions[function];
        *known = pl_tree_function(mending->to, f->name, f->module, f->file, f->line,
                                  f->in_app) +
                 1;
    }
    return *known - 1;
}

static void add_weight(struct mending *mending, uint32_t node)
{
    const struct pl_tree *from = mending->from;
    const struct pl_amount one = {from->sums[node].ns, from->sums[node].samples, 0};
    const struct pl_amount *amounts =
        from->amounts ? &from->amounts[(size_t)node * from->columns] : &one;
    pl_tree_add(mending->to, mending->nodes[node], amounts);
}

static bool mend_nodes(struct mending *mending)
{
    const struct pl_tree *from = mending->from;
    find_weight(mending);
    add_weight(mending, PL_TREE_ROOT);
    for (uint32_t i = 1; i < from->node_count; i++) {
        const struct pl_build_node *node = &from->nodes[i];
        if (!mending->weighs[i])
            continue;
        uint32_t function = mended_function(mending, node->function);
        if (function == PL_NO_INDEX)
            return false;
        mending->nodes[i] = pl_tree_child(mending->to, mending->nodes[node->parent],
                                          function, node->inlined);
        if (mending->nodes[i] == PL_NO_INDEX)
            return false;
        add_weight(mending, i);
    }
    return true;
}

enum pl_status pl_tree_mend(struct pl_tree **tree, struct pl_error *err)
{
    const struct pl_tree *from = *tree;
    struct mending mending = {.from = from};
    mending.functions = calloc((size_t)from->function_count + 1, sizeof(uint32_t));
    mending.nodes = calloc(from->node_count, sizeof *mending.nodes);
    mending.weighs = calloc(from->node_count, sizeof *mending.weighs);
    enum pl_status status = pl_tree_new(from->columns, &mending.to, err);
    if (status == PL_OK && (!mending.functions || !mending.nodes || !mending.weighs ||
                            !mend_nodes(&mending)))
        status = pl_error_set(err, PL_NOMEM, "out of memory for a profile");
    free(mending.functions);
    free(mending.nodes);
    free(mending.weighs);
    if (status == PL_OK) {
        pl_tree_free(*tree);
        *tree = mending.to;
    } else {
        pl_tree_free(mending.to);
    }
    return status;
}
