/* ls: the sessions of a store, newest first. */
#include "cli/select.h"
#include "cli/table.h"
#include "cli/term.h"
#include "web/document.h"

#include <inttypes.h>

static enum pl_status print_json(const struct pl_session_list *list,
                                 struct pl_error *err)
{
    struct pl_buf buf;
    pl_buf_init(&buf, PL_CLI_DOCUMENT_BYTES);
    pl_json_sessions(&buf, list);
    return pl_cli_print_document(&buf, err);
}

static void print_row(struct pl_table *table, const struct pl_session_row *row)
{
    char text[PL_TERM_SHORT];
    pl_table_cellf(table, "%" PRId64, row->id);
    pl_table_cell(table, row->app ? row->app : "-");
    pl_table_cellf(table, "%" PRId64, row->pid);
    pl_term_time(text, row->start_ns);
    pl_table_cell(table, text);
    pl_term_duration(text, row->end_ns ? row->end_ns - row->start_ns : 0);
    pl_table_cell(table, text);
    pl_table_cellf(table, "%" PRId64, row->threads);
    pl_term_count(text, row->samples);
    pl_table_cell(table, text);
    pl_term_count(text, row->lost);
    pl_table_cell(table, text);
    pl_table_cellf(table, "%s%s", row->state ? row->state : "-",
                   row->slowed_ticks ? ", slowed" : "");
    pl_table_cell(table, row->mode ? row->mode : "-");
}

static enum pl_status print_table(const struct pl_session_list *list,
                                  struct pl_error *err)
{
    static const struct pl_table_column columns[] = {
        {"id", PL_RIGHT, false},       {"app", PL_LEFT, true},
        {"pid", PL_RIGHT, false},      {"start", PL_LEFT, false},
        {"duration", PL_RIGHT, false}, {"threads", PL_RIGHT, false},
        {"samples", PL_RIGHT, false},  {"lost", PL_RIGHT, false},
        {"state", PL_LEFT, false},     {"mode", PL_LEFT, false},
    };
    struct pl_table *table =
        pl_table_new(stdout, columns, sizeof columns / sizeof columns[0]);
    if (!table)
        return pl_error_set(err, PL_NOMEM, "out of memory for the table");
    for (size_t i = 0; i < list->count; i++)
        print_row(table, &list->rows[i]);
    pl_table_free(table);
    return PL_OK;
}

static int no_option(void *self, int option, const char *value)
{
    (void)self;
    (void)option;
    (void)value;
    return PL_EXIT_OK;
}

static int run(struct pl_cli *cli, int argc, char **argv)
{
    struct pl_select select = {0};
    struct pl_session_list list = {0};
    struct pl_error err = {0};
    int exit_code = PL_EXIT_OK;
    if (!pl_select_open(&select, cli, &pl_cmd_ls, argc, argv, no_option, NULL,
                        &exit_code))
        goto out;
    if (pl_query_sessions(select.store, &select.selection, &list, &err)) {
        exit_code = pl_cli_fail(&err);
        goto out;
    }
    enum pl_status status = PL_OK;
    if (cli->json)
        status = print_json(&list, &err);
    else if (list.count)
        status = print_table(&list, &err);
    if (status)
        exit_code = pl_cli_fail(&err);
    else if (!list.count)
        exit_code = pl_select_nothing(&select, "sessions");
out:
    pl_session_list_deinit(&list);
    pl_select_close(&select);
    return exit_code;
}

const struct pl_command pl_cmd_ls = {
    .name = "ls",
    .synopsis = "[OPTIONS]",
    .summary = "List the recorded sessions, newest first",
    .details =
        "A session is one process; `lost` counts samples that were asked for and\n"
        "could not be stored.",
    .examples = "proflite ls --from -1d\n"
                "proflite ls --app nginx --json\n",
    .selects = true,
    .json = true,
    .run = run,
};
