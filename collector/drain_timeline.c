#include "collector/drain_timeline.h"

#include "base/clock.h"
#include "collector/grow.h"

#define HOUR_NS     (INT64_C(3600) * PL_NS_PER_S)
#define MAX_GAP     1000000u /* missed ticks kept one by one; a longer gap cuts */
#define MAX_QUEUED  (1u << 20)
#define MAX_RUNS    (16u << 20)
#define MAX_OBJECTS (1u << 20)

void pl_drain_timeline_init(struct pl_drain_timeline *t, bool cpu_mode,
                            int64_t period_ns, int64_t chunk_ns, int64_t to_unix_ns)
{
    memset(t, 0, sizeof *t);
    t->cpu_mode = cpu_mode;
    t->period_ns = period_ns;
    t->chunk_ns = chunk_ns;
    t->to_unix_ns = to_unix_ns;
    t->sealed_to_ns = INT64_MIN;
}

static void free_thread(struct pl_drain_timeline_thread *thread)
{
    free(thread->questions.list);
    free(thread->answers.list);
    free(thread->quiet.list);
    free(thread->runs);
    free(thread->times);
    free(thread);
}

static void free_window(struct pl_window *window)
{
    free(window->times);
    free(window);
}

void pl_drain_timeline_deinit(struct pl_drain_timeline *t)
{
    for (size_t i = 0; i < t->thread_count; i++)
        free_thread(t->threads[i]);
    free(t->threads);
    while (t->windows) {
        struct pl_window *next = t->windows->next;
        free_window(t->windows);
        t->windows = next;
    }
    pl_stacks_deinit(&t->stacks);
}

/* ---- windows ---- */

static struct pl_window *open_window(struct pl_drain_timeline *t, int64_t start_ns)
{
    struct pl_window *window = calloc(1, sizeof *window);
    if (!window)
        return NULL;
    int64_t hour_ns = (start_ns / HOUR_NS + 1) * HOUR_NS;
    window->start_ns = start_ns;
    window->limit_ns =
        start_ns + t->chunk_ns < hour_ns ? start_ns + t->chunk_ns : hour_ns;
    if (t->last)
        t->last->next = window;
    else
        t->windows = window;
    t->last = window;
    return window;
}

static bool add_times(struct pl_window *window, size_t count, int64_t time_ns)
{
    if (!pl_grow(&window->times, &window->capacity, window->count + count,
                 sizeof *window->times, 2 * (size_t)MAX_GAP))
        return false;
    while (count--)
        window->times[window->count++] = time_ns;
    return true;
}

static uint64_t take_event_full(struct pl_drain_timeline *t, uint64_t missed,
                                uint64_t now)
{
    uint64_t full = now > t->host_event_full ? now - t->host_event_full : 0;
    full = full < missed ? full : missed;
    t->host_event_full += full;
    return full;
}

bool pl_drain_timeline_tick(struct pl_drain_timeline *t, uint32_t tick, int64_t mono_ns,
                            uint64_t event_full)
{
    if (t->any_tick && (tick <= t->newest_tick || mono_ns <= t->newest_ns))
        return false;
    uint32_t missed = t->any_tick ? tick - t->newest_tick - 1 : 0;
    int64_t unix_ns = mono_ns + t->to_unix_ns;
    if (!t->cpu_mode) {
        struct pl_window *window = t->last;
        if (window && (window->closed || unix_ns >= window->limit_ns ||
                       window->count + missed >= MAX_GAP)) {
            window->closed = true;
            window = NULL;
        }
        uint64_t full = take_event_full(t, missed, event_full);
        if (!window) {
            window = open_window(t, unix_ns);
            if (!window)
                return false;
            window->base = tick;
            window->skipped = missed;
        } else if (!add_times(window, (size_t)full, PL_TICK_EVENT_FULL_NS) ||
                   !add_times(window, (size_t)(missed - full), PL_TICK_MISSED_NS)) {
            return false;
        }
        if (!add_times(window, 1, unix_ns))
            return false;
    }
    t->any_tick = true;
    t->newest_tick = tick;
    t->newest_ns = mono_ns;
    return true;
}

void pl_drain_timeline_cut(struct pl_drain_timeline *t)
{
    if (!t->last)
        return;
    if (!t->cpu_mode)
        t->last->closed = true;
    else if (t->newest_answer_ns + t->to_unix_ns < t->last->limit_ns)
        t->last->limit_ns = t->newest_answer_ns + t->to_unix_ns + 1;
}

size_t pl_drain_timeline_bytes(const struct pl_drain_timeline *t)
{
    size_t bytes = pl_stacks_bytes(&t->stacks);
    for (size_t i = 0; i < t->thread_count; i++) {
        const struct pl_drain_timeline_thread *thread = t->threads[i];
        bytes += sizeof *thread + thread->run_capacity * sizeof *thread->runs +
                 thread->time_capacity * sizeof *thread->times +
                 (thread->answers.capacity + thread->quiet.capacity) *
                     sizeof *thread->answers.list +
                 thread->questions.capacity * sizeof *thread->questions.list;
    }
    return bytes;
}

/* ---- queues ---- */

static struct pl_answer *first_answer(struct pl_answers *answers)
{
    return answers->first < answers->count ? &answers->list[answers->first] : NULL;
}

static struct pl_question *first_question(struct pl_questions *questions)
{
    return questions->first < questions->count ? &questions->list[questions->first]
                                               : NULL;
}

static bool put_answer(struct pl_answers *answers, const struct pl_answer *answer)
{
    if (answers->first == answers->count)
        answers->first = answers->count = 0;
    if (!pl_grow(&answers->list, &answers->capacity, answers->count + 1,
                 sizeof *answers->list, MAX_QUEUED))
        return false;
    answers->list[answers->count++] = *answer;
    return true;
}

static bool put_question(struct pl_questions *questions,
                         const struct pl_question *question)
{
    if (questions->first == questions->count)
        questions->first = questions->count = 0;
    if (!pl_grow(&questions->list, &questions->capacity, questions->count + 1,
                 sizeof *questions->list, MAX_QUEUED))
        return false;
    questions->list[questions->count++] = *question;
    return true;
}

/* ---- events ---- */

static void end_thread(struct pl_drain_timeline *t,
                       struct pl_drain_timeline_thread *thread, uint64_t cpu_clock_ns)
{
    if (thread->ended)
        return;
    thread->ended = true;
    thread->end_tick = t->newest_tick;
    thread->end_cpu_clock_ns = cpu_clock_ns;
}

static void start_thread(struct pl_drain_timeline *t, const struct pl_event *event,
                         uint32_t generation)
{
    struct pl_drain_timeline_thread *old = t->by_slot[event->slot];
    if (old) /* its END got lost */
        end_thread(t, old, old->cpu_clock_ns);
    t->by_slot[event->slot] = NULL;
    if (!pl_grow(&t->threads, &t->thread_capacity, t->thread_count + 1,
                 sizeof *t->threads, MAX_OBJECTS))
        return;
    struct pl_drain_timeline_thread *thread = calloc(1, sizeof *thread);
    if (!thread)
        return;
    thread->slot = event->slot;
    thread->generation = generation;
    thread->tid = event->arg;
    thread->start_tick = thread->next_tick = t->newest_tick;
    thread->stack = PL_NO_STACK;
    /* What a thread used before it was sampled is not part of the session. */
    thread->cpu_clock_ns = event->flags & 1 ? event->value : 0;
    t->threads[t->thread_count++] = thread;
    t->by_slot[event->slot] = thread;
}

static void count_cpu(struct pl_drain_timeline_thread *thread, uint64_t cpu_clock_ns)
{
    thread->cpu_known = true;
    if (cpu_clock_ns <= thread->cpu_clock_ns || cpu_clock_ns > INT64_MAX / 4)
        return;
    thread->cpu_ns += (int64_t)(cpu_clock_ns - thread->cpu_clock_ns);
    thread->cpu_clock_ns = cpu_clock_ns;
}

static void ask(struct pl_drain_timeline *t, struct pl_drain_timeline_thread *thread,
                const struct pl_event *event)
{
    if (t->cpu_mode) {
        count_cpu(thread, event->value);
        return;
    }
    struct pl_question question = {t->newest_tick, event->flags, event->value};
    if (thread->ended || event->arg != t->newest_tick ||
        event->flags < PL_RAN_SIGNALLED || event->flags > PL_RAN_SAME ||
        !put_question(&thread->questions, &question))
        t->damaged++;
}

void pl_drain_timeline_event(struct pl_drain_timeline *t, const struct pl_event *event,
                             uint32_t generation)
{
    if (event->slot >= PL_SEG_MAX_THREADS) {
        t->damaged++;
        return;
    }
    if (event->kind == PL_EVENT_START) {
        start_thread(t, event, generation);
        return;
    }
    struct pl_drain_timeline_thread *thread = t->by_slot[event->slot];
    if (!thread)
        t->damaged++;
    else if (event->kind == PL_EVENT_NAME)
        memcpy(thread->name + (event->flags & 1 ? 8 : 0), &event->value, 8);
    else if (event->kind == PL_EVENT_RAN)
        ask(t, thread, event);
    else if (event->kind == PL_EVENT_END)
        end_thread(t, thread, event->value);
}

struct pl_drain_timeline_thread *
pl_drain_timeline_thread_of(struct pl_drain_timeline *t, uint32_t slot,
                            uint32_t generation)
{
    struct pl_drain_timeline_thread *thread =
        slot < PL_SEG_MAX_THREADS ? t->by_slot[slot] : NULL;
    return thread && thread->generation == generation ? thread : NULL;
}

void pl_drain_timeline_answer(struct pl_drain_timeline *t,
                              struct pl_drain_timeline_thread *thread, bool quiet,
                              const struct pl_answer *answer)
{
    if (answer->mono_ns > t->newest_answer_ns)
        t->newest_answer_ns = answer->mono_ns;
    if (!put_answer(quiet ? &thread->quiet : &thread->answers, answer))
        thread->lost[PL_LOSS_NO_MEMORY] += t->cpu_mode ? answer->periods : 0;
}

void pl_drain_timeline_ring_damaged(struct pl_drain_timeline *t,
                                    struct pl_drain_timeline_thread *thread)
{
    thread->ring_damaged = true;
    thread->damaged_tick = t->newest_tick;
    if (t->cpu_mode)
        thread->lost[PL_LOSS_DAMAGED]++;
}

void pl_drain_timeline_slot_release(struct pl_drain_timeline *t, uint32_t slot)
{
    t->by_slot[slot] = NULL;
}

/* ---- resolving ---- */

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

/* The host counts why it could not deliver, but not for which tick: one missing
 * answer takes one of those reasons. */
static enum pl_loss explain(struct pl_drain_timeline *t, const struct pl_segment *seg,
                            const struct pl_drain_timeline_thread *thread,
                            uint32_t tick)
{
    static const enum pl_loss reasons[] = {PL_LOSS_RING_FULL, PL_LOSS_NO_MEMORY};
    uint64_t *explained = t->host_lost[thread->slot];
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
        uint64_t lost = atomic_load_explicit(
            &seg->threads[thread->slot].lost[reasons[i]], memory_order_relaxed);
        if (lost > explained[reasons[i]]) {
            explained[reasons[i]]++;
            return reasons[i];
        }
    }
    return thread->ring_damaged && tick <= thread->damaged_tick ? PL_LOSS_DAMAGED
                                                                : PL_LOSS_NO_ANSWER;
}

/* The next tick of the thread is resolved: with a stack, or lost for a reason. A
 * run that cannot be kept for want of memory is a loss, too. */
static void resolve(struct pl_drain_timeline_thread *thread, uint32_t stack,
                    int8_t on_cpu, enum pl_loss reason)
{
    if (stack != PL_NO_STACK && !add_run(thread, stack, on_cpu, 0)) {
        stack = PL_NO_STACK;
        reason = PL_LOSS_NO_MEMORY;
    }
    if (stack == PL_NO_STACK) {
        thread->lost[reason]++;
        (void)add_run(thread, PL_NO_INDEX, -1, 0);
    }
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
            late->mono_ns + t->to_unix_ns <= time_ns) {
            thread->stack = late->stack;
            thread->answers.first++;
        }
    }
    resolve(thread, thread->stack, 0, PL_LOSS_UNKNOWN_STACK);
}

/* True if it is decided what the question's tick is, and `thread->stack` set. */
static bool decide(struct pl_drain_timeline *t, const struct pl_segment *seg,
                   struct pl_drain_timeline_thread *thread, const struct pl_question *q,
                   int64_t time_ns, bool final)
{
    if (q->ran == PL_RAN_SAME) {
        resolve(thread, thread->stack, 1, PL_LOSS_UNKNOWN_STACK);
        return true;
    }
    struct pl_answers *answers =
        q->ran == PL_RAN_QUIET ? &thread->quiet : &thread->answers;
    struct pl_answer *answer = first_answer(answers);
    while (answer && answer->tick < q->tick) {
        answers->first++;
        answer = first_answer(answers);
    }
    if (answer && answer->tick == q->tick) {
        answers->first++;
        thread->stack = answer->stack;
        resolve(thread, thread->stack, 1, PL_LOSS_DAMAGED);
        return true;
    }
    bool waiting = !answer && q->ran == PL_RAN_SIGNALLED && !thread->ended && !final &&
                   t->newest_ns + t->to_unix_ns - time_ns <= PL_TIMELINE_LATE_NS;
    if (waiting)
        return false;
    thread->stack = PL_NO_STACK;
    resolve(thread, PL_NO_STACK, -1, explain(t, seg, thread, q->tick));
    return true;
}

static bool is_missed(int64_t time_ns)
{
    return time_ns == PL_TICK_MISSED_NS || time_ns == PL_TICK_EVENT_FULL_NS;
}

/* Resolve the thread's next tick, at `time_ns`; false if that has to wait. */
static bool advance_one(struct pl_drain_timeline *t, const struct pl_segment *seg,
                        struct pl_drain_timeline_thread *thread, int64_t time_ns,
                        bool final)
{
    if (is_missed(time_ns)) {
        resolve(thread, PL_NO_STACK, -1,
                time_ns == PL_TICK_MISSED_NS ? PL_LOSS_TICK_MISSED
                                             : PL_LOSS_EVENT_FULL);
        return true;
    }
    struct pl_question *q = first_question(&thread->questions);
    if (!q || q->tick > thread->next_tick) {
        keep(t, thread, time_ns);
        return true;
    }
    if (q->tick == thread->next_tick && !decide(t, seg, thread, q, time_ns, final))
        return false;
    count_cpu(thread, q->cpu_clock_ns);
    thread->questions.first++;
    return true;
}

/* True if nothing more will be known of the thread within the window. */
static bool advance_thread(struct pl_drain_timeline *t, const struct pl_segment *seg,
                           struct pl_drain_timeline_thread *thread,
                           const struct pl_window *window, bool final)
{
    uint32_t end = window->base + (uint32_t)window->count;
    while (thread->next_tick < end &&
           !(thread->ended && thread->next_tick >= thread->end_tick)) {
        if (!advance_one(t, seg, thread,
                         window->times[thread->next_tick - window->base], final))
            return false;
    }
    if (thread->ended && thread->next_tick >= thread->end_tick &&
        !thread->end_counted) {
        count_cpu(thread, thread->end_cpu_clock_ns);
        thread->end_counted = true;
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

static void advance_wall(struct pl_drain_timeline *t, const struct pl_segment *seg,
                         bool final)
{
    struct pl_window *window = t->windows;
    if (!window || window->resolved)
        return;
    bool all = true;
    for (size_t i = 0; i < t->thread_count; i++)
        all &= advance_thread(t, seg, t->threads[i], window, final);
    if (window->next ? all : all && final) {
        window->resolved = true;
        if (window->next)
            count_skipped(t, window);
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
    thread->times[thread->time_count++] = unix_ns;
}

/* What the host lost and counted itself. */
static void take_host_losses(struct pl_drain_timeline *t, const struct pl_segment *seg,
                             struct pl_drain_timeline_thread *thread)
{
    uint64_t *explained = t->host_lost[thread->slot];
    if (thread->end_counted)
        return; /* the counters may be another thread's by now */
    for (unsigned reason = 0; reason < PL_LOSS_COUNT; reason++) {
        uint64_t lost = atomic_load_explicit(&seg->threads[thread->slot].lost[reason],
                                             memory_order_relaxed);
        if (lost > explained[reason])
            thread->lost[reason] += lost - explained[reason];
        explained[reason] = lost;
    }
    if (thread->ended) {
        count_cpu(thread, thread->end_cpu_clock_ns);
        thread->end_counted = true;
    }
}

static void advance_cpu(struct pl_drain_timeline *t, const struct pl_segment *seg,
                        int64_t now_ns, bool final)
{
    int64_t horizon = final ? INT64_MAX : now_ns - PL_TIMELINE_SETTLE_NS;
    if (!t->windows) {
        int64_t first = earliest(t);
        if (first == INT64_MAX || first > horizon ||
            !open_window(t, first + t->to_unix_ns))
            return;
    }
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
        take_host_losses(t, seg, thread);
    }
    if (final || horizon >= window->limit_ns - t->to_unix_ns)
        window->closed = window->resolved = true;
}

void pl_drain_timeline_advance(struct pl_drain_timeline *t,
                               const struct pl_segment *seg, int64_t now_ns, bool final)
{
    if (t->cpu_mode)
        advance_cpu(t, seg, now_ns, final);
    else
        advance_wall(t, seg, final);
}

bool pl_drain_timeline_ready(const struct pl_drain_timeline *t)
{
    return t->windows && t->windows->resolved;
}

/* ---- after a window ---- */

static void move_answers(struct pl_answers *answers, struct pl_stacks *to,
                         const struct pl_stacks *from)
{
    size_t left = answers->count - answers->first;
    if (left)
        memmove(answers->list, answers->list + answers->first,
                left * sizeof *answers->list);
    answers->first = 0;
    answers->count = left;
    for (size_t i = 0; i < left; i++)
        answers->list[i].stack = pl_stacks_move(to, from, answers->list[i].stack);
}

static void next_window(struct pl_drain_timeline_thread *thread,
                        const struct pl_window *next)
{
    if (next && thread->next_tick < next->base)
        thread->next_tick = next->base;
    thread->run_count = thread->time_count = 0;
    thread->cpu_ns = 0;
    memset(thread->lost, 0, sizeof thread->lost);
    size_t left = thread->questions.count - thread->questions.first;
    if (left)
        memmove(thread->questions.list,
                thread->questions.list + thread->questions.first,
                left * sizeof *thread->questions.list);
    thread->questions.first = 0;
    thread->questions.count = left;
}

static bool is_over(const struct pl_drain_timeline *t,
                    const struct pl_drain_timeline_thread *thread)
{
    return thread->end_counted && t->by_slot[thread->slot] != thread &&
           (!t->cpu_mode || thread->answers.first == thread->answers.count);
}

void pl_drain_timeline_pop(struct pl_drain_timeline *t)
{
    struct pl_window *window = t->windows;
    struct pl_stacks stacks = {.frames = NULL};
    size_t kept = 0;
    for (size_t i = 0; i < t->thread_count; i++) {
        struct pl_drain_timeline_thread *thread = t->threads[i];
        if (is_over(t, thread)) {
            free_thread(thread);
            continue;
        }
        next_window(thread, window->next);
        thread->stack = pl_stacks_move(&stacks, &t->stacks, thread->stack);
        move_answers(&thread->answers, &stacks, &t->stacks);
        move_answers(&thread->quiet, &stacks, &t->stacks);
        t->threads[kept++] = thread;
    }
    t->thread_count = kept;
    t->damaged = 0;
    t->sealed_to_ns = window->limit_ns;
    t->windows = window->next;
    if (!t->windows)
        t->last = NULL;
    free_window(window);
    pl_stacks_deinit(&t->stacks);
    t->stacks = stacks;
}
