/* What every command shares: the command table's row, the global options and the
 * way a command says that it failed.
 *
 * A command is one file `cmd_<verb>.c` with one `struct pl_command`; main.c lists
 * them. Data goes to stdout, talk to stderr, and a failure is one line there:
 * `proflite: <what>: <why>; <what next>`. */
#ifndef PL_CLI_CLI_H
#define PL_CLI_CLI_H

#include "base/buf.h"
#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Exit codes: those of pl_status_exit_code, and for `record` those of env(1). */
#define PL_EXIT_OK        0
#define PL_EXIT_NOT_FOUND 1
#define PL_EXIT_USAGE     2
#define PL_EXIT_IO        4

struct pl_command;

struct pl_cli {
    const struct pl_command *const *commands; /* ends with NULL */
    const char *db;                           /* --db; NULL: not given */
    bool json;
    char default_db[4096];
    char cache[4096];
};

/* One option of a command; a table of them ends with name NULL. */
struct pl_option {
    const char *name;  /* long form, without dashes */
    char letter;       /* short form, 0 none */
    const char *value; /* name of its value in the help; NULL: takes none */
    const char *help;
};

struct pl_command {
    const char *name;
    const char *synopsis; /* what follows the name */
    const char *summary;  /* one line */
    const char *details;  /* nullable: what the options do not say */
    const char *examples; /* lines of `proflite ...` */
    const struct pl_option *options;
    bool selects;       /* takes the selection options */
    bool json;          /* takes --json */
    bool leads_command; /* the first operand ends the options */
    bool hidden;
    int (*run)(struct pl_cli *cli, int argc, char **argv); /* argv[0] is the verb */
};

extern const struct pl_command pl_cmd_record, pl_cmd_ls, pl_cmd_top, pl_cmd_functions,
    pl_cmd_flame, pl_cmd_callers, pl_cmd_diff, pl_cmd_query, pl_cmd_process,
    pl_cmd_serve, pl_cmd_dsn, pl_cmd_gc, pl_cmd_check, pl_cmd_symbols_worker,
    pl_cmd_sql_worker, pl_cmd_config, pl_cmd_export, pl_cmd_symbols, pl_cmd_forward,
    pl_cmd_doctor;

/* Path of the store: --db, PROFLITE_DB, the config file's, the XDG default. NULL with
 * `err` (USAGE) when there is no home to put it. Borrowed from `cli`. */
const char *pl_cli_db(struct pl_cli *cli, struct pl_error *err);

/* Put into the store what recorders left that died before they could, and say so.
 * Failing, everything goes on: what was left stays for the next time. */
void pl_cli_salvage(struct pl_cli *cli);

/* Where something may be kept that can be made again: a path under the XDG cache
 * folder, or NULL. Borrowed from `cli` until the next call. */
const char *pl_cli_cache(struct pl_cli *cli, const char *name);

/* Open the store of the command line. NOT_FOUND says how to make one. */
PL_MUST_CHECK enum pl_status pl_cli_open(struct pl_cli *cli, enum pl_store_mode mode,
                                         struct pl_store **store_out,
                                         struct pl_error *err);

/* "proflite: ..." on stderr, control characters made harmless. */
void pl_cli_say(const char *format, ...) PL_PRINTF(1, 2);

/* Write the buffer and empty it. Errors  IO; NOMEM when it had failed. */
PL_MUST_CHECK enum pl_status pl_cli_print(struct pl_buf *buf, FILE *out,
                                          struct pl_error *err);

/* Write a whole JSON document to stdout, and free the buffer. */
#define PL_CLI_DOCUMENT_BYTES ((size_t)1 << 30) /* most of one */
PL_MUST_CHECK enum pl_status pl_cli_print_document(struct pl_buf *buf,
                                                   struct pl_error *err);

/* Say what `err` says and return its exit code. */
int pl_cli_fail(const struct pl_error *err);

/* Say a usage error of `command` (NULL: of proflite) and where the help is. */
int pl_cli_usage(const struct pl_command *command, const char *format, ...)
    PL_PRINTF(2, 3);

/* --db to repeat in a suggested command: " --db PATH", or "" when the path is
 * what proflite finds by itself. Static storage. */
const char *pl_cli_db_flag(const struct pl_cli *cli);

#endif
