/* Ring: records in, records out, over the end of the buffer and when it is full. */
#include "collector/ring.h"

#include "tests/test.h"

#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#define SIZE 1024u

static uint64_t storage[SIZE / 8];
static _Atomic uint64_t head, tail;
static const struct pl_ring ring = {(uint8_t *)storage, SIZE, &head, &tail};

static void reset(void)
{
    memset(storage, 0, sizeof storage);
    atomic_store(&head, 0);
    atomic_store(&tail, 0);
}

static bool put(uint32_t bytes, uint32_t tick)
{
    struct pl_ring_space space;
    if (!pl_ring_reserve(&ring, bytes, &space))
        return false;
    struct pl_rec rec = {.bytes = bytes, .kind = PL_REC_STACK, .tick = tick};
    memset(space.at, (int)(tick & 0xff), bytes);
    memcpy(space.at, &rec, sizeof rec);
    pl_ring_commit(&ring, &space, bytes);
    return true;
}

/* The consumer's half, as segment.h describes it. Returns the tick, or -1. */
static int64_t take(uint32_t *bytes_out)
{
    uint64_t to = atomic_load_explicit(&head, memory_order_acquire);
    uint64_t at = atomic_load(&tail);
    while (at != to) {
        const uint8_t *place = ring.bytes + (at & (SIZE - 1));
        uint32_t bytes;
        memcpy(&bytes, place, sizeof bytes);
        if (place[4] == PL_REC_PAD) {
            at += bytes;
            atomic_store(&tail, at);
            continue;
        }
        struct pl_rec rec;
        memcpy(&rec, place, sizeof rec);
        for (uint32_t i = sizeof rec; i < bytes; i++) {
            if (place[i] != (rec.tick & 0xff))
                return -2;
        }
        if (bytes_out)
            *bytes_out = bytes;
        atomic_store_explicit(&tail, at + bytes, memory_order_release);
        return rec.tick;
    }
    return -1;
}

static void test_wrap(void)
{
    reset();
    for (uint32_t i = 0; i < 1000; i++) {
        uint32_t bytes = 32 + 8 * (i % 37), got = 0;
        CHECK(put(bytes, i), "record %u", i);
        int64_t tick = take(&got);
        CHECK(tick == i, "record %u: tick %ld", i, (long)tick);
        CHECK(got == bytes, "record %u: %u bytes", i, got);
    }
    CHECK(take(NULL) == -1);
}

static void test_full(void)
{
    reset();
    uint32_t count = 0;
    while (put(64, count))
        count++;
    CHECK(count == SIZE / 64, "%u records", count);
    CHECK(!put(32, 0));
    CHECK(take(NULL) == 0);
    CHECK(put(64, count));
    for (uint32_t i = 1; i <= count; i++)
        CHECK(take(NULL) == i);
    CHECK(take(NULL) == -1);
}

/* What does not fit at the end goes to the start; a pad says so, even of 8 bytes. */
static void test_pad(void)
{
    for (uint32_t left = 8; left < 64; left += 8) {
        reset();
        CHECK(put(SIZE / 2, 1) && take(NULL) == 1);
        CHECK(put(SIZE / 2 - left, 2) && take(NULL) == 2);
        CHECK(put(64, 3), "%u left", left);
        CHECK(atomic_load(&head) == SIZE + 64, "%u left", left);
        CHECK(take(NULL) == 3, "%u left", left);
    }
    reset(); /* no room behind the pad: nothing changes */
    CHECK(put(SIZE / 2, 1) && put(SIZE / 2 - 40, 2));
    CHECK(!put(64, 3));
    CHECK(put(40, 4));
    CHECK(!put(32, 5));
}

static void test_hostile_tail(void)
{
    const uint64_t tails[] = {8, SIZE * 4, UINT64_MAX, UINT64_C(1) << 63};
    for (size_t i = 0; i < sizeof tails / sizeof tails[0]; i++) {
        reset();
        atomic_store(&tail, tails[i]);
        struct pl_ring_space space;
        if (pl_ring_reserve(&ring, 64, &space)) {
            CHECK(space.at >= ring.bytes && space.at + space.room <= ring.bytes + SIZE,
                  "tail %lu", (unsigned long)tails[i]);
        }
    }
}

static void test_uncommitted(void)
{
    struct pl_ring_space space;
    reset();
    CHECK(pl_ring_reserve(&ring, 512, &space));
    CHECK(take(NULL) == -1);
    CHECK(pl_ring_reserve(&ring, 64, &space) && space.head == 0);
}

#define MANY 200000u

static void *produce(void *unused)
{
    for (uint32_t i = 0; i < MANY;)
        i += put(32 + 8 * (i % 23), i) ? 1 : 0;
    return unused;
}

static void test_threads(void)
{
    pthread_t thread;
    uint32_t expected = 0, wrong = 0;
    reset();
    pthread_create(&thread, NULL, produce, NULL);
    while (expected < MANY) {
        int64_t tick = take(NULL);
        if (tick != -1)
            wrong += tick != expected++;
    }
    pthread_join(thread, NULL);
    CHECK(wrong == 0, "%u records", wrong);
}

TEST_MAIN({"wrap", test_wrap}, {"full", test_full}, {"pad", test_pad},
          {"hostile_tail", test_hostile_tail}, {"uncommitted", test_uncommitted},
          {"threads", test_threads})
