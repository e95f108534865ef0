/* A small hash map from 64-bit keys to 32-bit values, for caches keyed by an
 * address. Key 0 is not allowed. Growing only; one thread at a time. */
#ifndef PL_PROCESS_MAP_H
#define PL_PROCESS_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pl_map {
    uint64_t *keys;
    uint32_t *values;
    size_t count, cap; /* cap: power of two, or 0 */
};

void pl_map_deinit(struct pl_map *map);
void pl_map_clear(struct pl_map *map);
bool pl_map_get(const struct pl_map *map, uint64_t key, uint32_t *value_out);

/* False: out of memory. The key must not be there yet. */
bool pl_map_put(struct pl_map *map, uint64_t key, uint32_t value);

#endif
