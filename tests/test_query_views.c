/* What is made of an aggregated profile: transforms, callers and callees, inverted
 * trees, diffs, splits and lists, each against the reference of one row per sample,
 * stack by stack. */
#include "tests/query_choice.h"

#include "store/query_diff.h"
#include "store/query_transform.h"

#include <math.h>

/* ---- transforms, frame by frame ---- */

struct path {
    const char *names[DEPTH + 1];
    size_t count;
    bool left; /* the stack is gone */
};

static char all_names[FUNCTIONS][32];

static const char *module_of(int function)
{
    return function % 2 ? "/usr/lib/libodd.so.1" : "[no module]";
}

static const char *file_of(int function)
{
    return function % 4 ? module_of(function) : "file.c";
}

static bool hidden(int function)
{
    return function % 2 == 0 && function % 3 == 1; /* in_app 0 */
}

static void push(struct path *path, const char *name)
{
    path->names[path->count++] = name;
}

static int first_of(const uint32_t *frames, uint32_t depth, int function)
{
    for (uint32_t i = 0; i < depth; i++)
        if ((int)frames[i] == function)
            return (int)i;
    return -1;
}

static void push_once(struct path *path, const char *name)
{
    for (size_t i = 0; i < path->count; i++)
        if (strcmp(path->names[i], name) == 0) {
            path->count = i + 1;
            return;
        }
    push(path, name);
}

static void push_new(struct path *path, const char *name)
{
    if (!path->count || strcmp(path->names[path->count - 1], name) != 0)
        push(path, name);
}

static struct path apply(int stack, enum pl_transform_kind kind, int function)
{
    struct path path = {.count = 0};
    const uint32_t *frames = ref.stacks[stack];
    uint32_t depth = ref.depth[stack];
    int at = first_of(frames, depth, function);
    path.left = (kind == PL_TRANSFORM_FOCUS || kind == PL_TRANSFORM_CALLERS) && at < 0;
    path.left |= kind == PL_TRANSFORM_IGNORE && at >= 0;
    for (uint32_t i = 0; i < depth; i++) {
        int f = (int)frames[i], back = (int)frames[depth - 1 - i];
        if (kind == PL_TRANSFORM_FOCUS && (int)i >= at)
            push(&path, all_names[f]);
        if (kind == PL_TRANSFORM_CALLERS && (int)i <= at)
            push(&path, all_names[frames[at - (int)i]]);
        if (kind == PL_TRANSFORM_HIDE && f != function)
            push(&path, all_names[f]);
        if (kind == PL_TRANSFORM_COLLAPSE && (at < 0 || (int)i <= at))
            push(&path, all_names[f]);
        if (kind == PL_TRANSFORM_IGNORE)
            push(&path, all_names[f]);
        if (kind == PL_TRANSFORM_IN_APP && !hidden(f))
            push(&path, all_names[f]);
        if (kind == PL_TRANSFORM_RECURSION)
            push_once(&path, all_names[f]);
        if (kind == PL_TRANSFORM_MODULES)
            push_new(&path, module_of(f));
        if (kind == PL_TRANSFORM_FILES)
            push_new(&path, file_of(f));
        if (kind == PL_TRANSFORM_INVERT)
            push(&path, all_names[back]);
    }
    return path;
}

/* The weight of each stack in a choice. */
static void sum_stacks(const struct choice *choice, enum pl_metric metric,
                       struct pl_amount *amounts)
{
    memset(amounts, 0, STACKS * sizeof *amounts);
    for (size_t i = 0; i < ref.count; i++) {
        const struct sample *sample = &ref.samples[i];
        bool cpu = metric == PL_METRIC_CPU;
        if (!selects(choice, sample) || (cpu && sample->cpu_ns < 0))
            continue;
        amounts[sample->stack].ns += cpu ? sample->cpu_ns : sample->weight_ns;
        amounts[sample->stack].samples++;
    }
}

static struct line line_of(const struct path *path, const struct pl_amount *amount)
{
    struct line line = {.ns = amount->ns, .samples = amount->samples};
    for (size_t i = 0; i < path->count; i++) {
        strncat(line.path, ";", 2);
        strncat(line.path, path->names[i], 32);
    }
    return line;
}

static void compare(const struct line *want, size_t wanted, const struct line *got,
                    size_t count, const char *what, int round)
{
    CHECK(wanted == count, "%s, round %d: %zu lines, not %zu", what, round, count,
          wanted);
    for (size_t i = 0; i < wanted && wanted == count; i++)
        CHECK(strcmp(want[i].path, got[i].path) == 0 && want[i].ns == got[i].ns &&
                  want[i].samples == got[i].samples,
              "%s, round %d: %s %" PRId64 "/%" PRId64 ", not %s %" PRId64 "/%" PRId64,
              what, round, got[i].path, got[i].ns, got[i].samples, want[i].path,
              want[i].ns, want[i].samples);
}

static const struct {
    const char *text;
    enum pl_transform_kind kind;
} transforms[] = {
    {"focus:", PL_TRANSFORM_FOCUS},       {"callers:", PL_TRANSFORM_CALLERS},
    {"ignore:", PL_TRANSFORM_IGNORE},     {"hide:", PL_TRANSFORM_HIDE},
    {"collapse:", PL_TRANSFORM_COLLAPSE}, {"recursion", PL_TRANSFORM_RECURSION},
    {"in_app", PL_TRANSFORM_IN_APP},      {"modules", PL_TRANSFORM_MODULES},
    {"files", PL_TRANSFORM_FILES},        {"invert", PL_TRANSFORM_INVERT},
};
#define KINDS (sizeof transforms / sizeof transforms[0])

static void check_transform(const struct pl_profile *whole, struct pl_store *store,
                            const struct choice *choice, enum pl_metric metric,
                            size_t which, int round)
{
    static struct line want[STACKS], got[STACKS * 2];
    struct pl_amount amounts[STACKS];
    char text[64];
    struct pl_transform transform;
    struct pl_profile profile = {0};
    int function = (int)pick(FUNCTIONS);
    enum pl_transform_kind kind = transforms[which].kind;
    bool named = strchr(transforms[which].text, ':') != NULL;
    snprintf(text, sizeof text, "%s%s", transforms[which].text,
             named ? all_names[function] : "");
    CHECK_OK(pl_transform_parse(text, &transform, &err), err);
    CHECK(transform.kind == kind);
    CHECK_OK(pl_query_profile(store, &choice->selection, metric, &profile, &err), err);
    CHECK_OK(pl_profile_transform(&profile, &transform, &err), err);
    CHECK(profile.total_ns + profile.left_out_ns == whole->total_ns, "%s", text);

    sum_stacks(choice, metric, amounts);
    size_t count = 0;
    for (int s = 0; s < STACKS; s++) {
        struct path path = apply(s, kind, function);
        if (amounts[s].samples && !path.left)
            want[count++] = line_of(&path, &amounts[s]);
    }
    count = sort_lines(want, count);
    compare(want, count, got, profile_lines(&profile, got, STACKS * 2), text, round);
    if (kind == PL_TRANSFORM_FOCUS || kind == PL_TRANSFORM_CALLERS) {
        /* The sandwich: above and below weigh what the function does. */
        int64_t total = 0;
        for (size_t i = 0; i < whole->function_count; i++)
            if (strcmp(whole->functions[i].name, all_names[function]) == 0)
                total += whole->functions[i].total_ns;
        CHECK(profile.total_ns == total, "%s", text);
    }
    pl_profile_deinit(&profile);
}

/* Self and total of every function, counted sample by sample. */
static void check_functions(const struct pl_profile *profile,
                            const struct choice *choice, enum pl_metric metric)
{
    struct pl_amount amounts[STACKS];
    sum_stacks(choice, metric, amounts);
    for (size_t i = 0; i < profile->function_count; i++) {
        const struct pl_function *f = &profile->functions[i];
        int64_t self = 0, total = 0, self_samples = 0, total_samples = 0;
        for (int s = 0; s < STACKS; s++) {
            bool in = false;
            for (uint32_t d = 0; d < ref.depth[s]; d++)
                in |= strcmp(all_names[ref.stacks[s][d]], f->name) == 0;
            bool leaf = ref.depth[s] &&
                        !strcmp(all_names[ref.stacks[s][ref.depth[s] - 1]], f->name);
            self += leaf ? amounts[s].ns : 0;
            self_samples += leaf ? amounts[s].samples : 0;
            total += in ? amounts[s].ns : 0;
            total_samples += in ? amounts[s].samples : 0;
        }
        CHECK(f->self_ns == self && f->total_ns == total, "%s", f->name);
        CHECK(f->self_samples == self_samples && f->total_samples == total_samples,
              "%s", f->name);
    }
}

static void test_transforms(void)
{
    struct pl_store *store = NULL;
    const struct pl_sql_consumer consumer = {NULL, take_columns, take_thread_row};
    make_reference(&ref);
    CHECK_OK(pl_store_open(ref.path, PL_STORE_READ, &store, &err), err);
    CHECK_OK(pl_query_sql(store, "SELECT id, tid FROM thread", 0, &consumer, &err),
             err);
    for (int f = 0; f < FUNCTIONS; f++)
        function_name(f, all_names[f], sizeof all_names[f]);
    for (int round = 0; round < 200; round++) {
        struct choice choice;
        struct pl_profile whole = {0};
        enum pl_metric metric = round % 2 ? PL_METRIC_CPU : PL_METRIC_WALL;
        choose(&choice);
        CHECK_OK(pl_query_profile(store, &choice.selection, metric, &whole, &err), err);
        check_functions(&whole, &choice, metric);
        for (size_t i = 0; i < KINDS; i++)
            check_transform(&whole, store, &choice, metric, i, round);
        pl_profile_deinit(&whole);
    }
    pl_store_close(store);
    free_reference(&ref);
}

static void test_transform_texts(void)
{
    static const char *const bad[] = {
        "",        "focus",      "focus:",  "invert:x", "Invert",
        "nothing", "recursion ", "in_app:", "hide :x"};
    struct pl_transform transform;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        CHECK(pl_transform_parse(bad[i], &transform, &err) == PL_USAGE, "%s", bad[i]);
    CHECK_OK(pl_transform_parse("hide:a:b c", &transform, &err), err);
    CHECK(strcmp(transform.function, "a:b c") == 0);
}

/* ---- diffs ---- */

/* Lines of one column of a profile of two. */
static size_t column_lines(const struct pl_profile *profile, uint32_t column,
                           struct line *lines, size_t most)
{
    struct pl_profile one = *profile;
    size_t count;
    one.nodes = malloc(profile->node_count * sizeof *one.nodes);
    CHECK(one.nodes != NULL);
    memcpy(one.nodes, profile->nodes, profile->node_count * sizeof *one.nodes);
    for (size_t i = 0; i < profile->node_count; i++) {
        const struct pl_split *split = &profile->node_split[2 * i + column];
        one.nodes[i].self_ns = split->self.ns;
        one.nodes[i].self_samples = split->self.samples;
    }
    count = profile_lines(&one, lines, most);
    free(one.nodes);
    return count;
}

static void check_columns(const struct pl_profile *pair, const struct choice *sides,
                          enum pl_metric metric, int round)
{
    static struct line want[STACKS], got[STACKS * 2];
    int64_t samples = 0;
    for (uint32_t c = 0; c < 2; c++) {
        size_t wanted = expect_lines(&sides[c], metric, want);
        size_t count = column_lines(pair, c, got, STACKS * 2);
        compare(want, wanted, got, count, c ? "B" : "A", round);
        samples += pair->node_split[c].total.samples;
        for (size_t i = 0; i < pair->function_count; i++) {
            int64_t self = 0;
            for (size_t n = 1; n < pair->node_count; n++)
                if (pair->nodes[n].function == i)
                    self += pair->node_split[2 * n + c].self.ns;
            CHECK(self == pair->function_split[2 * i + c].self.ns);
            CHECK(pair->function_split[2 * i + c].total.ns <=
                  pair->node_split[c].total.ns);
        }
    }
    CHECK(samples == pair->samples);
}

static void check_same(const struct pl_profile *a, const struct pl_profile *b)
{
    CHECK(a->node_count == b->node_count && a->function_count == b->function_count &&
          a->lost == b->lost && a->from_ns == b->from_ns && a->to_ns == b->to_ns);
    for (size_t i = 0; i < a->node_count && a->node_count == b->node_count; i++)
        CHECK(a->nodes[i].parent == b->nodes[i].parent &&
              memcmp(&a->node_split[2 * i], &b->node_split[2 * i],
                     2 * sizeof *a->node_split) == 0);
}

static void test_pairs(void)
{
    struct pl_store *store = NULL, *other = NULL;
    const struct pl_sql_consumer consumer = {NULL, take_columns, take_thread_row};
    make_reference(&ref);
    CHECK_OK(pl_store_open(ref.path, PL_STORE_READ, &store, &err), err);
    CHECK_OK(pl_store_open(ref.path, PL_STORE_READ, &other, &err), err);
    CHECK_OK(pl_query_sql(store, "SELECT id, tid FROM thread", 0, &consumer, &err),
             err);
    for (int round = 0; round < 150; round++) {
        struct choice sides[2];
        struct pl_profile pair = {0}, joined = {0};
        struct pl_diff diff = {0};
        enum pl_metric metric = round % 2 ? PL_METRIC_CPU : PL_METRIC_WALL;
        choose(&sides[0]);
        choose(&sides[1]);
        CHECK_OK(pl_query_pair(store, &sides[0].selection, store, &sides[1].selection,
                               metric, &pair, &err),
                 err);
        check_columns(&pair, sides, metric, round);
        CHECK_OK(pl_query_pair(store, &sides[0].selection, other, &sides[1].selection,
                               metric, &joined, &err),
                 err);
        check_same(&pair, &joined);
        CHECK_OK(pl_diff_take(&pair, &diff, &err), err);
        double a = 0, b = 0;
        for (size_t i = 0; i < diff.profile.function_count; i++) {
            a += diff.self[i].share_a;
            b += diff.self[i].share_b;
            CHECK(diff.self[i].q >= diff.self[i].p && diff.self[i].q <= 1);
        }
        double root_a = (double)diff.profile.node_split[0].self.ns,
               root_b = (double)diff.profile.node_split[1].self.ns;
        CHECK(!diff.a.ns || fabs(a + root_a / (double)diff.a.ns - 1) < 1e-9);
        CHECK(!diff.b.ns || fabs(b + root_b / (double)diff.b.ns - 1) < 1e-9);
        pl_diff_deinit(&diff);
        pl_profile_deinit(&joined);
    }
    pl_store_close(other);
    pl_store_close(store);
    free_reference(&ref);
}

/* ---- is it chance? ---- */

static void test_change_cases(void)
{
    /* Independent samples: squares are counts. p by the formula in query_diff.h,
     * worked out with another program (Python's math.erfc). */
    static const struct {
        int64_t k, n, l, m;
        double p;
    } cases[] = {
        {50, 1000, 80, 1000, 0.00853},   {50, 1000, 50, 1000, 1},
        {0, 1000, 10, 1000, .00437},    {3, 1000, 0, 1000, 0.24786},
        {500, 1000, 560, 1000, .00819}, {0, 0, 10, 1000, 1},
        {1000, 1000, 1000, 1000, 1},    {20, 400, 30, 1600, .00068},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct pl_amount a = {cases[i].k, cases[i].k, (double)cases[i].k};
        struct pl_amount all_a = {cases[i].n, cases[i].n, (double)cases[i].n};
        struct pl_amount b = {cases[i].l, cases[i].l, (double)cases[i].l};
        struct pl_amount all_b = {cases[i].m, cases[i].m, (double)cases[i].m};
        struct pl_change change = pl_change_of(&a, &all_a, &b, &all_b);
        struct pl_change back = pl_change_of(&b, &all_b, &a, &all_a);
        CHECK(fabs(change.p - cases[i].p) < 5e-5, "case %zu: p %.5f", i, change.p);
        CHECK(fabs(back.p - change.p) < 1e-12 && fabs(back.z + change.z) < 1e-12);
        CHECK(change.z * (change.share_b - change.share_a) >= 0);
    }
    /* The same counts in runs of 100 say next to nothing. */
    struct pl_amount a = {500, 500, 50000}, all_a = {1000, 1000, 100000};
    struct pl_amount b = {800, 800, 80000}, all_b = {1000, 1000, 100000};
    CHECK(pl_change_of(&a, &all_a, &b, &all_b).p > .2);
}

static double uniform(void)
{
    return pick(1u << 30) / (double)(1u << 30);
}

/* One side of a diff: `functions` functions drawn evenly, each drawing a run of
 * samples as long as a geometric law with mean `mean` says; of every function that
 * is a multiple of ten, `more` times as many. */
static void draw_side(struct pl_amount *of, struct pl_amount *all, int functions,
                      double mean, double more)
{
    for (int drawn = 0; drawn < 20000; drawn++) {
        int f = (int)pick((uint32_t)functions);
        int64_t n = 1;
        if (more > 1 && f % 10 && uniform() > 1 / more)
            continue;
        while (uniform() > 1 / mean)
            n++;
        of[f].ns += n;
        of[f].samples += n;
        of[f].squares += (double)n * (double)n;
        all->ns += n;
        all->samples += n;
        all->squares += (double)n * (double)n;
    }
}

/* Same program on both sides: p below .05 may come up in one of twenty functions,
 * with runs as without. Half more of some: these are found. */
static void test_change_rates(void)
{
    enum { FUNCS = 100 };
    static const double means[] = {1, 1.2, 20, 300};
    random_state = 5;
    for (size_t m = 0; m < sizeof means / sizeof means[0]; m++) {
        int small = 0, tested = 0, found = 0, changed = 0;
        for (int round = 0; round < 30; round++) {
            struct pl_amount a[FUNCS] = {{0}}, b[FUNCS] = {{0}}, c[FUNCS] = {{0}};
            struct pl_amount all_a = {0}, all_b = {0}, all_c = {0};
            draw_side(a, &all_a, FUNCS, means[m], 1);
            draw_side(b, &all_b, FUNCS, means[m], 1);
            draw_side(c, &all_c, FUNCS, means[m], 2.5);
            for (int f = 0; f < FUNCS; f++) {
                struct pl_change same = pl_change_of(&a[f], &all_a, &b[f], &all_b);
                struct pl_change more = pl_change_of(&a[f], &all_a, &c[f], &all_c);
                tested++;
                small += same.p < .05;
                changed += f % 10 == 0;
                found += f % 10 == 0 && more.p < .01 && more.z > 0;
            }
        }
        /* 150 of 3000 expected at most, standard deviation 12. */
        CHECK(small < 150 + 4 * 12, "mean run %.1f: %d of %d", means[m], small, tested);
        CHECK(small > 30, "mean run %.1f: %d of %d is too careful", means[m], small,
              tested);
        CHECK(found > changed * 9 / 10, "mean run %.1f: %d of %d", means[m], found,
              changed);
    }
}

/* ---- splits and lists ---- */

static void check_threads(struct pl_store *store, const struct choice *choice,
                          int round)
{
    static struct line want[THREADS * STACKS], got[THREADS * STACKS * 2];
    struct pl_profile profile = {0};
    size_t count = 0;
    for (int t = 0; t < THREADS; t++) {
        struct choice one = *choice;
        struct line lines[STACKS];
        for (int s = 0; s < SESSIONS; s++)
            for (int other = 0; other < THREADS; other++)
                one.thread[s][other] = choice->thread[s][other] && other == t;
        size_t some = expect_lines(&one, PL_METRIC_WALL, lines);
        for (size_t i = 0; i < some; i++, count++) {
            want[count] = lines[i];
            snprintf(want[count].path, sizeof want[count].path, ";thread %d%.200s", t,
                     lines[i].path);
        }
    }
    count = sort_lines(want, count);
    CHECK_OK(pl_query_profile_threads(store, &choice->selection, PL_METRIC_WALL,
                                      &profile, &err),
             err);
    compare(want, count, got, profile_lines(&profile, got, THREADS * STACKS * 2),
            "threads", round);
    pl_profile_deinit(&profile);
}

static void check_labels(struct pl_store *store, const struct choice *choice, int round)
{
    struct pl_label_list list = {0};
    struct pl_label_row want[LABEL_KEYS][LABEL_VALUES] = {{{0}}};
    size_t wanted = 0;
    for (size_t i = 0; i < ref.count; i++)
        for (int k = 0; k < LABEL_KEYS; k++) {
            const struct sample *sample = &ref.samples[i];
            if (sample->label[k] < 0 || !selects(choice, sample))
                continue;
            struct pl_label_row *row = &want[k][sample->label[k]];
            wanted += !row->samples++;
            row->weight_ns += sample->weight_ns;
            row->cpu_ns += sample->cpu_ns > 0 ? sample->cpu_ns : 0;
        }
    CHECK_OK(pl_query_labels(store, &choice->selection, &list, &err), err);
    CHECK(list.count == wanted, "round %d: %zu labels, not %zu", round, list.count,
          wanted);
    for (size_t i = 0; i < list.count; i++) {
        const struct pl_label_row *got = &list.rows[i], *row = NULL;
        for (int k = 0; k < LABEL_KEYS; k++)
            for (int v = 0; v < LABEL_VALUES; v++)
                if (!strcmp(label_keys[k], got->key) &&
                    !strcmp(label_values[v], got->value))
                    row = &want[k][v];
        CHECK(row && row->samples == got->samples && row->cpu_ns == got->cpu_ns &&
                  row->weight_ns == got->weight_ns,
              "round %d: %s=%s", round, got->key, got->value);
        CHECK(!i || strcmp(got[-1].key, got->key) < 0 ||
              got[-1].weight_ns >= got->weight_ns);
    }
    pl_label_list_deinit(&list);
}

static void test_splits(void)
{
    struct pl_store *store = NULL;
    const struct pl_sql_consumer consumer = {NULL, take_columns, take_thread_row};
    make_reference(&ref);
    CHECK_OK(pl_store_open(ref.path, PL_STORE_READ, &store, &err), err);
    CHECK_OK(pl_query_sql(store, "SELECT id, tid FROM thread", 0, &consumer, &err),
             err);
    for (int round = 0; round < 150; round++) {
        struct choice choice;
        choose(&choice);
        check_threads(store, &choice, round);
        check_labels(store, &choice, round);
    }
    pl_store_close(store);
    free_reference(&ref);
}

TEST_MAIN({"transforms", test_transforms}, {"transform_texts", test_transform_texts},
          {"pairs", test_pairs}, {"change_cases", test_change_cases},
          {"change_rates", test_change_rates}, {"splits", test_splits})
