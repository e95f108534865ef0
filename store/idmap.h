/* Row id -> place in an array (0, 1, 2, ... in the order ids were added).
 *
 * Ids of one dictionary lie close together: up to DIRECT_SPAN of them are looked up
 * in a plain array, more (or ids beyond the range a file claims) in a hash table.
 * Ids are 1 .. UINT32_MAX - 1. One thread at a time. */
#ifndef PL_STORE_IDMAP_H
#define PL_STORE_IDMAP_H

#include "base/error.h"
#include "base/hash.h"

#include <stdbool.h>
#include <stdint.h>

#define PL_IDMAP_NONE UINT32_MAX

struct pl_idmap {
    uint32_t *direct; /* [id - first] -> place + 1; 0 none */
    uint32_t first, span;
    uint32_t *hashed; /* -> place + 1 */
    uint32_t hashed_mask, hashed_count;
    uint32_t *ids; /* place -> id */
    uint32_t count, cap;
};

/* Expect ids of first..last (a hint; 0, 0 if unknown). Caller's storage. */
PL_MUST_CHECK bool pl_idmap_init(struct pl_idmap *map, int64_t first, int64_t last);
void pl_idmap_deinit(struct pl_idmap *map);
void pl_idmap_clear(struct pl_idmap *map); /* forget all ids, keep the memory */

/* Slow halves of the two below. */
uint32_t pl_idmap_find_hashed(const struct pl_idmap *map, uint32_t id);
uint32_t pl_idmap_insert(struct pl_idmap *map, uint32_t id);

/* The place of `id`, PL_IDMAP_NONE if it was never added. */
static inline uint32_t pl_idmap_find(const struct pl_idmap *map, uint32_t id)
{
    uint32_t at = id - map->first;
    return at < map->span ? map->direct[at] - 1 : pl_idmap_find_hashed(map, id);
}

/* The place of `id`, added if need be (it is then count - 1); PL_IDMAP_NONE when
 * memory ran out. */
static inline uint32_t pl_idmap_add(struct pl_idmap *map, uint32_t id)
{
    uint32_t place = pl_idmap_find(map, id);
    return place != PL_IDMAP_NONE ? place : pl_idmap_insert(map, id);
}

#endif
