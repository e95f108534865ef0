/* CPU mode: a sample for every period of CPU time a thread uses.
 *
 * Timers of the kernel on each thread's CPU clock send the signals, to the thread
 * that runs; the rounds of the sampler, every 20 ms, only look after threads, names
 * and modules. Such timers expire when the kernel's own timer ticks (often 250 times
 * a second) and not in between. For shorter periods the sampler paces the samples:
 *
 *   every period:  CPU clock moved?       what it moved by is the thread's credit
 *                  a period or more?      if it runs now: owe it the samples, signal it
 *
 * A thread that is blocked keeps its credit until it is found running: it is not
 * disturbed, and its stack would not be where it used the time. One sample then
 * stands for as many periods as were owed. So of each thread
 *     CPU time / period = periods stored + lost + less than one
 * in both ways of sampling. What a thread ends with, and what those used that were gone
 * before they were seen, goes to those that are found next: unmet.c. */
#include "collector/sampler.h"

#include "collector/sys.h"

#include <signal.h>
#include <time.h>

#define ROUND_NS INT64_C(20000000)
/* Stacks in code that is not known yet are shipped whole, and fill the ring. */
#define SOONER_NS  INT64_C(15000000)
#define BLOCKED_NS INT64_C(100000000)
#define LASTING_NS INT64_C(80000000) /* its clock is close enough */

/* What the coarse clock is advanced by is the period of the kernel's timer. */
static int64_t kernel_tick_ns(void)
{
    struct timespec tick = {0, 0};
    pl_sys3(SYS_clock_getres, CLOCK_MONOTONIC_COARSE, PL_ARG(&tick), 0);
    return tick.tv_sec * INT64_C(1000000000) + tick.tv_nsec;
}

int64_t pl_cpu_begin(struct pl_sampler *sampler)
{
    struct pl_state *state = sampler->state;
    state->paced = state->period_ns < kernel_tick_ns();
    sampler->next_events_ns = 0;
    return state->paced ? state->period_ns : ROUND_NS;
}

bool pl_cpu_events_due(struct pl_sampler *sampler, int64_t now_ns)
{
    bool stale =
        atomic_load_explicit(&sampler->segment->maps_stale, memory_order_relaxed);
    if (now_ns < sampler->next_events_ns - (stale ? SOONER_NS : 0))
        return false;
    if (sampler->state->paced)
        sampler->next_events_ns = now_ns + ROUND_NS;
    sampler->tell = true;
    return true;
}

/* Its next sample stands for as many periods as the stride now says: what is left of
 * the ones before is among them. */
static void set_stride(struct pl_slot *slot, uint32_t stride, int64_t period_ns)
{
    struct itimerspec when;
    uint32_t before = atomic_load(&slot->timer_periods);
    if (pl_sys3(SYS_timer_gettime, slot->timer_id, PL_ARG(&when), 0) < 0)
        return;
    int64_t left_ns = when.it_value.tv_sec * INT64_C(1000000000) +
                      when.it_value.tv_nsec +
                      ((int64_t)stride - (int64_t)before) * period_ns;
    int64_t every_ns = (int64_t)stride * period_ns;
    if (left_ns < 1)
        left_ns = 1;
    when.it_value = (struct timespec){left_ns / 1000000000, left_ns % 1000000000};
    when.it_interval = (struct timespec){every_ns / 1000000000, every_ns % 1000000000};
    atomic_store(&slot->timer_periods, stride);
    pl_sys4(SYS_timer_settime, slot->timer_id, 0, PL_ARG(&when), 0);
}

static void arm_timer(struct pl_sampler *sampler, unsigned index)
{
    struct pl_state *state = sampler->state;
    struct pl_slot *slot = &state->slots[index];
    struct sigevent event;
    int id = -1;
    pl_zero(&event, sizeof event);
    event.sigev_notify = SIGEV_THREAD_ID;
    event.sigev_signo = atomic_load(&pl_state_signal);
    event.sigev_value.sival_ptr =
        (void *)(uintptr_t)(atomic_load(&pl_state_cookie) | index);
    event._sigev_un._tid = slot->tid;
    long clock = (long)(int)((~(unsigned)slot->tid << 3) | 6);
    if (pl_sys3(SYS_timer_create, clock, PL_ARG(&event), PL_ARG(&id)) < 0)
        return;
    slot->timer_id = id;
    atomic_store(&slot->timer_periods, 1);
    int64_t first =
        1 + (int64_t)(pl_sampler_random(sampler) % (uint64_t)state->period_ns);
    struct itimerspec when = {
        .it_interval = {state->period_ns / 1000000000, state->period_ns % 1000000000},
        .it_value = {first / 1000000000, first % 1000000000}};
    /* What a new thread used before it was found counts as overruns. */
    pl_sys4(SYS_timer_settime, id, slot->existed ? 0 : TIMER_ABSTIME, PL_ARG(&when), 0);
}

/* The first sample is due at any moment within the first period. */
static void give_credit(struct pl_sampler *sampler, struct pl_slot *slot)
{
    slot->credit_ns =
        (int64_t)(pl_sampler_random(sampler) % (uint64_t)sampler->state->period_ns);
    if (!slot->existed)
        slot->credit_ns += (int64_t)slot->cpu_ns;
    slot->sampled = true;
}

static void ask(struct pl_sampler *sampler, unsigned index)
{
    struct pl_slot *slot = &sampler->state->slots[index];
    int64_t periods = slot->credit_ns / sampler->state->period_ns;
    slot->credit_ns -= periods * sampler->state->period_ns;
    atomic_fetch_add(&slot->owed_periods, (uint32_t)periods);
    if (!pl_sampler_signal(sampler, index))
        sampler->scan_wanted = true;
}

static bool is_lasting(const struct pl_sampler *sampler, const struct pl_slot *slot)
{
    const struct pl_state *state = sampler->state;
    int64_t round_ns = state->paced ? state->period_ns : ROUND_NS;
    return (sampler->tick - slot->met_tick) * round_ns >= LASTING_NS;
}

void pl_cpu_look(struct pl_sampler *sampler, unsigned index)
{
    struct pl_state *state = sampler->state;
    struct pl_slot *slot = &state->slots[index];
    int64_t cpu_ns = pl_thread_cpu_ns(slot->tid);
    if (cpu_ns < 0) {
        sampler->scan_wanted = true;
        return;
    }
    if (state->paced && !slot->sampled)
        give_credit(sampler, slot);
    if (!state->paced && slot->timer_id < 0)
        arm_timer(sampler, index);
    uint32_t stride = atomic_load_explicit(&state->stride, memory_order_relaxed);
    if (slot->timer_id >= 0 && atomic_load(&slot->timer_periods) != stride)
        set_stride(slot, stride, state->period_ns);
    if (sampler->tell && (uint64_t)cpu_ns != slot->told_cpu_ns &&
        is_lasting(sampler, slot)) {
        pl_sampler_tell_name(sampler, index);
        pl_sampler_put_ran(sampler, index, PL_RAN_SIGNALLED, cpu_ns);
        slot->told_cpu_ns = (uint64_t)cpu_ns;
    }
    int64_t ran_ns = cpu_ns - (int64_t)slot->cpu_ns;
    slot->cpu_ns = (uint64_t)cpu_ns;
    pl_awake_note(sampler, index, ran_ns);
    bool owed = atomic_load(&slot->owed_periods) != 0;
    if (!owed && (!state->paced || !ran_ns))
        return;
    if (state->paced)
        slot->credit_ns += ran_ns;
    if (pl_quiet_state(sampler, index) != PL_QUIET_RUNNING)
        return;
    sampler->awake.running++;
    if (owed || slot->credit_ns >= state->period_ns)
        ask(sampler, index);
}

/* What the samples stand for is settled, be it more than was read of the clock: what it
 * used after that is in them. What they lack is unmet again. One that lacks much had
 * the signal blocked: that is lost. */
int64_t pl_cpu_end(struct pl_sampler *sampler, unsigned index)
{
    const struct pl_slot *slot = &sampler->state->slots[index];
    int64_t period_ns = sampler->state->period_ns;
    int64_t taken_ns = (int64_t)atomic_load(&slot->taken_periods) * period_ns;
    int64_t extra_ns = taken_ns < slot->extra_ns ? taken_ns : slot->extra_ns;
    int64_t own_ns = taken_ns - extra_ns;
    int64_t clock_ns = (int64_t)slot->cpu_ns - slot->begun_ns;
    if (clock_ns - own_ns >= BLOCKED_NS) {
        pl_count(&sampler->segment->threads[index].lost[PL_LOSS_NO_ANSWER],
                 (uint64_t)((clock_ns - own_ns) / period_ns));
        own_ns = clock_ns;
    }
    sampler->settled_ns += slot->begun_ns + own_ns + extra_ns;
    if (is_lasting(sampler, slot) && own_ns < clock_ns)
        own_ns = clock_ns;
    return slot->begun_ns + own_ns + extra_ns;
}

/* Sampling ends before a sample stood for all that the thread used. Less than two
 * periods of a timer's are its phase. */
void pl_cpu_stop(struct pl_sampler *sampler, unsigned index)
{
    const struct pl_state *state = sampler->state;
    struct pl_slot *slot = &sampler->state->slots[index];
    int64_t used_ns = (int64_t)slot->cpu_ns - slot->begun_ns + slot->extra_ns;
    int64_t lost = used_ns / state->period_ns - (int64_t)slot->taken_periods;
    atomic_store(&slot->owed_periods, 0);
    slot->credit_ns = 0;
    if (lost < (state->paced ? 1 : 2))
        return;
    atomic_fetch_add(&slot->taken_periods, (uint64_t)lost);
    pl_count(&sampler->segment->threads[index].lost[PL_LOSS_NO_ANSWER], (uint64_t)lost);
}
