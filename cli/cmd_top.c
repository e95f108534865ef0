/* top: functions by the time spent in them. */
#include "cli/select.h"
#include "cli/table.h"
#include "cli/term.h"
#include "web/document.h"

#include <inttypes.h>
#include <string.h>

#define TTY_LIMIT 30

enum { OPT_LIMIT, OPT_SORT, OPT_METRIC, OPT_TRANSFORM };

static const struct pl_option options[] = {
    [OPT_LIMIT] = {"limit", 'n', "N", "how many; 0: all (30 on a terminal, else all)"},
    [OPT_SORT] = {"sort", 0, "self|total",
                  "by time in the function itself (default) or with its callees"},
    [OPT_METRIC] = {"metric", 0, "wall|cpu", "elapsed time (default) or CPU time"},
    [OPT_TRANSFORM] = {"transform", 't', "HOW",
                       "change the tree first (see below); may come again"},
    {NULL, 0, NULL, NULL},
};

struct top {
    long limit; /* -1: not given */
    bool by_total;
    enum pl_metric metric;
    struct pl_transform_list transforms;
};

static int set_option(void *self, int option, const char *value)
{
    struct top *top = self;
    switch (option) {
    case OPT_LIMIT:
        if (pl_options_number(value, 0, 1000000000, &top->limit))
            return PL_EXIT_OK;
        return pl_cli_usage(&pl_cmd_top, "--limit is a number, not '%s'", value);
    case OPT_SORT:
        top->by_total = strcmp(value, "total") == 0;
        if (top->by_total || strcmp(value, "self") == 0)
            return PL_EXIT_OK;
        return pl_cli_usage(&pl_cmd_top, "--sort is self or total, not '%s'", value);
    case OPT_TRANSFORM:
        return pl_select_transform(&pl_cmd_top, &top->transforms, value);
    default:
        if (pl_select_metric(value, &top->metric))
            return PL_EXIT_OK;
        return pl_cli_usage(&pl_cmd_top, "--metric is wall or cpu, not '%s'", value);
    }
}

/* ---- output ---- */

static enum pl_status print_json(const struct pl_profile *profile, size_t count,
                                 struct pl_error *err)
{
    struct pl_buf buf;
    pl_buf_init(&buf, PL_CLI_DOCUMENT_BYTES);
    pl_json_top(&buf, profile, count);
    return pl_cli_print_document(&buf, err);
}

static void print_row(struct pl_table *table, const struct pl_function *f,
                      int64_t whole)
{
    char text[PL_TERM_SHORT];
    const char *slash = strrchr(f->module, '/');
    pl_term_percent(text, f->self_ns, whole);
    pl_table_cell(table, text);
    pl_term_duration(text, f->self_ns);
    pl_table_cell(table, text);
    pl_term_percent(text, f->total_ns, whole);
    pl_table_cell(table, text);
    pl_term_duration(text, f->total_ns);
    pl_table_cell(table, text);
    pl_table_cell(table, pl_term_name(f->name));
    if (f->file[0] && f->line)
        pl_table_cellf(table, "%s:%" PRIu32, f->file, f->line);
    else
        pl_table_cell(table, f->file);
    pl_table_cell(table, slash ? slash + 1 : f->module);
}

static enum pl_status print_table(const struct pl_profile *profile, size_t count,
                                  struct pl_error *err)
{
    static const struct pl_table_column columns[] = {
        {"self", PL_RIGHT, false},   {"", PL_RIGHT, false},
        {"total", PL_RIGHT, false},  {"", PL_RIGHT, false},
        {"function", PL_LEFT, true}, {"file:line", PL_LEFT, true},
        {"module", PL_LEFT, true},
    };
    struct pl_table *table =
        pl_table_new(stdout, columns, sizeof columns / sizeof columns[0]);
    if (!table)
        return pl_error_set(err, PL_NOMEM, "out of memory for the table");
    pl_term_profile_header(stdout, profile);
    for (size_t i = 0; i < count; i++)
        print_row(table, &profile->functions[i], profile->total_ns);
    pl_table_free(table);
    if (count < profile->function_count)
        printf("and %zu more; --limit 0 shows all\n", profile->function_count - count);
    return PL_OK;
}

static int run(struct pl_cli *cli, int argc, char **argv)
{
    struct top top = {.limit = -1};
    struct pl_select select = {0};
    struct pl_profile profile = {0};
    struct pl_error err = {0};
    enum pl_status status = PL_OK;
    int exit_code = PL_EXIT_OK;
    if (!pl_select_open(&select, cli, &pl_cmd_top, argc, argv, set_option, &top,
                        &exit_code))
        goto out;
    status = pl_query_transformed(select.store, &select.selection, top.metric,
                                  &top.transforms, &profile, &err);
    if (status)
        goto out;
    if (top.limit < 0)
        top.limit = !cli->json && pl_term_columns(stdout) ? TTY_LIMIT : 0;
    size_t count = profile.function_count;
    if (top.limit && (size_t)top.limit < count)
        count = (size_t)top.limit;
    pl_top_sort(&profile, top.by_total);
    if (cli->json)
        status = print_json(&profile, count, &err);
    else if (profile.samples)
        status = print_table(&profile, count, &err);
    if (!status && !profile.samples)
        exit_code = pl_select_nothing(&select, "samples");
out:
    if (status)
        exit_code = pl_cli_fail(&err);
    pl_profile_deinit(&profile);
    pl_transform_list_deinit(&top.transforms);
    pl_select_close(&select);
    return exit_code;
}

const struct pl_command pl_cmd_top = {
    .name = "top",
    .synopsis = "[OPTIONS]",
    .summary = "Functions by the time spent in them",
    .details =
        "Self is time in the function itself, total adds what it called; recursion\n"
        "counts once.\n\n" PL_SELECT_TRANSFORMS,
    .examples = "proflite top --session 3 --metric cpu\n"
                "proflite top --sort total --limit 10 --from -1h\n"
                "proflite top --json\n",
    .options = options,
    .selects = true,
    .json = true,
    .run = run,
};
