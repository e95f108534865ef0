/* Timeline: each thread's weight and CPU time over equal bins of time. */
#include "store/db.h"
#include "store/query_series.h"

#define BINS_MAX 4096

enum pl_status pl_timeline_plan(struct pl_store *store,
                                const struct pl_selection *selection, size_t bins,
                                struct pl_bins *time, struct pl_error *err)
{
    struct pl_selected range = {0};
    if (bins < 1 || bins > BINS_MAX)
        return pl_error_set(err, PL_USAGE, "a timeline has 1 to %d bins", BINS_MAX);
    enum pl_status status = pl_select_range(store, selection, &range, err);
    if (status != PL_OK)
        return status;
    *time = (struct pl_bins){.from_ns = range.from_ns,
                             .to_ns = range.to_ns,
                             .open_from = !selection->from_ns,
                             .open_to = !selection->to_ns};
    if (range.from_ns == range.to_ns)
        return PL_OK;
    if (selection->from_ns)
        time->from_ns = selection->from_ns;
    if (selection->to_ns)
        time->to_ns = selection->to_ns;
    uint64_t span = (uint64_t)time->to_ns - (uint64_t)time->from_ns;
    if (span > INT64_MAX)
        return pl_error_set(err, PL_USAGE, "a timeline of more than 292 years");
    time->bin_ns = (int64_t)(span / bins + (span % bins != 0));
    return PL_OK;
}

static enum pl_status fill(const struct pl_bins *time, size_t bins,
                           struct pl_series_list *list, struct pl_timeline *timeline,
                           struct pl_error *err)
{
    size_t count = list->threads.count;
    struct pl_timeline_series *series =
        pl_arena_array(list->arena, count, sizeof *series);
    if (!series)
        return pl_error_set(err, PL_NOMEM, "out of memory for a timeline");
    for (size_t i = 0; i < count; i++)
        series[i] = (struct pl_timeline_series){
            .thread_id = list->rows[i].thread_id,
            .name = list->rows[i].name,
            .wall_ns = list->rows[i].bin_wall_ns,
            .cpu_ns = list->rows[i].bin_cpu_ns,
        };
    *timeline = (struct pl_timeline){
        .from_ns = time->from_ns,
        .to_ns = time->to_ns,
        .bin_ns = time->bin_ns,
        .bins = bins,
        .series = series,
        .series_count = count,
        .owned = list->arena,
    };
    list->arena = NULL;
    return PL_OK;
}

enum pl_status pl_query_timeline(struct pl_store *store,
                                 const struct pl_selection *selection, size_t bins,
                                 struct pl_timeline *timeline_out, struct pl_error *err)
{
    struct pl_series_list list = {0};
    struct pl_bins time;
    enum pl_status status = pl_db_begin_read(store, err);
    if (status != PL_OK)
        return status;
    status = pl_timeline_plan(store, selection, bins, &time, err);
    if (status == PL_OK)
        status = pl_series_gather(store, selection, &time, bins, &list, err);
    pl_db_end_read(store);
    if (status == PL_OK)
        status = fill(&time, bins, &list, timeline_out, err);
    pl_series_deinit(&list);
    return status;
}

void pl_timeline_deinit(struct pl_timeline *timeline)
{
    pl_arena_free(timeline->owned);
    *timeline = (struct pl_timeline){0};
}
