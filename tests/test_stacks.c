/* Stacks that are hard to walk, end to end: a program under the preload library says
 * where it works; all its stacks from there must reach the root. */
#include "tests/segment_watch.h"

#include "tests/test.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MOST_STACKS 4096
#define LEAST       10u

struct taken {
    uint8_t end;
    uint16_t count;
    uint64_t pcs[PL_MAX_FRAMES];
};

static struct watch watch;
static struct taken *taken;
static unsigned taken_count;

static void take(struct watch_session *session, const struct pl_rec *rec)
{
    (void)session;
    if (rec->kind != PL_REC_STACK || taken_count == MOST_STACKS)
        return;
    struct taken *stack = &taken[taken_count++];
    stack->end = rec->end;
    stack->count = rec->pc_count;
    memcpy(stack->pcs, rec + 1, rec->pc_count * sizeof stack->pcs[0]);
}

/* Runs a mode of the host; the place that it says it works in. */
static void run_host(const char *mode, uint64_t place_out[static 2])
{
    char out[64] = "";
    char *rest = out;
    int fds[2], status = -1;
    CHECK(pipe(fds) == 0);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(fds[1], 1);
        setenv("LD_PRELOAD", PRELOAD_PATH, 1);
        setenv("PROFLITE_DIR", watch.dir, 1);
        setenv("PROFLITE_HZ", "499", 1);
        setenv("PROFLITE_MODE", "wall", 1);
        execl(HOST_PATH, "stack_host", mode, (char *)NULL);
        _exit(127);
    }
    close(fds[1]);
    for (int i = 0; i < 6000 && waitpid(pid, &status, WNOHANG) == 0; i++) {
        watch_step(&watch);
        nanosleep(&(struct timespec){0, 5000000}, NULL);
    }
    watch_step(&watch);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%s: %x", mode,
          (unsigned)status);
    CHECK(read(fds[0], out, sizeof out - 1) > 0);
    close(fds[0]);
    place_out[0] = strtoull(rest, &rest, 16);
    place_out[1] = strtoull(rest, &rest, 16);
    CHECK(place_out[0] && place_out[1] > place_out[0], "%s: %s", mode, out);
}

/* How many frames of a stack are in a place. */
static unsigned frames_in(const struct taken *stack, const uint64_t place[2])
{
    unsigned count = 0;
    for (unsigned i = 0; i < stack->count; i++) {
        uint64_t pc = stack->pcs[i] & ~(PL_PC_EXACT | PL_PC_GUESSED);
        count += pc >= place[0] && pc < place[1];
    }
    return count;
}

static void check_mode(const char *mode, unsigned least_frames, unsigned most_frames)
{
    uint64_t place[2];
    unsigned there = 0, rooted = 0, right = 0;
    watch_open(&watch);
    watch.each = take;
    taken_count = 0;
    taken = calloc(MOST_STACKS, sizeof *taken);
    CHECK(taken != NULL);
    run_host(mode, place);
    for (unsigned i = 0; i < taken_count; i++) {
        unsigned frames = frames_in(&taken[i], place);
        bool root = taken[i].end == PL_WALK_ROOT || taken[i].end == PL_WALK_ROOT_ZERO;
        there += frames > 0;
        rooted += frames > 0 && root;
        right += frames >= least_frames && frames <= most_frames;
    }
    CHECK(there >= LEAST, "%s: %u of %u stacks", mode, there, taken_count);
    CHECK(rooted == there, "%s: %u of %u reach the root", mode, rooted, there);
    CHECK(right == there, "%s: %u of %u have the frames", mode, right, there);
    free(taken);
    watch_close(&watch);
}

static void test_vdso(void)
{
    check_mode("vdso", 1, 2);
}

static void test_tail_calls(void)
{
    check_mode("tail", 1, 1);
}

static void test_fiber(void)
{
    check_mode("fiber", 1, 1);
}

static void test_no_guard_page(void)
{
    check_mode("edge", 1, 101);
}

TEST_MAIN({"vdso", test_vdso}, {"tail_calls", test_tail_calls}, {"fiber", test_fiber},
          {"no_guard_page", test_no_guard_page})
