/* Text from outside on its way into the file: valid UTF-8, bounded, one owner. */
#ifndef PL_STORE_TEXT_H
#define PL_STORE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* Most bytes kept of a text, by what it is. */
enum {
    PL_TEXT_NAME = 256,      /* app, release, thread, label key, ... */
    PL_TEXT_FUNCTION = 4096, /* demangled C++ is long */
    PL_TEXT_PATH = 4096,
    PL_TEXT_VALUE = 1024,
};

/* Owner of the cleaned copies; all zero is an empty one. */
struct pl_text_pool {
    struct pl_text_block *blocks;
    bool failed; /* out of memory: check once, before use */
};

/* `text` itself if it is fine as it is, else a copy: bytes that are not UTF-8
 * become U+FFFD, and what is longer than `limit` bytes is cut between two
 * characters and ends in an ellipsis. NULL stays NULL. */
const char *pl_text_clean(struct pl_text_pool *pool, const char *text, size_t limit);

void pl_text_pool_deinit(struct pl_text_pool *pool);

#endif
