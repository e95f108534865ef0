/* dsn: where an SDK sends to, with a key made if the project has none. */
#include "base/dsn.h"
#include "cli/options.h"
#include "store/keys.h"
#include "web/json.h"

#include <stdlib.h>
#include <string.h>

#define ADDRESS "127.0.0.1:7717" /* as serve listens by itself */

enum { OPT_PROJECT, OPT_SECRET, OPT_NAME, OPT_ADDRESS };

static const struct pl_option options[] = {
    [OPT_PROJECT] = {"project", 0, "N", "number of the project (1)"},
    [OPT_SECRET] = {"secret", 0, NULL, "with the secret key, for old SDKs"},
    [OPT_NAME] = {"name", 0, "APP", "call the project's sessions that"},
    [OPT_ADDRESS] = {"address", 0, "HOST:PORT", "where serve listens (" ADDRESS ")"},
    {NULL, 0, NULL, NULL},
};

struct request {
    int64_t project;
    bool secret;
    const char *name, *address;
};

static bool parse_project(const char *text, int64_t *project_out)
{
    size_t len = strlen(text);
    if (!len || len > 18 || text[strspn(text, "0123456789")])
        return false;
    *project_out = strtoll(text, NULL, 10);
    return *project_out > 0;
}

static enum pl_status print(const struct pl_cli *cli, const struct request *request,
                            const struct pl_project_key *key, struct pl_error *err)
{
    char text[1024];
    struct pl_dsn dsn = {.scheme = "http", .project_id = request->project};
    snprintf(dsn.host, sizeof dsn.host, "%s", request->address);
    snprintf(dsn.public_key, sizeof dsn.public_key, "%s", key->public_key);
    if (request->secret)
        snprintf(dsn.secret_key, sizeof dsn.secret_key, "%s", key->secret_key);
    if (!pl_dsn_format(&dsn, text, sizeof text))
        return pl_error_set(err, PL_USAGE, "no address to put into the DSN");
    if (!cli->json) {
        puts(text);
        return PL_OK;
    }
    struct pl_buf buf;
    pl_buf_init(&buf, PL_CLI_DOCUMENT_BYTES);
    pl_buf_puts(&buf, "{\"schema\":1,\"dsn\":\"");
    pl_buf_json_escape(&buf, text);
    pl_buf_printf(&buf, "\",\"public_key\":\"%s\"", key->public_key);
    pl_json_int_field(&buf, "project", request->project);
    pl_buf_puts(&buf, "}");
    return pl_cli_print_document(&buf, err);
}

static enum pl_status make(struct pl_cli *cli, const struct request *request,
                           struct pl_error *err)
{
    struct pl_store *store = NULL;
    struct pl_project_key key;
    enum pl_status status = pl_cli_open(cli, PL_STORE_CREATE, &store, err);
    if (status == PL_OK)
        status =
            pl_key_get(store, request->project, "user", request->secret, &key, err);
    if (status == PL_OK && request->name)
        status = pl_project_rename(store, request->project, request->name, err);
    if (status == PL_OK)
        status = print(cli, request, &key, err);
    pl_store_close(store);
    return status;
}

/* False with *exit_code when there is nothing to do. */
static bool read_arguments(struct pl_options *parser, struct request *request,
                           int *exit_code)
{
    int option;
    while ((option = pl_options_next(parser)) >= 0) {
        if (option == OPT_SECRET)
            request->secret = true;
        else if (option == OPT_NAME)
            request->name = parser->value;
        else if (option == OPT_ADDRESS)
            request->address = parser->value;
        else if (!parse_project(parser->value, &request->project)) {
            *exit_code =
                pl_cli_usage(&pl_cmd_dsn, "no project number: %s", parser->value);
            return false;
        }
    }
    bool go = option == PL_OPTIONS_END && pl_options_no_operands(parser);
    *exit_code = parser->exit_code;
    return go;
}

static int run(struct pl_cli *cli, int argc, char **argv)
{
    struct pl_options parser;
    struct request request = {.project = 1, .address = ADDRESS};
    struct pl_error err = {0};
    int exit_code = PL_EXIT_OK;
    pl_options_init(&parser, cli, &pl_cmd_dsn, argc, argv);
    if (read_arguments(&parser, &request, &exit_code) && make(cli, &request, &err))
        exit_code = pl_cli_fail(&err);
    pl_options_deinit(&parser);
    return exit_code;
}

const struct pl_command pl_cmd_dsn = {
    .name = "dsn",
    .synopsis = "[OPTIONS]",
    .summary = "Print the DSN for a Sentry SDK, making its key if need be",
    .details = "Give it to an SDK that runs where proflite serve can be reached.",
    .examples = "proflite dsn\n"
                "proflite dsn --project 42 --name checkout\n",
    .options = options,
    .json = true,
    .run = run,
};
