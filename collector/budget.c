/* Budget: what sampling itself costs, and how many ticks to leave out so that it stays
 * below the share of the process's CPU time it was given (proflite.h, max_overhead).
 *
 *   cost   the sampler's own CPU clock
 *        + what the handlers measured of themselves
 *        + for each of their signals what the kernel takes to deliver it
 *
 * Looked at every half second. Above the share the stride grows, well below it shrinks;
 * every stride-th tick is a round. The ticks between are missed ones to the drain, and
 * weigh on the sample that follows: no time is lost, and the segment says how many
 * there were. A cost below a thousandth of a core is never too much, or a program that
 * sleeps would have none left to be seen by. */
#include "collector/sampler.h"

#include "collector/sys.h"

#include <time.h>

#define LOOK_NS   INT64_C(500000000)
#define SIGNAL_NS 2500  /* a bare signal, sent and returned from, without our handler  \
                         */
#define FREE_SHARE 1000 /* of a core: one part of so many */
#define LONGEST_NS INT64_C(500000000) /* from one round to the next */
#define SLACK_NUM  7 /* shrink when a shorter stride would still be below 7/8 */
#define SLACK_DEN  8

static int64_t process_cpu_ns(void)
{
    struct timespec used = {0, 0};
    pl_sys3(SYS_clock_gettime, CLOCK_PROCESS_CPUTIME_ID, PL_ARG(&used), 0);
    return used.tv_sec * INT64_C(1000000000) + used.tv_nsec;
}

static int64_t own_cost_ns(const struct pl_sampler *sampler)
{
    struct pl_state *state = sampler->state;
    int64_t own_ns = pl_thread_cpu_ns(sampler->tid);
    uint64_t handled = atomic_load_explicit(&state->handled, memory_order_relaxed);
    uint64_t handler_ns =
        atomic_load_explicit(&state->handler_ns, memory_order_relaxed);
    return (own_ns > 0 ? own_ns : 0) + (int64_t)(handler_ns + handled * SIGNAL_NS);
}

/* The least stride with which this much would be within what is allowed. */
static uint32_t stride_for(const struct pl_sampler *sampler, int64_t cost_ns,
                           int64_t allowed_ns)
{
    uint32_t now = atomic_load_explicit(&sampler->state->stride, memory_order_relaxed);
    int64_t most = LONGEST_NS / sampler->state->period_ns;
    int64_t wanted =
        (cost_ns * now + allowed_ns - 1) / (allowed_ns > 0 ? allowed_ns : 1);
    if (wanted < now && cost_ns * now > allowed_ns * (now - 1) * SLACK_NUM / SLACK_DEN)
        wanted = now;
    if (wanted > 2 * (int64_t)now)
        wanted = 2 * (int64_t)now; /* one look may be a bad one */
    if (wanted > most)
        wanted = most;
    return wanted < 1 ? 1 : (uint32_t)wanted;
}

void pl_budget_look(struct pl_sampler *sampler, int64_t now_ns)
{
    struct pl_budget *budget = &sampler->budget;
    struct pl_state *state = sampler->state;
    if (!state->budget_ppm || now_ns < budget->next_ns)
        return;
    int64_t cost_ns = own_cost_ns(sampler), cpu_ns = process_cpu_ns();
    if (budget->next_ns) {
        int64_t share_ns = (cpu_ns - budget->cpu_ns) / 1000 * state->budget_ppm / 1000;
        int64_t free_ns = (now_ns - budget->at_ns) / FREE_SHARE;
        atomic_store(&state->stride,
                     stride_for(sampler, cost_ns - budget->cost_ns,
                                share_ns > free_ns ? share_ns : free_ns));
    }
    budget->cost_ns = cost_ns;
    budget->cpu_ns = cpu_ns;
    budget->at_ns = now_ns;
    budget->next_ns = now_ns + LOOK_NS;
}

uint32_t pl_budget_next(struct pl_sampler *sampler, uint32_t tick)
{
    const struct pl_state *state = sampler->state;
    uint32_t stride = atomic_load_explicit(&state->stride, memory_order_relaxed);
    if (stride > 1 && (!state->cpu_mode || state->paced))
        pl_count(&sampler->segment->slowed_ticks, stride - 1);
    else if (state->cpu_mode && !state->paced)
        stride = 1; /* its timers have the stride, not its rounds */
    return tick + stride;
}
