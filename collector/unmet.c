/* Unmet: CPU time of threads that no tick met.
 *
 * A thread that lives for less than a tick is mostly never seen, and of one that ended
 * nobody read the clock at its end. The kernel has counted them all the same:
 *
 *   unmet = CPU time of the process - that of its live threads - settled
 *
 * where `settled` is what was told of threads that have ended. As of any sample, those
 * that were met stand for the others of their kind:
 *
 *   wall mode  those that end share what is unmet, as CPU time
 *   cpu mode   those met for the first time share it, as periods to be sampled for;
 *              what they do not come to is unmet again when they have ended
 *
 * It is worked out from totals, never summed up: what is not given, or a little too
 * much, is made good the next time. So CPU times add up to the process's, however
 * short its threads live.  Threads  the sampler. */
#include "collector/sampler.h"

#include "collector/sys.h"

#define PATIENCE_NS INT64_C(1000000000)
#define MOST_MET    64u /* in a round; the others in the next */

/* Of the live threads, with what they stand for. Clocks of those asleep have not moved
 * (awake.c); of one that is gone the last reading counts. */
static int64_t live_ns(const struct pl_sampler *sampler)
{
    int64_t sum = 0;
    for (uint32_t i = 0; i < sampler->live_count; i++) {
        const struct pl_slot *slot = &sampler->state->slots[sampler->live[i]];
        int64_t now_ns = i < sampler->awake_count ? pl_thread_cpu_ns(slot->tid) : -1;
        sum += (now_ns < 0 ? (int64_t)slot->cpu_ns : now_ns) + slot->extra_ns;
    }
    return sum;
}

/* Threads without a slot are nobody's to stand for. */
int64_t pl_unmet_ns(struct pl_sampler *sampler)
{
    int64_t live = live_ns(sampler);
    int64_t unmet = pl_awake_cpu_ns_of_others(sampler) - live - sampler->settled_ns;
    if (sampler->settled && !sampler->unsampled)
        return unmet;
    sampler->settled_ns += unmet;
    sampler->settled = true;
    return 0;
}

/* A slot whose question is open may have no sample at all; what a thread did that had
 * not run yet when it was asked is no more than its start. */
static bool can_stand(const struct pl_sampler *sampler, const struct pl_slot *slot)
{
    return slot->announced && slot->sampled && slot->cpu_ns > 0 &&
           slot->seen_scan != sampler->scan &&
           atomic_load(&slot->want_tick) == PL_NO_TICK;
}

void pl_unmet_share(struct pl_sampler *sampler)
{
    uint32_t gone = 0;
    for (uint32_t i = 0; i < sampler->live_count; i++)
        gone += can_stand(sampler, &sampler->state->slots[sampler->live[i]]);
    int64_t share_ns = gone ? pl_unmet_ns(sampler) / gone : 0;
    for (uint32_t i = 0; share_ns > 0 && i < sampler->live_count; i++) {
        struct pl_slot *slot = &sampler->state->slots[sampler->live[i]];
        if (can_stand(sampler, slot))
            slot->extra_ns = share_ns;
    }
}

int64_t pl_unmet_end(struct pl_sampler *sampler, unsigned index)
{
    const struct pl_slot *slot = &sampler->state->slots[index];
    int64_t cpu_ns = (int64_t)slot->cpu_ns + slot->extra_ns;
    sampler->settled_ns += cpu_ns;
    return cpu_ns;
}

/* Is this the first time that the thread is seen to have run? */
static bool is_met(const struct pl_slot *slot)
{
    return !slot->met && pl_thread_cpu_ns(slot->tid) > 0;
}

void pl_unmet_owe(struct pl_sampler *sampler, int64_t now_ns)
{
    struct pl_state *state = sampler->state;
    uint16_t met[MOST_MET];
    uint32_t count = 0;
    for (uint32_t i = 0; i < sampler->awake_count && count < MOST_MET; i++)
        if (is_met(&state->slots[sampler->live[i]]))
            met[count++] = sampler->live[i];
    if (!count)
        return;
    sampler->met_ns = now_ns;
    int64_t unmet_ns = pl_unmet_ns(sampler);
    for (; count; count--) {
        struct pl_slot *slot = &state->slots[met[count - 1]];
        int64_t periods = unmet_ns > 0 ? unmet_ns / count / state->period_ns : 0;
        slot->met = true;
        slot->extra_ns = periods * state->period_ns;
        unmet_ns -= slot->extra_ns;
        atomic_fetch_add(&slot->owed_periods, (uint32_t)periods);
        if (slot->announced) /* else it is looked at next */
            pl_cpu_look(sampler, met[count - 1]);
    }
}

void pl_unmet_lose(struct pl_sampler *sampler, int64_t now_ns)
{
    if (now_ns - sampler->met_ns < PATIENCE_NS)
        return;
    int64_t periods = pl_unmet_ns(sampler) / sampler->state->period_ns;
    if (periods <= 0)
        return;
    pl_count(&sampler->segment->lost[PL_LOSS_NO_ANSWER], (uint64_t)periods);
    sampler->settled_ns += periods * sampler->state->period_ns;
}
