/* What a sample costs the thread it is taken from (not a test).
 *
 *   bench_capture [ROUNDS]    default 15; gperftools' handler is measured, too, where
 *                             libprofiler.so.0 can be loaded
 *
 * Threads send themselves signals at the bottom of a stack of a given depth, whose
 * innermost one to eight frames are others every time. Every round goes through all
 * handlers and depths in turn. Of thread CPU time per signal the medians over the
 * rounds are shown, and the medians of what it is more than with the empty handler of
 * the same round, so that both see the same machine. */
#define UNW_LOCAL_ONLY
#include "collector/capture.h"
#include "collector/codemap.h"
#include "collector/handler.h"
#include "collector/rowcache.h"
#include "collector/vclock.h"

#include <dirent.h>
#include <dlfcn.h>
#include <libunwind.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>
#include <x86intrin.h>

#define MOST_THREADS 8
#define MOST_ROUNDS  200
#define BATCH        1000
#define SLOW_BATCH   100 /* of gperftools' handler */
#define COOKIE       (UINT64_C(1) << 20)

static const int depths[] = {10, 30, 60, 120};
#define DEPTHS (sizeof depths / sizeof depths[0])

enum way {
    NO_SIGNAL,
    EMPTY,
    OURS,
    OURS_TIMED,
    FRAME_POINTER,
    BACKTRACE,
    GPERFTOOLS,
    WAYS
};
static const char *const way_names[] = {"no signal", "empty handler",  "proflite",
                                        NULL,        "frame pointers", "unw_backtrace",
                                        "gperftools"};

static struct pl_state *state;
static struct sigaction actions[WAYS];
static char dir[] = "/dev/shm/proflite-bench-XXXXXX";
static int rounds = 15;

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static double thread_cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double quantile(double *values, size_t count, double part)
{
    qsort(values, count, sizeof *values, by_value);
    return count ? values[(size_t)((double)(count - 1) * part)] : 0;
}

/* ---- a thread at work ---- */

struct worker {
    pthread_t thread;
    unsigned index;
    int tid;
    siginfo_t info;
    enum way way;
    int depth, batch;
    bool at_bottom;
    uint32_t random;
    double ns_per_signal;
    double *cycles; /* of OURS_TIMED, since they were last kept */
    size_t cycle_count;
};

static __thread struct worker *self;
static struct worker workers[MOST_THREADS];

static _Atomic unsigned failures; /* of the records looked at */

static void look_at_record(unsigned index)
{
    const struct pl_seg_thread *shared = &state->segment->threads[index];
    const struct pl_ring *ring = &state->slots[index].ring;
    uint64_t at = atomic_load(&shared->tail), head = atomic_load(&shared->head);
    const struct pl_rec *rec = (const void *)(ring->bytes + (at & (ring->size - 1)));
    if (at != head && rec->kind != PL_REC_PAD)
        failures += rec->kind != PL_REC_STACK || rec->end > PL_WALK_ROOT_ZERO;
}

static void answer_drained(unsigned index)
{
    struct pl_seg_thread *shared = &state->segment->threads[index];
    atomic_store_explicit(&shared->tail,
                          atomic_load_explicit(&shared->head, memory_order_relaxed),
                          memory_order_relaxed);
    atomic_store_explicit(&state->slots[index].want_tick, 1, memory_order_relaxed);
}

static long bottom(long value);

/* Functions, each with a frame of its own, that call one another; those named
 * `framed` keep frame pointers, for the walk that needs them. */
#define FUNCTIONS(X, kind, how)                                                        \
    EIGHT(X, kind, how, 0x0)                                                           \
    EIGHT(X, kind, how, 0x1)                                                           \
    EIGHT(X, kind, how, 0x2)                                                           \
    EIGHT(X, kind, how, 0x3)                                                           \
    EIGHT(X, kind, how, 0x4)                                                           \
    EIGHT(X, kind, how, 0x5)                                                           \
    EIGHT(X, kind, how, 0x6)                                                           \
    EIGHT(X, kind, how, 0x7)                                                           \
    EIGHT(X, kind, how, 0x8)                                                           \
    EIGHT(X, kind, how, 0x9)                                                           \
    EIGHT(X, kind, how, 0xa)                                                           \
    EIGHT(X, kind, how, 0xb)                                                           \
    EIGHT(X, kind, how, 0xc)                                                           \
    EIGHT(X, kind, how, 0xd)                                                           \
    EIGHT(X, kind, how, 0xe)                                                           \
    EIGHT(X, kind, how, 0xf)
#define EIGHT(X, kind, how, n)                                                         \
    X(kind, how, n##0)                                                                 \
    X(kind, how, n##1)                                                                 \
    X(kind, how, n##2)                                                                 \
    X(kind, how, n##3)                                                                 \
    X(kind, how, n##4)                                                                 \
    X(kind, how, n##5)                                                                 \
    X(kind, how, n##6)                                                                 \
    X(kind, how, n##7)
#define DECLARE(kind, how, n) static step kind##n;
#define NAME(kind, how, n)    kind##n,
#define DEFINE(kind, how, n)                                                           \
    __attribute__((noinline, optimize(how))) static long kind##n(int left, long value) \
    {                                                                                  \
        volatile long local[2 + 2 * (n % 5)];                                          \
        local[n % 2] = value;                                                          \
        long below = left > 0 ? kind##_steps[(n * 37 + 11) % STEPS](left - 1, value)   \
                              : bottom(value);                                         \
        return below ^ local[n % 2] ^ left;                                            \
    }

typedef long step(int left, long value);
FUNCTIONS(DECLARE, plain, )
FUNCTIONS(DECLARE, framed, )
static step *const plain_steps[] = {FUNCTIONS(NAME, plain, )};
static step *const framed_steps[] = {FUNCTIONS(NAME, framed, )};
#define STEPS (sizeof plain_steps / sizeof plain_steps[0])
FUNCTIONS(DEFINE, plain, "omit-frame-pointer")
FUNCTIONS(DEFINE, framed, "no-omit-frame-pointer")

static void send_one(struct worker *worker)
{
    if (worker->way == NO_SIGNAL) {
        syscall(SYS_gettid);
        return;
    }
    syscall(SYS_rt_tgsigqueueinfo, state->pid, worker->tid, PL_SIGNAL, &worker->info);
    if (!(worker->random & 0x3f00))
        look_at_record(worker->index);
    answer_drained(worker->index);
}

/* Reached first from outside: then it is the place the branches begin at. */
static long bottom(long value)
{
    struct worker *worker = self;
    if (worker->at_bottom) {
        send_one(worker);
        return value;
    }
    step *const *steps = worker->way == FRAME_POINTER ? framed_steps : plain_steps;
    worker->at_bottom = true;
    double from_ns = thread_cpu_ns();
    for (int i = 0; i < worker->batch; i++) {
        worker->random = worker->random * 1664525u + 1013904223u;
        value += steps[(worker->random >> 8) % STEPS]((int)(worker->random >> 24 & 7),
                                                      value);
    }
    worker->ns_per_signal = (thread_cpu_ns() - from_ns) / worker->batch;
    worker->at_bottom = false;
    return value;
}

static void *work(void *argument)
{
    self = argument;
    self->tid = (int)syscall(SYS_gettid);
    struct pl_slot *slot = &state->slots[self->index];
    pthread_attr_t attr;
    void *base;
    size_t bytes;
    pthread_getattr_np(pthread_self(), &attr);
    pthread_attr_getstack(&attr, &base, &bytes);
    pthread_attr_destroy(&attr);
    slot->tid = self->tid;
    atomic_store(&slot->stack_hi, (uint64_t)(uintptr_t)base + bytes);
    atomic_store(&slot->stack_lo, (uint64_t)(uintptr_t)base);
    answer_drained(self->index);
    self->info = (siginfo_t){.si_signo = PL_SIGNAL, .si_code = SI_QUEUE};
    self->info.si_pid = state->pid;
    self->info.si_value.sival_ptr = (void *)(uintptr_t)(COOKIE | self->index);
    /* Some eleven frames are the thread's own and those of the branch. */
    (self->way == FRAME_POINTER ? framed_steps : plain_steps)[0](self->depth - 11, 1);
    return NULL;
}

static double run_batch(int way, int depth, int threads)
{
    double sum = 0;
    if (way != NO_SIGNAL && sigaction(PL_SIGNAL, &actions[way], NULL) != 0)
        fail("sigaction");
    for (int i = 0; i < threads; i++) {
        workers[i].way = (enum way)way;
        workers[i].depth = depth;
        workers[i].batch = way == GPERFTOOLS ? SLOW_BATCH : BATCH;
        if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0)
            fail("pthread_create");
    }
    for (int i = 0; i < threads; i++) {
        pthread_join(workers[i].thread, NULL);
        sum += workers[i].ns_per_signal;
    }
    return sum / threads;
}

/* ---- the handlers ---- */

static uint64_t found[MOST_THREADS][512];

static void on_empty(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)info;
    (void)context;
}

static void on_timed(int number, siginfo_t *info, void *context)
{
    uint64_t from = __rdtsc();
    actions[OURS].sa_sigaction(number, info, context);
    if (self->cycle_count < BATCH)
        self->cycles[self->cycle_count++] = (double)(__rdtsc() - from);
}

static void on_frame_pointer(int number, siginfo_t *info, void *context)
{
    const greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;
    uint64_t bp = (uint64_t)regs[REG_RBP];
    uint64_t hi = atomic_load(&state->slots[self->index].stack_hi);
    unsigned count = 0;
    (void)number;
    (void)info;
    found[self->index][count++] = (uint64_t)regs[REG_RIP];
    while (count < 512 && bp && bp + 16 <= hi && !(bp & 7)) {
        const uint64_t *record = (const uint64_t *)(uintptr_t)bp;
        found[self->index][count++] = record[1];
        if (record[0] <= bp)
            break;
        bp = record[0];
    }
}

static void on_backtrace(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)info;
    (void)context;
    unw_backtrace((void **)found[self->index], 512);
}

static void find_gperftools(void)
{
    void *library = dlopen("libprofiler.so.0", RTLD_NOW | RTLD_LOCAL);
    struct sigaction action;
    const struct itimerval never = {{0, 0}, {0, 0}};
    if (!library)
        return;
    void *symbol = dlsym(library, "ProfilerStart");
    int (*start)(const char *);
    memcpy(&start, &symbol, sizeof start);
    if (!start || !start("/dev/null"))
        return;
    setitimer(ITIMER_PROF, &never, NULL);
    sigaction(SIGPROF, NULL, &action);
    signal(SIGPROF, SIG_IGN);
    if (action.sa_flags & SA_SIGINFO)
        actions[GPERFTOOLS] = action;
}

/* Capture without a sampler: a table of all code there is, slots for the threads. */
static void set_up_ours(void)
{
    struct pl_error err;
    struct pl_rowcache *rows = NULL;
    pl_vclock_init(getauxval(AT_SYSINFO_EHDR));
    state = aligned_alloc(64, sizeof *state);
    memset(state, 0, sizeof *state);
    state->segment = calloc(1, sizeof *state->segment);
    state->pid = getpid();
    void *memory = mmap(NULL, pl_codemap_bytes(), PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    struct pl_codemap *map =
        pl_codemap_init(memory, state, dir, (uint64_t)(uintptr_t)set_up_ours);
    pl_codemap_set_tid(map, (int)syscall(SYS_gettid));
    pl_codemap_refresh(map, 1000000000, true);
    if (pl_rowcache_open(dir, &rows, &err) != PL_OK)
        fail(err.message);
    for (uint32_t i = 0; i < state->segment->module_count; i++) {
        const struct pl_seg_module *m = &state->segment->modules[i];
        struct pl_rowcache_module module = {state->segment->paths + m->path,
                                            m->build_id, m->build_id_bytes,
                                            (m->flags & PL_MODULE_VDSO) != 0};
        if (pl_rowcache_make(rows, &module, &err) != PL_OK)
            fprintf(stderr, "%s: %s\n", module.path, err.message);
    }
    pl_rowcache_close(rows);
    state->segment->rows_generation++;
    pl_codemap_refresh(map, 2000000000, false);
    for (unsigned i = 0; i < MOST_THREADS; i++) {
        struct pl_seg_thread *shared = &state->segment->threads[i];
        struct pl_slot *slot = &state->slots[i];
        slot->generation = 1;
        slot->ring = (struct pl_ring){.bytes = calloc(1, PL_RING_BYTES),
                                      .size = PL_RING_BYTES,
                                      .head = &shared->head,
                                      .tail = &shared->tail};
        slot->cache = calloc(1, sizeof *slot->cache);
        atomic_store(&slot->stack_lo, PL_NO_BOUNDS);
    }
    atomic_store(&pl_state_cookie, COOKIE);
    atomic_store(&pl_state_current, state);
    if (pl_handler_install() != 0)
        fail("handler");
    sigaction(PL_SIGNAL, NULL, &actions[OURS]);
}

static void set_up_ways(void)
{
    set_up_ours();
    for (int way = EMPTY; way <= BACKTRACE; way++) {
        if (way != OURS)
            actions[way] = actions[OURS];
    }
    actions[EMPTY].sa_sigaction = on_empty;
    actions[OURS_TIMED].sa_sigaction = on_timed;
    actions[FRAME_POINTER].sa_sigaction = on_frame_pointer;
    actions[BACKTRACE].sa_sigaction = on_backtrace;
    find_gperftools();
    for (unsigned i = 0; i < MOST_THREADS; i++) {
        workers[i].index = i;
        workers[i].random = 12345 + i;
        workers[i].cycles = malloc(sizeof(double) * BATCH);
    }
}

/* ---- signals ---- */

static double ns_per_cycle(void)
{
    int64_t from_ns = pl_vclock_ns(CLOCK_MONOTONIC);
    uint64_t from = __rdtsc();
    usleep(50000);
    return (double)(pl_vclock_ns(CLOCK_MONOTONIC) - from_ns) /
           (double)(__rdtsc() - from);
}

static double ns[WAYS][DEPTHS][MOST_ROUNDS];
static double times[DEPTHS][MOST_THREADS * MOST_ROUNDS * (size_t)BATCH]; /* cycles */
static size_t time_counts[DEPTHS];

static void keep_times(size_t d, int threads)
{
    for (int i = 0; i < threads; i++) {
        for (size_t c = 0; c < workers[i].cycle_count; c++)
            times[d][time_counts[d]++] = workers[i].cycles[c];
        workers[i].cycle_count = 0;
    }
}

static bool is_there(int way)
{
    return way != GPERFTOOLS || actions[way].sa_sigaction;
}

/* What a signal may cost beyond an empty handler, in ns: with one thread, with more. */
static const double goals[2][DEPTHS] = {{250, 300, 350, 500}, {450, 450, 450, 450}};

static double median(const double *values, const double *less)
{
    double copy[MOST_ROUNDS];
    for (int i = 0; i < rounds; i++)
        copy[i] = values[i] - (less ? less[i] : 0);
    return quantile(copy, (size_t)rounds, .5);
}

static void print_goals(int threads)
{
    printf("\n%-16s", "goal");
    for (size_t d = 0; d < DEPTHS; d++)
        printf("%9s %5.2f %+8.0f", "", 1.15, goals[threads > 1][d]);
}

static void print_signals(int threads)
{
    double scale = ns_per_cycle();
    printf("%-16s", "depth");
    for (size_t d = 0; d < DEPTHS; d++)
        printf("%24d", depths[d]);
    for (int way = 0; way < WAYS; way++) {
        if (!way_names[way] || !is_there(way))
            continue;
        printf("\n%-16s", way_names[way]);
        for (size_t d = 0; d < DEPTHS; d++) {
            double empty = median(ns[EMPTY][d], NULL);
            double more = median(ns[way][d], ns[EMPTY][d]);
            printf("%9.0f %5.2f %+8.0f", median(ns[way][d], NULL), 1 + more / empty,
                   more);
        }
        if (way == OURS)
            print_goals(threads);
    }
    printf("\n%-16s", "proflite p50/p99");
    for (size_t d = 0; d < DEPTHS; d++) {
        double p50 = quantile(times[d], time_counts[d], .5) * scale;
        printf("%15.0f/%8.0f", p50, quantile(times[d], time_counts[d], .99) * scale);
    }
    printf("   (goal of p99: 50,000)\n");
}

static void print_failures(void)
{
    uint64_t lost = 0;
    for (unsigned i = 0; i < MOST_THREADS; i++)
        lost += state->segment->threads[i].lost[PL_LOSS_RING_FULL];
    if (failures || lost)
        printf("%u stacks did not reach the root, %lu were lost: the figures say "
               "little\n",
               failures, (unsigned long)lost);
}

static void measure_signals(int threads)
{
    memset(time_counts, 0, sizeof time_counts);
    for (int round = -1; round < rounds; round++) { /* one to warm up */
        for (size_t d = 0; d < DEPTHS; d++) {
            for (int way = 0; way < WAYS; way++) {
                double value = is_there(way) ? run_batch(way, depths[d], threads) : 0;
                if (round >= 0)
                    ns[way][d][round] = value;
            }
            if (round >= 0)
                keep_times(d, threads);
            for (int i = 0; i < threads; i++)
                workers[i].cycle_count = 0;
        }
    }
    printf(
        "\n%d thread%s, ns of CPU a signal (ratio to the empty handler, difference)\n",
        threads, threads > 1 ? "s" : "");
    print_signals(threads);
    print_failures();
}

/* ---- the whole ---- */

static void remove_folder(const char *path)
{
    char name[512];
    struct dirent *entry;
    DIR *folder = opendir(path);
    while (folder && (entry = readdir(folder))) {
        snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        if (entry->d_type == DT_REG)
            unlink(name);
    }
    if (folder)
        closedir(folder);
    rmdir(path);
}

int main(int argc, char **argv)
{
    char rows_dir[64];
    if (argc > 1)
        rounds = atoi(argv[1]);
    if (rounds < 1 || rounds > MOST_ROUNDS) {
        fprintf(stderr, "usage: bench_capture [ROUNDS], 1 to %d\n", MOST_ROUNDS);
        return 2;
    }
    if (!mkdtemp(dir))
        fail(dir);
    set_up_ways();
    measure_signals(1);
    measure_signals(MOST_THREADS);
    snprintf(rows_dir, sizeof rows_dir, "%s/" PL_ROWS_DIR, dir);
    remove_folder(rows_dir);
    remove_folder(dir);
    return 0;
}
