/* serve: the viewer and its API on this machine, until INT or TERM.
 *
 * The signals are blocked before the server's threads are made, so that only this
 * thread ever takes one. */
#include "base/dsn.h"
#include "base/memory.h"
#include "cli/options.h"
#include "web/forward.h"
#include "web/server.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SALVAGE_EVERY_S 10
#define ORIGINS_MOST    16

enum {
    OPT_LISTEN,
    OPT_OPEN,
    OPT_NO_TOKEN,
    OPT_STATIC_DIR,
    OPT_TIMEOUT,
    OPT_STRICT_KEYS,
    OPT_ALLOW_ORIGIN,
    OPT_QUOTA,
    OPT_FORWARD,
    OPT_REDACT,
    OPT_RECEIVED,
};

static const struct pl_option options[] = {
    [OPT_LISTEN] = {"listen", 0, "HOST:PORT",
                    "where to listen (127.0.0.1:7717); port 0 takes a free one"},
    [OPT_OPEN] = {"open", 0, NULL, "open it in the browser"},
    [OPT_NO_TOKEN] = {"no-token", 0, NULL,
                      "whoever reaches the port may look (loopback)"},
    [OPT_STATIC_DIR] = {"static-dir", 0, "DIR", "the viewer's files from there"},
    [OPT_TIMEOUT] = {"timeout", 0, "SECONDS",
                     "most time for the names of one chunk (900)"},
    [OPT_STRICT_KEYS] = {"strict-keys", 0, NULL,
                         "take envelopes for keys of proflite dsn only"},
    [OPT_ALLOW_ORIGIN] = {"allow-origin", 0, "URL",
                          "web pages from there may send, too (repeatable; * any)"},
    [OPT_QUOTA] = {"quota", 0, "N", "envelopes a minute for each project (no limit)"},
    [OPT_FORWARD] = {"forward", 0, "DSN", "send all of it on to there (repeatable)"},
    [OPT_REDACT] = {"redact", 0, "RULE", "of what is forwarded (see forward -h)"},
    [OPT_RECEIVED] = {"received", 0, NULL, "with --redact: forward what came, too"},
    {NULL, 0, NULL, NULL},
};

extern char **environ;

/* The browser, found as desktops want it found. Its helper may live on. */
static void open_browser(const char *url, const sigset_t *mask)
{
    static char name[] = "xdg-open";
    char address[256];
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_t actions;
    pid_t pid;
    snprintf(address, sizeof address, "%s", url);
    char *argv[] = {name, address, NULL};
    if (posix_spawnattr_init(&attributes) != 0)
        return;
    if (posix_spawn_file_actions_init(&actions) != 0) {
        posix_spawnattr_destroy(&attributes);
        return;
    }
    int error = posix_spawnattr_setsigmask(&attributes, mask);
    if (!error)
        error = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    if (!error) /* what it prints is not our data */
        error = posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null",
                                                 O_WRONLY, 0);
    if (!error)
        error = posix_spawnp(&pid, name, &actions, &attributes, argv, environ);
    if (error)
        pl_cli_say("serve: cannot run xdg-open (%s); open the address yourself",
                   strerror(error));
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
}

static bool parse_quota(const char *text, uint32_t *quota_out)
{
    size_t len = strlen(text);
    if (!len || len > 9 || text[strspn(text, "0123456789")])
        return false;
    *quota_out = (uint32_t)strtoul(text, NULL, 10);
    return *quota_out > 0;
}

/* Options of ingest. False: a value makes no sense. */
static bool take_ingest_option(struct pl_server_options *server, int option,
                               const char *value)
{
    static const char *origins[ORIGINS_MOST];
    if (option == OPT_STRICT_KEYS)
        server->strict_keys = true;
    else if (option == OPT_QUOTA)
        return parse_quota(value, &server->ingest_per_minute);
    else if (server->ingest_origin_count == ORIGINS_MOST)
        return false;
    else
        origins[server->ingest_origin_count++] = value;
    server->ingest_origins = origins;
    return true;
}

/* Options of forwarding. False: a value makes no sense, which was said. */
static bool take_forward_option(struct pl_server_options *server,
                                struct pl_redact *redact, int option, const char *value,
                                int *exit_code)
{
    static const char *targets[PL_FORWARD_TARGETS];
    struct pl_dsn dsn;
    struct pl_error err = {0};
    enum pl_status status = PL_OK;
    if (option == OPT_RECEIVED)
        server->forward_received = true;
    else if (option == OPT_REDACT)
        status = pl_redact_add(redact, value, &err);
    else if (server->forward_count == PL_FORWARD_TARGETS)
        status = pl_error_set(&err, PL_USAGE, "more than %d targets to forward to",
                              PL_FORWARD_TARGETS);
    else if (!pl_dsn_parse(value, &dsn))
        status = pl_error_set(&err, PL_USAGE,
                              "--forward: not a DSN (http://KEY@HOST/PROJECT)");
    else
        targets[server->forward_count++] = value;
    server->forward = targets;
    if (status != PL_OK)
        *exit_code = pl_cli_usage(&pl_cmd_serve, "%s", err.message);
    return status == PL_OK;
}

/* False: a value makes no sense, which was said. */
static bool take_option(struct pl_server_options *server, int option, const char *value,
                        bool *browser, int *exit_code)
{
    long seconds = 0;
    if (option == OPT_LISTEN)
        server->listen = value;
    else if (option == OPT_OPEN)
        *browser = true;
    else if (option == OPT_NO_TOKEN)
        server->no_token = true;
    else if (option == OPT_STATIC_DIR)
        server->static_dir = value;
    else if (!pl_options_number(value, 1, 86400, &seconds))
        *exit_code = pl_cli_usage(&pl_cmd_serve,
                                  "--timeout %s is not 1 to 86400 seconds", value);
    if (option == OPT_TIMEOUT)
        server->symbolicate_ms = (int)seconds * 1000;
    return option != OPT_TIMEOUT || seconds;
}

/* False with *exit_code when there is nothing to serve. */
static bool read_arguments(struct pl_options *parser, struct pl_server_options *server,
                           struct pl_redact *redact, bool *browser, int *exit_code)
{
    int option;
    while ((option = pl_options_next(parser)) >= 0) {
        if (option >= OPT_FORWARD) {
            if (!take_forward_option(server, redact, option, parser->value, exit_code))
                return false;
            continue;
        }
        if (option >= OPT_STRICT_KEYS) {
            if (take_ingest_option(server, option, parser->value))
                continue;
            *exit_code = pl_cli_usage(&pl_cmd_serve, "--%s: no such value: %s",
                                      options[option].name, parser->value);
            return false;
        }
        if (!take_option(server, option, parser->value, browser, exit_code))
            return false;
    }
    bool go = option == PL_OPTIONS_END && pl_options_no_operands(parser);
    *exit_code = parser->exit_code;
    const char *target = getenv("PROFLITE_FORWARD");
    if (go && !server->forward_count && target && *target)
        go = take_forward_option(server, redact, OPT_FORWARD, target, exit_code);
    server->forward_redact = redact;
    server->forward_received = server->forward_received || !redact->count;
    return go;
}

/* A file that is there must be a store; one that is not may still come. */
static enum pl_status check_store(const char *path, bool *missing_out,
                                  struct pl_error *err)
{
    struct pl_store *store = NULL;
    enum pl_status status = pl_store_open(path, PL_STORE_READ, &store, err);
    pl_store_close(store);
    *missing_out = status == PL_NOT_FOUND;
    return *missing_out ? PL_OK : status;
}

/* Meanwhile recorders may die. */
static void wait_for_signal(struct pl_cli *cli, const sigset_t *signals)
{
    static const struct timespec pause = {.tv_sec = SALVAGE_EVERY_S};
    while (sigtimedwait(signals, NULL, &pause) < 0)
        if (errno == EAGAIN)
            pl_cli_salvage(cli);
}

static void announce(struct pl_cli *cli, const struct pl_server *server,
                     const char *missing)
{
    if (puts(pl_server_url(server)) < 0 || fflush(stdout) != 0)
        pl_cli_say("serve: cannot write the address: %s", strerror(errno));
    if (missing)
        pl_cli_say("serve: no store at %s yet; make it with: proflite%s record -- CMD",
                   missing, pl_cli_db_flag(cli));
}

static enum pl_status serve(struct pl_cli *cli,
                            const struct pl_server_options *server_options,
                            bool browser, struct pl_error *err)
{
    struct pl_server *server = NULL;
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigset_t signals, before;
    bool missing = false;
    pl_cli_salvage(cli);
    enum pl_status status = check_store(server_options->db_path, &missing, err);
    if (status)
        return status;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGHUP);
    sigaction(SIGPIPE, &ignore, NULL);
    sigprocmask(SIG_BLOCK, &signals, &before);
    status = pl_server_start(server_options, &server, err);
    if (!status) {
        announce(cli, server, missing ? server_options->db_path : NULL);
        if (browser)
            open_browser(pl_server_url(server), &before);
        wait_for_signal(cli, &signals);
    }
    sigprocmask(SIG_SETMASK, &before, NULL); /* a second Ctrl-C need not wait */
    pl_server_stop(server);
    return status;
}

static int run(struct pl_cli *cli, int argc, char **argv)
{
    struct pl_options parser;
    struct pl_server_options server = {0};
    struct pl_redact redact = {0};
    struct pl_error err = {0};
    enum pl_status status = PL_OK;
    bool browser = false;
    int exit_code = PL_EXIT_OK;
    pl_memory_keep();
    pl_options_init(&parser, cli, &pl_cmd_serve, argc, argv);
    if (read_arguments(&parser, &server, &redact, &browser, &exit_code)) {
        server.db_path = pl_cli_db(cli, &err);
        status = server.db_path ? serve(cli, &server, browser, &err) : PL_USAGE;
        if (status == PL_USAGE)
            exit_code = pl_cli_usage(&pl_cmd_serve, "%s", err.message);
        else if (status)
            exit_code = pl_cli_fail(&err);
    }
    pl_redact_deinit(&redact);
    pl_options_deinit(&parser);
    return exit_code;
}

const struct pl_command pl_cmd_serve = {
    .name = "serve",
    .synopsis = "[OPTIONS]",
    .summary = "Show the store in a browser",
    .details = "Prints one line, the address; INT and TERM end it. New recordings are\n"
               "processed and appear by themselves, and so does what Sentry SDKs\n"
               "send (proflite dsn).",
    .examples = "proflite serve --open\n"
                "proflite --db run.db serve --listen 127.0.0.1:0\n",
    .options = options,
    .run = run,
};
