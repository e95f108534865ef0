/* The writer's cache of native frames the file is known to have: key -> id. */
#ifndef PL_STORE_FRAME_CACHE_H
#define PL_STORE_FRAME_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pl_frame_key {
    int64_t module_id;
    uint64_t address;
    bool exact;
};

/* All zero is empty; cap is a power of two, at most half used. */
struct pl_frame_cache {
    struct pl_frame_entry *entries;
    size_t count, cap;
};

void pl_frame_cache_deinit(struct pl_frame_cache *cache);

/* 0: not in the cache. */
uint32_t pl_frame_cache_find(const struct pl_frame_cache *cache,
                             struct pl_frame_key key);

/* The key is asked for soon: have its memory come. */
void pl_frame_cache_expect(const struct pl_frame_cache *cache, struct pl_frame_key key);

/* Out of memory only costs a later look-up. */
void pl_frame_cache_add(struct pl_frame_cache *cache, struct pl_frame_key key,
                        uint32_t id);

#endif
