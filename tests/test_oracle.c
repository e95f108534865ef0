/* Oracle: stacks walked by rows against libunwind's, on this program's own threads,
 * interrupted wherever a timer hits and at calls that block. */
#define UNW_LOCAL_ONLY
#include "collector/codemap.h"
#include "collector/rowcache.h"

#include "tests/test.h"

#include <libunwind.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#define MOST 256

static struct pl_state *state;
static uint64_t stack_lo, stack_hi;
static char dir[] = "/dev/shm/proflite-test-XXXXXX";
static volatile long samples, equal, shipped, frames, taken_over, shown;

static void set_up(void)
{
    struct pl_error err;
    struct pl_rowcache *rows = NULL;
    if (state)
        return;
    state = aligned_alloc(64, sizeof *state);
    memset(state, 0, sizeof *state);
    state->segment = calloc(1, sizeof *state->segment);
    state->pid = getpid();
    void *memory = mmap(NULL, pl_codemap_bytes(), PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(mkdtemp(dir));
    struct pl_codemap *map =
        pl_codemap_init(memory, state, dir, (uint64_t)(uintptr_t)set_up);
    pl_codemap_set_tid(map, (int)syscall(SYS_gettid));
    CHECK(pl_codemap_refresh(map, 1000000000, true));
    CHECK_OK(pl_rowcache_open(dir, &rows, &err), err);
    unsigned main_count = 0;
    for (uint32_t i = 0; i < state->segment->module_count; i++) {
        const struct pl_seg_module *m = &state->segment->modules[i];
        struct pl_rowcache_module module = {state->segment->paths + m->path,
                                            m->build_id, m->build_id_bytes,
                                            (m->flags & PL_MODULE_VDSO) != 0};
        CHECK_OK(pl_rowcache_make(rows, &module, &err), err);
        main_count += (m->flags & PL_MODULE_MAIN) != 0;
    }
    CHECK(main_count == 1);
    pl_rowcache_close(rows);
    state->segment->rows_generation++;
    uint32_t before = pl_codemap_version(map);
    pl_codemap_refresh(map, 2000000000, false);
    CHECK(pl_codemap_version(map) > before);
    char command_path[64];
    snprintf(command_path, sizeof command_path, "%s/rows", dir);
    pthread_attr_t attr;
    void *base;
    size_t bytes;
    pthread_getattr_np(pthread_self(), &attr);
    pthread_attr_getstack(&attr, &base, &bytes);
    pthread_attr_destroy(&attr);
    stack_lo = (uint64_t)(uintptr_t)base;
    stack_hi = stack_lo + bytes;
}

static unsigned walk_rows(const ucontext_t *context, uint64_t *pcs, bool *ships)
{
    const greg_t *regs = context->uc_mcontext.gregs;
    static struct pl_row_cache cache;
    struct pl_walk walk = {.code = atomic_load(&state->code),
                           .cache = &cache,
                           .memory = {.lo = stack_lo, .hi = stack_hi},
                           .pc = (uint64_t)regs[REG_RIP],
                           .sp = (uint64_t)regs[REG_RSP],
                           .bp = (uint64_t)regs[REG_RBP],
                           .bp_known = true,
                           .max_frames = MOST,
                           .pcs = pcs};
    pl_unwind_walk(&walk);
    for (unsigned i = 0; i < walk.count; i++)
        pcs[i] &= ~PL_PC_EXACT;
    *ships = walk.need_registers;
    taken_over += walk.memory.memo && cache.memo.frame_count < walk.count;
    return walk.count;
}

static unsigned walk_libunwind(ucontext_t *context, int flag, uint64_t *pcs)
{
    unw_cursor_t cursor;
    unw_word_t ip;
    unsigned count = 0;
    unw_init_local2(&cursor, context, flag);
    do {
        unw_get_reg(&cursor, UNW_REG_IP, &ip);
        pcs[count++] = ip;
    } while (count < MOST && unw_step(&cursor) > 0);
    if (count > 1 && !pcs[count - 1])
        count--;
    return count;
}

static void compare(ucontext_t *context, int flag)
{
    uint64_t ours[MOST], theirs[MOST];
    bool ships;
    unsigned our_count = walk_rows(context, ours, &ships);
    unsigned their_count = walk_libunwind(context, flag, theirs);
    samples++;
    frames += our_count;
    if (ships) {
        shipped++;
    } else if (our_count == their_count && memcmp(ours, theirs, our_count * 8) == 0) {
        equal++;
    } else if (shown++ < 5) {
        unsigned same = 0;
        while (same < our_count && same < their_count && ours[same] == theirs[same])
            same++;
        fprintf(stderr,
                "%u frames against %u, the first %u alike; leaf %lx then %lx, %lx\n",
                our_count, their_count, same, (unsigned long)ours[0],
                same < our_count ? (unsigned long)ours[same] : 0ul,
                same < their_count ? (unsigned long)theirs[same] : 0ul);
    }
}

static void on_timer(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)info;
    compare(context, UNW_INIT_SIGNAL_FRAME);
}

/* ---- work to be interrupted in ---- */

static volatile double sink;
static char text[4096];

static int compare_items(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

__attribute__((noinline)) static int recurse(int n, int (*leaf)(int))
{
    volatile int below = n > 0 ? recurse(n - 1, leaf) : leaf(n);
    return below + 1;
}

__attribute__((noinline)) static int variable_frame(int n)
{
    char *local = __builtin_alloca((size_t)(n & 31) * 16 + 16);
    memset(local, n, 16);
    snprintf(text, sizeof text, "%d %f %s", n, sqrt(n + 2.0),
             "some text of a certain length");
    return local[3];
}

__attribute__((noinline, force_align_arg_pointer)) static int realigned(int n)
{
    _Alignas(64) char local[128];
    memset(local, n, sizeof local);
    return variable_frame(local[5] & 15);
}

static int work(int n)
{
    int items[200];
    for (int i = 0; i < 200; i++)
        items[i] = (i * 7919 + n) % 1009;
    qsort(items, 200, sizeof items[0], compare_items);
    memmove(text + 1, text, 2000);
    sink += strtod("3.25e7", NULL) + pow(items[3], 1.1) + (double)strlen(text);
    free(malloc((size_t)items[9] + 1));
    return realigned(n) + variable_frame(items[7]);
}

static void test_interrupted(void)
{
    set_up();
    samples = equal = shipped = frames = 0;
    struct sigaction action = {.sa_flags = SA_SIGINFO | SA_RESTART};
    action.sa_sigaction = on_timer;
    sigaction(SIGPROF, &action, NULL);
    struct itimerval every = {{0, 1000}, {0, 1000}}, never = {{0, 0}, {0, 0}};
    setitimer(ITIMER_PROF, &every, NULL);
    for (int i = 0; samples < 500 && i < 1000000; i++)
        recurse(i % 50, work);
    setitimer(ITIMER_PROF, &never, NULL);
    CHECK(samples >= 500);
    CHECK(frames / samples > 5);
    CHECK(shipped * 50 <= samples, "%ld shipped", shipped);
    CHECK(taken_over > samples / 2, "%ld went on as the one before", taken_over);
    CHECK(equal + shipped >= samples - samples / 200, "%ld of %ld alike, %ld shipped",
          equal, samples, shipped);
}

static int at_call(int n)
{
    ucontext_t context;
    (void)n;
    getcontext(&context);
    /* libunwind takes the address for a return address: one it surely can look up. */
    compare(&context, 0);
    return 0;
}

static void test_at_calls(void)
{
    set_up();
    samples = equal = shipped = frames = 0;
    for (int i = 0; i < 60; i++)
        recurse(i, at_call);
    CHECK(samples == 60 && equal == 60, "%ld of %ld", equal, samples);
}

/* A signal handler's frames, then what it interrupted. */
static void on_user(int number)
{
    (void)number;
    at_call(0);
}

static int raise_it(int n)
{
    (void)n;
    raise(SIGUSR1);
    return 0;
}

static void test_through_signal(void)
{
    set_up();
    samples = equal = shipped = frames = 0;
    signal(SIGUSR1, on_user);
    recurse(10, raise_it);
    CHECK(samples == 1 && equal == 1 && frames >= 16, "%ld frames", frames);
}

static void test_clean_up(void)
{
    char path[256];
    for (uint32_t i = 0; state && i < state->segment->module_count; i++) {
        const struct pl_seg_module *m = &state->segment->modules[i];
        char hex[41] = "";
        for (unsigned b = 0; b < m->build_id_bytes; b++)
            snprintf(hex + 2 * b, 3, "%02x", m->build_id[b]);
        snprintf(path, sizeof path, "%s/rows/%s.rows", dir, hex);
        unlink(path);
    }
    snprintf(path, sizeof path, "%s/rows", dir);
    rmdir(path);
    rmdir(dir);
    CHECK(1);
}

TEST_MAIN({"interrupted", test_interrupted}, {"at_calls", test_at_calls},
          {"through_signal", test_through_signal}, {"clean_up", test_clean_up})
