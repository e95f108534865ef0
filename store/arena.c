/* Blocks in a list; a piece larger than a block gets a block of its own. */
#include "store/arena.h"

#include <stdalign.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_BYTES ((size_t)16 << 10)

struct block {
    struct block *next;
    alignas(max_align_t) unsigned char bytes[];
};

struct pl_arena {
    atomic_uint others;   /* holders beside the first */
    struct block *blocks; /* the first one is filled */
    unsigned char *free;  /* rest of the first block */
    size_t free_bytes;
};

struct pl_arena *pl_arena_new(void)
{
    return calloc(1, sizeof(struct pl_arena));
}

void pl_arena_free(struct pl_arena *arena)
{
    if (!arena || atomic_fetch_sub(&arena->others, 1))
        return;
    for (struct block *block = arena->blocks, *next; block; block = next) {
        next = block->next;
        free(block);
    }
    free(arena);
}

struct pl_arena *pl_arena_share(struct pl_arena *arena)
{
    atomic_fetch_add(&arena->others, 1);
    return arena;
}

static unsigned char *add_block(struct pl_arena *arena, size_t bytes)
{
    struct block *block = calloc(1, sizeof *block + bytes);
    if (!block)
        return NULL;
    block->next = arena->blocks;
    arena->blocks = block;
    return block->bytes;
}

void *pl_arena_alloc(struct pl_arena *arena, size_t size)
{
    const size_t align = alignof(max_align_t);
    if (size > SIZE_MAX / 2)
        return NULL;
    size = size ? (size + align - 1) & ~(align - 1) : align;
    if (size > arena->free_bytes) {
        size_t bytes = size > BLOCK_BYTES / 4 ? size : BLOCK_BYTES;
        unsigned char *fresh = add_block(arena, bytes);
        if (!fresh || bytes == size)
            return fresh;
        arena->free = fresh;
        arena->free_bytes = bytes;
    }
    void *piece = arena->free;
    arena->free += size;
    arena->free_bytes -= size;
    return piece;
}

void *pl_arena_array(struct pl_arena *arena, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes))
        return NULL;
    return pl_arena_alloc(arena, bytes);
}

const char *pl_arena_text(struct pl_arena *arena, const char *text)
{
    if (!text)
        return NULL;
    size_t bytes = strlen(text) + 1;
    char *copy = pl_arena_alloc(arena, bytes);
    return copy ? memcpy(copy, text, bytes) : NULL;
}
