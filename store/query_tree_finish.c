/* From an aggregator to a profile: see query_tree.h.
 *
 * One walk in pre-order sorts each node's children, writes the nodes out, numbers
 * functions as they first appear and adds up each function's total, counting a node
 * only if no node above it has the same function. */
#include "store/query_tree_state.h"

#include <stdlib.h>
#include <string.h>

static void sum_subtrees(struct pl_tree *tree)
{
    for (uint32_t i = tree->node_count; i-- > 1;) {
        uint32_t parent = tree->nodes[i].parent;
        tree->sums[parent].ns += tree->sums[i].ns;
        tree->sums[parent].samples += tree->sums[i].samples;
        for (uint32_t c = 0; tree->amounts && c < tree->columns; c++)
            pl_amount_add(&tree->amounts[(size_t)parent * tree->columns + c],
                          &tree->amounts[(size_t)i * tree->columns + c]);
    }
}

static int compare_functions(const struct pl_function *a, const struct pl_function *b)
{
    int order = strcmp(a->name, b->name);
    if (!order)
        order = strcmp(a->file, b->file);
    return order ? order : strcmp(a->module, b->module);
}

struct pending {
    uint32_t build, parent; /* parent: index in the output */
};

struct walk {
    struct pl_tree *tree;
    struct pl_node *nodes;
    struct pl_function *functions; /* in order of appearance */
    uint32_t function_count;
    struct pl_split *node_split, *function_split; /* NULL with one column */
    uint32_t *renumbered; /* build function -> index in functions + 1 */
    uint32_t *open;       /* function -> how often on the current path */
    uint32_t *path;       /* functions from the root */
    uint32_t path_len;
    struct pending *pending; /* nodes to come, next one last */
    size_t pending_count;
};

/* Lightest first, because the last one pending is the next one out. */
static int compare_siblings(const void *left, const void *right, void *context)
{
    const struct pl_tree *tree = context;
    uint32_t a = ((const struct pending *)left)->build;
    uint32_t b = ((const struct pending *)right)->build;
    if (tree->sums[a].ns != tree->sums[b].ns)
        return tree->sums[a].ns < tree->sums[b].ns ? -1 : 1;
    return compare_functions(&tree->functions[tree->nodes[b].function],
                             &tree->functions[tree->nodes[a].function]);
}

/* Nearly always two or three. */
static void sort_siblings(struct pending *list, size_t count, struct pl_tree *tree)
{
    if (count > 8) {
        qsort_r(list, count, sizeof *list, compare_siblings, tree);
        return;
    }
    for (size_t i = 1; i < count; i++) {
        struct pending next = list[i];
        size_t to = i;
        for (; to && compare_siblings(&next, &list[to - 1], tree) < 0; to--)
            list[to] = list[to - 1];
        list[to] = next;
    }
}

static uint32_t renumber(struct walk *walk, uint32_t function)
{
    uint32_t *known = &walk->renumbered[function];
    if (!*known) {
        walk->functions[walk->function_count++] = walk->tree->functions[function];
        *known = walk->function_count;
    }
    return *known - 1;
}

/* What is open is the path to the node's parent from here on. */
static void close_others(struct walk *walk, const struct pl_node *node)
{
    while (walk->path_len >= node->depth)
        walk->open[walk->path[--walk->path_len]]--;
}

static void add_to_function(struct walk *walk, const struct pl_node *node)
{
    struct pl_function *function = &walk->functions[node->function];
    function->self_ns += node->self_ns;
    function->self_samples += node->self_samples;
    if (!walk->open[node->function]) {
        function->total_ns += node->total_ns;
        function->total_samples += node->total_samples;
    }
    walk->open[node->function]++;
    walk->path[walk->path_len++] = node->function;
}

static void amount_subtract(struct pl_amount *from, const struct pl_amount *amount)
{
    from->ns -= amount->ns;
    from->samples -= amount->samples;
    from->squares -= amount->squares;
}

/* The same for columns; to be called before the node is on the path. A node comes with
 * all it weighs as its own, and its children take theirs from it when they come. */
static void split_node(struct walk *walk, uint32_t build, uint32_t index)
{
    const struct pl_node *node = &walk->nodes[index];
    const size_t columns = walk->tree->columns, parent = node->parent;
    const struct pl_amount *amounts = &walk->tree->amounts[build * columns];
    struct pl_split *split = &walk->node_split[index * columns];
    for (size_t c = 0; c < columns; c++)
        split[c] = (struct pl_split){amounts[c], amounts[c]};
    if (!index)
        return;
    struct pl_split *function = &walk->function_split[node->function * columns];
    bool outermost = !walk->open[node->function];
    for (size_t c = 0; c < columns; c++) {
        amount_subtract(&walk->node_split[parent * columns + c].self, &amounts[c]);
        pl_amount_add(&function[c].self, &amounts[c]);
        if (outermost)
            pl_amount_add(&function[c].total, &amounts[c]);
    }
    if (!parent)
        return;
    function = &walk->function_split[walk->nodes[parent].function * columns];
    for (size_t c = 0; c < columns; c++)
        amount_subtract(&function[c].self, &amounts[c]);
}

/* Children with weight become pending; what they do not weigh is the node's own. */
static void expand(struct walk *walk, const struct pl_build_node *from,
                   struct pl_node *node)
{
    struct pending *first = &walk->pending[walk->pending_count];
    size_t count = 0;
    uint32_t index = (uint32_t)(node - walk->nodes);
    const struct pl_tree *tree = walk->tree;
    for (uint32_t child = from->first_child; child;
         child = tree->nodes[child].next_sibling) {
        const struct pl_build_sum *sum = &tree->sums[child];
        if (!sum->samples && !sum->ns)
            continue;
        first[count++] = (struct pending){child, index};
        node->self_ns -= sum->ns;
        node->self_samples -= sum->samples;
    }
    walk->pending_count += count;
    sort_siblings(first, count, walk->tree);
}

static void emit(struct walk *walk, struct pending next, uint32_t index)
{
    const struct pl_build_node *from = &walk->tree->nodes[next.build];
    const struct pl_build_sum *sum = &walk->tree->sums[next.build];
    struct pl_node *node = &walk->nodes[index];
    *node = (struct pl_node){.parent = next.parent,
                             .function = PL_NO_INDEX,
                             .inlined = from->inlined,
                             .self_ns = sum->ns,
                             .total_ns = sum->ns,
                             .self_samples = sum->samples,
                             .total_samples = sum->samples};
    expand(walk, from, node);
    if (next.build != PL_TREE_ROOT) {
        node->depth = walk->nodes[next.parent].depth + 1;
        node->function = renumber(walk, from->function);
        close_others(walk, node);
    }
    if (walk->node_split)
        split_node(walk, next.build, index);
    if (next.build != PL_TREE_ROOT)
        add_to_function(walk, node);
}

/* How many nodes came out. */
static uint32_t walk_preorder(struct walk *walk)
{
    uint32_t index = 0;
    walk->pending[walk->pending_count++] = (struct pending){PL_TREE_ROOT, 0};
    for (; walk->pending_count; index++)
        emit(walk, walk->pending[--walk->pending_count], index);
    return index;
}

enum pl_status pl_tree_finish(struct pl_tree *tree, struct pl_profile *profile_out,
                              struct pl_error *err)
{
    size_t nodes = tree->node_count, functions = tree->function_count;
    struct walk walk = {.tree = tree};
    enum pl_status status = PL_OK;
    walk.nodes = malloc(nodes * sizeof *walk.nodes);
    walk.functions = malloc((functions + 1) * sizeof *walk.functions);
    walk.renumbered = calloc(functions + 1, sizeof *walk.renumbered);
    walk.open = calloc(functions + 1, sizeof *walk.open);
    walk.path = malloc((nodes + 1) * sizeof *walk.path);
    walk.pending = malloc((nodes + 1) * sizeof *walk.pending);
    if (tree->amounts) {
        walk.node_split = malloc(nodes * tree->columns * sizeof *walk.node_split);
        walk.function_split =
            calloc((functions + 1) * tree->columns, sizeof *walk.function_split);
    }
    if (!walk.nodes || !walk.functions || !walk.renumbered || !walk.open ||
        !walk.path || !walk.pending ||
        (tree->amounts && (!walk.node_split || !walk.function_split))) {
        status = pl_error_set(err, PL_NOMEM, "out of memory for a profile of %zu nodes",
                              nodes);
        goto out;
    }
    sum_subtrees(tree);
    profile_out->node_count = walk_preorder(&walk);
    profile_out->total_ns = walk.nodes[0].total_ns;
    profile_out->samples = walk.nodes[0].total_samples;
    profile_out->nodes = walk.nodes;
    profile_out->functions = walk.functions;
    profile_out->function_count = walk.function_count;
    profile_out->columns = tree->columns;
    profile_out->node_split = walk.node_split;
    profile_out->function_split = walk.function_split;
    profile_out->owned = tree->arena;
    walk.nodes = NULL;
    walk.functions = NULL;
    walk.node_split = walk.function_split = NULL;
    tree->arena = NULL;
out:
    free(walk.nodes);
    free(walk.functions);
    free(walk.node_split);
    free(walk.function_split);
    free(walk.renumbered);
    free(walk.open);
    free(walk.path);
    free(walk.pending);
    return status;
}

void pl_profile_deinit(struct pl_profile *profile)
{
    free(profile->nodes);
    free(profile->functions);
    free(profile->node_split);
    free(profile->function_split);
    pl_arena_free(profile->owned);
    *profile = (struct pl_profile){0};
}
