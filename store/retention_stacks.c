/* Retention of the dictionary: epochs to whose stacks nothing refers any more.
 *
 * New parts use the stacks of the newest epoch only, and sums are made of parts. So
 * once no part and no sum refers to a stack before an epoch, none ever will, and what
 * was found out in one transaction holds in the next ones, unless the tail of the log
 * was lost in between: then there is another newest epoch, and nothing is deleted. */
#include "base/clock.h"
#include "store/epoch.h"
#include "store/retention_state.h"

#include <time.h>

enum { BATCH_STACKS = 20000, PAUSE_NS = 3000000 };

enum pl_status pl_gc_transact(struct pl_gc *gc, pl_gc_step *step, void *self,
                              struct pl_error *err)
{
    struct pl_retention_result gone = {0};
    bool changed = false;
    enum pl_status status = pl_db_begin_write(gc->store, err);
    if (status != PL_OK)
        return status;
    status = pl_gc_read_pages(gc, err);
    int64_t used = pl_gc_used_bytes(gc);
    if (status == PL_OK)
        status = step(gc, self, &gone, &changed, err);
    if (status == PL_OK && changed)
        status = pl_gc_read_pages(gc, err);
    gone.bytes = used - pl_gc_used_bytes(gc);
    if (status != PL_OK || !changed) {
        pl_db_rollback(gc->store);
        return status;
    }
    status = pl_db_commit(gc->store, err);
    if (status == PL_OK)
        pl_gc_add_result(gc->result, &gone);
    (void)nanosleep(&(struct timespec){0, PAUSE_NS}, NULL);
    return status;
}

enum pl_status pl_gc_number(struct pl_gc *gc, enum pl_sql sql, int64_t *value_out,
                            struct pl_error *err)
{
    struct pl_stmt *stmt;
    enum pl_status status = pl_stmt_get(gc->store, sql, &stmt, err);
    return status == PL_OK ? pl_stmt_id(stmt, value_out, err) : status;
}

enum pl_status pl_gc_run(struct pl_gc *gc, enum pl_sql sql, struct pl_error *err)
{
    struct pl_stmt *stmt;
    enum pl_status status = pl_stmt_get(gc->store, sql, &stmt, err);
    return status == PL_OK ? pl_stmt_run(stmt, err) : status;
}

/* ---- a new epoch ---- */

static enum pl_status renew(struct pl_gc *gc, void *self,
                            struct pl_retention_result *gone, bool *changed_out,
                            struct pl_error *err)
{
    struct pl_epoch epoch;
    int64_t last = 0, nothing_left = 0;
    (void)self;
    (void)gone;
    enum pl_status status = pl_gc_run(gc, PL_SQL_GC_TRIM_EPOCHS, err);
    *changed_out = status == PL_OK && sqlite3_changes(gc->store->db) > 0;
    if (status == PL_OK)
        status = pl_epoch_read(gc->store, &epoch, err);
    if (status == PL_OK)
        status = pl_gc_number(gc, PL_SQL_LAST_STACK, &last, err);
    if (status == PL_OK)
        status = pl_gc_number(gc, PL_SQL_GC_NOTHING_LEFT, &nothing_left, err);
    if (status != PL_OK || last < epoch.first_stack ||
        (!nothing_left && !pl_epoch_is_due(gc->store, &epoch, last)))
        return status;
    *changed_out = true;
    return pl_epoch_begin(gc->store, err);
}

/* ---- old stacks ---- */

struct old {
    int64_t epoch, first, newest; /* ids; 0: nothing is old */
};

static enum pl_status find_old(struct pl_gc *gc, struct old *old, struct pl_error *err)
{
    struct pl_stmt *stmt;
    bool row = false;
    enum pl_status status = pl_stmt_get(gc->store, PL_SQL_GC_OLD_STACKS, &stmt, err);
    if (status == PL_OK)
        status = pl_stmt_row(stmt, &row, err);
    if (status != PL_OK || !row)
        return status;
    *old = (struct old){pl_stmt_column_int(stmt, 0), pl_stmt_column_int(stmt, 1),
                        pl_stmt_column_int(stmt, 2)};
    pl_stmt_reset(stmt);
    return PL_OK;
}

static enum pl_status run_old(struct pl_gc *gc, enum pl_sql sql, const struct old *old,
                              struct pl_error *err)
{
    struct pl_stmt *stmt;
    enum pl_status status = pl_stmt_get(gc->store, sql, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_int(stmt, ":newest", old->newest);
    if (sql == PL_SQL_GC_DELETE_EPOCHS) {
        pl_stmt_int(stmt, ":epoch", old->epoch);
        return pl_stmt_run(stmt, err);
    }
    pl_stmt_int(stmt, ":first", old->first);
    pl_stmt_int(stmt, ":limit", BATCH_STACKS);
    return pl_stmt_run(stmt, err);
}

/* Stacks, and the rows of the epochs when these have none left. */
static enum pl_status take_old(struct pl_gc *gc, void *self,
                               struct pl_retention_result *gone, bool *changed_out,
                               struct pl_error *err)
{
    struct old *old = self;
    enum pl_status status = run_old(gc, PL_SQL_GC_DELETE_STACKS, old, err);
    gone->stacks = status == PL_OK ? sqlite3_changes(gc->store->db) : 0;
    *changed_out = gone->stacks > 0;
    if (*changed_out)
        return pl_gc_run(gc, PL_SQL_GC_WANT_SWEEP, err);
    if (status == PL_OK)
        status = run_old(gc, PL_SQL_GC_DELETE_EPOCHS, old, err);
    gone->epochs = status == PL_OK ? sqlite3_changes(gc->store->db) : 0;
    *changed_out = gone->epochs > 0;
    old->epoch = 0;
    return status;
}

/* Until the newest epoch is another, or nothing is old any more. */
static enum pl_status take_round(struct pl_gc *gc, struct pl_error *err)
{
    struct old old = {0};
    enum pl_status status = pl_db_begin_read(gc->store, err);
    if (status != PL_OK)
        return status;
    status = find_old(gc, &old, err);
    pl_db_end_read(gc->store);
    while (status == PL_OK && old.epoch)
        status = pl_gc_transact(gc, take_old, &old, err);
    return status;
}

enum pl_status pl_gc_take_stacks(struct pl_gc *gc, struct pl_error *err)
{
    int64_t before = -1;
    enum pl_status status = pl_gc_transact(gc, renew, NULL, err);
    while (status == PL_OK && gc->result->stacks > before) {
        before = gc->result->stacks;
        status = take_round(gc, err);
    }
    return status;
}

/* The first bucket of a level that does not end until then. */
static int64_t first_kept(int64_t before_ns, int64_t level)
{
    return before_ns > 0 ? before_ns / (level * PL_NS_PER_S) : INT64_MIN;
}

enum pl_status pl_gc_look_at_stacks(struct pl_gc *gc, struct pl_error *err)
{
    struct pl_stmt *stmt;
    enum pl_status status = pl_stmt_get(gc->store, PL_SQL_GC_WOULD_STACKS, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_int(stmt, ":before", gc->before_ns);
    pl_stmt_int(stmt, ":hours", first_kept(gc->hours_before_ns, 3600));
    pl_stmt_int(stmt, ":days", first_kept(gc->days_before_ns, 86400));
    return pl_stmt_id(stmt, &gc->result->stacks, err);
}
