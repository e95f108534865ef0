/* The beginning every analysis command shares: read its options, open the store,
 * make the selection. */
#ifndef PL_CLI_SELECT_H
#define PL_CLI_SELECT_H

#include "cli/options.h"
#include "store/query_transform.h"

struct pl_select {
    struct pl_options options; /* owns what the selection borrows */
    struct pl_selection selection;
    struct pl_store *store;
    bool takes_operands; /* set before opening; else operands are refused */
};

/* `set` is called for each option of the command; not 0 is the exit code to end
 * with (a usage error it said). False with *exit_code when there is nothing more to
 * do; the caller frees in both cases. `select` is all zero but for takes_operands. */
bool pl_select_read(struct pl_select *select, struct pl_cli *cli,
                    const struct pl_command *command, int argc, char **argv,
                    int (*set)(void *self, int option, const char *value), void *self,
                    int *exit_code);

/* The same, and open the store. */
bool pl_select_open(struct pl_select *select, struct pl_cli *cli,
                    const struct pl_command *command, int argc, char **argv,
                    int (*set)(void *self, int option, const char *value), void *self,
                    int *exit_code);
void pl_select_close(struct pl_select *select);

/* "wall" or "cpu"; false if neither. */
bool pl_select_metric(const char *text, enum pl_metric *metric_out);

/* Help on --transform. */
#define PL_SELECT_TRANSFORMS                                                           \
    "Transforms: focus:NAME and callers:NAME (down and up from there), ignore:NAME\n"  \
    "(stacks with it leave), hide:NAME, collapse:NAME, recursion, in_app, modules,\n"  \
    "files, threads or labels:KEY (these become the first level), invert."

/* Add a transform; not 0 is the exit code of a usage error, which was said. */
int pl_select_transform(const struct pl_command *command,
                        struct pl_transform_list *list, const char *text);

/* Nothing was found: say it, with what to do about it. The exit code. */
int pl_select_nothing(const struct pl_select *select, const char *what);

#endif
