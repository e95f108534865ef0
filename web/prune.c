/* A node is never heavier than its parent, nor less deep. So thresholds on weight
 * and depth keep whole ancestries, and so does "the n heaviest" if equals are taken
 * in pre-order, where a parent stands before its children. The nodes below one are
 * those that follow it until one is as shallow as it is. */
#include "web/prune.h"

#include <stdlib.h>

#define LEFT_OUT UINT32_MAX
#define STAYS    (UINT32_MAX - 1) /* whatever it weighs */

void pl_pruned_deinit(struct pl_pruned *pruned)
{
    free(pruned->nodes);
    free(pruned->parents);
    free(pruned->hidden_ns);
    free(pruned->hidden_count);
    free(pruned->functions);
    free(pruned->function_of);
    free(pruned->keys);
    *pruned = (struct pl_pruned){0};
}

static bool is_tree(const struct pl_profile *profile)
{
    for (size_t i = 0; i < profile->node_count; i++) {
        const struct pl_node *node = &profile->nodes[i];
        if (i ? node->parent >= i : node->parent != 0)
            return false;
        if (i && (node->function >= profile->function_count ||
                  node->total_ns > profile->nodes[node->parent].total_ns))
            return false;
    }
    return true;
}

static int by_weight_descending(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x < y) - (x > y);
}

struct cut {
    size_t from, to;    /* the nodes it is about */
    int64_t above_ns;   /* heavier ones all stay */
    size_t equals;      /* of those exactly as heavy, so many */
    uint32_t max_depth; /* from the root; 0: any */
};

static size_t end_below(const struct pl_profile *profile, size_t top)
{
    size_t end = top + 1;
    while (end < profile->node_count &&
           profile->nodes[end].depth > profile->nodes[top].depth)
        end++;
    return end;
}

static bool in_limits(const struct cut *cut, const struct pl_node *node, int64_t min_ns)
{
    return node->total_ns >= min_ns &&
           (!cut->max_depth || node->depth <= cut->max_depth);
}

/* Where to cut so that what stays is within all limits. */
static enum pl_status find_cut(const struct pl_profile *profile,
                               const struct pl_prune_limits *limits,
                               struct cut *cut_out, struct pl_error *err)
{
    const struct pl_node *top = &profile->nodes[limits->node];
    size_t count = 0, most = limits->max_nodes;
    *cut_out = (struct cut){
        .from = limits->node,
        .to = profile->node_count ? end_below(profile, limits->node) : 0,
        .above_ns = limits->min_ns - 1,
        .max_depth = limits->max_depth ? top->depth + limits->max_depth : 0,
    };
    for (size_t i = cut_out->from; i < cut_out->to; i++)
        count += in_limits(cut_out, &profile->nodes[i], limits->min_ns);
    if (!most || count <= most)
        return PL_OK;
    int64_t *weights = malloc(count * sizeof *weights);
    if (!weights)
        return pl_error_set(err, PL_NOMEM, "out of memory pruning the call tree");
    count = 0;
    for (size_t i = cut_out->from; i < cut_out->to; i++)
        if (in_limits(cut_out, &profile->nodes[i], limits->min_ns))
            weights[count++] = profile->nodes[i].total_ns;
    qsort(weights, count, sizeof *weights, by_weight_descending);
    cut_out->above_ns = weights[most - 1];
    for (size_t i = most; i-- > 0 && weights[i] == cut_out->above_ns;)
        cut_out->equals++;
    free(weights);
    return PL_OK;
}

/* The node that is looked at and its callers. */
static void keep_path(const struct pl_profile *profile, size_t node, uint32_t *place)
{
    for (; node; node = profile->nodes[node].parent)
        place[node] = STAYS;
    place[0] = STAYS;
}

/* place[i] becomes node i's index among the shown, or LEFT_OUT. */
static void keep_nodes(const struct pl_profile *profile, struct cut cut,
                       uint32_t *place, struct pl_pruned *pruned)
{
    for (size_t i = 0; i < profile->node_count; i++) {
        const struct pl_node *node = &profile->nodes[i];
        bool inside = i >= cut.from && i < cut.to &&
                      (!cut.max_depth || node->depth <= cut.max_depth);
        bool equal = inside && node->total_ns == cut.above_ns && cut.equals > 0;
        bool parent_stays = i == 0 || place[node->parent] != LEFT_OUT;
        bool stays =
            place[i] == STAYS || equal || (inside && node->total_ns > cut.above_ns);
        place[i] = LEFT_OUT;
        if (stays && parent_stays) {
            cut.equals -= equal;
            place[i] = (uint32_t)pruned->count;
            pruned->nodes[pruned->count] = (uint32_t)i;
            pruned->parents[pruned->count] = i ? place[node->parent] : 0;
            pruned->count++;
        } else if (parent_stays) {
            pruned->hidden_ns[place[node->parent]] += node->total_ns;
            pruned->hidden_count[place[node->parent]]++;
            pruned->hidden_total_ns += node->total_ns;
        }
    }
}

/* The functions that are shown, numbered in the order they first appear. */
static void keep_functions(const struct pl_profile *profile, uint32_t *place,
                           struct pl_pruned *pruned)
{
    for (size_t i = 0; i < profile->function_count; i++)
        place[i] = LEFT_OUT;
    pruned->function_of[0] = LEFT_OUT;
    for (size_t i = 1; i < pruned->count; i++) {
        uint32_t function = profile->nodes[pruned->nodes[i]].function;
        if (place[function] == LEFT_OUT) {
            place[function] = (uint32_t)pruned->function_count;
            pruned->functions[pruned->function_count++] = function;
        }
        pruned->function_of[i] = place[function];
    }
}

static bool allocate(const struct pl_profile *profile, struct pl_pruned *pruned)
{
    size_t nodes = profile->node_count + 1, functions = profile->function_count + 1;
    pruned->nodes = calloc(nodes, sizeof *pruned->nodes);
    pruned->parents = calloc(nodes, sizeof *pruned->parents);
    pruned->hidden_ns = calloc(nodes, sizeof *pruned->hidden_ns);
    pruned->hidden_count = calloc(nodes, sizeof *pruned->hidden_count);
    pruned->function_of = calloc(nodes, sizeof *pruned->function_of);
    pruned->functions = calloc(functions, sizeof *pruned->functions);
    return pruned->nodes && pruned->parents && pruned->hidden_ns &&
           pruned->hidden_count && pruned->function_of && pruned->functions;
}

enum pl_status pl_prune(const struct pl_profile *profile,
                        const struct pl_prune_limits *limits,
                        struct pl_pruned *pruned_out, struct pl_error *err)
{
    struct pl_pruned pruned = {0};
    struct cut cut;
    *pruned_out = pruned;
    if (!is_tree(profile))
        return pl_error_set(err, PL_INPUT, "the aggregated profile is damaged");
    if (limits->node && limits->node >= profile->node_count)
        return pl_error_set(err, PL_USAGE, "there is no such node");
    size_t places = profile->node_count > profile->function_count
                        ? profile->node_count
                        : profile->function_count;
    enum pl_status status = find_cut(profile, limits, &cut, err);
    if (status != PL_OK)
        return status;
    uint32_t *place = calloc(places + 1, sizeof *place);
    if (!place || !allocate(profile, &pruned)) {
        pl_pruned_deinit(&pruned);
        status = pl_error_set(err, PL_NOMEM, "out of memory pruning the call tree");
    } else {
        keep_path(profile, limits->node, place);
        keep_nodes(profile, cut, place, &pruned);
        pruned.node = profile->node_count ? place[limits->node] : 0;
        keep_functions(profile, place, &pruned);
        *pruned_out = pruned;
    }
    free(place);
    return status;
}
