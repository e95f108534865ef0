/* Arena: many small pieces of memory with one end of life.
 *
 * Lists and profiles that queries hand out keep all their text in one of these:
 * their `owned` pointer. One thread at a time; only the end of life of a shared one,
 * to which nothing is added any more, may come in any thread. */
#ifndef PL_STORE_ARENA_H
#define PL_STORE_ARENA_H

#include <stddef.h>

struct pl_arena;

struct pl_arena *pl_arena_new(void); /* NULL: out of memory */
void pl_arena_free(
    struct pl_arena *arena); /* and all that came from it; NULL is fine */

/* One holder more, who frees it, too; the last to do so does. Returns it. */
struct pl_arena *pl_arena_share(struct pl_arena *arena);

/* `size` bytes, zeroed, aligned for any type; NULL when memory ran out. */
void *pl_arena_alloc(struct pl_arena *arena, size_t size);

/* `count` items of `size` bytes each, zeroed. */
void *pl_arena_array(struct pl_arena *arena, size_t count, size_t size);

/* A copy of `text` (NULL gives NULL); NULL when memory ran out. */
const char *pl_arena_text(struct pl_arena *arena, const char *text);

#endif
