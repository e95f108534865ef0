/* Name of a module's row file, worked out alike by the drain, which writes the
 * file, and by the sampler, which opens it. Signal-safe set: no libc calls. */
#ifndef PL_COLLECTOR_ROWS_KEY_H
#define PL_COLLECTOR_ROWS_KEY_H

#include <stdint.h>

#define PL_ROWS_KEY_TEXT 64 /* longest key, ".rows" and the NUL */

struct pl_rows_identity {
    const uint8_t *build_id;
    unsigned build_id_bytes; /* 0: the fields below tell the file */
    const char *path;
    uint64_t inode, size; /* as fstat says */
    int64_t mtime_ns;
};

static inline void pl_rows_key_hex(const uint8_t *bytes, unsigned count, char **text)
{
    for (unsigned i = 0; i < count; i++) {
        *(*text)++ = "0123456789abcdef"[bytes[i] >> 4];
        *(*text)++ = "0123456789abcdef"[bytes[i] & 15];
    }
}

static inline uint64_t pl_rows_key_mix(uint64_t hash, uint64_t word)
{
    for (int i = 0; i < 8; i++, word >>= 8)
        hash = (hash ^ (word & 255)) * UINT64_C(0x100000001b3);
    return hash;
}

/* "<build-id>.rows", or "p<hash>.rows" for a file without one. */
static inline void pl_rows_file_name(const struct pl_rows_identity *id,
                                     char name_out[static PL_ROWS_KEY_TEXT])
{
    char *text = name_out;
    if (id->build_id_bytes) {
        unsigned count = id->build_id_bytes > 20 ? 20 : id->build_id_bytes;
        pl_rows_key_hex(id->build_id, count, &text);
    } else {
        uint64_t hash = UINT64_C(0xcbf29ce484222325);
        for (const char *c = id->path; *c; c++)
            hash = (hash ^ (unsigned char)*c) * UINT64_C(0x100000001b3);
        hash = pl_rows_key_mix(hash, id->inode);
        hash = pl_rows_key_mix(hash, id->size);
        hash = pl_rows_key_mix(hash, (uint64_t)id->mtime_ns);
        uint8_t bytes[8];
        for (int i = 0; i < 8; i++)
            bytes[i] = (uint8_t)(hash >> (56 - 8 * i));
        *text++ = 'p';
        pl_rows_key_hex(bytes, 8, &text);
    }
    for (const char *c = ".rows"; *c; c++)
        *text++ = *c;
    *text = '\0';
}

#endif
