/* A program that links libproflite, for tests/test_lifecycle.c: its first argument
 * names what it does with labels, spans, lifecycles and forks; tests/host.h. */
#include "host.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

static void init(enum proflite_lifecycle lifecycle, unsigned hz)
{
    proflite_options options = PROFLITE_OPTIONS_INIT;
    options.lifecycle = lifecycle;
    options.hz = hz;
    EXPECT(proflite_init(&options) == PROFLITE_OK);
}

static void init_and_start(unsigned hz)
{
    init(PROFLITE_LIFECYCLE_MANUAL, hz);
    int result = proflite_start(); /* ALREADY under `proflite record` */
    EXPECT(result == PROFLITE_OK || result == PROFLITE_ALREADY);
}

static pthread_t start_thread(void *(*run)(void *), void *argument)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, run, argument) != 0)
        exit(9);
    return thread;
}

/* ---- labels and spans ---- */

static void *sleep_under_label(void *unused)
{
    proflite_thread_name("the one that sleeps under a label of its own");
    proflite_label_set("tenant", "sleeper");
    sleep_ms(400);
    return unused;
}

static void run_labels(void)
{
    init_and_start(250);
    pthread_t thread = start_thread(sleep_under_label, NULL);
    linked_hot_function(200);
    EXPECT(proflite_label_set("tenant", "acme") == PROFLITE_OK);
    linked_hot_function(200);
    proflite_span cart = proflite_span_begin("GET /cart");
    linked_hot_function(200);
    proflite_span query = proflite_span_begin("db.query");
    sleep_ms(200);
    proflite_span_end(query);
    EXPECT(proflite_label_set("tenant", NULL) == PROFLITE_OK);
    linked_hot_function(200);
    proflite_span_end(cart);
    linked_hot_function(200);
    pthread_join(thread, NULL);
    proflite_close();
}

/* What was said while nothing ran is seen by the next run. */
static void run_labels_over_stop(void)
{
    init(PROFLITE_LIFECYCLE_MANUAL, 250);
    proflite_label_set("tenant", "early");
    proflite_span span = proflite_span_begin("long");
    EXPECT(proflite_start() == PROFLITE_OK);
    linked_hot_function(100);
    EXPECT(proflite_stop() == PROFLITE_OK);
    EXPECT(proflite_start() == PROFLITE_OK);
    linked_hot_function(100);
    proflite_close();
    proflite_span_end(span);
    init_and_start(250);
    proflite_span_end(span);
    linked_hot_function(100); /* without: they ended with the close */
    proflite_close();
}

/* ---- trace ---- */

static pthread_barrier_t barrier;

static void *overlap(void *unused)
{
    proflite_span span = proflite_span_begin("overlapping");
    pthread_barrier_wait(&barrier);
    linked_hot_function(50);
    proflite_span_end(span);
    return unused;
}

static void run_trace(void)
{
    pthread_t threads[8];
    char first[64] = "";
    init(PROFLITE_LIFECYCLE_TRACE, 101);
    EXPECT(proflite_start() == PROFLITE_OFF);
    EXPECT(proflite_profiler_id() == NULL);
    pthread_barrier_init(&barrier, NULL, 9);
    for (int i = 0; i < 8; i++)
        threads[i] = start_thread(overlap, NULL);
    pthread_barrier_wait(&barrier);
    EXPECT(runs_within(1, 3000));
    const char *id = proflite_profiler_id();
    snprintf(first, sizeof first, "%s", id ? id : "");
    EXPECT(proflite_stop() == PROFLITE_OFF); /* not the program's to say */
    for (int i = 0; i < 8; i++)
        pthread_join(threads[i], NULL);
    EXPECT(runs_within(0, 3000));
    proflite_span span = proflite_span_begin("second");
    proflite_span inner = proflite_span_begin("inner");
    EXPECT(runs_within(1, 3000));
    EXPECT(proflite_profiler_id() && strcmp(proflite_profiler_id(), first) != 0);
    linked_hot_function(100);
    proflite_span_end(inner);
    linked_hot_function(100);
    proflite_span_end(span);
    EXPECT(runs_within(0, 3000));
    proflite_span_begin("left open at exit: the tail is kept");
    EXPECT(runs_within(1, 3000));
    linked_hot_function(200);
}

/* Each token has the sampler run, wherever in its stopping it falls. */
static void *begin_and_end(void *unused)
{
    for (int i = 0; i < 50; i++) {
        proflite_span span = proflite_span_begin("token");
        if (i % 5 == 0)
            sleep_ms(i % 4);
        proflite_span_end(span);
        proflite_span_end(span);
    }
    return unused;
}

static void run_tokens(void)
{
    pthread_t threads[10];
    init(PROFLITE_LIFECYCLE_TRACE, 1000);
    for (int i = 0; i < 10; i++)
        threads[i] = start_thread(begin_and_end, NULL);
    for (int i = 0; i < 10; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < 60; i++) {
        proflite_span span = proflite_span_begin("near the stop");
        EXPECT(runs_within(1, 5000));
        proflite_span_end(span);
        sleep_ms(i % 30);
    }
    EXPECT(runs_within(0, 5000));
    proflite_span_end(proflite_span_begin("shorter than a start"));
    proflite_close();
}

/* ---- auto-start and the control file ---- */

static void run_auto(void)
{
    int status = 0;
    proflite_options options = PROFLITE_OPTIONS_INIT;
    options.auto_start = 1;
    EXPECT(proflite_init(&options) == PROFLITE_OK);
    EXPECT(proflite_profiler_id() != NULL);
    linked_hot_function(150);
    EXPECT(proflite_stop() == PROFLITE_OK);
    EXPECT(proflite_init(&options) == PROFLITE_ALREADY);
    EXPECT(proflite_profiler_id() == NULL); /* once a process */
    pid_t pid = fork();
    if (pid == 0) { /* a worker that knows nothing of proflite */
        EXPECT(runs_within(1, 5000));
        linked_hot_function(150);
        exit(wrong);
    }
    EXPECT(waitpid(pid, &status, 0) == pid && status == 0);
    pid = fork();
    if (pid == 0) { /* it is to become another program */
        execl("/bin/true", "true", (char *)NULL);
        _exit(1);
    }
    EXPECT(waitpid(pid, &status, 0) == pid && status == 0);
    EXPECT(proflite_profiler_id() == NULL);
    proflite_close();
}

static char control[256];

static void write_control(const char *text, mode_t mode)
{
    char next[sizeof control + 8];
    snprintf(next, sizeof next, "%s.next", control);
    int fd = open(next, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    EXPECT(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    EXPECT(fchmod(fd, mode) == 0);
    close(fd);
    EXPECT(rename(next, control) == 0);
}

static void run_control(void)
{
    char big[200];
    proflite_options options = PROFLITE_OPTIONS_INIT;
    snprintf(control, sizeof control, "%s.control", getenv("PROFLITE_DB"));
    options.control = control;
    write_control("start", 0600); /* from before: counts, too */
    EXPECT(proflite_init(&options) == PROFLITE_OK);
    EXPECT(runs_within(1, 5000));
    linked_hot_function(100);
    write_control("stop\n", 0644);
    EXPECT(runs_within(0, 5000));
    write_control("started\n", 0600);
    sleep_ms(600);
    write_control("start\n", 0666); /* anybody's: not looked at */
    sleep_ms(600);
    memset(big, ' ', sizeof big);
    memcpy(big + sizeof big - 6, "start", 6);
    write_control(big, 0600);
    sleep_ms(600);
    unlink(control);
    EXPECT(mkfifo(control, 0600) == 0); /* opening one could block for ever */
    sleep_ms(600);
    unlink(control);
    char elsewhere[sizeof control + 8];
    write_control("start\n", 0600);
    snprintf(elsewhere, sizeof elsewhere, "%s.real", control);
    EXPECT(rename(control, elsewhere) == 0 && symlink(elsewhere, control) == 0);
    sleep_ms(600);
    unlink(elsewhere);
    unlink(control);
    EXPECT(mkdir(control, 0700) == 0);
    sleep_ms(600);
    rmdir(control);
    EXPECT(proflite_profiler_id() == NULL);
    write_control(" start please\n", 0600);
    EXPECT(runs_within(1, 5000));
    EXPECT(proflite_stop() == PROFLITE_OK); /* the program may, too */
    EXPECT(proflite_profiler_id() == NULL);
    proflite_close();
    unlink(control);
}

/* A rate that costs more than it may: the sampler takes fewer, heavier samples. */
static void run_budget(void)
{
    proflite_options options = PROFLITE_OPTIONS_INIT;
    options.hz = 1000;
    options.max_overhead = 0.0005;
    EXPECT(proflite_init(&options) == PROFLITE_OK);
    EXPECT(proflite_start() == PROFLITE_OK);
    linked_hot_function(1500);
    proflite_close();
}

/* ---- forks ---- */

static void run_fork_trace(void)
{
    int status = 0;
    init(PROFLITE_LIFECYCLE_TRACE, 250);
    proflite_span span = proflite_span_begin("parent");
    EXPECT(runs_within(1, 3000));
    linked_hot_function(100);
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        EXPECT(proflite_profiler_id() == NULL); /* the parent's spans are not ours */
        sleep_ms(100);
        EXPECT(proflite_profiler_id() == NULL);
        proflite_span_end(span);
        proflite_span own = proflite_span_begin("child");
        EXPECT(memcmp(own.trace_id, span.trace_id, sizeof own.trace_id) != 0);
        EXPECT(runs_within(1, 3000));
        linked_hot_function(150);
        proflite_span_end(own);
        EXPECT(runs_within(0, 3000));
        fflush(stdout);
        exit(wrong);
    }
    EXPECT(waitpid(pid, &status, 0) == pid && status == 0);
    EXPECT(proflite_profiler_id() != NULL);
    linked_hot_function(100);
    proflite_span_end(span);
    proflite_close();
}

extern char **environ;

/* Ways to another program that leave the parent recording, whatever becomes of it. */
static void run_spawn_forks(void)
{
    char *const argv[] = {(char[]){"true"}, NULL};
    int status = 0;
    pid_t pid = -1;
    init_and_start(1000);
    proflite_label_set("tenant", "parent");
    for (int i = 0; i < 20; i++) {
        pid = vfork();
        if (pid == 0) {
            execve("/bin/true", argv, environ);
            _exit(1);
        }
        EXPECT(waitpid(pid, &status, 0) == pid && status == 0);
        EXPECT(posix_spawn(&pid, "/bin/true", NULL, NULL, argv, environ) == 0);
        EXPECT(waitpid(pid, &status, 0) == pid && status == 0);
        EXPECT(system("true") == 0);
        pid = fork();
        if (pid == 0)
            _exit(3); /* without exit handlers */
        EXPECT(waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 3);
        linked_hot_function(5);
    }
    EXPECT(proflite_profiler_id() != NULL);
    proflite_close();
}

/* The parent ends inside daemon(); the child goes on, and records from its start. */
static void run_daemon_forks(void)
{
    init_and_start(250);
    linked_hot_function(100);
    fflush(stdout);
    EXPECT(daemon(1, 1) == 0);
    EXPECT(proflite_profiler_id() == NULL);
    EXPECT(proflite_start() == PROFLITE_OK);
    linked_hot_function(150);
    proflite_close();
    printf("daemon done %d\n", wrong);
}

/* exec while sampling: no signal of ours may end the next program. */
static void run_exec(void)
{
    init_and_start(1000);
    linked_hot_function(50);
    execl("/bin/sh", "sh", "-c",
          "i=0; while [ $i -lt 2000 ]; do i=$((i+1)); done; exit 7", (char *)NULL);
    _exit(1);
}

static void run_quick_exit(void)
{
    init_and_start(250);
    linked_hot_function(100);
    fflush(stdout);
    _exit(4);
}

/* ---- ends ---- */

static void stop_at_exit(void)
{
    EXPECT(proflite_stop() == PROFLITE_OK);
    proflite_close();
    fflush(stdout);
}

static void run_exit_handler(void)
{
    init_and_start(250); /* its handler runs after the one below */
    atexit(stop_at_exit);
    linked_hot_function(200);
}

static void *exit_from_here(void *unused)
{
    proflite_span_begin("of the thread that ends it all");
    linked_hot_function(100);
    exit(wrong);
    return unused;
}

static void run_exit_thread(void)
{
    init_and_start(250);
    pthread_join(start_thread(exit_from_here, NULL), NULL);
}

static void *call_everything(void *unused)
{
    for (int i = 0; i < 15; i++) {
        (void)proflite_init(NULL);
        (void)proflite_start();
        proflite_span span = proflite_span_begin("any");
        (void)proflite_label_set("i", i % 2 ? "odd" : "even");
        (void)proflite_thread_name("racer");
        (void)proflite_profiler_id();
        proflite_span_end(span);
        if (i % 3 == 0)
            (void)proflite_stop();
        if (i % 5 == 4)
            proflite_close();
    }
    return unused;
}

static void run_race_all(void)
{
    pthread_t threads[6];
    for (int i = 0; i < 6; i++)
        threads[i] = start_thread(call_everything, NULL);
    for (int i = 0; i < 6; i++)
        pthread_join(threads[i], NULL);
    proflite_close();
    EXPECT(proflite_init(NULL) == PROFLITE_OK);
    EXPECT(proflite_start() == PROFLITE_OK);
    linked_hot_function(50);
    proflite_close();
}

/* ---- hosts of their own kind ---- */

static ucontext_t main_context, fibers[2];
static volatile int64_t fiber_end_ms;

__attribute__((noinline)) static void fiber_work(int me)
{
    volatile uint64_t sum = 1;
    while (wall_ms() < fiber_end_ms) {
        for (int i = 0; i < 200000; i++)
            sum = sum * 31 + (uint64_t)i;
        swapcontext(&fibers[me], &fibers[1 - me]);
    }
}

static void fiber_main(int me)
{
    proflite_label_set("fiber", me ? "one" : "zero");
    fiber_work(me);
}

/* A program that switches stacks itself and never lets the kernel know. */
static void run_fibers(void)
{
    init_and_start(101);
    fiber_end_ms = wall_ms() + 2000;
    for (int i = 0; i < 2; i++) {
        getcontext(&fibers[i]);
        fibers[i].uc_stack.ss_size = 256 * 1024;
        fibers[i].uc_stack.ss_sp = malloc(fibers[i].uc_stack.ss_size);
        fibers[i].uc_link = &main_context;
        makecontext(&fibers[i], (void (*)(void))fiber_main, 1, i);
    }
    swapcontext(&main_context, &fibers[0]);
    proflite_close();
}

/* Linked, and even set up, but not started: nothing of ours is there. */
static void run_idle(void)
{
    struct sigaction urgent, spare;
    int files = count_files("/proc/self/fd"), shared = count_files("/dev/shm");
    proflite_label_set("a", "b");
    proflite_span_end(proflite_span_begin("before init"));
    EXPECT(access(getenv("PROFLITE_DB"), F_OK) != 0);
    for (int round = 0; round < 2; round++) {
        EXPECT(count_files("/proc/self/task") == 3); /* with . and .. */
        EXPECT(count_files("/proc/self/fd") == files);
        EXPECT(count_files("/dev/shm") == shared);
        EXPECT(sigaction(SIGURG, NULL, &urgent) == 0 && urgent.sa_handler == SIG_DFL);
        EXPECT(sigaction(SIGSTKFLT, NULL, &spare) == 0 && spare.sa_handler == SIG_DFL);
        if (round == 0)
            init(PROFLITE_LIFECYCLE_TRACE, 101);
    }
    proflite_close();
    proflite_label_set("a", "b");
    EXPECT(count_files("/proc/self/fd") == files);
}

/* With all signals blocked nobody answers: what is not sampled is lost, and counted. */
static void run_blocked(void)
{
    sigset_t all;
    init_and_start(101);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    linked_hot_function(600);
    proflite_close();
}

/* No thread to be had: an error, and the program lives. */
static void run_no_thread(void)
{
    struct rlimit memory = {(rlim_t)100 << 20, (rlim_t)100 << 20};
    init(PROFLITE_LIFECYCLE_MANUAL, 101);
    void *rest = NULL;
    EXPECT(setrlimit(RLIMIT_AS, &memory) == 0);
    for (size_t bytes = (size_t)64 << 20; bytes >= 4096; bytes /= 2)
        while ((rest = mmap(NULL, bytes, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                            0)) != MAP_FAILED)
            ;
    EXPECT(proflite_start() < 0);
    EXPECT(proflite_last_error()[0] != '\0');
    EXPECT(proflite_profiler_id() == NULL);
    linked_hot_function(50);
    EXPECT(proflite_stop() == PROFLITE_OK);
}

/* One thread is left. Those that were joined may be listed a moment longer. */
static bool is_alone(void)
{
    for (int i = 0; i < 1000 && count_files("/proc/self/task") > 3; i++) /* . and .. */
        usleep(1000);
    return count_files("/proc/self/task") == 3;
}

/* Threads can be made as libc does, but not with the call that makes the sampler: an
 * error, the program lives, and says that nothing runs. */
static void run_no_sampler(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EAGAIN),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof code / sizeof code[0], code};
    proflite_stats stats = {.size = sizeof stats};
    init(PROFLITE_LIFECYCLE_MANUAL, 101);
    EXPECT(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    EXPECT(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
    for (int i = 0; i < 3; i++) {
        EXPECT(proflite_start() < 0);
        EXPECT(strstr(proflite_last_error(), "sampling") != NULL);
        EXPECT(proflite_profiler_id() == NULL);
        EXPECT(proflite_get_stats(&stats) == PROFLITE_OK && !stats.running);
    }
    EXPECT(is_alone());
    linked_hot_function(50);
    EXPECT(proflite_stop() == PROFLITE_OK);
    proflite_close();
}

/* A set-user-ID program: what its user says counts for nothing. */
static void run_secure(void)
{
    proflite_options options = PROFLITE_OPTIONS_INIT;
    EXPECT(getuid() != geteuid());
    EXPECT(proflite_init(NULL) == PROFLITE_UNSUPPORTED);
    options.db = getenv("PROFLITE_DB"); /* the program's own word */
    EXPECT(proflite_init(&options) == PROFLITE_OK);
    EXPECT(proflite_start() == PROFLITE_OK);
    linked_hot_function(100);
    proflite_close();
}

int main(int argc, char **argv)
{
    static const struct host_mode modes[] = {
        {"labels", run_labels},
        {"labels_over_stop", run_labels_over_stop},
        {"trace", run_trace},
        {"tokens", run_tokens},
        {"auto_fork", run_auto},
        {"control", run_control},
        {"budget", run_budget},
        {"fork_trace", run_fork_trace},
        {"spawn_forks", run_spawn_forks},
        {"daemon_forks", run_daemon_forks},
        {"exec", run_exec},
        {"quick_exit", run_quick_exit},
        {"exit_handler", run_exit_handler},
        {"exit_thread", run_exit_thread},
        {"race_all", run_race_all},
        {"fibers", run_fibers},
        {"idle", run_idle},
        {"no_thread", run_no_thread},
        {"blocked", run_blocked},
        {"no_sampler", run_no_sampler},
        {"secure", run_secure},
    };
    return argc > 1 ? run_mode(argv[1], modes, sizeof modes / sizeof modes[0]) : 2;
}
