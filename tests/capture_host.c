/* A program to be profiled by the tests: each mode does something that a profiler in
 * the same process could break, and says on stdout what it saw, so that a test can
 * compare a run with the capture to one without. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

__attribute__((noinline)) static double burn(double seconds)
{
    double end = now() + seconds;
    volatile double x = 0;
    while (now() < end) {
        for (int i = 0; i < 1000; i++)
            x += i;
    }
    return x;
}

static void *burn_thread(void *seconds)
{
    burn(*(const double *)seconds);
    return NULL;
}

static void start_burners(pthread_t *threads, int count, const double *seconds)
{
    for (int i = 0; i < count; i++)
        pthread_create(&threads[i], NULL, burn_thread, (void *)(uintptr_t)seconds);
}

static void join_all(pthread_t *threads, int count)
{
    for (int i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
}

/* Descriptors as a program sees them. */
static int mode_fds(void)
{
    char names[4096] = "";
    DIR *dir = opendir("/proc/self/fd");
    struct dirent *entry;
    int own = dirfd(dir), count = 0;
    while ((entry = readdir(dir))) {
        int fd = atoi(entry->d_name);
        if (entry->d_name[0] != '.' && fd != own && fcntl(fd, F_GETFD) >= 0)
            count++;
    }
    closedir(dir);
    snprintf(names, sizeof names, "fds %d, next %d", count, own);
    puts(names);
    return 0;
}

/* One long sleep beside busy threads. */
static int mode_sleep(void)
{
    static const double seconds = 1.2;
    pthread_t threads[2];
    start_burners(threads, 2, &seconds);
    double start = now();
    unsigned left = sleep(1);
    double took = now() - start;
    join_all(threads, 2);
    printf("left %u, %s\n", left,
           took >= 1.0 && took < 1.5 ? "on time" : "NOT on time");
    return 7;
}

struct short_waits {
    int kind;
    long calls, interrupted, early;
};

static int wait_once(int kind, sem_t *semaphore)
{
    struct timespec ms = {0, 1000000};
    struct timeval tv = {0, 1000};
    int result = 0;
    if (kind == 0)
        result = nanosleep(&ms, NULL);
    else if (kind == 1)
        result = poll(NULL, 0, 1);
    else if (kind == 2)
        result = select(0, NULL, NULL, NULL, &tv);
    else if (kind == 3)
        result = ppoll(NULL, 0, &ms, NULL);
    else if (kind == 4)
        result = usleep(1000);
    else {
        clock_gettime(CLOCK_REALTIME, &ms);
        ms.tv_nsec += 1000000;
        if (ms.tv_nsec >= 1000000000) {
            ms.tv_nsec -= 1000000000;
            ms.tv_sec++;
        }
        result = sem_timedwait(semaphore, &ms);
        if (result && errno == ETIMEDOUT)
            result = 0;
    }
    return result;
}

static void *wait_often(void *argument)
{
    struct short_waits *w = argument;
    sem_t semaphore;
    sem_init(&semaphore, 0, 0);
    double end = now() + 1.5;
    while (now() < end) {
        burn(0.0003);
        double start = now();
        w->calls++;
        errno = 0;
        if (wait_once(w->kind, &semaphore) != 0)
            w->interrupted += errno == EINTR;
        else if (now() - start < 0.0009)
            w->early++;
    }
    return NULL;
}

/* Many short waits: the moment of falling asleep is where a signal can hit. */
static int mode_waits(void)
{
    struct short_waits waits[6] = {{0}};
    pthread_t threads[6];
    long interrupted = 0, early = 0;
    for (int i = 0; i < 6; i++) {
        waits[i].kind = i;
        pthread_create(&threads[i], NULL, wait_often, &waits[i]);
    }
    join_all(threads, 6);
    for (int i = 0; i < 6; i++) {
        interrupted += waits[i].interrupted;
        early += waits[i].early;
        fprintf(stderr, "kind %d calls %ld interrupted %ld early %ld\n", i,
                waits[i].calls, waits[i].interrupted, waits[i].early);
    }
    printf("interrupted %ld early %ld\n", interrupted, early);
    return 0;
}

static void *send_ignored(void *stop)
{
    while (!atomic_load((atomic_bool *)stop))
        kill(getpid(), SIGCHLD);
    return NULL;
}

/* Signals that do nothing, sent without end, end no wait. */
static int mode_ignored(void)
{
    static atomic_bool stop;
    struct short_waits waits = {.kind = 0};
    pthread_t threads[6]; /* too many: others often run while a handler does */
    for (int i = 0; i < 6; i++)
        pthread_create(&threads[i], NULL, send_ignored, &stop);
    wait_often(&waits);
    atomic_store(&stop, true);
    join_all(threads, 6);
    printf("interrupted %ld early %ld\n", waits.interrupted, waits.early);
    return 0;
}

static void *burn_then_print(void *unused)
{
    (void)unused;
    burn(0.3);
    puts("last thread ends");
    fflush(stdout);
    return NULL;
}

/* The process ends when its last thread does, though main is gone. */
static int mode_main_exits(void)
{
    pthread_t thread;
    pthread_create(&thread, NULL, burn_then_print, NULL);
    pthread_exit(NULL);
}

/* The same, for a thread libc does not count. */
static int mode_raw_exit(void)
{
    burn(0.1);
    fflush(stdout);
    syscall(SYS_exit, 5);
    return 1;
}

static volatile sig_atomic_t urgent_count, urgent_value;

static void on_urgent(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)context;
    urgent_count++;
    urgent_value = info->si_value.sival_int;
}

static void on_urgent_plain(int number)
{
    (void)number;
    urgent_count++;
}

/* The host's own use of the signal. */
static int mode_urgent(void)
{
    struct sigaction action, old;
    sigaction(SIGURG, NULL, &old);
    printf("at first %s\n", old.sa_handler == SIG_DFL ? "default" : "NOT default");
    printf("signal() says %s\n",
           signal(SIGURG, on_urgent_plain) == SIG_DFL ? "default" : "?");
    raise(SIGURG);
    memset(&action, 0, sizeof action);
    action.sa_sigaction = on_urgent;
    action.sa_flags = SA_SIGINFO;
    sigaction(SIGURG, &action, &old);
    printf("then %s\n", old.sa_handler == on_urgent_plain ? "ours" : "NOT ours");
    union sigval value = {.sival_int = 42};
    burn(0.2);
    sigqueue(getpid(), SIGURG, value);
    printf("count %d value %d\n", (int)urgent_count, (int)urgent_value);
    sigaction(SIGURG, NULL, &old);
    printf("at last %s flags %x\n", old.sa_sigaction == on_urgent ? "ours" : "NOT ours",
           (unsigned)old.sa_flags & ~0x04000000u);
    return 0;
}

static void *burn_blocked(void *unused)
{
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    burn(0.5);
    return unused;
}

static int mode_blocked(void)
{
    pthread_t thread;
    pthread_create(&thread, NULL, burn_blocked, NULL);
    pthread_join(thread, NULL);
    return 0;
}

static int mode_errno(void)
{
    long wrong = 0;
    double end = now() + 0.7;
    while (now() < end) {
        errno = 4711;
        for (volatile int i = 0; i < 20000; i++)
            ;
        wrong += errno != 4711;
    }
    printf("errno changed %ld times\n", wrong);
    return 0;
}

/* Many children at once, each busy for a little while, while threads come and go. */
static void *come_and_go(void *unused)
{
    (void)unused;
    static const double moment = 0.002;
    for (int i = 0; i < 60; i++) {
        pthread_t thread;
        start_burners(&thread, 1, &moment);
        join_all(&thread, 1);
    }
    return NULL;
}

static int mode_forks(void)
{
    pthread_t thread;
    int bad = 0, status;
    pthread_create(&thread, NULL, come_and_go, NULL);
    for (int i = 0; i < 60; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            burn(0.05);
            _exit(i);
        }
        if (pid < 0)
            bad++;
    }
    for (int i = 0; i < 60; i++)
        bad += wait(&status) < 0 || !WIFEXITED(status);
    pthread_join(thread, NULL);
    printf("bad children %d\n", bad);
    return 0;
}

extern char **environ;

static int mode_spawns(void)
{
    char *argv[] = {(char *)(uintptr_t) "true", NULL};
    int bad = 0, status = 0;
    for (int i = 0; i < 5; i++) {
        pid_t pid;
        bad += posix_spawnp(&pid, "true", NULL, NULL, argv, environ) != 0 ||
               waitpid(pid, &status, 0) != pid || status;
        pid = vfork();
        if (pid == 0) {
            execv("/does/not/exist", argv);
            execvp("true", argv);
            _exit(9);
        }
        bad += waitpid(pid, &status, 0) != pid || status;
        bad += system("exit 3") >> 8 != 3;
        pid = fork();
        if (pid == 0) {
            execl("/does/not/exist", "x", (char *)NULL);
            execlp("sh", "sh", "-c", "exit $1", "x", "4", (char *)NULL);
            _exit(9);
        }
        bad += waitpid(pid, &status, 0) != pid || status >> 8 != 4;
    }
    printf("bad spawns %d\n", bad);
    burn(0.1);
    return 0;
}

static int mode_daemon(void)
{
    fflush(stdout);
    if (daemon(1, 1) != 0)
        return 1;
    burn(0.2);
    puts("daemon ends");
    return 0;
}

static void *short_life(void *seconds)
{
    pthread_setname_np(pthread_self(), "short-life");
    burn(*(const double *)seconds);
    return NULL;
}

/* A thousand threads, some at once, all soon gone. */
static int mode_threads(void)
{
    static const double moment = 0.004;
    pthread_attr_t attr;
    int failed = 0;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 128 * 1024);
    for (int round = 0; round < 20; round++) {
        pthread_t threads[50];
        for (int i = 0; i < 50; i++)
            failed += pthread_create(&threads[i], &attr, short_life,
                                     (void *)(uintptr_t)&moment) != 0;
        join_all(threads, 50);
    }
    printf("failed %d\n", failed);
    return 0;
}

#define SLEEPERS 60
static sem_t turns[SLEEPERS], turn_done;

__attribute__((noinline)) static void burn_cpu(double seconds)
{
    struct timespec t;
    double end = -1, at;
    do {
        for (volatile int i = 0; i < 1000; i++)
            ;
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
        at = (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
        if (end < 0)
            end = at + seconds;
    } while (at < end);
}

static void *sleeper(void *argument)
{
    sem_t *turn = argument;
    sem_wait(turn);
    burn_cpu(0.02);
    sem_post(&turn_done);
    sem_wait(turn);
    return NULL;
}

/* Threads that have slept for long, each busy once; only one at a time runs. */
static int mode_sleepers(void)
{
    pthread_t threads[SLEEPERS];
    sem_init(&turn_done, 0, 0);
    for (int i = 0; i < SLEEPERS; i++) {
        sem_init(&turns[i], 0, 0);
        pthread_create(&threads[i], NULL, sleeper, &turns[i]);
    }
    usleep(800000);
    for (int i = 0; i < SLEEPERS; i++) {
        sem_post(&turns[i]);
        sem_wait(&turn_done);
    }
    for (int i = 0; i < SLEEPERS; i++)
        sem_post(&turns[i]);
    join_all(threads, SLEEPERS);
    puts("all had their turn");
    return 0;
}

/* A thousand at once. */
static int mode_crowd(void)
{
    static pthread_t threads[1000];
    static sem_t crowd_turn;
    pthread_attr_t attr;
    int count = 0;
    sem_init(&crowd_turn, 0, 0);
    sem_init(&turn_done, 0, 1);
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 64 * 1024);
    while (count < 1000 &&
           pthread_create(&threads[count], &attr, (void *(*)(void *))sem_wait,
                          &crowd_turn) == 0)
        count++;
    burn(0.5);
    for (int i = 0; i < count; i++)
        sem_post(&crowd_turn);
    join_all(threads, count);
    printf("threads %d\n", count);
    return 0;
}

static void *no_life(void *nothing)
{
    return nothing;
}

/* Thousands a second. */
static int mode_churn(void)
{
    pthread_t thread;
    long failed = 0, count = 0;
    double end = now() + 1;
    while (now() < end) {
        failed += pthread_create(&thread, NULL, no_life, NULL) != 0;
        failed += pthread_join(thread, NULL) != 0;
        count++;
    }
    printf("failed %ld, %s\n", failed, count > 500 ? "many" : "few");
    return 0;
}

static int burn_alone(void *nothing)
{
    (void)nothing;
    for (volatile long i = 0; i < 400000000; i++)
        ;
    return 0;
}

/* A thread libc knows nothing of. */
static int mode_clone(void)
{
    static char stack[65536];
    static _Atomic int alive = 1;
    int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
                CLONE_SYSVSEM | CLONE_CHILD_CLEARTID;
    if (clone(burn_alone, stack + sizeof stack, flags, NULL, NULL, NULL, &alive) < 0)
        return 1;
    while (alive)
        usleep(1000);
    puts("the other ended");
    return 0;
}

static void *named(void *unused)
{
    (void)unused;
    pthread_setname_np(pthread_self(), "first-name");
    burn(0.2);
    pthread_setname_np(pthread_self(), "second-name");
    burn(0.2);
    return NULL;
}

static int mode_names(void)
{
    pthread_t thread;
    pthread_create(&thread, NULL, named, NULL);
    pthread_join(thread, NULL);
    burn(0.1);
    return 0;
}

/* Registers no unwinder should trust, for a while, with a signal bound to come. */
static int mode_wild(void)
{
    uint64_t values[] = {
        0, 8, 0x1000, 0x7fffffffe000, UINT64_MAX - 7, 0xdeadbeefdeadbee8};
    for (unsigned i = 0; i < sizeof values / sizeof values[0]; i++) {
        double end = now() + 0.12;
        while (now() < end) {
            __asm__ volatile("mov %%rbp, %%r12\n"
                             "mov %0, %%rbp\n"
                             "mov $3000000, %%ecx\n"
                             "1: dec %%ecx\n"
                             "jnz 1b\n"
                             "mov %%r12, %%rbp\n"
                             :
                             : "r"(values[i])
                             : "rcx", "r12", "memory");
        }
    }
    /* A stack pointer that is none needs an alternate stack for the handler. */
    static char other[65536];
    stack_t stack = {.ss_sp = other, .ss_size = sizeof other};
    sigaltstack(&stack, NULL);
    for (unsigned i = 0; i < sizeof values / sizeof values[0]; i++) {
        double end = now() + 0.12;
        while (now() < end) {
            __asm__ volatile("mov %%rsp, %%r12\n"
                             "mov %0, %%rsp\n"
                             "mov $3000000, %%ecx\n"
                             "1: dec %%ecx\n"
                             "jnz 1b\n"
                             "mov %%r12, %%rsp\n"
                             :
                             : "r"(values[i])
                             : "rcx", "r12", "memory");
        }
    }
    puts("still here");
    return 0;
}

static void on_user(int number)
{
    (void)number;
    burn(0.3);
}

/* A handler that works on a stack of its own, called out of a function that burns. */
static int mode_altstack(void)
{
    static char other[65536];
    stack_t stack = {.ss_sp = other, .ss_size = sizeof other};
    struct sigaction action = {.sa_flags = SA_ONSTACK};
    action.sa_handler = on_user;
    sigaltstack(&stack, NULL);
    sigaction(SIGUSR1, &action, NULL);
    raise(SIGUSR1);
    return 0;
}

static ucontext_t fiber_main, fiber;

static void fiber_body(void)
{
    for (;;) {
        burn(0.005);
        swapcontext(&fiber, &fiber_main);
    }
}

/* Stacks that are switched by the program, and unmapped when they are done. */
static int mode_fibers(void)
{
    for (int round = 0; round < 20; round++) {
        size_t bytes = 64 * 1024;
        char *stack = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        getcontext(&fiber);
        fiber.uc_stack.ss_sp = stack;
        fiber.uc_stack.ss_size = bytes;
        makecontext(&fiber, fiber_body, 0);
        for (int i = 0; i < 5; i++) {
            swapcontext(&fiber_main, &fiber);
            burn(0.002);
        }
        munmap(stack, bytes);
    }
    puts("fibers done");
    return 0;
}

__attribute__((noinline)) static int deep(int n)
{
    volatile int below = n > 0 ? deep(n - 1) : (burn(0.4), 0);
    return below + 1;
}

static int mode_deep(void)
{
    printf("depth %d\n", deep(1000));
    return 0;
}

/* Refused to a process with another thread. */
static int mode_namespace(void)
{
    burn(0.2);
    int result = unshare(CLONE_NEWUSER);
    printf("unshare %d %s\n", result, result ? strerror(errno) : "");
    burn(0.3);
    return 0;
}

static int mode_forever(void)
{
    puts("running");
    fflush(stdout);
    burn(60);
    return 0;
}

static int mode_burn(void)
{
    burn(0.6);
    return 3;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(void);
    } modes[] = {
        {"fds", mode_fds},           {"sleep", mode_sleep},
        {"waits", mode_waits},       {"main-exits", mode_main_exits},
        {"raw-exit", mode_raw_exit}, {"urgent", mode_urgent},
        {"blocked", mode_blocked},   {"errno", mode_errno},
        {"forks", mode_forks},       {"spawns", mode_spawns},
        {"daemon", mode_daemon},     {"threads", mode_threads},
        {"sleepers", mode_sleepers}, {"crowd", mode_crowd},
        {"churn", mode_churn},       {"clone", mode_clone},
        {"names", mode_names},       {"wild", mode_wild},
        {"altstack", mode_altstack}, {"fibers", mode_fibers},
        {"deep", mode_deep},         {"namespace", mode_namespace},
        {"ignored", mode_ignored},   {"forever", mode_forever},
        {"burn", mode_burn},
    };
    for (size_t i = 0; argc > 1 && i < sizeof modes / sizeof modes[0]; i++) {
        if (strcmp(argv[1], modes[i].name) == 0)
            return modes[i].run();
    }
    return 2;
}
