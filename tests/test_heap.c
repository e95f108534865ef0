/* Heap: memory handed out is the caller's alone, keeps what is in it, and goes back. */
#include "collector/heap.h"

#include "tests/test.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define ITEMS  3000u
#define ROUNDS 60000u

struct item {
    unsigned char *bytes;
    size_t size;
    unsigned char mark;
};

static uint64_t next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    return *state ^= *state << 17;
}

/* Sizes of all classes and beyond, small ones more often. */
static size_t any_size(uint64_t *state)
{
    uint64_t value = next(state);
    return (size_t)(next(state) % (UINT64_C(1) << (4 + value % 15)));
}

static bool is_whole(const struct item *item, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (item->bytes[i] != item->mark)
            return false;
    return true;
}

static void fill(struct item *item, size_t size, uint64_t *state)
{
    item->size = size;
    item->mark = (unsigned char)next(state);
    memset(item->bytes, item->mark, size);
}

/* One item, one step of its life; false if it lost what was in it. */
static bool step(struct item *item, uint64_t *state)
{
    size_t size = any_size(state);
    bool kept = true;
    if (!item->bytes) {
        bool zeroed = next(state) % 2;
        item->bytes = zeroed ? pl_heap_zeroed(1, size) : pl_heap_alloc(size);
        item->mark = 0;
        kept = item->bytes && (uintptr_t)item->bytes % 16 == 0 &&
               (!zeroed || is_whole(item, size));
    } else if (next(state) % 2) {
        kept = is_whole(item, item->size);
        pl_heap_free(item->bytes);
        item->bytes = NULL;
        return kept;
    } else {
        size_t least = size < item->size ? size : item->size;
        item->bytes = pl_heap_resize(item->bytes, size);
        kept = item->bytes && is_whole(item, least);
    }
    fill(item, size, state);
    return kept;
}

static void *live(void *seed)
{
    uint64_t state = 88172645463325252u + (uintptr_t)seed;
    struct item *items = calloc(ITEMS, sizeof *items);
    uintptr_t lost = 0;
    for (unsigned i = 0; items && i < ROUNDS; i++) {
        lost += !step(&items[next(&state) % ITEMS], &state);
        if (i % 5000 == 0)
            pl_heap_trim();
    }
    for (unsigned i = 0; items && i < ITEMS; i++) {
        lost += items[i].bytes && !is_whole(&items[i], items[i].size);
        pl_heap_free(items[i].bytes);
    }
    free(items);
    return (void *)lost;
}

static void test_life(void)
{
    uintptr_t lost = (uintptr_t)live(NULL);
    CHECK(lost == 0, "%lu pieces", (unsigned long)lost);
    pl_heap_trim();
    CHECK(pl_heap_mapped() == 0, "%zu bytes stay mapped", pl_heap_mapped());
}

static void test_threads(void)
{
    pthread_t threads[3];
    for (uintptr_t i = 0; i < 3; i++)
        pthread_create(&threads[i], NULL, live, (void *)(i + 1));
    for (unsigned i = 0; i < 3; i++) {
        void *lost = NULL;
        pthread_join(threads[i], &lost);
        CHECK(lost == NULL, "%lu pieces", (unsigned long)(uintptr_t)lost);
    }
    pl_heap_trim();
    CHECK(pl_heap_mapped() == 0, "%zu bytes stay mapped", pl_heap_mapped());
}

static void test_edges(void)
{
    static const struct {
        size_t count, size;
    } impossible[] = {{SIZE_MAX, 2}, {SIZE_MAX / 2, 3}, {1, SIZE_MAX - 100}};
    for (size_t i = 0; i < sizeof impossible / sizeof impossible[0]; i++) {
        errno = 0;
        CHECK(!pl_heap_zeroed(impossible[i].count, impossible[i].size), "%zu", i);
        CHECK(errno == ENOMEM, "%zu", i);
    }
    for (size_t size = 0; size < 40000; size += size < 600 ? 1 : 97) {
        unsigned char *memory = pl_heap_alloc(size);
        CHECK(memory && (uintptr_t)memory % 16 == 0, "size %zu", size);
        memset(memory, 1, size);
        unsigned char *same = pl_heap_resize(memory, size);
        CHECK(same == memory, "size %zu", size);
        CHECK(!pl_heap_resize(same, SIZE_MAX / 2), "size %zu", size);
        pl_heap_free(same);
    }
    pl_heap_free(NULL);
    errno = 77;
    pl_heap_free(pl_heap_alloc(100000));
    CHECK(errno == 77);
}

/* What is trimmed lies around what is in use, and reads as nothing afterwards. */
static void test_trim(void)
{
    enum { COUNT = 50, SIZE = 1000 };
    unsigned char *pieces[COUNT], resident[16];
    for (int i = 0; i < COUNT; i++) {
        pieces[i] = pl_heap_alloc(SIZE);
        memset(pieces[i], 7, SIZE);
    }
    for (int i = 1; i < COUNT; i++)
        if (i != 40)
            pl_heap_free(pieces[i]);
    pl_heap_trim();
    CHECK(pieces[0][SIZE - 1] == 7 && pieces[40][0] == 7 && pieces[40][SIZE - 1] == 7);
    void *span = (void *)((uintptr_t)pieces[0] & ~(uintptr_t)0xffff);
    CHECK(mincore(span, 65536, resident) == 0);
    int pages = 0;
    for (int i = 0; i < 16; i++)
        pages += resident[i] & 1;
    CHECK(pages <= 4, "%d pages of two pieces", pages);
    pl_heap_free(pieces[0]);
    pl_heap_free(pieces[40]);
}

/* A child of a fork finds the heap usable, whatever other threads did meanwhile. */
static void *churn(void *stop)
{
    while (!*(volatile bool *)stop)
        pl_heap_free(pl_heap_alloc(20000));
    return NULL;
}

static void test_fork(void)
{
    bool stop = false;
    pthread_t thread;
    pthread_create(&thread, NULL, churn, &stop);
    for (int i = 0; i < 50; i++) {
        int status = -1;
        pl_heap_fork_prepare();
        pid_t pid = fork();
        pl_heap_fork_done();
        if (pid == 0) {
            alarm(20);
            _exit(pl_heap_alloc(100) && pl_heap_alloc(50000) ? 0 : 1);
        }
        waitpid(pid, &status, 0);
        CHECK(status == 0, "status %d", status);
    }
    stop = true;
    pthread_join(thread, NULL);
}

TEST_MAIN({"life", test_life}, {"threads", test_threads}, {"edges", test_edges},
          {"trim", test_trim}, {"fork", test_fork})
