/* How the process keeps memory between uses. */
#ifndef PL_BASE_MEMORY_H
#define PL_BASE_MEMORY_H

/* For a process that answers one question after the other: each takes tens of
 * megabytes for a moment. What is freed is kept for the next one, up to 128 MiB, from
 * one arena for all threads. Call it first; it is for whole programs, never for a
 * library in somebody else's. */
void pl_memory_keep(void);

#endif
