/* A program that does at once all that is hard on a profiler: libraries that come and
 * go, exceptions, fibers, signals on stacks of their own, forks, threads on stacks that
 * are unmapped under the next one, wild BP, SP and PC, code made and removed, deep
 * recursion. Every actor checks its own results: a profiler that disturbs one of them,
 * or reads where it may not, shows.
 *
 *   chaos SECONDS [THREADS] [flood]
 *
 * Prints what was done and exits 0, or says what went wrong and exits 1. With `flood`
 * it profiles itself and signals its own threads as fast as it can (chaos_flood.c). */
#include <atomic>
#include <cerrno>
#include <csetjmp>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <pthread.h>
#include <spawn.h>
#include <stdexcept>
#include <string>
#include <sys/mman.h>
#include <sys/wait.h>
#include <thread>
#include <ucontext.h>
#include <unistd.h>
#include <vector>

extern "C" {
int chaos_flood_start(void);
unsigned long chaos_flood_stop(unsigned long *rooted, unsigned long *cut);
extern char **environ;
}

static std::atomic<bool> stop, failed;
static std::atomic<unsigned long> rounds[16];
static bool flooding;

static void check(bool ok, const char *what)
{
    if (!ok && !failed.exchange(true))
        fprintf(stderr, "chaos: %s (errno %d)\n", what, errno);
}

static uint64_t next_random(uint64_t &state)
{
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return state;
}

[[gnu::noinline]] static unsigned spin(unsigned n)
{
    volatile unsigned x = n;
    for (unsigned i = 0; i < n; i++)
        x = x * 1664525u + 1013904223u;
    return x;
}

[[gnu::noinline]] static unsigned recurse(unsigned depth, unsigned work)
{
    volatile unsigned here = depth;
    unsigned below = depth ? recurse(depth - 1, work) : (spin(work), 0);
    return below + (here == depth);
}

/* ---- actors ---- */

static void libraries(uint64_t)
{
    static const struct {
        const char *file, *function;
    } list[] = {{"libz.so.1", "zlibVersion"},
                {"liblzma.so.5", "lzma_version_string"},
                {"libbz2.so.1.0", "BZ2_bzlibVersion"},
                {"libexpat.so.1", "XML_ExpatVersion"},
                {"libsqlite3.so.0", "sqlite3_libversion"}};
    for (auto &l : list) {
        void *handle = dlopen(l.file, RTLD_NOW | RTLD_LOCAL);
        if (!handle)
            continue;
        auto version = (const char *(*)())dlsym(handle, l.function);
        check(version && strlen(version()) > 0, "a library's function");
        if (auto compress = (int (*)(void *, unsigned long *, const void *,
                                     unsigned long))dlsym(handle, "compress")) {
            std::vector<char> in(20000, 'x'), out(30000);
            unsigned long size = out.size();
            check(compress(out.data(), &size, in.data(), in.size()) == 0 && size < 100,
                  "compress()");
        }
        dlclose(handle);
    }
}

struct Guard {
    int &count;
    ~Guard()
    {
        count++;
    }
};

[[gnu::noinline]] static void throw_from(unsigned depth, int &unwound)
{
    Guard guard{unwound};
    if (!depth)
        throw std::runtime_error(std::string(40, 'x'));
    throw_from(depth - 1, unwound);
}

static void exceptions(uint64_t random)
{
    for (unsigned i = 0; i < 50; i++) {
        unsigned depth = (random + i) % 60;
        int unwound = 0;
        try {
            throw_from(depth, unwound);
        } catch (const std::runtime_error &error) {
            check(strlen(error.what()) == 40 && unwound == (int)depth + 1, "a throw");
        }
    }
}

static thread_local ucontext_t home, fibers[4];
static thread_local unsigned fiber_sum;

static void fiber(int number)
{
    for (int i = 0; i < 20; i++) {
        fiber_sum += recurse((unsigned)(number * 7 + i), 300);
        swapcontext(&fibers[number], number == 3 ? &home : &fibers[number + 1]);
    }
}

/* Stacks of all sizes, gone at once when done. */
static void ucontexts(uint64_t random)
{
    char *stacks[4];
    size_t bytes[4];
    volatile unsigned expected = 0;
    fiber_sum = 0;
    for (int i = 0; i < 4; i++) {
        bytes[i] = ((random >> i) % 4 + 4) * 8192;
        stacks[i] = (char *)mmap(nullptr, bytes[i], PROT_READ | PROT_WRITE,
                                 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        getcontext(&fibers[i]);
        fibers[i].uc_stack.ss_sp = stacks[i];
        fibers[i].uc_stack.ss_size = bytes[i];
        fibers[i].uc_link = &home;
        makecontext(&fibers[i], (void (*)())fiber, 1, i);
        for (int k = 0; k < 20; k++)
            expected = expected + (unsigned)(i * 7 + k) + 1;
    }
    for (int i = 0; i < 20; i++)
        swapcontext(&home, &fibers[0]);
    for (int i = 0; i < 4; i++)
        munmap(stacks[i], bytes[i]);
    check(fiber_sum == expected, "fibers");
}

/* ---- signals on a stack of their own, and wild registers ---- */

static thread_local sigjmp_buf back;
static thread_local volatile sig_atomic_t handled;

static void on_signal(int number)
{
    handled = handled + (recurse(20, 200) == 21);
    if (number == SIGUSR2 || number == SIGSEGV || number == SIGILL || number == SIGBUS)
        siglongjmp(back, 1);
}

struct AltStack {
    char *memory;
    AltStack()
    {
        memory = (char *)mmap(nullptr, 65536, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        stack_t stack = {};
        stack.ss_sp = memory;
        stack.ss_size = 65536;
        sigaltstack(&stack, nullptr);
    }
    ~AltStack()
    {
        stack_t none = {};
        none.ss_flags = SS_DISABLE;
        sigaltstack(&none, nullptr);
        munmap(memory, 65536);
    }
};

static void signals(uint64_t)
{
    AltStack stack;
    handled = 0;
    for (int i = 0; i < 20; i++) {
        pthread_kill(pthread_self(), SIGUSR1);
        if (sigsetjmp(back, 1) == 0)
            pthread_kill(pthread_self(), SIGUSR2);
    }
    check(handled == 40, "signals");
}

/* Values that point nowhere, at other stacks, at code, behind the end of memory. */
static uint64_t wild(uint64_t random)
{
    static const uint64_t values[] = {0,
                                      1,
                                      8,
                                      ~UINT64_C(0),
                                      ~UINT64_C(7),
                                      UINT64_C(1) << 47,
                                      (UINT64_C(1) << 47) - 8,
                                      UINT64_C(0xffffffffff600000),
                                      UINT64_C(0x7ffffffff000),
                                      0x10000};
    uint64_t here = (uint64_t)(uintptr_t)&random;
    switch (random % 5) {
    case 0:
        return values[random / 5 % (sizeof values / sizeof *values)];
    case 1:
        return (here & ~UINT64_C(7)) + random / 5 % 4096;
    case 2:
        return (here & ~UINT64_C(4095)) + (random / 5 % 4096) * 4096;
    case 3:
        return (uint64_t)(uintptr_t)&wild + random / 5 % 100000;
    default:
        return random;
    }
}

/* A leaf without rules that spins with BP, or SP too, of anyone's choice. With a wild
 * SP signals need their own stack, as they have here. */
asm(".pushsection .text; .globl chaos_wild; .type chaos_wild,@function\n"
    "chaos_wild: push %rbp; push %rbx; push %r12\n"
    "mov %rsp,%r12; mov %rdi,%rbp; test %rsi,%rsi; jz 1f; mov %rsi,%rsp\n"
    "1: dec %rdx; jnz 1b\n"
    "mov %r12,%rsp; pop %r12; pop %rbx; pop %rbp; mov $77,%eax; ret\n"
    ".size chaos_wild,.-chaos_wild; .popsection");
extern "C" int chaos_wild(uint64_t bp, uint64_t sp, uint64_t turns);

static void registers(uint64_t random)
{
    AltStack stack;
    for (int i = 0; i < 20; i++) {
        uint64_t bp = wild(next_random(random)), sp = wild(next_random(random));
        check(chaos_wild(bp, i % 2 ? sp : 0, 3000) == 77, "wild registers");
    }
}

/* Calls to nowhere: the program catches its own fault and goes on. */
static void nowhere(uint64_t random)
{
    AltStack stack;
    volatile int caught = 0;
    for (volatile int i = 0; i < 10; i = i + 1) {
        volatile uint64_t target =
            i % 2 ? UINT64_C(0x1000) : next_random(random) >> 17 << 12;
        if (sigsetjmp(back, 1) == 0)
            ((void (*)())(uintptr_t)target)();
        caught = caught + 1;
    }
    check(caught == 10, "calls to nowhere");
}

/* ---- code made at run time ---- */

static void made_code(uint64_t random)
{
    static const unsigned char with_frame[] = {
        0x55, 0x48, 0x89,
        0xe5, 0x89, 0xf8, /* push %rbp; mov %rsp,%rbp; mov %edi,%eax */
        0xff, 0xcf, 0x75,
        0xfc, 0x5d, 0xc3}; /* 1: dec %edi; jnz 1b; pop %rbp; ret */
    static const unsigned char without[] = {0x53, 0x55, 0x89, 0xf8, 0x31, 0xed, 0xff,
                                            0xcf, 0x75, 0xfc, 0x5d, 0x5b, 0xc3};
    for (int i = 0; i < 10; i++) {
        auto *page = (unsigned char *)mmap(nullptr, 8192, PROT_READ | PROT_WRITE,
                                           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        size_t at = next_random(random) % 4000;
        memset(page, 0xcc, 8192);
        if (i % 2)
            memcpy(page + at, with_frame, sizeof with_frame);
        else
            memcpy(page + at, without, sizeof without);
        mprotect(page, 8192, PROT_READ | PROT_EXEC);
        check(((int (*)(int))(void *)(page + at))(20000) == 20000, "made code");
        munmap(page, 8192);
    }
}

static void deep(uint64_t random)
{
    unsigned depth = 1000 + random % 30000;
    check(recurse(depth, 100000) == depth + 1, "recursion");
}

static thread_local jmp_buf place;

static void jumps(uint64_t random)
{
    volatile unsigned came = 0;
    for (volatile unsigned i = 0; i < 200; i = i + 1) {
        if (setjmp(place) == 0) {
            if ((random + i) % 50 == 0)
                spin(2000);
            [](unsigned depth) {
                if (depth % 3)
                    longjmp(place, 1);
                recurse(depth, 10);
                longjmp(place, 1);
            }((unsigned)(random + i) % 40);
        } else {
            came = came + 1;
        }
    }
    check(came == 200, "long jumps");
}

/* ---- threads and processes ---- */

static void *short_thread(void *argument)
{
    return (void *)(uintptr_t)recurse((unsigned)(uintptr_t)argument, 3000);
}

/* On stacks from one piece of memory, without guard pages, unmapped right after. */
static void threads(uint64_t random)
{
    const size_t each = 64 * 1024;
    char *arena = (char *)mmap(nullptr, 4 * each, PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    pthread_t made[6];
    int count = 0;
    for (int i = 0; i < 6; i++) {
        pthread_attr_t attr;
        pthread_attr_init(&attr);
        if (i < 4)
            pthread_attr_setstack(&attr, arena + (size_t)i * each, each);
        else if (i == 4)
            pthread_attr_setguardsize(&attr, 0);
        if (pthread_create(&made[count], &attr, short_thread,
                           (void *)(uintptr_t)(random % 200)) == 0)
            count++;
        pthread_attr_destroy(&attr);
    }
    for (int i = 0; i < count; i++) {
        void *result;
        pthread_join(made[i], &result);
        check((uintptr_t)result == random % 200 + 1, "a thread");
        if (i < 4) /* while its neighbours run */
            munmap(arena + (size_t)i * each, each);
    }
    for (int i = count; i < 4; i++)
        munmap(arena + (size_t)i * each, each);
}

static void forks(uint64_t random)
{
    if (flooding)
        return;
    for (int i = 0; i < 4; i++) {
        pid_t child = fork();
        if (child == 0) {
            unsigned depth = random % 100;
            _exit(recurse(depth, 20000) == depth + 1 ? 7 : 1);
        }
        int status = 0;
        check(child < 0 || (waitpid(child, &status, 0) == child && WIFEXITED(status) &&
                            WEXITSTATUS(status) == 7),
              "a child");
    }
    pid_t child = vfork();
    if (child == 0) {
        execl("/bin/true", "true", (char *)nullptr);
        _exit(1);
    }
    int status = 0;
    check(waitpid(child, &status, 0) == child && status == 0, "a vfork");
    char name[] = "true", *arguments[] = {name, nullptr};
    if (posix_spawn(&child, "/bin/true", nullptr, nullptr, arguments, environ) == 0)
        check(waitpid(child, &status, 0) == child && status == 0, "a spawn");
}

static const struct {
    const char *name;
    void (*act)(uint64_t random);
} actors[] = {{"libraries", libraries}, {"exceptions", exceptions},
              {"fibers", ucontexts},    {"signals", signals},
              {"registers", registers}, {"nowhere", nowhere},
              {"made code", made_code}, {"recursion", deep},
              {"jumps", jumps},         {"threads", threads},
              {"forks", forks}};
static const unsigned actor_count = sizeof actors / sizeof *actors;

static void play(unsigned seed)
{
    uint64_t random = 88172645463325252u + seed;
    for (int i = 0; i < 20; i++)
        next_random(random);
    for (unsigned i = seed; !stop; i++) {
        unsigned actor = i % actor_count;
        actors[actor].act(next_random(random) >> 8);
        rounds[actor]++;
        if (i % 16 == 0)
            usleep(random % 2000);
    }
}

int main(int argc, char **argv)
{
    int seconds = argc > 1 ? atoi(argv[1]) : 10;
    unsigned count = argc > 2 ? (unsigned)atoi(argv[2]) : 8;
    flooding = argc > 3 && strcmp(argv[3], "flood") == 0;
    struct sigaction action = {};
    action.sa_handler = on_signal;
    action.sa_flags = SA_ONSTACK | SA_NODEFER;
    for (int number : {SIGUSR1, SIGUSR2, SIGSEGV, SIGILL, SIGBUS})
        sigaction(number, &action, nullptr);
    if (flooding && chaos_flood_start() != 0) {
        fprintf(stderr, "chaos: cannot profile itself\n");
        return 1;
    }
    std::vector<std::thread> crew;
    for (unsigned i = 0; i < count; i++)
        crew.emplace_back(play, i);
    sleep((unsigned)seconds);
    stop = true;
    for (auto &thread : crew)
        thread.join();
    if (flooding) {
        unsigned long rooted, cut, samples = chaos_flood_stop(&rooted, &cut);
        printf("samples: %lu, rooted %lu, cut %lu\n", samples, rooted, cut);
    }
    for (unsigned i = 0; i < actor_count; i++)
        printf("%s: %s\n", actors[i].name, rounds[i] ? "done" : "not done");
    fprintf(stderr, "rounds:");
    for (unsigned i = 0; i < actor_count; i++)
        fprintf(stderr, " %s %lu", actors[i].name, rounds[i].load());
    fprintf(stderr, "\n");
    return failed ? 1 : 0;
}
