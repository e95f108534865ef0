/* Transactions and the log: who may write, and when the log is folded back.
 *
 * SQLite before 3.51.3 can lose commits when a checkpoint meets a writer that
 * wraps the log, and versions mix on one file. So:
 *  1. every write transaction of ours, from before BEGIN IMMEDIATE to after
 *     COMMIT, holds an exclusive flock on <path>-lock;
 *  2. whoever checkpoints holds it too, usually the writer that just committed
 *     and found the log past its bound: nobody commits while it works;
 *  3. SQLite's own checkpoints (after a commit, on close) are off everywhere.
 * One lock for both, and not shared for writers, because SQLite lets only one
 * write at a time anyhow, and because a steady stream of shared holders would
 * keep the checkpointer out for ever. A killed holder's lock goes with it.
 * Readers take no part: they can hold back the log's reuse, never a writer. */
#include "store/db.h"

#include "base/clock.h"
#include "base/log.h"
#include "store/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

enum {
    PAGES_A_MIB = (1 << 20) / PL_DB_PAGE_BYTES,
    LOG_PAGES_WANTED = 4 * PAGES_A_MIB,    /* fold back what readers allow */
    LOG_PAGES_STEP = PAGES_A_MIB,          /* try again after so much more */
    LOG_PAGES_TOO_MANY = 16 * PAGES_A_MIB, /* wait a moment for readers */
    LOG_PAGES_BRAKE = 28 * PAGES_A_MIB,    /* no more than 1 MiB in 2 s, so that a
                                              reader of a minute sees a log of 64 MiB
                                              at most */
    READER_PATIENCE_MS = 100,
    BRAKE_PATIENCE_MS = 2000,
    CHECKPOINT_PATIENCE_MS = 1000,
    ROOM_WANTED_BYTES = 8 << 20, /* with less on the disk the log stays empty */
};

static int on_commit(void *self, sqlite3 *db, const char *schema, int pages)
{
    (void)db;
    (void)schema;
    ((struct pl_store *)self)->log_pages = pages;
    return SQLITE_OK;
}

void pl_db_watch_log(struct pl_store *store)
{
    (void)sqlite3_wal_hook(store->db, on_commit, store);
}

/* ---- entering and leaving ---- */

static enum pl_status open_lock(struct pl_store *store, struct pl_error *err)
{
    if (store->lock_fd >= 0)
        return PL_OK;
    return pl_lock_open(store->real_path, &store->lock_fd, err);
}

/* A file size limit (RLIMIT_FSIZE) kills the writing process, which may be the
 * profiled program, unless SIGXFSZ is blocked in this thread; then it is EFBIG. */
static void hold_signal(struct pl_store *store)
{
    sigset_t set, old;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGXFSZ);
    store->holds_signal =
        pthread_sigmask(SIG_BLOCK, &set, &old) == 0 && !sigismember(&old, SIGXFSZ);
}

static void let_signal_go(struct pl_store *store)
{
    sigset_t set;
    if (!store->holds_signal)
        return;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGXFSZ);
    while (sigtimedwait(&set, NULL, &(struct timespec){0}) == SIGXFSZ)
        ;
    (void)pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    store->holds_signal = false;
}

static bool enter(struct pl_store *store, int patience_ms)
{
    if (!pl_lock_take(store->lock_fd, patience_ms))
        return false;
    while (!pl_lock_is_current(store->real_path, store->lock_fd)) {
        (void)close(store->lock_fd);
        store->lock_fd = -1;
        if (open_lock(store, NULL) != PL_OK ||
            !pl_lock_take(store->lock_fd, patience_ms))
            return false;
    }
    hold_signal(store);
    return true;
}

static void leave(struct pl_store *store)
{
    let_signal_go(store);
    pl_lock_release(store->lock_fd);
}

/* ---- checkpoints; the lock is held ---- */

static int run_checkpoint(struct pl_store *store, int mode, int patience_ms)
{
    int log = 0, done = 0;
    struct pl_error err = {0};
    if (pl_log_guard_write(store, true, &err) != PL_OK) {
        pl_log(PL_LOG_WARN, "store", "%s", err.message);
        return SQLITE_BUSY; /* nothing of a damaged log goes into the file */
    }
    (void)sqlite3_busy_timeout(store->db, patience_ms);
    int rc = sqlite3_wal_checkpoint_v2(store->db, "main", mode, &log, &done);
    (void)sqlite3_busy_timeout(store->db, PL_DB_BUSY_MS);
    store->log_pages_tried = store->log_pages;
    if (rc == SQLITE_OK && mode == SQLITE_CHECKPOINT_TRUNCATE)
        store->log_pages = store->log_pages_tried = 0;
    return rc;
}

static bool room_is_short(const struct pl_store *store)
{
    struct statvfs disk;
    return statvfs(store->real_path, &disk) == 0 &&
           disk.f_bavail < ROOM_WANTED_BYTES / disk.f_frsize;
}

/* A failed checkpoint fails no commit: all is in the log, and it is tried again. */
static void keep_log_short(struct pl_store *store)
{
    int pages = store->log_pages;
    int rc = SQLITE_OK;
    if (pages < store->log_pages_tried)
        store->log_pages_tried = 0; /* the log began anew */
    if (pages < LOG_PAGES_WANTED && room_is_short(store))
        rc = run_checkpoint(store, SQLITE_CHECKPOINT_TRUNCATE, 0);
    else if (pages < LOG_PAGES_WANTED ||
             pages - store->log_pages_tried < LOG_PAGES_STEP)
        return;
    else if (pages < LOG_PAGES_TOO_MANY)
        rc = run_checkpoint(store, SQLITE_CHECKPOINT_PASSIVE, 0);
    else
        rc = run_checkpoint(store, SQLITE_CHECKPOINT_TRUNCATE,
                            pages < LOG_PAGES_BRAKE ? READER_PATIENCE_MS
                                                    : BRAKE_PATIENCE_MS);
    if (rc != SQLITE_OK && (rc & 0xff) != SQLITE_BUSY)
        pl_log(PL_LOG_WARN, "store", "%s: checkpoint: %s", store->path,
               sqlite3_errstr(rc));
}

enum pl_status pl_store_checkpoint(struct pl_store *store, struct pl_error *err)
{
    if (store->mode == PL_STORE_READ || store->newer)
        return PL_OK;
    enum pl_status status = open_lock(store, err);
    if (status != PL_OK)
        return status;
    if (!enter(store, CHECKPOINT_PATIENCE_MS))
        return PL_OK; /* somebody writes, and will checkpoint */
    int rc = run_checkpoint(store, SQLITE_CHECKPOINT_TRUNCATE, CHECKPOINT_PATIENCE_MS);
    if (rc != SQLITE_OK && (rc & 0xff) != SQLITE_BUSY)
        status = pl_db_error(store, rc, "checkpoint", err);
    leave(store);
    return status;
}

/* On close: leave a file that can be copied alone, if that takes no waiting. */
void pl_db_close_lock(struct pl_store *store)
{
    if (store->lock_fd < 0)
        return;
    if (store->wrote && enter(store, 0)) {
        (void)run_checkpoint(store, SQLITE_CHECKPOINT_TRUNCATE, 0);
        leave(store);
    }
    (void)close(store->lock_fd);
    store->lock_fd = -1;
}

/* ---- transactions ---- */

static enum pl_status run(struct pl_store *store, enum pl_sql id, struct pl_error *err)
{
    struct pl_stmt *stmt = NULL;
    enum pl_status status = pl_stmt_get(store, id, &stmt, err);
    return status == PL_OK ? pl_stmt_run(stmt, err) : status;
}

/* The way out of a transaction is made before the way in: no want of memory keeps one
 * open. */
static enum pl_status begin(struct pl_store *store, enum pl_sql id,
                            struct pl_error *err)
{
    struct pl_stmt *way_out;
    enum pl_status status = pl_stmt_get(store, PL_SQL_ROLLBACK, &way_out, err);
    return status == PL_OK ? run(store, id, err) : status;
}

static enum pl_status check_writable(struct pl_store *store, struct pl_error *err)
{
    if (store->mode == PL_STORE_READ)
        return pl_error_set(err, PL_INPUT, "cannot write %s: opened for reading",
                            store->path);
    if (store->newer)
        return pl_error_set(err, PL_INPUT,
                            "cannot write %s: a newer proflite made it; it can be read "
                            "only, or update this one",
                            store->path);
    return PL_OK;
}

enum pl_status pl_db_begin_write(struct pl_store *store, struct pl_error *err)
{
    enum pl_status status = check_writable(store, err);
    if (status == PL_OK)
        status = open_lock(store, err);
    if (status != PL_OK)
        return status;
    if (!enter(store, PL_DB_BUSY_MS))
        return pl_error_set(err, PL_BUSY,
                            "cannot write %s: another process has been writing for %d "
                            "s; try again",
                            store->path, PL_DB_BUSY_MS / 1000);
    status = pl_log_guard_write(store, false, err);
    if (status == PL_OK)
        status = begin(store, PL_SQL_BEGIN_WRITE, err);
    if (status != PL_OK) {
        leave(store);
        return status;
    }
    store->in_write = true;
    store->changes = sqlite3_total_changes(store->db);
    return PL_OK;
}

void pl_db_rollback(struct pl_store *store)
{
    if (!store->in_write)
        return;
    if (!sqlite3_get_autocommit(store->db)) /* some errors roll back by themselves */
        (void)run(store, PL_SQL_ROLLBACK, NULL);
    store->in_write = false;
    if (store->full) { /* the log may have what is wanted */
        store->full = false;
        (void)run_checkpoint(store, SQLITE_CHECKPOINT_TRUNCATE, 0);
    }
    leave(store);
}

enum pl_status pl_db_commit_unseen(struct pl_store *store, struct pl_error *err)
{
    enum pl_status status = run(store, PL_SQL_COMMIT, err);
    if (status != PL_OK) {
        pl_db_rollback(store);
        return status;
    }
    store->in_write = false;
    store->wrote = true;
    keep_log_short(store);
    leave(store);
    return PL_OK;
}

enum pl_status pl_db_commit(struct pl_store *store, struct pl_error *err)
{
    if (sqlite3_total_changes(store->db) != store->changes) {
        enum pl_status status = run(store, PL_SQL_BUMP_GENERATION, err);
        if (status != PL_OK) {
            pl_db_rollback(store);
            return status;
        }
    }
    return pl_db_commit_unseen(store, err);
}

enum pl_status pl_db_begin_read(struct pl_store *store, struct pl_error *err)
{
    bool mend = false;
    enum pl_status status = pl_log_guard_read(store, &mend, err);
    if (status == PL_OK && mend) { /* which is done under the lock */
        status = pl_db_begin_write(store, err);
        pl_db_rollback(store);
    }
    return status == PL_OK ? begin(store, PL_SQL_BEGIN_READ, err) : status;
}

void pl_db_end_read(struct pl_store *store)
{
    if (!sqlite3_get_autocommit(store->db))
        (void)run(store, PL_SQL_ROLLBACK, NULL);
}

enum pl_status pl_store_generation(struct pl_store *store, uint64_t *generation_out,
                                   struct pl_error *err)
{
    struct pl_stmt *stmt = NULL;
    bool row = false;
    *generation_out = 0;
    enum pl_status status = pl_stmt_get(store, PL_SQL_GET_GENERATION, &stmt, err);
    if (status == PL_OK)
        status = pl_stmt_row(stmt, &row, err);
    if (row) {
        *generation_out = (uint64_t)pl_stmt_column_int(stmt, 0);
        pl_stmt_reset(stmt);
    }
    return status;
}
