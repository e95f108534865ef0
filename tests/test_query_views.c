/* What is made of an aggregated profile: transforms, callers and callees, inverted
 * trees, diffs, splits and lists, each against the reference of one row per sample,
 * stack by stack. */
#include "tests/query_choice.h"

#include "store/query_chart.h"
#include "store/query_diff.h"
#include "store/query_history.h"
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
        {50, 1000, 80, 1000, 0.00853},  {50, 1000, 50, 1000, 1},
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

/* Values of a label on the first level: each weighs what the list says, the rest has no
 * value, and functions weigh what they do without. */
static void check_by_label(struct pl_store *store, const struct choice *choice,
                           enum pl_metric metric, int round)
{
    const char *key = label_keys[pick(LABEL_KEYS)];
    struct pl_label_list list = {0};
    struct pl_profile profile = {0}, plain = {0};
    int64_t rest = 0, self = 0;
    CHECK_OK(pl_query_labels(store, &choice->selection, &list, &err), err);
    CHECK_OK(pl_query_profile(store, &choice->selection, metric, &plain, &err), err);
    CHECK_OK(
        pl_query_profile_labels(store, &choice->selection, metric, key, &profile, &err),
        err);
    CHECK(profile.total_ns == plain.total_ns && profile.samples == plain.samples &&
              profile.lost == plain.lost,
          "round %d", round);
    rest = profile.total_ns;
    for (size_t i = 0; i < list.count; i++)
        if (strcmp(list.rows[i].key, key) == 0)
            rest -=
                metric == PL_METRIC_CPU ? list.rows[i].cpu_ns : list.rows[i].weight_ns;
    for (size_t n = 1; n < profile.node_count; n++) {
        const struct pl_function *box = &profile.functions[profile.nodes[n].function];
        int64_t want = rest;
        if (profile.nodes[n].depth != 1)
            continue;
        CHECK(strcmp(box->file, "[label]") == 0, "round %d: %s", round, box->file);
        for (size_t i = 0; i < list.count; i++)
            if (!strcmp(list.rows[i].key, key) &&
                !strcmp(list.rows[i].value, box->name))
                want = metric == PL_METRIC_CPU ? list.rows[i].cpu_ns
                                               : list.rows[i].weight_ns;
        CHECK(want == profile.nodes[n].total_ns, "round %d: %s", round, box->name);
    }
    for (size_t i = 0; i < plain.function_count; i++) {
        self = plain.functions[i].self_ns;
        for (size_t j = 0; j < profile.function_count; j++)
            if (!strcmp(profile.functions[j].name, plain.functions[i].name) &&
                !strcmp(profile.functions[j].module, plain.functions[i].module) &&
                !strcmp(profile.functions[j].file, plain.functions[i].file))
                self -= profile.functions[j].self_ns;
        CHECK(!self, "round %d: %s", round, plain.functions[i].name);
    }
    pl_profile_deinit(&profile);
    pl_profile_deinit(&plain);
    pl_label_list_deinit(&list);
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
        check_by_label(store, &choice, (enum pl_metric)(round % 2), round);
    }
    pl_store_close(store);
    free_reference(&ref);
}

/* ---- flame charts ---- */

static int compare_times(const void *left, const void *right)
{
    const struct sample *a = *(const struct sample *const *)left;
    const struct sample *b = *(const struct sample *const *)right;
    return (a->ts_ns > b->ts_ns) - (a->ts_ns < b->ts_ns);
}

/* The chosen samples of one thread, by time. */
static size_t samples_of(const struct choice *choice, int64_t thread_row,
                         const struct sample **list)
{
    size_t count = 0;
    for (size_t i = 0; i < ref.count; i++)
        if (thread_rows[ref.samples[i].session][ref.samples[i].thread] == thread_row &&
            selects(choice, &ref.samples[i]))
            list[count++] = &ref.samples[i];
    qsort(list, count, sizeof *list, compare_times);
    return count;
}

/* At the time of each sample, the boxes there spell its stack. */
static void check_boxes(const struct pl_chart *chart, const struct sample **samples,
                        size_t count, int round)
{
    size_t first = 0, wrong = 0;
    CHECK(chart->samples == (int64_t)count && !chart->cell_ns, "round %d", round);
    for (size_t i = 0; i < count; i++) {
        const struct sample *sample = samples[i];
        uint32_t depth = 0;
        if (i + 1 < count && samples[i + 1]->ts_ns == sample->ts_ns)
            continue; /* had no time */
        while (first < chart->box_count && chart->boxes[first].depth == 1 &&
               chart->boxes[first].end_ns <= sample->ts_ns) {
            for (first++; first < chart->box_count && chart->boxes[first].depth > 1;)
                first++;
        }
        for (size_t b = first;
             b < chart->box_count && chart->boxes[b].start_ns <= sample->ts_ns; b++) {
            const struct pl_chart_box *box = &chart->boxes[b];
            if (box->end_ns <= sample->ts_ns)
                continue;
            wrong += box->depth != ++depth || depth > ref.depth[sample->stack] ||
                     strcmp(chart->functions[box->function].name,
                            all_names[ref.stacks[sample->stack][depth - 1]]) != 0;
        }
        wrong += depth != ref.depth[sample->stack];
    }
    CHECK(!wrong, "round %d: %zu of %zu samples", round, wrong, count);
}

static void check_bounded(struct pl_store *store, const struct pl_selection *selection,
                          size_t most, int round)
{
    struct pl_chart chart = {0};
    int64_t ends[DEPTH + 2] = {0};
    size_t wrong = 0;
    CHECK_OK(pl_query_chart(store, selection, most, &chart, &err), err);
    CHECK(chart.box_count <= most, "round %d", round);
    for (size_t i = 0; i < chart.box_count; i++) {
        const struct pl_chart_box *box = &chart.boxes[i];
        wrong += box->start_ns >= box->end_ns || box->depth < 1 || box->depth > DEPTH;
        wrong += box->start_ns < ends[box->depth];
        wrong += box->depth > 1 && box->end_ns > ends[box->depth - 1];
        ends[box->depth] = box->end_ns;
    }
    CHECK(!wrong, "round %d: %zu boxes", round, wrong);
    pl_chart_deinit(&chart);
}

static void test_charts(void)
{
    struct pl_store *store = NULL;
    const struct pl_sql_consumer consumer = {NULL, take_columns, take_thread_row};
    make_reference(&ref);
    const struct sample **samples = malloc(ref.count * sizeof *samples);
    CHECK(samples != NULL);
    CHECK_OK(pl_store_open(ref.path, PL_STORE_READ, &store, &err), err);
    CHECK_OK(pl_query_sql(store, "SELECT id, tid FROM thread", 0, &consumer, &err),
             err);
    for (int round = 0; round < 150; round++) {
        struct choice choice;
        struct pl_chart chart = {0};
        int64_t thread = thread_rows[pick(SESSIONS)][pick(THREADS)];
        choose(&choice);
        size_t count = samples_of(&choice, thread, samples);
        choice.selection.threads = &thread;
        choice.selection.thread_count = 1;
        choice.selection.thread_name = NULL;
        for (int s = 0; s < SESSIONS; s++)
            for (int t = 0; t < THREADS; t++)
                if (thread_rows[s][t] == thread && !choice.thread[s][t])
                    count = 0;
        bool wanted = false;
        for (int s = 0; s < SESSIONS; s++)
            for (int t = 0; t < THREADS; t++)
                wanted |= thread_rows[s][t] == thread && choice.thread[s][t];
        if (!wanted)
            continue; /* the choice is of other threads */
        CHECK_OK(pl_query_chart(store, &choice.selection, 50000, &chart, &err), err);
        check_boxes(&chart, samples, count, round);
        pl_chart_deinit(&chart);
        check_bounded(store, &choice.selection, 1 + pick(300), round);
    }
    struct pl_chart chart = {0};
    const struct pl_selection none = {0};
    CHECK(pl_query_chart(store, &none, 100, &chart, &err) == PL_USAGE);
    free(samples);
    pl_store_close(store);
    free_reference(&ref);
}

/* ---- history ---- */

static void check_history(struct pl_store *store, struct choice *choice,
                          enum pl_metric metric, int round)
{
    static const int64_t widths[] = {7 * SECOND_NS, 60 * SECOND_NS, 0,
                                     3600 * SECOND_NS};
    struct pl_history history = {0};
    size_t wrong = 0;
    int64_t total = 0, seen = 0;
    int function = choice->function;
    CHECK_OK(pl_query_history(store, &choice->selection, metric, widths[pick(4)],
                              &history, &err),
             err);
    choice->function = -1;
    for (size_t i = 0; i < ref.count; i++)
        if (selects(choice, &ref.samples[i]))
            total += metric == PL_METRIC_WALL    ? ref.samples[i].weight_ns
                     : ref.samples[i].cpu_ns > 0 ? ref.samples[i].cpu_ns
                                                 : 0;
    for (size_t b = 0; b < history.count; b++) {
        struct pl_amount all = {0}, self = {0}, in = {0};
        for (size_t i = 0; i < ref.count; i++) {
            const struct sample *sample = &ref.samples[i];
            int64_t ns = metric == PL_METRIC_CPU ? sample->cpu_ns : sample->weight_ns;
            if (ns < 0 || sample->ts_ns < history.buckets[b].start_ns ||
                sample->ts_ns >= history.buckets[b].start_ns + history.bucket_ns ||
                !selects(choice, sample))
                continue;
            uint32_t depth = ref.depth[sample->stack];
            bool has = first_of(ref.stacks[sample->stack], depth, function) >= 0;
            bool leaf = (int)ref.stacks[sample->stack][depth - 1] == function;
            all.ns += ns;
            all.samples++;
            in.ns += has ? ns : 0;
            in.samples += has;
            self.ns += leaf ? ns : 0;
            self.samples += leaf;
        }
        const struct pl_history_bucket *got = &history.buckets[b];
        wrong += got->all.ns != all.ns || got->all.samples != all.samples ||
                 got->total.ns != in.ns || got->total.samples != in.samples ||
                 got->self.ns != self.ns || got->self.samples != self.samples;
        seen += got->all.ns;
    }
    CHECK(!wrong, "round %d: %zu of %zu buckets", round, wrong, history.count);
    CHECK(seen == total, "round %d", round);
    pl_history_deinit(&history);
}

static void test_history(void)
{
    struct pl_store *store = NULL;
    const struct pl_sql_consumer consumer = {NULL, take_columns, take_thread_row};
    make_reference(&ref);
    CHECK_OK(pl_store_open(ref.path, PL_STORE_READ, &store, &err), err);
    CHECK_OK(pl_query_sql(store, "SELECT id, tid FROM thread", 0, &consumer, &err),
             err);
    for (int round = 0; round < 120; round++) {
        struct choice choice;
        choose(&choice);
        choice.function = (int)pick(FUNCTIONS);
        choice.selection.function = all_names[choice.function];
        check_history(store, &choice, round % 2 ? PL_METRIC_CPU : PL_METRIC_WALL,
                      round);
    }
    struct pl_history history = {0};
    const struct pl_selection none = {0}, fine = {.function = "fn_0"};
    CHECK(pl_query_history(store, &none, PL_METRIC_WALL, 0, &history, &err) ==
          PL_USAGE);
    CHECK(pl_query_history(store, &fine, PL_METRIC_WALL, 1000, &history, &err) ==
          PL_USAGE);
    pl_store_close(store);
    free_reference(&ref);
}

/* One sample in the deepest of many stacks, each made of the one before: what it is
 * made of has no weight, nor room for one. */
static void put_chain(const char *path)
{
    enum { CHAIN = 6000 };
    static uint32_t path_of[CHAIN];
    static struct pl_sink_stack stacks[CHAIN];
    static struct pl_sink_frame frames[CHAIN];
    static char names[CHAIN][8];
    static struct pl_sink_run runs[CHAIN];
    static int64_t ticks[CHAIN];
    struct pl_store *store = NULL;
    struct pl_chunk_sink sink;
    for (uint32_t i = 0; i < CHAIN; i++) {
        snprintf(names[i], sizeof names[i], "f%u", i);
        frames[i] = (struct pl_sink_frame){.module = PL_NO_INDEX, .function = names[i]};
        path_of[i] = i;
        stacks[i] = (struct pl_sink_stack){i + 1, path_of};
        runs[i] = (struct pl_sink_run){.stack = i, .count = 1, .on_cpu = -1};
        ticks[i] = HOUR_NS + i * PERIOD_NS / 2;
    }
    const struct pl_sink_thread thread = {
        .tid = 1, .name = "t", .runs = runs, .run_count = CHAIN, .cpu_ns = -1};
    const struct pl_sink_part part = {
        .session_id = id_of(1, 0),
        .chunk_id = id_of(2, 0),
        .start_ns = ticks[0],
        .end_ns = ticks[CHAIN - 1] + PERIOD_NS,
        .period_ns = PERIOD_NS,
        .ticks_ns = ticks,
        .tick_count = CHAIN,
        .frames = frames,
        .frame_count = CHAIN,
        .stacks = stacks,
        .stack_count = CHAIN,
        .threads = &thread,
        .thread_count = 1,
    };
    CHECK_OK(pl_store_open(path, PL_STORE_CREATE, &store, &err), err);
    CHECK_OK(pl_store_sink(store, &sink, &err), err);
    begin_session(&sink, 0);
    CHECK_OK(sink.put(sink.self, &part, &err), err);
    pl_store_close(store);
}

static void test_history_of_a_chain(void)
{
    struct pl_store *store = NULL;
    struct pl_history history = {0};
    char path[64];
    temporary_path(path, sizeof path);
    put_chain(path);
    CHECK_OK(pl_store_open(path, PL_STORE_READ, &store, &err), err);
    const struct pl_selection last = {.function = "f5990",
                                      .from_ns = HOUR_NS + 5999 * PERIOD_NS / 2,
                                      .to_ns = HOUR_NS + 6001 * PERIOD_NS / 2};
    CHECK_OK(pl_query_history(store, &last, PL_METRIC_WALL, 0, &history, &err), err);
    CHECK(history.count == 1 && history.buckets[0].all.samples == 1 &&
              history.buckets[0].all.ns == PERIOD_NS &&
              history.buckets[0].total.samples == 1 &&
              history.buckets[0].self.samples == 0,
          "%zu: %lld samples", history.count,
          (long long)history.buckets[0].all.samples);
    pl_history_deinit(&history);
    pl_store_close(store);
    remove_store(path);
}

/* ---- lines ---- */

/* work calls itself at line 12 and helper at 14; helper is in another file. */
static void put_lines(const char *path)
{
    struct pl_store *store = NULL;
    struct pl_chunk_sink sink;
    static const struct pl_sink_frame frames[] = {
        {.module = PL_NO_INDEX, .function = "work", .file = "w.py", .line = 12},
        {.module = PL_NO_INDEX, .function = "work", .file = "w.py", .line = 14},
        {.module = PL_NO_INDEX, .function = "helper", .file = "h.py", .line = 3},
        {.module = PL_NO_INDEX, .function = "other", .file = "w.py", .line = 14},
    };
    static const uint32_t paths[][4] = {{0, 0, 1, 2}, {1, 2}, {0}, {3, 0, 1}};
    const struct pl_sink_stack stacks[] = {
        {4, paths[0]}, {2, paths[1]}, {1, paths[2]}, {3, paths[3]}};
    const struct pl_sink_run runs[] = {
        {0, 10, -1, 0}, {1, 20, -1, 0}, {2, 5, -1, 0}, {3, 7, -1, 0}};
    const struct pl_sink_thread thread = {
        .tid = 1, .name = "t", .runs = runs, .run_count = 4, .cpu_ns = -1};
    int64_t ticks[42];
    for (int i = 0; i < 42; i++)
        ticks[i] = HOUR_NS + i * PERIOD_NS;
    const struct pl_sink_part part = {
        .session_id = id_of(1, 0),
        .chunk_id = id_of(2, 0),
        .start_ns = ticks[0],
        .end_ns = ticks[41] + PERIOD_NS,
        .period_ns = PERIOD_NS,
        .ticks_ns = ticks,
        .tick_count = 42,
        .frames = frames,
        .frame_count = 4,
        .stacks = stacks,
        .stack_count = 4,
        .threads = &thread,
        .thread_count = 1,
    };
    CHECK_OK(pl_store_open(path, PL_STORE_CREATE, &store, &err), err);
    CHECK_OK(pl_store_sink(store, &sink, &err), err);
    begin_session(&sink, 0);
    CHECK_OK(sink.put(sink.self, &part, &err), err);
    pl_store_close(store);
}

static void test_lines(void)
{
    static const struct {
        const char *function, *file, *want;
    } cases[] = {
        {"work", NULL, "w.py:12 5/22 w.py:14 7/37 of 42"},
        {"helper", NULL, "h.py:3 30/30 of 30"},
        {NULL, "w.py", "w.py:12 5/22 w.py:14 7/37 of 42"},
        {"helper", "w.py", "w.py:12 0/10 w.py:14 0/30 of 30"},
        {NULL, "no.py", "of 42"},
    };
    struct pl_store *store = NULL;
    struct pl_line_list list = {0};
    char path[64];
    temporary_path(path, sizeof path);
    put_lines(path);
    CHECK_OK(pl_store_open(path, PL_STORE_READ, &store, &err), err);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct pl_selection selection = {.function = cases[i].function};
        char text[256] = "";
        size_t used = 0;
        CHECK_OK(pl_query_lines(store, &selection, PL_METRIC_WALL, cases[i].file, &list,
                                &err),
                 err);
        for (size_t r = 0; r < list.count; r++) {
            const struct pl_line_row *row = &list.rows[r];
            CHECK(row->self_ns == row->self_samples * PERIOD_NS &&
                  row->total_ns == row->total_samples * PERIOD_NS);
            used += (size_t)snprintf(text + used, sizeof text - used,
                                     "%s:%u %" PRId64 "/%" PRId64 " ", row->file,
                                     row->line, row->self_samples, row->total_samples);
        }
        snprintf(text + used, sizeof text - used, "of %" PRId64, list.samples);
        CHECK(strcmp(text, cases[i].want) == 0, "%s", text);
        pl_line_list_deinit(&list);
    }
    const struct pl_selection none = {0};
    CHECK(pl_query_lines(store, &none, PL_METRIC_WALL, NULL, &list, &err) == PL_USAGE);
    pl_store_close(store);
    remove_store(path);
}

TEST_MAIN({"transforms", test_transforms}, {"transform_texts", test_transform_texts},
          {"pairs", test_pairs}, {"change_cases", test_change_cases},
          {"change_rates", test_change_rates}, {"splits", test_splits},
          {"charts", test_charts}, {"history", test_history},
          {"history_of_a_chain", test_history_of_a_chain}, {"lines", test_lines})
