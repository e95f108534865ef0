/* What threads that wait cost the machine while they are sampled (not a test).
 *
 *   bench_idle [THREADS HZ]   default: 1, 64 and 512 threads at 20 and 101 Hz
 *
 * Threads wait in nine ways for what never comes, in a process in which nothing else
 * runs. Of the sampler: CPU time in percent of a core, and per tick. Of the threads:
 * how often one was woken, which is never. It costs the less, the more alone the
 * program is on its machine (collector/awake.c). */
#include "collector/capture.h"
#include "collector/state.h"
#include "collector/vclock.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MEASURE_NS INT64_C(4000000000)

static char dir[] = "/dev/shm/proflite-bench-XXXXXX";
static int silent_pipe[2], silent_socket[2], silent_epoll;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t never = PTHREAD_COND_INITIALIZER;
static sem_t semaphore;
static _Atomic unsigned woken;

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

/* ---- waiting ---- */

static void wait_nanosleep(void)
{
    struct timespec hour = {3600, 0};
    nanosleep(&hour, NULL);
}

static void wait_condition(void)
{
    pthread_mutex_lock(&mutex);
    pthread_cond_wait(&never, &mutex);
}

static void wait_semaphore(void)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 3600;
    sem_timedwait(&semaphore, &until);
}

static void wait_read(void)
{
    char byte;
    (void)!read(silent_pipe[0], &byte, 1);
}

static void wait_poll(void)
{
    struct pollfd fd = {.fd = silent_pipe[0], .events = POLLIN};
    poll(&fd, 1, -1);
}

static void wait_ppoll(void)
{
    struct pollfd fd = {.fd = silent_pipe[0], .events = POLLIN};
    struct timespec hour = {3600, 0};
    ppoll(&fd, 1, &hour, NULL);
}

static void wait_select(void)
{
    fd_set set;
    FD_ZERO(&set);
    FD_SET(silent_pipe[0], &set);
    select(silent_pipe[0] + 1, &set, NULL, NULL, NULL);
}

static void wait_epoll(void)
{
    struct epoll_event event;
    epoll_wait(silent_epoll, &event, 1, -1);
}

static void wait_receive(void)
{
    struct timeval hour = {3600, 0};
    char byte;
    setsockopt(silent_socket[0], SOL_SOCKET, SO_RCVTIMEO, &hour, sizeof hour);
    recv(silent_socket[0], &byte, 1, 0);
}

static void (*const waits[])(void) = {wait_nanosleep, wait_condition, wait_semaphore,
                                      wait_read,      wait_poll,      wait_ppoll,
                                      wait_select,    wait_epoll,     wait_receive};
#define WAITS (sizeof waits / sizeof waits[0])

static void *wait_for_ever(void *kind)
{
    for (;;) {
        waits[(uintptr_t)kind]();
        woken++;
    }
    return NULL;
}

static void start_waiting(int threads)
{
    pthread_attr_t attr;
    pthread_t thread;
    if (pipe(silent_pipe) != 0 ||
        socketpair(AF_UNIX, SOCK_STREAM, 0, silent_socket) != 0 ||
        (silent_epoll = epoll_create1(0)) < 0 || sem_init(&semaphore, 0, 0) != 0)
        fail("waits");
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 64 << 10);
    for (int i = 1; i < threads; i++) {
        if (pthread_create(&thread, &attr, wait_for_ever,
                           (void *)((uintptr_t)i % WAITS)) != 0)
            fail("pthread_create");
    }
}

/* ---- measuring ---- */

static double cpu_s(void)
{
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    return (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
           1e-6 * (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec);
}

/* In the drain's place, until nothing is told any more. */
static void discard(struct pl_segment *segment)
{
    for (int i = 0; i < 100; i++) {
        usleep(25000);
        atomic_store(&segment->event_tail, atomic_load(&segment->event_head));
        atomic_store(&segment->quiet_tail, atomic_load(&segment->quiet_head));
    }
}

static const char *goal_of(int threads, int hz)
{
    if (threads == 64 && hz == 101)
        return ".5";
    if (threads == 512)
        return hz == 20 ? ".5" : "1.5";
    return "";
}

/* In a process of its own. */
static void measure(int threads, int hz)
{
    struct pl_capture_options options = {.dir = dir, .period_ns = 1000000000 / hz};
    start_waiting(threads);
    if (pl_capture_start(&options) != 0)
        fail("capture");
    struct pl_segment *segment = atomic_load(&pl_state_current)->segment;
    discard(segment);
    double from_s = cpu_s();
    int64_t from_ns = pl_vclock_ns(CLOCK_MONOTONIC);
    uint64_t events = atomic_load(&segment->event_head);
    struct timespec wait = {MEASURE_NS / 1000000000, MEASURE_NS % 1000000000};
    nanosleep(&wait, NULL);
    double took_s = 1e-9 * (double)(pl_vclock_ns(CLOCK_MONOTONIC) - from_ns);
    double used_s = cpu_s() - from_s;
    printf("%8d%8d%14.2f%8s%12.1f%8u%10lu\n", threads, hz, 100 * used_s / took_s,
           goal_of(threads, hz), 1e6 * used_s / (took_s * hz), (unsigned)woken,
           (unsigned long)(atomic_load(&segment->event_head) - events));
    fflush(stdout);
    pl_capture_stop();
    _exit(0);
}

static void remove_folder(void)
{
    char name[512];
    struct dirent *entry;
    DIR *folder = opendir(dir);
    while (folder && (entry = readdir(folder))) {
        snprintf(name, sizeof name, "%s/%s", dir, entry->d_name);
        if (entry->d_type == DT_REG)
            unlink(name);
    }
    if (folder)
        closedir(folder);
    rmdir(dir);
}

static void measure_apart(int threads, int hz)
{
    pid_t child = fork();
    if (child == 0)
        measure(threads, hz);
    waitpid(child, NULL, 0);
}

int main(int argc, char **argv)
{
    static const int cases[][2] = {{1, 20},  {64, 20},  {512, 20},
                                   {1, 101}, {64, 101}, {512, 101}};
    if (!mkdtemp(dir))
        fail(dir);
    printf("waiting threads, sampler's CPU time\n"
           " threads      Hz   %% of a core    goal   us a tick   woken    events\n");
    fflush(stdout);
    if (argc == 3) {
        measure_apart(atoi(argv[1]), atoi(argv[2]));
    } else {
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
            measure_apart(cases[i][0], cases[i][1]);
    }
    remove_folder();
    return 0;
}
