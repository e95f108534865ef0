/* The store of the command line, and how a command says what went wrong. */
#include "cli/cli.h"

#include "base/config.h"
#include "cli/term.h"
#include "collector/salvage.h"

#include <errno.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *home_dir(void)
{
    const char *home = getenv("HOME");
    if (home && home[0] == '/')
        return home;
    const struct passwd *user = getpwuid(geteuid());
    return user ? user->pw_dir : NULL;
}

/* The config file's `db`; a file that makes no sense says nothing here, and is
 * complained about where options are read (`config`, `record`). */
static bool configured_db(struct pl_cli *cli)
{
    struct pl_config config;
    const struct pl_config_entry *entry = NULL;
    int len = -1;
    if (pl_config_read(&config, NULL) == PL_OK)
        entry = pl_config_find(&config, "db");
    if (entry && *entry->value)
        len = snprintf(cli->default_db, sizeof cli->default_db, "%s", entry->value);
    pl_config_deinit(&config);
    return len > 0 && (size_t)len < sizeof cli->default_db;
}

const char *pl_cli_db(struct pl_cli *cli, struct pl_error *err)
{
    const char *env = getenv("PROFLITE_DB"), *data = getenv("XDG_DATA_HOME");
    int len = -1;
    if (cli->db)
        return cli->db;
    if (env && env[0])
        return env;
    if (configured_db(cli))
        return cli->default_db;
    if (data && data[0] == '/') { /* the XDG rule: relative ones do not count */
        len = snprintf(cli->default_db, sizeof cli->default_db,
                       "%s/proflite/proflite.db", data);
    } else if (home_dir()) {
        len = snprintf(cli->default_db, sizeof cli->default_db,
                       "%s/.local/share/proflite/proflite.db", home_dir());
    }
    if (len < 0 || (size_t)len >= sizeof cli->default_db) {
        (void)pl_error_set(err, PL_USAGE,
                           "no place for the store: there is no home directory; give "
                           "one with --db FILE");
        return NULL;
    }
    return cli->default_db;
}

void pl_cli_salvage(struct pl_cli *cli)
{
    char samples[PL_TERM_SHORT];
    struct pl_error err = {0};
    struct pl_salvage_result found;
    const char *path = pl_cli_db(cli, &err);
    if (!path)
        return;
    if (pl_salvage(path, &found, &err) != PL_OK)
        pl_cli_say("cannot write what a killed recorder left: %s", err.message);
    if (found.recorders) {
        pl_term_count(samples, (int64_t)found.samples);
        pl_cli_say("wrote what a killed recorder left: %s sample%s of %u session%s",
                   samples, pl_term_plural((int64_t)found.samples), found.sessions,
                   pl_term_plural(found.sessions));
    }
    if (found.refused)
        pl_cli_say("a journal of a killed recorder made no sense: kept as "
                   "refused.journal in %s-journal.d",
                   path);
}

const char *pl_cli_cache(struct pl_cli *cli, const char *name)
{
    const char *cache = getenv("XDG_CACHE_HOME");
    int len = -1;
    if (cache && cache[0] == '/')
        len = snprintf(cli->cache, sizeof cli->cache, "%s/proflite/%s", cache, name);
    else if (home_dir())
        len = snprintf(cli->cache, sizeof cli->cache, "%s/.cache/proflite/%s",
                       home_dir(), name);
    return len >= 0 && (size_t)len < sizeof cli->cache ? cli->cache : NULL;
}

enum pl_status pl_cli_open(struct pl_cli *cli, enum pl_store_mode mode,
                           struct pl_store **store_out, struct pl_error *err)
{
    const char *path = pl_cli_db(cli, err);
    if (!path)
        return PL_USAGE;
    enum pl_status status = pl_store_open(path, mode, store_out, err);
    if (status == PL_NOT_FOUND)
        return pl_error_set(err, PL_NOT_FOUND,
                            "no store at %s; make one with: proflite%s record -- CMD",
                            path, pl_cli_db_flag(cli));
    return status;
}

/* Would a shell take the path as one plain word? */
static bool is_plain(const char *path)
{
    return path[strspn(path, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                             "0123456789_-+=./,:@%")] == '\0';
}

const char *pl_cli_db_flag(const struct pl_cli *cli)
{
    static char flag[4200];
    if (!cli->db)
        return "";
    if (is_plain(cli->db))
        snprintf(flag, sizeof flag, " --db %s", cli->db);
    else if (!strchr(cli->db, '\''))
        snprintf(flag, sizeof flag, " --db '%s'", cli->db);
    else
        snprintf(flag, sizeof flag, " --db FILE");
    return flag;
}

static void say(const char *area, const char *format, va_list args, const char *next)
{
    char text[8192];
    struct pl_buf line;
    (void)vsnprintf(text, sizeof text, format, args);
    pl_buf_init(&line, 8 * sizeof text);
    pl_buf_puts(&line, "proflite: ");
    if (area)
        pl_buf_printf(&line, "%s: ", area);
    pl_term_clean(&line, text, strlen(text));
    pl_buf_puts(&line, next);
    pl_buf_putc(&line, '\n');
    if (!line.failed) /* one write, so that lines of several processes stay whole */
        (void)!write(STDERR_FILENO, line.data, line.len);
    pl_buf_deinit(&line);
}

void pl_cli_say(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    say(NULL, format, args, "");
    va_end(args);
}

enum pl_status pl_cli_print(struct pl_buf *buf, FILE *out, struct pl_error *err)
{
    if (buf->failed)
        return pl_error_set(err, PL_NOMEM, "out of memory for the output");
    if (buf->len && fwrite(buf->data, 1, buf->len, out) != buf->len)
        return pl_error_set(err, PL_IO, "cannot write the output: %s", strerror(errno));
    pl_buf_clear(buf);
    return PL_OK;
}

enum pl_status pl_cli_print_document(struct pl_buf *buf, struct pl_error *err)
{
    pl_buf_putc(buf, '\n');
    enum pl_status status = pl_cli_print(buf, stdout, err);
    pl_buf_deinit(buf);
    return status;
}

int pl_cli_fail(const struct pl_error *err)
{
    pl_cli_say("%s", err->message);
    return pl_status_exit_code(err->status);
}

int pl_cli_usage(const struct pl_command *command, const char *format, ...)
{
    char next[64];
    va_list args;
    snprintf(next, sizeof next, "; see: proflite %s%s-h", command ? command->name : "",
             command ? " " : "");
    va_start(args, format);
    say(command ? command->name : NULL, format, args, next);
    va_end(args);
    return PL_EXIT_USAGE;
}
