/* forward: what is stored to a Sentry, or to another proflite. */
#include "base/clock.h"
#include "cli/forward_preview.h"
#include "cli/options.h"
#include "cli/pass_run.h"
#include "web/forwarder.h"
#include "web/json.h"

#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PATIENCE_MS   5000 /* for another process that runs the pass */
#define FAILURES_MOST 6    /* in a row, without --follow */
#define WAIT_MOST_NS  (30 * PL_NS_PER_S)

enum {
    OPT_TO,
    OPT_FOLLOW,
    OPT_DRY_RUN,
    OPT_OUTPUT,
    OPT_REDACT,
    OPT_RECEIVED,
    OPT_REVIVE,
    OPT_TIMEOUT,
    OPT_SPOOL_SIZE,
    OPT_SPOOL_AGE,
};

static const struct pl_option options[] = {
    [OPT_TO] = {"to", 0, "DSN", "where to; else PROFLITE_FORWARD says it"},
    [OPT_FOLLOW] = {"follow", 0, NULL, "go on with what is recorded later"},
    [OPT_DRY_RUN] = {"dry-run", 0, NULL, "only list what would go"},
    [OPT_OUTPUT] = {"output", 'o', "DIR", "with --dry-run: the envelopes, as files"},
    [OPT_REDACT] = {"redact", 0, "RULE", "change what leaves (repeatable; see below)"},
    [OPT_RECEIVED] = {"received", 0, NULL, "with --redact: what SDKs sent, too"},
    [OPT_REVIVE] = {"retry-dead", 0, NULL, "also what was refused or given up before"},
    [OPT_TIMEOUT] = {"timeout", 0, "SECONDS", "of a request (30)"},
    [OPT_SPOOL_SIZE] = {"spool-size", 0, "MIB", "most that may wait (512)"},
    [OPT_SPOOL_AGE] = {"spool-age", 0, "HOURS", "longest it may wait (168)"},
    {NULL, 0, NULL, NULL},
};

struct request {
    const char *to, *output;
    bool follow, dry_run, received, revive;
    long timeout_s, spool_mib, spool_hours;
    struct pl_redact redact;
};

static atomic_bool stopped;

static void on_signal(int number)
{
    struct sigaction usual = {.sa_handler = SIG_DFL};
    atomic_store(&stopped, true);
    sigaction(number, &usual, NULL); /* a second one need not wait */
}

static void catch_signals(void)
{
    struct sigaction catch = {.sa_handler = on_signal},
                     ignore = {.sa_handler = SIG_IGN};
    sigaction(SIGINT, &catch, NULL);
    sigaction(SIGTERM, &catch, NULL);
    sigaction(SIGPIPE, &ignore, NULL);
}

/* ---- sending ---- */

static void nap(int64_t ns)
{
    struct timespec pause = {.tv_sec = (time_t)(ns / PL_NS_PER_S),
                             .tv_nsec = (long)(ns % PL_NS_PER_S)};
    while (nanosleep(&pause, &pause) != 0 && !atomic_load(&stopped))
        ;
}

/* Is it time to give up? What waits stays in the outbox. */
static bool is_over(const struct request *request, const struct pl_forward_step *step)
{
    if (request->follow)
        return false;
    return step->state == PL_FORWARD_IDLE || step->state == PL_FORWARD_PAUSED ||
           step->state == PL_FORWARD_OTHER || step->failures >= FAILURES_MOST ||
           step->wait_ns > WAIT_MOST_NS;
}

static enum pl_status send_all(const struct request *request,
                               struct pl_forwarder *forwarder,
                               struct pl_forward_step *step, struct pl_error *err)
{
    char said[sizeof step->message] = "";
    for (;;) {
        enum pl_status status = pl_forwarder_step(forwarder, step, err);
        if (atomic_load(&stopped) || status == PL_BUSY)
            return PL_OK;
        if (status != PL_OK)
            return status;
        if (is_over(request, step))
            return PL_OK;
        if (step->message[0] && strcmp(said, step->message) != 0) {
            pl_cli_say("forward: %s", step->message);
            memcpy(said, step->message, sizeof said);
        }
        if (!step->message[0] && step->state == PL_FORWARD_SENT)
            said[0] = '\0';
        nap(step->wait_ns < PL_NS_PER_S ? step->wait_ns : PL_NS_PER_S);
    }
}

static int64_t count_of(const struct pl_outbox_state *state, const char *name)
{
    int64_t sum = 0;
    size_t len = strlen(name);
    for (size_t i = 0; state && i < state->count_count; i++)
        if (strncmp(state->counts[i].name, name, len) == 0 &&
            (name[len - 1] == ':' || !state->counts[i].name[len]))
            sum += state->counts[i].value;
    return sum;
}

struct totals {
    int64_t sent, bytes, dead, waiting;
    char trouble[256];
};

static enum pl_status read_totals(struct pl_cli *cli, const char *name,
                                  struct totals *totals_out, struct pl_error *err)
{
    struct pl_outbox_state_list list;
    struct pl_store *store = NULL;
    *totals_out = (struct totals){0};
    enum pl_status status = pl_cli_open(cli, PL_STORE_READ, &store, err);
    if (status != PL_OK)
        return status;
    status = pl_outbox_states(store, &list, err);
    for (size_t i = 0; status == PL_OK && i < list.count; i++) {
        const struct pl_outbox_state *state = &list.rows[i];
        if (strcmp(state->name, name) != 0)
            continue;
        totals_out->sent = count_of(state, "sent");
        totals_out->bytes = count_of(state, "sent_bytes");
        totals_out->dead = count_of(state, "dead:");
        totals_out->waiting = state->waiting;
        (void)snprintf(totals_out->trouble, sizeof totals_out->trouble, "%.250s",
                       state->trouble);
    }
    if (status == PL_OK)
        pl_outbox_state_list_deinit(&list);
    pl_store_close(store);
    return status;
}

static enum pl_status report(struct pl_cli *cli, const struct totals *before,
                             const struct totals *after,
                             const struct pl_forward_step *last, struct pl_error *err)
{
    struct pl_buf buf;
    int64_t sent = after->sent - before->sent, dead = after->dead - before->dead;
    double megabytes = (double)(after->bytes - before->bytes) / 1e6;
    pl_buf_init(&buf, PL_CLI_DOCUMENT_BYTES);
    if (cli->json) {
        pl_buf_puts(&buf, "{\"schema\":1");
        pl_json_int_field(&buf, "sent", sent);
        pl_json_int_field(&buf, "sent_bytes", after->bytes - before->bytes);
        pl_json_int_field(&buf, "dead", dead);
        pl_json_int_field(&buf, "waiting", after->waiting);
        pl_json_int_field(&buf, "not_ready", last->open_chunks);
        pl_json_string_field(&buf, "trouble",
                             after->trouble[0] ? after->trouble : NULL);
        pl_buf_puts(&buf, "}");
        return pl_cli_print_document(&buf, err);
    }
    pl_buf_printf(&buf,
                  "%" PRId64 " sent (%.1f MB), %" PRId64
                  " refused or given up, %" PRId64 " waiting\n",
                  sent, megabytes, dead, after->waiting);
    if (last->open_chunks)
        pl_cli_say("forward: %" PRId64 " chunk%s being recorded or not processed yet",
                   last->open_chunks, last->open_chunks == 1 ? " is" : "s are");
    enum pl_status status = pl_cli_print(&buf, stdout, err);
    pl_buf_deinit(&buf);
    return status;
}

/* PARTIAL: something is left. */
static enum pl_status forward(struct pl_cli *cli, const struct request *request,
                              struct pl_error *err)
{
    struct pl_forwarder *forwarder = NULL;
    struct pl_forward_step step = {0};
    struct totals before, after;
    struct pl_forward_options options_of = {
        .db_path = pl_cli_db(cli, err),
        .dsn = request->to,
        .redact = &request->redact,
        .received = request->received || !request->redact.count,
        .timeout_ms = (int)request->timeout_s * 1000,
        .bounds = PL_FORWARD_BOUNDS,
        .stop = &stopped,
    };
    options_of.bounds.bytes = (int64_t)request->spool_mib << 20;
    options_of.bounds.age_ns = request->spool_hours * 3600 * PL_NS_PER_S;
    enum pl_status status =
        options_of.db_path ? pl_forwarder_new(&options_of, &forwarder, err) : PL_USAGE;
    if (status == PL_OK)
        status = read_totals(cli, pl_forwarder_name(forwarder), &before, err);
    if (status == PL_OK) {
        if (request->revive)
            pl_forwarder_revive(forwarder);
        status = send_all(request, forwarder, &step, err);
    }
    if (status == PL_OK)
        status = read_totals(cli, pl_forwarder_name(forwarder), &after, err);
    if (status == PL_OK)
        status = report(cli, &before, &after, &step, err);
    if (status == PL_OK && step.state == PL_FORWARD_OTHER)
        status = pl_error_set(err, PL_BUSY, "another proflite sends to %s already",
                              pl_forwarder_name(forwarder));
    else if (status == PL_OK && after.waiting && !request->follow)
        status = pl_error_set(err, after.sent > before.sent ? PL_PARTIAL : PL_IO,
                              "%" PRId64 " wait: %s; run it again, or with --follow",
                              after.waiting,
                              step.message[0] ? step.message : "not everything went");
    else if (status == PL_OK && after.dead > before.dead)
        status = pl_error_set(err, PL_PARTIAL,
                              "%" PRId64 " refused or given up (--retry-dead tries "
                              "again)",
                              after.dead - before.dead);
    pl_forwarder_free(forwarder);
    return status;
}

/* ---- the command ---- */

/* False: a value makes no sense, which was said. */
static bool take_option(struct request *request, int option, const char *value,
                        int *exit_code)
{
    struct pl_error err = {0};
    bool ok = true;
    if (option == OPT_TO)
        request->to = value;
    else if (option == OPT_FOLLOW)
        request->follow = true;
    else if (option == OPT_DRY_RUN)
        request->dry_run = true;
    else if (option == OPT_OUTPUT)
        request->output = value;
    else if (option == OPT_RECEIVED)
        request->received = true;
    else if (option == OPT_REVIVE)
        request->revive = true;
    else if (option == OPT_TIMEOUT)
        ok = pl_options_number(value, 1, 3600, &request->timeout_s);
    else if (option == OPT_SPOOL_SIZE)
        ok = pl_options_number(value, 1, 1 << 20, &request->spool_mib);
    else if (option == OPT_SPOOL_AGE)
        ok = pl_options_number(value, 1, 24 * 3650, &request->spool_hours);
    else if (pl_redact_add(&request->redact, value, &err) != PL_OK) {
        *exit_code = pl_cli_usage(&pl_cmd_forward, "%s", err.message);
        return false;
    }
    if (!ok)
        *exit_code = pl_cli_usage(&pl_cmd_forward, "--%s: no such value: %s",
                                  options[option].name, value);
    return ok;
}

static bool read_arguments(struct pl_options *parser, struct request *request,
                           int *exit_code)
{
    int option;
    while ((option = pl_options_next(parser)) >= 0)
        if (!take_option(request, option, parser->value, exit_code))
            return false;
    bool go = option == PL_OPTIONS_END && pl_options_no_operands(parser);
    *exit_code = parser->exit_code;
    if (!go)
        return false;
    if (!request->to)
        request->to = getenv("PROFLITE_FORWARD");
    struct pl_dsn dsn;
    const char *wrong = !request->to || !*request->to ? "where to? give --to DSN"
                        : !pl_dsn_parse(request->to, &dsn)
                            ? "--to is not a DSN (http://KEY@HOST/PROJECT)"
                        : request->output && !request->dry_run
                            ? "-o goes with --dry-run"
                        : request->dry_run && request->follow
                            ? "--dry-run and --follow exclude each other"
                            : NULL;
    if (wrong)
        *exit_code = pl_cli_usage(&pl_cmd_forward, "%s", wrong);
    return !wrong;
}

static enum pl_status preview(struct pl_cli *cli, const struct request *request,
                              struct pl_error *err)
{
    const struct pl_forward_preview what = {
        .to = request->to,
        .output = request->output,
        .redact = &request->redact,
        .received = request->received || !request->redact.count,
        .stop = &stopped,
    };
    return pl_cli_forward_preview(cli, &what, err);
}

/* What was recorded and not looked at would have no names. */
static enum pl_status process(struct pl_cli *cli, struct pl_error *err)
{
    struct pl_store *store = NULL;
    struct pl_pass_result result;
    pl_cli_salvage(cli);
    enum pl_status status = pl_cli_open(cli, PL_STORE_WRITE, &store, err);
    if (status == PL_OK)
        status = pl_cli_pass_run(store, false, PATIENCE_MS, &result, err);
    pl_store_close(store);
    return status == PL_BUSY ? PL_OK : status; /* then somebody else does it */
}

static int run(struct pl_cli *cli, int argc, char **argv)
{
    struct pl_options parser;
    struct request request = {.timeout_s = PL_FORWARD_TIMEOUT_MS / 1000,
                              .spool_mib = 512,
                              .spool_hours = 168};
    struct pl_error err = {0};
    int exit_code = PL_EXIT_OK;
    pl_options_init(&parser, cli, &pl_cmd_forward, argc, argv);
    if (read_arguments(&parser, &request, &exit_code)) {
        enum pl_status status = process(cli, &err);
        catch_signals();
        if (status == PL_OK)
            status = request.dry_run ? preview(cli, &request, &err)
                                     : forward(cli, &request, &err);
        if (status != PL_OK) {
            err.status = status;
            exit_code = pl_cli_fail(&err);
        }
    }
    pl_redact_deinit(&request.redact);
    pl_options_deinit(&parser);
    return exit_code;
}

const struct pl_command pl_cmd_forward = {
    .name = "forward",
    .synopsis = "--to DSN [OPTIONS]",
    .summary = "Send what is stored to a Sentry, or to another proflite",
    .details =
        "Own chunks go with names, as profiles of platform native, root spans as\n"
        "transactions; what SDKs sent goes on as it came. What was sent is not sent\n"
        "again, what cannot be sent now waits in the store.\n"
        "Rules, the first that fits counts: path:GLOB=TEXT (how a path begins),\n"
        "label:KEY, label:KEY=TEXT, thread:GLOB=TEXT, transaction:GLOB=TEXT. They are\n"
        "for own chunks: with one, nothing that SDKs sent goes, but for --received.\n"
        "Exit code 5: something waits, or was refused.",
    .examples = "proflite forward --to https://KEY@sentry.example/4\n"
                "proflite forward --to \"$DSN\" --dry-run -o out\n"
                "proflite forward --to \"$DSN\" --follow --redact 'path:/home/*=~'\n",
    .options = options,
    .json = true,
    .run = run,
};
