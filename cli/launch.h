/* Start a program with the recorder in it: find the library to preload, make the
 * environment, fork and exec. */
#ifndef PL_CLI_LAUNCH_H
#define PL_CLI_LAUNCH_H

#include "base/error.h"

#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

struct pl_launch {
    char **argv;         /* of the program, ends with NULL */
    const char *dir;     /* the recording folder */
    const char *preload; /* path of the library */
    bool cpu_mode;
    long hz;
    const char *max_overhead; /* as text; NULL: no limit */
    const sigset_t *mask;     /* signal mask the program starts with */
    bool sigchld_ignored;     /* it starts so */
};

/* libproflite-preload.so beside this executable, or where an install puts it.
 * Errors  NOT_FOUND. */
PL_MUST_CHECK enum pl_status pl_launch_find_preload(char path_out[static PATH_MAX],
                                                    struct pl_error *err);

/* LD_PRELOAD splits at spaces and colons: a path with one of them is replaced by
 * that of a link in `dir`'s parent, which stays as long as the machine runs. */
PL_MUST_CHECK enum pl_status
pl_launch_plain_path(const char *dir, char path[static PATH_MAX], struct pl_error *err);

/* Call before the first thread is made: libc then takes two signals for itself whose
 * dispositions the program shall have as they were. */
void pl_launch_note_signals(void);

/* Fork and exec. 0 with `pid_out`; else the exit code (125 to 127) with `err`, and
 * no child is left. Call with the signals of interest blocked: the child gets
 * `mask` back. Nothing but the environment is changed for it: no descriptor, no
 * process group, no signal disposition. */
int pl_launch_start(const struct pl_launch *launch, pid_t *pid_out,
                    struct pl_error *err);

#endif
