/* Seeded workloads for the benchmarks of the store.
 *
 * 60 s parts; busy threads keep their stack with probability `stay`, else draw one of
 * 20000 stacks by Zipf(1.1), whose rare ranks shift every hour; idle threads sit in one
 * of 8 stacks for 20 s on average, then do 1..4 samples of work. Stacks are 6..80 deep,
 * each made by cutting an earlier one and going on along small random callee lists.
 * "hard": half the draws are new stacks. */
#ifndef PL_TESTS_BENCH_WORKLOAD_H
#define PL_TESTS_BENCH_WORKLOAD_H

#include "base/clock.h"
#include "store/chunk_sink.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { FRAMES = 5000, STACKS = 20000, DEPTH = 80, THREADS_MAX = 32, SECONDS = 60 };

struct load {
    const char *name;
    int threads, busy, hz;
    double stay, fresh, duty;
};
static const struct load loads[] = {{"mixed", 16, 4, 100, .15, 0, 1},
                                    {"busy", 16, 16, 1000, .5, 0, 1},
                                    {"idle", 32, 1, 100, .15, 0, .1},
                                    {"hard", 16, 4, 100, .15, .5, 1}};

struct stack {
    uint32_t depth, frames[DEPTH];
};

static uint64_t seed = 7;
static uint64_t random64(void) /* splitmix64 */
{
    uint64_t z = seed += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}
static double uniform(void)
{
    return (double)(random64() >> 11) / 9007199254740992.0;
}
static uint32_t below(uint32_t n)
{
    return (uint32_t)(((random64() >> 32) * n) >> 32);
}
static double normal(void)
{
    return sqrt(-2 * log(uniform() + 1e-12)) * cos(6.283185307179586 * uniform());
}

static double cpu_seconds(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* ---- stacks ---- */

static struct stack *stacks;
static size_t stack_count, stack_cap;
static uint32_t callees[FRAMES][10], callee_count[FRAMES];
static double rank_limit[STACKS]; /* cumulated Zipf */
static uint32_t rank_stack[4][STACKS];

static struct stack *add_stack(void)
{
    if (stack_count == stack_cap) {
        stack_cap = 2 * stack_cap + STACKS;
        stacks = realloc(stacks, stack_cap * sizeof *stacks);
        if (!stacks)
            abort();
    }
    struct stack *s = &stacks[stack_count++];
    *s = (struct stack){0};
    return s;
}

static void make_stacks(void)
{
    for (uint32_t f = 0; f < FRAMES; f++) {
        callee_count[f] = 1 + below(10);
        for (uint32_t i = 0; i < callee_count[f]; i++)
            callees[f][i] = below(FRAMES);
    }
    while (stack_count < STACKS) {
        uint32_t from =
            stack_count ? (uint32_t)((double)stack_count * sqrt(uniform())) : 0;
        struct stack *s = add_stack();
        const struct stack *base = &stacks[from];
        uint32_t low = base->depth * 2 / 5;
        uint32_t cut = from < stack_count - 1 ? low + below(base->depth - low + 1) : 0;
        double wanted = exp(3.45 + .5 * normal());
        uint32_t depth = wanted < 6 ? 6 : wanted > DEPTH ? DEPTH : (uint32_t)wanted;
        depth = depth <= cut ? cut + 1 : depth;
        if (depth > DEPTH)
            cut = 70, depth = 75;
        memcpy(s->frames, base->frames, cut * sizeof *s->frames);
        for (uint32_t d = cut; d < depth; d++) {
            uint32_t f = d ? s->frames[d - 1] : below(16);
            double u = uniform();
            s->frames[d] = callees[f][(uint32_t)(callee_count[f] * u * u)];
        }
        s->depth = depth;
    }
    double sum = 0;
    for (int i = 0; i < STACKS; i++)
        rank_limit[i] = sum += 1 / pow(i + 1, 1.1);
    for (int i = 0; i < STACKS; i++)
        rank_limit[i] /= sum;
    for (int k = 0; k < 4; k++)
        for (uint32_t i = 0; i < STACKS; i++) {
            uint32_t j = below(i + 1);
            rank_stack[k][i] = rank_stack[k][j];
            rank_stack[k][j] = i;
        }
}

static uint32_t draw(const struct load *load, int role, uint32_t hour)
{
    double u = uniform();
    uint32_t low = 0, high = STACKS - 1;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (rank_limit[middle] < u)
            low = middle + 1;
        else
            high = middle;
    }
    if (low >= 20)
        low = 20 + (low - 20 + hour * 50) % (STACKS - 20);
    uint32_t id = rank_stack[role & 3][low];
    if (load->fresh == 0 || uniform() >= load->fresh)
        return id;
    struct stack copy = stacks[id];
    copy.depth -= 1 + below(copy.depth / 2);
    for (uint32_t more = 1 + below(16); more && copy.depth < DEPTH; more--)
        copy.frames[copy.depth++] = below(FRAMES);
    *add_stack() = copy;
    return (uint32_t)stack_count - 1;
}

/* ---- one minute of samples ---- */

struct minute {
    size_t ticks;
    int64_t times[SECONDS * 1000];
    uint32_t *samples[THREADS_MAX]; /* stack per tick */
};

static uint32_t current[THREADS_MAX];
static size_t left[THREADS_MAX]; /* of an idle stay */

static void fill_idle(const struct load *load, struct minute *m, int t, uint32_t hour)
{
    bool busy = t < load->busy;
    for (size_t i = 0; i < m->ticks;) {
        if (!left[t]) {
            size_t work = busy ? (size_t)(-log(uniform() + 1e-12) * 2 * load->hz) + 1
                               : 1 + below(4);
            while (work-- && i < m->ticks)
                m->samples[t][i++] = draw(load, t, hour);
            current[t] = below(10) ? (uint32_t)(t & 7) : below(8);
            left[t] = 1 + (size_t)(-log(uniform() + 1e-12) * 20 * load->hz);
        }
        for (; left[t] && i < m->ticks; left[t]--)
            m->samples[t][i++] = current[t];
    }
}

static void fill_minute(const struct load *load, struct minute *m, int64_t start_ns)
{
    int64_t period = PL_NS_PER_S / load->hz;
    uint32_t hour = (uint32_t)(start_ns / (3600 * PL_NS_PER_S) & 0xffff);
    m->ticks = (size_t)(SECONDS * load->hz);
    for (size_t i = 0; i < m->ticks; i++) {
        int64_t late = (int64_t)(fabs(normal()) * 60000);
        if (below(200) == 0)
            late += below(3000000);
        late = late > period * 9 / 10 ? period * 9 / 10 : late;
        m->times[i] = start_ns + (int64_t)i * period + late;
        if (i && below(2000) == 0)
            m->times[i] = INT64_MIN;
    }
    for (int t = 0; t < load->threads; t++) {
        if (t >= load->busy || load->duty < 1) {
            fill_idle(load, m, t, hour);
            continue;
        }
        for (size_t i = 0; i < m->ticks; i++) {
            if (uniform() >= load->stay)
                current[t] = draw(load, t, hour);
            m->samples[t][i] = current[t];
        }
    }
}

/* ---- as a part ---- */

struct builder {
    struct pl_sink_part part;
    struct pl_sink_module module;
    struct pl_sink_frame frames[FRAMES];
    struct pl_sink_thread threads[THREADS_MAX];
    struct pl_sink_run *runs[THREADS_MAX];
    struct pl_sink_stack *stacks;
    uint32_t *index; /* stack -> index in the part + 1 */
    size_t index_cap;
    char names[THREADS_MAX][32];
};

static size_t build_part(const struct load *load, const struct minute *m,
                         struct builder *b, int64_t start_ns, struct pl_id session)
{
    size_t samples = 0, used = 0;
    if (b->index_cap < stack_cap) {
        b->index = realloc(b->index, stack_cap * sizeof *b->index);
        b->stacks = realloc(b->stacks, stack_cap * sizeof *b->stacks);
        b->index_cap = stack_cap;
    }
    memset(b->index, 0, stack_count * sizeof *b->index);
    for (int t = 0; t < load->threads; t++) {
        size_t n = 0;
        for (size_t i = 0; i < m->ticks; i++) {
            uint32_t s = m->samples[t][i];
            bool gap = m->times[i] == INT64_MIN;
            if (!gap && !b->index[s]) {
                b->stacks[used] =
                    (struct pl_sink_stack){stacks[s].depth, stacks[s].frames};
                b->index[s] = (uint32_t)++used;
            }
            struct pl_sink_run run = {.stack = gap ? PL_NO_INDEX : b->index[s] - 1,
                                      .count = 1,
                                      .on_cpu = t < load->busy};
            if (n && b->runs[t][n - 1].stack == run.stack)
                b->runs[t][n - 1].count++;
            else
                b->runs[t][n++] = run;
            samples += !gap;
        }
        b->threads[t] = (struct pl_sink_thread){.tid = 1000 + t,
                                                .name = b->names[t],
                                                .runs = b->runs[t],
                                                .run_count = n,
                                                .cpu_ns = 123456789};
    }
    b->part = (struct pl_sink_part){.session_id = session,
                                    .start_ns = start_ns,
                                    .end_ns = start_ns + SECONDS * PL_NS_PER_S,
                                    .period_ns = PL_NS_PER_S / load->hz,
                                    .ticks_ns = m->times,
                                    .tick_count = m->ticks,
                                    .modules = &b->module,
                                    .module_count = 1,
                                    .frames = b->frames,
                                    .frame_count = FRAMES,
                                    .stacks = b->stacks,
                                    .stack_count = used,
                                    .threads = b->threads,
                                    .thread_count = (size_t)load->threads};
    memcpy(b->part.chunk_id.bytes, &start_ns, sizeof start_ns);
    return samples;
}

#endif
