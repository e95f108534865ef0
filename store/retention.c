/* Retention: see retention.h.  What goes and in which order; the steps are in
 * retention_*.c.  A batch is found and deleted in one transaction, and as large as fits
 * a moment; writers get their turn in between. Killed anywhere, the batches before are
 * gone and the others untouched. */
#include "store/retention.h"

#include "base/clock.h"
#include "store/inbox.h"
#include "store/retention_state.h"
#include "store/rollup.h"

#include <time.h>

enum {
    BATCH_FIRST = 8,       /* parts */
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
        (void)nanosleep(&(struct timespec){0, PL_GC_PAUSE_NS}, NULL);
    }
    return status;
}

/* ---- all of it ---- */

/* What stays that could be asked about. */
static enum pl_status count_rest(struct pl_gc *gc, struct pl_error *err)
{
    struct pl_stmt *stmt;
    bool row = false, fits = gc->result->fits;
    enum pl_status status =
        pl_stmt_find(gc->store, PL_SQL_GC_WAITING, ":before",
                     fits ? gc->before_ns : INT64_MAX, &stmt, &row, err);
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
        status = pl_gc_find_parts(gc, most ? INT64_MAX : before_ns, -1, &stmt, err);
    while (status == PL_OK && (status = pl_stmt_row(stmt, &row, err)) == PL_OK && row)
        if (pl_stmt_column_int(stmt, 4) <= before_ns ||
            (most && used - gc->result->bytes > most))
            gc->result->bytes += pl_gc_count_part(gc->result, stmt);
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
        status = pl_gc_take_parts(gc, INT64_MAX, true, err);
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
        status = pl_gc_take_parts(gc, gc->before_ns, false, err);
    if (status == PL_OK)
        status = pl_gc_take_sums(gc, PL_HOUR_S, gc->hours_before_ns, false, err);
    if (status == PL_OK)
        status = pl_gc_take_sums(gc, PL_DAY_S, gc->days_before_ns, false, err);
    if (status == PL_OK && gc->retention->max_bytes)
        status = take_by_size(gc, err);
    if (status == PL_OK)
        status = pl_gc_take_sessions(gc, err);
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
        status = pl_error_set(err, PL_NOMEM, "out of memory for retention");
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
