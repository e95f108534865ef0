/* Retention: see retention.h.  A batch of parts is found and deleted in one
 * transaction, and as large as fits a moment; writers get their turn in between.
 * Killed anywhere, the batches before are gone and the others untouched. */
#include "store/inbox.h"
#include "store/retention.h"

#include "base/clock.h"
#include "store/retention_state.h"
#include "store/rollup.h"

#include <inttypes.h>
#include <time.h>

enum {
    BATCH_FIRST = 8, /* parts */
    BATCH_MOST = 256,
    BATCH_MS = 20,         /* what a transaction should take */
    PAUSE_NS = 3000000,    /* waiting writers look every 2 ms at least */
    FREE_SHARE_WANTED = 5, /* 1/5 of the pages */
    LIST_BYTES = 1 << 20,
};

enum pl_status pl_gc_read_pages(struct pl_gc *gc, struct pl_error *err)
{
    struct pl_stmt *stmt;
    bool row = false;
    enum pl_status status = pl_stmt_get(gc->store, PL_SQL_GC_PAGES, &stmt, err);
    if (status == PL_OK)
        status = pl_stmt_row(stmt, &row, err);
    if (row) {
        gc->pages = (struct pl_gc_pages){pl_stmt_column_int(stmt, 0),
                                         pl_stmt_column_int(stmt, 1),
                                         pl_stmt_column_int(stmt, 2)};
        pl_stmt_reset(stmt);
    }
    return status;
}

int64_t pl_gc_used_bytes(const struct pl_gc *gc)
{
    return (gc->pages.count - gc->pages.free) * gc->pages.size;
}

/* How much more than the bound; 0: it fits. */
int64_t pl_gc_excess(const struct pl_gc *gc)
{
    int64_t most = gc->retention->max_bytes, used = pl_gc_used_bytes(gc);
    return most && used > most ? used - most : 0;
}

/* ---- a batch ---- */

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

static enum pl_status find_candidates(struct pl_gc *gc, int64_t before_ns,
                                      int64_t limit, struct pl_stmt **stmt_out,
                                      struct pl_error *err)
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

/* Count the current candidate; about how many bytes it takes. */
static int64_t count_part(struct pl_retention_result *result,
                          const struct pl_stmt *stmt)
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
    enum pl_status status = find_candidates(gc, before_ns, gc->batch, &stmt, err);
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
        bytes += count_part(gone, stmt);
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
    (void)nanosleep(&(struct timespec){0, PAUSE_NS}, NULL);
}

void pl_gc_add_result(struct pl_retention_result *sum,
                      const struct pl_retention_result *gone)
{
    sum->parts += gone->parts;
    sum->slots += gone->slots;
    sum->samples += gone->samples;
    sum->hours += gone->hours;
    sum->days += gone->days;
    sum->chunks += gone->chunks;
    sum->sessions += gone->sessions;
    sum->threads += gone->threads;
    sum->epochs += gone->epochs;
    sum->stacks += gone->stacks;
    sum->frames += gone->frames;
    sum->functions += gone->functions;
    sum->modules += gone->modules;
    sum->tags += gone->tags;
    sum->bytes += gone->bytes;
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

static enum pl_status take_parts(struct pl_gc *gc, int64_t before_ns, bool by_size,
                                 struct pl_error *err)
{
    enum pl_status status = PL_OK;
    bool more = true;
    gc->after_ns = INT64_MIN;
    while (status == PL_OK && more)
        status = take_batch(gc, before_ns, by_size, &more, err);
    return status;
}

/* ---- times and sums ---- */

/* Make what is to outlive the samples. */
static enum pl_status sum_up(struct pl_gc *gc, struct pl_error *err)
{
    int64_t now_ns = pl_clock_wall_ns();
    const struct pl_rollup_options options = {
        .before_ns = gc->retention->max_bytes ? now_ns : gc->before_ns, .force = true};
    return gc->hours_stay && options.before_ns > 0
               ? pl_rollup_run(gc->store, &options, err)
               : PL_OK;
}

/* Samples by whole hours if their sums stay. */
static void set_times(struct pl_gc *gc)
{
    const int64_t hour_ns = PL_HOUR_S * PL_NS_PER_S;
    const struct pl_retention *r = gc->retention;
    gc->before_ns = r->before_ns;
    gc->hours_before_ns =
        r->hours_before_ns < r->before_ns ? r->hours_before_ns : r->before_ns;
    gc->days_before_ns = r->days_before_ns < gc->hours_before_ns ? r->days_before_ns
                                                                 : gc->hours_before_ns;
    gc->days_stay = gc->days_before_ns < gc->hours_before_ns;
    gc->hours_stay = gc->hours_before_ns < gc->before_ns || gc->days_stay;
    if (gc->hours_stay && gc->before_ns > 0)
        gc->before_ns = gc->before_ns / hour_ns * hour_ns;
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

static enum pl_status take_sessions(struct pl_gc *gc, struct pl_error *err)
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

/* ---- the file ---- */

static enum pl_status shorten_file(struct pl_gc *gc, struct pl_error *err)
{
    int64_t before = INT64_MAX;
    enum pl_status status = pl_gc_read_pages(gc, err);
    if (gc->pages.free * FREE_SHARE_WANTED <= gc->pages.count)
        return status;
    while (status == PL_OK && gc->pages.free && gc->pages.free < before) {
        struct pl_stmt *stmt;
        before = gc->pages.free;
        status = pl_db_begin_write(gc->store, err);
        if (status != PL_OK)
            return status;
        status = pl_stmt_get(gc->store, PL_SQL_GC_VACUUM, &stmt, err);
        if (status == PL_OK)
            status = pl_stmt_run(stmt, err);
        if (status == PL_OK)
            status = pl_db_commit_unseen(gc->store, err);
        else
            pl_db_rollback(gc->store);
        if (status == PL_OK)
            status = pl_gc_read_pages(gc, err);
        (void)nanosleep(&(struct timespec){0, PAUSE_NS}, NULL);
    }
    return status;
}

/* ---- all of it ---- */

/* What stays that could be asked about. */
static enum pl_status count_rest(struct pl_gc *gc, struct pl_error *err)
{
    struct pl_stmt *stmt;
    bool row = false, fits = gc->result->fits;
    enum pl_status status = pl_stmt_get(gc->store, PL_SQL_GC_WAITING, &stmt, err);
    if (status == PL_OK) {
        pl_stmt_int(stmt, ":before", fits ? gc->before_ns : INT64_MAX);
        status = pl_stmt_row(stmt, &row, err);
    }
    if (row) {
        gc->result->waiting = pl_stmt_column_int(stmt, 0);
        pl_stmt_reset(stmt);
    }
    if (status == PL_OK)
        status =
            pl_gc_number(gc, PL_SQL_GC_SYMBOL_BYTES, &gc->result->symbol_bytes, err);
    return status;
}

static enum pl_status look(struct pl_gc *gc, struct pl_error *err)
{
    struct pl_stmt *stmt;
    bool row;
    int64_t before_ns = gc->before_ns, most = gc->retention->max_bytes;
    int64_t used = pl_gc_used_bytes(gc);
    gc->after_ns = INT64_MIN;
    enum pl_status status = pl_gc_look_at_fetched(gc, err);
    if (status == PL_OK)
        status = find_candidates(gc, most ? INT64_MAX : before_ns, -1, &stmt, err);
    while (status == PL_OK && (status = pl_stmt_row(stmt, &row, err)) == PL_OK && row)
        if (pl_stmt_column_int(stmt, 4) <= before_ns ||
            (most && used - gc->result->bytes > most))
            gc->result->bytes += count_part(gc->result, stmt);
    if (status == PL_OK)
        status = pl_gc_look_at_sums(gc, PL_HOUR_S, gc->hours_before_ns,
                                    &gc->result->hours, err);
    if (status == PL_OK)
        status = pl_gc_look_at_sums(gc, PL_DAY_S, gc->days_before_ns, &gc->result->days,
                                    err);
    if (status == PL_OK)
        status = pl_gc_look_at_stacks(gc, err);
    gc->result->used_bytes = used - gc->result->bytes;
    gc->result->file_bytes = gc->pages.count * gc->pages.size;
    gc->result->fits = !most || gc->result->used_bytes <= most;
    return status == PL_OK ? count_rest(gc, err) : status;
}

/* Samples before sums; these only when there are no more of them. */
static enum pl_status take_by_size(struct pl_gc *gc, struct pl_error *err)
{
    enum pl_status status = pl_gc_take_fetched(gc, err);
    if (status == PL_OK)
        status = take_parts(gc, INT64_MAX, true, err);
    if (status == PL_OK)
        status = pl_gc_take_sums(gc, PL_HOUR_S, INT64_MAX, true, err);
    return status == PL_OK ? pl_gc_take_sums(gc, PL_DAY_S, INT64_MAX, true, err)
                           : status;
}

static enum pl_status collect(struct pl_gc *gc, struct pl_error *err)
{
    struct pl_stmt *stmt;
    enum pl_status status = pl_stmt_get(gc->store, PL_SQL_GC_SETTINGS, &stmt, err);
    if (status == PL_OK)
        status = pl_stmt_run(stmt, err);
    if (status == PL_OK)
        status = sum_up(gc, err);
    if (status == PL_OK)
        status = take_parts(gc, gc->before_ns, false, err);
    if (status == PL_OK)
        status = pl_gc_take_sums(gc, PL_HOUR_S, gc->hours_before_ns, false, err);
    if (status == PL_OK)
        status = pl_gc_take_sums(gc, PL_DAY_S, gc->days_before_ns, false, err);
    if (status == PL_OK && gc->retention->max_bytes)
        status = take_by_size(gc, err);
    if (status == PL_OK)
        status = take_sessions(gc, err);
    for (uint32_t i = 0; i < gc->sessions.count && status == PL_OK; i++)
        status = take_threads(gc, gc->sessions.ids[i], err);
    if (status == PL_OK)
        status = pl_gc_take_stacks(gc, err);
    if (status == PL_OK)
        status = pl_gc_take_names(gc, err);
    if (status == PL_OK)
        status = pl_inbox_expire(
            gc->store, gc->last_ns > gc->before_ns ? gc->last_ns : gc->before_ns, err);
    if (status == PL_OK)
        status = shorten_file(gc, err);
    gc->result->used_bytes = pl_gc_used_bytes(gc);
    gc->result->file_bytes = gc->pages.count * gc->pages.size;
    gc->result->fits = pl_gc_excess(gc) == 0;
    return status == PL_OK ? count_rest(gc, err) : status;
}

enum pl_status pl_store_gc(struct pl_store *store, const struct pl_retention *retention,
                           struct pl_retention_result *result_out, struct pl_error *err)
{
    *result_out = (struct pl_retention_result){0};
    struct pl_gc gc = {.store = store,
                       .retention = retention,
                       .result = result_out,
                       .batch = BATCH_FIRST,
                       .last_ns = retention->before_ns};
    set_times(&gc);
    pl_buf_init(&gc.part_list, LIST_BYTES);
    pl_buf_init(&gc.chunk_list, LIST_BYTES);
    pl_buf_init(&gc.session_list, LIST_BYTES);
    enum pl_status status = PL_OK;
    if (!pl_idmap_init(&gc.sessions, 0, 0)) {
        status = out_of_memory(err);
    } else if (retention->dry_run) {
        status = pl_db_begin_read(store, err);
        if (status == PL_OK)
            status = pl_gc_read_pages(&gc, err);
        if (status == PL_OK)
            status = look(&gc, err);
        pl_db_end_read(store);
    } else {
        status = pl_gc_read_pages(&gc, err);
        if (status == PL_OK)
            status = collect(&gc, err);
    }
    pl_idmap_deinit(&gc.sessions);
    pl_buf_deinit(&gc.part_list);
    pl_buf_deinit(&gc.chunk_list);
    pl_buf_deinit(&gc.session_list);
    return status;
}
