/* Awake: which threads need not be looked at in a tick.
 *
 * A process mostly has few threads at work and many asleep; reading the CPU clock of
 * each one, every tick, would be most of what the sampler costs. So the list of live
 * threads has two parts:
 *
 *      live[]  | awake: ran lately, looked at every tick | asleep ... |
 *
 * After those awake, those asleep are left alone if none of them can have run since
 * it was looked at, and none runs now:
 *
 *   1. the CPU clock of the process has moved no more than those awake explain, and
 *   2. no more threads run on the machine than the sampler and those found running.
 *
 * The first alone will not do: the kernel adds to the clock of a process what a thread
 * on another CPU uses only when its timer ticks there, or the thread stops (or its own
 * clock is read: so the process's is read after those awake). Nor will the second: one
 * may have run and stopped. Where the first fails, all are looked at. Where only the
 * second does, because another process runs, some are, in turn: what may be missed
 * then is the stack of one that slept for long and runs for less than a tick of the
 * kernel's timer. All are looked at every other second, so clocks are never late by
 * more.
 *
 * To read the CPU clock of a process the kernel visits all its threads. While a
 * process is silent, and the second holds, it is read every 40 ms only: a thread that
 * has moved on from one wait to another is noticed that much later. Threads  the
 * sampler. */
#include "collector/sampler.h"

#include "collector/sys.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <sys/vfs.h>
#include <time.h>

#define FEW_THREADS    32u /* looking at so few costs no more than to find out */
#define LOOKS_IN_TURN  32u
#define SILENT_LOOKS   16u /* of a process that is silent */
#define ASLEEP_TICKS   64u
#define SILENT_NS      INT64_C(500000000)
#define SILENT_READ_NS INT64_C(40000000)
#define SWEEP_EVERY_NS INT64_C(2000000000)
#define CLOCKS_APART_NS                                                                \
    2000 /* two clocks read one after the other, with nothing in between */

/* Only the kernel's own file: what a container puts in its place may be slow to
 * answer, and need not count what this is about. */
void pl_awake_open(struct pl_sampler *sampler)
{
    struct open_how how = {.flags = O_RDONLY | O_CLOEXEC, .resolve = RESOLVE_NO_XDEV};
    struct statfs system;
    long fd = -1;
    long proc = pl_sys4(SYS_openat, AT_FDCWD, PL_ARG("/proc"),
                        O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    if (proc >= 0 && pl_sys3(SYS_fstatfs, proc, PL_ARG(&system), 0) == 0 &&
        system.f_type == PROC_SUPER_MAGIC)
        fd = pl_sys4(SYS_openat2, proc, PL_ARG("loadavg"), PL_ARG(&how), sizeof how);
    if (proc >= 0)
        pl_sys3(SYS_close, proc, 0, 0);
    sampler->awake.load_fd = fd < 0 ? -1 : (int)fd;
}

/* How many threads run on the machine, the reader among them: what is before the
 * slash in "0.00 0.01 0.05 1/123 4567". Not to be known: very many. */
static uint32_t count_running(const struct pl_sampler *sampler)
{
    char text[64];
    long at = 0;
    uint32_t count = 0;
    if (sampler->awake.load_fd < 0)
        return UINT32_MAX;
    long got =
        pl_sys4(SYS_pread64, sampler->awake.load_fd, PL_ARG(text), sizeof text, 0);
    for (; at < got && text[at] != '/'; at++) {
        bool digit = text[at] >= '0' && text[at] <= '9';
        count = digit ? count * 10 + (uint32_t)(text[at] - '0') : 0;
    }
    return at < got && count ? count : UINT32_MAX;
}

int64_t pl_awake_cpu_ns_of_others(const struct pl_sampler *sampler)
{
    struct timespec time = {0, 0};
    int64_t ours_ns = pl_thread_cpu_ns(sampler->tid);
    for (size_t i = 0; i < PL_HIDDEN_THREADS; i++) {
        int tid = sampler->state->hidden_tids[i];
        int64_t hidden_ns = tid > 0 ? pl_thread_cpu_ns(tid) : 0;
        ours_ns += hidden_ns > 0 ? hidden_ns : 0;
    }
    pl_sys3(SYS_clock_gettime, CLOCK_PROCESS_CPUTIME_ID, PL_ARG(&time), 0);
    return time.tv_sec * INT64_C(1000000000) + time.tv_nsec - ours_ns;
}

void pl_awake_begin(struct pl_sampler *sampler, int64_t now_ns)
{
    struct pl_awake *awake = &sampler->awake;
    awake->now_ns = now_ns;
    awake->ran = awake->running = 0;
    awake->sweep = sampler->live_count < FEW_THREADS ||
                   now_ns >= awake->next_sweep_ns || sampler->code_version_changed;
    if (awake->sweep)
        awake->next_sweep_ns = now_ns + SWEEP_EVERY_NS;
}

void pl_awake_note(struct pl_sampler *sampler, unsigned index, int64_t ran_ns)
{
    if (!ran_ns)
        return;
    sampler->awake.ran++;
    sampler->awake.ran_ns = sampler->awake.now_ns;
    sampler->awake.known_cpu_ns += ran_ns;
    sampler->state->slots[index].ran_tick = sampler->tick;
}

static bool stays_awake(const struct pl_sampler *sampler, unsigned index)
{
    const struct pl_slot *slot = &sampler->state->slots[index];
    return sampler->tick - slot->ran_tick < ASLEEP_TICKS || !slot->announced ||
           (!slot->sampled && !sampler->state->cpu_mode);
}

static void swap(struct pl_sampler *sampler, uint32_t a, uint32_t b)
{
    uint16_t index = sampler->live[a];
    sampler->live[a] = sampler->live[b];
    sampler->live[b] = index;
}

/* Has the process used CPU time that those awake did not? */
static bool is_unexplained(struct pl_sampler *sampler)
{
    struct pl_awake *awake = &sampler->awake;
    awake->next_read_ns = awake->now_ns + SILENT_READ_NS;
    awake->others_cpu_ns = pl_awake_cpu_ns_of_others(sampler);
    if (awake->others_cpu_ns < awake->known_cpu_ns) /* known a little too early */
        awake->known_cpu_ns = awake->others_cpu_ns;
    return awake->others_cpu_ns > awake->known_cpu_ns + CLOCKS_APART_NS;
}

/* How many of those asleep have to be looked at, now that the others have been. */
static uint32_t count_suspects(struct pl_sampler *sampler)
{
    struct pl_awake *awake = &sampler->awake;
    uint32_t asleep = sampler->live_count - sampler->awake_count;
    if (sampler->live_count < FEW_THREADS)
        return asleep;
    bool silent = awake->now_ns - awake->ran_ns > SILENT_NS;
    uint32_t running = silent && !awake->sweep ? count_running(sampler) : 0;
    if (running == 1 && awake->now_ns < awake->next_read_ns)
        return 0;
    awake->sweep |= is_unexplained(sampler);
    if (awake->sweep)
        return asleep;
    if (!running)
        running = count_running(sampler);
    if (running <= 1 + awake->running)
        return 0;
    uint32_t looks = silent ? SILENT_LOOKS : LOOKS_IN_TURN;
    return asleep < looks ? asleep : looks;
}

static void look_at_asleep(struct pl_sampler *sampler,
                           void (*look)(struct pl_sampler *sampler, unsigned index),
                           uint32_t count)
{
    struct pl_awake *awake = &sampler->awake;
    while (count-- && sampler->awake_count < sampler->live_count) {
        uint32_t asleep = sampler->live_count - sampler->awake_count;
        awake->turn %= asleep;
        uint32_t at = sampler->awake_count + awake->turn;
        look(sampler, sampler->live[at]);
        if (stays_awake(sampler, sampler->live[at]))
            swap(sampler, at, sampler->awake_count++);
        else
            awake->turn++;
    }
}

void pl_awake_look(struct pl_sampler *sampler,
                   void (*look)(struct pl_sampler *sampler, unsigned index))
{
    struct pl_awake *awake = &sampler->awake;
    for (uint32_t i = sampler->awake_count; i-- > 0;) {
        look(sampler, sampler->live[i]);
        if (!stays_awake(sampler, sampler->live[i]))
            swap(sampler, i, --sampler->awake_count);
    }
    uint32_t count = count_suspects(sampler);
    if (awake->sweep)
        awake->turn = 0;
    look_at_asleep(sampler, look, count);
    /* What nobody's clock explains was used by threads that have ended. */
    if (awake->sweep && awake->known_cpu_ns < awake->others_cpu_ns)
        awake->known_cpu_ns = awake->others_cpu_ns;
}

/* ---- the list ---- */

void pl_awake_add(struct pl_sampler *sampler, unsigned index)
{
    sampler->state->slots[index].ran_tick = sampler->tick;
    sampler->live[sampler->live_count] = (uint16_t)index;
    swap(sampler, sampler->live_count++, sampler->awake_count++);
}

void pl_awake_remove(struct pl_sampler *sampler, unsigned index)
{
    uint32_t at = 0;
    while (at < sampler->live_count && sampler->live[at] != index)
        at++;
    if (at == sampler->live_count)
        return;
    if (at < sampler->awake_count) {
        swap(sampler, at, --sampler->awake_count);
        at = sampler->awake_count;
    }
    swap(sampler, at, --sampler->live_count);
}
