/* What the symbol worker gives up before it reads anything. */
#ifndef PL_PROCESS_WORKER_CONFINE_H
#define PL_PROCESS_WORKER_CONFINE_H

#include <stdint.h>

/* Closes all descriptors but these and the standard ones; no core, no writing to files,
 * no new privileges. */
void pl_worker_confine(int fd_in, int fd_out);

/* Lower a resource limit (RLIMIT_...) as far as it may be. */
void pl_worker_limit(int what, uint64_t value);

#endif
