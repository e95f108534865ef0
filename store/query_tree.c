/* Aggregator: see query_tree.h.
 *
 * Building: nodes are numbered as they come, so a parent's number is below its
 * children's and sums flow to the root in one backward sweep. A node remembers
 * its first child; only further children go into the hash table, which long
 * unbranched tails of stacks therefore never touch.
 * Finishing: one walk in pre-order sorts each node's children, writes the nodes
 * out, numbers functions as they first appear and adds up each function's total,
 * counting a node only if no node above it has the same function. */
#include "store/query_tree.h"

#include "base/hash.h"
#include "store/arena.h"

#include <stdlib.h>
#include <string.h>

struct build_node {
    uint32_t parent;
    uint32_t function : 31;
    uint32_t inlined : 1;
    uint32_t first_child, next_sibling; /* 0: none */
    int64_t ns, samples;                /* self; when finishing, total */
};

#define ROOT_FUNCTION (PL_NO_INDEX >> 1)

struct pl_tree {
    struct build_node *nodes;
    uint32_t node_count, node_cap;
    bool wants_lines;
    uint32_t columns;
    struct pl_amount *amounts; /* [node * columns + column], as ns and samples of
                                  nodes; NULL with one column */
    uint32_t *children;        /* hash of (parent, function) -> node; 0 empty */
    uint32_t child_count, child_mask;
    struct pl_function *functions;
    uint32_t function_count, function_cap;
    uint32_t *names; /* hash of the identity -> function + 1 */
    uint32_t name_mask;
    struct pl_arena *arena; /* text, later the profile's */
};

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
    tree->children = calloc(FIRST_TABLE, sizeof *tree->children);
    tree->child_mask = FIRST_TABLE - 1;
    tree->names = calloc(FIRST_TABLE, sizeof *tree->names);
    tree->name_mask = FIRST_TABLE - 1;
    if (!tree->arena || !tree->nodes || !tree->children || !tree->names ||
        (columns > 1 && !tree->amounts)) {
        pl_tree_free(tree);
        return pl_error_set(err, PL_NOMEM, "out of memory for a profile");
    }
    tree->node_count = 1;
    tree->nodes[PL_TREE_ROOT].function = ROOT_FUNCTION;
    *tree_out = tree;
    return PL_OK;
}

void pl_tree_free(struct pl_tree *tree)
{
    if (!tree)
        return;
    free(tree->nodes);
    free(tree->amounts);
    free(tree->children);
    free(tree->functions);
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
    if (!found) {
        uint32_t index = add_function(tree, name, module, file);
        if (index == PL_NO_INDEX)
            return PL_NO_INDEX;
        tree->names[at] = index + 1;
        found = &tree->functions[index];
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
    struct build_node *grown = realloc(tree->nodes, cap * sizeof *grown);
    if (!grown)
        return false;
    tree->nodes = grown;
    tree->node_cap = cap;
    return true;
}

static uint32_t add_node(struct pl_tree *tree, uint32_t parent, uint32_t function,
                         bool inlined)
{
    if (tree->node_count == tree->node_cap && !grow_nodes(tree))
        return PL_NO_INDEX;
    tree->nodes[tree->node_count] = (struct build_node){
        .parent = parent, .function = function & ROOT_FUNCTION, .inlined = inlined};
    return tree->node_count++;
}

static uint32_t further_child(struct pl_tree *tree, uint32_t parent, uint32_t function,
                              bool inlined)
{
    if (tree->child_count >= tree->child_mask / 2 && !grow_children(tree))
        return PL_NO_INDEX;
    uint32_t at = hash_child(parent, function) & tree->child_mask;
    for (; tree->children[at]; at = (at + 1) & tree->child_mask) {
        struct build_node *node = &tree->nodes[tree->children[at]];
        if (node->parent == parent && node->function == function) {
            node->inlined = node->inlined && inlined;
            return tree->children[at];
        }
    }
    uint32_t node = add_node(tree, parent, function, inlined);
    if (node == PL_NO_INDEX)
        return PL_NO_INDEX;
    tree->children[at] = node;
    tree->child_count++;
    struct build_node *first = &tree->nodes[tree->nodes[parent].first_child];
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
    if (tree->nodes[first].function != function)
        return further_child(tree, parent, function, inlined);
    tree->nodes[first].inlined = tree->nodes[first].inlined && inlined;
    return first;
}

uint32_t pl_tree_parent(const struct pl_tree *tree, uint32_t node)
{
    return tree->nodes[node].parent;
}

uint32_t pl_tree_node_function(const struct pl_tree *tree, uint32_t node)
{
    return tree->nodes[node].function;
}

static void add_amount(struct pl_amount *to, const struct pl_amount *amount)
{
    to->ns += amount->ns;
    to->samples += amount->samples;
    to->squares += amount->squares;
}

void pl_tree_add(struct pl_tree *tree, uint32_t node, const struct pl_amount *amounts)
{
    for (uint32_t c = 0; c < tree->columns; c++) {
        tree->nodes[node].ns += amounts[c].ns;
        tree->nodes[node].samples += amounts[c].samples;
        if (tree->amounts)
            add_amount(&tree->amounts[(size_t)node * tree->columns + c], &amounts[c]);
    }
}

/* ---- finishing ---- */

static void sum_subtrees(struct pl_tree *tree)
{
    for (uint32_t i = tree->node_count; i-- > 1;) {
        struct build_node *parent = &tree->nodes[tree->nodes[i].parent];
        parent->ns += tree->nodes[i].ns;
        parent->samples += tree->nodes[i].samples;
        for (uint32_t c = 0; tree->amounts && c < tree->columns; c++)
            add_amount(&tree->amounts[tree->nodes[i].parent * tree->columns + c],
                       &tree->amounts[i * tree->columns + c]);
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
    const struct build_node *a = &tree->nodes[((const struct pending *)left)->build];
    const struct build_node *b = &tree->nodes[((const struct pending *)right)->build];
    if (a->ns != b->ns)
        return a->ns < b->ns ? -1 : 1;
    return compare_functions(&tree->functions[b->function],
                             &tree->functions[a->function]);
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

static void add_split(struct walk *walk, const struct pl_node *node)
{
    uint32_t columns = walk->tree->columns;
    const struct pl_split *from = &walk->node_split[(node - walk->nodes) * columns];
    struct pl_split *to = &walk->function_split[(size_t)node->function * columns];
    for (uint32_t c = 0; c < columns; c++) {
        add_amount(&to[c].self, &from[c].self);
        if (!walk->open[node->function])
            add_amount(&to[c].total, &from[c].total);
    }
}

static void add_to_function(struct walk *walk, const struct pl_node *node)
{
    while (walk->path_len >= node->depth)
        walk->open[walk->path[--walk->path_len]]--;
    struct pl_function *function = &walk->functions[node->function];
    function->self_ns += node->self_ns;
    function->self_samples += node->self_samples;
    if (walk->node_split)
        add_split(walk, node);
    if (!walk->open[node->function]) {
        function->total_ns += node->total_ns;
        function->total_samples += node->total_samples;
    }
    walk->open[node->function]++;
    walk->path[walk->path_len++] = node->function;
}

/* The same for columns: all the node weighs, less what its children do. */
static void split_node(struct walk *walk, uint32_t build, uint32_t index)
{
    const struct pl_tree *tree = walk->tree;
    size_t columns = tree->columns;
    struct pl_split *split = &walk->node_split[index * columns];
    for (size_t c = 0; c < columns; c++)
        split[c].self = split[c].total = tree->amounts[build * columns + c];
    for (uint32_t child = tree->nodes[build].first_child; child;
         child = tree->nodes[child].next_sibling)
        for (size_t c = 0; c < columns; c++) {
            const struct pl_amount *amount = &tree->amounts[child * columns + c];
            split[c].self.ns -= amount->ns;
            split[c].self.samples -= amount->samples;
            split[c].self.squares -= amount->squares;
        }
}

/* Children become pending; what they do not weigh is the node's own. */
static void expand(struct walk *walk, const struct build_node *from,
                   struct pl_node *node)
{
    struct pending *first = &walk->pending[walk->pending_count];
    size_t count = 0;
    uint32_t index = (uint32_t)(node - walk->nodes);
    for (uint32_t child = from->first_child; child; count++) {
        const struct build_node *build = &walk->tree->nodes[child];
        first[count] = (struct pending){child, index};
        node->self_ns -= build->ns;
        node->self_samples -= build->samples;
        child = build->next_sibling;
    }
    walk->pending_count += count;
    if (count > 1)
        qsort_r(first, count, sizeof *first, compare_siblings, walk->tree);
}

static void emit(struct walk *walk, struct pending next, uint32_t index)
{
    const struct build_node *from = &walk->tree->nodes[next.build];
    struct pl_node *node = &walk->nodes[index];
    *node = (struct pl_node){.parent = next.parent,
                             .function = PL_NO_INDEX,
                             .inlined = from->inlined,
                             .self_ns = from->ns,
                             .total_ns = from->ns,
                             .self_samples = from->samples,
                             .total_samples = from->samples};
    expand(walk, from, node);
    if (walk->node_split)
        split_node(walk, next.build, index);
    if (next.build == PL_TREE_ROOT)
        return;
    node->depth = walk->nodes[next.parent].depth + 1;
    node->function = renumber(walk, from->function);
    add_to_function(walk, node);
}

static void walk_preorder(struct walk *walk)
{
    walk->pending[walk->pending_count++] = (struct pending){PL_TREE_ROOT, 0};
    for (uint32_t index = 0; walk->pending_count; index++)
        emit(walk, walk->pending[--walk->pending_count], index);
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
    walk_preorder(&walk);

    profile_out->total_ns = walk.nodes[0].total_ns;
    profile_out->samples = walk.nodes[0].total_samples;
    profile_out->nodes = walk.nodes;
    profile_out->node_count = nodes;
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
