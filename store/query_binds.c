/* A selection as the parameters of statements, and what one row answers: see
 * query_select.h. */
#include "base/buf.h"
#include "store/db.h"
#include "store/query_select.h"

#include <inttypes.h>
#include <stdlib.h>

int64_t pl_select_from(const struct pl_selection *selection)
{
    int64_t from = selection->from_ns;
    return from && from > PL_TIME_MIN ? from : PL_TIME_MIN;
}

int64_t pl_select_to(const struct pl_selection *selection)
{
    int64_t to = selection->to_ns;
    return to && to < PL_TIME_MAX ? to : PL_TIME_MAX;
}

static char *id_list(const int64_t *ids, size_t count)
{
    struct pl_buf buf;
    pl_buf_init(&buf, SIZE_MAX / 2);
    pl_buf_putc(&buf, '[');
    for (size_t i = 0; i < count; i++)
        pl_buf_printf(&buf, "%s%" PRId64, i ? "," : "", ids[i]);
    pl_buf_putc(&buf, ']');
    char *text = pl_buf_take(&buf, NULL);
    pl_buf_deinit(&buf);
    return text;
}

enum pl_status pl_select_binds_init(struct pl_select_binds *binds,
                                    const struct pl_selection *selection,
                                    struct pl_error *err)
{
    *binds = (struct pl_select_binds){0};
    if (selection->session_count)
        binds->sessions = id_list(selection->sessions, selection->session_count);
    if (selection->thread_count)
        binds->threads = id_list(selection->threads, selection->thread_count);
    if (!binds->sessions == !selection->session_count &&
        !binds->threads == !selection->thread_count)
        return PL_OK;
    pl_select_binds_deinit(binds);
    return pl_error_set(err, PL_NOMEM, "out of memory for a selection");
}

void pl_select_binds_deinit(struct pl_select_binds *binds)
{
    free(binds->sessions);
    free(binds->threads);
    *binds = (struct pl_select_binds){0};
}

void pl_select_bind(struct pl_stmt *stmt, const struct pl_select_binds *binds,
                    const struct pl_selection *selection)
{
    pl_stmt_int(stmt, ":from", pl_select_from(selection));
    pl_stmt_int(stmt, ":to", pl_select_to(selection));
    pl_select_bind_sessions(stmt, binds, selection);
}

void pl_select_bind_sessions(struct pl_stmt *stmt, const struct pl_select_binds *binds,
                             const struct pl_selection *selection)
{
    pl_stmt_text(stmt, ":app", selection->app);
    pl_stmt_text(stmt, ":release", selection->release);
    pl_stmt_text(stmt, ":environment", selection->environment);
    pl_stmt_text(stmt, ":sessions", binds->sessions);
}

void pl_select_bind_threads(struct pl_stmt *stmt, const struct pl_select_binds *binds,
                            const struct pl_selection *selection)
{
    pl_stmt_text(stmt, ":threads", binds->threads);
    pl_stmt_text(stmt, ":name", selection->thread_name);
}

/* ---- range and losses ---- */

/* One row of one of the two statements below; the range's second column too. */
static enum pl_status ask(struct pl_store *store, enum pl_sql sql,
                          const struct pl_selection *selection, int64_t values[2],
                          struct pl_error *err)
{
    struct pl_select_binds binds;
    struct pl_stmt *stmt;
    bool row = false;
    enum pl_status status = pl_select_binds_init(&binds, selection, err);
    if (status != PL_OK)
        return status;
    status = pl_stmt_get(store, sql, &stmt, err);
    if (status == PL_OK) {
        pl_select_bind(stmt, &binds, selection);
        if (sql == PL_SQL_SELECT_LOST)
            pl_select_bind_threads(stmt, &binds, selection);
        status = pl_stmt_row(stmt, &row, err);
    }
    if (status == PL_OK && row) {
        values[0] = pl_stmt_column_int(stmt, 0);
        values[1] = sql == PL_SQL_SELECT_RANGE ? pl_stmt_column_int(stmt, 1) : 0;
        pl_stmt_reset(stmt);
    }
    pl_select_binds_deinit(&binds);
    return status;
}

enum pl_status pl_select_range(struct pl_store *store,
                               const struct pl_selection *selection,
                               struct pl_selected *range_out, struct pl_error *err)
{
    int64_t values[2] = {0, 0};
    enum pl_status status = ask(store, PL_SQL_SELECT_RANGE, selection, values, err);
    if (status != PL_OK)
        return status;
    int64_t from = pl_select_from(selection), to = pl_select_to(selection);
    from = from > values[0] ? from : values[0];
    to = to < values[1] ? to : values[1];
    *range_out = from < to ? (struct pl_selected){from, to} : (struct pl_selected){0};
    return PL_OK;
}

enum pl_status pl_select_lost(struct pl_store *store,
                              const struct pl_selection *selection, int64_t *lost_out,
                              struct pl_error *err)
{
    int64_t values[2] = {0, 0};
    enum pl_status status = ask(store, PL_SQL_SELECT_LOST, selection, values, err);
    *lost_out = values[0];
    return status;
}
