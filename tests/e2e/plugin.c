/* A library that begins threads when it is loaded, and when it is called: with pthreads
 * and with bare clone. All of them have ended when it may be unloaded. See truth.c. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define LIFE_NS INT64_C(250000000)

struct bare { /* a thread that libc knows nothing of */
    const char *name;
    _Atomic int alive; /* cleared by the kernel at its end */
    _Alignas(64) char stack[65536];
};

static pthread_t loaded;
static struct bare bare_loaded = {.name = "bare loaded"},
                   bare_called = {.name = "bare called"};
static volatile uint64_t sink;

__attribute__((visibility("default"))) int plugin_run(void);

/* For so much CPU time, of whoever calls: without libc's data of the thread. */
__attribute__((noinline)) static void work(int64_t ns)
{
    struct timespec t;
    int64_t end = 0, now = 0;
    do {
        for (int i = 0; i < 2000; i++)
            sink = sink * 31 + (uint64_t)i;
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
        now = (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
        end = end ? end : now + ns;
    } while (now < end);
}

__attribute__((noinline)) static void plugin_loaded_work(void)
{
    work(LIFE_NS);
    sink++;
}

__attribute__((noinline)) static void plugin_called_work(void)
{
    work(LIFE_NS);
    sink += 2;
}

__attribute__((noinline)) static void plugin_bare_work(void)
{
    work(LIFE_NS);
    sink += 3;
}

static void *run_loaded(void *unused)
{
    pthread_setname_np(pthread_self(), "when loaded");
    plugin_loaded_work();
    return unused;
}

static void *run_called(void *unused)
{
    pthread_setname_np(pthread_self(), "when called");
    plugin_called_work();
    return unused;
}

static int run_bare(void *argument)
{
    const struct bare *bare = argument;
    prctl(PR_SET_NAME, bare->name);
    plugin_bare_work();
    return 0;
}

static void begin_bare(struct bare *bare)
{
    bare->alive = 1;
    if (clone(run_bare, bare->stack + sizeof bare->stack,
              CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
                  CLONE_SYSVSEM | CLONE_CHILD_CLEARTID,
              bare, NULL, NULL, &bare->alive) < 0)
        bare->alive = 0;
}

__attribute__((constructor)) static void when_loaded(void)
{
    (void)pthread_create(&loaded, NULL, run_loaded, NULL);
    begin_bare(&bare_loaded);
}

int plugin_run(void)
{
    pthread_t called;
    if (pthread_create(&called, NULL, run_called, NULL) != 0)
        return 1;
    begin_bare(&bare_called);
    pthread_join(called, NULL);
    pthread_join(loaded, NULL);
    while (bare_loaded.alive || bare_called.alive)
        usleep(1000);
    return 0;
}
