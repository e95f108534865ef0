/* Retention of sums: hours and days that are all that is left of their samples. */
#include "store/retention_state.h"
#include "store/rollup.h"

/* Sums of a session's hours (of one day) or of one day. */
struct sums {
    int64_t session, level, first, last;
};

static enum pl_status run_sums(struct pl_gc *gc, enum pl_sql sql,
                               const struct sums *sums, struct pl_error *err)
{
    struct pl_stmt *stmt = NULL;
    enum pl_status status = pl_stmt_get(gc->store, sql, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_int(stmt, ":session", sums->session);
    if (sql == PL_SQL_GC_LEAVE_DAY) {
        pl_stmt_int(stmt, ":day", sums->first / 24);
        return pl_stmt_run(stmt, err);
    }
    pl_stmt_int(stmt, ":level", sums->level);
    pl_stmt_int(stmt, ":first", sums->first);
    pl_stmt_int(stmt, ":last", sums->last);
    return pl_stmt_run(stmt, err);
}

static enum pl_status delete_sums(struct pl_gc *gc, const struct sums *sums,
                                  struct pl_retention_result *gone,
                                  struct pl_error *err)
{
    const int64_t hour_ns = PL_HOUR_S * PL_NS_PER_S;
    enum pl_status status = run_sums(gc, PL_SQL_GC_DELETE_ROLLUPS, sums, err);
    if (status == PL_OK)
        status = run_sums(gc, PL_SQL_GC_DELETE_ROLLED, sums, err);
    int count = sqlite3_changes(gc->store->db);
    *(sums->level == PL_HOUR_S ? &gone->hours : &gone->days) += count;
    if (status == PL_OK && sums->level == PL_HOUR_S && gc->days_stay)
        status = run_sums(gc, PL_SQL_GC_LEAVE_DAY, sums, err);
    else if (status == PL_OK && sums->level == PL_HOUR_S)
        status = pl_rollup_reopen(gc->store, sums->session, sums->first * hour_ns,
                                  sums->first * hour_ns + 1, err);
    return status == PL_OK ? pl_gc_add_session(gc, sums->session, err) : status;
}

static enum pl_status find_sums(struct pl_gc *gc, int64_t level, int64_t before_ns,
                                int64_t limit, struct pl_stmt **stmt_out,
                                struct pl_error *err)
{
    enum pl_status status =
        pl_stmt_get(gc->store, level == PL_HOUR_S ? PL_SQL_GC_HOURS : PL_SQL_GC_DAYS,
                    stmt_out, err);
    if (status != PL_OK)
        return status;
    pl_stmt_int(*stmt_out, ":before", before_ns / (level * PL_NS_PER_S));
    if (level == PL_HOUR_S)
        pl_stmt_int(*stmt_out, ":summed", gc->days_stay);
    pl_stmt_int(*stmt_out, ":limit", limit);
    return PL_OK;
}

/* One hour or day of a session in each transaction. */
static enum pl_status take_sums_of_one(struct pl_gc *gc, int64_t level,
                                       int64_t before_ns, bool *more_out,
                                       struct pl_error *err)
{
    struct pl_retention_result gone = {0};
    struct pl_stmt *stmt;
    *more_out = false;
    enum pl_status status = pl_db_begin_write(gc->store, err);
    if (status != PL_OK)
        return status;
    status = pl_gc_read_pages(gc, err);
    int64_t used = pl_gc_used_bytes(gc);
    if (status == PL_OK)
        status = find_sums(gc, level, before_ns, 1, &stmt, err);
    if (status == PL_OK)
        status = pl_stmt_row(stmt, more_out, err);
    if (status == PL_OK && *more_out) {
        const struct sums sums = {pl_stmt_column_int(stmt, 0), level,
                                  pl_stmt_column_int(stmt, 1),
                                  pl_stmt_column_int(stmt, 2)};
        pl_stmt_reset(stmt);
        status = delete_sums(gc, &sums, &gone, err);
    }
    if (status == PL_OK && *more_out)
        status = pl_gc_read_pages(gc, err);
    gone.bytes = used - pl_gc_used_bytes(gc);
    if (status == PL_OK && *more_out)
        status = pl_db_commit(gc->store, err);
    else
        pl_db_rollback(gc->store);
    if (status == PL_OK && *more_out)
        pl_gc_add_result(gc->result, &gone);
    *more_out =
        *more_out && gone.hours + gone.days > 0; /* of a damaged file they stay */
    return status;
}

enum pl_status pl_gc_take_sums(struct pl_gc *gc, int64_t level, int64_t before_ns,
                               bool by_size, struct pl_error *err)
{
    enum pl_status status = PL_OK;
    bool more = before_ns > 0;
    while (status == PL_OK && more && (!by_size || pl_gc_excess(gc)))
        status = take_sums_of_one(gc, level, before_ns, &more, err);
    return status;
}

enum pl_status pl_gc_look_at_sums(struct pl_gc *gc, int64_t level, int64_t before_ns,
                                  int64_t *count_out, struct pl_error *err)
{
    struct pl_stmt *stmt;
    bool row;
    if (before_ns <= 0)
        return PL_OK;
    enum pl_status status = find_sums(gc, level, before_ns, -1, &stmt, err);
    while (status == PL_OK && (status = pl_stmt_row(stmt, &row, err)) == PL_OK && row)
        *count_out += pl_stmt_column_int(stmt, 2) - pl_stmt_column_int(stmt, 1) + 1;
    return status;
}
