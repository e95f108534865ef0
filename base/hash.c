#include "base/hash.h"

#include <string.h>

uint64_t pl_hash_bytes(const void *bytes, size_t len)
{
    const unsigned char *b = bytes;
    uint64_t hash = pl_hash_mix(UINT64_C(0x243f6a8885a308d3), len);
    for (; len >= 8; len -= 8, b += 8) {
        uint64_t word;
        memcpy(&word, b, 8);
        hash = pl_hash_mix(hash, word);
    }
    uint64_t tail = 0;
    if (len)
        memcpy(&tail, b, len);
    return pl_hash_mix(hash, tail);
}
