/* Random selections, which samples of the reference they take, and profiles printed
 * so that the two can be compared. */
#ifndef PL_TESTS_QUERY_CHOICE_H
#define PL_TESTS_QUERY_CHOICE_H

#include "tests/query_reference.h"

#include <inttypes.h>

static struct reference ref;

/* ---- a selection and what the reference says about it ---- */

struct choice {
    struct pl_selection selection;
    int64_t session_ids[SESSIONS], thread_ids[SESSIONS * THREADS];
    bool session[SESSIONS], thread[SESSIONS][THREADS];
    int function; /* -1: any */
    char thread_name[16], function_name[32];
    struct pl_label labels[LABEL_KEYS * 2];
    bool label[LABEL_KEYS][LABEL_VALUES]; /* wanted */
    bool by_key[LABEL_KEYS];              /* this key is looked at */
};

/* Row ids of the file: sessions and threads were put in this order. */
static int64_t session_row(int session)
{
    return session + 1;
}

static int64_t thread_rows[SESSIONS][THREADS];

static bool take_thread_row(void *self, size_t count, const struct pl_cell *cells)
{
    (void)self, (void)count;
    int64_t tid = cells[1].integer;
    thread_rows[tid / 100][tid % 100] = cells[0].integer;
    return true;
}

static bool take_columns(void *self, size_t count, const char *const *names)
{
    (void)self, (void)count, (void)names;
    return true;
}

static void function_name(int function, char *name, size_t size)
{
    if (function % 2)
        snprintf(name, size, "libodd.so.1+0x%x", 0x1000u * (unsigned)function);
    else
        snprintf(name, size, "fn_%d", function);
}

static void choose_threads(struct choice *choice)
{
    uint32_t how = pick(4);
    for (int s = 0; s < SESSIONS; s++)
        for (int t = 0; t < THREADS; t++) {
            choice->thread[s][t] = how > 1 || (how == 1 ? t == 2 : pick(2));
            if (how == 0 && choice->thread[s][t])
                choice->thread_ids[choice->selection.thread_count++] =
                    thread_rows[s][t];
        }
    choice->selection.threads = choice->thread_ids;
    if (how == 0 && !choice->selection.thread_count)
        choice->thread_ids[choice->selection.thread_count++] = 999;
    snprintf(choice->thread_name, sizeof choice->thread_name, "thread 2");
    if (how == 1)
        choice->selection.thread_name = choice->thread_name;
}

static void choose_sessions(struct choice *choice)
{
    struct pl_selection *selection = &choice->selection;
    uint32_t how = pick(6);
    for (int s = 0; s < SESSIONS; s++) {
        choice->session[s] = how > 3 || (how == 0 && pick(2)) || (how == 1 && s > 0) ||
                             (how == 2 && s == 1) || (how == 3 && s == 2);
        if (how == 0 && choice->session[s])
            choice->session_ids[selection->session_count++] = session_row(s);
    }
    selection->sessions = choice->session_ids;
    if (how == 0 && !selection->session_count)
        choice->session_ids[selection->session_count++] = 999;
    selection->app = how == 1 ? "beta" : NULL;
    selection->release = how == 2 ? "1.0" : NULL;
    selection->environment = how == 3 ? "prod" : NULL;
}

static int64_t random_time(void)
{
    if (pick(2)) /* right at a sample */
        return ref.samples[pick((uint32_t)ref.count)].ts_ns + pick(3) - 1;
    return HOUR_NS + (int64_t)pick(260 * 1000) * 1000000;
}

/* Of some keys one or two values, or any. */
static void choose_labels(struct choice *choice)
{
    struct pl_selection *selection = &choice->selection;
    for (int k = 0; k < LABEL_KEYS; k++) {
        uint32_t how = pick(4);
        choice->by_key[k] = how < 3;
        for (uint32_t v = 0; v < LABEL_VALUES; v++)
            choice->label[k][v] = how == 0 || v < how;
        if (how == 0)
            choice->labels[selection->label_count++] =
                (struct pl_label){label_keys[k], NULL};
        for (uint32_t v = 0; how > 0 && how < 3 && v < how; v++)
            choice->labels[selection->label_count++] =
                (struct pl_label){label_keys[k], label_values[v]};
    }
    selection->labels = choice->labels;
}

static void choose(struct choice *choice)
{
    *choice = (struct choice){.function = -1};
    if (pick(4) == 0)
        choose_labels(choice);
    choose_sessions(choice);
    choose_threads(choice);
    if (pick(3))
        choice->selection.from_ns = random_time();
    if (pick(3))
        choice->selection.to_ns = random_time();
    if (pick(3) == 0) {
        choice->function = (int)pick(FUNCTIONS);
        function_name(choice->function, choice->function_name,
                      sizeof choice->function_name);
        choice->selection.function = choice->function_name;
    }
}

static bool selects(const struct choice *choice, const struct sample *sample)
{
    const struct pl_selection *selection = &choice->selection;
    if (!choice->session[sample->session] ||
        !choice->thread[sample->session][sample->thread])
        return false;
    if ((selection->from_ns && sample->ts_ns < selection->from_ns) ||
        (selection->to_ns && sample->ts_ns >= selection->to_ns))
        return false;
    for (int k = 0; k < LABEL_KEYS; k++)
        if (choice->by_key[k] &&
            (sample->label[k] < 0 || !choice->label[k][sample->label[k]]))
            return false;
    bool found = choice->function < 0;
    for (uint32_t i = 0; i < ref.depth[sample->stack]; i++)
        found |= (int)ref.stacks[sample->stack][i] == choice->function;
    return found;
}

/* ---- comparing profiles ---- */

struct line {
    char path[DEPTH * 24];
    int64_t ns, samples;
};

static int compare_lines(const void *left, const void *right)
{
    return strcmp(((const struct line *)left)->path,
                  ((const struct line *)right)->path);
}

/* Folded stacks with weight, sorted; lines of one path added up. */
static size_t sort_lines(struct line *lines, size_t count)
{
    size_t kept = 0;
    qsort(lines, count, sizeof *lines, compare_lines);
    for (size_t i = 0; i < count; i++) {
        if (kept && strcmp(lines[kept - 1].path, lines[i].path) == 0) {
            lines[kept - 1].ns += lines[i].ns;
            lines[kept - 1].samples += lines[i].samples;
        } else {
            lines[kept++] = lines[i];
        }
    }
    return kept;
}

static size_t expect_lines(const struct choice *choice, enum pl_metric metric,
                           struct line *lines)
{
    for (int s = 0; s < STACKS; s++) {
        lines[s] = (struct line){.path = ""};
        for (uint32_t i = 0; i < ref.depth[s]; i++) {
            char name[32];
            function_name((int)ref.stacks[s][i], name, sizeof name);
            strncat(lines[s].path, ";", 2);
            strncat(lines[s].path, name, 32);
        }
    }
    for (size_t i = 0; i < ref.count; i++) {
        const struct sample *sample = &ref.samples[i];
        bool cpu = metric == PL_METRIC_CPU;
        if (!selects(choice, sample) || (cpu && sample->cpu_ns < 0))
            continue;
        lines[sample->stack].ns += cpu ? sample->cpu_ns : sample->weight_ns;
        lines[sample->stack].samples++;
    }
    size_t kept = 0;
    for (int s = 0; s < STACKS; s++)
        if (lines[s].samples)
            lines[kept++] = lines[s];
    return sort_lines(lines, kept);
}

static size_t profile_lines(const struct pl_profile *profile, struct line *lines,
                            size_t most)
{
    size_t count = 0;
    for (size_t i = 0; i < profile->node_count && count < most; i++) {
        const struct pl_node *node = &profile->nodes[i];
        if (!node->self_samples)
            continue;
        struct line *line = &lines[count++];
        *line = (struct line){.ns = node->self_ns, .samples = node->self_samples};
        for (; node->function != PL_NO_INDEX; node = &profile->nodes[node->parent]) {
            const char *name = profile->functions[node->function].name;
            size_t len = strlen(name), rest = strlen(line->path);
            if (len + rest + 2 > sizeof line->path)
                break;
            memmove(line->path + len + 1, line->path, rest + 1);
            memcpy(line->path + 1, name, len);
            line->path[0] = ';';
        }
    }
    return sort_lines(lines, count);
}

#endif
