/* A fast 64-bit hash of bytes for in-memory tables (not for hostile keys that
 * could be chosen to collide: tables must stay correct under collisions). */
#ifndef PL_BASE_HASH_H
#define PL_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

/* Mix one word into a running hash; start from any seed. */
static inline uint64_t pl_hash_mix(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ (hash >> 32);
}

uint64_t pl_hash_bytes(const void *bytes, size_t len);

#endif
