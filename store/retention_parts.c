/* Retention: parts of samples, a batch a transaction, and the sessions and threads that
 * have nothing left without them. */
#include "base/clock.h"
#include "store/retention_state.h"
#include "store/rollup.h"

#include <inttypes.h>
#include <time.h>

enum {
    BATCH_MOST = 256, /* parts */
    BATCH_MS = 20,    /* what a transaction should take */
};

/* ---- lists of a batch ---- */

static void list_clear(struct pl_buf *list)
{
    pl_buf_clear(list);
    pl_buf_putc(list, '[');
}

static void list_add(struct pl_buf *list, int64_t id)
{
    pl_buf_printf(list, "%s%" PRId64, list->len > 1 ? "," : "", id);
}

/* Run `sql` with the lists it knows; the rows it changed. */
static enum pl_status run_lists(struct pl_gc *gc, enum pl_sql sql, int64_t *changed_out,
                                struct pl_error *err)
{
    const struct {
        const char *name;
        const struct pl_buf *list;
    } lists[] = {{":parts", &gc->part_list},
                 {":chunks", &gc->chunk_list},
                 {":sessions", &gc->session_list}};
    struct pl_stmt *stmt;
    enum pl_status status = pl_stmt_get(gc->store, sql, &stmt, err);
    if (status != PL_OK)
        return status;
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        if (sqlite3_bind_parameter_index(stmt->handle, lists[i].name))
            pl_stmt_text(stmt, lists[i].name, lists[i].list->data);
    status = pl_stmt_run(stmt, err);
    if (status == PL_OK && changed_out)
        *changed_out += sqlite3_changes(gc->store->db);
    return status;
}

static enum pl_status out_of_memory(struct pl_error *err)
{
    return pl_error_set(err, PL_NOMEM, "out of memory for a list of parts");
}

static enum pl_status close_lists(struct pl_gc *gc, struct pl_error *err)
{
    pl_buf_putc(&gc->part_list, ']');
    pl_buf_putc(&gc->chunk_list, ']');
    pl_buf_putc(&gc->session_list, ']');
    if (gc->part_list.failed || gc->chunk_list.failed || gc->session_list.failed)
        return out_of_memory(err);
    return PL_OK;
}

enum pl_status pl_gc_find_parts(struct pl_gc *gc, int64_t before_ns, int64_t limit,
                                struct pl_stmt **stmt_out, struct pl_error *err)
{
    enum pl_status status = pl_stmt_get(gc->store, PL_SQL_GC_PARTS, stmt_out, err);
    if (status != PL_OK)
        return status;
    pl_stmt_int(*stmt_out, ":after", gc->after_ns);
    pl_stmt_int(*stmt_out, ":before", before_ns);
    pl_stmt_int(*stmt_out, ":limit", limit);
    pl_stmt_int(*stmt_out, ":summed", gc->hours_stay && !gc->retention->dry_run);
    return PL_OK;
}

int64_t pl_gc_count_part(struct pl_retention_result *result, const struct pl_stmt *stmt)
{
    result->parts++;
    result->slots += pl_stmt_column_int(stmt, 5);
    result->samples += pl_stmt_column_int(stmt, 6);
    return pl_stmt_column_int(stmt, 7);
}

enum pl_status pl_gc_add_session(struct pl_gc *gc, int64_t id, struct pl_error *err)
{
    if (id > 0 && id < UINT32_MAX &&
        pl_idmap_add(&gc->sessions, (uint32_t)id) == PL_IDMAP_NONE)
        return out_of_memory(err);
    return PL_OK;
}

/* The hour of a part that goes: left to its sums, or to be summed up anew. */
static enum pl_status leave_hour(struct pl_gc *gc, int64_t session, int64_t start_ns,
                                 struct pl_error *err)
{
    struct pl_stmt *stmt = NULL;
    if (!gc->hours_stay)
        return pl_rollup_reopen(gc->store, session, start_ns, start_ns + 1, err);
    enum pl_status status = pl_stmt_get(gc->store, PL_SQL_GC_LEAVE_HOUR, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_int(stmt, ":session", session);
    pl_stmt_int(stmt, ":hour", start_ns / (PL_HOUR_S * PL_NS_PER_S));
    return pl_stmt_run(stmt, err);
}

/* Lists of what goes, at most about `most_bytes` of it. */
static enum pl_status fill_batch(struct pl_gc *gc, int64_t before_ns,
                                 int64_t most_bytes, struct pl_retention_result *gone,
                                 struct pl_error *err)
{
    struct pl_stmt *stmt = NULL;
    bool row = true;
    int64_t bytes = 0;
    list_clear(&gc->part_list);
    list_clear(&gc->chunk_list);
    list_clear(&gc->session_list);
    enum pl_status status = pl_gc_find_parts(gc, before_ns, gc->batch, &stmt, err);
    while (status == PL_OK && bytes < most_bytes &&
           (status = pl_stmt_row(stmt, &row, err)) == PL_OK && row) {
        int64_t session = pl_stmt_column_int(stmt, 2),
                end = pl_stmt_column_int(stmt, 4);
        list_add(&gc->part_list, pl_stmt_column_int(stmt, 0));
        list_add(&gc->chunk_list, pl_stmt_column_int(stmt, 1));
        list_add(&gc->session_list, session);
        gc->after_ns = pl_stmt_column_int(stmt, 3);
        status = pl_gc_add_session(gc, session, err);
        if (status == PL_OK)
            status = leave_hour(gc, session, gc->after_ns, err);
        gc->last_ns = end > gc->last_ns ? end : gc->last_ns;
        bytes += pl_gc_count_part(gone, stmt);
    }
    if (stmt && stmt->handle)
        pl_stmt_reset(stmt);
    return status == PL_OK ? close_lists(gc, err) : status;
}

static enum pl_status delete_batch(struct pl_gc *gc, struct pl_retention_result *gone,
                                   struct pl_error *err)
{
    const struct {
        enum pl_sql sql;
        int64_t *count;
    } steps[] = {
        {PL_SQL_GC_DELETE_SLOTS, NULL},           {PL_SQL_GC_DELETE_TAGS, NULL},
        {PL_SQL_GC_DELETE_LABELS, NULL},          {PL_SQL_GC_DELETE_LOSSES, NULL},
        {PL_SQL_GC_DELETE_PARTS, NULL},           {PL_SQL_GC_SHORTEN_CHUNKS, NULL},
        {PL_SQL_GC_DELETE_CHUNK_LOSSES, NULL},    {PL_SQL_GC_DELETE_SENT, NULL},
        {PL_SQL_GC_DELETE_CHUNKS, &gone->chunks},
    };
    enum pl_status status = PL_OK;
    int64_t used = pl_gc_used_bytes(gc); /* nobody else writes in between */
    for (size_t i = 0; i < sizeof steps / sizeof *steps && status == PL_OK; i++)
        status = run_lists(gc, steps[i].sql, steps[i].count, err);
    if (status == PL_OK)
        status = pl_gc_read_pages(gc, err);
    gone->bytes = used - pl_gc_used_bytes(gc);
    return status;
}

/* Let others write, and take more or less the next time. */
static void pause_between(struct pl_gc *gc, int64_t began_ns)
{
    int64_t took_ns = pl_clock_mono_ns() - began_ns;
    if (took_ns < BATCH_MS * PL_NS_PER_MS / 2 && gc->batch < BATCH_MOST)
        gc->batch *= 2;
    else if (took_ns > BATCH_MS * PL_NS_PER_MS * 2 && gc->batch > 1)
        gc->batch /= 2;
    (void)nanosleep(&(struct timespec){0, PL_GC_PAUSE_NS}, NULL);
}

/* `*more_out`: something went, so more may be there. */
static enum pl_status take_batch(struct pl_gc *gc, int64_t before_ns, bool by_size,
                                 bool *more_out, struct pl_error *err)
{
    struct pl_retention_result gone = {0};
    *more_out = false;
    enum pl_status status = pl_db_begin_write(gc->store, err);
    int64_t began_ns = pl_clock_mono_ns();
    if (status != PL_OK)
        return status;
    status = pl_gc_read_pages(gc, err);
    if (status == PL_OK && (!by_size || pl_gc_excess(gc)))
        status = fill_batch(gc, before_ns, by_size ? pl_gc_excess(gc) : INT64_MAX,
                            &gone, err);
    if (status == PL_OK && gone.parts)
        status = delete_batch(gc, &gone, err);
    if (status != PL_OK || !gone.parts) {
        pl_db_rollback(gc->store);
        return status;
    }
    status = pl_db_commit(gc->store, err);
    if (status != PL_OK)
        return status;
    pl_gc_add_result(gc->result, &gone);
    *more_out = true;
    pause_between(gc, began_ns);
    return PL_OK;
}

enum pl_status pl_gc_take_parts(struct pl_gc *gc, int64_t before_ns, bool by_size,
                                struct pl_error *err)
{
    enum pl_status status = PL_OK;
    bool more = true;
    gc->after_ns = INT64_MIN;
    while (status == PL_OK && more)
        status = take_batch(gc, before_ns, by_size, &more, err);
    return status;
}

/* ---- what hung on them ---- */

static enum pl_status list_empty_sessions(struct pl_gc *gc, int64_t *count_out,
                                          struct pl_error *err)
{
    struct pl_stmt *stmt;
    bool row;
    *count_out = 0;
    list_clear(&gc->session_list);
    enum pl_status status =
        pl_stmt_get(gc->store, PL_SQL_GC_EMPTY_SESSIONS, &stmt, err);
    if (status == PL_OK)
        pl_stmt_int(stmt, ":before", gc->last_ns);
    while (status == PL_OK && (status = pl_stmt_row(stmt, &row, err)) == PL_OK && row) {
        list_add(&gc->session_list, pl_stmt_column_int(stmt, 0));
        ++*count_out;
    }
    return status == PL_OK ? close_lists(gc, err) : status;
}

static enum pl_status take_empty(struct pl_gc *gc, struct pl_error *err)
{
    int64_t count = 1;
    enum pl_status status = PL_OK;
    while (status == PL_OK && count) {
        struct pl_retention_result gone = {0};
        status = pl_db_begin_write(gc->store, err);
        if (status != PL_OK)
            return status;
        status = list_empty_sessions(gc, &count, err);
        if (status == PL_OK && count)
            status = run_lists(gc, PL_SQL_GC_DELETE_SESSION_ROLLUPS, NULL, err);
        if (status == PL_OK && count)
            status = run_lists(gc, PL_SQL_GC_DELETE_SESSION_ROLLED, NULL, err);
        if (status == PL_OK && count)
            status =
                run_lists(gc, PL_SQL_GC_DELETE_SESSION_THREADS, &gone.threads, err);
        if (status == PL_OK && count)
            status = run_lists(gc, PL_SQL_GC_DELETE_SESSION_LOSSES, NULL, err);
        if (status == PL_OK && count)
            status = run_lists(gc, PL_SQL_GC_DELETE_SESSIONS, &gone.sessions, err);
        if (status == PL_OK && count)
            status = pl_db_commit(gc->store, err);
        else
            pl_db_rollback(gc->store);
        if (status == PL_OK)
            pl_gc_add_result(gc->result, &gone);
        if (!gone.sessions) /* there are some, and in a damaged file they stay */
            break;
    }
    return status;
}

static enum pl_status take_threads(struct pl_gc *gc, uint32_t session,
                                   struct pl_error *err)
{
    struct pl_stmt *stmt;
    enum pl_status status = pl_db_begin_write(gc->store, err);
    if (status != PL_OK)
        return status;
    status = pl_stmt_get(gc->store, PL_SQL_GC_DELETE_THREADS, &stmt, err);
    if (status == PL_OK) {
        pl_stmt_int(stmt, ":session", session);
        status = pl_stmt_run(stmt, err);
    }
    int64_t count = sqlite3_changes(gc->store->db);
    if (status == PL_OK)
        status = pl_db_commit(gc->store, err);
    else
        pl_db_rollback(gc->store);
    gc->result->threads += status == PL_OK ? count : 0;
    return status;
}

enum pl_status pl_gc_take_sessions(struct pl_gc *gc, struct pl_error *err)
{
    enum pl_status status = take_empty(gc, err);
    for (uint32_t i = 0; i < gc->sessions.count && status == PL_OK; i++)
        status = take_threads(gc, gc->sessions.ids[i], err);
    return status;
}
