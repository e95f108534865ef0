/* symbols sources: the order in which a project's names are looked for. Each source is
 * one word, the same in the listing and on the command line. */
#include "cli/symbols.h"
#include "process/symbol_places.h"
#include "store/symbol_sources.h"
#include "web/json.h"

#include <stdlib.h>
#include <string.h>

#define MOST 64

static const char build_id_prefix[] = "build-id:";

static bool has_prefix(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static bool read_source(const char *word, struct pl_symbol_source *source)
{
    *source = (struct pl_symbol_source){"uploaded", ""};
    if (strcmp(word, "uploaded") == 0)
        return true;
    if (word[0] == '/')
        *source = (struct pl_symbol_source){"folder", word};
    else if (has_prefix(word, build_id_prefix))
        *source =
            (struct pl_symbol_source){"build-id", word + sizeof build_id_prefix - 1};
    else if (has_prefix(word, "https://") || has_prefix(word, "http://"))
        *source = (struct pl_symbol_source){"debuginfod", word};
    else
        return false;
    return source->place[0] == '/' || strcmp(source->kind, "debuginfod") == 0;
}

static const char *prefix_of(const struct pl_symbol_source *source)
{
    if (strcmp(source->kind, "build-id") == 0)
        return build_id_prefix;
    return strcmp(source->kind, "uploaded") == 0 ? "uploaded" : "";
}

static enum pl_status print(const struct pl_symbols_request *request,
                            const struct pl_symbol_source_list *list,
                            struct pl_error *err)
{
    struct pl_buf buf;
    pl_buf_init(&buf, PL_CLI_DOCUMENT_BYTES);
    bool json = request->cli->json;
    if (json) {
        pl_buf_puts(&buf, "{\"schema\":1");
        pl_json_int_field(&buf, "project", request->project);
        pl_buf_printf(&buf, ",\"own\":%s,\"sources\":[",
                      list->is_own ? "true" : "false");
    }
    for (size_t i = 0; i < list->count; i++) {
        const struct pl_symbol_source *source = &list->rows[i];
        if (!json) {
            pl_buf_printf(&buf, "%s%s\n", prefix_of(source), source->place);
            continue;
        }
        pl_buf_puts(&buf, i ? ",{\"kind\":" : "{\"kind\":");
        pl_json_string(&buf, source->kind);
        pl_json_string_field(&buf, "place", source->place);
        pl_buf_putc(&buf, '}');
    }
    if (json)
        pl_buf_puts(&buf, "]}");
    if (json)
        return pl_cli_print_document(&buf, err);
    enum pl_status status = pl_cli_print(&buf, stdout, err);
    pl_buf_deinit(&buf);
    return status;
}

int pl_symbols_sources(const struct pl_symbols_request *request)
{
    struct pl_symbol_source rows[MOST];
    struct pl_symbol_source_list list = {0};
    struct pl_store *store = NULL;
    struct pl_error err = {0};
    size_t count = 0;
    bool set = request->operand_count || request->usual;
    if (request->operand_count > MOST)
        return pl_cli_usage(&pl_cmd_symbols, "more than %d sources", MOST);
    for (int i = 0; i < request->operand_count; i++)
        if (!read_source(request->operands[i], &rows[count++]))
            return pl_cli_usage(&pl_cmd_symbols,
                                "no source: %s; uploaded, /folder, build-id:/folder or "
                                "https://server",
                                request->operands[i]);
    if (request->operand_count && request->usual)
        return pl_cli_usage(&pl_cmd_symbols, "--usual takes no sources");
    enum pl_status status =
        pl_cli_open(request->cli, set ? PL_STORE_CREATE : PL_STORE_READ, &store, &err);
    if (!status && set)
        status = pl_symbol_sources_set(store, request->project, rows, count, &err);
    if (!status)
        status =
            pl_symbol_sources_get(store, request->project, PL_DEBUG_ROOT, &list, &err);
    if (!status)
        status = print(request, &list, &err);
    pl_symbol_source_list_deinit(&list);
    pl_store_close(store);
    return status ? pl_cli_fail(&err) : PL_EXIT_OK;
}
