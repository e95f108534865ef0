#include "store/frame_cache.h"

#include "base/hash.h"

#include <stdlib.h>

struct pl_frame_entry {
    struct pl_frame_key key;
    uint32_t id; /* 0: free */
};

void pl_frame_cache_deinit(struct pl_frame_cache *cache)
{
    free(cache->entries);
    *cache = (struct pl_frame_cache){0};
}

static size_t first_place(const struct pl_frame_cache *cache, struct pl_frame_key key)
{
    uint64_t hash = pl_hash_mix((uint64_t)key.module_id * 2 + key.exact, key.address);
    return pl_hash_mix(hash, 0) & (cache->cap - 1);
}

/* Where the key stands or would stand. */
static struct pl_frame_entry *locate(const struct pl_frame_cache *cache,
                                     struct pl_frame_key key)
{
    size_t mask = cache->cap - 1;
    for (size_t at = first_place(cache, key);; at = (at + 1) & mask) {
        struct pl_frame_entry *entry = &cache->entries[at];
        if (!entry->id ||
            (entry->key.address == key.address &&
             entry->key.module_id == key.module_id && entry->key.exact == key.exact))
            return entry;
    }
}

uint32_t pl_frame_cache_find(const struct pl_frame_cache *cache,
                             struct pl_frame_key key)
{
    return cache->cap ? locate(cache, key)->id : 0;
}

void pl_frame_cache_expect(const struct pl_frame_cache *cache, struct pl_frame_key key)
{
    if (cache->cap)
        __builtin_prefetch(&cache->entries[first_place(cache, key)]);
}

static bool grow(struct pl_frame_cache *cache)
{
    struct pl_frame_cache larger = {.cap = cache->cap ? 2 * cache->cap : 4096,
                                    .count = cache->count};
    larger.entries = calloc(larger.cap, sizeof *larger.entries);
    if (!larger.entries)
        return false;
    for (size_t i = 0; i < cache->cap; i++)
        if (cache->entries[i].id)
            *locate(&larger, cache->entries[i].key) = cache->entries[i];
    free(cache->entries);
    *cache = larger;
    return true;
}

void pl_frame_cache_add(struct pl_frame_cache *cache, struct pl_frame_key key,
                        uint32_t id)
{
    if (2 * (cache->count + 1) > cache->cap && !grow(cache))
        return;
    struct pl_frame_entry *entry = locate(cache, key);
    cache->count += !entry->id;
    *entry = (struct pl_frame_entry){key, id};
}
