/* Bare thread: one that libc does not know of. Signal-safe set. */
#ifndef PL_COLLECTOR_BARE_THREAD_H
#define PL_COLLECTOR_BARE_THREAD_H

struct pl_sampler;

/* clone(2), whose child calls run(argument) on the new stack, with all it has, and then
 * ends itself with what that returns. Returns its number, or a negative errno. */
long pl_start_bare_thread(unsigned long flags, void *stack_top, void *parent_tid,
                          void *child_tid, void *tls, int (*run)(struct pl_sampler *),
                          struct pl_sampler *argument);

#endif
