#include "store/keys.h"

#include "base/clock.h"
#include "store/db.h"
#include "store/text.h"

#include <stdio.h>
#include <string.h>

static enum pl_status check_project(int64_t project_id, struct pl_error *err)
{
    if (project_id > 0)
        return PL_OK;
    return pl_error_set(err, PL_USAGE, "project numbers begin with 1");
}

static enum pl_status insert_project(struct pl_store *store, int64_t project_id,
                                     struct pl_error *err)
{
    struct pl_stmt *stmt;
    char name[32];
    enum pl_status status = pl_stmt_get(store, PL_SQL_PROJECT_INSERT, &stmt, err);
    if (status != PL_OK)
        return status;
    (void)snprintf(name, sizeof name, "project-%lld", (long long)project_id);
    pl_stmt_int(stmt, ":id", project_id);
    pl_stmt_text(stmt, ":name", name);
    pl_stmt_int(stmt, ":now", pl_clock_wall_ns());
    return pl_stmt_run(stmt, err);
}

/* With its project. `secret` nullable. */
static enum pl_status insert_key(struct pl_store *store, int64_t project_id,
                                 const char *public_key, const char *secret,
                                 const char *use_case, int64_t *id_out,
                                 struct pl_error *err)
{
    struct pl_stmt *stmt;
    enum pl_status status = insert_project(store, project_id, err);
    if (status == PL_OK)
        status = pl_stmt_get(store, PL_SQL_KEY_INSERT, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_int(stmt, ":project", project_id);
    pl_stmt_text(stmt, ":public", public_key);
    pl_stmt_text(stmt, ":secret", secret);
    pl_stmt_text(stmt, ":use_case", use_case);
    pl_stmt_int(stmt, ":now", pl_clock_wall_ns());
    return pl_stmt_id(stmt, id_out, err);
}

/* ---- the project's own key ---- */

static enum pl_status read_key(struct pl_store *store, int64_t project_id,
                               const char *use_case, struct pl_project_key *key,
                               struct pl_error *err)
{
    struct pl_stmt *stmt;
    bool row;
    *key = (struct pl_project_key){0};
    enum pl_status status = pl_stmt_get(store, PL_SQL_KEY_OF_PROJECT, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_int(stmt, ":project", project_id);
    pl_stmt_text(stmt, ":use_case", use_case);
    status = pl_stmt_row(stmt, &row, err);
    if (status != PL_OK || !row)
        return status;
    key->id = pl_stmt_column_int(stmt, 0);
    (void)snprintf(key->public_key, sizeof key->public_key, "%s",
                   pl_stmt_column_text(stmt, 1));
    (void)snprintf(key->secret_key, sizeof key->secret_key, "%s",
                   pl_stmt_column_text(stmt, 2));
    pl_stmt_reset(stmt);
    return PL_OK;
}

static enum pl_status random_key(char text[static PL_KEY_TEXT], struct pl_error *err)
{
    struct pl_id id;
    enum pl_status status = pl_id_new(&id, err);
    if (status == PL_OK)
        pl_id_format(&id, text);
    return status;
}

static enum pl_status set_secret(struct pl_store *store,
                                 const struct pl_project_key *key, struct pl_error *err)
{
    struct pl_stmt *stmt;
    enum pl_status status = pl_stmt_get(store, PL_SQL_KEY_SET_SECRET, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_text(stmt, ":secret", key->secret_key);
    pl_stmt_int(stmt, ":id", key->id);
    return pl_stmt_run(stmt, err);
}

/* Inside a write transaction: nobody else makes one meanwhile. */
static enum pl_status get_or_create(struct pl_store *store, int64_t project_id,
                                    const char *use_case, bool secret,
                                    struct pl_project_key *key, struct pl_error *err)
{
    enum pl_status status = read_key(store, project_id, use_case, key, err);
    if (status == PL_OK && !key->id) {
        status = random_key(key->public_key, err);
        if (status == PL_OK)
            status = insert_key(store, project_id, key->public_key, NULL, use_case,
                                &key->id, err);
    }
    if (status == PL_OK && secret && !key->secret_key[0]) {
        status = random_key(key->secret_key, err);
        if (status == PL_OK)
            status = set_secret(store, key, err);
    }
    return status;
}

enum pl_status pl_key_get(struct pl_store *store, int64_t project_id,
                          const char *use_case, bool secret,
                          struct pl_project_key *key_out, struct pl_error *err)
{
    struct pl_project_key key;
    enum pl_status status = check_project(project_id, err);
    if (status == PL_OK)
        status = pl_db_begin_write(store, err);
    if (status != PL_OK)
        return status;
    status = get_or_create(store, project_id, use_case, secret, &key, err);
    if (status == PL_OK)
        status = pl_db_commit_unseen(store, err);
    else
        pl_db_rollback(store);
    if (status == PL_OK)
        *key_out = key;
    return status;
}

/* ---- keys that are sent ---- */

enum pl_status pl_key_find(struct pl_store *store, int64_t project_id,
                           const char *public_key, int64_t *id_out,
                           struct pl_error *err)
{
    struct pl_stmt *stmt;
    enum pl_status status = pl_stmt_get(store, PL_SQL_KEY_FIND, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_int(stmt, ":project", project_id);
    pl_stmt_text(stmt, ":public", public_key);
    status = pl_stmt_id(stmt, id_out, err);
    if (status == PL_OK && !*id_out)
        return pl_error_set(err, PL_NOT_FOUND, "project %lld has no such key",
                            (long long)project_id);
    return status;
}

enum pl_status pl_key_admit(struct pl_store *store, int64_t project_id,
                            const char *public_key, int64_t *id_out,
                            struct pl_error *err)
{
    enum pl_status status = check_project(project_id, err);
    if (status == PL_OK)
        status = pl_db_begin_write(store, err);
    if (status != PL_OK)
        return status;
    status = pl_key_find(store, project_id, public_key, id_out, err);
    if (status == PL_NOT_FOUND)
        status = insert_key(store, project_id, public_key, NULL, "user", id_out, err);
    if (status == PL_OK)
        return pl_db_commit_unseen(store, err);
    pl_db_rollback(store);
    return status;
}

enum pl_status pl_project_rename(struct pl_store *store, int64_t project_id,
                                 const char *name, struct pl_error *err)
{
    struct pl_text_pool pool = {0};
    struct pl_stmt *stmt;
    enum pl_status status = check_project(project_id, err);
    if (status == PL_OK)
        status = pl_db_begin_write(store, err);
    if (status != PL_OK)
        return status;
    status = insert_project(store, project_id, err);
    if (status == PL_OK)
        status = pl_stmt_get(store, PL_SQL_PROJECT_RENAME, &stmt, err);
    if (status == PL_OK) {
        pl_stmt_text(stmt, ":name", pl_text_clean(&pool, name, PL_TEXT_NAME));
        pl_stmt_int(stmt, ":id", project_id);
        status = pl_stmt_run(stmt, err);
    }
    if (status == PL_OK)
        status = pl_db_commit_unseen(store, err);
    else
        pl_db_rollback(store);
    pl_text_pool_deinit(&pool);
    return status;
}
