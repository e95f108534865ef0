/* The aggregator against trees worked out by hand. */
#include "store/query_tree.h"
#include "tests/test.h"

#include <stdlib.h>

/* One weighted stack: functions root first, separated by ';'; "~" before a name
 * means inlined into its caller. */
struct stack {
    const char *path;
    int64_t ns, samples;
};

static struct pl_error err;

static void add_stack(struct pl_tree *tree, const struct stack *stack)
{
    uint32_t node = PL_TREE_ROOT;
    const char *at = stack->path;
    while (*at) {
        char name[32] = "";
        bool inlined = *at == '~';
        at += inlined;
        size_t len = strcspn(at, ";");
        memcpy(name, at, len);
        at += len + (at[len] == ';');
        uint32_t function = pl_tree_function(tree, name, "mod", "", 0, -1);
        node = pl_tree_child(tree, node, function, inlined);
    }
    pl_tree_add(tree, node,
                &(struct pl_amount){.ns = stack->ns, .samples = stack->samples});
}

static void print_profile(const struct pl_profile *profile, char *text, size_t size)
{
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < profile->node_count && used < size; i++) {
        const struct pl_node *node = &profile->nodes[i];
        const char *name = node->function == PL_NO_INDEX
                               ? "all"
                               : profile->functions[node->function].name;
        int n = snprintf(text + used, size - used, "%s%u%s%s %lld/%lld", i ? ", " : "",
                         node->depth, node->inlined ? "~" : "", name,
                         (long long)node->self_ns, (long long)node->total_ns);
        used += n > 0 ? (size_t)n : 0;
    }
}

static const struct {
    const char *name;
    struct stack stacks[6];
    const char *nodes;
    const char *functions; /* name self/total */
} tree_cases[] = {
    {"nothing", {{0}}, "0all 0/0", ""},
    {"empty stack", {{"", 3, 1}}, "0all 3/3", ""},
    {"one", {{"a;b", 3, 1}}, "0all 0/3, 1a 0/3, 2b 3/3", "a 0/3, b 3/3"},
    {"shared prefix",
     {{"a;b", 3, 1}, {"a;c", 5, 1}, {"a", 1, 1}},
     "0all 0/9, 1a 1/9, 2c 5/5, 2b 3/3",
     "a 1/9, c 5/5, b 3/3"},
    {"ties by name",
     {{"z", 1, 1}, {"m", 1, 1}, {"b", 1, 1}},
     "0all 0/3, 1b 1/1, 1m 1/1, 1z 1/1",
     "b 1/1, m 1/1, z 1/1"},
    {"recursion counts once",
     {{"a;b;a;a", 4, 1}, {"a;b", 2, 1}},
     "0all 0/6, 1a 0/6, 2b 2/6, 3a 0/4, 4a 4/4",
     "a 4/6, b 2/6"},
    {"same function on two branches",
     {{"a;x", 2, 1}, {"b;x", 3, 1}},
     "0all 0/5, 1b 0/3, 2x 3/3, 1a 0/2, 2x 2/2",
     "b 0/3, x 5/5, a 0/2"},
    {"inlined",
     {{"a;~b;~c", 2, 1}},
     "0all 0/2, 1a 0/2, 2~b 0/2, 3~c 2/2",
     "a 0/2, b 0/2, c 2/2"},
    {"inlined and called",
     {{"a;~b", 2, 1}, {"a;b", 1, 1}},
     "0all 0/3, 1a 0/3, 2b 3/3",
     "a 0/3, b 3/3"},
    {"no weight still shows",
     {{"a;b", 0, 2}, {"a", 0, 0}},
     "0all 0/0, 1a 0/0, 2b 0/0",
     "a 0/0, b 0/0"},
};

static struct pl_profile build(const struct stack *stacks, size_t count, bool backwards)
{
    struct pl_tree *tree = NULL;
    struct pl_profile profile = {0};
    CHECK_OK(pl_tree_new(1, &tree, &err), err);
    for (size_t i = 0; i < count; i++) {
        const struct stack *stack = &stacks[backwards ? count - 1 - i : i];
        if (stack->path)
            add_stack(tree, stack);
    }
    CHECK_OK(pl_tree_finish(tree, &profile, &err), err);
    pl_tree_free(tree);
    return profile;
}

static void test_cases(void)
{
    for (size_t i = 0; i < sizeof tree_cases / sizeof tree_cases[0]; i++) {
        for (int backwards = 0; backwards < 2; backwards++) {
            struct pl_profile profile = build(tree_cases[i].stacks, 6, backwards);
            char text[512];
            print_profile(&profile, text, sizeof text);
            CHECK(!strcmp(text, tree_cases[i].nodes), "%s: %s", tree_cases[i].name,
                  text);
            size_t used = 0;
            text[0] = '\0';
            for (size_t f = 0; f < profile.function_count; f++) {
                const struct pl_function *function = &profile.functions[f];
                used += (size_t)snprintf(text + used, sizeof text - used,
                                         "%s%s %lld/%lld", f ? ", " : "",
                                         function->name, (long long)function->self_ns,
                                         (long long)function->total_ns);
            }
            CHECK(!strcmp(text, tree_cases[i].functions), "%s: %s", tree_cases[i].name,
                  text);
            pl_profile_deinit(&profile);
        }
    }
}

/* Identity is (name, module, file); line and in_app are not part of it. */
static void test_function_identity(void)
{
    struct pl_tree *tree = NULL;
    CHECK_OK(pl_tree_new(1, &tree, &err), err);
    uint32_t f = pl_tree_function(tree, "f", "m", "x.c", 0, -1);
    CHECK(pl_tree_function(tree, "f", "m", "x.c", 30, 0) == f);
    CHECK(pl_tree_function(tree, "f", "m", "x.c", 20, 1) == f);
    CHECK(pl_tree_function(tree, "f", "m", "y.c", 0, -1) != f);
    CHECK(pl_tree_function(tree, "f", "n", "x.c", 0, -1) != f);
    CHECK(pl_tree_function(tree, "g", "m", "x.c", 0, -1) != f);
    pl_tree_add(tree, pl_tree_child(tree, PL_TREE_ROOT, f, false),
                &(struct pl_amount){.ns = 7, .samples = 1});
    struct pl_profile profile = {0};
    CHECK_OK(pl_tree_finish(tree, &profile, &err), err);
    pl_tree_free(tree);
    CHECK(profile.function_count == 1, "unused functions are left out");
    CHECK(profile.functions[0].line == 20 && profile.functions[0].in_app == 1);
    pl_profile_deinit(&profile);
}

/* Wide and deep enough to grow every table. */
static void test_large(void)
{
    struct pl_tree *tree = NULL;
    CHECK_OK(pl_tree_new(1, &tree, &err), err);
    int64_t sum = 0;
    for (uint32_t i = 0; i < 20000; i++) {
        uint32_t node = PL_TREE_ROOT;
        for (uint32_t depth = 0; depth < 12; depth++) {
            char name[16];
            snprintf(name, sizeof name, "f%u", (i * (depth + 7) + depth) % 3001);
            uint32_t function = pl_tree_function(tree, name, "m", "", 0, -1);
            node = pl_tree_child(tree, node, function, false);
        }
        pl_tree_add(tree, node, &(struct pl_amount){.ns = i, .samples = 1});
        sum += i;
    }
    uint32_t node = PL_TREE_ROOT, deep = pl_tree_function(tree, "deep", "", "", 0, -1);
    for (int i = 0; i < 100000; i++)
        node = pl_tree_child(tree, node, deep, false);
    pl_tree_add(tree, node, &(struct pl_amount){.ns = 5, .samples = 1});
    struct pl_profile profile = {0};
    CHECK_OK(pl_tree_finish(tree, &profile, &err), err);
    pl_tree_free(tree);
    CHECK(profile.total_ns == sum + 5 && profile.samples == 20001);
    int64_t self = 0, by_function = 0;
    size_t bad = 0;
    for (size_t i = 0; i < profile.node_count; i++) {
        const struct pl_node *n = &profile.nodes[i],
                             *parent = &profile.nodes[n->parent];
        self += n->self_ns;
        bad += i && (n->parent >= i || n->depth != parent->depth + 1);
    }
    for (size_t i = 0; i < profile.function_count; i++)
        by_function += profile.functions[i].self_ns;
    CHECK(self == profile.total_ns && by_function == self && !bad);
    pl_profile_deinit(&profile);
}

TEST_MAIN({"cases", test_cases}, {"function_identity", test_function_identity},
          {"large", test_large})
