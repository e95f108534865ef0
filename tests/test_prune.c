/* web/prune: on random trees, whatever the limits, nothing is lost or made up. */
#include "web/node_key.h"
#include "web/prune.h"

#include "test.h"

#include <stdlib.h>

static uint64_t seed = 42;

static uint64_t next_random(uint64_t below)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (seed >> 33) % below;
}

/* A pre-order tree of `count` nodes with self weights below `heaviest`. */
static struct pl_profile make_profile(size_t count, uint64_t heaviest,
                                      size_t function_count)
{
    struct pl_profile profile = {.node_count = count, .function_count = function_count};
    profile.nodes = calloc(count, sizeof *profile.nodes);
    profile.functions = calloc(function_count, sizeof *profile.functions);
    for (size_t i = 0; i < count; i++) {
        struct pl_node *node = &profile.nodes[i];
        uint32_t up = i > 1 ? (uint32_t)next_random(4) : 0;
        node->parent = i ? (uint32_t)i - 1 : 0;
        while (up-- && node->parent)
            node->parent = profile.nodes[node->parent].parent;
        node->depth = i ? profile.nodes[node->parent].depth + 1 : 0;
        node->function = i ? (uint32_t)next_random(function_count) : PL_NO_INDEX;
        node->self_ns = (int64_t)next_random(heaviest);
        node->total_ns = node->self_ns;
    }
    for (size_t i = count; i-- > 1;)
        profile.nodes[profile.nodes[i].parent].total_ns += profile.nodes[i].total_ns;
    profile.total_ns = profile.nodes[0].total_ns;
    return profile;
}

static void free_profile(struct pl_profile *profile)
{
    free(profile->nodes);
    free(profile->functions);
}

static uint32_t top_depth(const struct pl_profile *profile, size_t top)
{
    return profile->nodes[top].depth;
}

/* Is `node` `of` or one of its callers? */
static bool is_above(const struct pl_profile *profile, size_t node, size_t of)
{
    while (of > node)
        of = profile->nodes[of].parent;
    return of == node;
}

static void check_pruned(const struct pl_profile *profile, const struct pl_pruned *p,
                         const struct pl_prune_limits *limits)
{
    int64_t *sums = calloc(p->count, sizeof *sums), hidden = 0;
    uint32_t *children = calloc(profile->node_count, sizeof *children);
    for (size_t i = 1; i < profile->node_count; i++)
        children[profile->nodes[i].parent]++;
    size_t top = limits->node, end = top + 1;
    while (end < profile->node_count &&
           profile->nodes[end].depth > top_depth(profile, top))
        end++;
    bool ok =
        p->count >= 1 && p->nodes[0] == 0 && p->parents[0] == 0 && p->node < p->count &&
        p->nodes[p->node] == top &&
        (!limits->max_nodes || p->count - top_depth(profile, top) <= limits->max_nodes);
    for (size_t i = 0; ok && i < p->count; i++) {
        const struct pl_node *node = &profile->nodes[p->nodes[i]];
        sums[i] += node->self_ns + p->hidden_ns[i];
        hidden += p->hidden_ns[i];
        children[p->nodes[i]] -= p->hidden_count[i];
        if (!i)
            continue;
        bool above = is_above(profile, p->nodes[i], top);
        bool below = p->nodes[i] >= top && p->nodes[i] < end &&
                     node->total_ns >= limits->min_ns &&
                     (!limits->max_depth ||
                      node->depth - top_depth(profile, top) <= limits->max_depth);
        ok = p->parents[i] < i && p->nodes[i] > p->nodes[i - 1] && (above || below) &&
             p->nodes[p->parents[i]] == node->parent &&
             p->functions[p->function_of[i]] == node->function;
        sums[p->parents[i]] += node->total_ns;
        children[node->parent]--;
    }
    for (size_t i = 0; ok && i < p->count; i++)
        ok = sums[i] == profile->nodes[p->nodes[i]].total_ns &&
             children[p->nodes[i]] == 0;
    CHECK(ok && hidden == p->hidden_total_ns, "min %lld max %zu depth %u node %u",
          (long long)limits->min_ns, limits->max_nodes, limits->max_depth,
          limits->node);
    free(children);
    free(sums);
}

static void test_random_trees(void)
{
    static const int64_t mins[] = {0, 1, 7, 100, INT64_MAX};
    static const size_t maxs[] = {1, 2, 10, 150, 0};
    static const uint32_t depths[] = {0, 1, 3, 20};
    for (int round = 0; round < 40; round++) {
        /* light trees have many equals, zeros too */
        struct pl_profile profile =
            make_profile(1 + next_random(2000), round % 2 ? 3 : 1000, 30);
        for (size_t i = 0; i < 200; i++) {
            const struct pl_prune_limits limits = {
                .node = i < 100 ? 0 : (uint32_t)next_random(profile.node_count),
                .min_ns = mins[i / 20 % 5],
                .max_nodes = maxs[i / 4 % 5],
                .max_depth = depths[i % 4],
            };
            struct pl_pruned pruned;
            struct pl_error err = {0};
            CHECK_OK(pl_prune(&profile, &limits, &pruned, &err), err);
            check_pruned(&profile, &pruned, &limits);
            pl_pruned_deinit(&pruned);
        }
        free_profile(&profile);
    }
}

/* A node looked at alone shows what the whole tree had no room for. */
static void test_node(void)
{
    struct pl_profile profile = make_profile(5000, 1000, 100);
    struct pl_pruned whole, below;
    struct pl_error err = {0};
    const struct pl_prune_limits few = {.max_nodes = 50};
    CHECK_OK(pl_prune(&profile, &few, &whole, &err), err);
    for (size_t i = 0; i < whole.count; i++) {
        const struct pl_prune_limits limits = {.max_nodes = 50, .node = whole.nodes[i]};
        CHECK_OK(pl_prune(&profile, &limits, &below, &err), err);
        check_pruned(&profile, &below, &limits);
        CHECK(below.hidden_ns[below.node] <= whole.hidden_ns[i]);
        pl_pruned_deinit(&below);
    }
    const struct pl_prune_limits beyond = {.node = 5000};
    CHECK(pl_prune(&profile, &beyond, &below, &err) == PL_USAGE);
    pl_pruned_deinit(&whole);
    free_profile(&profile);
}

/* Keys find each node again; the same constants are in tests/browser/unit. */
static void test_keys(void)
{
    struct pl_function functions[] = {
        {.name = "main", .module = "app", .file = "m.c"},
        {.name = "work<\xc3\xa4\xf0\x9f\x94\xa5\xff>", .module = "app", .file = "w.c"}};
    struct pl_node nodes[] = {{.function = PL_NO_INDEX},
                              {.parent = 0, .function = 0, .depth = 1},
                              {.parent = 1, .function = 1, .depth = 2},
                              {.parent = 2, .function = 0, .depth = 3}};
    const struct pl_profile profile = {
        .nodes = nodes, .node_count = 4, .functions = functions, .function_count = 2};
    static const char *const expected[] = {"0", "1bbt9msyb7", "1t9x2n9x5es",
                                           "15wt6p9iudm"};
    struct pl_error err = {0};
    uint64_t *keys = NULL;
    CHECK_OK(pl_node_keys(&profile, &keys, &err), err);
    for (uint32_t i = 0; keys && i < 4; i++) {
        char text[PL_NODE_KEY_TEXT];
        pl_node_key_format(keys[i], text);
        CHECK(strcmp(text, expected[i]) == 0, "%u: %s", i, text);
        CHECK(pl_node_find(keys, 4, i ? text : "") == i);
    }
    CHECK(keys && pl_node_find(keys, 4, "zzz") == PL_NO_INDEX);
    CHECK(keys && pl_node_find(keys, 4, "!") == PL_NO_INDEX);
    free(keys);
    nodes[2].parent = 3;
    CHECK(pl_node_keys(&profile, &keys, &err) == PL_INPUT && !keys);
}

/* With room for n nodes, n are shown, and none that left is heavier. */
static void test_heaviest_stay(void)
{
    struct pl_profile profile = make_profile(5000, 1000, 100);
    struct pl_pruned pruned;
    struct pl_error err = {0};
    int64_t lightest = INT64_MAX;
    size_t at = 0, heavier = 0;
    const struct pl_prune_limits limits = {.max_nodes = 700};
    CHECK_OK(pl_prune(&profile, &limits, &pruned, &err), err);
    CHECK(pruned.count == 700);
    for (size_t i = 0; i < pruned.count; i++)
        if (profile.nodes[pruned.nodes[i]].total_ns < lightest)
            lightest = profile.nodes[pruned.nodes[i]].total_ns;
    for (size_t i = 0; i < profile.node_count; i++) {
        if (at < pruned.count && pruned.nodes[at] == i)
            at++;
        else
            heavier += profile.nodes[i].total_ns > lightest;
    }
    CHECK(at == pruned.count && heavier == 0);
    pl_pruned_deinit(&pruned);
    free_profile(&profile);
}

static void test_empty(void)
{
    struct pl_node root = {.function = PL_NO_INDEX};
    struct pl_profile profile = {.nodes = &root, .node_count = 1};
    const struct pl_prune_limits limits = {.max_nodes = 10};
    struct pl_pruned pruned;
    struct pl_error err = {0};
    CHECK_OK(pl_prune(&profile, &limits, &pruned, &err), err);
    CHECK(pruned.count == 1 && pruned.function_count == 0 && !pruned.hidden_total_ns);
    pl_pruned_deinit(&pruned);
    profile.node_count = 0;
    CHECK_OK(pl_prune(&profile, &limits, &pruned, &err), err);
    CHECK(pruned.count == 0);
    pl_pruned_deinit(&pruned);
}

static void test_damaged(void)
{
    struct pl_profile profile = make_profile(50, 10, 5);
    const struct pl_prune_limits limits = {.max_nodes = 10};
    struct pl_pruned pruned;
    struct pl_error err = {0};
    profile.nodes[20].parent = 30;
    CHECK(pl_prune(&profile, &limits, &pruned, &err) == PL_INPUT);
    profile.nodes[20].parent = 19;
    profile.nodes[20].function = 5;
    CHECK(pl_prune(&profile, &limits, &pruned, &err) == PL_INPUT);
    free_profile(&profile);
}

TEST_MAIN({"random_trees", test_random_trees}, {"heaviest_stay", test_heaviest_stay},
          {"node", test_node}, {"keys", test_keys}, {"empty", test_empty},
          {"damaged", test_damaged})
