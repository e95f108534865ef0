// The program bench_programs.py and bench_memory.py profile: threads whose stacks are some 59 frames deep,
// all work in the innermost eight, a fixed amount of it.
//
//   deep THREADS MILLIONS [signal HZ]
//
// does so many million steps on each thread and says on stdout what it used: CPU time
// in s, then of memory in KiB what is resident, its proportional share (what others
// have mapped, too, divided), and the most there was. With `signal`, a thread of its own
// sends each of the others an empty signal HZ times a second, as a sampler would. Built
// with LINKED it records itself into $PROFLITE_DB, at $PROFLITE_HZ, and says both again
// after it wrote there.
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <vector>

#ifdef LINKED
#include "collector/proflite.h"
#endif

namespace
{

struct Visitor {
    virtual ~Visitor() = default;
    virtual unsigned visit(int depth, unsigned value) = 0;
};

/* 48 levels of virtual calls, then up to eight more that differ all the time. */
template <int Level> struct Step : Visitor {
    std::unique_ptr<Visitor> next;
    unsigned visit(int depth, unsigned value) override
    {
        volatile unsigned kept[2 + Level % 5] = {value};
        unsigned below = next->visit(depth + 1, value * 1664525u + 1013904223u);
        return below ^ kept[0];
    }
};

template <int Kind> __attribute__((noinline)) unsigned leaf(int left, unsigned value);

using Leaf = unsigned (*)(int, unsigned);
extern const Leaf leaves[8];

template <int Kind> unsigned leaf(int left, unsigned value)
{
    volatile unsigned kept = value;
    for (int i = 0; i < 6 + Kind; i++)
        value = value * 1664525u + 1013904223u;
    if (left > 0)
        value ^= leaves[value >> 13 & 7](left - 1, value);
    return value ^ kept;
}

const Leaf leaves[8] = {leaf<0>, leaf<1>, leaf<2>, leaf<3>,
                        leaf<4>, leaf<5>, leaf<6>, leaf<7>};

struct Work : Visitor {
    long steps;
    unsigned visit(int, unsigned value) override
    {
        for (long i = 0; i < steps; i++)
            value += leaves[value >> 9 & 7](static_cast<int>(value >> 20 & 7), value);
        return value;
    }
};

template <int Level> std::unique_ptr<Visitor> build(std::unique_ptr<Visitor> inner)
{
    auto step = std::make_unique<Step<Level>>();
    step->next = std::move(inner);
    if constexpr (Level == 0)
        return step;
    else
        return build<Level - 1>(std::move(step));
}

std::atomic<unsigned> result;
std::atomic<int> tids[256];
std::atomic<bool> done;
long steps;

void *work(void *index)
{
    tids[reinterpret_cast<uintptr_t>(index)] = static_cast<int>(syscall(SYS_gettid));
    auto inner = std::make_unique<Work>();
    inner->steps = steps;
    result += build<47>(std::move(inner))->visit(0, 12345);
    tids[reinterpret_cast<uintptr_t>(index)] = 0;
    return nullptr;
}

void on_signal(int, siginfo_t *, void *)
{
}

/* Only threads that run: such is what a sampler in wall mode signals. */
void *send_signals(void *hz)
{
    timespec next;
    long period_ns = 1000000000 / reinterpret_cast<long>(hz);
    clock_gettime(CLOCK_MONOTONIC, &next);
    while (!done) {
        next.tv_nsec += period_ns;
        next.tv_sec += next.tv_nsec / 1000000000;
        next.tv_nsec %= 1000000000;
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, nullptr);
        for (auto &tid : tids)
            if (tid)
                syscall(SYS_tgkill, getpid(), tid.load(), SIGURG);
    }
    return nullptr;
}

long kib_of(const char *path, const char *name)
{
    long kib = 0;
    char line[256];
    FILE *file = fopen(path, "r");
    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, name, strlen(name)) == 0)
            kib = strtol(line + strlen(name), nullptr, 10);
    if (file)
        fclose(file);
    return kib;
}

void print_memory()
{
    printf(" %ld %ld", kib_of("/proc/self/smaps_rollup", "Rss:"),
           kib_of("/proc/self/smaps_rollup", "Pss:"));
}

} // namespace

int main(int argc, char **argv)
{
    if (argc != 3 && argc != 5)
        return 2;
    int threads = atoi(argv[1]);
    steps = atol(argv[2]) * 1000000;
    pthread_t sender, all[256];
    if (threads < 1 || threads > 256)
        return 2;
#ifdef LINKED
    proflite_options options = PROFLITE_OPTIONS_INIT;
    if (proflite_init(&options) != 0 || proflite_start() != 0)
        return 3;
#endif
    if (argc == 5) {
        struct sigaction action = {};
        action.sa_sigaction = on_signal;
        action.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK;
        sigaction(SIGURG, &action, nullptr);
        pthread_create(&sender, nullptr, send_signals,
                       reinterpret_cast<void *>(atol(argv[4])));
    }
    for (int i = 0; i < threads; i++)
        pthread_create(&all[i], nullptr, work,
                       reinterpret_cast<void *>(static_cast<uintptr_t>(i)));
    for (int i = 0; i < threads; i++)
        pthread_join(all[i], nullptr);
    done = true;
    if (argc == 5)
        pthread_join(sender, nullptr);
    rusage use;
    getrusage(RUSAGE_SELF, &use);
    printf("%.6f",
           static_cast<double>(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
               1e-6 * static_cast<double>(use.ru_utime.tv_usec + use.ru_stime.tv_usec));
    print_memory();
#ifdef LINKED
    proflite_flush(5000);
    usleep(100000);
    print_memory();
#endif
    printf(" %ld\n", kib_of("/proc/self/status", "VmHWM:"));
#ifdef LINKED
    proflite_close();
#endif
    return 0;
}
