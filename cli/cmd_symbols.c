/* symbols: files that bring names, and where else to look for some. */
#include "cli/options.h"
#include "cli/symbols.h"
#include "cli/table.h"
#include "cli/term.h"
#include "store/symbol_files.h"
#include "web/json.h"

#include <inttypes.h>
#include <string.h>

enum { OPT_PROJECT, OPT_UUID, OPT_USUAL };

static const struct pl_option options[] = {
    [OPT_PROJECT] = {"project", 0, "N", "of that project only (0: of all)"},
    [OPT_UUID] = {"uuid", 0, "UUID", "add: debug id of the one file, if it says none"},
    [OPT_USUAL] = {"usual", 0, NULL, "sources: the usual ones again"},
    {NULL, 0, NULL, NULL},
};

/* ---- ls ---- */

static void write_json(struct pl_buf *buf, const struct pl_symbol_file_list *list)
{
    pl_buf_puts(buf, "{\"schema\":1,\"files\":[");
    for (size_t i = 0; i < list->count; i++) {
        const struct pl_symbol_file *file = &list->rows[i];
        pl_buf_printf(buf, "%s{\"id\":%" PRId64, i ? "," : "", file->id);
        pl_json_int_field(buf, "project", file->project_id);
        pl_json_string_field(buf, "kind", file->kind);
        pl_json_string_field(buf, "debug_id", file->debug_id);
        pl_json_string_field(buf, "build_id", file->build_id);
        pl_json_string_field(buf, "name", file->name);
        pl_json_string_field(buf, "origin", file->origin);
        pl_json_int_field(buf, "bytes", file->bytes);
        pl_json_int_field(buf, "stored_bytes", file->stored_bytes);
        pl_json_int_field(buf, "added_ns", file->added_ns);
        pl_buf_printf(buf, ",\"has_debug\":%s}", file->has_debug ? "true" : "false");
    }
    pl_buf_puts(buf, "]}");
}

static enum pl_status print_table(const struct pl_symbol_file_list *list,
                                  struct pl_error *err)
{
    static const struct pl_table_column columns[] = {
        {"id", PL_RIGHT, false},     {"kind", PL_LEFT, false},
        {"debug id", PL_LEFT, true}, {"name", PL_LEFT, true},
        {"kB", PL_RIGHT, false},     {"stored kB", PL_RIGHT, false},
        {"project", PL_LEFT, false}, {"added", PL_LEFT, false},
    };
    struct pl_table *table =
        pl_table_new(stdout, columns, sizeof columns / sizeof columns[0]);
    if (!table)
        return pl_error_set(err, PL_NOMEM, "out of memory for the table");
    for (size_t i = 0; i < list->count; i++) {
        const struct pl_symbol_file *file = &list->rows[i];
        char text[PL_TERM_SHORT];
        pl_table_cellf(table, "%" PRId64, file->id);
        pl_table_cell(table, file->kind);
        pl_table_cell(table, file->debug_id);
        pl_table_cell(table, file->name);
        pl_term_count(text, (file->bytes + 999) / 1000);
        pl_table_cell(table, text);
        pl_term_count(text, (file->stored_bytes + 999) / 1000);
        pl_table_cell(table, text);
        if (file->project_id)
            pl_table_cellf(table, "%" PRId64, file->project_id);
        else
            pl_table_cell(table, "all");
        pl_term_time(text, file->added_ns);
        pl_table_cell(table, text);
    }
    pl_table_free(table);
    return PL_OK;
}

static void keep_project(struct pl_symbol_file_list *list, int64_t project)
{
    size_t kept = 0;
    for (size_t i = 0; i < list->count; i++)
        if (list->rows[i].project_id == project)
            list->rows[kept++] = list->rows[i];
    list->count = kept;
}

int pl_symbols_ls(const struct pl_symbols_request *request)
{
    struct pl_cli *cli = request->cli;
    struct pl_symbol_file_list list = {0};
    struct pl_store *store = NULL;
    struct pl_error err = {0};
    enum pl_status status = pl_cli_open(cli, PL_STORE_READ, &store, &err);
    if (!status)
        status = pl_symbol_files_list(store, &list, &err);
    if (!status && request->project)
        keep_project(&list, request->project);
    if (!status && cli->json) {
        struct pl_buf buf;
        pl_buf_init(&buf, PL_CLI_DOCUMENT_BYTES);
        write_json(&buf, &list);
        status = pl_cli_print_document(&buf, &err);
    } else if (!status && list.count) {
        status = print_table(&list, &err);
    }
    int exit_code = status ? pl_cli_fail(&err) : PL_EXIT_OK;
    if (!status && !list.count) {
        pl_cli_say("no symbol files; proflite%s symbols add PATH", pl_cli_db_flag(cli));
        exit_code = PL_EXIT_NOT_FOUND;
    }
    pl_symbol_file_list_deinit(&list);
    pl_store_close(store);
    return exit_code;
}

/* ---- rm ---- */

/* Its number in ls, or either id. */
static bool is_meant(const struct pl_symbol_file *file, const char *word)
{
    char debug_id[PL_DEBUG_ID_TEXT], build_id[PL_BUILD_ID_TEXT];
    long id;
    if (pl_options_number(word, 1, INT32_MAX, &id))
        return file->id == id;
    return (pl_debug_id_parse(word, debug_id) &&
            strcmp(debug_id, file->debug_id) == 0) ||
           (pl_build_id_parse(word, build_id) && strcmp(build_id, file->build_id) == 0);
}

static enum pl_status remove_meant(struct pl_store *store,
                                   const struct pl_symbol_file_list *list,
                                   const char *word, bool json, struct pl_error *err)
{
    bool found = false;
    enum pl_status status = PL_OK;
    for (size_t i = 0; i < list->count && status == PL_OK; i++) {
        const struct pl_symbol_file *file = &list->rows[i];
        if (!is_meant(file, word))
            continue;
        found = true;
        status = pl_symbol_file_remove(store, file->id, err);
        if (status == PL_OK && !json)
            printf("removed %s %s (%s)\n", file->kind, file->name, file->debug_id);
    }
    return status == PL_OK && !found
               ? pl_error_set(err, PL_NOT_FOUND,
                              "no symbol file %s; proflite symbols ls", word)
               : status;
}

int pl_symbols_rm(const struct pl_symbols_request *request)
{
    struct pl_cli *cli = request->cli;
    struct pl_symbol_file_list list = {0};
    struct pl_store *store = NULL;
    struct pl_error err = {0};
    enum pl_status status = pl_cli_open(cli, PL_STORE_WRITE, &store, &err);
    if (!status)
        status = pl_symbol_files_list(store, &list, &err);
    for (int i = 0; i < request->operand_count && !status; i++)
        status = remove_meant(store, &list, request->operands[i], cli->json, &err);
    pl_symbol_file_list_deinit(&list);
    pl_store_close(store);
    if (status)
        return pl_cli_fail(&err);
    return cli->json ? pl_symbols_ls(request) : PL_EXIT_OK;
}

/* ---- the command ---- */

struct verb {
    const char *name;
    int (*run)(const struct pl_symbols_request *request);
    const char *wants; /* operands it cannot do without */
    bool takes;
};

static const struct verb verbs[] = {
    {"add", pl_symbols_add, "files or folders", true},
    {"ls", pl_symbols_ls, NULL, false},
    {"rm", pl_symbols_rm, "numbers or ids of symbol files", true},
    {"sources", pl_symbols_sources, NULL, true},
};

static int run_verb(struct pl_symbols_request *request, const char *name)
{
    const char *names[sizeof verbs / sizeof verbs[0] + 1] = {NULL};
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        const struct verb *verb = &verbs[i];
        names[i] = verb->name;
        if (strcmp(verb->name, name) != 0)
            continue;
        if (verb->wants && !request->operand_count)
            return pl_cli_usage(&pl_cmd_symbols, "%s wants %s", name, verb->wants);
        if (!verb->takes && request->operand_count)
            return pl_cli_usage(&pl_cmd_symbols, "%s takes no argument, but got '%s'",
                                name, request->operands[0]);
        return verb->run(request);
    }
    const char *nearest = pl_options_nearest(name, names);
    return nearest ? pl_cli_usage(&pl_cmd_symbols, "no verb %s; did you mean %s?", name,
                                  nearest)
                   : pl_cli_usage(&pl_cmd_symbols, "no verb %s", name);
}

/* False with *exit_code when there is nothing to do. */
static bool read_options(struct pl_options *parser, struct pl_symbols_request *request,
                         int *exit_code)
{
    int option;
    while ((option = pl_options_next(parser)) >= 0) {
        long project = 0;
        if (option == OPT_UUID) {
            request->uuid = parser->value;
        } else if (option == OPT_USUAL) {
            request->usual = true;
        } else if (pl_options_number(parser->value, 0, INT32_MAX, &project)) {
            request->project = project;
        } else {
            *exit_code =
                pl_cli_usage(&pl_cmd_symbols, "no project number: %s", parser->value);
            return false;
        }
    }
    *exit_code = parser->exit_code;
    return option == PL_OPTIONS_END;
}

static int run(struct pl_cli *cli, int argc, char **argv)
{
    struct pl_options parser;
    struct pl_symbols_request request = {.cli = cli};
    int exit_code;
    pl_options_init(&parser, cli, &pl_cmd_symbols, argc, argv);
    if (read_options(&parser, &request, &exit_code)) {
        int first = parser.first_operand;
        request.operands = parser.argv + first + 1;
        request.operand_count = parser.argc - first - 1;
        exit_code = first < parser.argc
                        ? run_verb(&request, parser.argv[first])
                        : pl_cli_usage(&pl_cmd_symbols, "wants add, ls, rm or sources");
    }
    pl_options_deinit(&parser);
    return exit_code;
}

const struct pl_command pl_cmd_symbols = {
    .name = "symbols",
    .synopsis = "add PATH... | ls | rm ID... | sources [SOURCE...] [OPTIONS]",
    .summary = "Debug files, source maps and mappings; where names are looked for",
    .details =
        "add keeps files in the store: ELF with a build-id, source maps, minified "
        "code\n"
        "with a debug id, ProGuard and R8 mappings; of a folder all that are such.\n"
        "Then proflite process --redo gives stored profiles their names.\n"
        "sources lists or sets the order in which names are looked for: uploaded, a\n"
        "folder (/path), a build-id folder (build-id:/path), a debuginfod server\n"
        "(https://host/), which is asked only if it is listed.\n"
        "Exit codes: 1 nothing found, 3 not a symbol file, 5 some were not.",
    .examples = "proflite symbols add build/app.debug\n"
                "proflite symbols add dist/ --project 3\n"
                "proflite symbols sources uploaded https://debuginfod.debian.net\n",
    .options = options,
    .json = true,
    .run = run,
};
