/* record: run a program with the recorder in it and write what it did.
 *
 *   find and check CMD ─▶ open the store ─▶ recording folder ─▶ fork, exec
 *     ─▶ drain until CMD ends ─▶ finish, process, checkpoint ─▶ end as CMD ended
 *
 * Whatever goes wrong on our side once CMD runs is said at most once and changes
 * nothing for CMD. Nothing is ever printed on stdout. One thread. */
#include "base/id.h"
#include "base/log.h"
#include "cli/launch.h"
#include "cli/options.h"
#include "cli/pass_run.h"
#include "cli/supervise.h"
#include "cli/target.h"
#include "cli/term.h"
#include "collector/drain.h"
#include "collector/settings.h"
#include "store/query.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define MAX_HZ           1000
#define PASS_PATIENCE_MS 10000 /* another recorder may be at it, for all of us */

enum { OPT_MODE, OPT_HZ, OPT_NAME, OPT_OUTPUT, OPT_ANYWAY };

static const struct pl_option options[] = {
    [OPT_MODE] = {"mode", 0, "wall|cpu",
                  "wall: every thread at every tick (default); cpu: by CPU time"},
    [OPT_HZ] = {"hz", 'F', "HZ", "samples a second of each thread, 1 to 1000 (101)"},
    [OPT_NAME] = {"name", 0, "APP", "name to record under (the program's file name)"},
    [OPT_OUTPUT] = {"output", 'o', "FILE", "the store to write, the same as --db"},
    [OPT_ANYWAY] = {"anyway", 0, NULL, "run what cannot be recorded, unrecorded"},
    {NULL, 0, NULL, NULL},
};

struct record {
    struct pl_cli *cli;
    const char *name;
    struct pl_settings settings;
    bool cpu_mode, anyway;
    long hz;
    char **argv;            /* of CMD */
    char program[PATH_MAX]; /* its file */

    struct pl_store *store;
    struct pl_drain *drain;
    struct pl_supervisor supervisor;
    struct pl_drain_options drain_options;
    struct pl_chunk_sink sink;
    char dir[256];
    bool dir_made, warned;
};

/* ---- arguments ---- */

/* What environment and config file say, before the options that win over it. */
static int read_settings(struct record *r)
{
    char why[256];
    if (pl_settings_init(&r->settings, NULL, false, why, sizeof why) != PROFLITE_OK)
        return pl_cli_usage(&pl_cmd_record, "%s", why);
    r->cpu_mode = r->settings.cpu_mode;
    r->hz = r->settings.hz;
    r->name = r->settings.app;
    return 0;
}

static bool set_mode(struct record *r, const char *text)
{
    r->cpu_mode = strcmp(text, "cpu") == 0;
    return r->cpu_mode || strcmp(text, "wall") == 0;
}

static int bad_mode(const char *from, const char *text)
{
    return pl_cli_usage(&pl_cmd_record, "%s is wall or cpu, not '%s'", from, text);
}

static int bad_hz(const char *from, const char *text)
{
    return pl_cli_usage(&pl_cmd_record, "%s is a number from 1 to %d, not '%s'", from,
                        MAX_HZ, text);
}

static int set_option(struct record *r, int option, const char *value)
{
    switch (option) {
    case OPT_MODE:
        return set_mode(r, value) ? 0 : bad_mode("--mode", value);
    case OPT_HZ:
        return pl_options_number(value, 1, MAX_HZ, &r->hz) ? 0 : bad_hz("-F", value);
    case OPT_NAME:
        r->name = value;
        return value[0] ? 0 : pl_cli_usage(&pl_cmd_record, "--name wants a name");
    case OPT_OUTPUT:
        r->cli->db = value;
        return value[0] ? 0 : pl_cli_usage(&pl_cmd_record, "-o wants a file name");
    default:
        r->anyway = true;
        return 0;
    }
}

/* False with *exit_code when there is nothing to run. */
static bool read_arguments(struct record *r, int argc, char **argv, int *exit_code)
{
    struct pl_options parser;
    int option = PL_OPTIONS_DONE;
    *exit_code = read_settings(r);
    if (*exit_code)
        return false;
    pl_options_init(&parser, r->cli, &pl_cmd_record, argc, argv);
    while ((option = pl_options_next(&parser)) >= 0) {
        *exit_code = set_option(r, option, parser.value);
        if (*exit_code)
            break;
    }
    if (option == PL_OPTIONS_DONE)
        *exit_code = parser.exit_code;
    else if (option == PL_OPTIONS_END && parser.first_operand >= argc)
        *exit_code = pl_cli_usage(&pl_cmd_record, "no command to run");
    r->argv = argv + parser.first_operand;
    pl_options_deinit(&parser);
    return option == PL_OPTIONS_END && *exit_code == 0;
}

/* ---- before CMD runs ---- */

static int failure(const struct pl_error *err)
{
    pl_cli_say("record: %s", err->message);
    return PL_EXIT_FAILURE;
}

/* A file that cannot be a store is bad input, as it is to every other command;
 * what goes wrong with a good one is a failure of ours. */
static int store_failure(struct record *r, const struct pl_error *err)
{
    struct stat st;
    const char *path = pl_cli_db(r->cli, NULL);
    int exit_code = failure(err);
    bool bad_file =
        err->status == PL_INPUT || (path && !stat(path, &st) && S_ISDIR(st.st_mode));
    return bad_file ? pl_status_exit_code(err->status) : exit_code;
}

/* 0, or the exit code of a CMD that cannot run or cannot be recorded. */
static int check_target(struct record *r)
{
    struct pl_error err = {0};
    int exit_code = pl_target_find(r->argv[0], r->program, &err);
    if (exit_code) {
        pl_cli_say("record: %s", err.message);
        return exit_code;
    }
    if (pl_target_check(r->program, &err) == PL_OK)
        return 0;
    if (!r->anyway)
        return failure(&err);
    return 0;
}

static enum pl_status open_recording(struct record *r, struct pl_error *err)
{
    struct pl_drain_options *o = &r->drain_options;
    enum pl_status status = PL_OK;
    if (r->settings.full_durability)
        status = pl_store_make_durable(r->store, err);
    if (!status)
        status = pl_store_sink(r->store, &r->sink, err);
    if (!status)
        status = pl_id_new(&o->recording_id, err);
    if (!status)
        status = pl_recording_dir_make(&o->recording_id, r->dir, sizeof r->dir, err);
    if (status)
        return status;
    r->dir_made = true;
    o->dir = r->dir;
    o->app = r->name && r->name[0] ? r->name : NULL;
    o->release = r->settings.release;
    o->environment = r->settings.environment;
    o->dist = r->settings.dist;
    o->in_app_include = r->settings.in_app_include;
    o->in_app_exclude = r->settings.in_app_exclude;
    o->project_root = r->settings.project_root;
    o->db = pl_store_path(r->store);
    o->sink_thread = true;
    o->keep_dir = pl_cli_cache(r->cli, "rows");
    status = pl_drain_open(o, &r->sink, &r->drain, err);
    if (status)
        return status;
    if (*pl_drain_journal_trouble(r->drain))
        pl_cli_say("record: %s", pl_drain_journal_trouble(r->drain));
    pl_drain_prepare(r->drain, r->program);
    return PL_OK;
}

/* What could not be written stays, for whoever opens the store next. */
static bool is_kept(const struct record *r)
{
    return r->drain && !pl_drain_is_written(r->drain) &&
           !*pl_drain_journal_trouble(r->drain);
}

static void close_recording(struct record *r)
{
    bool keep = is_kept(r);
    pl_drain_close(r->drain);
    if (keep)
        pl_cli_say("record: what could not be written is kept beside the store as far "
                   "as there was room: the next proflite command on it writes it");
    else if (r->dir_made)
        pl_recording_dir_remove(r->dir);
    pl_store_close(r->store);
}

/* ---- while CMD runs ---- */

static int start(struct record *r)
{
    char preload[PATH_MAX];
    struct pl_error err = {0};
    pid_t child = -1;
    enum pl_status status = pl_launch_find_preload(preload, &err);
    if (!status)
        status = pl_launch_plain_path(r->dir, preload, &err);
    if (status)
        return failure(&err);
    pl_supervise_begin(&r->supervisor);
    struct pl_launch launch = {
        .argv = r->argv,
        .dir = r->dir,
        .preload = preload,
        .cpu_mode = r->cpu_mode,
        .hz = r->hz,
        .max_overhead = r->settings.max_overhead > 0
                            ? r->settings.values[PL_SETTING_max_overhead].text
                            : NULL,
        .mask = &r->supervisor.before,
        .sigchld_ignored = r->supervisor.sigchld_ignored,
    };
    int exit_code = pl_launch_start(&launch, &child, &err);
    if (exit_code) {
        pl_cli_say("record: %s", err.message);
        return exit_code;
    }
    pl_supervise_child(&r->supervisor, child);
    return 0;
}

/* Say the first failure of the drain; CMD goes on. */
static void warn(struct record *r, enum pl_status status, const struct pl_error *err)
{
    if (status && !r->warned)
        pl_cli_say("record: %s; the program goes on, samples may be lost",
                   err->message);
    r->warned = r->warned || status;
}

static void drain_until_end(struct record *r)
{
    struct pl_error err = {0};
    do
        warn(r, pl_drain_step(r->drain, &err), &err);
    while (pl_supervise_wait(&r->supervisor, pl_drain_pause_ms(r->drain)));
    pl_drain_process_ended(r->drain, r->supervisor.child, r->supervisor.wait_status);
    warn(r, pl_drain_finish(r->drain, &err), &err);
}

/* ---- after ---- */

struct totals {
    int64_t sessions, threads, samples, lost, abandoned;
};

/* What the store says of this recording. */
static struct totals count_recording(struct record *r)
{
    struct totals totals = {0};
    struct pl_selection all = {0};
    struct pl_session_list list = {0};
    char id[PL_ID_TEXT];
    pl_id_format(&r->drain_options.recording_id, id);
    if (pl_query_sessions(r->store, &all, &list, NULL) != PL_OK)
        return totals;
    for (size_t i = 0; i < list.count; i++) {
        const struct pl_session_row *row = &list.rows[i];
        if (!row->recording_id || strcmp(row->recording_id, id) != 0)
            continue;
        totals.sessions++;
        totals.threads += row->threads;
        totals.samples += row->samples;
        totals.lost += row->lost;
        totals.abandoned += row->state && strcmp(row->state, "abandoned") == 0;
    }
    pl_session_list_deinit(&list);
    return totals;
}

static void summarize(struct record *r)
{
    char samples[PL_TERM_SHORT], lost[PL_TERM_SHORT], left[64] = "";
    struct totals t = count_recording(r);
    struct pl_drain_stats stats = {0};
    pl_drain_get_stats(r->drain, &stats);
    if ((int64_t)stats.lost > t.lost) /* also what could not be written */
        t.lost = (int64_t)stats.lost;
    if (!is_kept(r))
        t.lost += (int64_t)stats.unwritten;
    pl_term_count(samples, t.samples);
    pl_term_count(lost, t.lost);
    if (!t.samples && !t.lost && !pl_drain_is_written(r->drain))
        return;
    if (!t.samples && !t.lost) {
        pl_cli_say(
            "nothing recorded: %s ended before its first sample, or is a program "
            "the recorder does not get into",
            r->argv[0]);
        return;
    }
    if (t.abandoned)
        snprintf(left, sizeof left, " (%lld still running)", (long long)t.abandoned);
    pl_cli_say("%s sample%s, %lld thread%s, %lld process%s%s, %s lost, in %s; "
               "see: proflite%s top",
               samples, pl_term_plural(t.samples), (long long)t.threads,
               pl_term_plural(t.threads), (long long)t.sessions,
               t.sessions == 1 ? "" : "es", left, lost, pl_store_path(r->store),
               pl_cli_db_flag(r->cli));
}

static void process(struct record *r)
{
    struct pl_error err = {0};
    struct pl_pass_result result;
    enum pl_status status =
        pl_cli_pass_run(r->store, NULL, PASS_PATIENCE_MS, &result, &err);
    if (status)
        pl_cli_say("record: %s; names will come with: proflite%s process", err.message,
                   pl_cli_db_flag(r->cli));
    else if (result.stopped)
        pl_cli_say("record: not all is named yet; proflite%s process goes on",
                   pl_cli_db_flag(r->cli));
}

static void finish(struct record *r)
{
    struct pl_error err = {0};
    process(r);
    if (pl_store_checkpoint(r->store, &err) != PL_OK && err.status != PL_BUSY)
        pl_cli_say("record: %s", err.message);
    summarize(r);
}

/* CMD's exit status, or 125 to 127 when it never ran. */
static int record_command(struct record *r)
{
    struct pl_error err = {0};
    int exit_code = check_target(r);
    pl_supervise_guard(&r->supervisor);
    if (!exit_code)
        pl_cli_salvage(r->cli);
    if (!exit_code && pl_cli_open(r->cli, PL_STORE_CREATE, &r->store, &err))
        exit_code = store_failure(r, &err);
    if (!exit_code && open_recording(r, &err))
        exit_code = store_failure(r, &err);
    if (!exit_code)
        exit_code = start(r);
    if (exit_code) {
        close_recording(r);
        return exit_code;
    }
    pl_log_set_sink(NULL, PL_LOG_ERROR); /* the terminal is CMD's now */
    drain_until_end(r);
    pl_supervise_end(&r->supervisor);
    finish(r);
    close_recording(r);
    if (WIFSIGNALED(r->supervisor.wait_status))
        pl_supervise_die(WTERMSIG(r->supervisor.wait_status));
    return pl_wait_status_code(r->supervisor.wait_status);
}

static int run(struct pl_cli *cli, int argc, char **argv)
{
    static struct record r;
    int exit_code = 0;
    r.cli = cli;
    pl_launch_note_signals();
    if (!read_arguments(&r, argc, argv, &exit_code))
        return exit_code;
    return record_command(&r);
}

const struct pl_command pl_cmd_record = {
    .name = "record",
    .synopsis = "[OPTIONS] -- CMD [ARG...]",
    .summary = "Run a program and record where its time goes",
    .details =
        "Output, signals and exit status are the program's own: 128+N and the same\n"
        "signal when one ended it, 125 when recording failed, 126 and 127 when CMD\n"
        "cannot be run or is not there. Programs it starts are recorded, too.\n"
        "What no option says comes from PROFLITE_* or the config file: see config.",
    .examples = "proflite record -- make -j2\n"
                "proflite record --mode cpu -F 500 -o run.db -- ./server --port 80\n",
    .options = options,
    .leads_command = true,
    .run = run,
};
