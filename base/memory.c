/* Given back, the pages of a query's arrays would be cleared anew by the kernel for the
 * next one, which costs as much as the query does. */
#include "base/memory.h"

#include <malloc.h>

#define MIB (1 << 20)

void pl_memory_keep(void)
{
    (void)mallopt(M_ARENA_MAX, 1);
    (void)mallopt(M_MMAP_THRESHOLD, 32 * MIB); /* the most there is */
    (void)mallopt(M_TRIM_THRESHOLD, 128 * MIB);
}
