/* Handler: what runs when a thread is asked for its stack. Signal-safe set. */
#ifndef PL_COLLECTOR_HANDLER_H
#define PL_COLLECTOR_HANDLER_H

#include <signal.h>
#include <stdbool.h>

/* Install the handler of our signal, remembering the one the host has.
 * 0, or a negative errno. */
int pl_handler_install(void);

/* sigaction() for our signal as the host is to see it: its own action, which is run
 * for signals that are not ours. Either may be NULL. Returns 0 or a negative
 * errno. Threads  any.  Signals  safe. */
int pl_handler_host_action(const struct sigaction *action, struct sigaction *old_out);

/* From PL_SIGNAL to PL_SPARE_SIGNAL, while nobody sends either; the host gets its own
 * action for PL_SIGNAL. */
void pl_handler_move(void);

bool pl_handler_installed(void);

/* In the child of a fork, whose other threads are gone with what they held. */
void pl_handler_after_fork(void);

#endif
