/* The store that bench_viewer.mjs opens: many functions, much of it in sight.
 *
 *   viewer_store FILE MILLIONS     samples, a million an hour, the last of them now
 *
 * 4 threads, 3 of them busy, 70 Hz, parts of a minute. 40000 stacks 4 to 80 deep, each
 * made by cutting an earlier one and going on along few callees. The last hour has them
 * all, and few of them more than others; the hours before it have the first 2000. A
 * minute of another program, "warm-up", stands before it. */
#include "base/clock.h"
#include "store/query.h"
#include "store/rollup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FUNCTIONS = 6000, STACKS = 40000, EARLY = 2000, DEPTH = 80 };
#define PART_NS (60 * PL_NS_PER_S)
enum { THREADS = 4, BUSY = 3, HZ = 70, TICKS = 60 * HZ, HOUR_PARTS = 60 };

static struct pl_error err;
static uint64_t state = 1;

static void check(enum pl_status status)
{
    if (status == PL_OK)
        return;
    fprintf(stderr, "viewer_store: %s\n", err.message);
    exit(1);
}

static uint32_t pick(uint32_t below)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)((state >> 32) * below >> 32);
}

static const struct pl_sink_module modules[] = {
    {.path = "/srv/shop/bin/checkout", .build_id = "1111"},
    {.path = "/usr/lib/x86_64-linux-gnu/libstdc++.so.6.0.30", .build_id = "2222"},
    {.path = "/usr/lib/x86_64-linux-gnu/libc.so.6", .build_id = "3333"},
    {.path = "/srv/shop/lib/libpricing.so.4", .build_id = "4444"}};
static char names[FUNCTIONS][96], files[64][32];
static struct pl_sink_frame frames[FUNCTIONS];
static uint32_t stack_frames[STACKS][DEPTH];
static struct pl_sink_stack stacks[STACKS];

static void make_frames(void)
{
    for (uint32_t i = 0; i < 64; i++)
        (void)snprintf(files[i], sizeof files[i], "src/part_%u/file_%u.cc", i % 8, i);
    for (uint32_t i = 0; i < FUNCTIONS; i++) {
        const char *shape = i % 3 ? "std::less<shop::Key>>::step_" : "int>::grow_";
        (void)snprintf(names[i], sizeof names[i],
                       "shop::part_%u::Session<Key, %s%u(int)", i % 37, shape, i);
        frames[i] = (struct pl_sink_frame){.module = i % 4,
                                           .address = 0x1000 + 64 * i,
                                           .exact = true,
                                           .function = names[i],
                                           .file = files[i % 64],
                                           .line = 1 + i % 900,
                                           .in_app = i % 4 == 0 || i % 4 == 3};
    }
}

static void make_stacks(void)
{
    for (uint32_t s = 0; s < STACKS; s++) {
        uint32_t from = s ? pick(s) : 0, len = stacks[from].frame_count;
        uint32_t keep = s ? len / 3 + pick(len - len / 3) : 0;
        uint32_t depth = keep + 1 + pick(14);
        if (depth < 4)
            depth = 4;
        if (depth > DEPTH)
            depth = DEPTH;
        memcpy(stack_frames[s], stack_frames[from], keep * sizeof stack_frames[0][0]);
        for (uint32_t i = keep; i < depth; i++) /* one of few callees of the caller */
            stack_frames[s][i] =
                i ? (stack_frames[s][i - 1] * 31 + 17 + pick(5) * 977) % FUNCTIONS
                  : pick(2);
        stacks[s] = (struct pl_sink_stack){depth, stack_frames[s]};
    }
}

static size_t make_runs(struct pl_sink_run *runs, bool is_busy, uint32_t stack_count)
{
    size_t count = 0;
    for (uint32_t tick = 0; tick < TICKS; count++) {
        uint32_t n = is_busy ? 1 + (pick(8) == 0) : 1 + pick(2 * HZ);
        uint32_t bound = is_busy ? 1 + pick(stack_count) : 8; /* the first ones more */
        n = n < TICKS - tick ? n : TICKS - tick;
        runs[count] = (struct pl_sink_run){pick(bound), n, is_busy, 0};
        tick += n;
    }
    return count;
}

static void make_part(struct pl_chunk_sink *sink, struct pl_id session_id,
                      int64_t start_ns, uint32_t number, uint32_t stack_count)
{
    static struct pl_sink_run runs[THREADS][TICKS];
    static int64_t ticks[TICKS];
    struct pl_sink_thread threads[THREADS];
    for (int i = 0; i < TICKS; i++)
        ticks[i] = start_ns + i * PL_NS_PER_S / HZ + pick(120000);
    for (int t = 0; t < THREADS; t++) {
        size_t count = make_runs(runs[t], t < BUSY, stack_count);
        threads[t] =
            (struct pl_sink_thread){.tid = 100 + t,
                                    .name = t < BUSY ? "worker" : "timer",
                                    .runs = runs[t],
                                    .run_count = count,
                                    .cpu_ns = t < BUSY ? 59 * PL_NS_PER_S : 1000000};
    }
    const struct pl_sink_part part = {
        .session_id = session_id,
        .chunk_id = {{session_id.bytes[0], (unsigned char)(number >> 8),
                      (unsigned char)number}},
        .start_ns = start_ns,
        .end_ns = start_ns + PART_NS,
        .period_ns = PL_NS_PER_S / HZ,
        .ticks_ns = ticks,
        .tick_count = TICKS,
        .modules = modules,
        .module_count = sizeof modules / sizeof modules[0],
        .frames = frames,
        .frame_count = FUNCTIONS,
        .stacks = stacks,
        .stack_count = stack_count,
        .threads = threads,
        .thread_count = THREADS};
    check(sink->put(sink->self, &part, &err));
}

int main(int argc, char **argv)
{
    struct pl_store *store = NULL;
    struct pl_chunk_sink sink;
    if (argc != 3) {
        fputs("usage: viewer_store FILE MILLIONS\n", stderr);
        return 2;
    }
    int64_t parts = HOUR_PARTS * strtol(argv[2], NULL, 10), now_ns = pl_clock_wall_ns();
    now_ns -= now_ns % PART_NS; /* a part crosses no hour */
    int64_t start_ns = now_ns - parts * PART_NS;
    const struct pl_sink_session other = {
        .id = {{1}}, .app = "warm-up", .mode = "wall", .start_ns = start_ns - PART_NS};
    const struct pl_sink_session session = {.id = {{2}},
                                            .app = "checkout",
                                            .mode = "wall",
                                            .pid = 4711,
                                            .start_ns = start_ns};
    make_frames();
    make_stacks();
    check(pl_store_open(argv[1], PL_STORE_CREATE, &store, &err));
    check(pl_store_sink(store, &sink, &err));
    check(sink.session_begin(sink.self, &other, &err));
    make_part(&sink, other.id, other.start_ns, 0, EARLY);
    check(sink.session_end(sink.self, &other.id, start_ns, PL_SESSION_ENDED, 0, &err));
    check(sink.session_begin(sink.self, &session, &err));
    for (int64_t i = 0; i < parts; i++)
        make_part(&sink, session.id, start_ns + i * PART_NS, (uint32_t)i,
                  parts - i <= HOUR_PARTS ? STACKS : EARLY);
    check(sink.session_end(sink.self, &session.id, now_ns, PL_SESSION_ENDED, 0, &err));
    const struct pl_rollup_options all = {.before_ns = now_ns};
    check(pl_rollup_run(store, &all, &err)); /* what the pass does */
    check(pl_store_checkpoint(store, &err));
    pl_store_close(store);
    return 0;
}
