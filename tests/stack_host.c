/* A program whose stacks are hard to walk: each mode works in one place for a while and
 * says where that is, so that a test can tell the samples that were taken there. */
#include <link.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <time.h>

#define WORK_S      0.5
#define STACK_BYTES (64u * 1024)

/* The functions of a mode, one section each: the linker says where it is. */
#define PLACE(name) __attribute__((noinline, section(name)))
extern const char __start_at_tail[], __stop_at_tail[];
extern const char __start_at_fiber[], __stop_at_fiber[];
extern const char __start_at_edge[], __stop_at_edge[];

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void say(const void *start, const void *end)
{
    printf("%lx %lx\n", (unsigned long)(uintptr_t)start, (unsigned long)(uintptr_t)end);
    fflush(stdout);
}

/* ---- the kernel's own code ---- */

static int find_code(struct dl_phdr_info *info, size_t size, void *wanted)
{
    (void)size;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
        const char *start = (const char *)(info->dlpi_addr + ph->p_vaddr);
        if (ph->p_type != PT_LOAD || !(ph->p_flags & PF_X) ||
            *(const char **)wanted < start - ph->p_offset ||
            *(const char **)wanted >= start + ph->p_memsz)
            continue;
        say(start, start + ph->p_memsz);
        return 1;
    }
    return 0;
}

static int mode_vdso(void)
{
    const void *image = (const void *)(uintptr_t)getauxval(AT_SYSINFO_EHDR);
    if (!dl_iterate_phdr(find_code, &image))
        return 1;
    for (double end = now() + WORK_S; now() < end;)
        for (int i = 0; i < 10000; i++)
            (void)now();
    return 0;
}

/* ---- calls that are jumps ---- */

PLACE("at_tail") static long tail_last(long n, double end)
{
    volatile long sum = n;
    while (now() < end)
        for (int i = 0; i < 10000; i++)
            sum += i;
    return sum;
}

/* Has a frame of its own, and gives it up before it jumps. */
__attribute__((noinline)) static long tail_first(long n, double end)
{
    volatile char room[200];
    for (unsigned i = 0; i < sizeof room; i++)
        room[i] = (char)n;
    return tail_last(n + room[n & 127], end);
}

static int mode_tail(void)
{
    say(__start_at_tail, __stop_at_tail);
    volatile long result = tail_first(3, now() + WORK_S);
    return result == 0;
}

/* ---- a switch of stacks in assembly without rules; only where one begins has one ----
 */

void switch_stack(void **from_sp, void *to_sp);
void fiber_start(void);
__asm__(".text\n"
        ".globl switch_stack\n"
        ".type switch_stack, @function\n"
        "switch_stack:\n"
        "  push %rbp; push %rbx; push %r12; push %r13; push %r14; push %r15\n"
        "  mov %rsp, (%rdi)\n"
        "  mov %rsi, %rsp\n"
        "  pop %r15; pop %r14; pop %r13; pop %r12; pop %rbx; pop %rbp\n"
        "  ret\n"
        ".size switch_stack, . - switch_stack\n"
        ".globl fiber_start\n"
        ".type fiber_start, @function\n"
        "fiber_start:\n"
        "  .cfi_startproc\n"
        "  .cfi_undefined rip\n"
        "  call *%rbx\n"
        "  ud2\n"
        "  .cfi_endproc\n"
        ".size fiber_start, . - fiber_start\n");

static void *main_sp, *fiber_sp;

PLACE("at_fiber") static void fiber_body(void)
{
    for (;;) {
        volatile long sum = 0;
        for (int i = 0; i < 200000; i++)
            sum += i;
        switch_stack(&fiber_sp, main_sp);
    }
}

static int mode_fiber(void)
{
    say(__start_at_fiber, __stop_at_fiber);
    char *stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (stack == MAP_FAILED)
        return 1;
    uint64_t *top = (uint64_t *)(void *)(stack + STACK_BYTES) - 9;
    top[4] = (uint64_t)(uintptr_t)fiber_body; /* into RBX */
    top[6] = (uint64_t)(uintptr_t)fiber_start;
    fiber_sp = top;
    for (double end = now() + WORK_S; now() < end;)
        switch_stack(&main_sp, fiber_sp);
    munmap(stack, STACK_BYTES);
    return 0;
}

/* ---- a stack with nothing between it and other memory ---- */

PLACE("at_edge") static long edge(int depth, double end)
{
    volatile long sum = depth;
    if (depth)
        return edge(depth - 1, end) + sum;
    while (now() < end)
        for (int i = 0; i < 10000; i++)
            sum += i;
    return sum;
}

static void *run_edge(void *unused)
{
    (void)unused;
    return (void *)(uintptr_t)edge(100, now() + WORK_S);
}

/* What is around the stack looks like frames that lead back into it. */
static int mode_edge(void)
{
    pthread_t thread;
    pthread_attr_t attr;
    char *block = mmap(NULL, 3 * STACK_BYTES, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (block == MAP_FAILED)
        return 1;
    say(__start_at_edge, __stop_at_edge);
    uint64_t *words = (uint64_t *)(void *)block;
    for (size_t i = 0; i < 3 * STACK_BYTES / 8; i += 2) {
        words[i] = (uint64_t)(uintptr_t)(block + STACK_BYTES + i * 8 % STACK_BYTES);
        words[i + 1] = (uint64_t)(uintptr_t)__start_at_edge + 20;
    }
    pthread_attr_init(&attr);
    pthread_attr_setguardsize(&attr, 0);
    pthread_attr_setstack(&attr, block + STACK_BYTES, STACK_BYTES);
    int code = pthread_create(&thread, &attr, run_edge, NULL);
    if (code == 0)
        pthread_join(thread, NULL);
    munmap(block, 3 * STACK_BYTES);
    return code;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(void);
    } modes[] = {{"vdso", mode_vdso},
                 {"tail", mode_tail},
                 {"fiber", mode_fiber},
                 {"edge", mode_edge}};
    for (size_t i = 0; argc > 1 && i < sizeof modes / sizeof modes[0]; i++) {
        if (strcmp(argv[1], modes[i].name) == 0)
            return modes[i].run();
    }
    return 2;
}
