/* A program that knows what it did: each word does something with threads and prints
 * what the kernel says of it, for test_truth.py and test_ledger.py to compare with what
 * was recorded.
 *
 *   truth totals SECONDS          threads of several kinds; one line each, and one of
 * all truth churn SECONDS           threads of .2 to 5 ms, one after the other, in 4
 * lines truth plugin LIBRARY          threads begun in a library that is then unloaded
 *   truth heart FILE              threads that note in FILE when they were last alive
 *
 * TRUTH_LINKED: it records itself with libproflite. */
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifdef TRUTH_LINKED
#include "proflite.h"
#endif

#define NS_PER_S 1000000000

static volatile uint64_t sink;

static int64_t clock_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * NS_PER_S + t.tv_nsec;
}

static void sleep_ns(int64_t ns)
{
    struct timespec left = {ns / NS_PER_S, ns % NS_PER_S};
    while (nanosleep(&left, &left) != 0)
        ;
}

/* Work for so much CPU time. */
__attribute__((noinline)) static void spin_ns(int64_t ns)
{
    int64_t end = clock_ns(CLOCK_THREAD_CPUTIME_ID) + ns;
    while (clock_ns(CLOCK_THREAD_CPUTIME_ID) < end)
        for (int i = 0; i < 2000; i++)
            sink = sink * 31 + (uint64_t)i;
}

static pthread_t begin(void *(*run)(void *), void *argument)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, run, argument) != 0)
        exit(9);
    return thread;
}

static int64_t process_cpu_ns(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * (int64_t)NS_PER_S +
           (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1000;
}

/* ---- totals ---- */

struct kind {
    const char *name;
    int64_t work_ns, sleep_ns; /* in turn */
    double share;              /* of the run's time that it lives */
};

static int64_t run_ns;

static void *live(void *argument)
{
    const struct kind *kind = argument;
    int64_t begun_ns = clock_ns(CLOCK_MONOTONIC);
    int64_t end_ns = begun_ns + (int64_t)((double)run_ns * kind->share);
    pthread_setname_np(pthread_self(), kind->name);
    while (clock_ns(CLOCK_MONOTONIC) < end_ns) {
        if (kind->work_ns)
            spin_ns(kind->work_ns);
        if (kind->sleep_ns)
            sleep_ns(kind->sleep_ns);
    }
    printf("%s %lld %lld\n", kind->name,
           (long long)(clock_ns(CLOCK_MONOTONIC) - begun_ns),
           (long long)clock_ns(CLOCK_THREAD_CPUTIME_ID));
    return NULL;
}

static int run_totals(const char *seconds)
{
    static const struct kind kinds[] = {
        {"spins", 5000000, 0, 1},
        {"sleeps", 0, 50000000, 1},
        {"alternates", 30000000, 30000000, 1},
        {"bursts", 1000000, 7000000, 1},
        {"ends early", 3000000, 1000000, .4},
        {"ends at once", 3000000, 0, .1},
    };
    enum { COUNT = sizeof kinds / sizeof kinds[0] };
    pthread_t threads[COUNT];
    int64_t begun_ns = clock_ns(CLOCK_MONOTONIC);
    run_ns = (int64_t)(strtod(seconds, NULL) * NS_PER_S);
    for (size_t i = 0; i < COUNT; i++)
        threads[i] = begin(live, (void *)(uintptr_t)&kinds[i]);
    for (size_t i = 0; i < COUNT; i++)
        pthread_join(threads[i], NULL);
    printf("process %lld %lld\n", (long long)(clock_ns(CLOCK_MONOTONIC) - begun_ns),
           (long long)process_cpu_ns());
    return 0;
}

/* ---- churn ---- */

static _Atomic long born, spun_ns, worked_ns;

static void *be_short(void *argument)
{
    int64_t begun_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    spin_ns((int64_t)(uintptr_t)argument);
    spun_ns += clock_ns(CLOCK_THREAD_CPUTIME_ID) - begun_ns;
    worked_ns += clock_ns(CLOCK_THREAD_CPUTIME_ID);
    born++;
    return NULL;
}

/* One after the other, of ever another length: most lives are shorter than a tick. */
static void *churn(void *seed)
{
    unsigned random = (unsigned)(uintptr_t)seed;
    int64_t end_ns = clock_ns(CLOCK_MONOTONIC) + run_ns;
    while (clock_ns(CLOCK_MONOTONIC) < end_ns) {
        uintptr_t work_ns = 20000 + (uintptr_t)rand_r(&random) % 30 * 40000;
        if (rand_r(&random) % 50 == 0)
            work_ns = 5000000;
        pthread_join(begin(be_short, (void *)work_ns), NULL);
    }
    worked_ns += clock_ns(CLOCK_THREAD_CPUTIME_ID);
    return NULL;
}

static int run_churn(const char *seconds)
{
    enum { LINES = 4 };
    pthread_t lines[LINES];
    struct rusage usage;
    run_ns = (int64_t)(strtod(seconds, NULL) * NS_PER_S);
    for (uintptr_t i = 0; i < LINES; i++)
        lines[i] = begin(churn, (void *)(i + 1));
    for (size_t i = 0; i < LINES; i++)
        pthread_join(lines[i], NULL);
    getrusage(RUSAGE_SELF, &usage);
    printf("born %ld\nspun %ld\nworked %ld\nprocess %lld\nrss %ld\n", born, spun_ns,
           worked_ns, (long long)process_cpu_ns(), usage.ru_maxrss);
    return 0;
}

/* ---- a library's threads ---- */

static int run_plugin(const char *path)
{
    void *library = dlopen(path, RTLD_NOW);
    int (*more)(void) = NULL;
    if (!library) {
        fprintf(stderr, "%s\n", dlerror());
        return 1;
    }
    *(void **)&more = dlsym(library, "plugin_run");
    if (!more)
        return 1;
    int result = more();
    if (dlclose(library) != 0)
        return 1;
    spin_ns(150000000); /* unloaded, and the program goes on */
    return result;
}

/* ---- heart ---- */

enum { HEARTS = 3 };

/* Where a thread notes that it lives: also for who looks after its death. */
struct heart {
    _Atomic int64_t tid;
    _Atomic int64_t beat_ns; /* CLOCK_MONOTONIC, of the last turn */
    _Atomic int64_t cpu_ns;  /* its CPU clock then */
};

static void *beat(void *argument)
{
    struct heart *heart = argument;
    heart->tid = (int64_t)syscall(SYS_gettid);
    for (;;) {
        for (int i = 0; i < 2000; i++)
            sink = sink * 31 + (uint64_t)i;
        heart->cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
        heart->beat_ns = clock_ns(CLOCK_MONOTONIC);
    }
    return NULL;
}

static int run_heart(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || ftruncate(fd, 4096) != 0)
        return 1;
    struct heart *hearts = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (hearts == MAP_FAILED)
        return 1;
    for (int i = 0; i < HEARTS; i++)
        (void)begin(beat, &hearts[i]);
    puts("begun");
    fflush(stdout);
    for (;;)
        pause();
}

/* ---- all ---- */

static int record_itself(void)
{
#ifdef TRUTH_LINKED
    if (proflite_init(NULL) != PROFLITE_OK || proflite_start() != PROFLITE_OK) {
        fprintf(stderr, "%s\n", proflite_last_error());
        return 1;
    }
#endif
    return 0;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *word;
        int (*run)(const char *argument);
    } words[] = {{"totals", run_totals},
                 {"churn", run_churn},
                 {"plugin", run_plugin},
                 {"heart", run_heart}};
    if (argc != 3 || record_itself() != 0)
        return 2;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strcmp(argv[1], words[i].word) == 0)
            return words[i].run(argv[2]);
    return 2;
}
