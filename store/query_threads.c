/* Listing: threads with samples in the selection. */
#include "store/db.h"
#include "store/query_series.h"

enum pl_status pl_query_threads(struct pl_store *store,
                                const struct pl_selection *selection,
                                struct pl_thread_list *list_out, struct pl_error *err)
{
    struct pl_series_list series = {0};
    enum pl_status status = pl_db_begin_read(store, err);
    if (status != PL_OK)
        return status;
    status = pl_series_gather(store, selection, NULL, 0, &series, err);
    pl_db_end_read(store);
    if (status != PL_OK)
        return status;
    size_t count = series.threads.count;
    struct pl_thread_row *rows = pl_arena_array(series.arena, count, sizeof *rows);
    if (rows) {
        for (size_t i = 0; i < count; i++)
            rows[i] = (struct pl_thread_row){
                .id = series.rows[i].thread_id,
                .session_id = series.rows[i].session_id,
                .tid = series.rows[i].tid,
                .name = series.rows[i].name,
                .samples = series.rows[i].samples,
                .weight_ns = series.rows[i].wall_ns,
                .cpu_ns = series.rows[i].cpu_ns,
            };
        *list_out = (struct pl_thread_list){rows, count, series.arena};
        series.arena = NULL;
    } else {
        status = pl_error_set(err, PL_NOMEM, "out of memory for threads");
    }
    pl_series_deinit(&series);
    return status;
}

void pl_thread_list_deinit(struct pl_thread_list *list)
{
    pl_arena_free(list->owned);
    *list = (struct pl_thread_list){0};
}
