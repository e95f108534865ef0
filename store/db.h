/* Connection of the store, inside store/ only: what writer, queries and pass
 * share. Statements are named in sql/ and numbered by enum pl_sql; each
 * connection prepares one when it is first asked for and keeps it.
 *
 * Texts every reader agrees on: the module of a frame is module.path ("" none),
 * a function is (name, module path, file), and a native frame without a name is the
 * function "module.name+0xaddress" ("0xaddress" without a module) of that module. */
#ifndef PL_STORE_DB_H
#define PL_STORE_DB_H

#include "base/error.h"
#include "sql/statements.h" /* generated: enum pl_sql, PL_SQL_COUNT */
#include "store/log_guard.h"
#include "store/settled.h"
#include "store/store.h"

#ifdef PL_SQL_EXTENSION /* sql_extension.c */
#include <sqlite3ext.h>
#ifndef PL_SQL_EXTENSION_ENTRY
SQLITE_EXTENSION_INIT3
#endif
#else
#include <sqlite3.h>
#endif
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

struct pl_kept_stacks;
struct pl_writer;

/* A prepared statement. Bind errors are remembered and reported by the step. */
struct pl_stmt {
    sqlite3_stmt *handle; /* sqlite3_column_* may be used on it */
    struct pl_store *store;
    int bind_rc;
    uint64_t texts; /* a bit for each column that may be one */
};

struct pl_store {
    sqlite3 *db;
    char *path;      /* as given */
    char *real_path; /* absolute, for side files and after a chdir */
    enum pl_store_mode mode;
    bool newer;               /* written by a newer minor version: no writing */
    bool in_write;            /* inside pl_db_begin_write */
    int lock_fd;              /* <path>-lock, -1 until the first write */
    bool holds_signal;        /* SIGXFSZ is blocked for the transaction */
    uint64_t dev, ino;        /* of the file opened, to notice that it was replaced */
    uint64_t file_number;     /* grows with each connection: perhaps to another file */
    bool full;                /* the disk was, in this transaction */
    bool lost;                /* nothing could be opened again; tried next time */
    int log_pages;            /* of the WAL after the last commit */
    int log_pages_tried;      /* when a checkpoint was last tried */
    bool has_table_functions; /* for SQL of people */
    bool small;           /* held open in a program of someone else's: little memory */
    bool wrote;           /* since opened */
    bool durable;         /* each commit waits for the disk */
    int64_t epoch_stacks; /* of a dictionary epoch; 0: as many as usual */
    struct pl_log_guard guard;
    int changes; /* sqlite3_total_changes when the transaction began */
    struct pl_stmt statements[PL_SQL_COUNT];
    struct pl_settled settled;
    struct pl_writer *writer;    /* NULL until pl_store_sink */
    struct pl_kept_stacks *kept; /* NULL until asked (kept_stacks.h) */
};

/* ---- statements ---- */

/* Prepared, reset and with nothing bound. The store owns it. */
PL_MUST_CHECK enum pl_status pl_stmt_get(struct pl_store *store, enum pl_sql id,
                                         struct pl_stmt **stmt_out,
                                         struct pl_error *err);

/* `name` with its colon. Text and blobs are borrowed until reset; NULL is NULL. */
void pl_stmt_int(struct pl_stmt *stmt, const char *name, int64_t value);
void pl_stmt_text(struct pl_stmt *stmt, const char *name, const char *text);
void pl_stmt_blob(struct pl_stmt *stmt, const char *name, const void *bytes,
                  size_t len);

/* One step; *row_out says whether there is a row. After the last row, and on
 * error, the statement is reset. */
PL_MUST_CHECK enum pl_status pl_stmt_row(struct pl_stmt *stmt, bool *row_out,
                                         struct pl_error *err);
/* Prepare, bind one number, and step to the first row. */
PL_MUST_CHECK enum pl_status pl_stmt_find(struct pl_store *store, enum pl_sql id,
                                          const char *name, int64_t value,
                                          struct pl_stmt **stmt_out, bool *row_out,
                                          struct pl_error *err);
/* Run a statement that returns nothing. */
PL_MUST_CHECK enum pl_status pl_stmt_run(struct pl_stmt *stmt, struct pl_error *err);
/* Run one whose only row has an id first; 0 if there is no row. */
PL_MUST_CHECK enum pl_status pl_stmt_id(struct pl_stmt *stmt, int64_t *id_out,
                                        struct pl_error *err);
void pl_stmt_reset(struct pl_stmt *stmt); /* after stopping before the last row */

int64_t pl_stmt_column_int(const struct pl_stmt *stmt, int column);
/* Never NULL ("" for NULL); valid until the next step. */
const char *pl_stmt_column_text(const struct pl_stmt *stmt, int column);
/* Blob and its length; NULL and 0 for NULL or empty. */
const void *pl_stmt_column_blob(const struct pl_stmt *stmt, int column,
                                size_t *len_out);
bool pl_stmt_column_is_null(const struct pl_stmt *stmt, int column);

/* ---- transactions ---- */

/* A write transaction under the file's writer lock (docs/FORMAT.md, "Writers").
 * Not nestable. Errors  BUSY after 10 s; IO; INPUT when written by a newer
 * minor version or opened for reading. */
PL_MUST_CHECK enum pl_status pl_db_begin_write(struct pl_store *store,
                                               struct pl_error *err);
/* Also keeps the log short. After an error the transaction is rolled back. */
PL_MUST_CHECK enum pl_status pl_db_commit(struct pl_store *store, struct pl_error *err);
/* The same for what no query shows (leases): the data generation stays. */
PL_MUST_CHECK enum pl_status pl_db_commit_unseen(struct pl_store *store,
                                                 struct pl_error *err);
void pl_db_rollback(struct pl_store *store); /* harmless without a transaction */

/* One snapshot for several statements; keep it short. */
PL_MUST_CHECK enum pl_status pl_db_begin_read(struct pl_store *store,
                                              struct pl_error *err);
void pl_db_end_read(struct pl_store *store);

/* ---- names of the files beside it (side_file.c) ---- */

struct pl_side_name {
    char text[PATH_MAX + 8];
};

/* `path` and `suffix`, in `name`. Takes no memory: no want of it makes a file that is
 * there look removed. What is too long stays too long for the system. */
const char *pl_side_name(struct pl_side_name *name, const char *path,
                         const char *suffix);
/* Is it there? Only "no such file" is no.  Errors  IO */
PL_MUST_CHECK enum pl_status pl_side_look(const char *path, const char *suffix,
                                          struct stat *stat_out, bool *there_out,
                                          struct pl_error *err);
/* True: there is none any more. */
PL_MUST_CHECK bool pl_side_remove(const char *path, const char *suffix);

/* ---- opening (db.c, create.c, transaction.c) ---- */

#define PL_DB_APPLICATION_ID 0x50464C54 /* "PFLT" */
#define PL_DB_MAJOR          1
#define PL_DB_BUSY_MS        10000
/* Of a new file. A put changes one row in each of a dozen tables and indexes, and the
 * log takes whole pages. */
#define PL_DB_PAGE_BYTES 2048

/* user_version this program writes: 100*major + number of the last migration. */
int pl_db_version(void);
size_t pl_db_migration_count(void);
int pl_db_read_version(sqlite3 *db, int *version_out); /* SQLite's code */
/* As if sql/migrations had these scripts, too (borrowed): tests of the way up. */
void pl_db_add_migrations(const char *const *scripts, size_t count);

/* Make a complete empty store at `path`, whole or not at all, with its folders.
 * OK too if another process was quicker. `locked`: the caller has the writer lock. */
PL_MUST_CHECK enum pl_status pl_db_create(const char *path, bool locked,
                                          struct pl_error *err);

/* Bring an older file up to pl_db_version(), a transaction per step. */
PL_MUST_CHECK enum pl_status pl_db_migrate(struct pl_store *store, int version,
                                           struct pl_error *err);

/* Run migrations from number `from` on, then the views; sets user_version. To
 * be called inside a transaction. Returns SQLite's code. */
int pl_db_apply(sqlite3 *db, int from, int to);

/* Close the connection and open what is at the path now (made, if it would be made by
 * an open): statements are prepared anew, what memory knows of the file is void if it
 * is another. Errors  BUSY a statement is running; as open. Then every begin tries
 * again. */
PL_MUST_CHECK enum pl_status pl_db_connect_again(struct pl_store *store,
                                                 struct pl_error *err);

void pl_db_watch_log(struct pl_store *store);
void pl_db_close_lock(struct pl_store *store);

/* ---- errors ---- */

/* What SQLite last said on this connection, as a status and one line:
 * "cannot <doing> in <path>: why; what next". Returns the status. */
enum pl_status pl_db_error(struct pl_store *store, int rc, const char *doing,
                           struct pl_error *err);

#endif
