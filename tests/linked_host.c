/* A program that links libproflite, for tests/test_linked.c: its first argument
 * names what it does. It prints what it was promised wrongly, and the ids of its
 * sessions; exit 0 if all was well. */
#include "host.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* ---- what each mode does ---- */

static void run_restart(void)
{
    char first[64] = "";
    EXPECT(proflite_init(NULL) == PROFLITE_OK);
    EXPECT(proflite_start() == PROFLITE_OK);
    const char *id = proflite_profiler_id();
    EXPECT(id && strlen(id) == 32);
    snprintf(first, sizeof first, "%s", id ? id : "");
    print_id();
    linked_hot_function(500);
    EXPECT(proflite_start() == PROFLITE_ALREADY);
    EXPECT(id == proflite_profiler_id() && strcmp(first, id) == 0);
    EXPECT(proflite_stop() == PROFLITE_OK);
    EXPECT(proflite_stop() == PROFLITE_OK);
    EXPECT(proflite_profiler_id() == NULL);
    EXPECT(proflite_start() == PROFLITE_OK);
    EXPECT(proflite_profiler_id() && strcmp(first, proflite_profiler_id()) != 0);
    print_id();
    linked_hot_function(300);
    proflite_stats stats = {.size = sizeof stats};
    EXPECT(proflite_get_stats(&stats) == PROFLITE_OK && stats.running == 1);
    proflite_close();
    EXPECT(proflite_get_stats(&stats) == PROFLITE_OFF && stats.running == 0);
    proflite_close();
}

static void run_off(void)
{
    proflite_stats stats = {.size = sizeof stats, .samples = 9};
    EXPECT(proflite_start() == PROFLITE_OFF);
    EXPECT(proflite_stop() == PROFLITE_OFF);
    EXPECT(proflite_flush(10) == PROFLITE_OFF);
    EXPECT(proflite_profiler_id() == NULL);
    EXPECT(proflite_get_stats(&stats) == PROFLITE_OFF && stats.samples == 0);
    proflite_close();
    EXPECT(proflite_init(NULL) == PROFLITE_OK);
    EXPECT(proflite_init(NULL) == PROFLITE_ALREADY);
    proflite_close();
    EXPECT(proflite_start() == PROFLITE_OFF);
    EXPECT(proflite_init(NULL) == PROFLITE_OK);

    proflite_close();
    proflite_options options = PROFLITE_OPTIONS_INIT;
    options.session_sample_rate = 0;
    EXPECT(proflite_init(&options) == PROFLITE_OK);
    EXPECT(proflite_start() == PROFLITE_OFF);
    EXPECT(proflite_stop() == PROFLITE_OFF);
    EXPECT(proflite_flush(0) == PROFLITE_OFF);
}

static void expect_init(int result, const proflite_options *options)
{
    int got = proflite_init(options);
    if (got != result) {
        printf("init: %d, not %d (%s)\n", got, result, proflite_last_error());
        wrong = 1;
    }
    if (result < 0)
        EXPECT(proflite_last_error()[0] != '\0');
    proflite_close();
}

static void run_options(void)
{
    const proflite_options good = PROFLITE_OPTIONS_INIT;
    proflite_options options = good;
    options.hz = 1001;
    expect_init(PROFLITE_INVALID, &options);
    options = good;
    options.mode = (enum proflite_mode)7;
    expect_init(PROFLITE_INVALID, &options);
    options = good;
    options.session_sample_rate = 1.5;
    expect_init(PROFLITE_INVALID, &options);
    options.session_sample_rate = (double)NAN;
    expect_init(PROFLITE_INVALID, &options);
    options = good;
    options.size = 3;
    expect_init(PROFLITE_INVALID, &options);
    options = good;
    options.db = "/proc/nonexistent/x.db";
    expect_init(PROFLITE_IO, &options);
    options.db = "/";
    expect_init(PROFLITE_IO, &options);
    struct {
        proflite_options options;
        int newer;
    } newer = {good, 0};
    newer.options.size = sizeof newer;
    expect_init(PROFLITE_OK, &newer.options);
    newer.newer = 1;
    expect_init(PROFLITE_INVALID, &newer.options);
    proflite_options older = good;
    older.size = offsetof(proflite_options, hz);
    older.hz = 5000; /* beyond what it says it has */
    expect_init(PROFLITE_OK, &older);

    static const char *const bad[][2] = {{"PROFLITE_HZ", "fast"},
                                         {"PROFLITE_HZ", "0"},
                                         {"PROFLITE_HZ", "-1"},
                                         {"PROFLITE_MODE", "both"},
                                         {"PROFLITE_SESSION_SAMPLE_RATE", "2"},
                                         {"PROFLITE_SESSION_SAMPLE_RATE", "x"}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        setenv(bad[i][0], bad[i][1], 1);
        expect_init(PROFLITE_INVALID, NULL);
        options = good; /* what the program says wins */
        options.hz = 50;
        options.mode = PROFLITE_MODE_CPU;
        options.session_sample_rate = 1;
        expect_init(PROFLITE_OK, &options);
        unsetenv(bad[i][0]);
    }
}

static void run_names(void)
{
    proflite_options options = PROFLITE_OPTIONS_INIT;
    options.app = "  shop ";
    options.dist = "   ";
    options.mode = PROFLITE_MODE_CPU;
    setenv("PROFLITE_APP", "loses", 1);
    setenv("PROFLITE_RELEASE", "2.0", 1);
    EXPECT(proflite_init(&options) == PROFLITE_OK);
    EXPECT(proflite_start() == PROFLITE_OK);
    linked_hot_function(400);
}

/* Neither stop nor close: returning from main is enough. */
static void run_exit(void)
{
    EXPECT(proflite_init(NULL) == PROFLITE_OK);
    EXPECT(proflite_start() == PROFLITE_OK);
    linked_hot_function(400);
}

static void run_fork(void)
{
    int status = 0;
    EXPECT(proflite_init(NULL) == PROFLITE_OK);
    EXPECT(proflite_start() == PROFLITE_OK);
    print_id();
    linked_hot_function(300);
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        proflite_stats stats = {.size = sizeof stats};
        EXPECT(proflite_profiler_id() == NULL);
        EXPECT(proflite_init(NULL) == PROFLITE_ALREADY);
        EXPECT(proflite_get_stats(&stats) == PROFLITE_OK && stats.samples == 0);
        EXPECT(proflite_start() == PROFLITE_OK);
        print_id();
        linked_hot_function(300);
        fflush(stdout);
        exit(wrong);
    }
    linked_hot_function(300);
    EXPECT(waitpid(pid, &status, 0) == pid && status == 0);
    EXPECT(proflite_profiler_id() != NULL);
    /* Children that never start write nothing, and are quick about it. */
    for (int i = 0; i < 50; i++) {
        pid = fork();
        if (pid == 0)
            exit(0);
        EXPECT(waitpid(pid, &status, 0) == pid && status == 0);
    }
    EXPECT(proflite_stop() == PROFLITE_OK);
}

static _Atomic int storm_over;

static void *flush_often(void *unused)
{
    while (!storm_over)
        EXPECT(proflite_flush(5000) == PROFLITE_OK);
    return unused;
}

/* ASan's allocator does not survive a fork while another thread is in it: children
 * of such a build leave at once. */
#ifdef __SANITIZE_ADDRESS__
enum { CHILDREN_RECORD = 0 };
#else
enum { CHILDREN_RECORD = 1 };
#endif

/* Forks that fall into the middle of writes; some children record too. */
static void run_storm(void)
{
    pthread_t thread;
    EXPECT(proflite_init(NULL) == PROFLITE_OK);
    EXPECT(proflite_start() == PROFLITE_OK);
    if (pthread_create(&thread, NULL, flush_often, NULL) != 0)
        exit(9);
    for (int i = 0; i < 150; i++) {
        int status = 0;
        pid_t pid = fork();
        if (pid == 0) {
            if (!CHILDREN_RECORD)
                _exit(0);
            if (i % 10 == 0 && proflite_start() == PROFLITE_OK)
                linked_hot_function(20);
            exit(0);
        }
        linked_hot_function(3);
        EXPECT(waitpid(pid, &status, 0) == pid && status == 0);
    }
    storm_over = 1;
    pthread_join(thread, NULL);
    EXPECT(proflite_stop() == PROFLITE_OK);
}

static pthread_barrier_t barrier;

static void *race(void *result)
{
    pthread_barrier_wait(&barrier);
    *(int *)result = proflite_start();
    return NULL;
}

static void *do_nothing(void *unused)
{
    return unused;
}

/* A thread that was joined may be in /proc for an instant more. */
static int count_threads(int expected)
{
    int count = count_files("/proc/self/task");
    for (int tries = 0; count != expected && tries < 200; tries++) {
        usleep(10000);
        count = count_files("/proc/self/task");
    }
    return count;
}

static void run_race(void)
{
    pthread_t threads[8];
    int results[8], started = 0, already = 0, before = 0;
    if (pthread_create(&threads[0], NULL, do_nothing, NULL) != 0)
        exit(9);
    pthread_join(threads[0],
                 NULL); /* with the first a sanitizer makes one of its own */
    usleep(100000);     /* it is gone from /proc, too */
    before = count_files("/proc/self/task");
    pthread_barrier_init(&barrier, NULL, 8);
    EXPECT(proflite_init(NULL) == PROFLITE_OK);
    for (int i = 0; i < 8; i++)
        if (pthread_create(&threads[i], NULL, race, &results[i]) != 0)
            exit(9);
    for (int i = 0; i < 8; i++) {
        pthread_join(threads[i], NULL);
        started += results[i] == PROFLITE_OK;
        already += results[i] == PROFLITE_ALREADY;
    }
    EXPECT(started == 1 && already == 7);
    linked_hot_function(200);
    /* One sampler, one drain, one that writes the store. */
    EXPECT(count_threads(before + 3) == before + 3);
    proflite_close();
    EXPECT(count_threads(before) == before);
}

/* Flushed, then killed: what was flushed is in the store. */
static void run_flush(void)
{
    proflite_stats stats = {.size = sizeof stats};
    EXPECT(proflite_init(NULL) == PROFLITE_OK);
    EXPECT(proflite_start() == PROFLITE_OK);
    linked_hot_function(400);
    EXPECT(proflite_flush(5000) == PROFLITE_OK);
    EXPECT(proflite_get_stats(&stats) == PROFLITE_OK && stats.samples > 10);
    linked_hot_function(200);
    EXPECT(proflite_flush(5000) == PROFLITE_OK);
    if (!wrong)
        raise(SIGKILL);
}

/* A limit on file sizes makes writing fail; it must not kill. */
static void run_fsize(void)
{
    const struct rlimit limit = {100 * 1024, 100 * 1024};
    EXPECT(setrlimit(RLIMIT_FSIZE, &limit) == 0);
    if (proflite_init(NULL) == PROFLITE_OK && proflite_start() == PROFLITE_OK) {
        linked_hot_function(200);
        (void)proflite_flush(2000);
    }
    (void)proflite_stop();
    EXPECT(proflite_last_error()[0] != '\0');
    proflite_close();
}

static void fill_disk(const char *name)
{
    char block[4096] = {1};
    size_t len = sizeof block;
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    EXPECT(fd >= 0);
    while (len) {
        ssize_t done = write(fd, block, len);
        len = done > 0 && len == sizeof block ? len : len / 2;
    }
    EXPECT(errno == ENOSPC);
    close(fd);
}

/* On a small disk of its own that is full for a while: a flush says so, the program
 * goes on, and what was not written is when there is room again. */
static void run_full(void)
{
    char filler[512];
    proflite_stats stats = {.size = sizeof stats};
    (void)snprintf(filler, sizeof filler, "%s.fill", getenv("PROFLITE_DB"));
    EXPECT(proflite_init(NULL) == PROFLITE_OK);
    EXPECT(proflite_start() == PROFLITE_OK);
    linked_hot_function(200);
    EXPECT(proflite_flush(5000) == PROFLITE_OK);
    fill_disk(filler);
    linked_hot_function(300);
    EXPECT(proflite_flush(5000) == PROFLITE_IO);
    EXPECT(strstr(proflite_last_error(), "full") != NULL);
    EXPECT(proflite_get_stats(&stats) == PROFLITE_OK && stats.running);
    uint64_t before = stats.samples;
    unlink(filler);
    EXPECT(proflite_flush(5000) == PROFLITE_OK);
    EXPECT(proflite_get_stats(&stats) == PROFLITE_OK);
    EXPECT(stats.samples >= before + 20);
    EXPECT(proflite_stop() == PROFLITE_OK);
    proflite_close();
}

static void ignore_signal(int number)
{
    (void)number;
}

/* What the program itself sees must be as without us. */
static void run_undisturbed(void)
{
    struct sigaction action = {.sa_handler = ignore_signal}, now;
    sigaction(SIGUSR1, &action, NULL);
    int before = open("/dev/null", O_RDONLY);
    EXPECT(proflite_init(NULL) == PROFLITE_OK);
    EXPECT(proflite_start() == PROFLITE_OK);
    errno = 77;
    linked_hot_function(200);
    EXPECT(errno == 77);
    struct timespec nap = {.tv_nsec = 200000000};
    EXPECT(nanosleep(&nap, NULL) == 0); /* no EINTR while blocked */
    EXPECT(proflite_stop() == PROFLITE_OK);
    EXPECT(sigaction(SIGUSR1, NULL, &now) == 0 && now.sa_handler == ignore_signal);
    sigset_t mask;
    EXPECT(pthread_sigmask(SIG_SETMASK, NULL, &mask) == 0);
    for (int number = 1; number < 32; number++)
        EXPECT(sigismember(&mask, number) == 0);
    proflite_close();
    int after = open("/dev/null", O_RDONLY);
    EXPECT(after == before + 1); /* no descriptor left behind */
    close(after);
    close(before);
}

int main(int argc, char **argv)
{
    static const struct host_mode modes[] = {
        {"restart", run_restart}, {"off", run_off},
        {"options", run_options}, {"names", run_names},
        {"exit", run_exit},       {"fork", run_fork},
        {"race", run_race},       {"flush", run_flush},
        {"fsize", run_fsize},     {"undisturbed", run_undisturbed},
        {"storm", run_storm},     {"full", run_full},
    };
    return argc > 1 ? run_mode(argv[1], modes, sizeof modes / sizeof modes[0]) : 2;
}
