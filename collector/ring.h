/* Ring: records from one producer to one consumer through shared memory.
 *
 * The producer's half of the protocol segment.h describes. A record is written in
 * place: reserve the most it may need, fill it, commit what it took. Nothing is
 * visible before the commit, and a reservation that is never committed (the
 * process was killed) leaves no trace. Signal-safe set: no calls, no locks. */
#ifndef PL_COLLECTOR_RING_H
#define PL_COLLECTOR_RING_H

#include "collector/segment.h"

#include <stddef.h>

struct pl_ring {
    uint8_t *bytes;
    uint32_t size; /* power of two */
    _Atomic uint64_t *head;
    _Atomic uint64_t *tail;
};

struct pl_ring_space {
    uint8_t *at;   /* where the record goes */
    uint64_t head; /* its place in the count of bytes */
    uint32_t room; /* bytes there, in one piece; multiple of 8 */
};

/* Bytes that may be written at `head` in one piece. A tail that makes no sense
 * (the segment is shared) counts as a full ring. */
static inline uint32_t pl_ring_room(const struct pl_ring *ring, uint64_t head,
                                    uint64_t tail)
{
    uint64_t used = head - tail;
    if (used > ring->size)
        return 0;
    uint64_t to_end = ring->size - (head & (ring->size - 1));
    uint64_t free_bytes = ring->size - used;
    return (uint32_t)(to_end < free_bytes ? to_end : free_bytes);
}

/* Find room for `need` bytes (multiple of 8, at least sizeof(struct pl_rec)) in
 * one piece; false when the ring is full. */
static inline _Bool pl_ring_reserve(const struct pl_ring *ring, uint32_t need,
                                    struct pl_ring_space *space_out)
{
    uint64_t head = atomic_load_explicit(ring->head, memory_order_relaxed);
    uint64_t tail = atomic_load_explicit(ring->tail, memory_order_acquire);
    uint64_t to_end = ring->size - (head & (ring->size - 1));
    if (to_end < need) {
        if (pl_ring_room(ring, head, tail) < to_end ||
            pl_ring_room(ring, head + to_end, tail) < need)
            return 0;
        /* The pad becomes visible together with the record that follows it. */
        struct pl_rec *pad =
            (struct pl_rec *)(void *)(ring->bytes + (head & (ring->size - 1)));
        pad->bytes = (uint32_t)to_end;
        pad->kind = PL_REC_PAD;
        head += to_end;
    }
    uint32_t room = pl_ring_room(ring, head, tail);
    if (room < need)
        return 0;
    space_out->at = ring->bytes + (head & (ring->size - 1));
    space_out->head = head;
    space_out->room = room & ~7u;
    return 1;
}

static inline void pl_ring_commit(const struct pl_ring *ring,
                                  const struct pl_ring_space *space, uint32_t bytes)
{
    atomic_store_explicit(ring->head, space->head + bytes, memory_order_release);
}

/* Count one loss or one walk end; each counter has a single writer at a time. */
static inline void pl_count(_Atomic uint64_t *counter, uint64_t n)
{
    atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

#endif
