/* Sums per thread: see query_series.h.
 *
 * Without bins hours and days that are summed up answer; with bins slots do, by the
 * sums beside them where a part lies in one bin, else decoded. A function in the
 * selection takes two passes: the first finds the stacks, of which those with the
 * function keep their weight, and the second counts samples of these. */
#include "store/query_series.h"

#include "store/db.h"
#include "store/query_rollup.h"
#include "store/stack_set.h"

#include <stdlib.h>
#include <string.h>

struct count {
    struct pl_series_list *list;
    struct pl_pieces pieces;
    struct pl_stack_set only; /* stacks that count */
};

static enum pl_status out_of_memory(struct pl_error *err)
{
    return pl_error_set(err, PL_NOMEM, "out of memory for threads");
}

/* NULL: out of memory. */
static struct pl_series *series_of(struct pl_series_list *list, uint32_t thread_id)
{
    uint32_t place = pl_idmap_add(&list->threads, thread_id);
    if (place == PL_IDMAP_NONE)
        return NULL;
    if (place >= list->cap) {
        size_t cap = list->cap ? list->cap * 2 : 64;
        struct pl_series *grown = realloc(list->rows, cap * sizeof *grown);
        if (!grown)
            return NULL;
        memset(grown + list->cap, 0, (cap - list->cap) * sizeof *grown);
        list->rows = grown;
        list->cap = cap;
    }
    struct pl_series *series = &list->rows[place];
    if (series->thread_id)
        return series;
    if (list->bins) {
        series->bin_wall_ns = pl_arena_array(list->arena, list->bins, sizeof(int64_t));
        series->bin_cpu_ns = pl_arena_array(list->arena, list->bins, sizeof(int64_t));
        if (!series->bin_wall_ns || !series->bin_cpu_ns)
            return NULL;
    }
    series->thread_id = thread_id;
    return series;
}

static enum pl_status count_slot(void *self, const struct pl_slot *slot,
                                 struct pl_error *err)
{
    struct count *count = self;
    if (!pl_slot_pieces(slot, &count->pieces))
        return out_of_memory(err);
    struct pl_series *series = NULL;
    for (size_t i = 0; i < count->pieces.count; i++) {
        const struct pl_piece *piece = &count->pieces.list[i];
        if (!pl_stack_set_has(&count->only, piece->stack))
            continue;
        if (!series)
            series = series_of(count->list, slot->thread_id);
        if (!series)
            return out_of_memory(err);
        series->samples += piece->samples;
        series->wall_ns += piece->wall_ns;
        series->cpu_ns += piece->cpu_ns;
        if (count->list->bins) {
            series->bin_wall_ns[piece->bin] += piece->wall_ns;
            series->bin_cpu_ns[piece->bin] += piece->cpu_ns;
        }
    }
    return PL_OK;
}

static enum pl_status count_sum(void *self, const struct pl_slot_sum *sum,
                                struct pl_error *err)
{
    struct count *count = self;
    struct pl_series *series = series_of(count->list, sum->thread_id);
    if (!series)
        return out_of_memory(err);
    series->samples += sum->samples;
    series->wall_ns += sum->wall_ns;
    series->cpu_ns += sum->cpu_ns;
    if (count->list->bins) {
        series->bin_wall_ns[sum->bin] += sum->wall_ns;
        series->bin_cpu_ns[sum->bin] += sum->cpu_ns;
    }
    return PL_OK;
}

static bool count_total(void *self, int64_t thread_id, const struct pl_stack_sum *sum)
{
    struct count *count = self;
    struct pl_series *series = series_of(count->list, (uint32_t)thread_id);
    if (!series)
        return false;
    series->samples += sum->samples;
    series->wall_ns += sum->wall_ns;
    series->cpu_ns += sum->cpu_ns;
    return true;
}

static bool count_rolled(void *self, int64_t thread_id, uint32_t stack,
                         const struct pl_stack_sum *sum)
{
    const struct count *count = self;
    return !pl_stack_set_has(&count->only, stack) || count_total(self, thread_id, sum);
}

/* ---- names and order ---- */

static enum pl_status read_thread(struct pl_store *store, struct pl_arena *arena,
                                  struct pl_series *series, struct pl_error *err)
{
    struct pl_stmt *stmt;
    bool row;
    series->name = "";
    enum pl_status status = pl_stmt_find(store, PL_SQL_QUERY_THREAD, ":id",
                                         series->thread_id, &stmt, &row, err);
    if (status != PL_OK || !row)
        return status;
    series->session_id = pl_stmt_column_int(stmt, 0);
    series->tid = pl_stmt_column_int(stmt, 1);
    series->name = pl_arena_text(arena, pl_stmt_column_text(stmt, 2));
    pl_stmt_reset(stmt);
    return series->name ? PL_OK : out_of_memory(err);
}

static int compare_series(const void *left, const void *right)
{
    const struct pl_series *a = left, *b = right;
    if (a->cpu_ns != b->cpu_ns)
        return a->cpu_ns > b->cpu_ns ? -1 : 1;
    return (a->thread_id > b->thread_id) - (a->thread_id < b->thread_id);
}

static enum pl_status gather(struct pl_store *store,
                             const struct pl_selection *selection,
                             const struct pl_bins *time, struct pl_series_list *list,
                             struct pl_error *err)
{
    struct count count = {.list = list};
    const struct pl_slot_visitor slots = {
        .self = &count,
        .slot = count_slot,
        .sum = selection->function ? NULL : count_sum,
    };
    const struct pl_rolled_visitor rolled = {
        .self = &count,
        .sum = count_rolled,
        .total = selection->function ? NULL : count_total,
        .slot = slots.slot,
        .slot_sum = slots.sum,
    };
    struct pl_selected selected;
    enum pl_status status = pl_stack_set_init(&count.only, store, selection, err);
    if (status == PL_OK)
        status = time ? pl_select_slots(store, selection, time, &slots, &selected, err)
                      : pl_select_rolled(store, selection, &rolled, &selected, err);
    for (uint32_t i = 0; i < list->threads.count && status == PL_OK; i++)
        status = read_thread(store, list->arena, &list->rows[i], err);
    free(count.pieces.list);
    pl_stack_set_deinit(&count.only);
    return status;
}

enum pl_status pl_series_gather(struct pl_store *store,
                                const struct pl_selection *selection,
                                const struct pl_bins *time, size_t bins,
                                struct pl_series_list *list_out, struct pl_error *err)
{
    struct pl_series_list list = {.arena = pl_arena_new(), .bins = bins};
    enum pl_status status = PL_OK;
    if (!list.arena || !pl_idmap_init(&list.threads, 0, 0))
        status = out_of_memory(err);
    if (status == PL_OK)
        status = gather(store, selection, time, &list, err);
    if (status != PL_OK) {
        pl_series_deinit(&list);
        return status;
    }
    if (list.threads.count)
        qsort(list.rows, list.threads.count, sizeof *list.rows, compare_series);
    *list_out = list;
    return PL_OK;
}

void pl_series_deinit(struct pl_series_list *list)
{
    pl_arena_free(list->arena);
    pl_idmap_deinit(&list->threads);
    free(list->rows);
    *list = (struct pl_series_list){0};
}
