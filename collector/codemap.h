/* Code map: which module's code lies where, and by which rows to unwind it.
 *
 * The sampler's: reads the mappings of the process, appends new modules to the
 * segment's log, opens their row files, and publishes the table the handler looks
 * addresses up in. Also finds the bounds of the threads' stacks, which the same
 * reading shows. */
#ifndef PL_COLLECTOR_CODEMAP_H
#define PL_COLLECTOR_CODEMAP_H

#include "collector/state.h"

struct pl_codemap;

/* A code map in the caller's memory of pl_codemap_bytes() zero bytes, page-aligned;
 * it makes no other. `dir` is borrowed; `main_address` is an address in the program
 * itself; `tid` the sampler. */
uint64_t pl_codemap_bytes(void);
struct pl_codemap *pl_codemap_init(void *memory, struct pl_state *state,
                                   const char *dir, uint64_t main_address);
void pl_codemap_set_tid(struct pl_codemap *map, int tid);

/* A thread has run: the mappings may be others by now. */
void pl_codemap_suspect(struct pl_codemap *map);

/* Read the mappings again if it is time to, open rows that are new, publish.
 * Returns true when the module log changed. */
bool pl_codemap_refresh(struct pl_codemap *map, int64_t now_ns, bool force);

/* Grows whenever more stacks can be unwound than before. */
uint32_t pl_codemap_version(const struct pl_codemap *map);

#endif
