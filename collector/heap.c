/* Spans of 64 KiB, at addresses that are multiples of that: a pointer's span is found
 * by its upper bits. A span is cut into pieces of one size, or is the head of one
 * mapping for one request that is larger than pieces get.
 *
 * Invariants
 *  1. A span of pieces is in the list of its size while it has a free piece.
 *  2. A span without used pieces is unmapped, but for the few in `spare`.
 *  3. Of free pieces the one at the lowest address goes first, and what is free holds
 *     nothing of ours: whole pages of it can be given back at any time. */
#include "collector/heap.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#define SPAN_BYTES ((size_t)64 << 10)
#define PAGE_BYTES ((size_t)4 << 10)
#define MOST_PIECE ((size_t)16 << 10)
#define CLASSES    22u /* eight by 16 bytes, then two for each doubling */
#define WORDS      64u /* a bit for each piece of 16 bytes */
#define MOST_SPARE 4u
#define MOST_BYTES (SIZE_MAX / 4)

struct span {
    struct span *next, *before; /* of those with free pieces, or spare */
    size_t mapped_bytes;
    uint32_t piece_bytes; /* 0: all of it is one request's */
    uint32_t class;
    uint32_t count, used; /* pieces it has, and has handed out */
    uint32_t low;         /* no word of `taken` before this one has a bit to give */
    uint64_t taken[WORDS];
};

#define HEAD_BYTES ((sizeof(struct span) + 15) & ~(size_t)15)

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct span *with_room[CLASSES];
static struct span *spare;
static unsigned spare_count;
static size_t mapped_bytes;

/* ---- mappings ---- */

static void *map(size_t bytes)
{
    void *memory =
        mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

/* Mostly the next mapping lies where the last one left off, and is aligned. */
static struct span *map_span(size_t bytes)
{
    uint8_t *memory = map(bytes);
    if (memory && (uintptr_t)memory % SPAN_BYTES != 0) {
        (void)munmap(memory, bytes);
        memory = map(bytes + SPAN_BYTES);
        if (memory) {
            size_t before = -(uintptr_t)memory % SPAN_BYTES;
            if (before)
                (void)munmap(memory, before);
            (void)munmap(memory + before + bytes, SPAN_BYTES - before);
            memory += before;
        }
    }
    if (!memory) {
        errno = ENOMEM;
        return NULL;
    }
    struct span *span = (void *)memory;
    span->mapped_bytes = bytes;
    mapped_bytes += bytes;
    return span;
}

static void unmap_span(struct span *span)
{
    mapped_bytes -= span->mapped_bytes;
    (void)munmap(span, span->mapped_bytes);
}

static struct span *span_of(const void *memory)
{
    return (struct span *)((uintptr_t)memory & ~(uintptr_t)(SPAN_BYTES - 1));
}

/* ---- pieces ---- */

static uint32_t class_of(size_t bytes)
{
    size_t sixteenths = bytes ? (bytes - 1) / 16 : 0; /* rounded up, less one */
    if (sixteenths < 8)
        return (uint32_t)sixteenths;
    unsigned top = 63u - (unsigned)__builtin_clzll(sixteenths); /* 3 and more */
    return 8 + (top - 3) * 2 + (uint32_t)(sixteenths >> (top - 1) & 1);
}

static uint32_t bytes_of(uint32_t class)
{
    if (class < 8)
        return (class + 1) * 16;
    return (3 + (class - 8) % 2) << ((class - 8) / 2 + 2) << 4;
}

static void link_span(struct span **list, struct span *span)
{
    span->before = NULL;
    span->next = *list;
    if (*list)
        (*list)->before = span;
    *list = span;
}

static void unlink_span(struct span **list, struct span *span)
{
    if (span->before)
        span->before->next = span->next;
    else
        *list = span->next;
    if (span->next)
        span->next->before = span->before;
}

static struct span *new_span(uint32_t class)
{
    struct span *span = spare;
    if (span) {
        unlink_span(&spare, span);
        spare_count--;
    } else if (!(span = map_span(SPAN_BYTES))) {
        return NULL;
    }
    span->piece_bytes = bytes_of(class);
    span->class = class;
    span->count = (uint32_t)((SPAN_BYTES - HEAD_BYTES) / span->piece_bytes);
    span->used = span->low = 0;
    memset(span->taken, 0, sizeof span->taken);
    for (uint32_t i = span->count; i < 64 * WORDS; i++)
        span->taken[i / 64] |= UINT64_C(1) << i % 64;
    link_span(&with_room[class], span);
    return span;
}

static void *take_piece(uint32_t class)
{
    struct span *span = with_room[class] ? with_room[class] : new_span(class);
    if (!span)
        return NULL;
    while (span->taken[span->low] == UINT64_MAX)
        span->low++;
    uint32_t bit = (uint32_t)__builtin_ctzll(~span->taken[span->low]);
    span->taken[span->low] |= UINT64_C(1) << bit;
    if (++span->used == span->count)
        unlink_span(&with_room[class], span);
    return (uint8_t *)span + HEAD_BYTES + (span->low * 64 + bit) * span->piece_bytes;
}

static void give_piece(struct span *span, const void *memory)
{
    size_t offset = (size_t)((const uint8_t *)memory - (uint8_t *)span) - HEAD_BYTES;
    uint32_t index = (uint32_t)offset / span->piece_bytes;
    span->taken[index / 64] &= ~(UINT64_C(1) << index % 64);
    if (index / 64 < span->low)
        span->low = index / 64;
    if (span->used-- == span->count)
        link_span(&with_room[span->class], span);
    if (span->used)
        return;
    unlink_span(&with_room[span->class], span);
    if (spare_count < MOST_SPARE) {
        link_span(&spare, span);
        spare_count++;
    } else {
        unmap_span(span);
    }
}

/* Is nothing in use of the page that begins so far into the span? */
static bool is_page_free(const struct span *span, size_t offset)
{
    if (offset < HEAD_BYTES)
        return false;
    size_t first = (offset - HEAD_BYTES) / span->piece_bytes;
    size_t last = (offset + PAGE_BYTES - 1 - HEAD_BYTES) / span->piece_bytes;
    for (size_t i = first; i <= last && i < span->count; i++)
        if (span->taken[i / 64] >> i % 64 & 1)
            return false;
    return true;
}

static void trim_span(struct span *span)
{
    size_t from = 0, to = PAGE_BYTES;
    for (; to < SPAN_BYTES; to += PAGE_BYTES) {
        if (is_page_free(span, to))
            continue;
        if (to > from + PAGE_BYTES)
            (void)madvise((uint8_t *)span + from + PAGE_BYTES, to - from - PAGE_BYTES,
                          MADV_DONTNEED);
        from = to;
    }
    if (to > from + PAGE_BYTES)
        (void)madvise((uint8_t *)span + from + PAGE_BYTES, to - from - PAGE_BYTES,
                      MADV_DONTNEED);
}

/* ---- mappings of one request ---- */

static size_t whole_bytes(size_t bytes)
{
    return (HEAD_BYTES + bytes + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
}

static void *take_whole(size_t bytes)
{
    struct span *span = bytes > MOST_BYTES ? NULL : map_span(whole_bytes(bytes));
    if (!span) {
        errno = ENOMEM;
        return NULL;
    }
    span->piece_bytes = 0;
    return (uint8_t *)span + HEAD_BYTES;
}

/* Pages move, nothing is copied. */
static void *resize_whole(struct span *span, size_t bytes)
{
    size_t old = span->mapped_bytes, wanted = whole_bytes(bytes);
    if (wanted == old)
        return (uint8_t *)span + HEAD_BYTES;
    if (mremap(span, old, wanted, 0) == MAP_FAILED) {
        struct span *to = map_span(wanted);
        if (!to)
            return NULL;
        if (mremap(span, old, wanted, MREMAP_MAYMOVE | MREMAP_FIXED, to) ==
            MAP_FAILED) {
            unmap_span(to);
            errno = ENOMEM;
            return NULL;
        }
        mapped_bytes -= wanted; /* counted for `to` */
        span = to;
    }
    mapped_bytes += wanted - old;
    span->mapped_bytes = wanted;
    return (uint8_t *)span + HEAD_BYTES;
}

/* ---- calls ---- */

void *pl_heap_alloc(size_t bytes)
{
    pthread_mutex_lock(&lock);
    void *memory = bytes > MOST_PIECE ? take_whole(bytes) : take_piece(class_of(bytes));
    pthread_mutex_unlock(&lock);
    return memory;
}

void *pl_heap_zeroed(size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes)) {
        errno = ENOMEM;
        return NULL;
    }
    void *memory = pl_heap_alloc(bytes);
    if (memory && bytes <= MOST_PIECE) /* what is mapped for it is zero already */
        memset(memory, 0, bytes);
    return memory;
}

/* Pieces are replaced by others; what needs no lock: a span's size of pieces is as it
 * was while one of them is the caller's. */
void *pl_heap_resize(void *memory, size_t bytes)
{
    if (!memory)
        return pl_heap_alloc(bytes);
    struct span *span = span_of(memory);
    size_t old = span->piece_bytes;
    if (!old && bytes > MOST_PIECE) {
        if (bytes > MOST_BYTES) {
            errno = ENOMEM;
            return NULL;
        }
        pthread_mutex_lock(&lock);
        memory = resize_whole(span, bytes);
        pthread_mutex_unlock(&lock);
        return memory;
    }
    if (old && bytes <= MOST_PIECE && class_of(bytes) == span->class)
        return memory;
    if (!old)
        old = span->mapped_bytes - HEAD_BYTES;
    void *moved = pl_heap_alloc(bytes);
    if (moved) {
        memcpy(moved, memory, bytes < old ? bytes : old);
        pl_heap_free(memory);
    }
    return moved;
}

/* Keeps errno, as free does. */
void pl_heap_free(void *memory)
{
    if (!memory)
        return;
    struct span *span = span_of(memory);
    int error = errno;
    pthread_mutex_lock(&lock);
    if (span->piece_bytes)
        give_piece(span, memory);
    else
        unmap_span(span);
    pthread_mutex_unlock(&lock);
    errno = error;
}

void pl_heap_trim(void)
{
    pthread_mutex_lock(&lock);
    while (spare) {
        struct span *span = spare;
        unlink_span(&spare, span);
        unmap_span(span);
    }
    spare_count = 0;
    for (unsigned class = 0; class < CLASSES; class ++)
        for (struct span *span = with_room[class]; span; span = span->next)
            trim_span(span);
    pthread_mutex_unlock(&lock);
}

size_t pl_heap_mapped(void)
{
    pthread_mutex_lock(&lock);
    size_t bytes = mapped_bytes;
    pthread_mutex_unlock(&lock);
    return bytes;
}

void pl_heap_fork_prepare(void)
{
    pthread_mutex_lock(&lock);
}

void pl_heap_fork_done(void)
{
    pthread_mutex_unlock(&lock);
}
