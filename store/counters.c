#include "store/counters.h"

#include "store/db.h"

#include <stdio.h>
#include <string.h>

#define REASON_MAX 48 /* letters of a reason that is a plain word */

enum pl_status pl_counter_add(struct pl_store *store, const char *name, int64_t by,
                              struct pl_error *err)
{
    struct pl_stmt *stmt;
    if (!by)
        return PL_OK;
    enum pl_status status = pl_stmt_get(store, PL_SQL_COUNTER_ADD, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_text(stmt, ":name", name);
    pl_stmt_int(stmt, ":by", by);
    return pl_stmt_run(stmt, err);
}

enum pl_status pl_counters_add(struct pl_store *store, const struct pl_count *counts,
                               size_t count, struct pl_error *err)
{
    enum pl_status status = PL_OK;
    for (size_t i = 0; i < count && status == PL_OK; i++)
        status = pl_counter_add(store, counts[i].name, counts[i].by, err);
    return status;
}

static bool is_word(const char *text)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz_";
    size_t len = strspn(text, letters);
    return !text[len] && len < REASON_MAX;
}

/* Labels of any text would be as many counters as somebody cares to send. */
static const char *known_reason(const char *outcome, const char *reason)
{
    static const char *const of_sdks[] = {
        "queue_overflow", "cache_overflow",  "ratelimit_backoff", "network_error",
        "sample_rate",    "before_send",     "event_processor",   "send_error",
        "backpressure",   "buffer_overflow", "internal_sdk_error"};
    if (!reason)
        return "";
    if (strcmp(outcome, "client_discard") != 0)
        return is_word(reason) ? reason : "other";
    for (size_t i = 0; i < sizeof of_sdks / sizeof of_sdks[0]; i++)
        if (strcmp(reason, of_sdks[i]) == 0)
            return of_sdks[i];
    return "other";
}

enum pl_status pl_counter_outcome(struct pl_store *store, const char *outcome,
                                  const char *reason, struct pl_error *err)
{
    char name[160];
    (void)snprintf(name, sizeof name, "outcomes{outcome=\"%s\",reason=\"%s\"}",
                   is_word(outcome) ? outcome : "other", known_reason(outcome, reason));
    return pl_counter_add(store, name, 1, err);
}

static enum pl_status each(struct pl_store *store, enum pl_sql sql,
                           pl_counter_visitor *visit, void *self, struct pl_error *err)
{
    struct pl_stmt *stmt;
    bool row = true;
    enum pl_status status = pl_stmt_get(store, sql, &stmt, err);
    while (status == PL_OK && row) {
        status = pl_stmt_row(stmt, &row, err);
        if (status == PL_OK && row)
            visit(self, pl_stmt_column_text(stmt, 0), pl_stmt_column_int(stmt, 1));
    }
    return status;
}

enum pl_status pl_counters_each(struct pl_store *store, pl_counter_visitor *visit,
                                void *self, struct pl_error *err)
{
    static const enum pl_sql lists[] = {PL_SQL_COUNTER_LIST, PL_SQL_COUNTER_LOSSES,
                                        PL_SQL_COUNTER_WAITING};
    enum pl_status status = PL_OK;
    for (size_t i = 0; i < sizeof lists / sizeof lists[0] && status == PL_OK; i++)
        status = each(store, lists[i], visit, self, err);
    return status;
}
