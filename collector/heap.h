/* Heap: the memory of the linked library, apart from its host's.
 *
 * Everything in libproflite that asks for memory, SQLite too, gets it here (the names
 * malloc, free, ... are bound to these calls when it is linked: heap_calls.c). So the
 * host's allocator sees none of our work, our threads open no arenas of it, and what
 * writing a part of a minute took goes back to the system when it is written.
 *
 * Threads  any; one short lock. Around fork it is held, see below. Signals  none may
 * call this. Errors  NULL and ENOMEM. */
#ifndef PL_COLLECTOR_HEAP_H
#define PL_COLLECTOR_HEAP_H

#include <stddef.h>

void *pl_heap_alloc(size_t bytes); /* aligned for any type */
void *pl_heap_zeroed(size_t count, size_t size);
void *pl_heap_resize(void *memory, size_t bytes); /* NULL: as pl_heap_alloc */
void pl_heap_free(void *memory);                  /* NULL is fine */

/* Give back what is kept for the next request. */
void pl_heap_trim(void);

/* Bytes of address space taken now. */
size_t pl_heap_mapped(void);

/* From pthread_atfork handlers. */
void pl_heap_fork_prepare(void);
void pl_heap_fork_done(void); /* in parent and child */

#endif
