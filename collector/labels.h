/* Labels: what the calling thread says about itself, written into its block of the
 * label table (label_table.h). No call here takes a lock or makes a system call but a
 * thread's first; none may be made in a signal handler.
 *
 * Spans also keep count of the roots among them, which is what the trace lifecycle
 * goes by: a root is a span begun while its thread had none. */
#ifndef PL_COLLECTOR_LABELS_H
#define PL_COLLECTOR_LABELS_H

#include "collector/label_table.h"
#include "collector/proflite.h"

/* Write to `table` from now on; NULL: to none, calls do nothing. What was written
 * under an earlier use is over. Threads  one at a time, others may be writing. */
void pl_labels_use(struct pl_label_table *table);

/* PROFLITE_OK, OFF, or INVALID: no key, or no room for one more. */
int pl_labels_set(const char *key, const char *value);
int pl_labels_name(const char *name);
proflite_span pl_labels_begin(const char *name);
void pl_labels_end(const proflite_span *span);

/* Root spans: how many were begun (it wraps), how many are open. */
uint32_t pl_labels_roots_begun(void);
uint32_t pl_labels_roots_open(void);

/* Called, once, by the next thread that begins a root span; NULL: none. */
void pl_labels_on_root(void (*call)(void));

/* Sleep until pl_labels_wake has been called since pl_labels_signals gave `seen`, or,
 * unless `begun` is NULL, more root spans were begun than it says; or until
 * `timeout_ns` is over (0: never). One thread. */
uint32_t pl_labels_signals(void);
void pl_labels_wait(uint32_t seen, int64_t timeout_ns, const uint32_t *begun);
void pl_labels_wake(void);

/* In the child of a fork: the parent's spans are not this process's. */
void pl_labels_fork_prepare(void);
void pl_labels_fork_child(void);

#endif
