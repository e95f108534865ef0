/* See schema.h. What the format has is found once a process, by making an empty store
 * in memory. Threads  any. */
#include "store/schema.h"

#include "store/db.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct object {
    char *name, *sql;
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct object *objects; /* by name; kept until the process ends */
static size_t object_count;
static size_t learned_of; /* so many migrations */

static void free_objects(struct object *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(list[i].name);
        free(list[i].sql);
    }
    free(list);
}

static bool append(struct object **list, size_t *count, sqlite3_stmt *stmt)
{
    struct object *grown = realloc(*list, (*count + 1) * sizeof *grown);
    if (!grown)
        return false;
    *list = grown;
    const char *name = (const char *)sqlite3_column_text(stmt, 0);
    const char *sql = (const char *)sqlite3_column_text(stmt, 1);
    grown[*count] =
        (struct object){name ? strdup(name) : NULL, sql ? strdup(sql) : NULL};
    ++*count;
    return grown[*count - 1].name && grown[*count - 1].sql;
}

/* Called with the mutex held. */
static bool learn(void)
{
    struct object *list = NULL;
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    size_t count = 0;
    bool ok =
        sqlite3_open_v2(":memory:", &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_MEMORY,
                        NULL) == SQLITE_OK &&
        pl_db_apply(db, 0, (int)pl_db_migration_count()) == SQLITE_OK &&
        sqlite3_prepare_v2(db, pl_sql_text[PL_SQL_SCHEMA_OBJECTS], -1, &stmt, NULL) ==
            SQLITE_OK;
    int rc = SQLITE_DONE;
    while (ok && (rc = sqlite3_step(stmt)) == SQLITE_ROW)
        ok = append(&list, &count, stmt);
    ok = ok && rc == SQLITE_DONE;
    (void)sqlite3_finalize(stmt);
    (void)sqlite3_close(db);
    if (ok) {
        free_objects(objects, object_count);
        learned_of = pl_db_migration_count();
        objects = list;
        object_count = count;
    } else {
        free_objects(list, count);
    }
    return ok;
}

static bool know(void)
{
    (void)pthread_mutex_lock(&mutex);
    bool known = (objects && learned_of == pl_db_migration_count()) || learn();
    (void)pthread_mutex_unlock(&mutex);
    return known;
}

enum pl_status pl_schema_check(struct pl_store *store, struct pl_error *err)
{
    struct pl_stmt *stmt;
    size_t next = 0;
    bool row = true;
    if (!know())
        return pl_error_set(err, PL_NOMEM, "out of memory");
    enum pl_status status = pl_stmt_get(store, PL_SQL_SCHEMA_OBJECTS, &stmt, err);
    while (status == PL_OK && next < object_count && row) {
        const struct object *wanted = &objects[next];
        status = pl_stmt_row(stmt, &row, err);
        if (status != PL_OK || !row ||
            strcmp(pl_stmt_column_text(stmt, 0), wanted->name) > 0)
            break;
        if (strcmp(pl_stmt_column_text(stmt, 0), wanted->name) < 0)
            continue; /* somebody's own */
        if (strcmp(pl_stmt_column_text(stmt, 1), wanted->sql) != 0)
            break;
        next++;
    }
    if (status != PL_OK)
        return status;
    pl_stmt_reset(stmt);
    if (next == object_count)
        return PL_OK;
    return pl_error_set(err, PL_INPUT,
                        "%s: its %s is not what format %d.%02d has: another build of "
                        "proflite made it, or something changed it; nothing was "
                        "written: read it with that build, or name a new file",
                        store->path, objects[next].name, pl_db_version() / 100,
                        pl_db_version() % 100);
}
