/* Controller: the thread that starts and stops sampling when it is not the program that
 * says so.
 *
 *   trace     root spans (labels.h): the first starts, one interval after the last
 * stops control   a file says start or stop delayed   auto-start in the child of a
 * fork, which may be about to execute another program instead
 *
 * Nothing that was asked for while it was busy is forgotten: it looks at what there is
 * before it sleeps, not at what it was told. */
#ifndef PL_COLLECTOR_CONTROLLER_H
#define PL_COLLECTOR_CONTROLLER_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

struct pl_controller;

struct pl_controller_options {
    bool trace;
    bool start_soon;     /* once, after some milliseconds */
    const char *control; /* NULL: none; borrowed until stop */
    int64_t interval_ns; /* of the sampling */
    bool (*start)(void); /* true: sampling now, whoever started it */
    void (*stop)(void);
};

/* Threads  one at a time.  Errors  IO, NOMEM: no thread. */
PL_MUST_CHECK enum pl_status
pl_controller_start(const struct pl_controller_options *options,
                    struct pl_controller **controller_out, struct pl_error *err);

/* Its thread, which is no thread of the program; 0 of NULL. */
int pl_controller_tid(const struct pl_controller *controller);

/* Ends the thread; sampling goes on as it is. Without locks its callbacks take. NULL is
 * fine. */
void pl_controller_stop(struct pl_controller *controller);

#endif
