/* Timeline, resolving: each thread's next tick becomes a sample or a loss. See
 * drain_timeline.h. */
#include "collector/drain_resolve.h"

#include "base/clock.h"
#include "collector/grow.h"

#define MAX_RUNS (16u << 20)
/* Ticks missed because the sampler got no CPU weigh on the next sample while that
 * is near; before a longer gap (the machine slept, the program was stopped) they
 * are lost. */
#define MAX_CARRY_NS PL_NS_PER_S
/* Longer, and the thread may have blocked the signal and run on. */
#define MAX_IN_KERNEL_NS (250 * PL_NS_PER_MS)

/* ---- wall mode ---- */

static bool add_run(struct pl_drain_timeline_thread *thread, uint32_t stack,
                    int8_t on_cpu, int64_t weight_ns)
{
    if (thread->run_count) {
        struct pl_sink_run *last = &thread->runs[thread->run_count - 1];
        if (last->stack == stack && last->on_cpu == on_cpu &&
            last->weight_ns == weight_ns) {
            last->count++;
            return true;
        }
    }
    if (!pl_grow(&thread->runs, &thread->run_capacity, thread->run_count + 1,
                 sizeof *thread->runs, MAX_RUNS))
        return false;
    thread->runs[thread->run_count++] =
        (struct pl_sink_run){stack, 1, on_cpu, weight_ns};
    return true;
}

/* The thread's labels are those of place `at` in its slot. A set goes on over places
 * without a sample. Without memory the labels of some samples are not kept. */
static void add_label_run(struct pl_drain_timeline_thread *thread, uint32_t at)
{
    struct pl_label_run *last = thread->label_run_count
                                    ? &thread->label_runs[thread->label_run_count - 1]
                                    : NULL;
    if (last && last->set == thread->labels && thread->labels) {
        last->count = at - last->first + 1;
        return;
    }
    if ((!thread->labels && (!last || !last->set)) ||
        !pl_grow(&thread->label_runs, &thread->label_run_capacity,
                 thread->label_run_count + 1, sizeof *thread->label_runs, MAX_RUNS))
        return;
    thread->label_runs[thread->label_run_count++] =
        (struct pl_label_run){at, 1, thread->labels};
}

/* The host counts why it could not deliver, but not for which tick: one missing
 * answer takes one of those reasons. */
static enum pl_loss explain(struct pl_drain_timeline *t,
                            const struct pl_drain_timeline_thread *thread,
                            uint32_t tick)
{
    static const enum pl_loss reasons[] = {PL_LOSS_RING_FULL, PL_LOSS_NO_MEMORY};
    uint64_t *explained = t->host_lost[thread->slot];
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
        if (t->host_now[thread->slot][reasons[i]] > explained[reasons[i]]) {
            explained[reasons[i]]++;
            return reasons[i];
        }
    }
    return thread->ring_damaged && tick <= thread->damaged_tick ? PL_LOSS_DAMAGED
                                                                : PL_LOSS_NO_ANSWER;
}

/* No sample will stand for the ticks the thread has missed. */
static void lose_missed(struct pl_drain_timeline_thread *thread)
{
    thread->lost[PL_LOSS_TICK_MISSED] += thread->missed;
    thread->missed = 0;
}

/* The next tick of the thread is resolved: with a stack, or lost for a reason. A
 * run that cannot be kept for want of memory is a loss, too. */
static void resolve(const struct pl_drain_timeline *t,
                    struct pl_drain_timeline_thread *thread, uint32_t stack,
                    int8_t on_cpu, enum pl_loss reason)
{
    int64_t weight_ns = thread->missed ? (thread->missed + 1) * t->period_ns : 0;
    if (weight_ns > MAX_CARRY_NS) {
        lose_missed(thread);
        weight_ns = 0;
    }
    if (stack != PL_NO_STACK && !add_run(thread, stack, on_cpu, weight_ns)) {
        stack = PL_NO_STACK;
        reason = PL_LOSS_NO_MEMORY;
    }
    if (stack == PL_NO_STACK) {
        thread->lost[reason]++;
        lose_missed(thread);
        (void)add_run(thread, PL_NO_INDEX, -1, 0);
    } else {
        add_label_run(thread, thread->next_tick - t->windows->base);
    }
    thread->missed = 0;
    thread->next_tick++;
}

/* What an answer tells of its thread, in time before all that comes after. */
static void take_answer(struct pl_drain_timeline_thread *thread,
                        struct pl_answers *answers, const struct pl_answer *answer)
{
    thread->stack = answer->stack;
    thread->labels = answer->labels;
    answers->first++;
}

/* Nobody looked at this tick. */
static void resolve_missed(struct pl_drain_timeline_thread *thread, int64_t time_ns)
{
    if (time_ns == PL_TICK_MISSED_NS)
        thread->missed++;
    else
        thread->lost[PL_LOSS_EVENT_FULL]++;
    (void)add_run(thread, PL_NO_INDEX, -1, 0);
    thread->next_tick++;
}

/* A kept tick: nothing was asked. A record that came after its tick had been given
 * up still tells where the thread has been since. */
static void keep(struct pl_drain_timeline *t, struct pl_drain_timeline_thread *thread,
                 int64_t time_ns)
{
    if (thread->stack == PL_NO_STACK) {
        struct pl_answer *late = first_answer(&thread->answers);
        if (late && late->tick < thread->next_tick &&
            late->mono_ns + t->to_unix_ns <= time_ns)
            take_answer(thread, &thread->answers, late);
    }
    resolve(t, thread, thread->stack, 0, PL_LOSS_UNKNOWN_STACK);
}

/* A thread asked again before it answered was in the kernel in between: on its way
 * back it would have answered. So where the later answer finds it, it was then. */
static uint32_t stack_since(const struct pl_drain_timeline *t,
                            const struct pl_question *q, const struct pl_answer *answer)
{
    if (!answer || q->ran != PL_RAN_SIGNALLED ||
        (answer->tick - q->tick) * t->period_ns > MAX_IN_KERNEL_NS)
        return PL_NO_STACK;
    return answer->stack;
}

/* True if it is decided what the question's tick is, and `thread->stack` set. */
static bool decide(struct pl_drain_timeline *t, struct pl_drain_timeline_thread *thread,
                   const struct pl_question *q, int64_t time_ns, bool final)
{
    if (q->ran == PL_RAN_SAME) {
        resolve(t, thread, thread->stack, 1, PL_LOSS_UNKNOWN_STACK);
        return true;
    }
    struct pl_answers *answers =
        q->ran == PL_RAN_QUIET ? &thread->quiet : &thread->answers;
    struct pl_answer *answer = first_answer(answers);
    while (answer && answer->tick < q->tick) {
        take_answer(thread, answers, answer);
        answer = first_answer(answers);
    }
    if (answer && answer->tick == q->tick) {
        take_answer(thread, answers, answer);
        resolve(t, thread, thread->stack, q->cpu_clock_ns > 0, PL_LOSS_DAMAGED);
        return true;
    }
    bool ran_since = thread->questions.count - thread->questions.first > 1;
    int64_t patience_ns = ran_since ? PL_TIMELINE_LATE_NS : PL_TIMELINE_PATIENT_NS;
    bool waiting = !answer && q->ran == PL_RAN_SIGNALLED && !thread->ended && !final &&
                   t->newest_ns + t->to_unix_ns - time_ns <= patience_ns;
    if (waiting)
        return false;
    enum pl_loss reason = explain(t, thread, q->tick);
    thread->stack =
        reason == PL_LOSS_NO_ANSWER ? stack_since(t, q, answer) : PL_NO_STACK;
    if (thread->stack != PL_NO_STACK)
        thread->labels = answer->labels;
    resolve(t, thread, thread->stack, thread->stack == PL_NO_STACK ? -1 : 1, reason);
    return true;
}

static bool is_missed(int64_t time_ns)
{
    return time_ns == PL_TICK_MISSED_NS || time_ns == PL_TICK_EVENT_FULL_NS;
}

/* Resolve the thread's next tick, at `time_ns`; false if that has to wait. */
static bool advance_one(struct pl_drain_timeline *t,
                        struct pl_drain_timeline_thread *thread, int64_t time_ns,
                        bool final)
{
    if (is_missed(time_ns)) {
        resolve_missed(thread, time_ns);
        return true;
    }
    struct pl_question *q = first_question(&thread->questions);
    if (!q || q->tick > thread->next_tick) {
        keep(t, thread, time_ns);
        return true;
    }
    if (q->tick == thread->next_tick && !decide(t, thread, q, time_ns, final))
        return false;
    pl_drain_count_cpu(thread, q->cpu_clock_ns);
    thread->questions.first++;
    return true;
}

/* True if nothing more will be known of the thread within the window. */
static bool advance_thread(struct pl_drain_timeline *t,
                           struct pl_drain_timeline_thread *thread,
                           const struct pl_window *window, bool final)
{
    uint32_t end = window->base + (uint32_t)window->count;
    while (thread->next_tick < end &&
           !(thread->ended && thread->next_tick >= thread->end_tick)) {
        if (!advance_one(t, thread, window->times[thread->next_tick - window->base],
                         final))
            return false;
    }
    if (thread->ended && thread->next_tick >= thread->end_tick &&
        !thread->end_counted) {
        pl_drain_count_cpu(thread, thread->end_cpu_clock_ns);
        thread->end_counted = true;
        lose_missed(thread);
    }
    return true;
}

/* Ticks missed between two windows are losses of the earlier one's threads. */
static void count_skipped(struct pl_drain_timeline *t, const struct pl_window *window)
{
    uint32_t end = window->base + (uint32_t)window->count;
    for (size_t i = 0; i < t->thread_count; i++) {
        struct pl_drain_timeline_thread *thread = t->threads[i];
        if (thread->start_tick < end && !(thread->ended && thread->end_tick <= end))
            thread->lost[PL_LOSS_TICK_MISSED] += window->next->skipped;
    }
}

/* Ticks after the last one that had room in the event ring: nobody reads any more, or
 * the program ended before it was read on. */
static void lose_untold(struct pl_drain_timeline *t)
{
    uint64_t untold = t->event_full_now > t->host_event_full
                          ? t->event_full_now - t->host_event_full
                          : 0;
    t->host_event_full += untold;
    for (size_t i = 0; untold && i < t->thread_count; i++)
        if (!t->threads[i]->ended)
            t->threads[i]->lost[PL_LOSS_EVENT_FULL] += untold;
}

static void advance_wall(struct pl_drain_timeline *t, bool final)
{
    struct pl_window *window = t->windows;
    if (!window || window->resolved)
        return;
    bool all = true;
    for (size_t i = 0; i < t->thread_count; i++)
        all &= advance_thread(t, t->threads[i], window, final);
    if (window->next ? all : all && final) {
        window->resolved = true;
        for (size_t i = 0; i < t->thread_count; i++)
            lose_missed(t->threads[i]);
        if (window->next)
            count_skipped(t, window);
        else
            lose_untold(t);
    }
}

/* ---- CPU mode ---- */

static int64_t earliest(struct pl_drain_timeline *t)
{
    int64_t first = INT64_MAX;
    for (size_t i = 0; i < t->thread_count; i++) {
        const struct pl_answer *answer = first_answer(&t->threads[i]->answers);
        if (answer && answer->mono_ns < first)
            first = answer->mono_ns;
    }
    return first;
}

static void put_timed(struct pl_drain_timeline *t,
                      struct pl_drain_timeline_thread *thread,
                      const struct pl_answer *answer, int64_t unix_ns)
{
    int64_t weight = answer->periods > 1 ? answer->periods * t->period_ns : 0;
    enum pl_loss reason = PL_LOSS_COUNT;
    if (answer->stack == PL_NO_STACK)
        reason = PL_LOSS_DAMAGED;
    else if (unix_ns < t->windows->start_ns)
        reason = PL_LOSS_TOO_LATE;
    else if (!pl_grow(&thread->times, &thread->time_capacity, thread->time_count + 1,
                      sizeof *thread->times, MAX_RUNS) ||
             !add_run(thread, answer->stack, 1, weight))
        reason = PL_LOSS_NO_MEMORY;
    if (reason != PL_LOSS_COUNT) {
        thread->lost[reason] += answer->periods;
        return;
    }
    if (thread->time_count && unix_ns < thread->times[thread->time_count - 1])
        unix_ns = thread->times[thread->time_count - 1];
    thread->labels = answer->labels;
    add_label_run(thread, (uint32_t)thread->time_count);
    thread->times[thread->time_count++] = unix_ns;
}

/* What the host lost and counted itself. */
static void take_host_losses(struct pl_drain_timeline *t,
                             struct pl_drain_timeline_thread *thread)
{
    uint64_t *explained = t->host_lost[thread->slot];
    if (thread->end_counted)
        return; /* the counters may be another thread's by now */
    for (unsigned reason = 0; reason < PL_LOSS_COUNT; reason++) {
        uint64_t lost = t->host_now[thread->slot][reason];
        if (lost > explained[reason])
            thread->lost[reason] += lost - explained[reason];
        explained[reason] = lost;
    }
    if (thread->ended) {
        pl_drain_count_cpu(thread, thread->end_cpu_clock_ns);
        thread->end_counted = true;
    }
}

/* Is there anything to tell of a thread that no sample will come from any more? */
static bool is_owed(const struct pl_drain_timeline *t)
{
    for (size_t i = 0; i < t->thread_count; i++) {
        const struct pl_drain_timeline_thread *thread = t->threads[i];
        if (thread->end_counted)
            continue;
        for (unsigned reason = 0; reason < PL_LOSS_COUNT; reason++)
            if (t->host_now[thread->slot][reason] > t->host_lost[thread->slot][reason])
                return true;
    }
    return false;
}

static bool open_cpu_window(struct pl_drain_timeline *t, int64_t horizon, bool final)
{
    int64_t first = earliest(t);
    if (first == INT64_MAX && final && is_owed(t))
        first = t->newest_ns;
    return first != INT64_MAX && (final || first <= horizon) &&
           pl_drain_window_open(t, first + t->to_unix_ns);
}

static void advance_cpu(struct pl_drain_timeline *t, int64_t now_ns, bool final)
{
    int64_t horizon = final ? INT64_MAX : now_ns - PL_TIMELINE_SETTLE_NS;
    if (!t->windows && !open_cpu_window(t, horizon, final))
        return;
    struct pl_window *window = t->windows;
    if (window->resolved)
        return;
    for (size_t i = 0; i < t->thread_count; i++) {
        struct pl_drain_timeline_thread *thread = t->threads[i];
        struct pl_answer *answer;
        while ((answer = first_answer(&thread->answers)) &&
               answer->mono_ns <= horizon &&
               answer->mono_ns + t->to_unix_ns < window->limit_ns) {
            put_timed(t, thread, answer, answer->mono_ns + t->to_unix_ns);
            thread->answers.first++;
        }
        take_host_losses(t, thread);
    }
    if (final || horizon >= window->limit_ns - t->to_unix_ns)
        window->closed = window->resolved = true;
}

void pl_drain_timeline_advance(struct pl_drain_timeline *t, int64_t now_ns, bool final)
{
    const struct pl_window *last = t->last;
    bool ready = pl_drain_timeline_ready(t);
    if (t->cpu_mode)
        advance_cpu(t, now_ns, final);
    else
        advance_wall(t, final);
    /* What time alone has brought about has to come about again. */
    bool turned = t->last != last || pl_drain_timeline_ready(t) != ready;
    pl_journal_advance(t->journal, now_ns, turned);
}
