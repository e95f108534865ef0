/* Calls and their self times: by hand, and against a reference that builds whole trees
 * and walks them, as vroom does. */
#include "store/calls.h"

#include "tests/test.h"

#include <stdlib.h>
#include <string.h>

/* Functions are letters; capitals are the application's. */
static size_t path_of(const char *stack, struct pl_call_frame *path)
{
    size_t depth = strlen(stack);
    for (size_t i = 0; i < depth; i++)
        path[i] = (struct pl_call_frame){(unsigned char)stack[i],
                                         stack[i] >= 'A' && stack[i] <= 'Z'};
    return depth;
}

static bool find_path(void *self, uint32_t stack, const struct pl_call_frame **path_out,
                      size_t *depth_out)
{
    static struct pl_call_frame path[64];
    const char *const *stacks = self;
    *depth_out = path_of(stacks[stack], path);
    *path_out = path;
    return true;
}

/* ---- the reference: trees ---- */

struct node {
    char function;
    int64_t start, end, samples;
    struct node *children[64];
    size_t child_count;
};

static struct node nodes[4096];
static size_t node_count;

static struct node *add_node(struct node *parent, char function, int64_t at)
{
    struct node *last =
        parent->child_count ? parent->children[parent->child_count - 1] : NULL;
    if (last && last->function == function && last->end == at)
        return last;
    CHECK(node_count < 4096 && parent->child_count < 64);
    struct node *node = &nodes[node_count++];
    *node = (struct node){.function = function, .start = at};
    parent->children[parent->child_count++] = node;
    return node;
}

struct totals {
    int64_t self[256], samples[256], calls[256];
};

/* Application time, and time, of the node. */
static int64_t walk(const struct node *node, int depth, struct totals *totals)
{
    int64_t app = 0, all = 0, lasted = node->end - node->start;
    for (size_t i = 0; i < node->child_count; i++) {
        app += walk(node->children[i], depth + 1, totals);
        all += node->children[i]->end - node->children[i]->start;
    }
    bool in_app = node->function >= 'A' && node->function <= 'Z';
    int64_t self = lasted - (in_app ? app : all);
    if (depth >= 1 && self > 0) {
        totals->self[(int)node->function] += self;
        totals->samples[(int)node->function] += node->samples;
        totals->calls[(int)node->function]++;
    }
    return in_app ? lasted : app;
}

static void build_tree(const char *const *stacks, const int64_t *times, size_t count,
                       struct totals *totals)
{
    struct node root = {0};
    node_count = 0;
    for (size_t i = 0; i + 1 < count; i++) {
        struct node *at = &root;
        for (const char *f = stacks[i]; *f; f++) {
            at = add_node(at, *f, times[i]);
            at->end = times[i + 1];
            at->samples++;
        }
    }
    /* The last one opens nothing that lasts, but is a sample of what it continues. */
    struct node *at = &root;
    for (const char *f = count ? stacks[count - 1] : ""; *f && at->child_count; f++) {
        struct node *last = at->children[at->child_count - 1];
        if (last->function != *f || last->end != times[count - 1])
            break;
        last->samples++;
        at = last;
    }
    for (size_t i = 0; i < root.child_count; i++)
        (void)walk(root.children[i], 0, totals);
}

/* ---- cases ---- */

static void test_by_hand(void)
{
    /* Ten ns between samples; what each function has of its own, calls, samples. */
    static struct {
        const char *name, *stacks[8]; /* one a sample */
        const char *expected;
    } cases[] = {
        {"one sample lasts no time", {"rA"}, ""},
        {"two", {"rA", "rA"}, "A 10 1 2"},
        {"the outermost call has none", {"A", "A", "A"}, ""},
        {"seen once", {"rA", "rB", "rB", "rB"}, "B 20 1 3"},
        {"a call within", {"rA", "rAB", "rAB", "rA", "rA"}, "A 20 1 5|B 20 1 2"},
        {"a system call is the caller's", {"rA", "rAx", "rAx", "rA"}, "A 30 1 4"},
        {"the application below a system call",
         {"rA", "rAxB", "rAxB", "rA"},
         "B 20 1 2|A 10 1 4"},
        {"again is another call", {"rA", "rA", "rx", "rA", "rA", "rA"}, "A 40 2 5"},
        {"recursion", {"rA", "rAA", "rAA", "rA", "rA"}, "A 40 2 7"},
        {"heaviest first", {"rA", "rA", "rB", "rB", "rB", "rB"}, "B 30 1 4|A 20 1 2"},
        {"nothing of the application", {"rx", "rxy", "rx"}, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct pl_call_group groups[PL_CALLS_FUNCTIONS];
        struct pl_call_step steps[8];
        struct pl_calls calls = {0};
        char text[256] = "";
        size_t count = 0;
        for (; count < 8 && cases[i].stacks[count]; count++)
            steps[count] = (struct pl_call_step){.at_ns = 1000 + (int64_t)count * 10,
                                                 .stack = (uint32_t)count,
                                                 .order = (uint32_t)count,
                                                 .count = 1};
        CHECK(pl_calls_follow(&calls, steps, count, find_path, cases[i].stacks));
        size_t groups_count = pl_calls_finish(&calls, groups);
        for (size_t g = 0; g < groups_count; g++) {
            size_t used = strlen(text);
            (void)snprintf(text + used, sizeof text - used, "%s%c %lld %zu %lld",
                           g ? "|" : "", (int)groups[g].function,
                           (long long)groups[g].sum_ns, groups[g].count,
                           (long long)groups[g].samples);
        }
        CHECK(strcmp(text, cases[i].expected) == 0, "%s: %s, not %s", cases[i].name,
              text, cases[i].expected);
        pl_calls_deinit(&calls);
    }
}

/* Stacks that change a little from one sample to the next, in two threads. */
static void test_against_trees(void)
{
    static char texts[60][12];
    static const char *stacks[60];
    struct pl_call_step steps[60];
    int64_t times[60];
    srand(11);
    for (int round = 0; round < 500; round++) {
        struct totals totals = {0};
        struct pl_calls calls = {0};
        struct pl_call_group groups[PL_CALLS_FUNCTIONS];
        size_t depth = 0;
        char now[12] = "";
        for (size_t i = 0; i < 60; i++) {
            while (depth && rand() % 3 == 0)
                now[--depth] = '\0';
            while (depth < 8 && rand() % 2 == 0) {
                now[depth++] = "ABCxyz"[rand() % 6];
                now[depth] = '\0';
            }
            (void)snprintf(texts[i], sizeof texts[i], "%s", now);
            stacks[i] = texts[i];
            times[i] = (i % 30 ? times[i - 1] : 0) + 1 + rand() % 20;
            steps[i] = (struct pl_call_step){.at_ns = times[i],
                                             .thread = i < 30,
                                             .order = (uint32_t)i,
                                             .stack = (uint32_t)i,
                                             .count = 1};
        }
        build_tree(stacks, times, 30, &totals);
        build_tree(stacks + 30, times + 30, 30, &totals);
        CHECK(pl_calls_follow(&calls, steps, 60, find_path, stacks));
        size_t count = pl_calls_finish(&calls, groups), wanted = 0;
        for (int f = 'A'; f <= 'Z'; f++)
            wanted += totals.samples[f] > 1 && totals.self[f] > 0;
        CHECK(count == wanted, "round %d: %zu functions, not %zu", round, count,
              wanted);
        for (size_t g = 0; g < count; g++) {
            uint32_t f = groups[g].function;
            CHECK(groups[g].sum_ns == totals.self[f] &&
                      groups[g].samples == totals.samples[f] &&
                      (int64_t)groups[g].count == totals.calls[f],
                  "round %d: %c has %lld ns in %zu calls and %lld samples, not %lld, "
                  "%lld, %lld",
                  round, (int)f, (long long)groups[g].sum_ns, groups[g].count,
                  (long long)groups[g].samples, (long long)totals.self[f],
                  (long long)totals.calls[f], (long long)totals.samples[f]);
        }
        pl_calls_deinit(&calls);
    }
}

/* The hundred best of many, in order. */
static void test_best(void)
{
    struct pl_calls calls = {0};
    struct pl_call_group groups[PL_CALLS_FUNCTIONS];
    int64_t at = 0;
    for (uint32_t i = 0; i < 1000; i++) {
        const struct pl_call_frame path[] = {{0, false}, {i + 1, true}};
        pl_calls_sample(&calls, at, 2, path, 2);
        at += 1 + (i * 7919) % 1000;
    }
    pl_calls_end(&calls, at);
    CHECK(pl_calls_finish(&calls, groups) == PL_CALLS_FUNCTIONS);
    for (int i = 0; i < PL_CALLS_FUNCTIONS; i++)
        CHECK(groups[i].sum_ns == 1000 - i, "%d: %lld", i, (long long)groups[i].sum_ns);
    pl_calls_deinit(&calls);
}

static void test_numbers(void)
{
    static const int64_t times[] = {10, 20, 30, 40, 50};
    static const struct {
        double q;
        int64_t value;
    } quantiles[] = {{0, 10}, {.5, 30}, {.75, 40}, {.95, 48}, {.99, 50}, {1, 50}};
    CHECK(pl_calls_fingerprint("baz", "baz") == 509004053);
    CHECK(pl_calls_fingerprint("/opt/x/baz", "baz") == 509004053, "of a path its end");
    CHECK(pl_calls_fingerprint("@scope/baz", "baz") != 509004053, "which this is not");
    for (size_t i = 0; i < sizeof quantiles / sizeof quantiles[0]; i++)
        CHECK(pl_calls_quantile(times, 5, quantiles[i].q) == quantiles[i].value,
              "%g: %lld", quantiles[i].q,
              (long long)pl_calls_quantile(times, 5, quantiles[i].q));
    CHECK(pl_calls_quantile(times, 1, .99) == 10 &&
          pl_calls_quantile(times, 0, .5) == 0);
}

TEST_MAIN({"by_hand", test_by_hand}, {"against_trees", test_against_trees},
          {"best", test_best}, {"numbers", test_numbers})
