/* How the outbox stands, for people and for metrics. */
#include "base/clock.h"
#include "store/arena.h"
#include "store/db.h"
#include "store/outbox.h"

#define TARGETS_MOST 64
#define LINES_MOST   128

static enum pl_status out_of_memory(struct pl_error *err)
{
    return pl_error_set(err, PL_NOMEM, "out of memory");
}

static enum pl_status list_targets(struct pl_store *store,
                                   struct pl_outbox_state_list *list,
                                   struct pl_error *err)
{
    struct pl_stmt *stmt;
    bool row = true;
    enum pl_status status = pl_stmt_get(store, PL_SQL_OUTBOX_TARGETS, &stmt, err);
    if (status != PL_OK)
        return status;
    while (list->count < TARGETS_MOST &&
           (status = pl_stmt_row(stmt, &row, err)) == PL_OK && row) {
        struct pl_outbox_state *to = &list->rows[list->count++];
        *to = (struct pl_outbox_state){
            .id = pl_stmt_column_int(stmt, 0),
            .name = pl_arena_text(list->owned, pl_stmt_column_text(stmt, 1)),
            .failures = pl_stmt_column_int(stmt, 2),
            .next_try_ns = pl_stmt_column_int(stmt, 3),
            .paused = pl_stmt_column_int(stmt, 4),
            .trouble = pl_arena_text(list->owned, pl_stmt_column_text(stmt, 5)),
            .waiting = pl_stmt_column_int(stmt, 6),
            .waiting_bytes = pl_stmt_column_int(stmt, 7),
            .oldest_ns = pl_stmt_column_int(stmt, 8),
        };
        if (!to->name || !to->trouble)
            status = out_of_memory(err);
        if (status != PL_OK)
            break;
    }
    pl_stmt_reset(stmt);
    return status;
}

static enum pl_status list_counts(struct pl_store *store,
                                  struct pl_outbox_state_list *list,
                                  struct pl_outbox_state *to, struct pl_error *err)
{
    struct pl_stmt *stmt;
    bool row = true;
    to->counts = pl_arena_array(list->owned, LINES_MOST, sizeof *to->counts);
    if (!to->counts)
        return out_of_memory(err);
    enum pl_status status = pl_stmt_get(store, PL_SQL_OUTBOX_COUNTS, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_int(stmt, ":target", to->id);
    while (to->count_count < LINES_MOST &&
           (status = pl_stmt_row(stmt, &row, err)) == PL_OK && row) {
        struct pl_outbox_count *count = &to->counts[to->count_count++];
        count->name = pl_arena_text(list->owned, pl_stmt_column_text(stmt, 0));
        count->value = pl_stmt_column_int(stmt, 1);
        if (!count->name)
            status = out_of_memory(err);
        if (status != PL_OK)
            break;
    }
    pl_stmt_reset(stmt);
    return status;
}

static enum pl_status list_limits(struct pl_store *store,
                                  struct pl_outbox_state_list *list,
                                  struct pl_outbox_state *to, struct pl_error *err)
{
    struct pl_stmt *stmt;
    bool row = true;
    to->limits = pl_arena_array(list->owned, LINES_MOST, sizeof *to->limits);
    if (!to->limits)
        return out_of_memory(err);
    enum pl_status status = pl_stmt_get(store, PL_SQL_OUTBOX_LIMITS, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_int(stmt, ":target", to->id);
    pl_stmt_int(stmt, ":now", pl_clock_wall_ns());
    while (to->limit_count < LINES_MOST &&
           (status = pl_stmt_row(stmt, &row, err)) == PL_OK && row) {
        struct pl_outbox_limited *limit = &to->limits[to->limit_count++];
        limit->category = pl_arena_text(list->owned, pl_stmt_column_text(stmt, 0));
        limit->until_ns = pl_stmt_column_int(stmt, 1);
        limit->reason = pl_arena_text(list->owned, pl_stmt_column_text(stmt, 2));
        if (!limit->category || !limit->reason)
            status = out_of_memory(err);
        if (status != PL_OK)
            break;
    }
    pl_stmt_reset(stmt);
    return status;
}

enum pl_status pl_outbox_states(struct pl_store *store,
                                struct pl_outbox_state_list *list_out,
                                struct pl_error *err)
{
    struct pl_outbox_state_list list = {.owned = pl_arena_new()};
    if (list.owned)
        list.rows = pl_arena_array(list.owned, TARGETS_MOST, sizeof *list.rows);
    enum pl_status status = list.rows ? PL_OK : out_of_memory(err);
    if (status == PL_OK)
        status = list_targets(store, &list, err);
    for (size_t i = 0; i < list.count && status == PL_OK; i++) {
        status = list_counts(store, &list, &list.rows[i], err);
        if (status == PL_OK)
            status = list_limits(store, &list, &list.rows[i], err);
    }
    if (status == PL_OK)
        *list_out = list;
    else
        pl_outbox_state_list_deinit(&list);
    return status;
}

void pl_outbox_state_list_deinit(struct pl_outbox_state_list *list)
{
    pl_arena_free(list->owned);
    *list = (struct pl_outbox_state_list){0};
}
