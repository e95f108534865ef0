#include "store/symbol_sources.h"

#include "base/clock.h"
#include "store/arena.h"
#include "store/db.h"
#include "store/text.h"

#include <stdlib.h>

#define SOURCES_MAX 64

static enum pl_status out_of_memory(struct pl_error *err)
{
    return pl_error_set(err, PL_NOMEM, "out of memory for symbol sources");
}

/* ---- reading ---- */

void pl_symbol_source_list_deinit(struct pl_symbol_source_list *list)
{
    free(list->rows);
    pl_arena_free(list->owned);
    *list = (struct pl_symbol_source_list){0};
}

static bool add(struct pl_symbol_source_list *list, const char *kind, const char *place)
{
    if (list->count == SOURCES_MAX)
        return true;
    struct pl_symbol_source *row = &list->rows[list->count++];
    row->kind = pl_arena_text(list->owned, kind);
    row->place = pl_arena_text(list->owned, place);
    return row->kind && row->place;
}

static enum pl_status read_rows(struct pl_store *store, int64_t project_id,
                                struct pl_symbol_source_list *list,
                                struct pl_error *err)
{
    struct pl_stmt *stmt;
    bool row = true;
    enum pl_status status = pl_stmt_get(store, PL_SQL_SYMBOL_SOURCE_LIST, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_int(stmt, ":project", project_id);
    while (status == PL_OK && row) {
        status = pl_stmt_row(stmt, &row, err);
        if (status == PL_OK && row &&
            !add(list, pl_stmt_column_text(stmt, 0), pl_stmt_column_text(stmt, 1)))
            status = out_of_memory(err);
    }
    pl_stmt_reset(stmt);
    return status;
}

enum pl_status pl_symbol_sources_get(struct pl_store *store, int64_t project_id,
                                     const char *usual_root,
                                     struct pl_symbol_source_list *list_out,
                                     struct pl_error *err)
{
    struct pl_symbol_source_list list = {.owned = pl_arena_new()};
    list.rows = calloc(SOURCES_MAX, sizeof *list.rows);
    enum pl_status status = list.owned && list.rows ? PL_OK : out_of_memory(err);
    if (status == PL_OK)
        status = read_rows(store, project_id, &list, err);
    list.is_own = list.count > 0;
    if (status == PL_OK && !list.count && project_id)
        status = read_rows(store, 0, &list, err);
    if (status == PL_OK && !list.count &&
        (!add(&list, "uploaded", "") || !add(&list, "build-id", usual_root)))
        status = out_of_memory(err);
    if (status == PL_OK)
        *list_out = list;
    else
        pl_symbol_source_list_deinit(&list);
    return status;
}

/* ---- writing ---- */

static enum pl_status insert_row(struct pl_store *store, int64_t project_id,
                                 size_t position, const struct pl_symbol_source *row,
                                 struct pl_text_pool *pool, struct pl_error *err)
{
    struct pl_stmt *stmt;
    enum pl_status status = pl_stmt_get(store, PL_SQL_SYMBOL_SOURCE_INSERT, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_int(stmt, ":project", project_id);
    pl_stmt_int(stmt, ":position", (int64_t)position);
    pl_stmt_text(stmt, ":kind", row->kind);
    pl_stmt_text(stmt, ":place", pl_text_clean(pool, row->place, PL_TEXT_PATH));
    return pool->failed ? out_of_memory(err) : pl_stmt_run(stmt, err);
}

static enum pl_status replace_rows(struct pl_store *store, int64_t project_id,
                                   const struct pl_symbol_source *rows, size_t count,
                                   struct pl_text_pool *pool, struct pl_error *err)
{
    struct pl_stmt *stmt;
    enum pl_status status = pl_stmt_get(store, PL_SQL_SYMBOL_MISS_FORGET, &stmt, err);
    if (status == PL_OK)
        status = pl_stmt_run(stmt, err);
    if (status == PL_OK)
        status = pl_stmt_get(store, PL_SQL_SYMBOL_SOURCE_DELETE, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_int(stmt, ":project", project_id);
    status = pl_stmt_run(stmt, err);
    for (size_t i = 0; i < count && status == PL_OK; i++)
        status = insert_row(store, project_id, i + 1, &rows[i], pool, err);
    return status;
}

enum pl_status pl_symbol_sources_set(struct pl_store *store, int64_t project_id,
                                     const struct pl_symbol_source *rows, size_t count,
                                     struct pl_error *err)
{
    struct pl_text_pool pool = {0};
    if (count > SOURCES_MAX)
        return pl_error_set(err, PL_USAGE, "more than %d symbol sources", SOURCES_MAX);
    enum pl_status status = pl_db_begin_write(store, err);
    if (status != PL_OK)
        return status;
    status = replace_rows(store, project_id, rows, count, &pool, err);
    if (status == PL_OK)
        status = pl_db_commit_unseen(store, err);
    else
        pl_db_rollback(store);
    pl_text_pool_deinit(&pool);
    return status;
}

/* ---- what servers did not have ---- */

enum pl_status pl_symbol_miss_known(struct pl_store *store, const char *url,
                                    const char *build_id, bool *known_out,
                                    struct pl_error *err)
{
    struct pl_stmt *stmt;
    int64_t known = 0;
    enum pl_status status = pl_stmt_get(store, PL_SQL_SYMBOL_MISS_KNOWN, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_text(stmt, ":url", url);
    pl_stmt_text(stmt, ":build_id", build_id);
    pl_stmt_int(stmt, ":now", pl_clock_wall_ns());
    status = pl_stmt_id(stmt, &known, err);
    *known_out = known != 0;
    return status;
}

static enum pl_status insert_miss(struct pl_store *store, const char *url,
                                  const char *build_id, int64_t until_ns,
                                  struct pl_error *err)
{
    struct pl_stmt *stmt;
    enum pl_status status = pl_stmt_get(store, PL_SQL_SYMBOL_MISS_EXPIRE, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_int(stmt, ":now", pl_clock_wall_ns());
    status = pl_stmt_run(stmt, err);
    if (status == PL_OK)
        status = pl_stmt_get(store, PL_SQL_SYMBOL_MISS_INSERT, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_text(stmt, ":url", url);
    pl_stmt_text(stmt, ":build_id", build_id);
    pl_stmt_int(stmt, ":until", until_ns);
    return pl_stmt_run(stmt, err);
}

enum pl_status pl_symbol_miss_add(struct pl_store *store, const char *url,
                                  const char *build_id, int64_t until_ns,
                                  struct pl_error *err)
{
    enum pl_status status = pl_db_begin_write(store, err);
    if (status != PL_OK)
        return status;
    status = insert_miss(store, url, build_id, until_ns, err);
    if (status == PL_OK)
        return pl_db_commit_unseen(store, err);
    pl_db_rollback(store);
    return status;
}
