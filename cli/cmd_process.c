/* process: run the processing pass over what is not processed yet. */
#include "cli/options.h"
#include "cli/pass_run.h"
#include "cli/term.h"
#include "web/json.h"

#include <inttypes.h>

#define PATIENCE_MS 10000

enum { OPT_REDO };

static const struct pl_option options[] = {
    [OPT_REDO] = {"redo", 0, NULL, "all chunks again, for instance after new symbols"},
    {NULL, 0, NULL, NULL},
};

static enum pl_status print_json(const struct pl_pass_result *result,
                                 struct pl_error *err)
{
    struct pl_buf buf;
    pl_buf_init(&buf, PL_CLI_DOCUMENT_BYTES);
    pl_buf_puts(&buf, "{\"schema\":1");
    for (const struct pl_pass_counter *c = pl_pass_counter_list; c->name; c++)
        pl_json_int_field(&buf, c->name,
                          (int64_t)pl_pass_counter_value(&result->counters, c));
    pl_buf_puts(&buf, result->stopped ? ",\"stopped\":true}" : ",\"stopped\":false}");
    return pl_cli_print_document(&buf, err);
}

static void print_text(const struct pl_pass_result *result)
{
    const struct pl_pass_counters *c = &result->counters;
    char time[PL_TERM_SHORT];
    pl_term_duration(time, (int64_t)(c->symbolicate_ns + c->normalize_ns));
    if (!c->chunks) {
        puts("nothing to process");
        return;
    }
    printf("%" PRIu64 " chunk%s processed in %s: %" PRIu64 " accepted, %" PRIu64
           " rejected, %" PRIu64 " done before; %" PRIu64 " of %" PRIu64
           " frames named\n",
           c->chunks, pl_term_plural((int64_t)c->chunks), time, c->outcomes_accepted,
           c->outcomes_invalid, c->duplicates, c->frames_named, c->frames);
}

static int report(const struct pl_cli *cli, const struct pl_pass_result *result)
{
    const struct pl_pass_counters *c = &result->counters;
    struct pl_error err = {0};
    if (!cli->json)
        print_text(result);
    else if (print_json(result, &err))
        return pl_cli_fail(&err);
    if (result->stopped)
        pl_cli_say("process: stopped before the end; proflite%s process goes on",
                   pl_cli_db_flag(cli));
    else if (c->symbolicate_error || c->symbolicate_timeout)
        pl_cli_say(
            "process: %" PRIu64 " chunk%s kept without all names; "
            "proflite%s process --redo tries again",
            c->symbolicate_error + c->symbolicate_timeout,
            pl_term_plural((int64_t)(c->symbolicate_error + c->symbolicate_timeout)),
            pl_cli_db_flag(cli));
    else
        return PL_EXIT_OK;
    return pl_status_exit_code(PL_PARTIAL);
}

static int process(struct pl_cli *cli, bool redo)
{
    struct pl_store *store = NULL;
    struct pl_error err = {0};
    struct pl_pass_result result;
    pl_cli_salvage(cli);
    enum pl_status status = pl_cli_open(cli, PL_STORE_WRITE, &store, &err);
    int exit_code = PL_EXIT_OK;
    if (!status)
        status = pl_cli_pass_run(store, redo, PATIENCE_MS, &result, &err);
    exit_code = status ? pl_cli_fail(&err) : report(cli, &result);
    if (!status && pl_store_checkpoint(store, &err) && err.status != PL_BUSY)
        pl_cli_say("process: %s", err.message);
    pl_store_close(store);
    return exit_code;
}

static int run(struct pl_cli *cli, int argc, char **argv)
{
    struct pl_options parser;
    bool redo = false;
    int option, exit_code;
    pl_options_init(&parser, cli, &pl_cmd_process, argc, argv);
    while ((option = pl_options_next(&parser)) >= 0)
        redo = true;
    bool go = option == PL_OPTIONS_END && pl_options_no_operands(&parser);
    exit_code = go ? process(cli, redo) : parser.exit_code;
    pl_options_deinit(&parser);
    return exit_code;
}

const struct pl_command pl_cmd_process = {
    .name = "process",
    .synopsis = "[OPTIONS]",
    .summary = "Name and normalize what is recorded (record and serve do it, too)",
    .details = "Exit code 5: some chunks are kept without all their names.",
    .examples = "proflite process\n"
                "proflite process --redo --json\n",
    .options = options,
    .json = true,
    .run = run,
};
