/* functions: how long calls of the application's functions last, over time. */
#include "base/clock.h"
#include "cli/select.h"
#include "cli/table.h"
#include "cli/term.h"
#include "web/document_views.h"

#include <inttypes.h>
#include <string.h>

#define TTY_LIMIT 30

enum { OPT_LIMIT, OPT_OVER };

static const struct pl_option options[] = {
    [OPT_LIMIT] = {"limit", 'n', "N", "how many; 0: all (30 on a terminal, else all)"},
    [OPT_OVER] = {"over", 0, "minute|hour|day|week",
                  "also for each of these by itself"},
    {NULL, 0, NULL, NULL},
};

struct functions {
    long limit; /* -1: not given */
    int64_t bucket_ns;
};

static int set_option(void *self, int option, const char *value)
{
    static const struct {
        const char *name;
        int64_t ns;
    } widths[] = {{"minute", 60 * PL_NS_PER_S},
                  {"hour", 3600 * PL_NS_PER_S},
                  {"day", 86400 * PL_NS_PER_S},
                  {"week", 7 * 86400 * PL_NS_PER_S}};
    struct functions *functions = self;
    if (option == OPT_LIMIT) {
        if (pl_options_number(value, 0, 1000000000, &functions->limit))
            return PL_EXIT_OK;
        return pl_cli_usage(&pl_cmd_functions, "--limit is a number, not '%s'", value);
    }
    for (size_t i = 0; i < sizeof widths / sizeof widths[0]; i++)
        if (strcmp(value, widths[i].name) == 0)
            functions->bucket_ns = widths[i].ns;
    if (functions->bucket_ns)
        return PL_EXIT_OK;
    return pl_cli_usage(&pl_cmd_functions,
                        "--over is minute, hour, day or week, not '%s'", value);
}

/* ---- output ---- */

static enum pl_status print_json(const struct pl_function_metrics *metrics,
                                 size_t count, struct pl_error *err)
{
    struct pl_buf buf;
    pl_buf_init(&buf, PL_CLI_DOCUMENT_BYTES);
    pl_json_functions(&buf, metrics, count);
    return pl_cli_print_document(&buf, err);
}

static void print_times(struct pl_table *table, const struct pl_call_times *times)
{
    const int64_t durations[] = {times->sum_ns, times->p75_ns, times->p95_ns,
                                 times->p99_ns};
    char text[PL_TERM_SHORT];
    pl_term_count(text, times->calls);
    pl_table_cell(table, text);
    for (size_t i = 0; i < sizeof durations / sizeof durations[0]; i++) {
        pl_term_duration(text, durations[i]);
        pl_table_cell(table, text);
    }
}

static void print_row(struct pl_table *table, const struct pl_function_metrics *metrics,
                      const struct pl_function_metric *row)
{
    const char *slash = strrchr(row->module, '/');
    char text[PL_TERM_SHORT];
    print_times(table, &row->all);
    pl_table_cell(table, pl_term_name(row->function));
    pl_table_cell(table, slash ? slash + 1 : row->module);
    pl_table_cellf(table, "%" PRIu32, row->fingerprint);
    for (size_t i = 0; metrics->bucket_ns && i < row->bucket_count; i++) {
        print_times(table, &row->buckets[i]);
        pl_term_time(text, row->buckets[i].start_ns);
        pl_table_cellf(table, "  from %s", text);
        pl_table_cell(table, "");
        pl_table_cell(table, "");
    }
}

static enum pl_status print_table(const struct pl_function_metrics *metrics,
                                  size_t count, struct pl_error *err)
{
    static const struct pl_table_column columns[] = {
        {"calls", PL_RIGHT, false}, {"self", PL_RIGHT, false},
        {"p75", PL_RIGHT, false},   {"p95", PL_RIGHT, false},
        {"p99", PL_RIGHT, false},   {"function", PL_LEFT, true},
        {"module", PL_LEFT, true},  {"fingerprint", PL_RIGHT, false},
    };
    struct pl_table *table =
        pl_table_new(stdout, columns, sizeof columns / sizeof columns[0]);
    if (!table)
        return pl_error_set(err, PL_NOMEM, "out of memory for the table");
    for (size_t i = 0; i < count; i++)
        print_row(table, metrics, &metrics->rows[i]);
    pl_table_free(table);
    if (count < metrics->count)
        printf("and %zu more; --limit 0 shows all\n", metrics->count - count);
    return PL_OK;
}

static int run(struct pl_cli *cli, int argc, char **argv)
{
    struct functions functions = {.limit = -1};
    struct pl_select select = {0};
    struct pl_function_metrics metrics = {0};
    struct pl_error err = {0};
    enum pl_status status = PL_OK;
    int exit_code = PL_EXIT_OK;
    if (!pl_select_open(&select, cli, &pl_cmd_functions, argc, argv, set_option,
                        &functions, &exit_code))
        goto out;
    status = pl_query_functions(select.store, &select.selection, functions.bucket_ns,
                                &metrics, &err);
    if (status)
        goto out;
    if (functions.limit < 0)
        functions.limit = !cli->json && pl_term_columns(stdout) ? TTY_LIMIT : 0;
    size_t count = metrics.count;
    if (functions.limit && (size_t)functions.limit < count)
        count = (size_t)functions.limit;
    if (cli->json)
        status = print_json(&metrics, count, &err);
    else if (count)
        status = print_table(&metrics, count, &err);
    if (!status && !metrics.count)
        exit_code = pl_select_nothing(&select, "calls of the application's functions");
out:
    if (status)
        exit_code = pl_cli_fail(&err);
    pl_function_metrics_deinit(&metrics);
    pl_select_close(&select);
    return exit_code;
}

const struct pl_command pl_cmd_functions = {
    .name = "functions",
    .synopsis = "[OPTIONS]",
    .summary = "How long calls of the application's functions last: p75, p95, p99",
    .details =
        "A call lasts from the first sample that has it to the first that has not, "
        "self\n"
        "is its time less that of application calls below it. Of a chunk the 100 "
        "functions\n"
        "with most of it count, if they were seen in two samples; p75 is what three\n"
        "calls in four stay below.",
    .examples = "proflite functions --app shop --over day\n"
                "proflite functions --from -1h --json\n",
    .options = options,
    .selects = true,
    .json = true,
    .run = run,
};
