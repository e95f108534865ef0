#include "store/slots.h"

#include "base/clock.h"

#include <stdlib.h>
#include <string.h>

enum {
    AHEAD = 8, /* stacks whose memory is asked for before it is their turn */
    MAX_PART_S = 90,
    MAX_STACK_FRAMES = 16384,
    MAX_TICKS = 16000000, /* of a part, or one thread's samples */
};
static const int64_t hour_ns = 3600 * PL_NS_PER_S;

/* ---- checking ---- */

static enum pl_status refuse(const char *why, struct pl_error *err)
{
    return pl_error_set(err, PL_INPUT, "a part of a chunk was refused: %s", why);
}

static bool times_are_sane(const struct pl_sink_part *part, const int64_t *times_ns,
                           size_t count, bool may_miss)
{
    int64_t last = part->start_ns - PL_NS_PER_S;
    for (size_t i = 0; i < count; i++) {
        if (times_ns[i] == INT64_MIN && may_miss)
            continue;
        if (times_ns[i] < last || times_ns[i] > part->end_ns + PL_NS_PER_S)
            return false;
        last = times_ns[i];
    }
    return true;
}

/* Without a jump: this is done for every frame of every stack. The upper half of the
 * difference is 0 unless the frame is the limit or beyond. */
static bool frames_exist(const uint32_t *frames, uint32_t count, size_t limit)
{
    uint64_t beyond = 0;
    for (uint32_t f = 0; f < count; f++)
        beyond |= (uint64_t)limit - 1 - frames[f];
    return beyond >> 32 == 0;
}

/* The stack is looked at soon: have its memory come. */
static void expect(const struct pl_sink_stack *stack)
{
    enum { LINE = 16 }; /* frames of a line of the processor's cache */
    for (uint32_t f = 0; f < stack->frame_count && f <= LINE; f += LINE)
        __builtin_prefetch(&stack->frames[f]);
}

static enum pl_status check_frames(const struct pl_sink_part *part,
                                   struct pl_error *err)
{
    for (size_t i = 0; i < part->frame_count; i++)
        if (part->frames[i].module != PL_NO_INDEX &&
            part->frames[i].module >= part->module_count)
            return refuse("a frame of an unknown module", err);
    for (size_t i = 0; i < part->stack_count; i++) {
        const struct pl_sink_stack *stack = &part->stacks[i];
        if (i + AHEAD < part->stack_count)
            expect(&part->stacks[i + AHEAD]);
        if (stack->frame_count > MAX_STACK_FRAMES)
            return refuse("a stack of over 16384 frames", err);
        if (!frames_exist(stack->frames, stack->frame_count, part->frame_count))
            return refuse("a stack of an unknown frame", err);
    }
    return PL_OK;
}

/* Ticks the thread's runs cover; MAX_TICKS+1: too many. */
static size_t covered(const struct pl_sink_thread *thread)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < thread->run_count && sum <= MAX_TICKS; i++)
        sum += thread->runs[i].count;
    return sum > MAX_TICKS ? MAX_TICKS + 1 : (size_t)sum;
}

static enum pl_status check_thread(const struct pl_sink_part *part,
                                   const struct pl_sink_thread *thread,
                                   struct pl_error *err)
{
    size_t ticks = covered(thread);
    int64_t weight = 0, product;
    if (ticks > (thread->times_ns ? MAX_TICKS : part->tick_count))
        return refuse("a thread has more samples than ticks", err);
    if (thread->times_ns && !times_are_sane(part, thread->times_ns, ticks, false))
        return refuse("a thread's times go backwards or leave the part", err);
    for (size_t i = 0; i < thread->run_count; i++) {
        const struct pl_sink_run *run = &thread->runs[i];
        if (run->stack != PL_NO_INDEX && run->stack >= part->stack_count)
            return refuse("a run of an unknown stack", err);
        int64_t each = run->weight_ns ? run->weight_ns : part->period_ns;
        if (__builtin_mul_overflow(each, (int64_t)run->count, &product) ||
            __builtin_add_overflow(weight, product < 0 ? -product : product, &weight))
            return refuse("weights beyond 64 bits", err);
    }
    return PL_OK;
}

static enum pl_status check_notes(const struct pl_sink_part *part, struct pl_error *err)
{
    for (size_t i = 0; i < part->loss_count; i++)
        if ((part->losses[i].thread != PL_NO_INDEX &&
             part->losses[i].thread >= part->thread_count) ||
            part->losses[i].count > INT64_MAX / 2)
            return refuse("a loss of an unknown thread", err);
    for (size_t i = 0; i < part->label_count; i++)
        if (part->labels[i].thread >= part->thread_count || !part->labels[i].key ||
            !part->labels[i].value)
            return refuse("a label of an unknown thread", err);
    return PL_OK;
}

enum pl_status pl_part_check(const struct pl_sink_part *part, struct pl_error *err)
{
    int64_t length;
    if (part->start_ns < 0 || part->period_ns <= 0 ||
        part->period_ns > MAX_PART_S * PL_NS_PER_S ||
        __builtin_sub_overflow(part->end_ns, part->start_ns, &length) || length < 0 ||
        length > MAX_PART_S * PL_NS_PER_S || part->end_ns > INT64_MAX / 4)
        return refuse("its times make no sense", err);
    int64_t last = part->end_ns - part->period_ns;
    if (last > part->start_ns && last / hour_ns != part->start_ns / hour_ns)
        return refuse("it crosses an hour", err);
    if (part->tick_count > MAX_TICKS ||
        !times_are_sane(part, part->ticks_ns, part->tick_count, true))
        return refuse("its ticks go backwards or leave it", err);
    enum pl_status status = check_frames(part, err);
    for (size_t i = 0; i < part->thread_count && status == PL_OK; i++)
        status = check_thread(part, &part->threads[i], err);
    return status == PL_OK ? check_notes(part, err) : status;
}

/* ---- encoding ---- */

/* A run as it will be stored: neighbours of one stack and weight made one. */
struct merged {
    const struct pl_sink_run *run;
    uint64_t count;
};

static bool same(const struct pl_sink_run *a, const struct pl_sink_run *b)
{
    if (a->stack != b->stack)
        return false;
    return a->stack == PL_NO_INDEX ||
           (a->on_cpu == b->on_cpu && a->weight_ns == b->weight_ns);
}

/* The next merged run from *at on; false at the end, where gaps are left out. */
static bool next_merged(const struct pl_sink_thread *thread, size_t *at,
                        struct merged *out)
{
    *out = (struct merged){0};
    for (; *at < thread->run_count; (*at)++) {
        const struct pl_sink_run *run = &thread->runs[*at];
        if (!run->count)
            continue;
        if (out->count && !same(out->run, run))
            break;
        out->run = run;
        out->count += run->count;
    }
    return out->count && (out->run->stack != PL_NO_INDEX || *at < thread->run_count);
}

static int64_t weight_of(const struct pl_sink_part *part, const struct pl_sink_run *run)
{
    if (run->stack == PL_NO_INDEX)
        return 0;
    return run->weight_ns ? run->weight_ns : part->period_ns;
}

/* False: a stack has no id yet. Sums are set, and *weighted_out. */
static bool survey(struct pl_slot *slot, const struct pl_sink_part *part,
                   const struct pl_sink_thread *thread, const uint32_t *stack_ids,
                   bool *weighted_out)
{
    slot->cpu_known = true;
    slot->n = slot->n_on = slot->weight = 0;
    *weighted_out = false;
    for (size_t i = 0; i < thread->run_count; i++) {
        const struct pl_sink_run *run = &thread->runs[i];
        if (run->stack == PL_NO_INDEX || !run->count)
            continue;
        if (!stack_ids[run->stack])
            return false;
        slot->n += run->count;
        slot->n_on += run->on_cpu > 0 ? run->count : 0;
        slot->weight += weight_of(part, run) * run->count;
        slot->cpu_known = slot->cpu_known && run->on_cpu >= 0;
        *weighted_out = *weighted_out || weight_of(part, run) != part->period_ns;
    }
    slot->cpu_known = slot->cpu_known && slot->n;
    if (!slot->cpu_known)
        slot->n_on = 0;
    return true;
}

static enum pl_status no_memory(struct pl_error *err)
{
    return pl_error_set(err, PL_NOMEM, "out of memory");
}

static enum pl_status encode_weights(struct pl_slot *slot,
                                     const struct pl_sink_part *part,
                                     const struct pl_sink_thread *thread,
                                     struct pl_error *err)
{
    struct pl_weight_plan plan;
    struct merged merged;
    size_t count = 0, at = 0;
    int64_t *weights = malloc(slot->run_count * sizeof *weights);
    if (!weights)
        return no_memory(err);
    while (next_merged(thread, &at, &merged))
        weights[count++] = weight_of(part, merged.run);
    pl_weights_plan(weights, count, part->period_ns, &plan);
    slot->weights_len = count * plan.width;
    slot->weight_unit = plan.unit;
    slot->weights = malloc(slot->weights_len);
    if (slot->weights)
        pl_weights_encode(&plan, weights, count, slot->weights);
    free(weights);
    return slot->weights ? PL_OK : no_memory(err);
}

/* A time as it is stored: within the part, and rounded up still within its hour. */
static int64_t in_part(const struct pl_slots *slots, int64_t time_ns)
{
    int64_t last_ns = (slots->start_ns / hour_ns + 1) * hour_ns - PL_NS_PER_US;
    if (time_ns < slots->start_ns)
        return slots->start_ns;
    return time_ns < last_ns ? time_ns : last_ns;
}

/* A thread's own times, counted like all of the part's from one origin. */
static enum pl_status encode_times(struct pl_slots *slots, struct pl_slot *slot,
                                   const struct pl_sink_thread *thread,
                                   struct pl_error *err)
{
    size_t count = covered(thread);
    struct pl_tick_plan plan = slots->plan;
    plan.width = 4;
    int64_t *times = malloc((count + 1) * sizeof *times);
    slot->ticks_len = count * 4;
    slot->ticks = malloc(slot->ticks_len + 1);
    if (!times || !slot->ticks) {
        free(times);
        return no_memory(err);
    }
    for (size_t i = 0; i < count; i++)
        times[i] = in_part(slots, thread->times_ns[i]);
    pl_ticks_encode(&plan, times, count, slot->ticks);
    free(times);
    return PL_OK;
}

static enum pl_status encode_slot(struct pl_slots *slots, struct pl_slot *slot,
                                  const struct pl_sink_part *part,
                                  const struct pl_sink_thread *thread,
                                  const uint32_t *stack_ids, struct pl_error *err)
{
    struct merged merged;
    size_t at = 0;
    bool weighted;
    if (!survey(slot, part, thread, stack_ids, &weighted))
        return PL_OK;
    while (next_merged(thread, &at, &merged)) {
        struct pl_run run = {.count = (uint32_t)merged.count};
        if (merged.run->stack != PL_NO_INDEX) {
            run.stack = stack_ids[merged.run->stack];
            run.off_cpu = slot->cpu_known && merged.run->on_cpu == 0;
        }
        pl_nibbles_run(&slot->runs, run);
        slot->run_count++;
    }
    slot->runs_len = pl_nibbles_finish(&slot->runs);
    if (slot->runs.failed)
        return no_memory(err);
    enum pl_status status = PL_OK;
    if (weighted)
        status = encode_weights(slot, part, thread, err);
    if (status == PL_OK && thread->times_ns)
        status = encode_times(slots, slot, thread, err);
    slot->ready = status == PL_OK;
    slots->bytes += (int64_t)(slot->runs_len + slot->weights_len + slot->ticks_len);
    return status;
}

enum pl_status pl_slots_encode(struct pl_slots *slots, const struct pl_sink_part *part,
                               const uint32_t *stack_ids, struct pl_error *err)
{
    enum pl_status status = PL_OK;
    for (size_t i = 0; i < slots->count && status == PL_OK; i++)
        if (!slots->rows[i].ready)
            status = encode_slot(slots, &slots->rows[i], part, &part->threads[i],
                                 stack_ids, err);
    return status;
}

static int64_t last_time(const int64_t *times_ns, size_t count)
{
    while (count && times_ns[count - 1] == INT64_MIN)
        count--;
    return count ? times_ns[count - 1] : INT64_MIN;
}

/* Where samples may lie, rounding up to a microsecond included. What was due before
 * the end of the hour and came late is stored at its end. */
static void find_bounds(struct pl_slots *slots, const struct pl_sink_part *part)
{
    int64_t last_ns = last_time(part->ticks_ns, part->tick_count);
    for (size_t i = 0; i < part->thread_count; i++) {
        const struct pl_sink_thread *thread = &part->threads[i];
        int64_t own_ns =
            thread->times_ns ? last_time(thread->times_ns, covered(thread)) : INT64_MIN;
        last_ns = own_ns > last_ns ? own_ns : last_ns;
    }
    slots->start_ns = part->start_ns;
    slots->end_ns = part->end_ns;
    if (last_ns > part->end_ns - PL_NS_PER_US)
        slots->end_ns = last_ns + PL_NS_PER_US;
    int64_t limit_ns = (part->start_ns / hour_ns + 1) * hour_ns;
    slots->end_ns = slots->end_ns < limit_ns ? slots->end_ns : limit_ns;
}

static bool has_own_times(const struct pl_sink_part *part)
{
    for (size_t i = 0; i < part->thread_count; i++)
        if (part->threads[i].times_ns)
            return true;
    return false;
}

/* Slots with times of their own count from the same origin, so it must not lie
 * after any of them. */
static enum pl_status plan_ticks(struct pl_slots *slots,
                                 const struct pl_sink_part *part,
                                 const int64_t *times_ns, struct pl_error *err)
{
    enum pl_status status =
        pl_ticks_plan(times_ns, part->tick_count, part->period_ns, &slots->plan, err);
    if (status == PL_OK &&
        (has_own_times(part) || last_time(times_ns, part->tick_count) == INT64_MIN)) {
        slots->plan.width = 4;
        slots->plan.origin_ns = part->start_ns;
    }
    return status;
}

static enum pl_status encode_ticks(struct pl_slots *slots,
                                   const struct pl_sink_part *part,
                                   struct pl_error *err)
{
    slots->ticks = malloc(part->tick_count * 4 + 1);
    int64_t *times = malloc((part->tick_count + 1) * sizeof *times);
    enum pl_status status = PL_OK;
    if (!slots->ticks || !times)
        status = no_memory(err);
    for (size_t i = 0; i < part->tick_count && status == PL_OK; i++) {
        times[i] = part->ticks_ns[i];
        if (times[i] != INT64_MIN)
            times[i] = in_part(slots, times[i]);
    }
    if (status == PL_OK)
        status = plan_ticks(slots, part, times, err);
    if (status == PL_OK) {
        pl_ticks_encode(&slots->plan, times, part->tick_count, slots->ticks);
        slots->ticks_len = part->tick_count * slots->plan.width;
        slots->bytes = (int64_t)slots->ticks_len;
    }
    free(times);
    return status;
}

enum pl_status pl_slots_init(struct pl_slots *slots, const struct pl_sink_part *part,
                             struct pl_error *err)
{
    *slots = (struct pl_slots){.count = part->thread_count};
    slots->rows = calloc(part->thread_count + 1, sizeof *slots->rows);
    enum pl_status status = slots->rows ? PL_OK : no_memory(err);
    find_bounds(slots, part);
    if (status == PL_OK)
        status = encode_ticks(slots, part, err);
    if (status != PL_OK)
        pl_slots_deinit(slots);
    return status;
}

void pl_slots_deinit(struct pl_slots *slots)
{
    for (size_t i = 0; slots->rows && i < slots->count; i++) {
        pl_nibbles_deinit(&slots->rows[i].runs);
        free(slots->rows[i].ticks);
        free(slots->rows[i].weights);
    }
    free(slots->rows);
    free(slots->ticks);
    *slots = (struct pl_slots){0};
}
