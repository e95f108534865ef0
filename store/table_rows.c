/* Table functions over aggregated profiles: flame graph, functions, callers, callees,
 * diff, timeline. Columns are numbered as `columns` lists them. */
#include "store/table_rows.h"

#include "store/query_sandwich.h"

#include <stdlib.h>
#include <string.h>

static void show_text(sqlite3_context *out, const char *text)
{
    sqlite3_result_text(out, text, -1, SQLITE_TRANSIENT);
}

static void show_tristate(sqlite3_context *out, int8_t value)
{
    if (value >= 0)
        sqlite3_result_int(out, value);
}

static void show_line(sqlite3_context *out, uint32_t line)
{
    if (line)
        sqlite3_result_int64(out, line);
}

/* ---- pl_functions ---- */

#define FUNCTION_COLUMNS "function TEXT, module TEXT, file TEXT, line INT, in_app INT"

/* The first five columns. */
static void show_function(const struct pl_function *f, int column, sqlite3_context *out)
{
    switch (column) {
    case 0:
        show_text(out, f->name);
        break;
    case 1:
        show_text(out, f->module);
        break;
    case 2:
        show_text(out, f->file);
        break;
    case 3:
        show_line(out, f->line);
        break;
    default:
        show_tristate(out, f->in_app);
    }
}

static enum pl_status ask_profile(struct pl_table_answer *answer, struct pl_error *err)
{
    return pl_query_transformed(answer->store, &answer->selection, answer->args.metric,
                                &answer->transforms, &answer->profile, err);
}

static enum pl_status ask_functions(struct pl_table_answer *answer,
                                    struct pl_error *err)
{
    enum pl_status status = ask_profile(answer, err);
    answer->count = answer->profile.function_count;
    return status;
}

static void show_functions(const struct pl_table_answer *answer, size_t row, int column,
                           sqlite3_context *out)
{
    const struct pl_function *f = &answer->profile.functions[row];
    const int64_t weights[] = {f->self_ns, f->total_ns, f->self_samples,
                               f->total_samples};
    if (column < 5)
        show_function(f, column, out);
    else
        sqlite3_result_int64(out, weights[column - 5]);
}

/* ---- pl_flame, pl_callers, pl_callees ---- */

#define NODE_COLUMNS                                                                   \
    "id INT, parent INT, depth INT, " FUNCTION_COLUMNS                                 \
    ", inlined INT, self_ns INT, total_ns INT, self_samples INT, total_samples INT, "  \
    "path TEXT"

static enum pl_status ask_flame(struct pl_table_answer *answer, struct pl_error *err)
{
    enum pl_status status = ask_profile(answer, err);
    answer->count = answer->profile.node_count;
    return status;
}

static enum pl_status ask_sandwich(struct pl_table_answer *answer, bool callers,
                                   struct pl_error *err)
{
    struct pl_sandwich sandwich = {0};
    if (!answer->own[0])
        return pl_error_set(err, PL_USAGE, "name a function: its first argument");
    enum pl_status status =
        pl_query_sandwich(answer->store, &answer->selection, answer->args.metric,
                          &answer->transforms, answer->own[0], &sandwich, err);
    if (status != PL_OK)
        return status;
    struct pl_profile *wanted = callers ? &sandwich.callers : &sandwich.callees;
    answer->profile = *wanted;
    *wanted = (struct pl_profile){0};
    answer->count = answer->profile.node_count;
    pl_sandwich_deinit(&sandwich);
    return PL_OK;
}

static enum pl_status ask_callers(struct pl_table_answer *answer, struct pl_error *err)
{
    return ask_sandwich(answer, true, err);
}

static enum pl_status ask_callees(struct pl_table_answer *answer, struct pl_error *err)
{
    return ask_sandwich(answer, false, err);
}

/* As in the view stack_folded: names from the root, ';' in names turned to ':'. */
static void show_path(const struct pl_profile *profile, size_t row,
                      sqlite3_context *out)
{
    size_t len = 0;
    for (size_t i = row; i; i = profile->nodes[i].parent)
        len += strlen(profile->functions[profile->nodes[i].function].name) + 1;
    char *path = malloc(len + 1), *at = path + len;
    if (!path) {
        sqlite3_result_error_nomem(out);
        return;
    }
    *at = '\0';
    for (size_t i = row; i; i = profile->nodes[i].parent) {
        const char *name = profile->functions[profile->nodes[i].function].name;
        for (size_t n = strlen(name); n-- > 0;)
            *--at = name[n] == ';' ? ':' : name[n] == '\n' ? ' ' : name[n];
        *--at = ';';
    }
    sqlite3_result_text(out, len ? path + 1 : path, -1, SQLITE_TRANSIENT);
    free(path);
}

static void show_node(const struct pl_table_answer *answer, size_t row, int column,
                      sqlite3_context *out)
{
    const struct pl_profile *profile = &answer->profile;
    const struct pl_node *node = &profile->nodes[row];
    const int64_t weights[] = {node->inlined, node->self_ns, node->total_ns,
                               node->self_samples, node->total_samples};
    if (column == 0)
        sqlite3_result_int64(out, (int64_t)row);
    else if (column == 1 && row)
        sqlite3_result_int64(out, node->parent);
    else if (column == 2)
        sqlite3_result_int64(out, node->depth);
    else if (column > 2 && column < 8 && row)
        show_function(&profile->functions[node->function], column - 3, out);
    else if (column > 7 && column < 13)
        sqlite3_result_int64(out, weights[column - 8]);
    else if (column == 13)
        show_path(profile, row, out);
}

/* ---- pl_diff ---- */

#define DIFF_COLUMNS                                                                   \
    FUNCTION_COLUMNS                                                                   \
    ", state TEXT, a_self_ns INT, b_self_ns INT, a_total_ns INT, "                     \
    "b_total_ns INT, a_self_share REAL, b_self_share REAL, "                           \
    "self_change REAL, self_p REAL, self_q REAL, a_total_share REAL, "                 \
    "b_total_share REAL, total_change REAL, total_p REAL, "                            \
    "total_q REAL"

/* What the common arguments say goes for both sides; each adds its own words. */
static enum pl_status read_side(const struct pl_table_answer *answer, const char *text,
                                struct pl_selection_args *args,
                                struct pl_selection *selection, struct pl_error *err)
{
    enum pl_status status = pl_selection_args_copy(args, &answer->args, err);
    if (status == PL_OK)
        status = pl_selection_parse(args, text, err);
    return status == PL_OK ? pl_selection_get(args, selection, err) : status;
}

static enum pl_status ask_diff(struct pl_table_answer *answer, struct pl_error *err)
{
    struct pl_selection_args args[2] = {{0}};
    struct pl_selection sides[2];
    struct pl_profile pair = {0};
    enum pl_status status = PL_OK;
    if (!answer->own[0] || !answer->own[1] ||
        pl_transform_list_splits(&answer->transforms))
        return pl_error_set(err, PL_USAGE,
                            "takes two selections, and no transform threads or labels");
    for (int i = 0; i < 2 && status == PL_OK; i++)
        status = read_side(answer, answer->own[i], &args[i], &sides[i], err);
    if (status == PL_OK)
        status = pl_query_pair(answer->store, &sides[0], answer->store, &sides[1],
                               answer->args.metric, &pair, err);
    if (status == PL_OK)
        status = pl_profile_transform_all(&pair, &answer->transforms, err);
    if (status == PL_OK)
        status = pl_diff_take(&pair, &answer->diff, err);
    answer->count = answer->diff.profile.function_count;
    pl_profile_deinit(&pair);
    pl_selection_args_deinit(&args[0]);
    pl_selection_args_deinit(&args[1]);
    return status;
}

static void show_diff(const struct pl_table_answer *answer, size_t row, int column,
                      sqlite3_context *out)
{
    const struct pl_diff *diff = &answer->diff;
    const struct pl_split *split = &diff->profile.function_split[2 * row];
    const struct pl_change *self = &diff->self[row], *total = &diff->total[row];
    const int64_t weights[] = {split[0].self.ns, split[1].self.ns, split[0].total.ns,
                               split[1].total.ns};
    const double shares[] = {self->share_a,
                             self->share_b,
                             self->share_b - self->share_a,
                             self->p,
                             self->q,
                             total->share_a,
                             total->share_b,
                             total->share_b - total->share_a,
                             total->p,
                             total->q};
    if (column < 5)
        show_function(&diff->profile.functions[row], column, out);
    else if (column == 5)
        show_text(out, !split[0].total.samples   ? "new"
                       : !split[1].total.samples ? "gone"
                                                 : "both");
    else if (column < 10)
        sqlite3_result_int64(out, weights[column - 6]);
    else
        sqlite3_result_double(out, shares[column - 10]);
}

/* ---- pl_timeline ---- */

#define TIMELINE_COLUMNS                                                               \
    "thread_id INT, name TEXT, bin INT, start_ns INT, end_ns INT, wall_ns INT, "       \
    "cpu_ns INT"
#define TIMELINE_BINS 60

static enum pl_status ask_timeline(struct pl_table_answer *answer, struct pl_error *err)
{
    const char *bins = answer->own[0];
    size_t count = bins ? strtoul(bins, NULL, 10) : TIMELINE_BINS;
    enum pl_status status = pl_query_timeline(answer->store, &answer->selection, count,
                                              &answer->timeline, err);
    answer->count = answer->timeline.series_count * answer->timeline.bins;
    return status;
}

static void show_timeline(const struct pl_table_answer *answer, size_t row, int column,
                          sqlite3_context *out)
{
    const struct pl_timeline *line = &answer->timeline;
    const struct pl_timeline_series *series = &line->series[row / line->bins];
    size_t bin = row % line->bins;
    int64_t start = line->from_ns + (int64_t)bin * line->bin_ns;
    const int64_t numbers[] = {series->thread_id,    0,
                               (int64_t)bin,         start,
                               start + line->bin_ns, series->wall_ns[bin],
                               series->cpu_ns[bin]};
    if (column == 1)
        show_text(out, series->name);
    else
        sqlite3_result_int64(out, numbers[column]);
}

/* ---- all of them ---- */

const struct pl_table_function pl_table_functions[] = {
    {.name = "pl_samples",
     .columns = "ts_ns INT, chunk_start_ns INT, session_id INT, thread_id INT, "
                "stack_id INT, weight_ns INT, on_cpu INT",
     .column_count = 7,
     .ask = pl_table_samples_ask,
     .more = pl_table_samples_more,
     .show = pl_table_samples_show,
     .end = pl_table_samples_end},
    {.name = "pl_weights",
     .columns = "stack_id INT, weight_ns INT, samples INT",
     .column_count = 3,
     .ask = pl_table_weights_ask,
     .show = pl_table_weights_show,
     .end = pl_table_weights_end},
    {.name = "pl_flame",
     .columns = NODE_COLUMNS,
     .column_count = 14,
     .ask = ask_flame,
     .show = show_node},
    {.name = "pl_functions",
     .columns = FUNCTION_COLUMNS
     ", self_ns INT, total_ns INT, self_samples INT, total_samples INT",
     .column_count = 9,
     .ask = ask_functions,
     .show = show_functions},
    {.name = "pl_callers",
     .columns = NODE_COLUMNS,
     .column_count = 14,
     .own = {"of"},
     .ask = ask_callers,
     .show = show_node},
    {.name = "pl_callees",
     .columns = NODE_COLUMNS,
     .column_count = 14,
     .own = {"of"},
     .ask = ask_callees,
     .show = show_node},
    {.name = "pl_diff",
     .columns = DIFF_COLUMNS,
     .column_count = 20,
     .own = {"a", "b"},
     .ask = ask_diff,
     .show = show_diff},
    {.name = "pl_timeline",
     .columns = TIMELINE_COLUMNS,
     .column_count = 7,
     .own = {"bins"},
     .ask = ask_timeline,
     .show = show_timeline},
    {.name = NULL},
};
