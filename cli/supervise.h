/* Stand between a shell and the program it meant to run: pass signals on, stop and
 * continue with it, notice its end, end as it ended.
 *
 * All signals of interest are blocked and taken one by one with sigtimedwait, so
 * that none can interrupt the store. Signals of the terminal reach the program by
 * themselves (same process group); what is sent to us alone is sent on. */
#ifndef PL_CLI_SUPERVISE_H
#define PL_CLI_SUPERVISE_H

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

struct pl_supervisor {
    sigset_t watched, before; /* signals we take; the mask we were started with */
    bool sigchld_ignored;     /* when we were started: the program's, too */
    pid_t child;
    bool child_stopped;
    bool ended;
    int wait_status; /* when ended */
};

/* Take a closed pipe and a file-size limit as error codes, not as signals. Call before
 * the store is opened; the program starts without it. */
void pl_supervise_guard(struct pl_supervisor *supervisor);

/* Block the signals. Call right before the program is started, after the guard. */
void pl_supervise_begin(struct pl_supervisor *supervisor);

/* The program runs. */
void pl_supervise_child(struct pl_supervisor *supervisor, pid_t child);

/* Wait up to `timeout_ms` for something to happen and handle all that did. False
 * when the program has ended (it is reaped). */
bool pl_supervise_wait(struct pl_supervisor *supervisor, int timeout_ms);

/* Take INT, QUIT, HUP and TERM that came for a program already gone, then restore
 * the mask: later ones end us as usual. */
void pl_supervise_end(struct pl_supervisor *supervisor);

/* As a shell counts: the exit status, or 128 + the signal. */
int pl_wait_status_code(int wait_status);

/* Die of the signal the program died of, without a core file of ours. Returns only
 * if that failed. */
void pl_supervise_die(int signal_number);

#endif
