/* Making and migrating the file.
 *
 * A new store is built under a temporary name beside the final one and linked
 * into place when complete, so that nobody ever meets half a store, and two
 * processes that start at once end up with one. An older store is brought up a
 * migration at a time, each in its own transaction together with its
 * user_version, so that a kill leaves one version or the next. */
#include "store/db.h"

#include "base/id.h"
#include "store/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const *later; /* after those of sql/migrations */
static size_t later_count;

void pl_db_add_migrations(const char *const *scripts, size_t count)
{
    later = scripts;
    later_count = count;
}

size_t pl_db_migration_count(void)
{
    return pl_sql_migration_count + later_count;
}

static const char *migration(size_t number)
{
    return number < pl_sql_migration_count ? pl_sql_migrations[number]
                                           : later[number - pl_sql_migration_count];
}

int pl_db_version(void)
{
    return PL_DB_MAJOR * 100 + (int)pl_db_migration_count() - 1;
}

static int set_version(sqlite3 *db, int version)
{
    char *text = sqlite3_mprintf("PRAGMA user_version = %d", version);
    int rc = text ? sqlite3_exec(db, text, NULL, NULL, NULL) : SQLITE_NOMEM;
    sqlite3_free(text);
    return rc;
}

int pl_db_apply(sqlite3 *db, int from, int to)
{
    int rc = SQLITE_OK;
    for (int i = from; i < to && rc == SQLITE_OK; i++)
        rc = sqlite3_exec(db, migration((size_t)i), NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(db, pl_sql_views, NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = set_version(db, PL_DB_MAJOR * 100 + to - 1);
    return rc;
}

/* One step, unless another process took it first: `*version` is what the file has
 * then. */
static enum pl_status migrate_once(struct pl_store *store, int *version,
                                   struct pl_error *err)
{
    int rc = pl_db_read_version(store->db, version);
    int next = *version % 100 + 1;
    if (rc == SQLITE_OK && *version < pl_db_version())
        rc = pl_db_apply(store->db, next, next + 1);
    if (rc != SQLITE_OK)
        return pl_db_error(store, rc, "migrate", err);
    if (*version < pl_db_version())
        ++*version;
    return PL_OK;
}

enum pl_status pl_db_migrate(struct pl_store *store, int version, struct pl_error *err)
{
    while (version < pl_db_version()) {
        enum pl_status status = pl_db_begin_write(store, err);
        if (status != PL_OK)
            return status;
        status = migrate_once(store, &version, err);
        if (status == PL_OK)
            status = pl_db_commit(store, err);
        else
            pl_db_rollback(store);
        if (status != PL_OK)
            return status;
    }
    return PL_OK;
}

/* ---- a new file ---- */

/* Every missing folder of `path`, for its owner only. */
static enum pl_status make_folders(const char *path, struct pl_error *err)
{
    char *copy = strdup(path);
    if (!copy)
        return pl_error_set(err, PL_NOMEM, "out of memory");
    enum pl_status status = PL_OK;
    for (char *slash = strchr(copy + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(copy, 0700) == 0) {
            (void)chmod(copy, 0700); /* whatever the umask */
        } else if (errno != EEXIST && errno != EISDIR) {
            status = pl_error_set(err, PL_IO, "cannot create folder %s for %s: %s",
                                  copy, path, strerror(errno));
            break;
        }
        *slash = '/';
    }
    free(copy);
    return status;
}

/* A start nobody else's file has, so that two files never share a generation;
 * below 2^53 for ever after. */
static int set_facts(sqlite3 *db)
{
    struct pl_id id;
    uint32_t random = 1;
    if (pl_id_new(&id, NULL) == PL_OK)
        memcpy(&random, id.bytes, sizeof random);
    char *text = sqlite3_mprintf("INSERT INTO meta (key, value) VALUES "
                                 "('generation', %lld), "
                                 "('created_ns', unixepoch() * 1000000000)",
                                 (long long)(random >> 1) << 20);
    int rc = text ? sqlite3_exec(db, text, NULL, NULL, NULL) : SQLITE_NOMEM;
    sqlite3_free(text);
    return rc;
}

#define TEXT(number)    #number
#define TEXT_OF(number) TEXT(number)

static int fill(sqlite3 *db)
{
    static const char *const before[] = {
        "PRAGMA page_size = " TEXT_OF(PL_DB_PAGE_BYTES),
        "PRAGMA auto_vacuum = INCREMENTAL",
        "PRAGMA encoding = 'UTF-8'",
        "BEGIN IMMEDIATE",
        "PRAGMA application_id = 0x50464C54",
    };
    static const char *const after[] = {"COMMIT", "PRAGMA journal_mode = WAL"};
    int rc = SQLITE_OK;
    for (size_t i = 0; i < sizeof before / sizeof *before && rc == SQLITE_OK; i++)
        rc = sqlite3_exec(db, before[i], NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = pl_db_apply(db, 0, (int)pl_db_migration_count());
    if (rc == SQLITE_OK)
        rc = set_facts(db);
    for (size_t i = 0; i < sizeof after / sizeof *after && rc == SQLITE_OK; i++)
        rc = sqlite3_exec(db, after[i], NULL, NULL, NULL);
    return rc;
}

static const char *const suffixes[] = {"", "-journal", "-wal", "-shm"};

/* From the `from`-th suffix on. */
static bool remove_files(const char *path, size_t from)
{
    for (size_t i = from; i < sizeof suffixes / sizeof *suffixes; i++)
        if (!pl_side_remove(path, suffixes[i]))
            return false;
    return true;
}

/* A name lasts through a power cut once its folder is on the disk. */
static void sync_folder(const char *path)
{
    char *folder = strdup(path);
    char *slash = folder ? strrchr(folder, '/') : NULL;
    if (slash)
        slash[slash == folder] = '\0';
    int fd =
        folder ? open(slash ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (fd >= 0) {
        (void)fsync(fd); /* some file systems cannot */
        (void)close(fd);
    }
    free(folder);
}

/* Into place, unless something is there already. */
static enum pl_status publish(const char *temporary, const char *path,
                              struct pl_error *err)
{
    bool there =
        renameat2(AT_FDCWD, temporary, AT_FDCWD, path, RENAME_NOREPLACE) == 0 ||
        errno == EEXIST;
    if (!there && (errno == EINVAL || errno == ENOSYS))
        there = link(temporary, path) == 0 || errno == EEXIST;
    if (!there)
        return pl_error_set(err, PL_IO, "cannot create %s: %s", path, strerror(errno));
    return PL_OK;
}

/* A log that a removed store left at the name would go into this one. Others who make
 * it, too, wait; who finds one there leaves all as it is. */
static enum pl_status publish_alone(const char *temporary, const char *path,
                                    bool locked, struct pl_error *err)
{
    struct stat file;
    bool there = false;
    int fd = -1;
    enum pl_status status = locked ? PL_OK : pl_lock_open(path, &fd, err);
    if (status == PL_OK && !locked && !pl_lock_take(fd, PL_DB_BUSY_MS))
        status = pl_error_set(err, PL_BUSY, "cannot create %s: its lock is held", path);
    if (status == PL_OK)
        status = pl_side_look(path, "", &file, &there, err);
    if (status == PL_OK && !there) {
        status = remove_files(path, 1)
                     ? publish(temporary, path, err)
                     : pl_error_set(err, PL_IO,
                                    "cannot create %s: cannot remove what is left "
                                    "beside it: %s",
                                    path, strerror(errno));
        sync_folder(path);
    }
    if (fd >= 0)
        (void)close(fd);
    return status;
}

static enum pl_status build(const char *temporary, const char *path, bool locked,
                            struct pl_error *err)
{
    sqlite3 *db = NULL;
    int rc = sqlite3_open_v2(temporary, &db, SQLITE_OPEN_READWRITE, NULL);
    if (rc == SQLITE_OK)
        rc = fill(db);
    enum pl_status status = PL_OK;
    if (rc != SQLITE_OK)
        status = pl_error_set(err, rc == SQLITE_NOMEM ? PL_NOMEM : PL_IO,
                              "cannot create %s: %s%s", path, sqlite3_errmsg(db),
                              (rc & 0xff) == SQLITE_FULL ? "; free some space" : "");
    (void)sqlite3_close(db);
    return status == PL_OK ? publish_alone(temporary, path, locked, err) : status;
}

enum pl_status pl_db_create(const char *path, bool locked, struct pl_error *err)
{
    enum pl_status status = make_folders(path, err);
    if (status != PL_OK)
        return status;
    /* with a folder in front no name is a URI or ":memory:" to SQLite */
    char *temporary =
        sqlite3_mprintf("%s%s.new-XXXXXX", *path == '/' ? "" : "./", path);
    if (!temporary)
        return pl_error_set(err, PL_NOMEM, "out of memory");
    int fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0) {
        status =
            pl_error_set(err, PL_IO, "cannot create %s: %s", path, strerror(errno));
    } else {
        (void)fchmod(fd, 0600);
        (void)close(fd);
        status = build(temporary, path, locked, err);
        (void)remove_files(temporary, 0);
    }
    sqlite3_free(temporary);
    return status;
}
