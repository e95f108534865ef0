/* See idmap.h. */
#include "store/idmap.h"

#include <stdlib.h>
#include <string.h>

#define DIRECT_SPAN  ((int64_t)8 << 20) /* 32 MB of index, touched where used */
#define FIRST_HASHED 1024u

bool pl_idmap_init(struct pl_idmap *map, int64_t first, int64_t last)
{
    *map = (struct pl_idmap){.hashed_mask = FIRST_HASHED - 1};
    if (first >= 1 && last >= first && last < UINT32_MAX) {
        int64_t span = last - first + 1;
        map->first = (uint32_t)first;
        map->span = (uint32_t)(span < DIRECT_SPAN ? span : DIRECT_SPAN);
        map->direct = calloc(map->span, sizeof *map->direct);
    }
    map->hashed = calloc(FIRST_HASHED, sizeof *map->hashed);
    if (map->hashed && (map->direct || !map->span))
        return true;
    pl_idmap_deinit(map);
    return false;
}

void pl_idmap_deinit(struct pl_idmap *map)
{
    free(map->direct);
    free(map->hashed);
    free(map->ids);
    *map = (struct pl_idmap){0};
}

void pl_idmap_clear(struct pl_idmap *map)
{
    for (uint32_t i = 0; i < map->count; i++)
        if (map->ids[i] - map->first < map->span)
            map->direct[map->ids[i] - map->first] = 0;
    if (map->hashed_count)
        memset(map->hashed, 0, ((size_t)map->hashed_mask + 1) * sizeof *map->hashed);
    map->count = map->hashed_count = 0;
}

static uint32_t probe(const struct pl_idmap *map, uint32_t id)
{
    uint32_t at = (uint32_t)pl_hash_mix(0, id) & map->hashed_mask;
    while (map->hashed[at] && map->ids[map->hashed[at] - 1] != id)
        at = (at + 1) & map->hashed_mask;
    return at;
}

uint32_t pl_idmap_find_hashed(const struct pl_idmap *map, uint32_t id)
{
    return map->hashed[probe(map, id)] - 1;
}

static bool grow_hashed(struct pl_idmap *map)
{
    uint32_t *old = map->hashed, old_mask = map->hashed_mask;
    if (old_mask > UINT32_MAX / 4)
        return false;
    uint32_t *hashed = calloc(((size_t)old_mask + 1) * 2, sizeof *hashed);
    if (!hashed)
        return false;
    map->hashed = hashed;
    map->hashed_mask = old_mask * 2 + 1;
    for (uint32_t i = 0; i <= old_mask; i++)
        if (old[i])
            map->hashed[probe(map, map->ids[old[i] - 1])] = old[i];
    free(old);
    return true;
}

uint32_t pl_idmap_insert(struct pl_idmap *map, uint32_t id)
{
    if (map->count == map->cap) {
        uint32_t cap = map->cap ? map->cap * 2 : 1024;
        uint32_t *ids = cap > map->cap ? realloc(map->ids, cap * sizeof *ids) : NULL;
        if (!ids)
            return PL_IDMAP_NONE;
        map->ids = ids;
        map->cap = cap;
    }
    if (id - map->first < map->span) {
        map->direct[id - map->first] = map->count + 1;
    } else {
        if (map->hashed_count >= map->hashed_mask / 2 && !grow_hashed(map))
            return PL_IDMAP_NONE;
        map->hashed[probe(map, id)] = map->count + 1;
        map->hashed_count++;
    }
    map->ids[map->count] = id;
    return map->count++;
}
