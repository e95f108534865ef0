/* Growing arrays of the drain: one function instead of a container library. */
#ifndef PL_COLLECTOR_GROW_H
#define PL_COLLECTOR_GROW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* Make room for `need` items of `size` bytes in the array that `array` points to
 * (a pointer to any object pointer). False, and nothing changed, when memory or
 * `most` items do not allow it. */
static inline bool pl_grow(void *array, size_t *capacity, size_t need, size_t size,
                           size_t most)
{
    if (need <= *capacity)
        return true;
    size_t wanted = *capacity < 8 ? 16 : 2 * *capacity;
    if (wanted < need)
        wanted = need;
    if (need > most)
        return false;
    if (wanted > most)
        wanted = most;
    void *old;
    memcpy(&old, array, sizeof old);
    void *grown = realloc(old, wanted * size);
    if (!grown)
        return false;
    memcpy(array, &grown, sizeof grown);
    *capacity = wanted;
    return true;
}

#endif
