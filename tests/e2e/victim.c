/* Programs that are hard on a profiler, one per word; each checks for itself that
 * nothing disturbed it and says so by exit status. Recorded by test_record.py.
 *
 *   victim fork | exec | exec2 | threads | sigkill | sigsegv | sleep | blocked |
 *          sigurg | pthread_exit | deep | depth100 | names | vfork | setuid |
 *          underscore_exit | small_files | traced |
 *          own_sigurg | private | strict | filter | burn */
#include <dirent.h>
#include <errno.h>
#include <grp.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;
static volatile uint64_t sink;
static volatile uintptr_t wild = 8; /* an address nobody may write to */

static double now_s(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Burn CPU time of this thread in a function with a name to look for. */
__attribute__((noinline)) static void burn(double seconds)
{
    double end = now_s(CLOCK_THREAD_CPUTIME_ID) + seconds;
    while (now_s(CLOCK_THREAD_CPUTIME_ID) < end)
        for (int i = 0; i < 100000; i++)
            sink = (sink ^ (sink >> 31)) * 0x94d049bb133111ebu + 1;
}

__attribute__((noinline)) static void child_work(void)
{
    burn(0.1);
    sink++;
}

static int run_fork(void)
{
    for (int batch = 0; batch < 10; batch++) {
        pid_t children[5];
        for (int i = 0; i < 5; i++) {
            children[i] = fork();
            if (children[i] < 0)
                return 1;
            if (children[i] == 0) {
                child_work();
                exit(10 + i);
            }
        }
        for (int i = 0; i < 5; i++) {
            int status = 0;
            if (waitpid(children[i], &status, 0) != children[i])
                return 2;
            if (!WIFEXITED(status) || WEXITSTATUS(status) != 10 + i)
                return 3;
        }
    }
    return 0;
}

static int run_exec(char **argv)
{
    burn(0.3);
    execl(argv[0], argv[0], "exec2", (char *)NULL);
    return 1;
}

__attribute__((noinline)) static void after_exec(void)
{
    burn(0.3);
    sink++;
}

static void *short_thread(void *arg)
{
    (void)arg;
    burn(0.002);
    return NULL;
}

static int run_threads(void)
{
    for (int batch = 0; batch < 100; batch++) {
        pthread_t threads[10];
        for (int i = 0; i < 10; i++)
            if (pthread_create(&threads[i], NULL, short_thread, NULL) != 0)
                return 1;
        for (int i = 0; i < 10; i++)
            pthread_join(threads[i], NULL);
    }
    return 0;
}

static volatile int stop_burning;

static void *burner(void *arg)
{
    (void)arg;
    while (!stop_burning)
        burn(0.01);
    return NULL;
}

/* Every blocking call must last as long as asked for and never see EINTR. */
static int run_sleep(void)
{
    pthread_t busy;
    if (pthread_create(&busy, NULL, burner, NULL) != 0)
        return 1;
    for (int round = 0; round < 40; round++) {
        burn(0.005); /* so that the clock moved and a signal would be due */
        double start = now_s(CLOCK_MONOTONIC);
        struct timespec wait = {0, 30 * 1000 * 1000};
        if (nanosleep(&wait, NULL) != 0 || now_s(CLOCK_MONOTONIC) - start < 0.0299) {
            fprintf(stderr, "nanosleep cut short: %s\n", strerror(errno));
            return 2;
        }
        if (poll(NULL, 0, 20) != 0) {
            fprintf(stderr, "poll cut short: %s\n", strerror(errno));
            return 3;
        }
    }
    if (sleep(1) != 0)
        return 4;
    stop_burning = 1;
    pthread_join(busy, NULL);
    return 0;
}

static int run_blocked(void)
{
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    burn(0.7);
    return 0;
}

static volatile int urgent;

static void on_urgent(int signal_number)
{
    (void)signal_number;
    urgent++;
}

static int run_sigurg(void)
{
    struct sigaction mine = {.sa_handler = on_urgent}, seen;
    sigaction(SIGURG, NULL, &seen);
    if (seen.sa_handler != SIG_DFL)
        return 1;
    sigaction(SIGURG, &mine, NULL);
    burn(0.3);
    if (urgent != 0)
        return 2;
    raise(SIGURG);
    kill(getpid(), SIGURG);
    burn(0.3);
    sigaction(SIGURG, NULL, &seen);
    return urgent == 2 && seen.sa_handler == on_urgent ? 0 : 3;
}

static void *last_thread(void *arg)
{
    (void)arg;
    burn(0.5);
    return NULL;
}

static int run_pthread_exit(void)
{
    pthread_t other;
    if (pthread_create(&other, NULL, last_thread, NULL) != 0)
        return 1;
    pthread_exit(NULL); /* the process must end when the other one does */
}

__attribute__((noinline)) static uint64_t dive(int depth)
{
    if (depth == 0)
        burn(0.7);
    else
        sink += dive(depth - 1);
    return sink + (uint64_t)depth;
}

static void *renamed(void *arg)
{
    pthread_setname_np(pthread_self(), arg);
    burn(0.4);
    return NULL;
}

static int run_names(void)
{
    static char first[] = "first worker", second[] = "second worker";
    pthread_t a, b;
    if (pthread_create(&a, NULL, renamed, first) ||
        pthread_create(&b, NULL, renamed, second))
        return 1;
    pthread_join(a, NULL);
    pthread_join(b, NULL);
    return 0;
}

static int run_vfork(void)
{
    for (int i = 0; i < 30; i++) {
        burn(0.01);
        pid_t child = 0;
        char *args[] = {(char *)"true", NULL};
        if (posix_spawnp(&child, "true", NULL, NULL, args, environ) != 0)
            return 1;
        int status = 0;
        if (waitpid(child, &status, 0) != child || status != 0)
            return 2;
        child = vfork();
        if (child < 0)
            return 3;
        if (child == 0) {
            execlp("true", "true", (char *)NULL);
            _exit(99);
        }
        if (waitpid(child, &status, 0) != child || status != 0)
            return 4;
    }
    return 0;
}

/* A limit on files smaller than anything a recorder needs; for children, too. */
static int run_small_files(char **argv)
{
    struct rlimit limit = {1000, 1000};
    setrlimit(RLIMIT_FSIZE, &limit);
    pid_t child = fork();
    if (child == 0)
        execl(argv[0], argv[0], "exec2", NULL);
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 99;
}

/* A debugger sees the signals of the program and no others. */
static int run_traced(char **argv)
{
    int status = 0, stops = 0;
    pid_t child = fork();
    if (child == 0) {
        ptrace(PTRACE_TRACEME, 0, 0, 0);
        execl(argv[0], argv[0], "exec2", NULL);
    }
    while (waitpid(child, &status, 0) == child && WIFSTOPPED(status)) {
        stops += WSTOPSIG(status) != SIGTRAP;
        ptrace(PTRACE_CONT, child, 0, 0);
    }
    return stops ? 99 : WEXITSTATUS(status);
}

static void *private_thread(void *unused)
{
    (void)unused;
    burn(0.4);
    return NULL;
}

/* A user without rights, in a process nobody may look into. */
static int run_private(void)
{
    struct timespec moment = {0, 3000000};
    pthread_t thread;
    int bad = 0;
    prctl(PR_SET_DUMPABLE, 0);
    pthread_create(&thread, NULL, private_thread, NULL);
    for (int i = 0; i < 100; i++)
        bad += nanosleep(&moment, NULL) != 0 || poll(NULL, 0, 1) != 0;
    pthread_join(thread, NULL);
    return bad ? 99 : 7;
}

/* SIGURG waited for by signalfd and sigwait, sent by another process. */
static int run_own_sigurg(char **argv)
{
    sigset_t set;
    int number = 0, bad = 0;
    sigemptyset(&set);
    sigaddset(&set, SIGURG);
    sigprocmask(SIG_BLOCK, &set, NULL);
    int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    for (int i = 0; i < 200; i++) {
        struct signalfd_siginfo info;
        struct pollfd wait = {fd, POLLIN, 0};
        kill(getpid(), SIGURG);
        burn(0.002);
        bad += poll(&wait, 1, 1000) != 1 ||
               read(fd, &info, sizeof info) != sizeof info ||
               info.ssi_signo != SIGURG || info.ssi_code != SI_USER;
    }
    kill(getpid(), SIGURG);
    burn(0.02);
    bad += sigwait(&set, &number) != 0 || number != SIGURG;
    if (bad)
        return 99;
    execl("/nonexistent", "nothing", NULL);
    burn(0.1);
    execl(argv[0], argv[0], "exec2", NULL);
    return 98;
}

/* Only what the program needs is allowed; anything else ends it. */
static void allow(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 3, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clock_gettime, 2, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_rt_sigreturn, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof code / sizeof code[0], code};
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, ~0u, &program) >= 0)
        _exit(98); /* no such flags: refused, and nothing has changed */
    burn(0.2);
    syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program);
}

static int run_confined(int strict)
{
    burn(0.3);
    if (!strict)
        allow();
    else
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT, 0, 0, 0);
    for (uint64_t i = 0; i < 300000000; i++) /* clocks may be system calls */
        sink = i;
    if (strict)
        syscall(SYS_exit, 5); /* strict mode knows no other */
    _exit(5);
}

/* Every thread of the process, whoever made it, runs as `uid`. */
static int all_run_as(unsigned uid)
{
    DIR *tasks = opendir("/proc/self/task");
    struct dirent *task;
    int all = tasks != NULL, count = 0;
    while (tasks && (task = readdir(tasks))) {
        char path[300], line[128];
        if (task->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "/proc/self/task/%s/status", task->d_name);
        FILE *status = fopen(path, "r");
        while (status && fgets(line, sizeof line, status)) {
            unsigned real, effective, saved, files;
            if (sscanf(line, "Uid: %u %u %u %u", &real, &effective, &saved, &files) ==
                4) {
                all &= real == uid && effective == uid && saved == uid && files == uid;
                count++;
            }
        }
        if (status)
            fclose(status);
    }
    if (tasks)
        closedir(tasks);
    return all && count > 0;
}

__attribute__((noinline)) static void after_setuid(void)
{
    burn(0.5);
    sink++;
}

static int run_setuid(void)
{
    pthread_t busy;
    if (pthread_create(&busy, NULL, burner, NULL) != 0)
        return 1;
    burn(0.3);
    if (setgroups(0, NULL) || setgid(65534) || setuid(65534))
        return 2;
    if (!all_run_as(65534))
        return 3;
    if (setuid(0) == 0)
        return 4;
    after_setuid();
    stop_burning = 1;
    pthread_join(busy, NULL);
    return 0;
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    if (strcmp(what, "fork") == 0)
        return run_fork();
    if (strcmp(what, "exec") == 0)
        return run_exec(argv);
    if (strcmp(what, "exec2") == 0)
        return after_exec(), 7;
    if (strcmp(what, "threads") == 0)
        return run_threads();
    if (strcmp(what, "sleep") == 0)
        return run_sleep();
    if (strcmp(what, "blocked") == 0)
        return run_blocked();
    if (strcmp(what, "sigurg") == 0)
        return run_sigurg();
    if (strcmp(what, "pthread_exit") == 0)
        return run_pthread_exit();
    if (strcmp(what, "deep") == 0)
        return dive(3000) == 1;
    if (strcmp(what, "depth100") == 0)
        return dive(100) == 1;
    if (strcmp(what, "names") == 0)
        return run_names();
    if (strcmp(what, "vfork") == 0)
        return run_vfork();
    if (strcmp(what, "setuid") == 0)
        return run_setuid();
    if (strcmp(what, "small_files") == 0)
        return run_small_files(argv);
    if (strcmp(what, "private") == 0)
        return run_private();
    if (strcmp(what, "own_sigurg") == 0)
        return run_own_sigurg(argv);
    if (strcmp(what, "traced") == 0)
        return run_traced(argv);
    if (strcmp(what, "strict") == 0 || strcmp(what, "filter") == 0)
        return run_confined(what[0] == 's');
    burn(0.7);
    if (strcmp(what, "sigkill") == 0)
        kill(getpid(), SIGKILL);
    if (strcmp(what, "sigsegv") == 0)
        *(volatile int *)wild = 1;
    if (strcmp(what, "underscore_exit") == 0)
        _exit(9);
    if (strcmp(what, "burn") == 0)
        return 0;
    fprintf(stderr, "victim: no such word: %s\n", what);
    return 2;
}
