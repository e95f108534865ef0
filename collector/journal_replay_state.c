/* Journal, reading the state: the first batch makes a timeline as it was. Each number
 * is checked on its way in, and then that all of them fit each other. */
#include "collector/journal_replay.h"

#include "collector/drain_resolve.h"

#define MAX_WINDOWS 1024u

static bool do_session(struct pl_replay *r, const unsigned char *body)
{
    struct pl_journal_session from;
    struct pl_drain_session *s = r->session;
    struct pl_segment_facts *facts = &s->reader.facts;
    memcpy(&from, body, sizeof from);
    if (r->has_session || from.segment[sizeof from.segment - 1] ||
        strchr(from.segment, '/') || !from.pid || from.period_ns <= 0 ||
        from.period_ns > 3600 * INT64_C(1000000000) ||
        !pl_replay_is_time(from.mono_origin_ns) ||
        !pl_replay_is_time(from.wall_origin_ns))
        return false;
    memcpy(s->name, from.segment, sizeof s->name);
    s->inode = from.inode;
    s->lost_before = from.lost_before;
    facts->pid = from.pid;
    facts->parent_pid = from.parent_pid;
    facts->pid_start = from.pid_start;
    memcpy(facts->session_id, from.id, sizeof facts->session_id);
    memcpy(facts->parent_session_id, from.parent_id, sizeof facts->parent_session_id);
    facts->cpu_mode = from.cpu_mode != 0;
    facts->period_ns = from.period_ns;
    facts->mono_origin_ns = from.mono_origin_ns;
    facts->wall_origin_ns = from.wall_origin_ns;
    memcpy(facts->app, from.app, sizeof facts->app - 1);
    memcpy(s->id.bytes, from.id, sizeof s->id.bytes);
    s->skip_group = !facts->cpu_mode;
    pl_drain_timeline_init(&s->timeline, facts->cpu_mode, facts->period_ns,
                           r->shared->chunk_ns,
                           facts->wall_origin_ns - facts->mono_origin_ns);
    return r->has_session = true;
}

static bool do_timeline(struct pl_replay *r, const unsigned char *body)
{
    struct pl_drain_timeline *t = &r->session->timeline;
    struct pl_journal_timeline from;
    memcpy(&from, body, sizeof from);
    if (r->has_timeline || !pl_replay_is_time(from.newest_ns) ||
        !pl_replay_is_time(from.newest_answer_ns))
        return false;
    t->any_tick = from.any_tick != 0;
    t->newest_tick = from.newest_tick;
    t->newest_ns = from.newest_ns;
    t->newest_answer_ns = from.newest_answer_ns;
    t->sealed_to_ns = from.sealed_to_ns;
    t->host_event_full = from.event_full;
    return r->has_timeline = true;
}

static bool do_window(struct pl_replay *r, const unsigned char *body)
{
    struct pl_drain_timeline *t = &r->session->timeline;
    const struct pl_window *before = t->last;
    struct pl_journal_window from;
    memcpy(&from, body, sizeof from);
    if (r->thread || r->windows++ >= MAX_WINDOWS || !pl_replay_is_time(from.start_ns) ||
        (before && (from.start_ns <= before->start_ns ||
                    from.base < (uint64_t)before->base + before->count)))
        return false;
    struct pl_window *window = pl_drain_window_open(t, from.start_ns);
    if (!window)
        return false;
    window->base = from.base;
    window->closed = from.closed != 0;
    window->skipped = from.skipped;
    if (from.limit_ns > from.start_ns && from.limit_ns < window->limit_ns)
        window->limit_ns = from.limit_ns; /* it was cut */
    r->window = window;
    return true;
}

static bool do_thread(struct pl_replay *r, const unsigned char *body)
{
    struct pl_drain_timeline *t = &r->session->timeline;
    struct pl_journal_thread from;
    memcpy(&from, body, sizeof from);
    if (from.slot >= PL_SEG_MAX_THREADS || !pl_replay_stack(r, &from.stack) ||
        !pl_replay_set(r, &from.labels) || !pl_replay_set(r, &from.told_labels) ||
        !pl_replay_set(r, &from.told_quietly) ||
        (from.in_slot && t->by_slot[from.slot]) ||
        !pl_grow(&t->threads, &t->thread_capacity, t->thread_count + 1,
                 sizeof *t->threads, PL_REPLAY_MAX_ITEMS))
        return false;
    struct pl_drain_timeline_thread *to = calloc(1, sizeof *to);
    if (!to)
        return false;
    *to = (struct pl_drain_timeline_thread){
        .slot = from.slot,
        .generation = from.generation,
        .tid = from.tid,
        .start_tick = from.start_tick,
        .next_tick = from.next_tick,
        .missed = from.missed,
        .stack = from.stack,
        .labels = from.labels,
        .told_labels = from.told_labels,
        .told_quietly = from.told_quietly,
        .ended = from.ended != 0,
        .end_counted = from.end_counted != 0,
        .end_tick = from.end_tick,
        .ring_damaged = from.ring_damaged != 0,
        .damaged_tick = from.damaged_tick,
        .cpu_known = from.cpu_known != 0,
        .end_cpu_clock_ns = from.end_cpu_clock_ns,
        .cpu_clock_ns = from.cpu_clock_ns,
        .cpu_ns = from.cpu_ns,
    };
    memcpy(to->name, from.name, sizeof to->name - 1);
    memcpy(to->lost, from.lost, sizeof to->lost);
    t->threads[t->thread_count++] = to;
    if (from.in_slot)
        t->by_slot[from.slot] = to;
    if (from.slot >= t->slot_high)
        t->slot_high = from.slot + 1;
    r->thread = to;
    return true;
}

static bool do_runs(struct pl_replay *r, size_t count, const unsigned char *body)
{
    struct pl_drain_timeline_thread *thread = r->thread;
    if (!thread || thread->run_count ||
        !pl_grow(&thread->runs, &thread->run_capacity, count, sizeof *thread->runs,
                 PL_REPLAY_MAX_ITEMS))
        return false;
    for (size_t i = 0; i < count; i++) {
        struct pl_sink_run *run = &thread->runs[i];
        memcpy(run, body + i * sizeof *run, sizeof *run);
        if (!run->count || run->on_cpu < -1 || run->on_cpu > 1 || run->weight_ns < 0 ||
            run->weight_ns > PL_REPLAY_MAX_NS || !pl_replay_stack(r, &run->stack))
            return false;
        thread->run_count++;
    }
    return true;
}

/* Ascending places in the thread's slot, which check_labels holds against its end. */
static bool do_labels(struct pl_replay *r, size_t count, const unsigned char *body)
{
    struct pl_drain_timeline_thread *thread = r->thread;
    uint64_t end = 0;
    if (!thread || thread->label_run_count ||
        !pl_grow(&thread->label_runs, &thread->label_run_capacity, count,
                 sizeof *thread->label_runs, PL_REPLAY_MAX_ITEMS))
        return false;
    for (size_t i = 0; i < count; i++) {
        struct pl_label_run *run = &thread->label_runs[i];
        memcpy(run, body + i * sizeof *run, sizeof *run);
        if (!run->count || run->first < end || !pl_replay_set(r, &run->set))
            return false;
        end = run->first + (uint64_t)run->count;
        thread->label_run_count++;
    }
    return true;
}

static bool do_times(struct pl_replay *r, size_t count, const unsigned char *body)
{
    int64_t **list = r->thread   ? &r->thread->times
                     : r->window ? &r->window->times
                                 : NULL;
    size_t *have = r->thread   ? &r->thread->time_count
                   : r->window ? &r->window->count
                               : NULL;
    size_t *room = r->thread   ? &r->thread->time_capacity
                   : r->window ? &r->window->capacity
                               : NULL;
    if (!list || *have ||
        !pl_grow(list, room, count, sizeof **list, PL_REPLAY_MAX_ITEMS))
        return false;
    memcpy(*list, body, count * sizeof **list);
    *have = count;
    return true;
}

static bool do_questions(struct pl_replay *r, size_t count, const unsigned char *body)
{
    struct pl_drain_timeline_thread *thread = r->thread;
    if (!thread || thread->questions.count ||
        !pl_grow(&thread->questions.list, &thread->questions.capacity, count,
                 sizeof *thread->questions.list, PL_REPLAY_MAX_ITEMS))
        return false;
    for (size_t i = 0; i < count; i++) {
        struct pl_question *q = &thread->questions.list[i];
        memcpy(q, body + i * sizeof *q, sizeof *q);
        if (q->ran < PL_RAN_SIGNALLED || q->ran > PL_RAN_SAME)
            return false;
        thread->questions.count++;
    }
    return true;
}

static bool do_answers(struct pl_replay *r, struct pl_answers *answers, size_t count,
                       const unsigned char *body)
{
    if (answers->count || !pl_grow(&answers->list, &answers->capacity, count,
                                   sizeof *answers->list, PL_REPLAY_MAX_ITEMS))
        return false;
    for (size_t i = 0; i < count; i++) {
        struct pl_answer *answer = &answers->list[i];
        memcpy(answer, body + i * sizeof *answer, sizeof *answer);
        if (!pl_replay_is_time(answer->mono_ns) || !answer->periods ||
            answer->periods > 1000000 || !pl_replay_stack(r, &answer->stack) ||
            !pl_replay_set(r, &answer->labels))
            return false;
        answers->count++;
    }
    return true;
}

/* ---- does the state make sense as a whole? ---- */

static bool check_window(const struct pl_drain_timeline *t, const struct pl_window *w)
{
    int64_t last_ns = w->start_ns - 1;
    for (size_t i = 0; i < w->count; i++) {
        int64_t ns = w->times[i];
        if (ns == PL_TICK_MISSED_NS || ns == PL_TICK_EVENT_FULL_NS) {
            if (!i)
                return false;
            continue;
        }
        if (ns <= last_ns || ns >= w->limit_ns)
            return false;
        last_ns = ns;
    }
    return t->cpu_mode ? !w->count : w->count && w->times[0] == w->start_ns;
}

static bool check_labels(const struct pl_drain_timeline_thread *thread, uint64_t places)
{
    const struct pl_label_run *last =
        thread->label_run_count ? &thread->label_runs[thread->label_run_count - 1]
                                : NULL;
    return !last || last->first + (uint64_t)last->count <= places;
}

/* Of a wall thread, its runs are the ticks between its start and the next one. */
static bool check_wall(const struct pl_window *w,
                       const struct pl_drain_timeline_thread *thread)
{
    uint64_t covered = 0;
    for (size_t i = 0; i < thread->run_count; i++)
        covered += thread->runs[i].count;
    if (!w || thread->next_tick < w->base || thread->next_tick < thread->start_tick)
        return false;
    uint32_t from = thread->start_tick > w->base ? thread->start_tick : w->base;
    uint32_t resolved = thread->next_tick - from;
    return covered == resolved &&
           (!resolved || thread->next_tick - w->base <= w->count);
}

/* In wall mode the newest tick is the last one of the last window. */
static bool check_ticks(const struct pl_drain_timeline *t)
{
    const struct pl_window *last = t->last;
    if (t->cpu_mode || !t->any_tick)
        return t->cpu_mode || !t->windows;
    return last && last->base + (uint64_t)last->count - 1 == t->newest_tick &&
           last->times[last->count - 1] == t->newest_ns + t->to_unix_ns;
}

static bool check_cpu(const struct pl_window *w,
                      const struct pl_drain_timeline_thread *thread)
{
    uint64_t covered = 0;
    for (size_t i = 0; i < thread->run_count; i++)
        covered += thread->runs[i].count;
    if (covered != thread->time_count || (covered && !w) ||
        !check_labels(thread, covered))
        return false;
    for (size_t i = 0; i < thread->time_count; i++)
        if (thread->times[i] < w->start_ns || thread->times[i] >= w->limit_ns ||
            (i && thread->times[i] < thread->times[i - 1]))
            return false;
    return true;
}

bool pl_replay_check(const struct pl_replay *r)
{
    const struct pl_drain_timeline *t = &r->session->timeline;
    if (!r->has_session || !r->has_timeline)
        return false;
    for (const struct pl_window *w = t->windows; w; w = w->next)
        if (!check_window(t, w))
            return false;
    if (!check_ticks(t))
        return false;
    for (size_t i = 0; i < t->thread_count; i++)
        if (!(t->cpu_mode ? check_cpu : check_wall)(t->windows, t->threads[i]))
            return false;
    return true;
}

/* ---- operations ---- */

bool pl_replay_state(struct pl_replay *r, const struct pl_journal_op *op,
                     const unsigned char *body)
{
    switch (op->kind) {
    case PL_OP_SESSION:
        return do_session(r, body);
    case PL_OP_TIMELINE:
        return do_timeline(r, body);
    case PL_OP_WINDOW:
        return do_window(r, body);
    case PL_OP_THREAD:
        return do_thread(r, body);
    case PL_OP_RUNS:
        return do_runs(r, op->arg, body);
    case PL_OP_LABELS:
        return do_labels(r, op->arg, body);
    case PL_OP_TIMES:
        return do_times(r, op->arg, body);
    case PL_OP_QUESTIONS:
        return do_questions(r, op->arg, body);
    case PL_OP_ANSWERS:
        return r->thread && do_answers(r, &r->thread->answers, op->arg, body);
    default:
        return r->thread && do_answers(r, &r->thread->quiet, op->arg, body);
    }
}
