/* Listing: sessions. */
#include "store/arena.h"
#include "store/db.h"
#include "store/query_select.h"

#include <stdlib.h>

enum column {
    ID,
    UUID,
    APP,
    RECORDING,
    MODE,
    STATE,
    RELEASE,
    ENVIRONMENT,
    PID,
    START,
    END,
    THREADS,
    SAMPLES,
    LOST,
    BYTES,
    EXIT_STATUS,
    SLOWED_TICKS
};

struct list {
    struct pl_arena *arena;
    struct pl_session_row *rows;
    size_t count, cap;
};

/* False: out of memory. */
static bool copy_text(struct list *list, const struct pl_stmt *stmt, int column,
                      const char **text_out)
{
    if (pl_stmt_column_is_null(stmt, column))
        return true;
    *text_out = pl_arena_text(list->arena, pl_stmt_column_text(stmt, column));
    return *text_out;
}

static bool add_session(struct list *list, const struct pl_stmt *stmt)
{
    if (list->count == list->cap) {
        size_t cap = list->cap ? list->cap * 2 : 64;
        struct pl_session_row *grown = realloc(list->rows, cap * sizeof *grown);
        if (!grown)
            return false;
        list->rows = grown;
        list->cap = cap;
    }
    struct pl_session_row *row = &list->rows[list->count];
    *row = (struct pl_session_row){
        .id = pl_stmt_column_int(stmt, ID),
        .pid = pl_stmt_column_int(stmt, PID),
        .start_ns = pl_stmt_column_int(stmt, START),
        .end_ns = pl_stmt_column_int(stmt, END),
        .threads = pl_stmt_column_int(stmt, THREADS),
        .samples = pl_stmt_column_int(stmt, SAMPLES),
        .lost = pl_stmt_column_int(stmt, LOST),
        .bytes = pl_stmt_column_int(stmt, BYTES),
        .exit_status = pl_stmt_column_int(stmt, EXIT_STATUS),
        .slowed_ticks = pl_stmt_column_int(stmt, SLOWED_TICKS),
    };
    bool ok = copy_text(list, stmt, UUID, &row->uuid) &&
              copy_text(list, stmt, APP, &row->app) &&
              copy_text(list, stmt, RECORDING, &row->recording_id) &&
              copy_text(list, stmt, MODE, &row->mode) &&
              copy_text(list, stmt, STATE, &row->state) &&
              copy_text(list, stmt, RELEASE, &row->release) &&
              copy_text(list, stmt, ENVIRONMENT, &row->environment);
    list->count += ok;
    return ok;
}

static enum pl_status list_sessions(struct pl_store *store,
                                    const struct pl_selection *selection,
                                    const struct pl_select_binds *binds,
                                    struct list *list, struct pl_error *err)
{
    struct pl_stmt *stmt;
    bool row;
    enum pl_status status = pl_stmt_get(store, PL_SQL_QUERY_SESSIONS, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_select_bind(stmt, binds, selection);
    pl_select_bind_threads(stmt, binds, selection);
    pl_stmt_int(stmt, ":whole", !selection->from_ns && !selection->to_ns);
    while ((status = pl_stmt_row(stmt, &row, err)) == PL_OK && row) {
        if (!add_session(list, stmt)) {
            pl_stmt_reset(stmt);
            return pl_error_set(err, PL_NOMEM, "out of memory for sessions");
        }
    }
    return status;
}

enum pl_status pl_query_sessions(struct pl_store *store,
                                 const struct pl_selection *selection,
                                 struct pl_session_list *list_out, struct pl_error *err)
{
    struct pl_select_binds binds;
    struct list list = {.arena = pl_arena_new()};
    enum pl_status status = pl_select_binds_init(&binds, selection, err);
    if (status == PL_OK && !list.arena)
        status = pl_error_set(err, PL_NOMEM, "out of memory for sessions");
    if (status == PL_OK)
        status = list_sessions(store, selection, &binds, &list, err);
    if (status == PL_OK) {
        *list_out = (struct pl_session_list){list.rows, list.count, list.arena};
        list = (struct list){0};
    }
    pl_select_binds_deinit(&binds);
    pl_arena_free(list.arena);
    free(list.rows);
    return status;
}

void pl_session_list_deinit(struct pl_session_list *list)
{
    free(list->rows);
    pl_arena_free(list->owned);
    *list = (struct pl_session_list){0};
}
