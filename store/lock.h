/* The writer lock: an exclusive flock on <path>-lock, held by whoever writes,
 * checkpoints or makes the file (docs/FORMAT.md, "Writers"). A killed holder's lock
 * goes with it. */
#ifndef PL_STORE_LOCK_H
#define PL_STORE_LOCK_H

#include "base/error.h"

#include <stdbool.h>

/* *fd_out, -1 on error, is the caller's to close; `path` is that of the store.
 * Errors  IO; NOMEM. */
PL_MUST_CHECK enum pl_status pl_lock_open(const char *path, int *fd_out,
                                          struct pl_error *err);
/* False: somebody else had it all the time. */
PL_MUST_CHECK bool pl_lock_take(int fd, int patience_ms);
void pl_lock_release(int fd);

/* False: somebody removed the lock file, others lock another one by now. */
PL_MUST_CHECK bool pl_lock_is_current(const char *path, int fd);

#endif
