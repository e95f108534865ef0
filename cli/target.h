/* What `record` is asked to run: the file execvp would take, and whether a
 * preloaded library gets into it. */
#ifndef PL_CLI_TARGET_H
#define PL_CLI_TARGET_H

#include "base/error.h"

#include <limits.h>

#define PL_EXIT_FAILURE   125 /* ours, as env(1) and timeout(1) count */
#define PL_EXIT_NOT_RUN   126
#define PL_EXIT_NOT_THERE 127

/* Find `name` as execvp does. 0, or the exit code with `err`. */
int pl_target_find(const char *name, char path_out[static PATH_MAX],
                   struct pl_error *err);

/* Follow `#!` lines and look at the program file.
 * Errors  UNSUPPORTED: the dynamic loader will not load our library into it
 * (static, set-id, another machine or C library); the message says which. What
 * cannot be read is taken to be fine: running it will tell. */
PL_MUST_CHECK enum pl_status pl_target_check(const char *path, struct pl_error *err);

#endif
