#include "store/function_metric.h"

#include "base/buf.h"
#include "base/id.h"
#include "store/db.h"
#include "store/text.h"

#define LIST_BYTES ((size_t)64 << 20) /* of one function's self times */

static void text(struct pl_text_pool *pool, struct pl_stmt *stmt, const char *name,
                 const char *value, size_t limit)
{
    pl_stmt_text(stmt, name, pl_text_clean(pool, value, limit));
}

static void write_list(struct pl_buf *json, const struct pl_call_group *group)
{
    pl_buf_clear(json);
    for (size_t i = 0; i < group->count; i++)
        pl_buf_printf(json, "%c%lld", i ? ',' : '[',
                      (long long)group->calls[i].self_ns);
    pl_buf_putc(json, ']');
}

static enum pl_status insert(struct pl_store *store, const struct pl_kept_metrics *kept,
                             const struct pl_kept_function *f,
                             struct pl_text_pool *pool, struct pl_buf *json,
                             struct pl_error *err)
{
    static const struct pl_id nobody;
    char profile[PL_ID_TEXT];
    struct pl_stmt *stmt;
    enum pl_status status = pl_stmt_get(store, PL_SQL_FUNCTION_INSERT, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_id_format(&nobody, profile);
    write_list(json, &f->group);
    if (json->failed)
        return pl_error_set(err, PL_NOMEM, "out of memory for function metrics");
    pl_stmt_int(stmt, ":project", kept->project_id);
    pl_stmt_text(stmt, ":profile", profile);
    text(pool, stmt, ":app", kept->app, PL_TEXT_NAME);
    text(pool, stmt, ":release", kept->release, PL_TEXT_NAME);
    text(pool, stmt, ":environment", kept->environment, PL_TEXT_NAME);
    text(pool, stmt, ":platform", kept->platform, PL_TEXT_NAME);
    pl_stmt_int(stmt, ":start_ns", kept->start_ns);
    pl_stmt_int(stmt, ":fingerprint", pl_calls_fingerprint(f->module, f->function));
    text(pool, stmt, ":function", f->function, PL_TEXT_NAME);
    text(pool, stmt, ":module", f->module, PL_TEXT_PATH);
    text(pool, stmt, ":file", f->file, PL_TEXT_PATH);
    pl_stmt_int(stmt, ":samples", f->group.samples);
    pl_stmt_int(stmt, ":sum_ns", f->group.sum_ns);
    pl_stmt_text(stmt, ":self_ns", json->data);
    if (pool->failed)
        return pl_error_set(err, PL_NOMEM, "out of memory for function metrics");
    return pl_stmt_run(stmt, err);
}

enum pl_status pl_function_metric_put(struct pl_store *store,
                                      const struct pl_kept_metrics *kept,
                                      struct pl_error *err)
{
    struct pl_text_pool pool = {0};
    struct pl_buf json;
    pl_buf_init(&json, LIST_BYTES);
    enum pl_status status = pl_db_begin_write(store, err);
    for (size_t i = 0; i < kept->count && status == PL_OK; i++)
        status = insert(store, kept, &kept->functions[i], &pool, &json, err);
    if (status == PL_OK)
        status = pl_counters_add(store, kept->counts, kept->count_count, err);
    if (status == PL_OK)
        status = pl_db_commit(store, err);
    else
        pl_db_rollback(store);
    pl_buf_deinit(&json);
    pl_text_pool_deinit(&pool);
    return status;
}

enum pl_status pl_function_metric_expire(struct pl_store *store, int64_t before_ns,
                                         struct pl_error *err)
{
    struct pl_stmt *stmt;
    enum pl_status status = pl_stmt_get(store, PL_SQL_FUNCTION_EXPIRE, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_int(stmt, ":before", before_ns);
    return pl_stmt_run(stmt, err);
}
