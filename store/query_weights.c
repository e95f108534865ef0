/* Rollups and slots -> weight per stack: see query_weights.h. */
#include "store/query_weights.h"

#include "store/db.h"
#include "store/query_rollup.h"

#include <stdlib.h>

struct gather {
    enum pl_metric metric;
    struct pl_stack_weights *weights;
    uint32_t column;
    const struct pl_thread_columns *columns; /* NULL: all in `column` */
    struct pl_pieces pieces;
};

static double square(uint32_t samples)
{
    return (double)samples * (double)samples;
}

static bool gather_pieces(struct gather *gather, const struct pl_slot *slot)
{
    if (!pl_slot_pieces(slot, &gather->pieces))
        return false;
    for (size_t i = 0; i < gather->pieces.count; i++) {
        const struct pl_piece *piece = &gather->pieces.list[i];
        bool cpu = gather->metric == PL_METRIC_CPU;
        if (cpu && !piece->on_cpu)
            continue;
        struct pl_amount *amount =
            pl_stack_weight(gather->weights, piece->stack, gather->column);
        if (!amount)
            return false;
        amount->ns += cpu ? piece->cpu_ns : piece->wall_ns;
        amount->samples += piece->samples;
        amount->squares += square(piece->samples);
    }
    return true;
}

/* All of a slot whose samples weigh the same: most of most files. */
static bool gather_whole(struct gather *gather, const struct pl_slot *slot)
{
    for (size_t i = 0; i < slot->run_count; i++) {
        struct pl_slot_run run = slot->runs[i];
        if (!run.stack)
            continue;
        struct pl_amount *amount =
            pl_stack_weight(gather->weights, run.stack, gather->column);
        if (!amount)
            return false;
        amount->ns += slot->period_ns * run.count;
        amount->samples += run.count;
        amount->squares += square(run.count);
    }
    return true;
}

static void find_column(struct gather *gather, int64_t thread_id)
{
    const struct pl_thread_columns *columns = gather->columns;
    if (!columns)
        return;
    uint32_t place = pl_idmap_find(&columns->threads, (uint32_t)thread_id);
    gather->column = place == PL_IDMAP_NONE ? columns->count - 1 : columns->of[place];
}

static enum pl_status gather_slot(void *self, const struct pl_slot *slot,
                                  struct pl_error *err)
{
    struct gather *gather = self;
    bool whole = gather->metric == PL_METRIC_WALL && !slot->bins && !slot->weights_ns;
    find_column(gather, slot->thread_id);
    if (whole ? gather_whole(gather, slot) : gather_pieces(gather, slot))
        return PL_OK;
    return pl_error_set(err, PL_NOMEM, "out of memory for stacks");
}

static bool gather_sum(void *self, int64_t thread_id, uint32_t stack,
                       const struct pl_stack_sum *sum)
{
    struct gather *gather = self;
    bool cpu = gather->metric == PL_METRIC_CPU;
    if (cpu && !sum->cpu_samples)
        return true;
    find_column(gather, thread_id);
    struct pl_amount *amount = pl_stack_weight(gather->weights, stack, gather->column);
    if (!amount)
        return false;
    int64_t samples = cpu ? sum->cpu_samples : sum->samples;
    amount->ns += cpu ? sum->cpu_ns : sum->wall_ns;
    amount->samples += samples;
    double squares = (double)sum->squares;
    if (samples != sum->samples) /* of CPU only the samples are told apart, not runs */
        squares *= (double)samples / (double)sum->samples;
    amount->squares += squares;
    return true;
}

static enum pl_status run(struct pl_store *store, const struct pl_selection *selection,
                          struct gather *gather, struct pl_selected *selected_out,
                          struct pl_error *err)
{
    const struct pl_rolled_visitor visitor = {
        .self = gather, .sum = gather_sum, .slot = gather_slot};
    enum pl_status status =
        pl_select_rolled(store, selection, &visitor, selected_out, err);
    free(gather->pieces.list);
    return status;
}

enum pl_status pl_query_weights(struct pl_store *store,
                                const struct pl_selection *selection,
                                enum pl_metric metric, struct pl_stack_weights *weights,
                                uint32_t column, struct pl_selected *selected_out,
                                struct pl_error *err)
{
    struct gather gather = {.metric = metric, .weights = weights, .column = column};
    return run(store, selection, &gather, selected_out, err);
}

enum pl_status
pl_query_thread_weights(struct pl_store *store, const struct pl_selection *selection,
                        enum pl_metric metric, struct pl_stack_weights *weights,
                        const struct pl_thread_columns *columns,
                        struct pl_selected *selected_out, struct pl_error *err)
{
    struct gather gather = {.metric = metric, .weights = weights, .columns = columns};
    return run(store, selection, &gather, selected_out, err);
}
