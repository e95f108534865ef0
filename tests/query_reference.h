/* A store of random parts and, beside it, one plain row per sample: what queries
 * must agree with. All times are multiples of two microseconds, so that stored
 * ones are exact (the origin of a grid is a median, which may halve a sum). Fixed seed;
 * the same parts every time. */
#ifndef PL_TESTS_QUERY_REFERENCE_H
#define PL_TESTS_QUERY_REFERENCE_H

#include "store/query.h"
#include "tests/test.h"

#include <stdlib.h>
#include <unistd.h>

#define HOUR_NS      INT64_C(1699999200000000000) /* begins an hour */
#define SECOND_NS    INT64_C(1000000000)
#define PERIOD_NS    INT64_C(10000000)
#define SESSIONS     3
#define PARTS        4 /* per session */
#define THREADS      4 /* per session */
#define STACKS       60
#define DEPTH        12
#define FUNCTIONS    14
#define TICKS        300
#define LABEL_KEYS   2
#define LABEL_VALUES 3

__extension__ typedef unsigned __int128 wide;

struct sample {
    int64_t ts_ns, weight_ns;
    int64_t cpu_ns; /* its share; -1: takes no part in CPU */
    int session, thread, stack;
    int tick, label[LABEL_KEYS]; /* value; -1: none */
};

struct reference {
    char path[64];
    struct sample *samples;
    size_t count;
    int64_t lost;
    uint32_t stacks[STACKS][DEPTH]; /* function numbers, root first */
    uint32_t depth[STACKS];
    char names[FUNCTIONS][16];
};

static const char *const label_keys[LABEL_KEYS] = {"tenant", "span"};
static const char *const label_values[LABEL_VALUES] = {"acme", "b corp", ""};

static struct pl_error err;
static uint64_t random_state = 42;

static uint32_t pick(uint32_t below)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(random_state >> 33) % below;
}

/* Frame numbers 0..FUNCTIONS-1, by their source's name; further ones are native. */
static void make_stacks(struct reference *ref)
{
    for (int f = 0; f < FUNCTIONS; f++)
        snprintf(ref->names[f], sizeof ref->names[f], "fn_%d", f);
    for (uint32_t s = 0; s < STACKS; s++) {
        uint32_t keep = s ? pick(ref->depth[s / 2] + 1) : 0;
        memcpy(ref->stacks[s], ref->stacks[s / 2], keep * sizeof ref->stacks[s][0]);
        ref->depth[s] = keep;
        uint32_t more = pick(DEPTH - keep + 1);
        for (uint32_t i = 0; i < more; i++)
            ref->stacks[s][ref->depth[s]++] = pick(FUNCTIONS);
        if (!ref->depth[s])
            ref->stacks[s][ref->depth[s]++] = pick(FUNCTIONS);
    }
}

/* One thread's runs in a part, and the rows they stand for. */
struct made_thread {
    struct pl_sink_run runs[TICKS];
    int64_t times_ns[TICKS];
    size_t run_count, tick_count;
    bool own_times, known, weights;
    int64_t cpu_ns;
};

static void make_runs(struct made_thread *made, const int64_t *ticks)
{
    made->run_count = 0;
    made->own_times = pick(4) == 0;
    made->known = pick(4) != 0;
    made->weights = pick(3) == 0;
    made->tick_count = made->own_times ? 1 + pick(TICKS) : TICKS;
    size_t at = 0;
    while (at < made->tick_count) {
        uint32_t longest = pick(5) ? 4 : 90, count = 1 + pick(longest);
        if (at + count > made->tick_count)
            count = (uint32_t)(made->tick_count - at);
        bool gap = !made->own_times && (pick(12) == 0 || ticks[at] == INT64_MIN);
        for (uint32_t i = 0; i < count; i++)
            if (!made->own_times && !gap && ticks[at + i] == INT64_MIN)
                count = i; /* no sample at a missed tick */
        made->runs[made->run_count++] = (struct pl_sink_run){
            .stack = gap ? PL_NO_INDEX : pick(STACKS),
            .count = count,
            .on_cpu = made->known && !gap ? (int8_t)(pick(3) > 0) : -1,
            .weight_ns = made->weights && !gap ? 1000 * (1 + (int64_t)pick(50000)) : 0,
        };
        at += count;
    }
    int64_t choices[] = {-1, 0, 1, 123456789, 2999999999};
    made->cpu_ns = choices[pick(5)];
}

static bool takes_part(const struct pl_sink_run *run, bool marked)
{
    return run->stack != PL_NO_INDEX && !(marked && run->on_cpu == 0);
}

/* Rows of one thread, CPU time shared out sample by sample. */
static void add_rows(struct reference *ref, const struct made_thread *made,
                     const int64_t *ticks, int session, int thread)
{
    bool marked = made->known;
    wide total = 0, before = 0;
    for (int round = 0; round < 2 && !total; round++) {
        for (size_t r = 0; r < made->run_count; r++)
            if (takes_part(&made->runs[r], marked))
                total += (wide)made->runs[r].count *
                         (uint64_t)(made->runs[r].weight_ns ? made->runs[r].weight_ns
                                                            : PERIOD_NS);
        if (!total && made->cpu_ns > 0)
            marked = false;
    }
    size_t tick = 0;
    for (size_t r = 0; r < made->run_count; r++)
        for (uint32_t i = 0; i < made->runs[r].count; i++, tick++) {
            const struct pl_sink_run *run = &made->runs[r];
            if (run->stack == PL_NO_INDEX)
                continue;
            struct sample *row = &ref->samples[ref->count++];
            *row = (struct sample){.ts_ns = ticks[tick],
                                   .weight_ns =
                                       run->weight_ns ? run->weight_ns : PERIOD_NS,
                                   .cpu_ns = -1,
                                   .session = session,
                                   .thread = thread,
                                   .stack = (int)run->stack,
                                   .tick = (int)tick,
                                   .label = {-1, -1}};
            if (!takes_part(run, marked))
                continue;
            row->cpu_ns = row->weight_ns;
            if (made->cpu_ns >= 0) {
                wide after = before + (uint64_t)row->weight_ns,
                     cpu = (uint64_t)made->cpu_ns;
                row->cpu_ns = (int64_t)(cpu * after / total - cpu * before / total);
                before = after;
            }
        }
}

#define SPANS 5 /* per key */

/* Spans of values, one after another, and the samples of `rows` they lie over. */
static size_t make_labels(struct pl_sink_label *labels, uint32_t thread, size_t ticks,
                          struct sample *rows, size_t row_count)
{
    size_t count = 0;
    for (int k = 0; k < LABEL_KEYS; k++) {
        uint32_t at = 0;
        for (int i = 0; i < SPANS; i++) {
            uint32_t first = at + pick(TICKS / SPANS), n = 1 + pick(TICKS / SPANS);
            int value = (int)pick(LABEL_VALUES);
            at = first + n;
            if (at > ticks)
                break;
            labels[count++] = (struct pl_sink_label){thread, first, n, label_keys[k],
                                                     label_values[value]};
            for (size_t r = 0; r < row_count; r++)
                if (rows[r].tick >= (int)first && rows[r].tick < (int)at)
                    rows[r].label[k] = value;
        }
    }
    return count;
}

static struct pl_id id_of(int kind, int number)
{
    struct pl_id id = {{0}};
    id.bytes[0] = (unsigned char)kind;
    id.bytes[15] = (unsigned char)number;
    return id;
}

static void put_part(struct reference *ref, struct pl_chunk_sink *sink, int session,
                     int number)
{
    static struct made_thread made[THREADS];
    struct pl_sink_thread threads[THREADS];
    struct pl_sink_label labels[THREADS * LABEL_KEYS * SPANS];
    size_t label_count = 0;
    struct pl_sink_frame frames[FUNCTIONS];
    struct pl_sink_stack stacks[STACKS];
    int64_t ticks[TICKS];
    char names[THREADS][16];
    int64_t start = HOUR_NS + (session + 60 * number) * SECOND_NS;
    for (int f = 0; f < FUNCTIONS; f++) /* even ones have a name, odd ones none */
        frames[f] = (struct pl_sink_frame){
            .module = f % 2 ? 0 : PL_NO_INDEX,
            .address = f % 2 ? 0x1000u * (unsigned)f : 0,
            .function = f % 2 ? NULL : ref->names[f],
            .file = f % 4 ? NULL : "file.c",
            .in_app = (int8_t)(f % 2 ? -1 : f % 3 - 1),
        };
    for (int s = 0; s < STACKS; s++)
        stacks[s] = (struct pl_sink_stack){ref->depth[s], ref->stacks[s]};
    for (int64_t i = 0; i < TICKS; i++) {
        int64_t late = pick(50) ? pick(60) : pick(3000);
        ticks[i] = pick(40) ? start + i * PERIOD_NS + late * 2000 : INT64_MIN;
    }
    for (int t = 0; t < THREADS; t++) {
        make_runs(&made[t], ticks);
        int64_t at = start;
        for (size_t i = 0; i < made[t].tick_count; i++)
            made[t].times_ns[i] = at += 2000 * (int64_t)pick(7500);
        snprintf(names[t], sizeof names[t], "thread %d", t);
        threads[t] = (struct pl_sink_thread){
            .tid = 100 * session + t,
            .name = names[t],
            .runs = made[t].runs,
            .run_count = made[t].run_count,
            .times_ns = made[t].own_times ? made[t].times_ns : NULL,
            .cpu_ns = made[t].cpu_ns,
        };
        size_t before = ref->count;
        add_rows(ref, &made[t], made[t].own_times ? made[t].times_ns : ticks, session,
                 t);
        label_count +=
            make_labels(&labels[label_count], (uint32_t)t, made[t].tick_count,
                        &ref->samples[before], ref->count - before);
    }
    const struct pl_sink_module module = {.path = "/usr/lib/libodd.so.1",
                                          .build_id = "abcdef"};
    const struct pl_sink_loss loss = {1, "ring_full", 5};
    const struct pl_sink_part part = {
        .session_id = id_of(1, session),
        .chunk_id = id_of(2, session * PARTS + number),
        .start_ns = start,
        .end_ns = start + TICKS * PERIOD_NS + 6 * SECOND_NS,
        .period_ns = PERIOD_NS,
        .ticks_ns = ticks,
        .tick_count = TICKS,
        .modules = &module,
        .module_count = 1,
        .frames = frames,
        .frame_count = FUNCTIONS,
        .stacks = stacks,
        .stack_count = STACKS,
        .threads = threads,
        .thread_count = THREADS,
        .losses = &loss,
        .loss_count = 1,
        .labels = labels,
        .label_count = label_count,
    };
    ref->lost += (int64_t)loss.count;
    CHECK_OK(sink->put(sink->self, &part, &err), err);
}

static void begin_session(struct pl_chunk_sink *sink, int session)
{
    const struct pl_sink_session begin = {
        .id = id_of(1, session),
        .recording_id = id_of(3, 0),
        .app = session ? "beta" : "alpha",
        .release = session == 1 ? "1.0" : NULL,
        .environment = session == 2 ? "prod" : NULL,
        .platform = "native",
        .mode = "wall",
        .pid = 1000 + session,
        .start_ns = HOUR_NS + session * SECOND_NS,
    };
    CHECK_OK(sink->session_begin(sink->self, &begin, &err), err);
}

/* The path of a fresh file in /tmp; remove it with remove_store. */
static void temporary_path(char *path, size_t size)
{
    snprintf(path, size, "/tmp/proflite-query-XXXXXX");
    int fd = mkstemp(path);
    CHECK(fd >= 0);
    close(fd);
    unlink(path);
}

static void remove_store(const char *path)
{
    static const char *const endings[] = {"", "-wal", "-shm", "-lock", "-journal"};
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        char name[128];
        snprintf(name, sizeof name, "%s%s", path, endings[i]);
        unlink(name);
    }
}

static void make_reference(struct reference *ref)
{
    struct pl_store *store = NULL;
    struct pl_chunk_sink sink;
    memset(ref, 0, sizeof *ref);
    random_state = 42;
    ref->samples = malloc(sizeof *ref->samples * SESSIONS * PARTS * THREADS * TICKS);
    temporary_path(ref->path, sizeof ref->path);
    make_stacks(ref);
    CHECK_OK(pl_store_open(ref->path, PL_STORE_CREATE, &store, &err), err);
    CHECK_OK(pl_store_sink(store, &sink, &err), err);
    for (int s = 0; s < SESSIONS; s++) {
        begin_session(&sink, s);
        for (int p = 0; p < PARTS; p++)
            put_part(ref, &sink, s, p);
    }
    struct pl_id first = id_of(1, 0);
    CHECK_OK(sink.session_end(sink.self, &first, HOUR_NS + 400 * SECOND_NS,
                              PL_SESSION_CRASHED, 139, &err),
             err);
    pl_store_close(store);
}

static void free_reference(struct reference *ref)
{
    free(ref->samples);
    remove_store(ref->path);
}

#endif
