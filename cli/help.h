/* Help texts, made from the command tables. */
#ifndef PL_CLI_HELP_H
#define PL_CLI_HELP_H

#include "cli/cli.h"

#include <stdio.h>

extern const struct pl_option pl_global_options[];    /* end with name NULL */
extern const struct pl_option pl_selection_options[]; /* likewise */

void pl_help_all(FILE *out, const struct pl_command *const *commands);
void pl_help_command(FILE *out, const struct pl_command *command);
void pl_help_version(FILE *out, bool json);

#endif
