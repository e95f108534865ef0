/* Oracle: preloaded into a program, interrupts its first thread some thousand times a
 * second, wherever it is, and compares the stack walked by rows with the one libunwind
 * finds in the same place.
 *
 *   ORACLE_OUT=FILE LD_PRELOAD=.../liboracle.so PROGRAM ...
 *
 * appends a line to FILE when the program exits: name, samples, equal, shipped (only
 * libunwind could have gone on), shorter, longer, other, rooted; then a line for each
 * of the first that differ. A helper thread does what sampler and drain do together:
 * it keeps the table of modules, makes rows, sends the signals. */
#define UNW_LOCAL_ONLY
#include "collector/codemap.h"
#include "collector/drain.h"
#include "collector/rowcache.h"

#include <dlfcn.h>
#include <errno.h>
#include <libunwind.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#define MOST      400u
#define PERIOD_NS 250000
#define SHOWN     12u

enum { EQUAL, SHIPPED, SHORTER, LONGER, OTHER, CLASSES };

static struct {
    struct pl_state *state;
    struct pl_codemap *map;
    struct pl_rowcache *rows;
    struct pl_row_cache cache;
    char dir[256];
    const char *out;
    pid_t pid;
    pthread_t thread;
    uint64_t stack_hi;
    uint32_t made;
    _Atomic bool stop;
    _Atomic unsigned long busy;
    unsigned long samples, rooted, classes[CLASSES];
    struct {
        unsigned ours, theirs, same;
        uint64_t last, our_next, their_next;
    } shown[SHOWN];
    unsigned shown_count;
    int (*init)(unw_cursor_t *, unw_context_t *, int);
    int (*step)(unw_cursor_t *);
    int (*get)(unw_cursor_t *, unw_regnum_t, unw_word_t *);
} o;

static unsigned walk_rows(const ucontext_t *context, uint64_t *pcs,
                          struct pl_walk *walk)
{
    const greg_t *regs = context->uc_mcontext.gregs;
    *walk = (struct pl_walk){
        .code = atomic_load(&o.state->code),
        .cache = &o.cache,
        .memory = {.lo = (uint64_t)regs[REG_RSP] - 128, .hi = o.stack_hi, .tid = o.pid},
        .pc = (uint64_t)regs[REG_RIP],
        .sp = (uint64_t)regs[REG_RSP],
        .bp = (uint64_t)regs[REG_RBP],
        .bp_known = true,
        .registers = regs,
        .registers_known = UINT32_MAX,
        .max_frames = MOST,
        .pcs = pcs};
    pl_unwind_walk(walk);
    unsigned count = 0;
    for (unsigned i = 0; i < walk->count; i++)
        if (pcs[i] != PL_PC_GUESSED)
            pcs[count++] = pcs[i] & ~PL_PC_EXACT;
    return count;
}

static unsigned walk_libunwind(ucontext_t *context, uint64_t *pcs)
{
    unw_cursor_t cursor;
    unw_word_t ip;
    unsigned count = 0;
    if (o.init(&cursor, context, UNW_INIT_SIGNAL_FRAME) < 0)
        return 0;
    do {
        o.get(&cursor, UNW_REG_IP, &ip);
        pcs[count++] = ip;
    } while (count < MOST && o.step(&cursor) > 0);
    if (count > 1 && !pcs[count - 1])
        count--;
    return count;
}

static void show(unsigned ours, unsigned theirs, unsigned same, const uint64_t *our_pcs,
                 const uint64_t *their_pcs)
{
    if (o.shown_count == SHOWN)
        return;
    o.shown[o.shown_count].ours = ours;
    o.shown[o.shown_count].theirs = theirs;
    o.shown[o.shown_count].same = same;
    o.shown[o.shown_count].last = same ? our_pcs[same - 1] : 0;
    o.shown[o.shown_count].our_next = same < ours ? our_pcs[same] : 0;
    o.shown[o.shown_count++].their_next = same < theirs ? their_pcs[same] : 0;
}

static void on_signal(int number, siginfo_t *info, void *context)
{
    static uint64_t ours[MOST], theirs[MOST];
    struct pl_walk walk;
    (void)number, (void)info;
    if (atomic_load(&o.stop) || getpid() != o.pid)
        return;
    unsigned our_count = walk_rows(context, ours, &walk);
    unsigned their_count = walk_libunwind(context, theirs), same = 0;
    while (same < our_count && same < their_count && ours[same] == theirs[same])
        same++;
    o.samples++;
    o.rooted += walk.end == PL_WALK_ROOT || walk.end == PL_WALK_ROOT_ZERO ||
                walk.need_registers;
    unsigned class = same == our_count && same == their_count ? EQUAL
                     : walk.need_registers                    ? SHIPPED
                     : same == our_count                      ? SHORTER
                     : same == their_count                    ? LONGER
                                                              : OTHER;
    o.classes[class]++;
    if (class > SHIPPED)
        show(our_count, their_count, same, ours, theirs);
    if (walk.unknown_code || walk.need_registers)
        atomic_store(&o.state->segment->maps_stale, 1);
}

static void make_rows(void)
{
    struct pl_segment *segment = o.state->segment;
    for (; o.made < atomic_load(&segment->module_count); o.made++) {
        const struct pl_seg_module *m = &segment->modules[o.made];
        struct pl_rowcache_module module = {segment->paths + m->path, m->build_id,
                                            m->build_id_bytes,
                                            (m->flags & PL_MODULE_VDSO) != 0};
        if (pl_rowcache_make(o.rows, &module, NULL) == PL_OK)
            atomic_fetch_add(&segment->rows_generation, 1);
    }
}

static void *help(void *argument)
{
    sigset_t all;
    struct timespec now, pause = {0, PERIOD_NS};
    (void)argument;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    pl_codemap_set_tid(o.map, (int)syscall(SYS_gettid));
    for (unsigned round = 0; !atomic_load(&o.stop); round++) {
        clock_gettime(CLOCK_MONOTONIC, &now);
        pl_codemap_refresh(o.map, now.tv_sec * 1000000000 + now.tv_nsec, round == 0);
        make_rows();
        if (round > 4)
            syscall(SYS_tgkill, o.pid, o.pid, SIGSTKFLT);
        nanosleep(&pause, NULL);
    }
    return NULL;
}

static bool load_libunwind(void)
{
    void *lib = dlopen("libunwind.so.8", RTLD_NOW | RTLD_LOCAL);
    void *functions[3] = {lib ? dlsym(lib, "_ULx86_64_init_local2") : NULL,
                          lib ? dlsym(lib, "_ULx86_64_step") : NULL,
                          lib ? dlsym(lib, "_ULx86_64_get_reg") : NULL};
    memcpy(&o.init, &functions[0], sizeof functions[0]);
    memcpy(&o.step, &functions[1], sizeof functions[0]);
    memcpy(&o.get, &functions[2], sizeof functions[0]);
    return o.init && o.step && o.get;
}

static bool make_state(void)
{
    struct pl_id id;
    struct pl_error err;
    pthread_attr_t attr;
    void *base, *memory = mmap(NULL, pl_codemap_bytes(), PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    size_t bytes;
    o.pid = getpid();
    o.state = calloc(1, sizeof *o.state);
    if (memory == MAP_FAILED || !o.state ||
        !(o.state->segment = calloc(1, sizeof *o.state->segment)) ||
        pl_id_new(&id, &err) != PL_OK ||
        pl_recording_dir_make(&id, o.dir, sizeof o.dir, &err) != PL_OK ||
        pl_rowcache_open(o.dir, &o.rows, &err) != PL_OK)
        return false;
    o.state->pid = o.pid;
    o.map = pl_codemap_init(memory, o.state, o.dir, 0);
    pthread_getattr_np(pthread_self(), &attr);
    pthread_attr_getstack(&attr, &base, &bytes);
    pthread_attr_destroy(&attr);
    o.stack_hi = (uint64_t)(uintptr_t)base + bytes;
    return true;
}

static __attribute__((constructor)) void begin(void)
{
    struct sigaction action = {.sa_flags = SA_SIGINFO | SA_RESTART};
    action.sa_sigaction = on_signal;
    o.out = getenv("ORACLE_OUT");
    if (!o.out || !load_libunwind() || !make_state())
        return;
    sigfillset(&action.sa_mask);
    sigaction(SIGSTKFLT, &action, NULL);
    if (pthread_create(&o.thread, NULL, help, NULL) != 0)
        o.out = NULL;
}

static void put_place(FILE *out, uint64_t pc)
{
    Dl_info info;
    void *address = (void *)(uintptr_t)(pc - 1);
    if (pc && dladdr(address, &info))
        fprintf(out, " %s+%#lx(%s)", strrchr(info.dli_fname, '/') + 1,
                (unsigned long)(pc - (uint64_t)(uintptr_t)info.dli_fbase),
                info.dli_sname ? info.dli_sname : "");
    else
        fprintf(out, " %#lx", (unsigned long)pc);
}

static __attribute__((destructor)) void end(void)
{
    FILE *out;
    if (!o.out || o.pid != getpid())
        return;
    atomic_store(&o.stop, true);
    pthread_join(o.thread, NULL);
    pl_recording_dir_remove(o.dir);
    if (!(out = fopen(o.out, "a")))
        return;
    fprintf(out, "%s %lu", program_invocation_short_name, o.samples);
    for (unsigned i = 0; i < CLASSES; i++)
        fprintf(out, " %lu", o.classes[i]);
    fprintf(out, " %lu\n", o.rooted);
    for (unsigned i = 0; i < o.shown_count; i++) {
        fprintf(out, "  %u frames, libunwind %u, %u alike up to", o.shown[i].ours,
                o.shown[i].theirs, o.shown[i].same);
        put_place(out, o.shown[i].last);
        fprintf(out, ", then");
        put_place(out, o.shown[i].our_next);
        fprintf(out, " and");
        put_place(out, o.shown[i].their_next);
        fprintf(out, "\n");
    }
    fclose(out);
}
