/* Retention of what stacks are made of: frames of no stack, with their names, then
 * functions of no frame and no name, then modules of neither, then tags of no label.
 *
 * What is in use is marked in one snapshot; each transaction marks what came since and
 * deletes some of what is still unmarked. That is enough because
 *  - rows are only added by others, with higher ids than all there are;
 *  - names are changed by the pass alone, whose lease is held;
 *  - every deletion voids the ids that writers remember.
 * If the newest epoch is not the one left behind, somebody lost the log's tail or began
 * another: the rest is left to the next run, which `meta.sweep` asks for, also when
 * this one is killed. */
#include "base/clock.h"
#include "store/codec.h"
#include "store/epoch.h"
#include "store/retention_state.h"
#include "store/symbols.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BATCH_ROWS = 5000, LEASE_MS = 60000, OWNER_BYTES = 160 };

/* A table, and where its ids stand: in column 1 of the sources, whose column 0 grows,
 * or in the frames of stacks. */
struct table {
    enum pl_sql last, ids, sources[2], deletes[2];
    size_t source_count, delete_count;
    size_t gone; /* offset of its count in the result */
};

static const struct table tables[] = {
    {PL_SQL_GC_LAST_FRAME,
     PL_SQL_GC_FRAMES,
     {PL_SQL_STACKS_AFTER},
     {PL_SQL_GC_DELETE_NAMES, PL_SQL_GC_DELETE_FRAMES},
     1,
     2,
     offsetof(struct pl_retention_result, frames)},
    {PL_SQL_GC_LAST_FUNCTION,
     PL_SQL_GC_FUNCTIONS,
     {PL_SQL_GC_FUNCTIONS_OF_FRAMES, PL_SQL_GC_FUNCTIONS_OF_NAMES},
     {PL_SQL_GC_DELETE_FUNCTIONS},
     2,
     1,
     offsetof(struct pl_retention_result, functions)},
    {PL_SQL_GC_LAST_MODULE,
     PL_SQL_GC_MODULES,
     {PL_SQL_GC_MODULES_OF_FRAMES, PL_SQL_GC_MODULES_OF_FUNCTIONS},
     {PL_SQL_GC_DELETE_MODULES},
     2,
     1,
     offsetof(struct pl_retention_result, modules)},
};

struct sweep {
    const struct table *table;
    char owner[OWNER_BYTES]; /* of the lease */
    uint64_t epoch;          /* newest when last looked */
    unsigned char *marks;    /* a bit per id */
    int64_t last;            /* later ids are new and stay */
    int64_t at;              /* ids until here are done */
    int64_t seen[2];         /* rows of the sources until here are marked */
    bool stopped;            /* the rest is for another run */
};

/* ---- marks ---- */

static void mark(struct sweep *sweep, int64_t id)
{
    if (id > 0 && id <= sweep->last)
        sweep->marks[id / 8] |= (unsigned char)(1u << id % 8);
}

static bool is_marked(const struct sweep *sweep, int64_t id)
{
    return id <= 0 || id > sweep->last || (sweep->marks[id / 8] >> id % 8 & 1);
}

static enum pl_status mark_frames(struct sweep *sweep, const struct pl_stmt *stmt,
                                  struct pl_error *err)
{
    struct pl_digits digits;
    size_t len;
    int64_t frame;
    const void *blob = pl_stmt_column_blob(stmt, 3, &len);
    pl_digits_init(&digits, blob, len);
    while (pl_digits_next(&digits, &frame))
        mark(sweep, frame);
    return digits.damaged
               ? pl_error_set(err, PL_INPUT, "%s is damaged: stack %" PRId64,
                              pl_store_path(stmt->store), pl_stmt_column_int(stmt, 0))
               : PL_OK;
}

/* What came since the last time. */
static enum pl_status mark_source(struct pl_gc *gc, struct sweep *sweep, size_t source,
                                  struct pl_error *err)
{
    enum pl_sql sql = sweep->table->sources[source];
    struct pl_stmt *stmt;
    bool row = true;
    enum pl_status status = pl_stmt_get(gc->store, sql, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_int(stmt, ":after", sweep->seen[source]);
    while ((status = pl_stmt_row(stmt, &row, err)) == PL_OK && row) {
        sweep->seen[source] = pl_stmt_column_int(stmt, 0);
        if (sql != PL_SQL_STACKS_AFTER)
            mark(sweep, pl_stmt_column_int(stmt, 1));
        else if ((status = mark_frames(sweep, stmt, err)) != PL_OK)
            break;
    }
    pl_stmt_reset(stmt);
    return status;
}

static enum pl_status mark_used(struct pl_gc *gc, struct sweep *sweep,
                                struct pl_error *err)
{
    enum pl_status status = PL_OK;
    for (size_t i = 0; i < sweep->table->source_count && status == PL_OK; i++)
        status = mark_source(gc, sweep, i, err);
    return status;
}

static enum pl_status start_marks(struct pl_gc *gc, struct sweep *sweep,
                                  struct pl_error *err)
{
    struct pl_epoch epoch;
    enum pl_status status = pl_epoch_read(gc->store, &epoch, err);
    if (status == PL_OK)
        status = pl_gc_number(gc, sweep->table->last, &sweep->last, err);
    if (status != PL_OK)
        return status;
    sweep->epoch = epoch.id;
    sweep->at = 0;
    sweep->seen[0] = sweep->seen[1] = 0;
    if (sweep->last < 0 || sweep->last >= UINT32_MAX)
        return pl_error_set(err, PL_INPUT, "%s is damaged: an id of %" PRId64,
                            pl_store_path(gc->store), sweep->last);
    sweep->marks = calloc((size_t)sweep->last / 8 + 1, 1);
    if (!sweep->marks)
        return pl_error_set(err, PL_NOMEM, "out of memory to mark what is in use");
    return mark_used(gc, sweep, err);
}

/* ---- deletion ---- */

/* The next ids of the table, those without a mark into the list. */
static enum pl_status list_unused(struct pl_gc *gc, struct sweep *sweep,
                                  int64_t *count_out, struct pl_error *err)
{
    struct pl_buf *list = &gc->part_list;
    struct pl_stmt *stmt;
    bool row = true;
    int64_t rows = 0;
    pl_buf_clear(list);
    enum pl_status status = pl_stmt_get(gc->store, sweep->table->ids, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_int(stmt, ":after", sweep->at);
    pl_stmt_int(stmt, ":limit", BATCH_ROWS);
    while ((status = pl_stmt_row(stmt, &row, err)) == PL_OK && row) {
        sweep->at = pl_stmt_column_int(stmt, 0);
        rows++;
        if (!is_marked(sweep, sweep->at))
            pl_buf_printf(list, "%s%" PRId64, (*count_out)++ ? "," : "[", sweep->at);
    }
    if (rows < BATCH_ROWS)
        sweep->at = INT64_MAX;
    pl_buf_putc(list, ']');
    if (status == PL_OK && list->failed)
        status = pl_error_set(err, PL_NOMEM, "out of memory for a list of ids");
    return status;
}

static enum pl_status delete_listed(struct pl_gc *gc, enum pl_sql sql,
                                    struct pl_error *err)
{
    struct pl_stmt *stmt;
    enum pl_status status = pl_stmt_get(gc->store, sql, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_text(stmt, ":ids", gc->part_list.data);
    return pl_stmt_run(stmt, err);
}

/* Is the lease still ours, and the dictionary the one that was marked? */
static enum pl_status may_go_on(struct pl_gc *gc, struct sweep *sweep,
                                struct pl_error *err)
{
    char holder[OWNER_BYTES];
    struct pl_epoch epoch;
    enum pl_status status = pl_epoch_read(gc->store, &epoch, err);
    if (status != PL_OK)
        return status;
    sweep->stopped = epoch.id != sweep->epoch ||
                     pl_pass_lease_holder(gc->store, holder, sizeof holder, NULL) ||
                     strcmp(holder, sweep->owner) != 0;
    return PL_OK;
}

static enum pl_status take_unused(struct pl_gc *gc, void *self,
                                  struct pl_retention_result *gone, bool *changed_out,
                                  struct pl_error *err)
{
    struct sweep *sweep = self;
    struct pl_epoch epoch;
    int64_t count = 0;
    enum pl_status status = may_go_on(gc, sweep, err);
    if (status != PL_OK || sweep->stopped)
        return status;
    status = mark_used(gc, sweep, err);
    if (status == PL_OK)
        status = list_unused(gc, sweep, &count, err);
    if (status != PL_OK || !count)
        return status;
    for (size_t i = 0; i < sweep->table->delete_count && status == PL_OK; i++)
        status = delete_listed(gc, sweep->table->deletes[i], err);
    if (status == PL_OK)
        status = pl_gc_run(gc, PL_SQL_GC_VOID_IDS, err);
    if (status == PL_OK)
        status = pl_epoch_read(gc->store, &epoch, err);
    if (status != PL_OK)
        return status;
    sweep->epoch = epoch.id;
    *(int64_t *)((char *)gone + sweep->table->gone) = count;
    *changed_out = true;
    return PL_OK;
}

static enum pl_status sweep_table(struct pl_gc *gc, struct sweep *sweep,
                                  struct pl_error *err)
{
    enum pl_status status = pl_db_begin_read(gc->store, err);
    if (status != PL_OK)
        return status;
    status = start_marks(gc, sweep, err);
    pl_db_end_read(gc->store);
    while (status == PL_OK && !sweep->stopped && sweep->at < sweep->last) {
        status = pl_pass_lease(gc->store, sweep->owner, LEASE_MS, err);
        if (status == PL_OK)
            status = pl_gc_transact(gc, take_unused, sweep, err);
    }
    free(sweep->marks);
    sweep->marks = NULL;
    return status;
}

static enum pl_status finish(struct pl_gc *gc, void *self,
                             struct pl_retention_result *gone, bool *changed_out,
                             struct pl_error *err)
{
    (void)self;
    *changed_out = true;
    enum pl_status status = pl_gc_run(gc, PL_SQL_GC_DELETE_LOOSE_TAGS, err);
    gone->tags = status == PL_OK ? sqlite3_changes(gc->store->db) : 0;
    return status == PL_OK ? pl_gc_run(gc, PL_SQL_GC_SWEPT, err) : status;
}

enum pl_status pl_gc_take_names(struct pl_gc *gc, struct pl_error *err)
{
    struct sweep sweep = {0};
    int64_t wanted = 0;
    enum pl_status status = pl_gc_number(gc, PL_SQL_GC_SWEEP_WANTED, &wanted, err);
    if (status != PL_OK || !wanted)
        return status;
    (void)snprintf(sweep.owner, sizeof sweep.owner, "gc.%ld.%" PRId64, (long)getpid(),
                   pl_clock_mono_ns());
    status = pl_pass_lease(gc->store, sweep.owner, LEASE_MS, err);
    for (size_t i = 0; i < sizeof tables / sizeof *tables && status == PL_OK; i++) {
        sweep.table = &tables[i];
        if (!sweep.stopped)
            status = sweep_table(gc, &sweep, err);
    }
    if (status == PL_OK && !sweep.stopped)
        status = pl_gc_transact(gc, finish, NULL, err);
    if (status != PL_BUSY)
        pl_pass_release(gc->store, sweep.owner);
    return status == PL_BUSY ? PL_OK : status; /* the pass runs: the next time */
}
