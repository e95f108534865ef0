/* One round of the sampler in wall mode, at absolute deadlines:
 *
 *   TICK
 *   mappings or rows changed?            MODULES
 *   each thread: CPU clock moved?        no: nothing, it keeps its stack
 *      blocked: take its stack quietly   RAN quiet / same
 *      running: signal it                RAN signalled
 *   threads that came or went?           START NAME RAN / END
 *   publish all events of the round at once
 *
 * A thread whose earlier signal is unanswered is asked again: a pending signal is
 * not queued twice, and the handler answers for the latest tick; the earlier one is
 * counted as lost by whoever takes it from `want_tick`.
 *
 * Threads known to have slept on are not even looked at: awake.c. Cpu mode, in which
 * the rounds are others: cpu_mode.c. */
#include "collector/sampler.h"

#include "collector/sys.h"
#include "collector/vclock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <signal.h>
#include <sys/prctl.h>
#include <time.h>

#define SLICE_NS      100000
#define QUIET_TRIES   2
#define STOP_WAIT_NS  INT64_C(1000000)
#define STOP_WAITS    50
#define GONE_ROUND_NS INT64_C(1000000000)
#define UNREAD_NS     INT64_C(5000000000)

static int64_t mono_ns(void)
{
    return pl_vclock_ns(CLOCK_MONOTONIC);
}

uint64_t pl_sampler_random(struct pl_sampler *sampler)
{
    uint64_t x = sampler->random;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return sampler->random = x;
}

/* Sleep until `deadline_ns` (monotonic) or until told to stop. */
static void sleep_until(struct pl_sampler *sampler, int64_t deadline_ns)
{
    struct timespec until = {deadline_ns / 1000000000, deadline_ns % 1000000000};
    pl_sys6(SYS_futex, PL_ARG(&sampler->state->stop),
            FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, 0, PL_ARG(&until), 0,
            (long)FUTEX_BITSET_MATCH_ANY);
}

static bool is_stopping(struct pl_sampler *sampler)
{
    return atomic_load(&sampler->state->stop) ||
           atomic_load_explicit(&sampler->segment->stop, memory_order_relaxed);
}

/* ---- events ---- */

static void begin_events(struct pl_sampler *sampler)
{
    struct pl_segment *segment = sampler->segment;
    uint64_t used = sampler->event_head -
                    atomic_load_explicit(&segment->event_tail, memory_order_acquire);
    sampler->event_room =
        used > PL_EVENT_RING_SLOTS ? 0 : PL_EVENT_RING_SLOTS - (uint32_t)used;
}

static void publish_events(struct pl_sampler *sampler)
{
    atomic_store_explicit(&sampler->segment->event_head, sampler->event_head,
                          memory_order_release);
}

static void put_tick(struct pl_sampler *sampler, int64_t now_ns)
{
    pl_event_put(sampler, (struct pl_event){.kind = PL_EVENT_TICK,
                                            .arg = sampler->tick,
                                            .value = (uint64_t)now_ns});
}

void pl_sampler_put_ran(struct pl_sampler *sampler, unsigned index, enum pl_ran how,
                        int64_t cpu_ns)
{
    pl_event_put(sampler, (struct pl_event){.kind = PL_EVENT_RAN,
                                            .flags = (uint8_t)how,
                                            .slot = (uint16_t)index,
                                            .arg = sampler->tick,
                                            .value = (uint64_t)cpu_ns});
}

static void refresh_code(struct pl_sampler *sampler, int64_t now_ns, bool force)
{
    if (pl_codemap_refresh(sampler->codemap, now_ns, force)) {
        uint32_t count =
            atomic_load_explicit(&sampler->segment->module_count, memory_order_relaxed);
        pl_event_put(sampler,
                     (struct pl_event){.kind = PL_EVENT_MODULES, .arg = count});
    }
}

/* ---- wall mode ---- */

bool pl_sampler_signal(struct pl_sampler *sampler, unsigned index)
{
    struct pl_state *state = sampler->state;
    siginfo_t info;
    pl_zero(&info, sizeof info);
    info.si_signo = atomic_load(&pl_state_signal);
    info.si_code = SI_QUEUE;
    info.si_pid = state->pid;
    info.si_uid = (uid_t)pl_sys3(SYS_getuid, 0, 0, 0);
    info.si_value.sival_ptr =
        (void *)(uintptr_t)(atomic_load(&pl_state_cookie) | index);
    return pl_sys4(SYS_rt_tgsigqueueinfo, state->pid, state->slots[index].tid,
                   info.si_signo, PL_ARG(&info)) == 0;
}

static void ask_thread(struct pl_sampler *sampler, unsigned index, int64_t cpu_ns)
{
    struct pl_slot *slot = &sampler->state->slots[index];
    struct pl_seg_thread *shared = &sampler->segment->threads[index];
    uint32_t unanswered = atomic_exchange(&slot->want_tick, sampler->tick);
    if (unanswered != PL_NO_TICK)
        pl_count(&shared->lost[PL_LOSS_NO_ANSWER], 1);
    slot->quiet_hash = 0;
    slot->recapture = false;
    pl_sampler_put_ran(sampler, index, PL_RAN_SIGNALLED, cpu_ns);
    if (!pl_sampler_signal(sampler, index))
        sampler->scan_wanted = true; /* gone; its END counts the loss */
}

/* A capture from outside is only good if the thread did not run meanwhile. */
static enum pl_quiet capture(struct pl_sampler *sampler, unsigned index,
                             int64_t *cpu_ns)
{
    struct pl_slot *slot = &sampler->state->slots[index];
    enum pl_quiet result = PL_QUIET_RUNNING;
    for (int i = 0; i < QUIET_TRIES; i++) {
        result = pl_quiet_registers(sampler, index);
        if (result != PL_QUIET_TAKEN)
            return result;
        int64_t after = pl_thread_cpu_ns(slot->tid);
        if (after < 0)
            return PL_QUIET_GONE;
        if (after == *cpu_ns)
            break;
        *cpu_ns = after;
    }
    return pl_quiet_put(sampler, index, sampler->tick, mono_ns());
}

/* A thread has to run to change its name, but for the calls the preload library
 * sees. Not where the room is needed for what the threads did. */
void pl_sampler_tell_name(struct pl_sampler *sampler, unsigned index)
{
    if (sampler->event_room >= 2 * sampler->live_count + 4)
        pl_threads_name(sampler, index, false);
}

static void look_at_thread(struct pl_sampler *sampler, unsigned index)
{
    struct pl_slot *slot = &sampler->state->slots[index];
    int64_t cpu_ns = pl_thread_cpu_ns(slot->tid);
    if (cpu_ns < 0) {
        sampler->scan_wanted = true;
        return;
    }
    pl_awake_note(sampler, index, cpu_ns - (int64_t)slot->cpu_ns);
    bool again = slot->recapture && sampler->code_version_changed;
    if (slot->sampled && (uint64_t)cpu_ns == slot->cpu_ns && !again)
        return;
    pl_sampler_tell_name(sampler, index);
    switch (capture(sampler, index, &cpu_ns)) {
    case PL_QUIET_RUNNING:
        sampler->awake.running++;
        ask_thread(sampler, index, cpu_ns);
        break;
    case PL_QUIET_TAKEN:
        pl_sampler_put_ran(sampler, index, PL_RAN_QUIET, cpu_ns);
        break;
    case PL_QUIET_LOST: /* it may stay blocked for long: try again */
        pl_sampler_put_ran(sampler, index, PL_RAN_QUIET, cpu_ns);
        slot->cpu_ns = (uint64_t)cpu_ns;
        slot->sampled = false;
        return;
    case PL_QUIET_SAME:
        pl_sampler_put_ran(sampler, index, PL_RAN_SAME, cpu_ns);
        break;
    case PL_QUIET_GONE:
        sampler->scan_wanted = sampler->gone_suspected = true;
        slot->cpu_ns = (uint64_t)cpu_ns;
        return;
    }
    slot->sampled = true;
    slot->cpu_ns = (uint64_t)cpu_ns;
}

/* ---- rounds ---- */

/* At the start of a round there is room for what every thread may do, and no other
 * event takes it. */
static void look_at(struct pl_sampler *sampler, unsigned index)
{
    struct pl_slot *slot = &sampler->state->slots[index];
    if (!slot->announced &&
        !pl_threads_announce(sampler, index, 2 * sampler->live_count + 4))
        return;
    if (sampler->state->cpu_mode)
        pl_cpu_look(sampler, index);
    else
        look_at_thread(sampler, index);
}

static void look_at_all(struct pl_sampler *sampler, int64_t now_ns)
{
    pl_awake_begin(sampler, now_ns);
    pl_awake_look(sampler, look_at);
}

/* Threads come and go by what threads do, so only when one has run. */
static void find_threads(struct pl_sampler *sampler, int64_t now_ns)
{
    bool ran = sampler->awake.ran || sampler->state->cpu_mode;
    sampler->ran_since_scan |= ran;
    if (ran)
        pl_codemap_suspect(sampler->codemap);
    if (!(ran && pl_threads_changed(sampler)) && !sampler->scan_wanted &&
        !(sampler->ran_since_scan && now_ns >= sampler->next_scan_ns))
        return;
    sampler->ran_since_scan = false;
    pl_threads_scan(sampler, now_ns);
    pl_threads_link_labels(sampler);
}

static void look_at_new(struct pl_sampler *sampler)
{
    for (uint32_t i = sampler->awake_count; i-- > 0;) {
        if (!sampler->state->slots[sampler->live[i]].announced)
            look_at(sampler, sampler->live[i]);
    }
}

static void tell_new_names(struct pl_sampler *sampler)
{
    struct pl_label_table *labels = atomic_load(&pl_label_table_current);
    bool renamed = atomic_exchange_explicit(&sampler->state->names_stale, false,
                                            memory_order_relaxed);
    if (labels && atomic_load_explicit(&labels->renamed, memory_order_relaxed))
        renamed |= atomic_exchange(&labels->renamed, 0) != 0;
    if (!renamed)
        return;
    for (uint32_t i = 0; i < sampler->live_count; i++) {
        if (sampler->state->slots[sampler->live[i]].announced &&
            sampler->event_room >= 3 * sampler->live_count)
            pl_threads_name(sampler, sampler->live[i], true);
    }
}

static void round_of_events(struct pl_sampler *sampler, int64_t now_ns)
{
    struct pl_segment *segment = sampler->segment;
    begin_events(sampler);
    if (sampler->event_room < sampler->live_count + 8) {
        pl_count(&segment->lost[PL_LOSS_EVENT_FULL], 1);
        return;
    }
    put_tick(sampler, now_ns);
    pl_threads_link_labels(sampler);
    tell_new_names(sampler);
    refresh_code(sampler, now_ns, false);
    uint32_t version = pl_codemap_version(sampler->codemap);
    sampler->code_version_changed = version != sampler->code_version;
    sampler->code_version = version;
    look_at_all(sampler, now_ns);
    find_threads(sampler, now_ns);
    if (sampler->state->cpu_mode)
        pl_unmet_owe(sampler, now_ns);
    look_at_new(sampler);
    if (sampler->state->cpu_mode && sampler->awake.sweep)
        pl_unmet_lose(sampler, now_ns);
    if (sampler->unsampled)
        pl_count(&segment->lost[sampler->unsampled_why], sampler->unsampled);
    publish_events(sampler);
}

static void run_round(struct pl_sampler *sampler, int64_t now_ns)
{
    if (!sampler->state->cpu_mode || pl_cpu_events_due(sampler, now_ns)) {
        round_of_events(sampler, now_ns);
        return;
    }
    sampler->event_room = 0;
    sampler->tell = sampler->code_version_changed = false;
    look_at_all(sampler, now_ns);
}

/* True when there is nobody left to sample; `status` is to be the process's. */
static bool is_alone(struct pl_sampler *sampler, int64_t now_ns, int *status)
{
    if (!sampler->gone_suspected && now_ns < sampler->next_gone_ns)
        return false;
    sampler->gone_suspected = false;
    sampler->next_gone_ns = now_ns + GONE_ROUND_NS;
    return pl_threads_all_gone(sampler, status);
}

/* Has whoever read the segment died? It says nothing any more, and is not there. */
static bool is_unread(struct pl_sampler *sampler, int64_t now_ns)
{
    struct pl_segment *segment = sampler->segment;
    uint64_t tail = atomic_load_explicit(&segment->event_tail, memory_order_relaxed);
    if (tail != sampler->read_tail || tail == sampler->event_head ||
        !sampler->read_ns) {
        sampler->read_tail = tail;
        sampler->read_ns = now_ns;
        return false;
    }
    if (now_ns - sampler->read_ns < UNREAD_NS)
        return false;
    sampler->read_ns = now_ns; /* not again before a while */
    uint32_t pid = atomic_load_explicit(&segment->drain_pid, memory_order_relaxed);
    return pid && pl_sys3(SYS_kill, (long)pid, 0, 0) == -ESRCH;
}

static int run_rounds(struct pl_sampler *sampler, int64_t round_ns)
{
    uint32_t next = sampler->next_tick;
    int status = 0;
    for (;;) {
        int64_t deadline_ns = sampler->origin_ns + next * round_ns;
        sleep_until(sampler, deadline_ns);
        if (is_stopping(sampler))
            return 0;
        int64_t now_ns = mono_ns();
        if (now_ns < deadline_ns)
            continue; /* woken early */
        sampler->tick = (uint32_t)((now_ns - sampler->origin_ns) / round_ns);
        if (sampler->tick > next && !sampler->state->cpu_mode)
            pl_count(&sampler->segment->lost[PL_LOSS_TICK_MISSED],
                     sampler->tick - next);
        run_round(sampler, now_ns);
        sampler->started = true;
        atomic_store_explicit(&sampler->segment->heartbeat_ns, now_ns,
                              memory_order_relaxed);
        if (is_unread(sampler, now_ns))
            return 0;
        pl_budget_look(sampler, now_ns);
        sampler->next_tick = next = pl_budget_next(sampler, sampler->tick);
        if (is_alone(sampler, now_ns, &status)) {
            atomic_store(&sampler->segment->exit_status, status);
            atomic_store_explicit(&sampler->segment->state, PL_SEG_EXITED,
                                  memory_order_release);
            return status;
        }
    }
}

/* Wait a little for the signals under way, so that none comes after the stop. */
static void settle(struct pl_sampler *sampler)
{
    struct pl_state *state = sampler->state;
    if (state->cpu_mode)
        pl_unmet_lose(sampler, INT64_MAX);
    atomic_store(&state->stop, 1);
    for (uint32_t i = 0; i < sampler->live_count; i++) {
        unsigned index = sampler->live[i];
        struct pl_slot *slot = &state->slots[index];
        if (slot->timer_id >= 0) {
            pl_sys3(SYS_timer_delete, slot->timer_id, 0, 0);
            slot->existed = true; /* a later timer counts from its own start */
        }
        pl_cpu_stop(sampler, index);
        slot->timer_id = -1;
        slot->syscall_fd = -1; /* the descriptors end with the thread */
        if (atomic_exchange(&slot->want_tick, PL_NO_TICK) != PL_NO_TICK)
            pl_count(&sampler->segment->threads[index].lost[PL_LOSS_NO_ANSWER], 1);
    }
    bool busy = true;
    for (int waits = 0; busy && waits < STOP_WAITS; waits++) {
        busy = false;
        for (uint32_t i = 0; i < sampler->live_count; i++)
            busy |= atomic_load(&state->slots[sampler->live[i]].busy);
        if (busy) {
            struct timespec pause = {0, STOP_WAIT_NS};
            pl_sys3(SYS_nanosleep, PL_ARG(&pause), 0, 0);
        }
    }
}

/* ---- start ---- */

/* Wake on time: no slack for timers, and a short slice of CPU time asked for, which
 * lets a thread that needs little of it go first. Kernels that know neither ignore
 * it. Both are this thread's alone. */
static void be_punctual(void)
{
    struct {
        uint32_t size, policy;
        uint64_t flags;
        int32_t nice;
        uint32_t priority;
        uint64_t runtime_ns, deadline_ns, period_ns;
    } attr = {.size = sizeof attr};
    pl_sys6(SYS_prctl, PR_SET_TIMERSLACK, 1, 0, 0, 0, 0);
    if (pl_sys4(SYS_sched_getattr, 0, PL_ARG(&attr), sizeof attr, 0) < 0 ||
        attr.policy != 0)
        return;
    attr.size = sizeof attr;
    attr.flags = 0;
    attr.runtime_ns = SLICE_NS;
    pl_sys3(SYS_sched_setattr, 0, PL_ARG(&attr), 0);
}

/* The descriptors are copies of the host's; only that of the segment is wanted, if
 * there is one. */
static void close_all_but(int keep)
{
    bool done = pl_sys3(SYS_close_range, keep + 1, UINT32_MAX, 0) == 0 &&
                (keep <= 0 || pl_sys3(SYS_close_range, 0, keep - 1, 0) == 0);
    for (int fd = 0; !done && fd < 65536; fd++) {
        if (fd != keep)
            pl_sys3(SYS_close, fd, 0, 0);
    }
}

static void say_ready(struct pl_sampler *sampler, uint32_t how)
{
    atomic_store(&sampler->ready, how);
    pl_sys4(SYS_futex, PL_ARG(&sampler->ready), FUTEX_WAKE | FUTEX_PRIVATE_FLAG,
            INT32_MAX, 0);
}

int pl_sampler_run(struct pl_sampler *sampler)
{
    struct pl_state *state = sampler->state;
    sampler->tid = (int)pl_sys3(SYS_gettid, 0, 0, 0);
    close_all_but(sampler->segment_fd);
    sampler->task_fd = (int)pl_sys4(SYS_openat, AT_FDCWD, PL_ARG("/proc/self/task"),
                                    O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    if (sampler->task_fd < 0) {
        say_ready(sampler, 2);
        return 0;
    }
    pl_quiet_open_first(sampler);
    pl_codemap_set_tid(sampler->codemap, sampler->tid);
    be_punctual();
    pl_awake_open(sampler);
    int64_t round_ns = state->cpu_mode ? pl_cpu_begin(sampler) : state->period_ns;
    int64_t now_ns = mono_ns();
    begin_events(sampler);
    refresh_code(sampler, now_ns, true);
    publish_events(sampler);
    sampler->scan_wanted = true;
    sampler->settled = false;
    if (!sampler->origin_ns) /* else going on after a pause */
        sampler->origin_ns =
            now_ns + (int64_t)(pl_sampler_random(sampler) % (uint64_t)round_ns);
    atomic_store_explicit(&sampler->segment->heartbeat_ns, now_ns,
                          memory_order_relaxed);
    say_ready(sampler, 1);
    int status = run_rounds(sampler, round_ns);
    settle(sampler);
    return status;
}
