/* process: run the processing pass over what is not processed yet. */
#include "cli/options.h"
#include "cli/pass_run.h"
#include "cli/payload.h"
#include "cli/term.h"
#include "web/json.h"

#include <inttypes.h>

#define PATIENCE_MS 10000

enum { OPT_REDO, OPT_TIMEOUT, OPT_PAYLOAD, OPT_UNSAMPLED, OPT_UNSAMPLED_METRICS };

static const struct pl_option options[] = {
    [OPT_REDO] = {"redo", 0, NULL, "all chunks again, for instance after new symbols"},
    [OPT_TIMEOUT] = {"timeout", 0, "SECONDS",
                     "most time for the names of one chunk (900)"},
    [OPT_PAYLOAD] = {"payload", 0, "FILE",
                     "take this in first: a profile task's msgpack; - is stdin"},
    [OPT_UNSAMPLED] = {"unsampled", 0, NULL, "it was not sampled: store nothing"},
    [OPT_UNSAMPLED_METRICS] = {"unsampled-metrics", 0, NULL,
                               "if it was not sampled, keep its function metrics"},
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
    pl_json_int_field(&buf, "received", (int64_t)result->intake.profiles);
    pl_json_int_field(&buf, "received_rejected", (int64_t)result->intake.rejected);
    pl_json_int_field(&buf, "received_duplicates", (int64_t)result->intake.duplicates);
    pl_buf_puts(&buf, result->stopped ? ",\"stopped\":true}" : ",\"stopped\":false}");
    return pl_cli_print_document(&buf, err);
}

static void print_text(const struct pl_pass_result *result)
{
    const struct pl_pass_counters *c = &result->counters;
    char time[PL_TERM_SHORT];
    pl_term_duration(time, (int64_t)(c->symbolicate_ns + c->normalize_ns));
    const struct pl_intake_counts *in = &result->intake;
    if (in->profiles)
        printf("%" PRIu64 " profile%s taken in: %" PRIu64 " rejected, %" PRIu64
               " known before\n",
               in->profiles, pl_term_plural((int64_t)in->profiles), in->rejected,
               in->duplicates);
    if (!c->chunks && !in->profiles)
        puts("nothing to process");
    if (!c->chunks)
        return;
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

struct request {
    bool redo;
    long timeout_s;      /* 0: as usual */
    const char *payload; /* file; NULL: none */
    bool unsampled, unsampled_metrics;
};

/* The sampled check is of the task's own argument, or of what came with the payload;
 * never of what the profile says. */
static bool is_sampled(const struct request *request,
                       const struct pl_task_payload *task)
{
    return !request->unsampled && task->sampled != 0;
}

static int process(struct pl_cli *cli, const struct request *request,
                   const struct pl_payload *payload)
{
    struct pl_store *store = NULL;
    struct pl_error err = {0};
    struct pl_pass_result result;
    const struct pl_pass_options wanted = {
        .redo = request->redo, .symbolicate_ms = (int)request->timeout_s * 1000};
    pl_cli_salvage(cli);
    enum pl_status status =
        pl_cli_open(cli, payload ? PL_STORE_CREATE : PL_STORE_WRITE, &store, &err);
    int exit_code = PL_EXIT_OK;
    if (!status && payload)
        status = pl_payload_put(payload, store, &err);
    if (!status)
        status = pl_cli_pass_run(store, &wanted, PATIENCE_MS, &result, &err);
    exit_code = status ? pl_cli_fail(&err) : report(cli, &result);
    if (!status && pl_store_checkpoint(store, &err) && err.status != PL_BUSY)
        pl_cli_say("process: %s", err.message);
    pl_store_close(store);
    return exit_code;
}

static int measure(struct pl_cli *cli, const struct pl_payload *payload)
{
    struct pl_store *store = NULL;
    struct pl_error err = {0};
    struct pl_pass_result result = {0};
    enum pl_status status = pl_cli_open(cli, PL_STORE_CREATE, &store, &err);
    if (!status)
        status = pl_payload_measure(payload, store, &result.intake, &err);
    result.counters.unsampled_profiles =
        result.intake.profiles - result.intake.rejected;
    int exit_code = status ? pl_cli_fail(&err) : report(cli, &result);
    pl_store_close(store);
    return exit_code;
}

static int process_payload(struct pl_cli *cli, const struct request *request)
{
    struct pl_payload payload = {0};
    struct pl_error err = {0};
    int exit_code = PL_EXIT_OK;
    bool nothing = request->unsampled && !request->unsampled_metrics;
    if (!nothing && pl_payload_open(&payload, request->payload, &err))
        exit_code = pl_cli_fail(&err);
    else if (!nothing && is_sampled(request, &payload.task))
        exit_code = process(cli, request, &payload);
    else if (request->unsampled_metrics)
        exit_code = measure(cli, &payload);
    else
        pl_cli_say("process: not sampled: nothing is stored");
    if (!nothing)
        pl_payload_close(&payload);
    return exit_code;
}

static int run(struct pl_cli *cli, int argc, char **argv)
{
    struct pl_options parser;
    struct request request = {0};
    const char *wrong = NULL;
    int option, exit_code;
    pl_options_init(&parser, cli, &pl_cmd_process, argc, argv);
    while ((option = pl_options_next(&parser)) >= 0) {
        if (option == OPT_PAYLOAD)
            request.payload = parser.value;
        if (option == OPT_TIMEOUT &&
            !pl_options_number(parser.value, 1, 86400, &request.timeout_s))
            wrong = parser.value;
        request.redo |= option == OPT_REDO;
        request.unsampled |= option == OPT_UNSAMPLED;
        request.unsampled_metrics |= option == OPT_UNSAMPLED_METRICS;
    }
    if (option != PL_OPTIONS_END || !pl_options_no_operands(&parser))
        exit_code = parser.exit_code;
    else if (wrong)
        exit_code = pl_cli_usage(&pl_cmd_process,
                                 "--timeout %s is not 1 to 86400 seconds", wrong);
    else if ((request.unsampled || request.unsampled_metrics) && !request.payload)
        exit_code = pl_cli_usage(&pl_cmd_process, "--unsampled is about a --payload");
    else
        exit_code = request.payload ? process_payload(cli, &request)
                                    : process(cli, &request, NULL);
    pl_options_deinit(&parser);
    return exit_code;
}

const struct pl_command pl_cmd_process = {
    .name = "process",
    .synopsis = "[OPTIONS]",
    .summary = "Name and normalize what is recorded (record and serve do it, too)",
    .details = "Exit code 5: some chunks are kept without all their names.",
    .examples = "proflite process\n"
                "proflite process --redo --json\n"
                "proflite process --payload task.msgpack\n",
    .options = options,
    .json = true,
    .run = run,
};
