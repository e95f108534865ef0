/* check: verify a store. */
#include "cli/options.h"
#include "cli/term.h"
#include "store/check.h"
#include "web/json.h"

#include <inttypes.h>
#include <string.h>

struct output {
    bool json;
    struct pl_buf findings; /* elements of the JSON array */
};

static void on_finding(void *self, const char *kind, const char *message)
{
    struct output *out = self;
    struct pl_buf clean;
    if (out->json) {
        if (out->findings.len)
            pl_buf_putc(&out->findings, ',');
        pl_buf_puts(&out->findings, "{\"kind\":");
        pl_json_string(&out->findings, kind);
        pl_json_string_field(&out->findings, "message", message);
        pl_buf_putc(&out->findings, '}');
        return;
    }
    pl_buf_init(&clean, 1u << 14);
    pl_term_clean(&clean, message, strlen(message));
    printf("%s: %s\n", kind, clean.data ? clean.data : "");
    pl_buf_deinit(&clean);
}

static enum pl_status print_json(const struct output *out,
                                 const struct pl_check_result *result,
                                 struct pl_error *err)
{
    struct pl_buf buf;
    pl_buf_init(&buf, PL_CLI_DOCUMENT_BYTES);
    pl_buf_printf(&buf, "{\"schema\":1,\"ok\":%s,\"findings\":[",
                  result->findings ? "false" : "true");
    if (out->findings.len)
        pl_buf_append(&buf, out->findings.data, out->findings.len);
    pl_buf_puts(&buf, "],\"checked\":{\"findings\":");
    pl_json_int(&buf, result->findings);
    pl_json_int_field(&buf, "sessions", result->sessions);
    pl_json_int_field(&buf, "threads", result->threads);
    pl_json_int_field(&buf, "chunks", result->chunks);
    pl_json_int_field(&buf, "parts", result->parts);
    pl_json_int_field(&buf, "slots", result->slots);
    pl_json_int_field(&buf, "samples", result->samples);
    pl_json_int_field(&buf, "stacks", result->stacks);
    pl_json_int_field(&buf, "frames", result->frames);
    pl_json_int_field(&buf, "outcomes", result->outcomes);
    pl_buf_puts(&buf, "}}");
    return pl_cli_print_document(&buf, err);
}

static void print_text(const struct pl_check_result *result)
{
    char samples[PL_TERM_SHORT], stacks[PL_TERM_SHORT];
    pl_term_count(samples, result->samples);
    pl_term_count(stacks, result->stacks);
    printf("%s: %" PRId64 " finding%s in %" PRId64 " session%s, %" PRId64
           " chunk%s, %s samples, %s stacks\n",
           result->findings ? "damaged" : "ok", result->findings,
           pl_term_plural(result->findings), result->sessions,
           pl_term_plural(result->sessions), result->chunks,
           pl_term_plural(result->chunks), samples, stacks);
}

static int check(struct pl_cli *cli)
{
    struct output out = {.json = cli->json};
    struct pl_check_visitor visitor = {&out, on_finding};
    struct pl_check_result result = {0};
    struct pl_store *store = NULL;
    struct pl_error err = {0};
    pl_buf_init(&out.findings, 1u << 19);
    enum pl_status status = pl_cli_open(cli, PL_STORE_READ, &store, &err);
    if (!status)
        status = pl_store_check(store, &visitor, &result, &err);
    if (!status && cli->json)
        status = print_json(&out, &result, &err);
    else if (!status)
        print_text(&result);
    pl_store_close(store);
    pl_buf_deinit(&out.findings);
    if (status)
        return pl_cli_fail(&err);
    return pl_status_exit_code(result.findings ? PL_INPUT : PL_OK);
}

static int run(struct pl_cli *cli, int argc, char **argv)
{
    struct pl_options parser;
    pl_options_init(&parser, cli, &pl_cmd_check, argc, argv);
    int option = pl_options_next(&parser);
    bool go = option == PL_OPTIONS_END && pl_options_no_operands(&parser);
    int exit_code = go ? check(cli) : parser.exit_code;
    pl_options_deinit(&parser);
    return exit_code;
}

static const struct pl_option options[] = {{NULL, 0, NULL, NULL}};

const struct pl_command pl_cmd_check = {
    .name = "check",
    .synopsis = "[OPTIONS]",
    .summary = "Verify a store: its file, references, stacks, samples and sums",
    .details =
        "Reads all of it in one snapshot, also while others write; one line for each\n"
        "thing that is wrong, the first 20 of a kind. Exit code 3: damaged.",
    .examples = "proflite check\n"
                "proflite check --json --db old.db\n",
    .options = options,
    .json = true,
    .run = run,
};
