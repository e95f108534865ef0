/* Vclock: the time, as the kernel tells it.
 *
 * libc's clock_gettime may not be what answers to that name: sanitizers and libraries
 * that fake the time put their own before it, made for the threads and places libc
 * knows. The sampler and the signal handler are neither, and the drain compares their
 * times with its own. Signal-safe set. */
#ifndef PL_COLLECTOR_VCLOCK_H
#define PL_COLLECTOR_VCLOCK_H

#include <stdint.h>

/* Once, before the first use by others: `image` is the vDSO, getauxval() says where;
 * 0 if there is none. Every clock is a system call before. */
void pl_vclock_init(uintptr_t image);

/* CLOCK_MONOTONIC or CLOCK_REALTIME. */
int64_t pl_vclock_ns(int clock);

#endif
