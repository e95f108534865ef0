/* State of the processing pass: what is next, who runs it, what came of it.
 *
 * chunk.finished: 0 new, 2 taken by pl_pass_next, 1 done. A writer that adds a part
 * sets it back to 0, so a step that ends later cannot mark as done what it
 * never saw: flags stick only to chunks that are not 0. */
#include "base/clock.h"
#include "store/db.h"
#include "store/symbols.h"
#include "store/symbols_frames.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* A lease that ends later than this was taken under another clock. */
#define LEASE_MAX_NS (24 * 3600 * PL_NS_PER_S)

/* Sentry counts what its SDKs for user interfaces send apart. */
static const char *category_of(const char *format, const char *platform)
{
    static const char *const ui[] = {"cocoa", "android", "javascript"};
    if (strcmp(format, "sample_v1") == 0 || strcmp(format, "legacy") == 0)
        return "profile";
    for (size_t i = 0; i < sizeof ui / sizeof ui[0]; i++)
        if (strcmp(platform, ui[i]) == 0 && strcmp(format, "proflite") != 0)
            return "profile_chunk_ui";
    return "profile_chunk";
}

static void read_chunk(const struct pl_stmt *stmt, struct pl_pending_chunk *chunk)
{
    *chunk = (struct pl_pending_chunk){
        .id = pl_stmt_column_int(stmt, 0),
        .project_id = pl_stmt_column_int(stmt, 1),
        .sampled = pl_stmt_column_int(stmt, 3),
        .symbolicated = pl_stmt_column_int(stmt, 4),
        .deobfuscated = pl_stmt_column_int(stmt, 5),
        .normalized = pl_stmt_column_int(stmt, 6),
        .category =
            category_of(pl_stmt_column_text(stmt, 7), pl_stmt_column_text(stmt, 8)),
        .debug_meta = (enum pl_debug_meta)pl_stmt_column_int(stmt, 9),
        .has_profile = pl_stmt_column_int(stmt, 10),
    };
    (void)snprintf(chunk->uuid, sizeof chunk->uuid, "%s", pl_stmt_column_text(stmt, 2));
    (void)snprintf(chunk->format, sizeof chunk->format, "%s",
                   pl_stmt_column_text(stmt, 7));
    (void)snprintf(chunk->platform, sizeof chunk->platform, "%s",
                   pl_stmt_column_text(stmt, 8));
}

static enum pl_status read_next(struct pl_store *store, int64_t after_id,
                                struct pl_pending_chunk *chunks, size_t most,
                                size_t *count_out, struct pl_error *err)
{
    struct pl_stmt *stmt;
    bool row = true;
    *count_out = 0;
    enum pl_status status = pl_stmt_get(store, PL_SQL_PASS_NEXT, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_int(stmt, ":after", after_id);
    pl_stmt_int(stmt, ":most", (int64_t)most);
    while (status == PL_OK && row) {
        status = pl_stmt_row(stmt, &row, err);
        if (status != PL_OK || !row || *count_out >= most)
            continue;
        if (pl_stmt_column_int(stmt, 0) <= after_id) { /* which would go on for ever */
            pl_stmt_reset(stmt);
            return pl_error_set(err, PL_INPUT,
                                "%s is damaged: the chunks that wait are out of order",
                                pl_store_path(store));
        }
        after_id = pl_stmt_column_int(stmt, 0);
        read_chunk(stmt, &chunks[(*count_out)++]);
    }
    if (status == PL_OK && !*count_out)
        return pl_error_set(err, PL_NOT_FOUND, "no chunk is waiting");
    return status;
}

/* Run `sql` with :id bound. */
static enum pl_status run_with_id(struct pl_store *store, enum pl_sql sql, int64_t id,
                                  struct pl_error *err)
{
    struct pl_stmt *stmt;
    enum pl_status status = pl_stmt_get(store, sql, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_int(stmt, ":id", id);
    return pl_stmt_run(stmt, err);
}

static enum pl_status take(struct pl_store *store, const struct pl_pending_chunk *chunk,
                           struct pl_error *err)
{
    enum pl_status status = run_with_id(store, PL_SQL_PASS_TAKE, chunk->id, err);
    return status == PL_OK && !chunk->sampled
               ? pl_counter_add(store, "unsampled_profiles", 1, err)
               : status;
}

enum pl_status pl_pass_next(struct pl_store *store, int64_t after_id,
                            struct pl_pending_chunk *chunks_out, size_t most,
                            size_t *count_out, struct pl_error *err)
{
    size_t count = 0;
    enum pl_status status = read_next(store, after_id, chunks_out, most, &count, err);
    if (status != PL_OK) /* usually there is nothing: no lock for that */
        return status;
    status = pl_db_begin_write(store, err);
    if (status == PL_OK)
        status = read_next(store, after_id, chunks_out, most, &count, err);
    for (size_t i = 0; i < count && status == PL_OK; i++)
        status = take(store, &chunks_out[i], err);
    if (status == PL_OK)
        status = pl_db_commit_unseen(store, err);
    if (status == PL_OK)
        *count_out = count;
    else
        pl_db_rollback(store);
    return status;
}

/* ---- lease ---- */

/* The lease's row; `stmt_out` is the caller's to reset, if there is one. */
static enum pl_status read_lease(struct pl_store *store, struct pl_stmt **stmt_out,
                                 bool *row_out, struct pl_error *err)
{
    enum pl_status status = pl_stmt_get(store, PL_SQL_PASS_LEASE_OWNER, stmt_out, err);
    return status == PL_OK ? pl_stmt_row(*stmt_out, row_out, err) : status;
}

enum pl_status pl_pass_lease_holder(struct pl_store *store, char *owner_out,
                                    size_t owner_bytes, struct pl_error *err)
{
    struct pl_stmt *stmt;
    bool row;
    enum pl_status status = read_lease(store, &stmt, &row, err);
    if (status != PL_OK)
        return status;
    if (!row)
        return pl_error_set(err, PL_NOT_FOUND, "nobody holds the lease");
    (void)snprintf(owner_out, owner_bytes, "%s", pl_stmt_column_text(stmt, 0));
    pl_stmt_reset(stmt);
    return PL_OK;
}

static enum pl_status lease_is_held(struct pl_store *store, int64_t now_ns,
                                    struct pl_error *err)
{
    struct pl_stmt *stmt;
    bool row;
    enum pl_status status = read_lease(store, &stmt, &row, err);
    if (status != PL_OK)
        return status;
    int64_t left_ns = row ? pl_stmt_column_int(stmt, 1) - now_ns : 0;
    pl_error_set(err, PL_BUSY,
                 "%s is being processed by %s; its lease ends in %" PRId64 " s",
                 pl_store_path(store), row ? pl_stmt_column_text(stmt, 0) : "another",
                 left_ns / PL_NS_PER_S + 1);
    pl_stmt_reset(stmt);
    return PL_BUSY;
}

static enum pl_status take_lease(struct pl_store *store, const char *owner, int ttl_ms,
                                 struct pl_error *err)
{
    struct pl_stmt *stmt;
    int64_t now_ns = pl_clock_wall_ns();
    bool row;
    enum pl_status status = pl_stmt_get(store, PL_SQL_PASS_TAKE_LEASE, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_text(stmt, ":owner", owner);
    pl_stmt_int(stmt, ":expires", now_ns + ttl_ms * PL_NS_PER_MS);
    pl_stmt_int(stmt, ":now", now_ns);
    pl_stmt_int(stmt, ":never", now_ns + LEASE_MAX_NS);
    status = pl_stmt_row(stmt, &row, err);
    if (status != PL_OK)
        return status;
    if (!row)
        return lease_is_held(store, now_ns, err);
    pl_stmt_reset(stmt);
    return PL_OK;
}

enum pl_status pl_pass_lease(struct pl_store *store, const char *owner, int ttl_ms,
                             struct pl_error *err)
{
    enum pl_status status = pl_db_begin_write(store, err);
    if (status != PL_OK)
        return status;
    status = take_lease(store, owner, ttl_ms, err);
    if (status == PL_OK)
        return pl_db_commit_unseen(store, err);
    pl_db_rollback(store);
    return status;
}

void pl_pass_release(struct pl_store *store, const char *owner)
{
    struct pl_stmt *stmt;
    if (pl_db_begin_write(store, NULL) != PL_OK)
        return; /* it will expire */
    enum pl_status status = pl_stmt_get(store, PL_SQL_PASS_DROP_LEASE, &stmt, NULL);
    if (status == PL_OK) {
        pl_stmt_text(stmt, ":owner", owner);
        status = pl_stmt_run(stmt, NULL);
    }
    if (status == PL_OK)
        status = pl_db_commit_unseen(store, NULL);
    if (status != PL_OK)
        pl_db_rollback(store);
}

/* ---- outcome ---- */

static enum pl_status insert_outcome(struct pl_store *store, int64_t chunk_id,
                                     const char *category, const char *outcome,
                                     const char *reason, bool *inserted_out,
                                     struct pl_error *err)
{
    struct pl_stmt *stmt;
    int64_t id = 0;
    enum pl_status status = pl_stmt_get(store, PL_SQL_PASS_INSERT_OUTCOME, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_int(stmt, ":id", chunk_id);
    pl_stmt_text(stmt, ":category", category);
    pl_stmt_text(stmt, ":outcome", outcome);
    pl_stmt_text(stmt, ":reason", reason);
    pl_stmt_int(stmt, ":now", pl_clock_wall_ns());
    status = pl_stmt_id(stmt, &id, err);
    *inserted_out = id != 0;
    return status;
}

/* Nothing was inserted: the chunk has its outcome, or is gone. */
static enum pl_status count_duplicate(struct pl_store *store, int64_t chunk_id,
                                      struct pl_error *err)
{
    struct pl_stmt *stmt;
    int64_t id = 0;
    enum pl_status status = pl_stmt_get(store, PL_SQL_PASS_CHUNK_KNOWN, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_int(stmt, ":id", chunk_id);
    status = pl_stmt_id(stmt, &id, err);
    if (status == PL_OK && !id)
        return pl_error_set(err, PL_NOT_FOUND, "no chunk %" PRId64 " in %s", chunk_id,
                            pl_store_path(store));
    return status == PL_OK ? pl_counter_add(store, "outcome_duplicates", 1, err)
                           : status;
}

static enum pl_status add_outcome(struct pl_store *store, int64_t chunk_id,
                                  const char *category, const char *outcome,
                                  const char *reason, bool *duplicate_out,
                                  struct pl_error *err)
{
    bool inserted = false;
    enum pl_status status =
        insert_outcome(store, chunk_id, category, outcome, reason, &inserted, err);
    if (status != PL_OK)
        return status;
    *duplicate_out = !inserted;
    return inserted ? pl_counter_outcome(store, outcome, reason, err)
                    : count_duplicate(store, chunk_id, err);
}

static enum pl_status end_chunk(struct pl_store *store, struct pl_pass_end *end,
                                struct pl_error *err)
{
    enum pl_status status = PL_OK;
    if (end->normalized)
        status = pl_pass_set_normal(store, end->chunk_id, end->deobfuscated,
                                    end->retention_days, err);
    if (status == PL_OK)
        status = add_outcome(store, end->chunk_id, end->category, end->outcome,
                             end->reason, &end->duplicate, err);
    return status == PL_OK ? run_with_id(store, PL_SQL_PASS_FINISH, end->chunk_id, err)
                           : status;
}

enum pl_status pl_pass_finish(struct pl_store *store, struct pl_pass_end *ends,
                              size_t end_count, const struct pl_count *counts,
                              size_t count_count, struct pl_error *err)
{
    enum pl_status status = pl_db_begin_write(store, err);
    for (size_t i = 0; i < end_count && status == PL_OK; i++)
        status = end_chunk(store, &ends[i], err);
    if (status == PL_OK)
        status = pl_counters_add(store, counts, count_count, err);
    if (status == PL_OK)
        return pl_db_commit(store, err);
    pl_db_rollback(store);
    return status;
}

enum pl_status pl_pass_redo_all(struct pl_store *store, struct pl_error *err)
{
    struct pl_stmt *stmt;
    pl_settled_deinit(&store->settled);
    enum pl_status status = pl_db_begin_write(store, err);
    if (status != PL_OK)
        return status;
    status = pl_stmt_get(store, PL_SQL_PASS_REDO_ALL, &stmt, err);
    if (status == PL_OK)
        status = pl_stmt_run(stmt, err);
    if (status == PL_OK)
        return pl_db_commit(store, err);
    pl_db_rollback(store);
    return status;
}
