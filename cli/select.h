/* The beginning every analysis command shares: read its options, open the store,
 * make the selection. */
#ifndef PL_CLI_SELECT_H
#define PL_CLI_SELECT_H

#include "cli/options.h"

struct pl_select {
    struct pl_options options; /* owns what the selection borrows */
    struct pl_selection selection;
    struct pl_store *store;
};

/* `set` is called for each option of the command; not 0 is the exit code to end
 * with (a usage error it said). False with *exit_code when there is nothing more to
 * do; the caller frees in both cases. */
bool pl_select_open(struct pl_select *select, struct pl_cli *cli,
                    const struct pl_command *command, int argc, char **argv,
                    int (*set)(void *self, int option, const char *value), void *self,
                    int *exit_code);
void pl_select_close(struct pl_select *select);

/* "wall" or "cpu"; false if neither. */
bool pl_select_metric(const char *text, enum pl_metric *metric_out);

/* Nothing was found: say it, with what to do about it. The exit code. */
int pl_select_nothing(const struct pl_select *select, const char *what);

#endif
