/* Opening: what a file must show before a statement of ours runs on it.
 *
 * Order: kind of file (stat), first bytes (through SQLite's own handle: closing
 * another descriptor of the file would drop the locks of this process), then
 * the connection is made defensive, then the version seen through the log, then
 * migration. A file that is refused is left as it was. */
#include "store/db.h"

#include "base/buf.h"
#include "store/schema.h"
#include "store/kept_stacks.h"
#include "store/writer.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- errors ---- */

static const char *system_reason(struct pl_store *store, int rc)
{
    int number = sqlite3_system_errno(store->db);
    return number ? strerror(number) : sqlite3_errstr(rc);
}

enum pl_status pl_db_error(struct pl_store *store, int rc, const char *doing,
                           struct pl_error *err)
{
    const char *path = store->path;
    switch (rc & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
        return PL_OK;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return pl_error_set(err, PL_BUSY,
                            "%s is busy (%s): another process has been writing for %d "
                            "s; try again",
                            path, doing, PL_DB_BUSY_MS / 1000);
    case SQLITE_INTERRUPT:
        return pl_error_set(err, PL_BUSY, "%s: %s took too long and was stopped", path,
                            doing);
    case SQLITE_FULL:
        store->full = true;
        return pl_error_set(err, PL_IO,
                            "cannot write %s (%s): the disk is full; free some space "
                            "and try again",
                            path, doing);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_FORMAT:
        return pl_error_set(err, PL_INPUT,
                            "%s is damaged (%s: %s); keep a copy and try the sqlite3 "
                            "shell's .recover",
                            path, doing, sqlite3_errmsg(store->db));
    case SQLITE_NOMEM:
        return pl_error_set(err, PL_NOMEM, "out of memory");
    case SQLITE_ERROR:
    case SQLITE_SCHEMA:
    case SQLITE_MISMATCH:
    case SQLITE_TOOBIG:
    case SQLITE_CONSTRAINT:
        return pl_error_set(err, PL_INPUT, "%s: %s: %s", path, doing,
                            sqlite3_errmsg(store->db));
    default:
        return pl_error_set(err, PL_IO, "cannot use %s (%s): %s", path, doing,
                            system_reason(store, rc));
    }
}

/* ---- looking before opening ---- */

static enum pl_status check_kind(const char *path, struct stat *stat_out,
                                 struct pl_error *err)
{
    if (!*path)
        return pl_error_set(err, PL_INPUT, "no name of a store was given");
    if (lstat(path, stat_out) != 0) {
        if (errno == ENOENT)
            return pl_error_set(err, PL_NOT_FOUND,
                                "no store at %s: record something first, or name "
                                "another with --db",
                                path);
        return pl_error_set(err, PL_IO, "cannot open %s: %s", path, strerror(errno));
    }
    if (S_ISDIR(stat_out->st_mode))
        return pl_error_set(err, PL_IO,
                            "cannot open %s: it is a folder; name a file in it", path);
    if (S_ISLNK(stat_out->st_mode))
        return pl_error_set(err, PL_INPUT,
                            "%s is a symbolic link; name the file it points to", path);
    if (!S_ISREG(stat_out->st_mode))
        return pl_error_set(err, PL_INPUT, "%s is not a regular file", path);
    if (stat_out->st_size == 0)
        return pl_error_set(err, PL_INPUT,
                            "%s is an empty file, not a proflite store; remove it or "
                            "name another",
                            path);
    return PL_OK;
}

/* The log of a file lies beside its name: of one with two names two logs would go into
 * it. Reading such a file does it no harm. */
static enum pl_status check_names(const char *path, const struct stat *file,
                                  enum pl_store_mode mode, struct pl_error *err)
{
    static const char *const suffixes[] = {"-wal", "-shm", "-journal", "-lock"};
    if (mode != PL_STORE_READ && file->st_nlink > 1)
        return pl_error_set(err, PL_INPUT,
                            "cannot write %s: it has a second name (a hard link), and "
                            "writing under both destroys it; remove that, or copy "
                            "the file",
                            path);
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        struct pl_side_name name;
        struct stat side;
        if (lstat(pl_side_name(&name, path, suffixes[i]), &side) == 0 &&
            (!S_ISREG(side.st_mode) || side.st_nlink > 1))
            return pl_error_set(err, PL_INPUT,
                                "cannot use %s: %s%s beside it is a link or no regular "
                                "file, not the store's own; remove it",
                                path, path, suffixes[i]);
    }
    return PL_OK;
}

static uint32_t big_endian(const unsigned char *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 |
           (uint32_t)bytes[2] << 8 | bytes[3];
}

static bool has_log(const char *path)
{
    struct pl_side_name log;
    struct stat file;
    return stat(pl_side_name(&log, path, "-wal"), &file) == 0 && file.st_size > 0;
}

static enum pl_status check_version(const char *path, uint32_t version,
                                    struct pl_error *err)
{
    if (version / 100 == PL_DB_MAJOR)
        return PL_OK;
    return pl_error_set(
        err, PL_INPUT, "%s has format %u.%02u, this proflite knows %d.xx; %s", path,
        version / 100, version % 100, PL_DB_MAJOR,
        version / 100 > PL_DB_MAJOR ? "update proflite" : "name another");
}

/* Bytes the first page promises; 0: it makes no sense. */
static sqlite3_int64 promised_size(const unsigned char *header)
{
    sqlite3_int64 page = (sqlite3_int64)header[16] << 8 | header[17];
    return (page == 1 ? 65536 : page) * big_endian(header + 28);
}

/* Whose file is it, of which version, and is it all there? The size is read
 * after the first page: a checkpoint in between can only make it larger. */
static enum pl_status check_header(const char *path, sqlite3 *db, struct pl_error *err)
{
    unsigned char header[100] = {0};
    sqlite3_file *file = NULL;
    sqlite3_int64 size = 0;
    int rc = SQLITE_IOERR;
    (void)sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &file);
    if (file && file->pMethods)
        rc = file->pMethods->xRead(file, header, sizeof header, 0);
    if (rc == SQLITE_OK || rc == SQLITE_IOERR_SHORT_READ)
        rc = file->pMethods->xFileSize(file, &size);
    if (rc != SQLITE_OK)
        return pl_error_set(err, PL_IO, "cannot read %s", path);
    if (memcmp(header, "SQLite format 3", 16) != 0)
        return pl_error_set(err, PL_INPUT,
                            "%s is not a proflite store (not an SQLite file); name "
                            "another",
                            path);
    if (big_endian(header + 68) != PL_DB_APPLICATION_ID)
        return pl_error_set(err, PL_INPUT,
                            "%s is an SQLite database of another program, not a "
                            "proflite store; name another",
                            path);
    enum pl_status status = check_version(path, big_endian(header + 60), err);
    if (status == PL_OK && size < promised_size(header) && !has_log(path))
        status = pl_error_set(err, PL_INPUT,
                              "%s is damaged: it ends after %lld of %lld bytes; "
                              "restore a copy",
                              path, (long long)size, (long long)promised_size(header));
    return status;
}

/* ---- the connection ---- */

static int make_defensive(sqlite3 *db)
{
    static const struct {
        int option, value;
    } options[] = {
        {SQLITE_DBCONFIG_DEFENSIVE, 1},        {SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0},
        {SQLITE_DBCONFIG_ENABLE_TRIGGER, 0},   {SQLITE_DBCONFIG_ENABLE_FKEY, 0},
        {SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1}, {SQLITE_DBCONFIG_DQS_DML, 0},
        {SQLITE_DBCONFIG_DQS_DDL, 0},
    };
    int rc = SQLITE_OK;
    for (size_t i = 0; i < sizeof options / sizeof *options && rc == SQLITE_OK; i++)
        rc = sqlite3_db_config(db, options[i].option, options[i].value, NULL);
    return rc;
}

/* A copy (VACUUM INTO) has no log yet. Of several who make it have one SQLite lets none
 * wait for another, as each has read the file already. */
static int want_log(sqlite3 *db)
{
    int rc = SQLITE_BUSY;
    for (int ms = 0; (rc & 0xff) == SQLITE_BUSY && ms < PL_DB_BUSY_MS; ms += 10) {
        if (ms)
            (void)sqlite3_sleep(10);
        rc = sqlite3_exec(db, "PRAGMA journal_mode = WAL", NULL, NULL, NULL);
    }
    return rc;
}

static int set_pragmas(sqlite3 *db, enum pl_store_mode mode)
{
    int rc = sqlite3_exec(db,
                          "PRAGMA cell_size_check = ON; PRAGMA mmap_size = 0;"
                          "PRAGMA cache_size = -8192; PRAGMA temp_store = MEMORY;"
                          "PRAGMA wal_autocheckpoint = 0;"
                          "PRAGMA journal_size_limit = 4194304",
                          NULL, NULL, NULL);
    if (rc != SQLITE_OK)
        return rc;
    if (mode == PL_STORE_READ)
        return sqlite3_exec(db, "PRAGMA query_only = ON; PRAGMA cache_size = -16384",
                            NULL, NULL, NULL);
    rc = want_log(db);
    return rc == SQLITE_OK
               ? sqlite3_exec(db, "PRAGMA synchronous = NORMAL", NULL, NULL, NULL)
               : rc;
}

int pl_db_read_version(sqlite3 *db, int *version_out)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &stmt, NULL);
    if (rc == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW)
        *version_out = sqlite3_column_int(stmt, 0);
    int end = sqlite3_finalize(stmt);
    return rc == SQLITE_OK ? end : rc;
}

/* "file:/a%3fb?immutable=1": a file nobody can be writing to, in a folder where
 * SQLite cannot put its side files. */
static int reopen_immutable(struct pl_store *store)
{
    struct pl_buf uri;
    pl_buf_init(&uri, 3 * strlen(store->real_path) + 64);
    pl_buf_puts(&uri, "file:");
    for (const char *c = store->real_path; *c; c++) {
        if (strchr("?#%", *c))
            pl_buf_printf(&uri, "%%%02x", (unsigned char)*c);
        else
            pl_buf_putc(&uri, *c);
    }
    pl_buf_puts(&uri, "?immutable=1");
    (void)sqlite3_close(store->db);
    store->db = NULL;
    int rc = SQLITE_NOMEM;
    if (!uri.failed)
        rc = sqlite3_open_v2(uri.data, &store->db,
                             SQLITE_OPEN_READONLY | SQLITE_OPEN_URI |
                                 SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
                             NULL);
    if (rc == SQLITE_OK)
        rc = make_defensive(store->db);
    pl_buf_deinit(&uri);
    return rc;
}

static bool cannot_share(int rc)
{
    int primary = rc & 0xff;
    return primary == SQLITE_CANTOPEN || primary == SQLITE_READONLY ||
           rc == SQLITE_IOERR_SHMSIZE; /* no room for an index, so nobody has one */
}

static enum pl_status connect_file(struct pl_store *store, struct pl_error *err)
{
    int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE | SQLITE_OPEN_PRIVATECACHE;
    flags |=
        store->mode == PL_STORE_READ ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE;
    char real_path[PATH_MAX];
    if (!store->real_path && realpath(store->path, real_path))
        store->real_path = strdup(real_path);
    if (!store->real_path)
        return pl_error_set(err, PL_IO, "cannot open %s: %s", store->path,
                            strerror(errno));
    int rc = sqlite3_open_v2(store->real_path, &store->db, flags, NULL);
    if (rc != SQLITE_OK)
        return pl_db_error(store, rc, "open", err);
    enum pl_status status = check_header(store->path, store->db, err);
    if (status != PL_OK)
        return status;
    if (store->mode != PL_STORE_READ && sqlite3_db_readonly(store->db, "main"))
        return pl_error_set(err, PL_IO, "cannot write %s: permission denied",
                            store->path);
    (void)sqlite3_busy_timeout(store->db, PL_DB_BUSY_MS);
    rc = make_defensive(store->db);
    if (rc == SQLITE_OK)
        rc = set_pragmas(store->db, store->mode);
    int version = 0;
    if (rc == SQLITE_OK)
        rc = pl_db_read_version(store->db, &version);
    if (cannot_share(rc) && store->mode == PL_STORE_READ && !has_log(store->path)) {
        rc = reopen_immutable(store);
        if (rc == SQLITE_OK)
            rc = set_pragmas(store->db, store->mode);
    }
    return pl_db_error(store, rc, "open", err);
}

/* The version as committed, which the first bytes may not show yet. */
static enum pl_status settle_version(struct pl_store *store, struct pl_error *err)
{
    int version = 0;
    int rc = pl_db_read_version(store->db, &version);
    if (rc != SQLITE_OK)
        return pl_db_error(store, rc, "read version", err);
    enum pl_status status = check_version(store->path, (uint32_t)version, err);
    if (status != PL_OK)
        return status;
    store->newer = version > pl_db_version();
    if (version >= pl_db_version())
        return PL_OK;
    if (store->mode == PL_STORE_READ)
        return pl_error_set(err, PL_INPUT,
                            "%s has the older format %d.%02d; `proflite process` "
                            "brings it up to date",
                            store->path, version / 100, version % 100);
    return pl_db_migrate(store, version, err);
}

/* What is at the path, made if that is wanted. */
static enum pl_status find_file(struct pl_store *store, bool locked,
                                struct pl_error *err)
{
    struct stat file;
    enum pl_status status = check_kind(store->path, &file, err);
    if (status == PL_NOT_FOUND && store->mode == PL_STORE_CREATE) {
        status = pl_db_create(locked ? store->real_path : store->path, locked, err);
        if (status == PL_OK)
            status = check_kind(store->path, &file, err);
    }
    if (status == PL_OK)
        status = check_names(store->path, &file, store->mode, err);
    if (status != PL_OK)
        return status;
    store->dev = file.st_dev;
    store->ino = file.st_ino;
    return PL_OK;
}

static enum pl_status open_checked(struct pl_store *store, struct pl_error *err)
{
    enum pl_status status = find_file(store, false, err);
    if (status == PL_OK)
        status = connect_file(store, err);
    if (status != PL_OK)
        return status;
    pl_db_watch_log(store);
    status = pl_log_guard_remember(store, err); /* migrations are transactions, too */
    if (status == PL_OK)
        status = settle_version(store, err);
    if (status == PL_OK && !store->newer)
        status = pl_schema_check(store, err);
    return status == PL_OK ? pl_log_guard_remember(store, err) : status;
}

/* Within a transaction's lock: nothing is migrated here. */
static enum pl_status open_known(struct pl_store *store, struct pl_error *err)
{
    int version = 0;
    enum pl_status status = find_file(store, true, err);
    if (status == PL_OK)
        status = connect_file(store, err);
    if (status != PL_OK)
        return status;
    pl_db_watch_log(store);
    int rc = pl_db_read_version(store->db, &version);
    if (rc != SQLITE_OK)
        return pl_db_error(store, rc, "read version", err);
    if (version != pl_db_version())
        return pl_error_set(err, PL_INPUT, "%s was replaced by one of another format",
                            store->path);
    status = pl_schema_check(store, err);
    if (status == PL_OK && store->durable)
        status = pl_store_make_durable(store, err);
    return status == PL_OK ? pl_log_guard_remember(store, err) : status;
}

static void finalize_statements(struct pl_store *store)
{
    for (size_t i = 0; i < PL_SQL_COUNT; i++) {
        (void)sqlite3_finalize(store->statements[i].handle);
        store->statements[i].handle = NULL;
    }
}

enum pl_status pl_db_connect_again(struct pl_store *store, struct pl_error *err)
{
    sqlite3 *empty = NULL; /* stands in for what cannot be opened: there always is a
                              connection */
    int rc = sqlite3_open_v2(":memory:", &empty,
                             SQLITE_OPEN_READWRITE | SQLITE_OPEN_MEMORY, NULL);
    enum pl_status status = PL_OK;
    finalize_statements(store);
    if (rc != SQLITE_OK)
        status = pl_error_set(err, PL_NOMEM, "out of memory");
    else if (sqlite3_close(store->db) != SQLITE_OK)
        status = pl_error_set(err, PL_BUSY, "%s: a statement is running", store->path);
    if (status != PL_OK) {
        (void)sqlite3_close(empty);
        return status;
    }
    store->db = NULL;
    store->guard = (struct pl_log_guard){0};
    store->file_number++;
    status = open_known(store, err);
    store->lost = status != PL_OK;
    if (store->lost) {
        finalize_statements(store); /* of what was opened and found wanting */
        (void)sqlite3_close(store->db);
        store->db = empty;
    } else {
        (void)sqlite3_close(empty);
    }
    return status;
}

enum pl_status pl_store_open(const char *path, enum pl_store_mode mode,
                             struct pl_store **store_out, struct pl_error *err)
{
    *store_out = NULL;
    struct pl_store *store = calloc(1, sizeof *store);
    char *copy = strdup(path);
    if (!store || !copy) {
        free(store);
        free(copy);
        return pl_error_set(err, PL_NOMEM, "out of memory");
    }
    store->path = copy;
    store->mode = mode;
    store->lock_fd = -1;
    enum pl_status status = open_checked(store, err);
    if (status != PL_OK) {
        pl_store_close(store);
        return status;
    }
    *store_out = store;
    return PL_OK;
}

void pl_store_close(struct pl_store *store)
{
    if (!store)
        return;
    pl_db_rollback(store);
    finalize_statements(store);
    pl_db_close_lock(store); /* may connect again */
    finalize_statements(store);
    pl_writer_free(store->writer);
    pl_settled_deinit(&store->settled);
    pl_kept_stacks_free(store->kept);
    (void)sqlite3_close(store->db);
    free(store->path);
    free(store->real_path);
    free(store);
}

const char *pl_store_path(const struct pl_store *store)
{
    return store->path;
}

enum pl_status pl_store_make_durable(struct pl_store *store, struct pl_error *err)
{
    int rc =
        sqlite3_exec(store->db, pl_sql_text[PL_SQL_SYNC_EACH_COMMIT], NULL, NULL, NULL);
    store->durable = rc == SQLITE_OK;
    return pl_db_error(store, rc, "sync_each_commit", err);
}

const char *pl_store_sqlite_version(void)
{
    return sqlite3_libversion();
}
