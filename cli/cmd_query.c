/* query: read-only SQL over the store; without SQL, a small shell.
 *
 * Rows are printed as they come; the table keeps the first thousand to find its
 * widths. */
#include "cli/options.h"
#include "cli/rows.h"
#include "cli/term.h"
#include "store/query.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define SQL_LIMIT (1u << 20) /* bytes of SQL read from a pipe */

enum { OPT_CSV, OPT_TSV, OPT_NL };

static const struct pl_option options[] = {
    [OPT_CSV] = {"csv", 0, NULL, "comma-separated, quoted where needed, with a header"},
    [OPT_TSV] = {"tsv", 0, NULL,
                 "tab-separated; tab, newline and \\ as \\t, \\n, \\\\"},
    [OPT_NL] = {"nl", 0, NULL, "one JSON object a line"},
    {NULL, 0, NULL, NULL},
};

/* ---- one statement ---- */

static bool on_columns(void *self, size_t count, const char *const *names)
{
    return pl_rows_columns(self, count, names);
}

static bool on_row(void *self, size_t count, const struct pl_cell *cells)
{
    return pl_rows_row(self, count, cells);
}

static int run_sql(struct pl_store *store, enum pl_rows_form form, const char *sql)
{
    struct pl_error err = {0};
    struct pl_rows *rows = pl_rows_new(form, stdout);
    if (!rows) {
        (void)pl_error_set(&err, PL_NOMEM, "out of memory for the rows");
        return pl_cli_fail(&err);
    }
    struct pl_sql_consumer consumer = {
        .self = rows, .columns = on_columns, .row = on_row};
    enum pl_status status = pl_query_sql(store, sql, 0, &consumer, &err);
    if (pl_rows_free(rows, !status, &err) && !status)
        status = err.status;
    if (status) {
        fflush(stdout);
        pl_cli_say("query: %s", err.message);
    }
    return pl_status_exit_code(status);
}

/* ---- a pipe, a terminal ---- */

static int run_stdin(struct pl_store *store, enum pl_rows_form form)
{
    struct pl_buf sql;
    char piece[4096];
    size_t got;
    int exit_code;
    pl_buf_init(&sql, SQL_LIMIT);
    while ((got = fread(piece, 1, sizeof piece, stdin)) > 0)
        pl_buf_append(&sql, piece, got);
    if (ferror(stdin)) {
        pl_cli_say("query: cannot read the SQL: %s", strerror(errno));
        exit_code = PL_EXIT_IO;
    } else if (sql.failed) {
        pl_cli_say("query: more than %u bytes of SQL", SQL_LIMIT);
        exit_code = pl_status_exit_code(PL_INPUT);
    } else if (!sql.len) {
        exit_code = pl_cli_usage(&pl_cmd_query, "no SQL");
    } else {
        exit_code = run_sql(store, form, sql.data);
    }
    pl_buf_deinit(&sql);
    return exit_code;
}

static bool only_space(const char *text)
{
    return text[strspn(text, " \t\r\n;")] == '\0';
}

/* Does the text so far end its statement? A ; in a string or comment that ends the
 * line does, too: the error then says so, and nothing worse happens. */
static bool is_complete(const char *text)
{
    size_t len = strlen(text);
    while (len && strchr(" \t\r\n", text[len - 1]))
        len--;
    return len && text[len - 1] == ';';
}

static bool no_columns(void *self, size_t count, const char *const *names)
{
    (void)self;
    (void)count;
    (void)names;
    return true;
}

/* A line of the schema: a thing's name, its SQL. */
static bool print_schema_row(void *self, size_t count, const struct pl_cell *cells)
{
    const char *wanted = self;
    if (count != 2 || (*wanted && strcasecmp(wanted, cells[0].text) != 0))
        return true;
    struct pl_buf buf;
    pl_buf_init(&buf, SQL_LIMIT);
    for (const char *line = cells[1].text; *line;) {
        size_t len = strcspn(line, "\n");
        pl_term_clean(&buf, line, len);
        pl_buf_putc(&buf, line[len] ? '\n' : ';');
        line += len + (line[len] != '\0');
    }
    pl_buf_putc(&buf, '\n');
    bool ok = pl_cli_print(&buf, stdout, NULL) == PL_OK;
    pl_buf_deinit(&buf);
    return ok;
}

static void print_schema(struct pl_store *store, char *wanted)
{
    struct pl_error err = {0};
    const struct pl_sql_consumer consumer = {
        .self = wanted, .columns = no_columns, .row = print_schema_row};
    if (pl_query_sql(store,
                     "SELECT tbl_name, sql FROM sqlite_schema WHERE sql IS NOT NULL "
                     "ORDER BY tbl_name, type DESC",
                     0, &consumer, &err))
        (void)pl_cli_fail(&err);
}

/* False: leave the shell. */
static bool dot_command(struct pl_store *store, enum pl_rows_form form, char *line)
{
    line[strcspn(line, "\r\n")] = '\0';
    if (strcmp(line, ".quit") == 0 || strcmp(line, ".exit") == 0 ||
        strcmp(line, ".q") == 0)
        return false;
    if (strcmp(line, ".tables") == 0)
        (void)run_sql(store, form,
                      "SELECT name, type FROM sqlite_schema WHERE type IN ('table',"
                      "'view') AND name NOT LIKE 'sqlite_%' ORDER BY type DESC, name");
    else if (strncmp(line, ".schema", 7) == 0 && (line[7] == '\0' || line[7] == ' '))
        print_schema(store, line + 7 + strspn(line + 7, " "));
    else
        fputs("SQL ends with ;   .tables  .schema [NAME]  .quit\n", stderr);
    fflush(stdout);
    return true;
}

static int run_shell(struct pl_store *store, enum pl_rows_form form)
{
    struct pl_buf sql;
    char *line = NULL;
    size_t room = 0;
    pl_buf_init(&sql, SQL_LIMIT);
    fprintf(stderr, "%s, read-only; SQL ends with ;   .tables  .schema [NAME]  .quit\n",
            pl_store_path(store));
    for (;;) {
        fputs(sql.len ? "     ...> " : "proflite> ", stderr);
        fflush(stderr);
        if (getline(&line, &room, stdin) < 0)
            break;
        if (!sql.len && line[0] == '.') {
            if (!dot_command(store, form, line))
                break;
            continue;
        }
        pl_buf_puts(&sql, line);
        if (sql.failed || only_space(sql.data)) {
            pl_buf_clear(&sql);
        } else if (is_complete(sql.data)) {
            (void)run_sql(store, form, sql.data);
            fflush(stdout);
            pl_buf_clear(&sql);
        }
    }
    if (feof(stdin))
        fputc('\n', stderr);
    free(line);
    pl_buf_deinit(&sql);
    return PL_EXIT_OK;
}

/* ---- the command ---- */

/* False with *exit_code when there is nothing to do. */
static bool read_arguments(struct pl_options *parser, enum pl_rows_form *form,
                           const char **sql, int *exit_code)
{
    static const enum pl_rows_form forms[] = {
        [OPT_CSV] = PL_ROWS_CSV, [OPT_TSV] = PL_ROWS_TSV, [OPT_NL] = PL_ROWS_NL};
    int option, given = 0;
    while ((option = pl_options_next(parser)) >= 0) {
        given++;
        *form = forms[option];
    }
    *exit_code = parser->exit_code;
    if (option == PL_OPTIONS_DONE)
        return false;
    if (parser->cli->json && *form != PL_ROWS_NL) {
        given++;
        *form = PL_ROWS_JSON;
    }
    int left = parser->argc - parser->first_operand;
    if (given > 1)
        *exit_code =
            pl_cli_usage(&pl_cmd_query, "--csv, --tsv, --json and --nl exclude "
                                        "each other");
    else if (left > 1)
        *exit_code =
            pl_cli_usage(&pl_cmd_query, "the SQL must be one argument: quote it");
    if (left == 1)
        *sql = parser->argv[parser->first_operand];
    return given <= 1 && left <= 1;
}

static int run(struct pl_cli *cli, int argc, char **argv)
{
    struct pl_options parser;
    struct pl_store *store = NULL;
    struct pl_error err = {0};
    enum pl_rows_form form = PL_ROWS_TABLE;
    const char *sql = NULL;
    int exit_code = PL_EXIT_OK;
    pl_options_init(&parser, cli, &pl_cmd_query, argc, argv);
    if (!read_arguments(&parser, &form, &sql, &exit_code))
        goto out;
    if (pl_cli_open(cli, PL_STORE_READ, &store, &err))
        exit_code = pl_cli_fail(&err);
    else if (sql)
        exit_code = run_sql(store, form, sql);
    else if (isatty(STDIN_FILENO))
        exit_code = run_shell(store, form);
    else
        exit_code = run_stdin(store, form);
out:
    pl_store_close(store);
    pl_options_deinit(&parser);
    return exit_code;
}

const struct pl_command pl_cmd_query = {
    .name = "query",
    .synopsis = "[OPTIONS] [SQL]",
    .summary = "Ask the store in SQL (read-only)",
    .details =
        "Without SQL it is read from standard input; on a terminal that is a small\n"
        "shell. Views to ask: session, thread, sample, stack_frame, stack_folded,\n"
        "frame, module, function_weight, chunk, label, loss, outcome. Functions to\n"
        "ask: pl_functions, pl_flame, pl_callers, pl_callees, pl_diff, pl_timeline,\n"
        "pl_samples, pl_weights; docs/SQL.md has an example of each. Blobs are\n"
        "printed in hex, NULL as nothing (null in JSON).",
    .examples = "proflite query \"SELECT * FROM pl_functions('@-1h..') LIMIT 9\"\n"
                "proflite query \"SELECT app, count(*) FROM session GROUP BY app\"\n"
                "proflite query --csv \"SELECT * FROM function_weight\" > weights.csv\n"
                "proflite query < report.sql\n",
    .options = options,
    .json = true,
    .run = run,
};
