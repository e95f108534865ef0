/* Stacks shipped as registers and a copy: what libunwind finds in the copy, with
 * modules' files only, must be what it finds in this process itself. */
#include "tests/test.h"

#include "collector/drain_modules.h"
#include "collector/elf_image.h"
#include "collector/remote.h"

#include <dlfcn.h>
#include <link.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <ucontext.h>
#include <unistd.h>

typedef int backtrace_fn(void **buffer, int size);

static struct pl_drain_modules modules;
static backtrace_fn *oracle;

static int add_module(struct dl_phdr_info *info, size_t size, void *arg)
{
    (void)size, (void)arg;
    struct pl_drain_module *m = &modules.list[modules.count];
    *m = (struct pl_drain_module){.start = UINT64_MAX, .bias = info->dlpi_addr};
    for (unsigned i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
        if (ph->p_type != PT_LOAD)
            continue;
        uint64_t start = info->dlpi_addr + ph->p_vaddr;
        m->start = start < m->start ? start : m->start;
        if (start + ph->p_memsz > m->end)
            m->end = start + ph->p_memsz;
    }
    if (strstr(info->dlpi_name, "vdso"))
        m->flags = PL_MODULE_VDSO;
    m->path = strdup(info->dlpi_name[0] ? info->dlpi_name : "/proc/self/exe");
    modules.count++;
    return 0;
}

static void setup(void)
{
    if (modules.count)
        return;
    modules.list = calloc(64, sizeof *modules.list);
    void *lib = dlopen("libunwind.so.8", RTLD_NOW | RTLD_LOCAL);
    void *symbol = lib ? dlsym(lib, "unw_backtrace") : NULL;
    memcpy(&oracle, &symbol, sizeof oracle);
    CHECK(oracle != NULL);
    dl_iterate_phdr(add_module, NULL);
    modules.version = 1;
}

static struct pl_registers registers_of(const ucontext_t *context)
{
    const greg_t *g = context->uc_mcontext.gregs;
    struct pl_registers r = {
        .pc = (uint64_t)g[REG_RIP],
        .sp = (uint64_t)g[REG_RSP],
        .bp = (uint64_t)g[REG_RBP],
        .bx = (uint64_t)g[REG_RBX],
        .r12 = (uint64_t)g[REG_R12],
        .r13 = (uint64_t)g[REG_R13],
        .r14 = (uint64_t)g[REG_R14],
        .r15 = (uint64_t)g[REG_R15],
        .pc_known = 0xff,
    };
    return r;
}

/* ---- a stack of known depth, taken at its leaf ---- */

static struct {
    void *expected[PL_MAX_FRAMES];
    int expected_count;
    uint64_t pcs[PL_MAX_FRAMES];
    size_t count;
    enum pl_walk_end end;
    struct pl_registers registers;
    uint8_t copy[PL_STACK_COPY_BYTES];
} shot;

static struct pl_remote *remote;
static size_t wanted_bytes = PL_STACK_COPY_BYTES, copy_bytes;

/* Through the kernel: the copy may reach past the stack's end. */
static void copy_stack(uint64_t from)
{
    struct iovec to = {shot.copy, wanted_bytes};
    struct iovec at = {(void *)(uintptr_t)from, wanted_bytes};
    ssize_t got = process_vm_readv(getpid(), &to, 1, &at, 1, 0);
    copy_bytes = got > 0 ? (size_t)got : 0;
}

static void unwind_copy(void)
{
    struct pl_remote_stack stack = {.registers = &shot.registers,
                                    .stack = shot.copy,
                                    .stack_bytes = copy_bytes,
                                    .mono_ns = 1};
    shot.count =
        pl_remote_unwind(remote, &modules, &stack, shot.pcs, PL_MAX_FRAMES, &shot.end);
}

static __attribute__((noinline)) void take(void)
{
    ucontext_t context;
    getcontext(&context);
    shot.registers = registers_of(&context);
    copy_stack(shot.registers.sp & ~UINT64_C(7));
    shot.expected_count = oracle(shot.expected, PL_MAX_FRAMES);
    unwind_copy();
}

static __attribute__((noinline)) int descend(int depth)
{
    volatile char frame[64];
    frame[0] = (char)depth;
    if (depth)
        return descend(depth - 1) + frame[0];
    take();
    return frame[0];
}

/* From the second frame on: the first differs by where in it one asks. */
static void compare(const char *what)
{
    CHECK((int)shot.count == shot.expected_count, "%s: %zu frames, oracle %d, end %d",
          what, shot.count, shot.expected_count, (int)shot.end);
    for (size_t i = 1; i < shot.count && (int)i < shot.expected_count; i++)
        CHECK(shot.pcs[i] == (uint64_t)(uintptr_t)shot.expected[i], "%s: frame %zu",
              what, i);
}

static void test_same(void)
{
    setup();
    remote = pl_remote_open();
    if (!pl_remote_available(remote)) {
        CHECK(remote != NULL);
        pl_remote_close(remote);
        return;
    }
    for (int depth = 0; depth < 40; depth += 13) {
        descend(depth);
        compare("descend");
        CHECK(shot.end == PL_WALK_ROOT || shot.end == PL_WALK_ROOT_ZERO, "end %d",
              (int)shot.end);
        CHECK(shot.pcs[0] & PL_PC_EXACT && !(shot.pcs[1] & PL_PC_EXACT));
    }
    pl_remote_close(remote);
}

static int by_value(const void *a, const void *b)
{
    static bool taken;
    if (!taken)
        take();
    taken = true;
    return *(const int *)a - *(const int *)b;
}

static void on_signal(int number)
{
    (void)number;
    take();
}

/* Through libc, and through a kernel signal frame, behind which addresses are exact
 * again. */
static void test_libc_and_signal(void)
{
    setup();
    remote = pl_remote_open();
    int numbers[9] = {5, 3, 8, 1, 9, 2, 7, 4, 6};
    qsort(numbers, 9, sizeof *numbers, by_value);
    if (pl_remote_available(remote))
        compare("qsort");

    struct sigaction action = {.sa_handler = on_signal}, before;
    sigaction(SIGUSR1, &action, &before);
    raise(SIGUSR1);
    sigaction(SIGUSR1, &before, NULL);
    if (pl_remote_available(remote)) {
        CHECK(shot.end == PL_WALK_ROOT || shot.end == PL_WALK_ROOT_ZERO);
        size_t exact = 0;
        for (size_t i = 1; i < shot.count; i++)
            exact += (shot.pcs[i] & PL_PC_EXACT) != 0;
        CHECK(exact == 1, "%zu frames are exact", exact);
    }
    pl_remote_close(remote);
}

/* ---- what is missing ---- */

static void test_limits(void)
{
    setup();
    remote = pl_remote_open();
    bool there = pl_remote_available(remote);
    size_t all;

    descend(30);
    all = shot.count;
    wanted_bytes = 2048; /* take() alone has a ucontext_t of 968 */
    descend(30);
    if (there) {
        CHECK(shot.count > 1 && shot.count < all && shot.end == PL_WALK_BAD_STACK,
              "short copy: %zu of %zu, end %d", shot.count, all, (int)shot.end);
    }
    wanted_bytes = 0;
    descend(3);
    CHECK(shot.count == 1, "no stack at all");
    wanted_bytes = PL_STACK_COPY_BYTES;
    descend(3);

    struct pl_drain_modules none = {.version = 99};
    struct pl_remote_stack stack = {.registers = &shot.registers,
                                    .stack = shot.copy,
                                    .stack_bytes = copy_bytes,
                                    .mono_ns = 1};
    shot.count =
        pl_remote_unwind(remote, &none, &stack, shot.pcs, PL_MAX_FRAMES, &shot.end);
    CHECK(shot.count >= 1 && shot.count < PL_MAX_FRAMES);
    CHECK(shot.end != PL_WALK_ROOT, "no modules known, end %d", (int)shot.end);

    descend(30);
    stack.mono_ns = 1;
    size_t few = pl_remote_unwind(remote, &modules, &stack, shot.pcs, 5, &shot.end);
    if (there)
        CHECK(few == 5 && shot.end == PL_WALK_DEPTH, "bounded: %zu", few);

    shot.registers.pc_known = 3; /* a quiet capture */
    shot.count =
        pl_remote_unwind(remote, &modules, &stack, shot.pcs, PL_MAX_FRAMES, &shot.end);
    CHECK(shot.count >= 1);
    pl_remote_close(remote);
}

static uint64_t random_state = 88172645463325252u;

static uint64_t next_random(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    return random_state ^= random_state << 17;
}

/* Stacks and registers of any content end, in bounds. */
static void test_hostile(void)
{
    setup();
    remote = pl_remote_open();
    for (int round = 0; round < 3000; round++) {
        if (round % 100 == 0)
            descend(20);
        struct pl_registers saved = shot.registers;
        for (uint64_t n = next_random() % 60; n; n--) {
            const struct pl_drain_module *m =
                &modules.list[next_random() % modules.count];
            uint64_t values[] = {m->start + next_random() % (m->end - m->start),
                                 saved.sp + next_random() % copy_bytes, next_random(),
                                 0};
            memcpy(shot.copy + next_random() % (copy_bytes / 8) * 8,
                   &values[next_random() % 4], 8);
            if (n % 8 == 0)
                memcpy((char *)&shot.registers + next_random() % 8 * 8,
                       &values[next_random() % 4], 8);
        }
        unwind_copy();
        CHECK(shot.count >= 1 && shot.count <= PL_MAX_FRAMES);
        shot.registers = saved;
    }
    pl_remote_close(remote);
}

TEST_MAIN({"same", test_same}, {"libc_and_signal", test_libc_and_signal},
          {"limits", test_limits}, {"hostile", test_hostile})
