#include "collector/cfi_bytes.h"

#include <stddef.h>
#include <string.h>

uint64_t pl_cfi_get(struct pl_cfi_bytes *b, unsigned bytes)
{
    uint64_t value = 0;
    if ((size_t)(b->end - b->at) < bytes) {
        b->bad = true;
        b->at = b->end;
        return 0;
    }
    memcpy(&value, b->at, bytes); /* little-endian, as x86-64 is */
    b->at += bytes;
    b->vaddr += bytes;
    return value;
}

uint64_t pl_cfi_uleb(struct pl_cfi_bytes *b)
{
    uint64_t value = 0, byte;
    unsigned shift = 0;
    do {
        byte = pl_cfi_get(b, 1);
        if (shift < 64)
            value |= (byte & 0x7f) << shift;
        shift += 7;
    } while (byte & 0x80 && !b->bad);
    return value;
}

int64_t pl_cfi_sleb(struct pl_cfi_bytes *b)
{
    uint64_t value = 0, byte;
    unsigned shift = 0;
    do {
        byte = pl_cfi_get(b, 1);
        if (shift < 64)
            value |= (byte & 0x7f) << shift;
        shift += 7;
    } while (byte & 0x80 && !b->bad);
    if (shift < 64 && byte & 0x40)
        value |= UINT64_MAX << shift;
    return (int64_t)value;
}

struct pl_cfi_bytes pl_cfi_slice(struct pl_cfi_bytes *b, uint64_t bytes)
{
    struct pl_cfi_bytes slice = *b;
    if (bytes > (uint64_t)(b->end - b->at)) {
        b->bad = slice.bad = true;
        bytes = 0;
        b->at = b->end;
    }
    slice.end = slice.at + bytes;
    if (!b->bad) {
        b->at += bytes;
        b->vaddr += bytes;
    }
    return slice;
}

uint64_t pl_cfi_pointer(struct pl_cfi_bytes *b, uint8_t encoding)
{
    uint64_t here = b->vaddr, value = 0;
    switch (encoding & 0x0f) {
    case 0x00: /* absptr */
    case 0x04: /* udata8 */
    case 0x0c: /* sdata8 */
        value = pl_cfi_get(b, 8);
        break;
    case 0x01:
        value = pl_cfi_uleb(b);
        break;
    case 0x02:
        value = pl_cfi_get(b, 2);
        break;
    case 0x03:
        value = pl_cfi_get(b, 4);
        break;
    case 0x09:
        value = (uint64_t)pl_cfi_sleb(b);
        break;
    case 0x0a:
        value = (uint64_t)(int64_t)(int16_t)pl_cfi_get(b, 2);
        break;
    case 0x0b:
        value = (uint64_t)(int64_t)(int32_t)pl_cfi_get(b, 4);
        break;
    default:
        b->bad = true;
    }
    switch (encoding & 0xf0) {
    case 0x00: /* absolute */
        return value;
    case 0x10: /* pc-relative */
        return here + value;
    default: /* text-, data-, function-relative, aligned, indirect */
        b->bad = true;
        return 0;
    }
}
