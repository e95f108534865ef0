/* How many samples a second go from a program's threads into chunks without loss (not a
 * test).
 *
 *   bench_lossless [THREADS [RATE]]   default 100 threads, 1000 samples a second of
 * each
 *
 * Threads ask themselves for samples at the bottom of a stack of sixty frames; capture
 * and drain are the real ones, in one process; chunks are counted and thrown away.
 * Limit: 100,000 a second of a process, none lost. */
#include "base/clock.h"
#include "collector/capture.h"
#include "collector/drain.h"
#include "collector/state.h"

#include <dirent.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define MOST_THREADS 1000
#define DEPTH        56
#define RUN_NS       (4 * PL_NS_PER_S)
#define BATCHES      50 /* a second: samples come in bursts, as many as are due */

static char dir[] = "/dev/shm/proflite-bench-XXXXXX";
static int threads = 100, rate = 1000;
static _Atomic bool stopped;
static _Atomic uint64_t asked, stored, lost;

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

/* ---- a thread that asks itself ---- */

static unsigned slot_of(int tid)
{
    struct pl_state *state = atomic_load(&pl_state_current);
    for (unsigned i = 0; i < PL_SEG_MAX_THREADS; i++)
        if (state->slots[i].tid == tid && state->slots[i].announced)
            return i;
    return PL_SEG_MAX_THREADS;
}

static void ask(unsigned index, int tid)
{
    struct pl_state *state = atomic_load(&pl_state_current);
    siginfo_t info = {.si_signo = PL_SIGNAL, .si_code = SI_QUEUE};
    info.si_pid = state->pid;
    info.si_value.sival_ptr =
        (void *)(uintptr_t)(atomic_load(&pl_state_cookie) | index);
    atomic_fetch_add(&state->slots[index].owed_periods, 1);
    syscall(SYS_rt_tgsigqueueinfo, state->pid, tid, PL_SIGNAL, &info);
    asked++;
}

__attribute__((noinline)) static long branch(int left, unsigned index, int tid)
{
    volatile long kept = left;
    if (left > 0)
        return branch(left - 1, index, tid) + kept;
    ask(index, tid);
    return kept;
}

static void work(int tid)
{
    unsigned index, random = (unsigned)tid;
    while ((index = slot_of(tid)) == PL_SEG_MAX_THREADS)
        usleep(10000);
    int64_t next_ns = pl_clock_mono_ns();
    while (!stopped) {
        for (int i = 0; i < rate / BATCHES; i++) {
            random = random * 1664525u + 1013904223u;
            branch((int)(random >> 29), index, tid);
        }
        next_ns += PL_NS_PER_S / BATCHES;
        int64_t wait_ns = next_ns - pl_clock_mono_ns();
        if (wait_ns > 0)
            usleep((useconds_t)(wait_ns / 1000));
    }
}

__attribute__((noinline)) static long descend(int left, int tid)
{
    volatile long kept = left;
    if (left == 0)
        work(tid);
    else
        kept += descend(left - 1, tid);
    return kept;
}

static void *thread_body(void *unused)
{
    descend(DEPTH, (int)syscall(SYS_gettid));
    return unused;
}

/* ---- the drain, into nothing ---- */

static const char *const loss_names[] = {
#define X(name, text) text,
    PL_LOSS_LIST(X)
#undef X
};
static uint64_t losses[PL_LOSS_COUNT];

static enum pl_status begin(void *self, const struct pl_sink_session *session,
                            struct pl_error *err)
{
    (void)self;
    (void)session;
    (void)err;
    return PL_OK;
}

static enum pl_status put(void *self, const struct pl_sink_part *part,
                          struct pl_error *err)
{
    (void)self;
    (void)err;
    for (size_t i = 0; i < part->thread_count; i++) {
        const struct pl_sink_thread *thread = &part->threads[i];
        for (size_t r = 0; r < thread->run_count; r++) {
            const struct pl_sink_run *run = &thread->runs[r];
            int64_t weight_ns = run->weight_ns ? run->weight_ns : part->period_ns;
            if (run->stack != PL_NO_INDEX)
                stored += run->count * (uint64_t)(weight_ns / part->period_ns);
        }
    }
    for (size_t i = 0; i < part->loss_count; i++) {
        lost += part->losses[i].count;
        for (unsigned reason = 0; reason < PL_LOSS_COUNT; reason++)
            if (strcmp(part->losses[i].reason, loss_names[reason]) == 0)
                losses[reason] += part->losses[i].count;
    }
    return PL_OK;
}

static enum pl_status end(void *self, const struct pl_id *session_id, int64_t end_ns,
                          enum pl_session_state session_state, int exit_status,
                          struct pl_error *err)
{
    (void)self;
    (void)session_id;
    (void)end_ns;
    (void)session_state;
    (void)exit_status;
    (void)err;
    return PL_OK;
}

static _Atomic int drain_tid;
static double drain_cpu_s;

static void *drain_body(void *argument)
{
    struct pl_drain *drain = argument;
    struct pl_error err;
    struct timespec used;
    drain_tid = (int)syscall(SYS_gettid);
    while (!stopped) {
        if (pl_drain_step(drain, &err) != PL_OK)
            fail(err.message);
        usleep((useconds_t)pl_drain_pause_ms(drain) * 1000);
    }
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    drain_cpu_s = (double)used.tv_sec + 1e-9 * (double)used.tv_nsec;
    return NULL;
}

/* ---- the whole ---- */

/* A period nobody reaches, so that all samples are those the threads ask for. */
static void start_capture(void)
{
    struct pl_capture_options options = {.dir = dir,
                                         .period_ns = 3600 * PL_NS_PER_S,
                                         .cpu_mode = true,
                                         .hidden_tids = {drain_tid}};
    if (pl_capture_start(&options) != 0)
        fail("capture");
    atomic_load(&pl_state_current)->paced = true;
}

static void run(struct pl_drain *drain)
{
    static pthread_t all[MOST_THREADS];
    pthread_t drainer;
    struct timespec time = {RUN_NS / PL_NS_PER_S, 0};
    pthread_create(&drainer, NULL, drain_body, drain);
    while (!drain_tid)
        usleep(1000);
    start_capture();
    for (int i = 0; i < threads; i++) {
        if (pthread_create(&all[i], NULL, thread_body, NULL) != 0)
            fail("pthread_create");
    }
    int64_t from_ns = pl_clock_mono_ns();
    nanosleep(&time, NULL);
    stopped = true;
    for (int i = 0; i < threads; i++)
        pthread_join(all[i], NULL);
    double took_s = 1e-9 * (double)(pl_clock_mono_ns() - from_ns);
    pthread_join(drainer, NULL);
    pl_capture_stop();
    struct pl_error err;
    if (pl_drain_finish(drain, &err) != PL_OK)
        fail(err.message);
    printf(
        "samples asked for by %d threads: %lu, %.0f a second\n"
        "  in chunks %lu, lost %lu (goal: none of 100,000 a second), unexplained %ld\n"
        "  drain: %.2f us of CPU time a sample\n",
        threads, (unsigned long)asked, (double)asked / took_s, (unsigned long)stored,
        (unsigned long)lost, (long)asked - (long)stored - (long)lost,
        1e6 * drain_cpu_s / (double)asked);
    for (unsigned reason = 0; reason < PL_LOSS_COUNT; reason++)
        if (losses[reason])
            printf("  %s %lu\n", loss_names[reason], (unsigned long)losses[reason]);
}

static void remove_folder(const char *path)
{
    char name[512];
    struct dirent *entry;
    DIR *folder = opendir(path);
    while (folder && (entry = readdir(folder))) {
        snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        if (entry->d_name[0] != '.' && entry->d_type == DT_DIR)
            remove_folder(name);
        else if (entry->d_type == DT_REG)
            unlink(name);
    }
    if (folder)
        closedir(folder);
    rmdir(path);
}

int main(int argc, char **argv)
{
    struct pl_error err;
    struct pl_drain *drain = NULL;
    const struct pl_chunk_sink sink = {
        .session_begin = begin, .put = put, .session_end = end};
    struct pl_drain_options options = {.dir = dir, .chunk_ns = PL_NS_PER_S};
    if (argc > 1)
        threads = atoi(argv[1]);
    if (argc > 2)
        rate = atoi(argv[2]);
    if (threads < 1 || threads > MOST_THREADS || rate < BATCHES) {
        fprintf(stderr, "usage: bench_lossless [THREADS [RATE]], up to %d, from %d\n",
                MOST_THREADS, BATCHES);
        return 2;
    }
    if (!mkdtemp(dir))
        fail(dir);
    if (pl_drain_open(&options, &sink, &drain, &err) != PL_OK)
        fail(err.message);
    pl_drain_prepare(drain, "/proc/self/exe");
    run(drain);
    pl_drain_close(drain);
    remove_folder(dir);
    return 0;
}
