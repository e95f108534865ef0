/* Rollups: see rollup.h.
 *
 * Sums are made from a snapshot, without the writer lock, and written if the data
 * generation has not moved in between; after some tries they are made inside the
 * transaction. */
#include "store/rollup.h"

#include "base/log.h"
#include "store/rollup_bucket.h"

enum { TRIES = 3 };

/* Is it still as when it was chosen, in this transaction? */
static enum pl_status still_open(const struct pl_bucket *bucket, bool *open_out,
                                 struct pl_error *err)
{
    struct pl_stmt *stmt;
    bool row;
    *open_out = false;
    enum pl_status status =
        pl_stmt_get(bucket->store, PL_SQL_ROLLED_STATES, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_int(stmt, ":session", bucket->session_id);
    pl_stmt_int(stmt, ":hour", bucket->level == PL_HOUR_S ? bucket->number : -1);
    pl_stmt_int(stmt, ":day", bucket->level == PL_DAY_S ? bucket->number : -1);
    status = pl_stmt_row(stmt, &row, err);
    if (status == PL_OK && row) {
        int64_t state = pl_stmt_column_int(stmt, 1);
        *open_out = state == PL_ROLLED_OPEN || state == PL_ROLLED_SMALL;
        pl_stmt_reset(stmt);
    }
    return status;
}

/* Sums made before the lock, if nothing was committed since. */
static enum pl_status write_if_fresh(struct pl_bucket *bucket, uint64_t generation,
                                     bool force, bool last, bool *done_out,
                                     struct pl_error *err)
{
    uint64_t now = 0;
    bool open = false;
    *done_out = true;
    enum pl_status status = pl_db_begin_write(bucket->store, err);
    if (status != PL_OK)
        return status;
    status = still_open(bucket, &open, err);
    if (status == PL_OK && open)
        status = pl_store_generation(bucket->store, &now, err);
    bool fresh = now == generation;
    if (status == PL_OK && open && !fresh && last) {
        status = pl_bucket_sum(bucket, force, err);
        fresh = true;
    }
    if (status != PL_OK || !open || !fresh) {
        *done_out = status != PL_OK || !open;
        pl_db_rollback(bucket->store);
        return status;
    }
    status = pl_bucket_write(bucket, err);
    if (status == PL_OK)
        return pl_db_commit_unseen(bucket->store, err);
    pl_db_rollback(bucket->store);
    return status;
}

static enum pl_status roll(struct pl_bucket *bucket, bool force, struct pl_error *err)
{
    enum pl_status status = PL_OK;
    bool done = false;
    for (int i = 0; i < TRIES && status == PL_OK && !done; i++) {
        uint64_t generation = 0;
        status = pl_db_begin_read(bucket->store, err);
        if (status != PL_OK)
            return status;
        status = pl_store_generation(bucket->store, &generation, err);
        if (status == PL_OK)
            status = pl_bucket_sum(bucket, force, err);
        pl_db_end_read(bucket->store);
        if (status == PL_OK && bucket->level == PL_DAY_S &&
            bucket->state == PL_ROLLED_OPEN)
            return PL_OK; /* an hour is missing: another time */
        if (status == PL_OK)
            status =
                write_if_fresh(bucket, generation, force, i + 1 == TRIES, &done, err);
    }
    return status;
}

/* ---- all that is open ---- */

static enum pl_status next_bucket(struct pl_bucket *bucket,
                                  const struct pl_rollup_options *options,
                                  bool *more_out, struct pl_error *err)
{
    struct pl_stmt *stmt;
    enum pl_status status = pl_stmt_get(
        bucket->store, options->force ? PL_SQL_ROLLED_NEXT_FORCED : PL_SQL_ROLLED_NEXT,
        &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_int(stmt, ":level", bucket->level);
    pl_stmt_int(stmt, ":before", options->before_ns / (bucket->level * PL_NS_PER_S));
    pl_stmt_int(stmt, ":after_bucket", bucket->number);
    pl_stmt_int(stmt, ":after_session", bucket->session_id);
    pl_stmt_int(stmt, ":session", options->session_id);
    status = pl_stmt_row(stmt, more_out, err);
    if (status == PL_OK && *more_out) {
        bucket->number = pl_stmt_column_int(stmt, 0);
        bucket->session_id = pl_stmt_column_int(stmt, 1);
        pl_stmt_reset(stmt);
    }
    return status;
}

/* A day worth a sum needs those of its small hours. */
static enum pl_status roll_small_hours(const struct pl_bucket *of, struct pl_error *err)
{
    struct pl_bucket bucket = {.store = of->store,
                               .session_id = of->session_id,
                               .level = of->level,
                               .number = of->number};
    struct pl_bucket_day day;
    enum pl_status status = pl_bucket_read_hours(&bucket, &day, err);
    bucket.level = PL_HOUR_S;
    for (int h = 0; h < 24 && status == PL_OK && day.whole >= PL_HOURS_WORTH_IT; h++)
        if (day.state[h] == PL_ROLLED_SMALL) {
            bucket.number = of->number * 24 + h;
            status = roll(&bucket, true, err);
        }
    pl_bucket_deinit(&bucket);
    return status;
}

static enum pl_status roll_level(struct pl_bucket *bucket, int64_t level,
                                 const struct pl_rollup_options *options,
                                 struct pl_error *err)
{
    struct pl_error own = {0};
    bool more = true;
    bucket->level = level;
    bucket->number = bucket->session_id = -1;
    for (;;) {
        if (options->stop && atomic_load(options->stop))
            return PL_OK;
        enum pl_status status = next_bucket(bucket, options, &more, err);
        if (status != PL_OK || !more)
            return status;
        status = level == PL_DAY_S ? roll_small_hours(bucket, &own) : PL_OK;
        if (status == PL_OK)
            status = roll(bucket, options->force, &own);
        if (status == PL_INPUT)
            pl_log(PL_LOG_DEBUG, "store", "%s: %s", pl_store_path(bucket->store),
                   own.message);
        else if (status != PL_OK)
            return pl_error_set(err, status, "%s", own.message);
    }
}

enum pl_status pl_rollup_run(struct pl_store *store,
                             const struct pl_rollup_options *options,
                             struct pl_error *err)
{
    struct pl_bucket bucket = {.store = store};
    enum pl_status status = roll_level(&bucket, PL_HOUR_S, options, err);
    if (status == PL_OK)
        status = roll_level(&bucket, PL_DAY_S, options, err);
    pl_bucket_deinit(&bucket);
    return status;
}
