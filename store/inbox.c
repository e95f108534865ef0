#include "store/inbox.h"

#include "store/db.h"
#include "store/function_metric.h"
#include "store/text.h"

#include <stdio.h>
#include <string.h>

#define PIECE_BYTES 65536

/* ---- in ---- */

static enum pl_status open_body(struct pl_store *store, int64_t id, bool write,
                                sqlite3_blob **blob_out, struct pl_error *err)
{
    int rc =
        sqlite3_blob_open(store->db, "main", "inbox_body", "body", id, write, blob_out);
    return rc == SQLITE_OK ? PL_OK : pl_db_error(store, rc, "open a body", err);
}

static enum pl_status write_body(struct pl_store *store, int64_t id,
                                 const struct pl_spool *body, struct pl_error *err)
{
    unsigned char piece[PIECE_BYTES];
    sqlite3_blob *blob = NULL;
    size_t at = 0, got;
    enum pl_status status = open_body(store, id, true, &blob, err);
    while (status == PL_OK && at < body->len) {
        status = pl_spool_read(body, at, piece, sizeof piece, &got, err);
        if (status != PL_OK)
            break;
        int rc = sqlite3_blob_write(blob, piece, (int)got, (int)at);
        if (rc != SQLITE_OK)
            status = pl_db_error(store, rc, "write a body", err);
        at += got;
    }
    (void)sqlite3_blob_close(blob);
    return status;
}

static enum pl_status insert(struct pl_store *store, const struct pl_inbox_entry *entry,
                             struct pl_error *err)
{
    struct pl_stmt *stmt;
    int64_t id = 0;
    enum pl_status status = pl_stmt_get(store, PL_SQL_INBOX_INSERT, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_int(stmt, ":project", entry->project_id);
    if (entry->key_id)
        pl_stmt_int(stmt, ":key", entry->key_id);
    if (entry->org_id)
        pl_stmt_int(stmt, ":org", entry->org_id);
    pl_stmt_int(stmt, ":received", entry->received_ns);
    pl_stmt_text(stmt, ":kind", entry->kind);
    pl_stmt_text(stmt, ":encoding", entry->encoding);
    pl_stmt_text(stmt, ":headers", entry->headers);
    status = pl_stmt_id(stmt, &id, err);
    if (status == PL_OK)
        status = pl_stmt_get(store, PL_SQL_INBOX_INSERT_BODY, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_int(stmt, ":id", id);
    pl_stmt_int(stmt, ":bytes", (int64_t)entry->body->len);
    status = pl_stmt_run(stmt, err);
    if (status == PL_OK && entry->body->len)
        status = write_body(store, id, entry->body, err);
    return status;
}

/* A commit that queries do not see, yet the generation is raised: followers look
 * for it. */
enum pl_status pl_inbox_add(struct pl_store *store,
                            const struct pl_inbox_entry *const *entries, size_t count,
                            struct pl_error *err)
{
    enum pl_status status = pl_db_begin_write(store, err);
    for (size_t i = 0; i < count && status == PL_OK; i++)
        status = insert(store, entries[i], err);
    if (status == PL_OK)
        return pl_db_commit(store, err);
    pl_db_rollback(store);
    return status;
}

/* ---- out ---- */

enum pl_status pl_inbox_next(struct pl_store *store, int64_t after_id,
                             struct pl_inbox_row *row_out, struct pl_error *err)
{
    struct pl_stmt *stmt;
    bool row;
    enum pl_status status =
        pl_stmt_find(store, PL_SQL_INBOX_NEXT, ":after", after_id, &stmt, &row, err);
    if (status != PL_OK)
        return status;
    if (!row)
        return pl_error_set(err, PL_NOT_FOUND, "the inbox is empty");
    if (pl_stmt_column_int(stmt, 0) <= after_id) { /* which would go on for ever */
        pl_stmt_reset(stmt);
        return pl_error_set(err, PL_INPUT, "%s is damaged: its inbox is out of order",
                            pl_store_path(store));
    }
    *row_out = (struct pl_inbox_row){
        .id = pl_stmt_column_int(stmt, 0),
        .project_id = pl_stmt_column_int(stmt, 1),
        .key_id = pl_stmt_column_int(stmt, 2),
        .received_ns = pl_stmt_column_int(stmt, 3),
        .is_store = strcmp(pl_stmt_column_text(stmt, 4), "store") == 0,
        .is_task = strcmp(pl_stmt_column_text(stmt, 4), "task") == 0,
        .items_done = pl_stmt_column_int(stmt, 6),
        .org_id = pl_stmt_column_int(stmt, 8),
    };
    (void)snprintf(row_out->encoding, sizeof row_out->encoding, "%s",
                   pl_stmt_column_text(stmt, 5));
    (void)snprintf(row_out->app, sizeof row_out->app, "%s",
                   pl_stmt_column_text(stmt, 7));
    pl_stmt_reset(stmt);
    return PL_OK;
}

enum pl_status pl_inbox_row_of(struct pl_store *store, int64_t project_id,
                               int64_t received_ns, struct pl_inbox_row *row_out,
                               struct pl_error *err)
{
    struct pl_stmt *stmt;
    bool row;
    enum pl_status status =
        pl_stmt_find(store, PL_SQL_INBOX_APP, ":project", project_id, &stmt, &row, err);
    if (status != PL_OK)
        return status;
    *row_out =
        (struct pl_inbox_row){.project_id = project_id, .received_ns = received_ns};
    (void)snprintf(row_out->app, sizeof row_out->app, "%s",
                   pl_stmt_column_text(stmt, 0));
    pl_stmt_reset(stmt);
    return PL_OK;
}

/* Copied out at one go: an open blob is a read transaction, which would be in the
 * way of the writes that follow. */
enum pl_status pl_inbox_body(struct pl_store *store, int64_t id, struct pl_spool *body,
                             struct pl_error *err)
{
    unsigned char piece[PIECE_BYTES];
    sqlite3_blob *blob = NULL;
    enum pl_status status = open_body(store, id, false, &blob, err);
    int bytes = status == PL_OK ? sqlite3_blob_bytes(blob) : 0;
    for (int at = 0; at < bytes && status == PL_OK; at += PIECE_BYTES) {
        int len = bytes - at < PIECE_BYTES ? bytes - at : PIECE_BYTES;
        int rc = sqlite3_blob_read(blob, piece, len, at);
        status = rc == SQLITE_OK ? pl_spool_append(body, piece, (size_t)len, err)
                                 : pl_db_error(store, rc, "read a body", err);
    }
    (void)sqlite3_blob_close(blob);
    return status;
}

static enum pl_status finish(struct pl_store *store, int64_t id, const char *error,
                             struct pl_error *err)
{
    struct pl_text_pool pool = {0};
    struct pl_stmt *stmt;
    enum pl_status status = pl_stmt_get(store, PL_SQL_INBOX_FINISH, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_int(stmt, ":id", id);
    pl_stmt_text(stmt, ":state", error ? "rejected" : "stored");
    pl_stmt_text(stmt, ":error", pl_text_clean(&pool, error, PL_TEXT_VALUE));
    status = pl_stmt_run(stmt, err);
    pl_text_pool_deinit(&pool);
    return status;
}

static enum pl_status end_write(struct pl_store *store, enum pl_status status,
                                struct pl_error *err)
{
    if (status == PL_OK)
        return pl_db_commit(store, err);
    pl_db_rollback(store);
    return status;
}

enum pl_status pl_inbox_finish(struct pl_store *store, int64_t id, const char *error,
                               struct pl_error *err)
{
    enum pl_status status = pl_db_begin_write(store, err);
    if (status == PL_OK)
        status = finish(store, id, error, err);
    return end_write(store, status, err);
}

enum pl_status pl_inbox_finish_all(struct pl_store *store, const int64_t *ids,
                                   size_t count, struct pl_error *err)
{
    enum pl_status status = count ? pl_db_begin_write(store, err) : PL_OK;
    for (size_t i = 0; i < count && status == PL_OK; i++)
        status = finish(store, ids[i], NULL, err);
    return count ? end_write(store, status, err) : PL_OK;
}

/* ---- retention ---- */

#define EXPIRE_MOST 100 /* rows in one transaction; as the statement's LIMIT */

static enum pl_status run_with(struct pl_store *store, enum pl_sql sql,
                               const char *name, int64_t value, struct pl_error *err)
{
    struct pl_stmt *stmt;
    enum pl_status status = pl_stmt_get(store, sql, &stmt, err);
    if (status != PL_OK)
        return status;
    if (name)
        pl_stmt_int(stmt, name, value);
    return pl_stmt_run(stmt, err);
}

static enum pl_status find_expired(struct pl_store *store, int64_t before_ns,
                                   int64_t ids[static EXPIRE_MOST], size_t *count_out,
                                   struct pl_error *err)
{
    struct pl_stmt *stmt;
    bool row = true;
    *count_out = 0;
    enum pl_status status = pl_stmt_get(store, PL_SQL_INBOX_EXPIRE_FIND, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_int(stmt, ":before", before_ns);
    while (row && status == PL_OK) {
        status = pl_stmt_row(stmt, &row, err);
        if (status == PL_OK && row && *count_out < EXPIRE_MOST)
            ids[(*count_out)++] = pl_stmt_column_int(stmt, 0);
    }
    return status;
}

static enum pl_status expire_some(struct pl_store *store, int64_t before_ns,
                                  size_t *count_out, struct pl_error *err)
{
    int64_t ids[EXPIRE_MOST];
    enum pl_status status = pl_db_begin_write(store, err);
    if (status != PL_OK)
        return status;
    status = find_expired(store, before_ns, ids, count_out, err);
    for (size_t i = 0; i < *count_out && status == PL_OK; i++) {
        status = run_with(store, PL_SQL_INBOX_DELETE_BODY, ":id", ids[i], err);
        if (status == PL_OK)
            status = run_with(store, PL_SQL_INBOX_DELETE_SENT, ":id", ids[i], err);
        if (status == PL_OK)
            status = run_with(store, PL_SQL_INBOX_DELETE, ":id", ids[i], err);
    }
    if (status == PL_OK)
        return pl_db_commit_unseen(store, err);
    pl_db_rollback(store);
    return status;
}

static enum pl_status expire_rest(struct pl_store *store, int64_t before_ns,
                                  struct pl_error *err)
{
    enum pl_status status = pl_db_begin_write(store, err);
    if (status != PL_OK)
        return status;
    status = run_with(store, PL_SQL_INBOX_EXPIRE_SPANS, ":before", before_ns, err);
    if (status == PL_OK)
        status = run_with(store, PL_SQL_INBOX_EXPIRE_BARE, ":before", before_ns, err);
    if (status == PL_OK)
        status = pl_function_metric_expire(store, before_ns, err);
    if (status == PL_OK)
        status = run_with(store, PL_SQL_INBOX_EXPIRE_IMAGES, NULL, 0, err);
    if (status == PL_OK)
        status = run_with(store, PL_SQL_INBOX_EXPIRE_MEASUREMENTS, NULL, 0, err);
    if (status == PL_OK)
        return pl_db_commit_unseen(store, err);
    pl_db_rollback(store);
    return status;
}

enum pl_status pl_inbox_expire(struct pl_store *store, int64_t before_ns,
                               struct pl_error *err)
{
    size_t count = EXPIRE_MOST;
    enum pl_status status = PL_OK;
    while (count == EXPIRE_MOST && status == PL_OK)
        status = expire_some(store, before_ns, &count, err);
    return status == PL_OK ? expire_rest(store, before_ns, err) : status;
}
