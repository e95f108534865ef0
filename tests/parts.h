/* Seeded parts for the tests of the store: everything a sink may be handed, from
 * native frames to hostile names, gaps, weights and threads with own times. */
#ifndef PL_TESTS_PARTS_H
#define PL_TESTS_PARTS_H

#include "base/clock.h"
#include "store/chunk_sink.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PARTS_FRAMES = 60, PARTS_STACKS = 40, PARTS_DEPTH = 24, PARTS_RUNS = 400 };

struct test_part {
    struct pl_sink_part part;
    struct pl_sink_module modules[4];
    struct pl_sink_frame frames[PARTS_FRAMES];
    struct pl_sink_stack stacks[PARTS_STACKS];
    uint32_t stack_frames[PARTS_STACKS][PARTS_DEPTH];
    struct pl_sink_thread threads[5];
    struct pl_sink_run runs[5][PARTS_RUNS];
    int64_t ticks[6100];
    int64_t own_times[8000];
    struct pl_sink_loss losses[2];
    struct pl_sink_label labels[2];
    uint64_t rng;
};

static inline uint32_t parts_random(struct test_part *p, uint32_t below)
{
    p->rng = p->rng * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(((p->rng >> 33) * below) >> 31);
}

static inline void parts_frames(struct test_part *p)
{
    static const char *const paths[] = {"/usr/bin/app", "/usr/lib/libc.so.6",
                                        "/opt/\xff\xfe/bad.so", "[vdso]"};
    for (size_t i = 0; i < 4; i++)
        p->modules[i] = (struct pl_sink_module){.path = paths[i],
                                                .build_id = i < 2 ? "c0ffee" : ""};
    for (uint32_t i = 0; i < PARTS_FRAMES; i++) {
        struct pl_sink_frame *f = &p->frames[i];
        *f = (struct pl_sink_frame){.module = i % 5 == 4 ? PL_NO_INDEX : i % 5,
                                    .exact = i % 7 == 0,
                                    .address = 0x1000 + 16 * (uint64_t)i,
                                    .in_app = -1};
        if (i % 10 == 9) {
            f->module = PL_NO_INDEX;
            f->address = 0;
            f->function = i == 9 ? "bad \xc3(;\x80name" : i == 19 ? "loop" : "named";
            f->file = "main.py";
            f->line = i;
            f->platform = "python";
            f->in_app = (int8_t)(i % 3) - 1;
        }
    }
    p->frames[1].address = UINT64_MAX - 7; /* kernel-like */
    for (uint32_t i = 0; i < PARTS_STACKS; i++) {
        uint32_t depth = i == 0 ? 0 : 1 + parts_random(p, PARTS_DEPTH - 1), d = 0;
        if (i > 1 && parts_random(p, 4)) { /* share the front of an earlier one */
            uint32_t from = 1 + parts_random(p, i - 1);
            uint32_t keep = parts_random(p, p->stacks[from].frame_count + 1);
            for (; d < keep && d < depth; d++)
                p->stack_frames[i][d] = p->stack_frames[from][d];
        }
        for (; d < depth; d++)
            p->stack_frames[i][d] = parts_random(p, PARTS_FRAMES);
        p->stacks[i] = (struct pl_sink_stack){depth, p->stack_frames[i]};
    }
}

/* Thread 0 on and off CPU, 1 unknown, 2 with weights, 3 with own times and odd
 * weights, 4 of the same tid and name as 0. */
static inline void parts_threads(struct test_part *p, size_t ticks)
{
    static const char *const names[] = {"main", "worker \xf0\x28", "w", "own", "main"};
    for (uint32_t t = 0; t < 5; t++) {
        size_t left = t == 3 ? 5000 : ticks, n = 0;
        while (left && n < PARTS_RUNS) {
            struct pl_sink_run *run = &p->runs[t][n];
            uint32_t most = parts_random(p, 3) ? 7 : 200;
            uint32_t count = parts_random(p, most);
            count = count > left ? (uint32_t)left : count;
            bool gap = parts_random(p, 6) == 0;
            *run = (struct pl_sink_run){
                .stack = gap ? PL_NO_INDEX : parts_random(p, PARTS_STACKS),
                .count = count,
                .on_cpu = (int8_t)(t == 1 ? -1 : (int)parts_random(p, 2))};
            if (t == 2)
                run->weight_ns = p->part.period_ns * (int64_t)parts_random(p, 4);
            if (t == 3)
                run->weight_ns = 1 + (int64_t)parts_random(p, 1000000) * 977;
            left -= count;
            n++;
        }
        p->threads[t] =
            (struct pl_sink_thread){.tid = t == 4 ? 100 : 100 + t,
                                    .name = names[t],
                                    .runs = p->runs[t],
                                    .run_count = n,
                                    .cpu_ns = t == 1 ? -1 : (int64_t)1234567 * (t + 1)};
    }
    int64_t at = p->part.start_ns;
    for (size_t i = 0; i < 8000; i++) {
        p->own_times[i] = at;
        at += parts_random(p, 7000000);
    }
    p->threads[3].times_ns = p->own_times;
}

/* Deterministic in seed; `late` adds ticks too far off the grid for width 2. */
static inline void parts_make(struct test_part *p, uint64_t seed, struct pl_id session,
                              int64_t start_ns, bool late)
{
    memset(p, 0, sizeof *p);
    p->rng = seed;
    p->part.session_id = session;
    for (size_t i = 0; i < PL_ID_BYTES; i++)
        p->part.chunk_id.bytes[i] = (unsigned char)parts_random(p, 256);
    const size_t ticks = 6000;
    p->part.start_ns = start_ns;
    p->part.period_ns = 9900990;
    p->part.end_ns = start_ns + (int64_t)ticks * p->part.period_ns;
    int64_t last = start_ns;
    for (size_t i = 0; i < ticks; i++) {
        int64_t t =
            start_ns + (int64_t)i * p->part.period_ns +
            (int64_t)(i ? parts_random(p, late && i % 100 == 0 ? 60000000 : 90000) : 0);
        p->ticks[i] = t < last ? last : t;
        last = p->ticks[i];
    }
    parts_frames(p);
    parts_threads(p, ticks);
    p->part.ticks_ns = p->ticks;
    p->part.tick_count = ticks;
    p->part.modules = p->modules;
    p->part.module_count = 4;
    p->part.frames = p->frames;
    p->part.frame_count = PARTS_FRAMES;
    p->part.stacks = p->stacks;
    p->part.stack_count = PARTS_STACKS;
    p->part.threads = p->threads;
    p->part.thread_count = 5;
    p->losses[0] = (struct pl_sink_loss){PL_NO_INDEX, "ring full", 17};
    p->losses[1] = (struct pl_sink_loss){2, "no row", 3};
    p->part.losses = p->losses;
    p->part.loss_count = 2;
    p->labels[0] = (struct pl_sink_label){0, 10, 20, "tenant", "acme"};
    p->labels[1] = (struct pl_sink_label){4, 0, 5, "span", "GET /\xff"};
    p->part.labels = p->labels;
    p->part.label_count = 2;
}

static inline struct pl_sink_session parts_session(struct pl_id id, int64_t start_ns)
{
    return (struct pl_sink_session){.id = id,
                                    .recording_id = id,
                                    .app = "test",
                                    .release = "1.0\xff",
                                    .platform = "native",
                                    .mode = "wall",
                                    .host = "here",
                                    .pid = 42,
                                    .start_ns = start_ns};
}

#endif
