/* __symbols: the program run again by the processing pass, to read debug
 * information where hostile files can do no harm. Not for people. */
#include "cli/cli.h"
#include "process/worker.h"

#include <unistd.h>

static int run(struct pl_cli *cli, int argc, char **argv)
{
    (void)cli;
    (void)argc;
    (void)argv;
    return pl_symbols_worker_main(STDIN_FILENO, STDOUT_FILENO);
}

const struct pl_command pl_cmd_symbols_worker = {
    .name = PL_WORKER_ARGUMENT,
    .synopsis = "",
    .summary = "Read debug information for the processing pass",
    .examples = "",
    .hidden = true,
    .run = run,
};
