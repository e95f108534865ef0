/* One round of reading a segment: events, then modules, then records, into the
 * session's timeline. Every number there is hostile.
 *
 *   event ring ─▶ ticks, threads, questions ─┐
 *   stack rings, sampler's ring ─▶ answers ──┴▶ timeline (drain_timeline.h)
 */
#include "collector/drain_session.h"

#include "base/clock.h"

#include <string.h>

#define MODULE_WAIT_NS (30 * PL_NS_PER_MS)
#define FUTURE_NS      PL_NS_PER_S /* clocks agree; anything beyond makes no sense */

/* A round may be interrupted for so long that what it reads is younger than it. */
static bool time_makes_sense(const struct pl_drain_session *s, int64_t mono_ns,
                             int64_t now_ns)
{
    return mono_ns >= s->reader.facts.mono_origin_ns - FUTURE_NS &&
           (mono_ns <= now_ns + FUTURE_NS || mono_ns <= pl_clock_mono_ns() + FUTURE_NS);
}

static void read_tick(struct pl_drain_session *s, const struct pl_event *event,
                      int64_t now_ns)
{
    struct pl_drain_timeline *t = &s->timeline;
    if (t->any_tick && event->arg == t->newest_tick)
        return; /* more of the same tick */
    uint64_t full = atomic_load_explicit(&s->reader.seg->lost[PL_LOSS_EVENT_FULL],
                                         memory_order_relaxed);
    s->skip_group = event->value > INT64_MAX ||
                    !time_makes_sense(s, (int64_t)event->value, now_ns) ||
                    !pl_drain_timeline_tick(t, event->arg, (int64_t)event->value, full);
    t->damaged += s->skip_group;
}

/* A thread's generation is odd while it lives; by now it may have ended. */
static uint32_t generation_of(const struct pl_drain_session *s, uint32_t slot)
{
    uint32_t generation = atomic_load_explicit(&s->reader.seg->threads[slot].generation,
                                               memory_order_acquire);
    return generation % 2 || !generation ? generation : generation - 1;
}

static void read_event(struct pl_drain_session *s, int64_t now_ns)
{
    struct pl_event event = pl_segment_event(&s->reader);
    if (event.kind == PL_EVENT_TICK) {
        read_tick(s, &event, now_ns);
        return;
    }
    if (event.kind == PL_EVENT_MODULES || s->skip_group)
        return;
    uint32_t generation = 0;
    if (event.slot < PL_SEG_MAX_THREADS) {
        generation = generation_of(s, event.slot);
        if (event.kind == PL_EVENT_START)
            pl_segment_slot_begin(&s->reader, event.slot);
        if (event.kind == PL_EVENT_END)
            s->release[event.slot / 64] |= UINT64_C(1) << event.slot % 64;
    }
    pl_drain_timeline_event(&s->timeline, &event, generation);
}

static void read_events(struct pl_drain_session *s, int64_t now_ns)
{
    bool damaged;
    uint64_t head = pl_segment_event_head(&s->reader, &damaged);
    s->timeline.damaged += damaged;
    if (s->reader.event_tail == head)
        return;
    while (s->reader.event_tail != head)
        read_event(s, now_ns);
}

static enum pl_pseudo_frame root_of(enum pl_walk_end end)
{
    if (end == PL_WALK_ROOT || end == PL_WALK_ROOT_ZERO)
        return PL_PSEUDO_NONE;
    return end == PL_WALK_DEPTH ? PL_PSEUDO_TRUNCATED : PL_PSEUDO_UNKNOWN_CALLER;
}

static uint32_t unwind_shipped(struct pl_drain_shared *shared,
                               struct pl_drain_session *s, const struct pl_rec *rec)
{
    static uint64_t none[1];
    uint64_t pcs[PL_MAX_FRAMES];
    const unsigned char *body = shared->record + sizeof *rec;
    struct pl_registers registers;
    memcpy(&registers, body, sizeof registers);
    enum pl_walk_end end = PL_WALK_NO_RULE;
    size_t count = 0;
    if (!shared->remote)
        shared->remote = pl_remote_open();
    shared->remote_used_ns = pl_clock_mono_ns();
    if (shared->remote) {
        struct pl_remote_stack stack = {
            .registers = &registers,
            .stack = body + sizeof registers,
            .stack_bytes = rec->stack_bytes,
            .mono_ns = rec->mono_ns,
        };
        count = pl_remote_unwind(shared->remote, &s->modules, &stack, pcs,
                                 PL_MAX_FRAMES, &end);
    }
    shared->walks[end]++;
    return pl_stacks_add(&s->timeline.stacks, &s->modules, rec->mono_ns,
                         count ? pcs : none, count,
                         count ? root_of(end) : PL_PSEUDO_UNKNOWN_CALLER);
}

static uint32_t read_stack(struct pl_drain_shared *shared, struct pl_drain_session *s,
                           const struct pl_rec *rec)
{
    uint64_t pcs[PL_MAX_FRAMES];
    if (rec->kind == PL_REC_REGISTERS)
        return unwind_shipped(shared, s, rec);
    memcpy(pcs, shared->record + sizeof *rec, rec->pc_count * sizeof *pcs);
    shared->walks[rec->end]++;
    return pl_stacks_add(
        &s->timeline.stacks, &s->modules, rec->mono_ns, pcs, rec->pc_count,
        rec->pc_count ? root_of((enum pl_walk_end)rec->end) : PL_PSEUDO_UNKNOWN_CALLER);
}

/* They are those of the thread in the records after this one. */
static void read_labels(const struct pl_drain_shared *shared,
                        struct pl_drain_session *s,
                        struct pl_drain_timeline_thread *thread,
                        const struct pl_rec *rec, bool quiet)
{
    uint32_t set =
        pl_label_sets_add(&s->timeline.labels,
                          (const char *)shared->record + sizeof *rec, rec->stack_bytes);
    pl_drain_timeline_told(&s->timeline, thread, quiet, set);
}

static void read_record(struct pl_drain_shared *shared, struct pl_drain_session *s,
                        struct pl_drain_timeline_thread *thread,
                        const struct pl_rec *rec, bool quiet, int64_t now_ns)
{
    if (rec->kind == PL_REC_LABELS) {
        read_labels(shared, s, thread, rec, quiet);
        return;
    }
    struct pl_answer answer = {
        .tick = rec->tick,
        .stack = PL_NO_STACK,
        .labels = quiet ? thread->told_quietly : thread->told_labels,
        .periods = rec->periods ? rec->periods : 1,
        .mono_ns = rec->mono_ns,
    };
    if (time_makes_sense(s, rec->mono_ns, now_ns))
        answer.stack = read_stack(shared, s, rec);
    else
        answer.mono_ns = now_ns;
    if (answer.periods > 1000000)
        answer.periods = 1; /* hours between two reads of a timer: no */
    pl_drain_timeline_answer(&s->timeline, thread, quiet, &answer);
}

static void read_quiet_ring(struct pl_drain_shared *shared, struct pl_drain_session *s,
                            int64_t now_ns)
{
    enum pl_segment_read got;
    while ((got = pl_segment_peek(&s->reader, PL_SEG_QUIET, shared->record)) !=
           PL_READ_NONE) {
        if (got == PL_READ_DAMAGED) {
            s->timeline.damaged++;
            return;
        }
        struct pl_rec rec;
        memcpy(&rec, shared->record, sizeof rec);
        if (!s->timeline.any_tick || rec.tick > s->timeline.newest_tick)
            return; /* its tick is published after it */
        struct pl_drain_timeline_thread *thread =
            pl_drain_timeline_thread_of(&s->timeline, rec.slot, rec.generation);
        if (thread)
            read_record(shared, s, thread, &rec, true, now_ns);
        pl_segment_take(&s->reader, PL_SEG_QUIET, shared->record);
    }
}

/* A stack with code that no module is known for yet, likely of a library just loaded:
 * leave it in the ring until the program has looked, if it does so soon. */
static bool should_wait(const struct pl_drain_session *s, const struct pl_rec *rec,
                        int64_t now_ns)
{
    const struct pl_seg_thread *thread = &s->reader.seg->threads[rec->slot];
    uint64_t used = atomic_load_explicit(&thread->head, memory_order_relaxed) -
                    atomic_load_explicit(&thread->tail, memory_order_relaxed);
    return rec->kind == PL_REC_REGISTERS && rec->end == PL_WALK_NO_MODULE &&
           now_ns - rec->mono_ns < MODULE_WAIT_NS && used < PL_RING_BYTES / 2 &&
           atomic_load_explicit(&s->reader.seg->maps_read_ns, memory_order_acquire) <=
               rec->mono_ns;
}

static void read_ring(struct pl_drain_shared *shared, struct pl_drain_session *s,
                      uint32_t slot, int64_t now_ns, bool final)
{
    struct pl_drain_timeline_thread *thread = s->timeline.by_slot[slot];
    enum pl_segment_read got;
    while ((got = pl_segment_peek(&s->reader, slot, shared->record)) != PL_READ_NONE) {
        if (got == PL_READ_DAMAGED) {
            pl_drain_timeline_ring_damaged(&s->timeline, thread);
            return;
        }
        struct pl_rec rec;
        memcpy(&rec, shared->record, sizeof rec);
        if (!final && rec.slot == slot && should_wait(s, &rec, now_ns))
            return;
        if (rec.slot == slot && rec.generation == thread->generation)
            read_record(shared, s, thread, &rec, false, now_ns);
        else
            pl_drain_timeline_ring_damaged(&s->timeline, thread);
        pl_segment_take(&s->reader, slot, shared->record);
    }
}

/* A slot whose ring still holds what is left for the next round is not given away. */
static void release_slots(struct pl_drain_session *s)
{
    for (uint32_t i = 0; i < PL_SEG_MAX_THREADS / 64; i++) {
        uint64_t unread = 0;
        while (s->release[i]) {
            uint32_t slot = i * 64 + (uint32_t)__builtin_ctzll(s->release[i]);
            s->release[i] &= s->release[i] - 1;
            struct pl_drain_timeline_thread *thread = s->timeline.by_slot[slot];
            if (!thread || !thread->ended)
                continue;
            if (pl_segment_has_more(&s->reader, slot)) {
                unread |= UINT64_C(1) << slot % 64;
                continue;
            }
            pl_segment_slot_release(&s->reader, slot, thread->generation);
            pl_drain_timeline_slot_release(&s->timeline, slot);
        }
        s->release[i] = unread;
    }
}

/* After the rings: a record that is missing there has been counted by now. */
static void read_losses(struct pl_drain_session *s, uint32_t high)
{
    const struct pl_segment *seg = s->reader.seg;
    for (uint32_t slot = 0; slot < high && slot < PL_SEG_MAX_THREADS; slot++) {
        if (!s->timeline.by_slot[slot])
            continue;
        for (unsigned reason = 0; reason < PL_LOSS_COUNT; reason++)
            pl_drain_timeline_lost(
                &s->timeline, slot, reason,
                atomic_load_explicit(&seg->threads[slot].lost[reason],
                                     memory_order_relaxed));
    }
    for (unsigned reason = 0; reason < PL_LOSS_COUNT; reason++) {
        uint64_t now = atomic_load_explicit(&seg->lost[reason], memory_order_relaxed);
        if (now != s->host_now[reason])
            pl_journal_lost(s->timeline.journal, PL_JOURNAL_SEGMENT, reason, now);
        s->host_now[reason] = now;
    }
    s->slowed_now = atomic_load_explicit(&seg->slowed_ticks, memory_order_relaxed);
}

/* Events before records: a record may be older than its event, but one whose event
 * has been read and which the host has written is then seen. Modules between the
 * two, so that every address captured is in a module the drain knows. */
void pl_drain_session_read(struct pl_drain_shared *shared, struct pl_drain_session *s,
                           int64_t now_ns, bool final)
{
    if (!s->reader.seg || !pl_segment_refresh(&s->reader))
        return;
    read_events(s, now_ns);
    if (pl_drain_modules_refresh(&s->modules, s->reader.seg)) {
        pl_stacks_forget_addresses(&s->timeline.stacks);
        pl_journal_modules(s->timeline.journal, &s->modules);
        s->rows_wanted = true;
    }
    read_quiet_ring(shared, s, now_ns);
    uint32_t high =
        atomic_load_explicit(&s->reader.seg->thread_high, memory_order_acquire);
    for (uint32_t slot = 0; slot < high && slot < PL_SEG_MAX_THREADS; slot++)
        if (s->timeline.by_slot[slot])
            read_ring(shared, s, slot, now_ns, final);
    read_losses(s, high);
    release_slots(s);
}
