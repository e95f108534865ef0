/* __sql: the program run again by `serve`, for one statement of somebody's SQL. Not
 * for people. */
#include "cli/cli.h"
#include "web/sql.h"

#include <unistd.h>

static int run(struct pl_cli *cli, int argc, char **argv)
{
    (void)cli;
    return argc == 2 ? pl_sql_worker_main(argv[1], STDIN_FILENO, STDOUT_FILENO)
                     : PL_EXIT_USAGE;
}

const struct pl_command pl_cmd_sql_worker = {
    .name = PL_SQL_ARGUMENT,
    .synopsis = "DB",
    .summary = "Run one statement for serve",
    .examples = "",
    .hidden = true,
    .run = run,
};
