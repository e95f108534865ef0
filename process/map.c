#include "process/map.h"

#include "base/hash.h"

#include <stdlib.h>
#include <string.h>

void pl_map_deinit(struct pl_map *map)
{
    free(map->keys);
    free(map->values);
    *map = (struct pl_map){0};
}

void pl_map_clear(struct pl_map *map)
{
    if (map->cap)
        memset(map->keys, 0, map->cap * sizeof map->keys[0]);
    map->count = 0;
}

static size_t slot_of(const struct pl_map *map, uint64_t key)
{
    size_t at = (size_t)pl_hash_mix(UINT64_C(0x13198a2e03707344), key) & (map->cap - 1);
    while (map->keys[at] != 0 && map->keys[at] != key)
        at = (at + 1) & (map->cap - 1);
    return at;
}

bool pl_map_get(const struct pl_map *map, uint64_t key, uint32_t *value_out)
{
    if (!map->cap)
        return false;
    size_t at = slot_of(map, key);
    if (map->keys[at] != key)
        return false;
    *value_out = map->values[at];
    return true;
}

static bool grow(struct pl_map *map)
{
    struct pl_map bigger = {.cap = map->cap ? map->cap * 2 : 64};
    bigger.keys = calloc(bigger.cap, sizeof bigger.keys[0]);
    bigger.values = calloc(bigger.cap, sizeof bigger.values[0]);
    if (!bigger.keys || !bigger.values) {
        pl_map_deinit(&bigger);
        return false;
    }
    for (size_t i = 0; i < map->cap; i++) {
        if (!map->keys[i])
            continue;
        size_t at = slot_of(&bigger, map->keys[i]);
        bigger.keys[at] = map->keys[i];
        bigger.values[at] = map->values[i];
    }
    bigger.count = map->count;
    pl_map_deinit(map);
    *map = bigger;
    return true;
}

bool pl_map_put(struct pl_map *map, uint64_t key, uint32_t value)
{
    if ((map->count + 1) * 4 > map->cap * 3 && !grow(map))
        return false;
    size_t at = slot_of(map, key);
    map->keys[at] = key;
    map->values[at] = value;
    map->count++;
    return true;
}
