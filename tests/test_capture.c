/* Capture, end to end: programs under the preload library and this very process.
 * What a program sees must be what it sees alone; what comes out of its segment must
 * be its threads, their names and complete stacks. */
#include "collector/capture.h"
#include "tests/segment_watch.h"

#include "tests/test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static struct watch watch;

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static void pause_ms(long ms)
{
    struct timespec t = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&t, NULL);
}

/* ---- running a program ---- */

struct run {
    pid_t pid;
    int status, out_fd;
    double cpu_s; /* used */
    char out[4096];
};

static void run_start(struct run *run, const char *mode, const char *hz,
                      const char *how, bool preload)
{
    int pipe_fds[2];
    if (pipe(pipe_fds) != 0)
        abort();
    memset(run, 0, sizeof *run);
    run->pid = fork();
    if (run->pid == 0) {
        dup2(pipe_fds[1], 1);
        close(pipe_fds[0]);
        close(pipe_fds[1]);
        if (preload) {
            setenv("LD_PRELOAD", PRELOAD_PATH, 1);
            if (*hz) {
                setenv("PROFLITE_DIR", watch.dir, 1);
                setenv("PROFLITE_HZ", hz, 1);
                setenv("PROFLITE_MODE", how, 1);
            }
        }
        execl(HOST_PATH, "capture_host", mode, (char *)NULL);
        _exit(127);
    }
    close(pipe_fds[1]);
    run->out_fd = pipe_fds[0];
    fcntl(run->out_fd, F_SETFL, O_NONBLOCK);
}

static void read_output(struct run *run)
{
    size_t length = strlen(run->out);
    ssize_t got = read(run->out_fd, run->out + length, sizeof run->out - 1 - length);
    if (got > 0)
        run->out[length + (size_t)got] = '\0';
}

static void run_finish(struct run *run, bool watching)
{
    int64_t end_ns = now_ns() + 60 * INT64_C(1000000000);
    struct rusage usage = {0};
    pid_t got = 0;
    while (got == 0 && now_ns() < end_ns) {
        if (watching)
            watch_step(&watch);
        read_output(run);
        pause_ms(5);
        got = wait4(run->pid, &run->status, WNOHANG, &usage);
    }
    CHECK(got == run->pid, "the program did not end");
    if (got != run->pid) {
        kill(run->pid, SIGKILL);
        waitpid(run->pid, &run->status, 0);
    }
    run->cpu_s = (double)usage.ru_utime.tv_sec + 1e-6 * (double)usage.ru_utime.tv_usec;
    pause_ms(20);
    read_output(run);
    close(run->out_fd);
    if (watching)
        watch_step(&watch);
}

static struct watch_session *run_host(struct run *run, const char *mode, const char *hz,
                                      const char *how)
{
    run_start(run, mode, hz, how, true);
    run_finish(run, true);
    struct watch_session *session = watch_find(&watch, run->pid);
    CHECK(session, "%s: no segment", mode);
    if (session) {
        CHECK(session->wrong == 0, "%s: %lu", mode, (unsigned long)session->wrong);
        CHECK(strcmp(session->reader.facts.app, "capture_host") == 0, "%s",
              session->reader.facts.app);
    }
    return session;
}

static uint64_t all_records(const struct watch_session *session)
{
    return session ? session->records + session->quiet_records : 0;
}

static uint64_t complete(const struct watch_session *session)
{
    return session->walks[PL_WALK_ROOT] + session->walks[PL_WALK_ROOT_ZERO];
}

/* ---- the host sees nothing of us ---- */

static void test_host_unchanged(void)
{
    static const struct {
        const char *mode, *out;
        int status;
    } cases[] = {
        {"sleep", "left 0, on time\n", 7},
        {"waits", "interrupted 0 early 0\n", 0},
        {"main-exits", "last thread ends\n", 0},
        {"raw-exit", "", 5},
        {"urgent",
         "at first default\nsignal() says default\nthen ours\ncount 2 value 42\n"
         "at last ours flags 4\n",
         0},
        {"errno", "errno changed 0 times\n", 0},
        {"spawns", "bad spawns 0\n", 0},
        {"wild", "still here\n", 0},
        {"fibers", "fibers done\n", 0},
        {"deep", "depth 1001\n", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct run run;
        watch_open(&watch);
        const struct watch_session *session =
            run_host(&run, cases[i].mode, "101", "wall");
        CHECK(WIFEXITED(run.status) && WEXITSTATUS(run.status) == cases[i].status,
              "%s: status %x", cases[i].mode, (unsigned)run.status);
        CHECK(strcmp(run.out, cases[i].out) == 0, "%s: said %s", cases[i].mode,
              run.out);
        CHECK(all_records(session) > 2, "%s: no samples", cases[i].mode);
        if (session) {
            struct pl_segment *seg = session->reader.seg;
            CHECK(atomic_load(&seg->state) == PL_SEG_EXITED, "%s", cases[i].mode);
            CHECK(atomic_load(&seg->exit_status) == cases[i].status, "%s",
                  cases[i].mode);
        }
        watch_close(&watch);
    }
}

/* A signal that is ignored waits while all are blocked, as in a handler; it has no
 * right to anybody's EINTR. */
static void test_ignored_signals(void)
{
    struct run run;
    watch_open(&watch);
    const struct watch_session *session = run_host(&run, "ignored", "997", "wall");
    CHECK(strcmp(run.out, "interrupted 0 early 0\n") == 0, "said %s", run.out);
    CHECK(all_records(session) > 10, "%lu, %lu lost",
          (unsigned long)all_records(session),
          session ? (unsigned long)watch_lost(session, PL_LOSS_RING_FULL) : 0);
    watch_close(&watch);
}

static void test_descriptors(void)
{
    struct run alone, with;
    watch_open(&watch);
    run_start(&alone, "fds", "", "", false);
    run_finish(&alone, false);
    run_host(&with, "fds", "101", "wall");
    CHECK(strcmp(alone.out, with.out) == 0, "%s, alone %s", with.out, alone.out);
    watch_close(&watch);
}

/* A name space of its own, as far as this machine allows one; samples go on. */
static void test_namespace(void)
{
    struct run alone, with;
    watch_open(&watch);
    run_start(&alone, "namespace", "", "", false);
    run_finish(&alone, false);
    struct watch_session *s = run_host(&with, "namespace", "101", "wall");
    CHECK(strcmp(alone.out, with.out) == 0, "%s, alone %s", with.out, alone.out);
    if (s)
        CHECK(s->ticks >= 25 && s->starts == 1, "%lu ticks", (unsigned long)s->ticks);
    watch_close(&watch);
}

static void test_off(void)
{
    struct run run;
    watch_open(&watch);
    run_start(&run, "burn", "", "", true); /* no PROFLITE_DIR */
    run_finish(&run, true);
    CHECK(WEXITSTATUS(run.status) == 3 && watch.count == 0);
    setenv("PROFLITE_DIR", "/does/not/exist", 1);
    run_start(&run, "burn", "", "", true);
    run_finish(&run, true);
    unsetenv("PROFLITE_DIR");
    CHECK(WEXITSTATUS(run.status) == 3 && watch.count == 0 && run.out[0] == '\0');
    watch_close(&watch);
}

/* ---- what comes out ---- */

static void test_rates(void)
{
    struct run run;
    watch_open(&watch);
    struct watch_session *s = run_host(&run, "burn", "200", "wall");
    if (s) {
        uint64_t missed = atomic_load(&s->reader.seg->lost[PL_LOSS_TICK_MISSED]);
        CHECK(s->ticks + missed >= 115, "%lu ticks", (unsigned long)s->ticks);
        CHECK((double)(s->signalled + s->quiet + s->same + 5) >= run.cpu_s * 200 / 2);
        CHECK(s->records + watch_lost(s, PL_LOSS_NO_ANSWER) +
                      watch_lost(s, PL_LOSS_RING_FULL) + 1 >=
                  s->signalled,
              "%lu of %lu", (unsigned long)s->records, (unsigned long)s->signalled);
        CHECK(complete(s) + s->shipped >= all_records(s) * 99 / 100);
        CHECK(s->starts == 1 && watch_has_name(s, "capture_host"));
    }
    watch_close(&watch);
    watch_open(&watch);
    s = run_host(&run, "burn", "200", "cpu");
    if (s) {
        double expected = run.cpu_s * 200;
        CHECK((double)s->periods >= expected * 0.7 - 8 &&
                  (double)s->periods <= expected * 1.2 + 8,
              "%lu periods, expected %f", (unsigned long)s->periods, expected);
        CHECK(s->reader.facts.cpu_mode && s->quiet_records == 0);
        CHECK(complete(s) + s->shipped >= s->records * 99 / 100);
    }
    watch_close(&watch);
}

/* More samples than the kernel's timers would bring, for all CPU time there is. */
static void test_high_rate(void)
{
    struct run run;
    watch_open(&watch);
    const struct watch_session *s = run_host(&run, "burn", "1000", "cpu");
    if (s) {
        double expected = run.cpu_s * 1000;
        uint64_t lost =
            watch_lost(s, PL_LOSS_NO_ANSWER) + watch_lost(s, PL_LOSS_RING_FULL);
        CHECK((double)(s->periods + lost) >= expected * 0.85 - 30 &&
                  (double)(s->periods + lost) <= expected * 1.1 + 30,
              "%lu periods and %lu lost, expected %f", (unsigned long)s->periods,
              (unsigned long)lost, expected);
        CHECK(s->records * 10 > s->periods * 3 && s->quiet_records == 0,
              "%lu records of %lu periods", (unsigned long)s->records,
              (unsigned long)s->periods);
    }
    watch_close(&watch);
}

static void test_blocked_signals(void)
{
    struct run run;
    watch_open(&watch);
    struct watch_session *s = run_host(&run, "blocked", "101", "wall");
    if (s)
        CHECK(s->records >= 15, "%lu records", (unsigned long)s->records);
    watch_close(&watch);
}

static void test_names(void)
{
    struct run run;
    watch_open(&watch);
    struct watch_session *s = run_host(&run, "names", "101", "wall");
    if (s) {
        CHECK(watch_has_name(s, "capture_host"), "%s", s->all_names);
        CHECK(watch_has_name(s, "first-name"), "%s", s->all_names);
        CHECK(watch_has_name(s, "second-name"), "%s", s->all_names);
        CHECK(s->starts == 2 && s->ends == 1);
    }
    watch_close(&watch);
}

static void test_many_threads(void)
{
    struct run run;
    watch_open(&watch);
    struct watch_session *s = run_host(&run, "threads", "101", "wall");
    CHECK(strcmp(run.out, "failed 0\n") == 0, "%s", run.out);
    if (s) {
        CHECK(s->starts >= 50 && s->starts - s->ends <= 60, "%lu, %lu ended",
              (unsigned long)s->starts, (unsigned long)s->ends);
        CHECK(atomic_load(&s->reader.seg->thread_high) <= 300, "slots are used again");
    }
    watch_close(&watch);
}

/* Threads that are not looked at while they sleep are seen when they run, whichever
 * it is: at most a few periods of all the CPU time are missing. */
static void test_sleepers(void)
{
    struct run run;
    watch_open(&watch);
    struct watch_session *s = run_host(&run, "sleepers", "200", "wall");
    CHECK(strcmp(run.out, "all had their turn\n") == 0, "%s", run.out);
    if (s) {
        double expected = 60 * 0.02 * 200;
        CHECK((double)s->signalled > expected * 0.6, "%lu signalled, %f expected",
              (unsigned long)s->signalled, expected);
        CHECK(s->starts == 61, "%lu", (unsigned long)s->starts);
    }
    watch_close(&watch);
}

static void test_crowd(void)
{
    struct run run;
    watch_open(&watch);
    struct watch_session *s = run_host(&run, "crowd", "101", "wall");
    CHECK(strcmp(run.out, "threads 1000\n") == 0, "%s", run.out);
    if (s) {
        CHECK(s->starts == 1001, "%lu", (unsigned long)s->starts);
        CHECK(s->quiet_records + watch_lost(s, PL_LOSS_RING_FULL) >= 1000 &&
                  s->quiet_records >= 800,
              "%lu", (unsigned long)s->quiet_records);
    }
    watch_close(&watch);
}

static void test_churn(void)
{
    struct run run;
    watch_open(&watch);
    struct watch_session *s = run_host(&run, "churn", "1000", "wall");
    CHECK(strcmp(run.out, "failed 0, many\n") == 0, "%s", run.out);
    if (s)
        CHECK(s->starts - s->ends <= 10 && s->ticks > 100, "%lu, %lu ended",
              (unsigned long)s->starts, (unsigned long)s->ends);
    watch_close(&watch);
}

static void test_clone(void)
{
    struct run run;
    watch_open(&watch);
    struct watch_session *s = run_host(&run, "clone", "200", "wall");
    CHECK(strcmp(run.out, "the other ended\n") == 0, "%s", run.out);
    if (s) {
        double expected = run.cpu_s * 200;
        CHECK(s->starts == 2 && (double)s->records > expected * 0.6 - 5,
              "%lu records, %f expected", (unsigned long)s->records, expected);
    }
    watch_close(&watch);
}

static void test_forks(void)
{
    struct run run;
    watch_open(&watch);
    struct watch_session *parent = run_host(&run, "forks", "101", "wall");
    CHECK(strcmp(run.out, "bad children 0\n") == 0, "%s", run.out);
    CHECK(watch.count == 61, "%u sessions", watch.count);
    unsigned children = 0, statuses = 0;
    for (unsigned i = 0; parent && i < watch.count; i++) {
        struct watch_session *s = watch.sessions[i];
        if (s == parent)
            continue;
        children += memcmp(s->reader.facts.parent_session_id,
                           parent->reader.facts.session_id, 16) == 0 &&
                    (int)s->reader.facts.parent_pid == run.pid;
        statuses += atomic_load(&s->reader.seg->state) == PL_SEG_EXITED &&
                    atomic_load(&s->reader.seg->exit_status) < 60;
    }
    CHECK(children == 60 && statuses == 60, "%u, %u", children, statuses);
    watch_close(&watch);
}

static void test_daemon(void)
{
    struct run run;
    watch_open(&watch);
    run_host(&run, "daemon", "101", "wall");
    for (int i = 0; i < 100 && watch.count < 2; i++) {
        pause_ms(10);
        watch_step(&watch);
    }
    CHECK(watch.count == 2, "%u sessions", watch.count);
    for (int i = 0; i < 60; i++) {
        pause_ms(10);
        watch_step(&watch);
    }
    for (unsigned i = 0; i < watch.count; i++)
        CHECK(atomic_load(&watch.sessions[i]->reader.seg->state) == PL_SEG_EXITED);
    watch_close(&watch);
}

static void test_depth(void)
{
    struct run run;
    watch_open(&watch);
    struct watch_session *s = run_host(&run, "deep", "101", "wall");
    if (s)
        CHECK(s->walks[PL_WALK_DEPTH] >= 3 && s->walks[PL_WALK_BAD_STACK] == 0);
    watch_close(&watch);
}

/* A walk through a signal frame goes on where the signal hit, on the other stack. */
static void test_altstack(void)
{
    struct run run;
    watch_open(&watch);
    struct watch_session *s = run_host(&run, "altstack", "101", "wall");
    if (s)
        CHECK(complete(s) >= 3 && complete(s) + s->shipped == all_records(s),
              "%lu complete, %lu shipped of %lu", (unsigned long)complete(s),
              (unsigned long)s->shipped, (unsigned long)all_records(s));
    watch_close(&watch);
}

static void test_killed(void)
{
    struct run run;
    watch_open(&watch);
    run_start(&run, "forever", "101", "wall", true);
    for (int i = 0; i < 40; i++) {
        pause_ms(10);
        watch_step(&watch);
    }
    pause_ms(300); /* nobody reads: what is in the rings is read after the end */
    kill(run.pid, SIGKILL);
    run_finish(&run, true);
    struct watch_session *s = watch_find(&watch, run.pid);
    CHECK(s && s->records >= 20 && s->wrong == 0);
    if (s)
        CHECK(atomic_load(&s->reader.seg->state) == PL_SEG_LIVE);
    watch_close(&watch);
}

/* Nobody ever reads: the program goes on, and what is lost is counted. */
static void test_dead_drain(void)
{
    struct run run;
    watch_open(&watch);
    run_start(&run, "sleep", "1000", "wall", true);
    run_finish(&run, false);
    CHECK(WEXITSTATUS(run.status) == 7 && strcmp(run.out, "left 0, on time\n") == 0,
          "%s", run.out);
    watch_step(&watch);
    struct watch_session *s = watch_find(&watch, run.pid);
    CHECK(s && s->records > 0 && s->wrong == 0);
    if (s) {
        CHECK(watch_lost(s, PL_LOSS_RING_FULL) > 100);
        CHECK(s->records + watch_lost(s, PL_LOSS_RING_FULL) +
                      watch_lost(s, PL_LOSS_NO_ANSWER) + 3 >=
                  s->signalled,
              "every sample asked for is accounted for");
    }
    watch_close(&watch);
}

/* ---- this very process ---- */

static volatile double sink;

__attribute__((noipa)) void burn_here(int64_t ns);
void burn_here(int64_t ns)
{
    int64_t end_ns = now_ns() + ns;
    while (now_ns() < end_ns) {
        for (int i = 0; i < 20000; i++)
            sink += i;
    }
}

static uint64_t in_burn, out_of_burn;

static void look_for_burn(struct watch_session *session, const struct pl_rec *rec)
{
    const uint64_t *pcs = (const void *)(rec + 1);
    uint64_t start = (uint64_t)(uintptr_t)burn_here;
    bool found = false;
    if (rec->kind != PL_REC_STACK)
        return;
    session->wrong += rec->pc_count == 0 || !(pcs[0] & PL_PC_EXACT);
    for (unsigned i = 0; i < rec->pc_count; i++) {
        uint64_t pc = pcs[i] & ~PL_PC_EXACT;
        found |= pc >= start && pc < start + 400;
        session->wrong += i > 0 && (pcs[i] & PL_PC_EXACT) != 0;
    }
    in_burn += found;
    out_of_burn += !found;
}

static void burn_and_watch(void)
{
    for (int i = 0; i < 40; i++) {
        burn_here(10000000);
        watch_step(&watch);
    }
}

static void test_in_process(void)
{
    watch_open(&watch);
    watch.each = look_for_burn;
    struct pl_capture_options options = {
        .dir = watch.dir, .app = "here", .period_ns = 2000000};
    memset(options.session_id, 0x5a, sizeof options.session_id);
    for (int round = 0; round < 3; round++) { /* it can be started again */
        options.session_id[0] = (uint8_t)round;
        options.cpu_mode = round == 2;
        in_burn = out_of_burn = 0;
        CHECK(pl_capture_start(&options) == 0);
        CHECK(pl_capture_start(&options) == -EALREADY);
        CHECK(pl_capture_running());
        burn_and_watch();
        pl_capture_stop();
        pl_capture_stop();
        CHECK(!pl_capture_running());
        watch_step(&watch);
        CHECK(watch.count == (unsigned)round + 1, "%u sessions", watch.count);
        if (watch.count != (unsigned)round + 1)
            break;
        struct watch_session *s = watch_find(&watch, getpid());
        CHECK(s->wrong == 0 && strcmp(s->reader.facts.app, "here") == 0);
        CHECK(s->reader.facts.session_id[0] == round && s->starts == 1);
        CHECK(atomic_load(&s->reader.seg->state) == PL_SEG_EXITED);
        CHECK(in_burn >= 20 && in_burn > out_of_burn,
              "round %d: %lu in burn_here, %lu not", round, (unsigned long)in_burn,
              (unsigned long)out_of_burn);
        uint64_t records = all_records(s);
        burn_here(50000000);
        watch_step(&watch);
        CHECK(all_records(s) == records, "samples after the stop");
    }
    options.dir = "/does/not/exist";
    CHECK(pl_capture_start(&options) == -ENOENT);
    options.dir = "relative";
    CHECK(pl_capture_start(&options) == -EINVAL);
    CHECK(!pl_capture_running());
    watch_close(&watch);
}

TEST_MAIN({"host_unchanged", test_host_unchanged},
          {"ignored_signals", test_ignored_signals}, {"descriptors", test_descriptors},
          {"namespace", test_namespace}, {"off", test_off}, {"rates", test_rates},
          {"high_rate", test_high_rate}, {"sleepers", test_sleepers},
          {"crowd", test_crowd}, {"churn", test_churn}, {"clone", test_clone},
          {"blocked_signals", test_blocked_signals}, {"names", test_names},
          {"many_threads", test_many_threads}, {"forks", test_forks},
          {"daemon", test_daemon}, {"depth", test_depth}, {"altstack", test_altstack},
          {"killed", test_killed}, {"dead_drain", test_dead_drain},
          {"in_process", test_in_process})
