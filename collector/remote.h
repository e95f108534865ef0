/* Remote: unwind what the profiled program shipped as registers and a piece of
 * stack, with libunwind's remote accessors and the modules' files.
 *
 * libunwind is loaded privately at run time (its own names would answer the C++
 * exceptions of a program that links us); without it such a walk ends where it
 * began. Threads  one at a time. */
#ifndef PL_COLLECTOR_REMOTE_H
#define PL_COLLECTOR_REMOTE_H

#include "collector/drain_modules.h"
#include "collector/segment.h"

#include <stdbool.h>

struct pl_remote;

/* NULL when memory is short. Usable also where there is no libunwind. */
struct pl_remote *pl_remote_open(void);
void pl_remote_close(struct pl_remote *remote); /* NULL is fine */
bool pl_remote_available(const struct pl_remote *remote);

struct pl_remote_stack {
    const struct pl_registers *registers;
    const uint8_t *stack; /* from registers->sp rounded down to 8 */
    size_t stack_bytes;
    int64_t mono_ns; /* when */
};

/* Fill `pcs` (leaf first, PL_PC_EXACT as in struct pl_rec) with up to `most`
 * addresses, at least the first; returns how many. */
size_t pl_remote_unwind(struct pl_remote *remote,
                        const struct pl_drain_modules *modules,
                        const struct pl_remote_stack *stack, uint64_t *pcs, size_t most,
                        enum pl_walk_end *end_out);

const char *pl_remote_libunwind_version(void); /* that it was built with */

#endif
