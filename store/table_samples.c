/* Table functions below the tree: single samples, and weights by stack.
 *
 * Samples come a part at a time, as a store holds more of them than memory does. */
#include "store/query_weights.h"
#include "store/stack_set.h"
#include "store/table_rows.h"

#include <stdlib.h>

/* ---- pl_samples ---- */

struct sample {
    int64_t ts_ns, weight_ns, session_id;
    uint32_t thread_id, stack_id;
    int8_t on_cpu; /* -1 unknown */
};

struct samples {
    struct pl_stack_set only;
    struct pl_part_list parts;
    size_t next_part;
    int64_t part_start_ns;
    struct sample *list;
    size_t count, cap;
    bool reading; /* a transaction is open */
};

static struct sample *add_sample(struct samples *samples)
{
    if (samples->count == samples->cap) {
        size_t cap = samples->cap ? samples->cap * 2 : 4096;
        struct sample *grown = realloc(samples->list, cap * sizeof *grown);
        if (!grown)
            return NULL;
        samples->list = grown;
        samples->cap = cap;
    }
    return &samples->list[samples->count++];
}

static enum pl_status take_slot(void *self, const struct pl_slot *slot,
                                struct pl_error *err)
{
    struct samples *samples = self;
    uint32_t tick = 0;
    for (size_t i = 0; i < slot->run_count; i++) {
        const struct pl_slot_run *run = &slot->runs[i];
        bool wanted = run->stack && pl_stack_set_has(&samples->only, run->stack);
        for (uint32_t end = tick + run->count; tick < end; tick++) {
            if (!wanted || (slot->bins && slot->bins->bin[tick] == PL_BIN_NONE))
                continue;
            struct sample *sample = add_sample(samples);
            if (!sample)
                return pl_error_set(err, PL_NOMEM, "out of memory for samples");
            *sample = (struct sample){
                .ts_ns = pl_ticks_at(slot->ticks, tick),
                .weight_ns = slot->weights_ns ? slot->weights_ns[i] : slot->period_ns,
                .session_id = slot->session_id,
                .thread_id = slot->thread_id,
                .stack_id = run->stack,
                .on_cpu = (int8_t)(slot->cpu_known ? !run->off_cpu : -1),
            };
        }
    }
    return PL_OK;
}

enum pl_status pl_table_samples_more(struct pl_table_answer *answer,
                                     struct pl_error *err)
{
    struct samples *samples = answer->more;
    const struct pl_slot_visitor visitor = {
        .self = samples, .slot = take_slot, .wants_ticks = true};
    enum pl_status status = PL_OK;
    samples->count = 0;
    while (status == PL_OK && !samples->count &&
           samples->next_part < samples->parts.count) {
        const struct pl_part_ref *part = &samples->parts.list[samples->next_part++];
        samples->part_start_ns = part->start_ns;
        status =
            pl_select_part(answer->store, &answer->selection, part->id, &visitor, err);
    }
    answer->count = samples->count;
    return status;
}

enum pl_status pl_table_samples_ask(struct pl_table_answer *answer,
                                    struct pl_error *err)
{
    struct samples *samples = calloc(1, sizeof *samples);
    if (!samples)
        return pl_error_set(err, PL_NOMEM, "out of memory for samples");
    answer->more = samples;
    enum pl_status status = pl_db_begin_read(answer->store, err);
    samples->reading = status == PL_OK;
    if (status == PL_OK)
        status =
            pl_stack_set_init(&samples->only, answer->store, &answer->selection, err);
    if (status == PL_OK)
        status = pl_select_part_list(answer->store, &answer->selection, &samples->parts,
                                     err);
    return status == PL_OK ? pl_table_samples_more(answer, err) : status;
}

void pl_table_samples_show(const struct pl_table_answer *answer, size_t row, int column,
                           sqlite3_context *out)
{
    const struct samples *samples = answer->more;
    const struct sample *sample = &samples->list[row];
    const int64_t numbers[] = {
        sample->ts_ns,    samples->part_start_ns, sample->session_id, sample->thread_id,
        sample->stack_id, sample->weight_ns,      sample->on_cpu};
    if (column < 6 || sample->on_cpu >= 0)
        sqlite3_result_int64(out, numbers[column]);
}

void pl_table_samples_end(struct pl_table_answer *answer)
{
    struct samples *samples = answer->more;
    if (!samples)
        return;
    if (samples->reading)
        pl_db_end_read(answer->store);
    pl_stack_set_deinit(&samples->only);
    free(samples->parts.list);
    free(samples->list);
    free(samples);
    answer->more = NULL;
}

/* ---- pl_weights ---- */

struct weight {
    uint32_t stack;
    struct pl_amount amount;
};

static int compare_weights(const void *left, const void *right)
{
    const struct weight *a = left, *b = right;
    return (a->stack > b->stack) - (a->stack < b->stack);
}

/* Stacks with weight, by id. */
static enum pl_status take_weights(struct pl_table_answer *answer,
                                   const struct pl_stack_weights *stacks,
                                   const unsigned char *flags, struct pl_error *err)
{
    struct weight *list = calloc((size_t)stacks->stacks.count + 1, sizeof *list);
    if (!list)
        return pl_error_set(err, PL_NOMEM, "out of memory for stacks");
    for (uint32_t i = 0; i < stacks->stacks.count; i++)
        if (i < stacks->cap && stacks->list[i].samples && (!flags || flags[i]))
            list[answer->count++] =
                (struct weight){stacks->stacks.ids[i], stacks->list[i]};
    if (answer->count)
        qsort(list, answer->count, sizeof *list, compare_weights);
    answer->more = list;
    return PL_OK;
}

enum pl_status pl_table_weights_ask(struct pl_table_answer *answer,
                                    struct pl_error *err)
{
    struct pl_stack_weights stacks = {0};
    struct pl_selected selected = {0};
    unsigned char *flags = NULL;
    enum pl_status status = pl_db_begin_read(answer->store, err);
    if (status != PL_OK)
        return status;
    status = pl_stack_weights_init(&stacks, 1, answer->store, err);
    if (status == PL_OK)
        status = pl_query_weights(answer->store, &answer->selection,
                                  answer->args.metric, &stacks, 0, &selected, err);
    uint32_t weighted = stacks.stacks.count;
    if (status == PL_OK && answer->selection.function && weighted)
        status = pl_dictionary_find(answer->store, &stacks, answer->selection.function,
                                    &flags, err);
    pl_db_end_read(answer->store);
    stacks.stacks.count = weighted; /* not what their parents added */
    if (status == PL_OK)
        status = take_weights(answer, &stacks, flags, err);
    pl_stack_weights_deinit(&stacks);
    free(flags);
    return status;
}

void pl_table_weights_show(const struct pl_table_answer *answer, size_t row, int column,
                           sqlite3_context *out)
{
    const struct weight *weight = &((const struct weight *)answer->more)[row];
    const int64_t numbers[] = {weight->stack, weight->amount.ns,
                               weight->amount.samples};
    sqlite3_result_int64(out, numbers[column]);
}

void pl_table_weights_end(struct pl_table_answer *answer)
{
    free(answer->more);
    answer->more = NULL;
}
