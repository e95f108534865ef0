/* Statements by enum, one set per connection, prepared when first asked for.
 * Runs on the connection's thread only. */
#include "store/db.h"

#include <string.h>

/* A bit for each column that is not declared to be something else. */
static uint64_t text_columns(sqlite3_stmt *handle)
{
    uint64_t columns = 0;
    int count = sqlite3_column_count(handle);
    for (int i = 0; i < count && i < 64; i++) {
        const char *type = sqlite3_column_decltype(handle, i);
        if (!type || (strcmp(type, "INTEGER") != 0 && strcmp(type, "BLOB") != 0))
            columns |= UINT64_C(1) << i;
    }
    return columns;
}

enum pl_status pl_stmt_get(struct pl_store *store, enum pl_sql id,
                           struct pl_stmt **stmt_out, struct pl_error *err)
{
    struct pl_stmt *stmt = &store->statements[id];
    if (!stmt->handle) {
        int rc = sqlite3_prepare_v3(store->db, pl_sql_text[id], -1,
                                    SQLITE_PREPARE_PERSISTENT, &stmt->handle, NULL);
        if (rc != SQLITE_OK)
            return pl_db_error(store, rc, pl_sql_name[id], err);
        stmt->store = store;
        stmt->texts = text_columns(stmt->handle);
    }
    pl_stmt_reset(stmt);
    *stmt_out = stmt;
    return PL_OK;
}

void pl_stmt_reset(struct pl_stmt *stmt)
{
    (void)sqlite3_reset(stmt->handle);
    (void)sqlite3_clear_bindings(stmt->handle);
    stmt->bind_rc = SQLITE_OK;
}

static int find(struct pl_stmt *stmt, const char *name)
{
    int index = sqlite3_bind_parameter_index(stmt->handle, name);
    if (!index)
        stmt->bind_rc = SQLITE_RANGE;
    return index;
}

static void note(struct pl_stmt *stmt, int rc)
{
    if (rc != SQLITE_OK && stmt->bind_rc == SQLITE_OK)
        stmt->bind_rc = rc;
}

void pl_stmt_int(struct pl_stmt *stmt, const char *name, int64_t value)
{
    int index = find(stmt, name);
    if (index)
        note(stmt, sqlite3_bind_int64(stmt->handle, index, value));
}

void pl_stmt_text(struct pl_stmt *stmt, const char *name, const char *text)
{
    int index = find(stmt, name);
    if (index)
        note(stmt, sqlite3_bind_text(stmt->handle, index, text, -1, SQLITE_STATIC));
}

void pl_stmt_blob(struct pl_stmt *stmt, const char *name, const void *bytes, size_t len)
{
    int index = find(stmt, name);
    if (index && !bytes)
        note(stmt, len ? SQLITE_MISUSE : SQLITE_OK); /* unbound is NULL */
    else if (index)
        note(stmt, sqlite3_bind_blob64(stmt->handle, index, bytes, len, SQLITE_STATIC));
}

/* "insert_slot" for messages. */
static const char *name_of(const struct pl_stmt *stmt)
{
    return pl_sql_name[stmt - stmt->store->statements];
}

/* SQLite may need memory to hand out a text: it does so here, where the want of it is
 * an error and not an empty text. */
static int fetch_texts(struct pl_stmt *stmt)
{
    for (uint64_t left = stmt->texts; left; left &= left - 1) {
        int column = __builtin_ctzll(left);
        if (sqlite3_column_type(stmt->handle, column) == SQLITE_TEXT &&
            !sqlite3_column_text(stmt->handle, column))
            return SQLITE_NOMEM;
    }
    return SQLITE_ROW;
}

enum pl_status pl_stmt_row(struct pl_stmt *stmt, bool *row_out, struct pl_error *err)
{
    *row_out = false;
    int rc = stmt->bind_rc;
    if (rc == SQLITE_OK)
        rc = sqlite3_step(stmt->handle);
    if (rc == SQLITE_ROW)
        rc = fetch_texts(stmt);
    if (rc == SQLITE_ROW) {
        *row_out = true;
        return PL_OK;
    }
    enum pl_status status = PL_OK;
    if (rc != SQLITE_DONE)
        status = pl_db_error(stmt->store, rc, name_of(stmt), err);
    pl_stmt_reset(stmt);
    return status;
}

enum pl_status pl_stmt_find(struct pl_store *store, enum pl_sql id, const char *name,
                            int64_t value, struct pl_stmt **stmt_out, bool *row_out,
                            struct pl_error *err)
{
    *row_out = false;
    enum pl_status status = pl_stmt_get(store, id, stmt_out, err);
    if (status != PL_OK)
        return status;
    pl_stmt_int(*stmt_out, name, value);
    return pl_stmt_row(*stmt_out, row_out, err);
}

enum pl_status pl_stmt_run(struct pl_stmt *stmt, struct pl_error *err)
{
    bool row = true;
    enum pl_status status = PL_OK;
    while (row && status == PL_OK)
        status = pl_stmt_row(stmt, &row, err);
    return status;
}

enum pl_status pl_stmt_id(struct pl_stmt *stmt, int64_t *id_out, struct pl_error *err)
{
    bool row = false;
    enum pl_status status = pl_stmt_row(stmt, &row, err);
    *id_out = row ? pl_stmt_column_int(stmt, 0) : 0;
    pl_stmt_reset(stmt);
    return status;
}

int64_t pl_stmt_column_int(const struct pl_stmt *stmt, int column)
{
    return sqlite3_column_int64(stmt->handle, column);
}

const char *pl_stmt_column_text(const struct pl_stmt *stmt, int column)
{
    const unsigned char *text = sqlite3_column_text(stmt->handle, column);
    return text ? (const char *)text : "";
}

const void *pl_stmt_column_blob(const struct pl_stmt *stmt, int column, size_t *len_out)
{
    const void *bytes = sqlite3_column_blob(stmt->handle, column);
    *len_out = bytes ? (size_t)sqlite3_column_bytes(stmt->handle, column) : 0;
    return bytes;
}

bool pl_stmt_column_is_null(const struct pl_stmt *stmt, int column)
{
    return sqlite3_column_type(stmt->handle, column) == SQLITE_NULL;
}
