/* Journal, the state of a session: the first batch of a file, see journal.h. */
#include "collector/journal_state.h"

#include "collector/drain_session.h"

#include <string.h>

static void put_array(struct pl_journal *j, enum pl_journal_kind kind,
                      const void *items, size_t count, size_t size)
{
    struct pl_journal_op op = {.kind = (uint8_t)kind, .arg = (uint32_t)count};
    if (count)
        pl_journal_put(j, op, items, count * size);
}

static void put_session(struct pl_journal *j, const struct pl_drain_session *s)
{
    const struct pl_segment_facts *facts = &s->reader.facts;
    struct pl_journal_session body = {
        .inode = s->inode,
        .pid = facts->pid,
        .parent_pid = facts->parent_pid,
        .pid_start = facts->pid_start,
        .cpu_mode = facts->cpu_mode,
        .period_ns = facts->period_ns,
        .mono_origin_ns = facts->mono_origin_ns,
        .wall_origin_ns = facts->wall_origin_ns,
        .lost_before = s->lost_before,
    };
    memcpy(body.segment, s->name, sizeof body.segment);
    memcpy(body.id, facts->session_id, sizeof body.id);
    memcpy(body.parent_id, facts->parent_session_id, sizeof body.parent_id);
    memcpy(body.app, facts->app, sizeof body.app);
    pl_journal_put(j, (struct pl_journal_op){.kind = PL_OP_SESSION}, &body,
                   sizeof body);
}

static void put_modules(struct pl_journal *j, struct pl_drain_modules *modules)
{
    for (j->modules = 0; j->modules < modules->count; j->modules++) {
        pl_journal_put_module(j, &modules->list[j->modules]);
        modules->list[j->modules].told_to_ns = modules->list[j->modules].to_ns;
    }
}

static void put_loss(struct pl_journal *j, enum pl_journal_kind kind, uint16_t slot,
                     const uint64_t *counts)
{
    for (unsigned reason = 0; reason < PL_LOSS_COUNT; reason++) {
        struct pl_journal_op op = {
            .kind = (uint8_t)kind, .flags = (uint8_t)reason, .slot = slot};
        if (counts[reason])
            pl_journal_put(j, op, &counts[reason], sizeof counts[reason]);
    }
}

/* Of slots that were ever used; counters of others are zero. */
static void put_losses(struct pl_journal *j, const struct pl_drain_session *s)
{
    const struct pl_drain_timeline *t = &s->timeline;
    for (uint32_t slot = 0; slot < t->slot_high; slot++) {
        put_loss(j, PL_OP_LOST, (uint16_t)slot, t->host_now[slot]);
        put_loss(j, PL_OP_EXPLAINED, (uint16_t)slot, t->host_lost[slot]);
    }
    put_loss(j, PL_OP_LOST, PL_JOURNAL_SEGMENT, s->host_now);
    put_loss(j, PL_OP_EXPLAINED, PL_JOURNAL_SEGMENT, s->host_lost);
}

static void put_windows(struct pl_journal *j, const struct pl_drain_timeline *t)
{
    for (const struct pl_window *w = t->windows; w; w = w->next) {
        struct pl_journal_window body = {
            .base = w->base,
            .closed = w->closed,
            .skipped = w->skipped,
            .start_ns = w->start_ns,
            .limit_ns = w->limit_ns,
        };
        pl_journal_put(j, (struct pl_journal_op){.kind = PL_OP_WINDOW}, &body,
                       sizeof body);
        put_array(j, PL_OP_TIMES, w->times, w->count, sizeof *w->times);
    }
}

static void put_answers(struct pl_journal *j, enum pl_journal_kind kind,
                        const struct pl_answers *answers)
{
    if (answers->first < answers->count)
        put_array(j, kind, answers->list + answers->first,
                  answers->count - answers->first, sizeof *answers->list);
}

static void put_thread(struct pl_journal *j, const struct pl_drain_timeline *t,
                       const struct pl_drain_timeline_thread *thread)
{
    struct pl_journal_thread body = {
        .slot = thread->slot,
        .generation = thread->generation,
        .tid = thread->tid,
        .in_slot = t->by_slot[thread->slot] == thread,
        .start_tick = thread->start_tick,
        .next_tick = thread->next_tick,
        .missed = thread->missed,
        .stack = thread->stack,
        .labels = thread->labels,
        .told_labels = thread->told_labels,
        .told_quietly = thread->told_quietly,
        .ended = thread->ended,
        .end_counted = thread->end_counted,
        .end_tick = thread->end_tick,
        .ring_damaged = thread->ring_damaged,
        .damaged_tick = thread->damaged_tick,
        .cpu_known = thread->cpu_known,
        .end_cpu_clock_ns = thread->end_cpu_clock_ns,
        .cpu_clock_ns = thread->cpu_clock_ns,
        .cpu_ns = thread->cpu_ns,
    };
    memcpy(body.name, thread->name, sizeof thread->name);
    memcpy(body.lost, thread->lost, sizeof body.lost);
    pl_journal_put(j, (struct pl_journal_op){.kind = PL_OP_THREAD}, &body, sizeof body);
    put_array(j, PL_OP_RUNS, thread->runs, thread->run_count, sizeof *thread->runs);
    put_array(j, PL_OP_LABELS, thread->label_runs, thread->label_run_count,
              sizeof *thread->label_runs);
    put_array(j, PL_OP_TIMES, thread->times, thread->time_count, sizeof *thread->times);
    if (thread->questions.first < thread->questions.count)
        put_array(j, PL_OP_QUESTIONS, thread->questions.list + thread->questions.first,
                  thread->questions.count - thread->questions.first,
                  sizeof *thread->questions.list);
    put_answers(j, PL_OP_ANSWERS, &thread->answers);
    put_answers(j, PL_OP_QUIETS, &thread->quiet);
}

static void put_positions(struct pl_journal *j, const struct pl_segment_reader *reader)
{
    const uint64_t *tails = reader->tails;
    pl_journal_put(j, (struct pl_journal_op){.kind = PL_OP_EVENT_TAIL},
                   &reader->event_tail, sizeof reader->event_tail);
    pl_journal_put(j, (struct pl_journal_op){.kind = PL_OP_QUIET_TAIL},
                   &reader->quiet_tail, sizeof reader->quiet_tail);
    for (uint32_t slot = 0; slot < PL_SEG_MAX_THREADS; slot++) {
        struct pl_journal_op op = {.kind = PL_OP_TAIL, .slot = (uint16_t)slot};
        if (tails[slot])
            pl_journal_put(j, op, &tails[slot], sizeof tails[slot]);
    }
}

void pl_journal_put_state(struct pl_journal *j, struct pl_drain_session *s)
{
    const struct pl_drain_timeline *t = &s->timeline;
    struct pl_journal_timeline body = {
        .any_tick = t->any_tick,
        .newest_tick = t->newest_tick,
        .newest_ns = t->newest_ns,
        .newest_answer_ns = t->newest_answer_ns,
        .sealed_to_ns = t->sealed_to_ns,
        .event_full = t->host_event_full,
    };
    put_session(j, s);
    pl_journal_put(j, (struct pl_journal_op){.kind = PL_OP_TIMELINE}, &body,
                   sizeof body);
    put_modules(j, &s->modules);
    j->tables_void = true;
    pl_journal_stacks(j, &t->stacks);
    pl_journal_labels(j, &t->labels);
    put_losses(j, s);
    put_windows(j, t);
    for (size_t i = 0; i < t->thread_count; i++)
        put_thread(j, t, t->threads[i]);
    put_positions(j, &s->reader);
    j->damaged = t->damaged;
    pl_journal_put(j, (struct pl_journal_op){.kind = PL_OP_DAMAGED}, &t->damaged,
                   sizeof t->damaged);
}
