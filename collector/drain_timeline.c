/* Timeline, intake: events and records are taken in, windows opened and dropped.
 * What becomes of them is decided in drain_resolve.c. */
#include "collector/drain_timeline.h"

#include "base/clock.h"
#include "collector/drain_resolve.h"
#include "collector/grow.h"

#define HOUR_NS     (INT64_C(3600) * PL_NS_PER_S)
#define MAX_GAP     1000000u /* missed ticks kept one by one; a longer gap cuts */
#define MAX_QUEUED  (1u << 20)
#define MAX_OBJECTS (1u << 20)

void pl_drain_timeline_init(struct pl_drain_timeline *t, bool cpu_mode,
                            int64_t period_ns, int64_t chunk_ns, int64_t to_unix_ns)
{
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
    free(thread->label_runs);
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
    pl_label_sets_deinit(&t->labels);
}

/* ---- windows ---- */

struct pl_window *pl_drain_window_open(struct pl_drain_timeline *t, int64_t start_ns)
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
            window = pl_drain_window_open(t, unix_ns);
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
    pl_journal_tick(t->journal, tick, mono_ns, event_full);
    return true;
}

void pl_drain_timeline_cut(struct pl_drain_timeline *t)
{
    if (!t->last)
        return;
    pl_journal_cut(t->journal);
    if (!t->cpu_mode)
        t->last->closed = true;
    else if (t->newest_answer_ns + t->to_unix_ns < t->last->limit_ns)
        t->last->limit_ns = t->newest_answer_ns + t->to_unix_ns + 1;
}

size_t pl_drain_timeline_bytes(const struct pl_drain_timeline *t)
{
    size_t bytes = pl_stacks_bytes(&t->stacks) + pl_label_sets_bytes(&t->labels);
    for (size_t i = 0; i < t->thread_count; i++) {
        const struct pl_drain_timeline_thread *thread = t->threads[i];
        bytes += sizeof *thread + thread->run_capacity * sizeof *thread->runs +
                 thread->label_run_capacity * sizeof *thread->label_runs +
                 thread->time_capacity * sizeof *thread->times +
                 (thread->answers.capacity + thread->quiet.capacity) *
                     sizeof *thread->answers.list +
                 thread->questions.capacity * sizeof *thread->questions.list;
    }
    return bytes;
}

/* ---- queues ---- */

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

static void ask(struct pl_drain_timeline *t, struct pl_drain_timeline_thread *thread,
                const struct pl_event *event)
{
    if (t->cpu_mode) {
        pl_drain_count_cpu(thread, event->value);
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
    pl_journal_event(t->journal, event, generation);
    if (event->slot >= t->slot_high)
        t->slot_high = event->slot + 1u;
    if (event->kind == PL_EVENT_START) {
        start_thread(t, event, generation);
        return;
    }
    struct pl_drain_timeline_thread *thread = t->by_slot[event->slot];
    if (!thread)
        t->damaged++;
    else if (event->kind == PL_EVENT_NAME && event->flags < PL_THREAD_NAME_BYTES / 8)
        memcpy(thread->name + 8 * event->flags, &event->value, 8);
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
    pl_journal_answer(t->journal, &t->stacks, (uint16_t)thread->slot, quiet, answer);
    if (answer->mono_ns > t->newest_answer_ns)
        t->newest_answer_ns = answer->mono_ns;
    if (!put_answer(quiet ? &thread->quiet : &thread->answers, answer))
        thread->lost[PL_LOSS_NO_MEMORY] += t->cpu_mode ? answer->periods : 0;
}

void pl_drain_timeline_told(struct pl_drain_timeline *t,
                            struct pl_drain_timeline_thread *thread, bool quiet,
                            uint32_t set)
{
    pl_journal_told(t->journal, &t->labels, (uint16_t)thread->slot, quiet, set);
    *(quiet ? &thread->told_quietly : &thread->told_labels) = set;
}

void pl_drain_timeline_ring_damaged(struct pl_drain_timeline *t,
                                    struct pl_drain_timeline_thread *thread)
{
    pl_journal_ring_damaged(t->journal, (uint16_t)thread->slot);
    thread->ring_damaged = true;
    thread->damaged_tick = t->newest_tick;
    if (t->cpu_mode)
        thread->lost[PL_LOSS_DAMAGED]++;
}

void pl_drain_timeline_lost(struct pl_drain_timeline *t, uint32_t slot, unsigned reason,
                            uint64_t value)
{
    if (t->host_now[slot][reason] == value)
        return;
    pl_journal_lost(t->journal, (uint16_t)slot, reason, value);
    t->host_now[slot][reason] = value;
}

void pl_drain_timeline_slot_release(struct pl_drain_timeline *t, uint32_t slot)
{
    pl_journal_release(t->journal, (uint16_t)slot);
    t->by_slot[slot] = NULL;
}

/* ---- after a window ---- */

bool pl_drain_timeline_ready(const struct pl_drain_timeline *t)
{
    return t->windows && t->windows->resolved;
}

/* What the stacks and labels of the windows to come are kept in. */
struct tables {
    struct pl_stacks stacks;
    struct pl_label_sets labels;
};

static void move_answers(struct pl_answers *answers, struct tables *to,
                         const struct pl_drain_timeline *t)
{
    size_t left = answers->count - answers->first;
    if (left)
        memmove(answers->list, answers->list + answers->first,
                left * sizeof *answers->list);
    answers->first = 0;
    answers->count = left;
    for (size_t i = 0; i < left; i++) {
        struct pl_answer *answer = &answers->list[i];
        answer->stack = pl_stacks_move(&to->stacks, &t->stacks, answer->stack);
        answer->labels = pl_label_sets_move(&to->labels, &t->labels, answer->labels);
    }
}

static void move_thread(struct pl_drain_timeline_thread *thread, struct tables *to,
                        const struct pl_drain_timeline *t)
{
    uint32_t *sets[] = {&thread->labels, &thread->told_labels, &thread->told_quietly};
    thread->stack = pl_stacks_move(&to->stacks, &t->stacks, thread->stack);
    for (size_t i = 0; i < sizeof sets / sizeof sets[0]; i++)
        *sets[i] = pl_label_sets_move(&to->labels, &t->labels, *sets[i]);
    move_answers(&thread->answers, to, t);
    move_answers(&thread->quiet, to, t);
}

static void next_window(struct pl_drain_timeline_thread *thread,
                        const struct pl_window *next)
{
    if (next && thread->next_tick < next->base)
        thread->next_tick = next->base;
    thread->run_count = thread->label_run_count = thread->time_count = 0;
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
    struct tables tables = {.stacks = {.frames = NULL}};
    size_t kept = 0;
    for (size_t i = 0; i < t->thread_count; i++) {
        struct pl_drain_timeline_thread *thread = t->threads[i];
        if (is_over(t, thread)) {
            free_thread(thread);
            continue;
        }
        next_window(thread, window->next);
        move_thread(thread, &tables, t);
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
    pl_label_sets_deinit(&t->labels);
    t->stacks = tables.stacks;
    t->labels = tables.labels;
    t->popped++;
    pl_journal_popped(t->journal);
}
