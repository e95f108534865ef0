/* SQL for people: one statement that only reads.
 *
 * Three fences: an authorizer that knows what reading is and refuses everything
 * else while the statement is prepared, SQLite's own word that the statement
 * writes nothing, and a clock. The authorizer is needed on read-only connections
 * too: VACUUM INTO and ATTACH make files of any name there. */
#include "base/clock.h"
#include "store/db.h"
#include "store/query.h"
#include "store/table_functions.h"

#include <stdlib.h>
#include <string.h>

#define PROGRESS_STEPS 2000 /* of SQLite's machine between looks at the clock */

/* ---- what may be asked ---- */

/* PRAGMAs that only tell; those of the first list also with an argument. */
static const char *const pragmas_with_argument[] = {
    "foreign_key_list", "index_info", "index_list", "index_xinfo", "integrity_check",
    "quick_check",      "table_info", "table_list", "table_xinfo",
};
static const char *const pragmas_without[] = {
    "application_id", "collation_list", "compile_options", "database_list",
    "encoding",       "freelist_count", "function_list",   "journal_mode",
    "module_list",    "page_count",     "page_size",       "pragma_list",
    "schema_version", "user_version",
};

static bool is_in(const char *const *names, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (sqlite3_stricmp(names[i], name) == 0)
            return true;
    return false;
}

static bool may_pragma(const char *name, const char *argument)
{
    const size_t with = sizeof pragmas_with_argument / sizeof pragmas_with_argument[0];
    const size_t without = sizeof pragmas_without / sizeof pragmas_without[0];
    return name && (is_in(pragmas_with_argument, with, name) ||
                    (!argument && is_in(pragmas_without, without, name)));
}

static int authorize(void *self, int action, const char *first, const char *second,
                     const char *database, const char *trigger)
{
    (void)self, (void)database, (void)trigger;
    switch (action) {
    case SQLITE_SELECT:
    case SQLITE_READ:
    case SQLITE_RECURSIVE:
        return SQLITE_OK;
    case SQLITE_FUNCTION:
        return second && sqlite3_stricmp(second, "load_extension") == 0 ? SQLITE_DENY
                                                                        : SQLITE_OK;
    case SQLITE_UPDATE: /* what table functions ask for when they first appear */
        return first && strcmp(first, "sqlite_master") == 0 ? SQLITE_OK : SQLITE_DENY;
    case SQLITE_PRAGMA:
        return may_pragma(first, second) ? SQLITE_OK : SQLITE_DENY;
    default:
        return SQLITE_DENY;
    }
}

struct deadline {
    int64_t at_ns;
    bool passed;
};

static int look_at_clock(void *self)
{
    struct deadline *deadline = self;
    deadline->passed = pl_clock_mono_ns() >= deadline->at_ns;
    return deadline->passed;
}

/* ---- one statement ---- */

static enum pl_status sql_error(struct pl_store *store, int rc, int timeout_ms,
                                const struct deadline *deadline, struct pl_error *err)
{
    if (deadline->passed)
        return pl_error_set(err, PL_INPUT, "stopped: not done after %d ms", timeout_ms);
    switch (rc & 0xff) {
    case SQLITE_AUTH:
        return pl_error_set(err, PL_INPUT, "%s: only reading is allowed",
                            sqlite3_errmsg(store->db));
    case SQLITE_ERROR:
    case SQLITE_MISMATCH:
    case SQLITE_RANGE:
    case SQLITE_READONLY:
    case SQLITE_TOOBIG:
        return pl_error_set(err, PL_INPUT, "%s", sqlite3_errmsg(store->db));
    default:
        return pl_db_error(store, rc, "run SQL", err);
    }
}

/* Is there anything but blanks and comments in `sql`? */
static bool says_more(struct pl_store *store, const char *sql)
{
    while (*sql) {
        sqlite3_stmt *more = NULL;
        const char *tail = NULL;
        int rc = sqlite3_prepare_v2(store->db, sql, -1, &more, &tail);
        sqlite3_finalize(more);
        if (rc != SQLITE_OK || more)
            return true;
        if (!tail || tail == sql)
            return false;
        sql = tail;
    }
    return false;
}

static enum pl_status prepare(struct pl_store *store, const char *sql, int timeout_ms,
                              const struct deadline *deadline, sqlite3_stmt **stmt_out,
                              struct pl_error *err)
{
    const char *tail = NULL;
    do { /* a lone ';' is no statement */
        int rc = sqlite3_prepare_v2(store->db, sql, -1, stmt_out, &tail);
        if (rc != SQLITE_OK)
            return sql_error(store, rc, timeout_ms, deadline, err);
        if (!*stmt_out && (!tail || tail == sql || !*tail))
            return pl_error_set(err, PL_INPUT, "no SQL statement");
        sql = tail;
    } while (!*stmt_out);
    if (says_more(store, tail))
        return pl_error_set(err, PL_INPUT, "more than one SQL statement");
    if (!sqlite3_stmt_readonly(*stmt_out))
        return pl_error_set(err, PL_INPUT, "only reading is allowed");
    return PL_OK;
}

static struct pl_cell read_cell(sqlite3_stmt *stmt, int column)
{
    struct pl_cell cell = {.type = PL_CELL_NULL};
    switch (sqlite3_column_type(stmt, column)) {
    case SQLITE_INTEGER:
        cell.type = PL_CELL_INT;
        cell.integer = sqlite3_column_int64(stmt, column);
        break;
    case SQLITE_FLOAT:
        cell.type = PL_CELL_REAL;
        cell.real = sqlite3_column_double(stmt, column);
        break;
    case SQLITE_TEXT:
        cell.type = PL_CELL_TEXT;
        cell.text = (const char *)sqlite3_column_text(stmt, column);
        cell.len = (size_t)sqlite3_column_bytes(stmt, column);
        break;
    case SQLITE_BLOB:
        cell.type = PL_CELL_BLOB;
        cell.text = sqlite3_column_blob(stmt, column);
        cell.len = (size_t)sqlite3_column_bytes(stmt, column);
        break;
    }
    if ((cell.type == PL_CELL_TEXT || cell.type == PL_CELL_BLOB) && !cell.text)
        cell.text = "";
    return cell;
}

static bool give_columns(sqlite3_stmt *stmt, size_t count, const char **names,
                         const struct pl_sql_consumer *consumer)
{
    for (size_t i = 0; i < count; i++) {
        names[i] = sqlite3_column_name(stmt, (int)i);
        if (!names[i])
            names[i] = "";
    }
    return consumer->columns(consumer->self, count, names);
}

static enum pl_status run(struct pl_store *store, sqlite3_stmt *stmt, int timeout_ms,
                          const struct deadline *deadline,
                          const struct pl_sql_consumer *consumer, struct pl_error *err)
{
    size_t count = (size_t)sqlite3_column_count(stmt);
    const char **names = calloc(count + 1, sizeof *names);
    struct pl_cell *cells = calloc(count + 1, sizeof *cells);
    enum pl_status status = PL_OK;
    int rc = SQLITE_DONE;
    if (!names || !cells)
        status = pl_error_set(err, PL_NOMEM, "out of memory for a row");
    else if (give_columns(stmt, count, names, consumer))
        while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
            for (size_t i = 0; i < count; i++)
                cells[i] = read_cell(stmt, (int)i);
            if (!consumer->row(consumer->self, count, cells))
                break;
        }
    if (rc != SQLITE_DONE && rc != SQLITE_ROW)
        status = sql_error(store, rc, timeout_ms, deadline, err);
    free(names);
    free(cells);
    return status;
}

enum pl_status pl_query_sql(struct pl_store *store, const char *sql, int timeout_ms,
                            const struct pl_sql_consumer *consumer,
                            struct pl_error *err)
{
    struct deadline deadline = {0};
    sqlite3_stmt *stmt = NULL;
    if (!store->has_table_functions) {
        int rc = pl_table_functions_register(store->db);
        if (rc != SQLITE_OK)
            return pl_db_error(store, rc, "add table functions", err);
        store->has_table_functions = true;
    }
    if (timeout_ms > 0) {
        deadline.at_ns = pl_clock_mono_ns() + timeout_ms * PL_NS_PER_MS;
        sqlite3_progress_handler(store->db, PROGRESS_STEPS, look_at_clock, &deadline);
    }
    sqlite3_set_authorizer(store->db, authorize, NULL);
    enum pl_status status = prepare(store, sql, timeout_ms, &deadline, &stmt, err);
    if (status == PL_OK)
        status = run(store, stmt, timeout_ms, &deadline, consumer, err);
    sqlite3_finalize(stmt);
    sqlite3_set_authorizer(store->db, NULL, NULL);
    sqlite3_progress_handler(store->db, 0, NULL, NULL);
    return status;
}
