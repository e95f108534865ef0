/* Options of one command line: the global ones, the selection ones and the
 * command's own, told apart by getopt_long; help made from the same tables. */
#ifndef PL_CLI_OPTIONS_H
#define PL_CLI_OPTIONS_H

#include "cli/cli.h"
#include "store/selection.h"

#include <getopt.h>

#define PL_OPTIONS_MAX 48

enum pl_options_next {
    PL_OPTIONS_END = -1,  /* all read: operands are argv[first_operand..] */
    PL_OPTIONS_DONE = -2, /* nothing left to do: return exit_code */
};

struct pl_options {
    struct pl_cli *cli;
    const struct pl_command *command; /* NULL: before the verb */
    int argc;
    char **argv;
    const char *value; /* of the option just returned */
    int first_operand;
    int exit_code;
    bool version;                       /* asked for */
    struct pl_selection_args selection; /* of a command that selects */
    struct option longs[PL_OPTIONS_MAX];
    char shorts[2 * PL_OPTIONS_MAX + 4];
};

/* Caller's storage; borrows argv. Free with pl_options_deinit. */
void pl_options_init(struct pl_options *options, struct pl_cli *cli,
                     const struct pl_command *command, int argc, char **argv);
void pl_options_deinit(struct pl_options *options);

/* Index of the next option in the command's table, or enum pl_options_next.
 * Global and selection options are taken care of on the way; errors are said. */
int pl_options_next(struct pl_options *options);

/* After PL_OPTIONS_END: false, said, and exit_code set, if operands are left. */
bool pl_options_no_operands(struct pl_options *options);

/* `text` as a whole number in [low, high]; false leaves `out` alone. */
bool pl_options_number(const char *text, long low, long high, long *out);

/* The name nearest to `word` by edit distance, or NULL if none is near. `names`
 * ends with NULL. */
const char *pl_options_nearest(const char *word, const char *const *names);

#endif
