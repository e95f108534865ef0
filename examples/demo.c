/* A small render farm with known shares: what the demo and the tests record.
 *
 * Every worker spends its CPU time 60/30/10 on three jobs, by its own CPU clock,
 * which it reads rarely: a system call is where a busy machine likes to take the
 * CPU away, and the wait would show there.
 *   60 %  render_tile    the work is in shade_pixel, which is inlined into it
 *   30 %  codec_compress in a shared library of its own (demo_codec.c)
 *   10 %  walk_scene     recursive, 12 deep
 * At the end it prints what it really spent, so that a profile can be checked.
 *
 *   demo [SECONDS [THREADS]] */
#include "demo_codec.h"

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum job { RENDER, COMPRESS, WALK, JOB_COUNT };
static const int64_t share_percent[JOB_COUNT] = {60, 30, 10};
static const char *const job_name[JOB_COUNT] = {"render_tile", "codec_compress",
                                                "walk_scene"};

struct worker {
    pthread_t thread;
    unsigned index;
    int64_t spent_ns[JOB_COUNT];
    uint64_t result;
};

static double run_seconds = 10;

static int64_t clock_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static inline __attribute__((always_inline)) uint64_t shade_pixel(uint64_t x,
                                                                  uint64_t y)
{
    uint64_t light = x * 0x9e3779b97f4a7c15u ^ y;
    for (int bounce = 0; bounce < 64; bounce++) {
        light ^= light >> 29;
        light *= 0xbf58476d1ce4e5b9u;
        light ^= light >> 32;
    }
    return light;
}

__attribute__((noinline)) static uint64_t render_tile(uint64_t seed)
{
    uint64_t sum = 0;
    for (uint64_t y = 0; y < 64; y++)
        for (uint64_t x = 0; x < 64; x++)
            sum += shade_pixel(seed + x, y);
    return sum;
}

__attribute__((noinline)) static uint64_t walk_scene(uint64_t node, int depth)
{
    uint64_t sum = node;
    for (int i = 0; i < 16000; i++)
        sum = (sum ^ (sum >> 31)) * 0x94d049bb133111ebu + (uint64_t)i;
    if (depth > 0)
        sum += walk_scene(sum, depth - 1);
    return sum ^ (sum >> 7);
}

/* Some milliseconds of one job. */
static uint64_t do_job(enum job job, uint64_t seed)
{
    uint64_t sum = seed;
    for (int i = 0; i < 32; i++)
        switch (job) {
        case RENDER:
            sum += render_tile(sum);
            break;
        case COMPRESS:
            sum += codec_compress(sum);
            break;
        default:
            sum += walk_scene(sum, 12);
        }
    return sum;
}

/* Do the job that is furthest behind its share, again and again. */
static void *work(void *arg)
{
    struct worker *self = arg;
    char name[16];
    snprintf(name, sizeof name, "render %u", self->index);
    pthread_setname_np(pthread_self(), name);
    int64_t end = clock_ns(CLOCK_MONOTONIC) + (int64_t)(run_seconds * 1e9);
    int64_t before = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    while (clock_ns(CLOCK_MONOTONIC) < end) {
        enum job next = RENDER;
        for (enum job job = COMPRESS; job < JOB_COUNT; job++)
            if (self->spent_ns[job] * share_percent[next] <
                self->spent_ns[next] * share_percent[job])
                next = job;
        self->result += do_job(next, self->result);
        int64_t after = clock_ns(CLOCK_THREAD_CPUTIME_ID);
        self->spent_ns[next] += after - before;
        before = after;
    }
    return NULL;
}

int main(int argc, char **argv)
{
    unsigned count = 2;
    if (argc > 1)
        run_seconds = strtod(argv[1], NULL);
    if (argc > 2)
        count = (unsigned)strtoul(argv[2], NULL, 10);
    if (run_seconds <= 0 || run_seconds > 3600 || count < 1 || count > 64) {
        fprintf(stderr, "usage: demo [SECONDS [THREADS]]\n");
        return 2;
    }
    struct worker workers[64];
    memset(workers, 0, sizeof workers);
    for (unsigned i = 0; i < count; i++) {
        workers[i].index = i + 1;
        if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0) {
            perror("demo: cannot start a thread");
            return 1;
        }
    }
    int64_t spent[JOB_COUNT] = {0}, total = 0;
    uint64_t result = 0;
    for (unsigned i = 0; i < count; i++) {
        pthread_join(workers[i].thread, NULL);
        result += workers[i].result;
        for (enum job job = RENDER; job < JOB_COUNT; job++) {
            spent[job] += workers[i].spent_ns[job];
            total += workers[i].spent_ns[job];
        }
    }
    for (enum job job = RENDER; job < JOB_COUNT; job++)
        printf("%-15s %5.1f %% of %.1f CPU seconds\n", job_name[job],
               100.0 * (double)spent[job] / (double)total, (double)total / 1e9);
    return result == 42 ? 3 : 0; /* keeps the work from being optimised away */
}
