/* proflite: the command table and the loop that finds a command in it. */
#include "base/log.h"
#include "cli/cli.h"
#include "cli/help.h"
#include "cli/options.h"

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct pl_command *const commands[] = {
    &pl_cmd_record,
    &pl_cmd_ls,
    &pl_cmd_top,
    &pl_cmd_functions,
    &pl_cmd_flame,
    &pl_cmd_callers,
    &pl_cmd_diff,
    &pl_cmd_export,
    &pl_cmd_query,
    &pl_cmd_process,
    &pl_cmd_symbols,
    &pl_cmd_serve,
    &pl_cmd_dsn,
    &pl_cmd_forward,
    &pl_cmd_gc,
    &pl_cmd_check,
    &pl_cmd_config,
    &pl_cmd_doctor,
    &pl_cmd_symbols_worker,
    &pl_cmd_sql_worker,
    NULL,
};

static const struct pl_command *find_command(const char *name)
{
    for (size_t i = 0; commands[i]; i++)
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
    return NULL;
}

static int no_such_command(const char *name)
{
    const char *names[sizeof commands / sizeof commands[0]] = {NULL};
    size_t count = 0;
    for (size_t i = 0; commands[i]; i++)
        if (!commands[i]->hidden)
            names[count++] = commands[i]->name;
    const char *nearest = pl_options_nearest(name, names);
    if (nearest)
        return pl_cli_usage(NULL, "no such command: %s; did you mean %s?", name,
                            nearest);
    return pl_cli_usage(NULL, "no such command: %s", name);
}

/* Descriptors 0 to 2 must be taken, or a store opened later could be what an error
 * message is written to. Of ones that were closed each use fails as before (input
 * can only be written, output only read), and programs we run find them closed. */
static void reserve_standard_descriptors(void)
{
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
            (void)open("/dev/null", (fd ? O_RDONLY : O_WRONLY) | O_CLOEXEC);
}

static void log_line(enum pl_log_level level, const char *area, const char *line)
{
    (void)level;
    pl_cli_say("%s: %s", area, line);
}

/* Data that did not reach its reader is an error, too. */
static int close_output(int exit_code)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return exit_code;
    if (errno == EPIPE || exit_code) /* the reader has seen enough; it was said */
        return exit_code;
    pl_cli_say("cannot write the output: %s", strerror(errno));
    return PL_EXIT_IO;
}

static int run_command(struct pl_cli *cli, int argc, char **argv)
{
    const struct pl_command *command = find_command(argv[0]);
    if (!command && strcmp(argv[0], "help") == 0) {
        command = argc > 1 ? find_command(argv[1]) : NULL;
        if (argc > 1 && !command)
            return no_such_command(argv[1]);
        if (command)
            pl_help_command(stdout, command);
        else
            pl_help_all(stdout, commands);
        return PL_EXIT_OK;
    }
    return command ? command->run(cli, argc, argv) : no_such_command(argv[0]);
}

int main(int argc, char **argv)
{
    static struct pl_cli cli = {.commands = commands};
    static struct pl_options options;
    reserve_standard_descriptors();
    if (!setlocale(LC_CTYPE, ""))
        (void)setlocale(LC_CTYPE, "C.UTF-8");
    pl_log_set_sink(log_line, PL_LOG_WARN);
    pl_options_init(&options, &cli, NULL, argc, argv);
    int next = pl_options_next(&options);
    int first = options.first_operand, exit_code = options.exit_code;
    pl_options_deinit(&options);
    if (next != PL_OPTIONS_END)
        return close_output(exit_code);
    if (first >= argc) {
        pl_help_all(stderr, commands);
        return PL_EXIT_USAGE;
    }
    return close_output(run_command(&cli, argc - first, argv + first));
}
