/* Targets, the lease, and what becomes of rows; filling is in outbox_fill.c, what is
 * shown of it in outbox_state.c. */
#include "store/outbox.h"

#include "base/clock.h"
#include "store/db.h"
#include "store/inbox.h"
#include "store/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LEASE_MAX_NS                                                                   \
    (3600 * PL_NS_PER_S) /* one that ends later is of another clock                    \
                          */
#define BODY_MOST ((size_t)200 << 20)

/* ---- a transaction of one statement ---- */

struct step {
    struct pl_store *store;
    struct pl_stmt *stmt;
    struct pl_text_pool pool;
};

/* Nothing of it concerns what queries show: the generation stays. */
static enum pl_status end_step(struct step *step, enum pl_status status,
                               struct pl_error *err)
{
    if (status == PL_OK && step->pool.failed)
        status = pl_error_set(err, PL_NOMEM, "out of memory");
    if (status == PL_OK)
        status = pl_db_commit_unseen(step->store, err);
    else
        pl_db_rollback(step->store);
    pl_text_pool_deinit(&step->pool);
    return status;
}

static enum pl_status begin_step(struct step *step, struct pl_store *store,
                                 enum pl_sql sql, struct pl_error *err)
{
    *step = (struct step){.store = store};
    enum pl_status status = pl_db_begin_write(store, err);
    if (status != PL_OK)
        return status;
    status = pl_stmt_get(store, sql, &step->stmt, err);
    return status == PL_OK ? status : end_step(step, status, err);
}

static void text(struct step *step, const char *name, const char *value)
{
    pl_stmt_text(step->stmt, name, pl_text_clean(&step->pool, value, PL_TEXT_NAME));
}

static enum pl_status count(struct step *step, int64_t target, const char *name,
                            int64_t value, struct pl_error *err)
{
    enum pl_status status =
        pl_stmt_get(step->store, PL_SQL_OUTBOX_COUNT, &step->stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_int(step->stmt, ":target", target);
    text(step, ":name", name);
    pl_stmt_int(step->stmt, ":value", value);
    return pl_stmt_run(step->stmt, err);
}

/* ---- targets ---- */

enum pl_status pl_outbox_target_find(struct pl_store *store, const char *name,
                                     struct pl_outbox_target *target_out,
                                     struct pl_error *err)
{
    struct pl_stmt *stmt;
    bool row;
    enum pl_status status = pl_stmt_get(store, PL_SQL_OUTBOX_TARGET_FIND, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_text(stmt, ":name", name);
    status = pl_stmt_row(stmt, &row, err);
    if (status != PL_OK)
        return status;
    if (!row)
        return pl_error_set(err, PL_NOT_FOUND, "nothing was ever sent to %s", name);
    *target_out = (struct pl_outbox_target){
        .id = pl_stmt_column_int(stmt, 0),
        .chunk_seen = pl_stmt_column_int(stmt, 1),
        .inbox_seen = pl_stmt_column_int(stmt, 2),
        .failures = pl_stmt_column_int(stmt, 3),
        .next_try_ns = pl_stmt_column_int(stmt, 4),
    };
    target_out->paused = pl_stmt_column_int(stmt, 5);
    (void)snprintf(target_out->trouble, sizeof target_out->trouble, "%s",
                   pl_stmt_column_text(stmt, 6));
    pl_stmt_reset(stmt);
    return PL_OK;
}

enum pl_status pl_outbox_target(struct pl_store *store, const char *name,
                                struct pl_outbox_target *target_out,
                                struct pl_error *err)
{
    struct step step;
    enum pl_status status = pl_outbox_target_find(store, name, target_out, err);
    if (status != PL_NOT_FOUND)
        return status;
    status = begin_step(&step, store, PL_SQL_OUTBOX_TARGET_INSERT, err);
    if (status != PL_OK)
        return status;
    pl_stmt_text(step.stmt, ":name", name);
    pl_stmt_int(step.stmt, ":now", pl_clock_wall_ns());
    status = end_step(&step, pl_stmt_run(step.stmt, err), err);
    return status == PL_OK ? pl_outbox_target_find(store, name, target_out, err)
                           : status;
}

enum pl_status pl_outbox_set_state(struct pl_store *store,
                                   const struct pl_outbox_target *target,
                                   struct pl_error *err)
{
    struct step step;
    enum pl_status status = begin_step(&step, store, PL_SQL_OUTBOX_TARGET_STATE, err);
    if (status != PL_OK)
        return status;
    pl_stmt_int(step.stmt, ":target", target->id);
    pl_stmt_int(step.stmt, ":failures", target->failures);
    pl_stmt_int(step.stmt, ":next", target->next_try_ns);
    pl_stmt_int(step.stmt, ":paused", target->paused);
    text(&step, ":trouble", target->trouble[0] ? target->trouble : NULL);
    return end_step(&step, pl_stmt_run(step.stmt, err), err);
}

/* ---- the lease ---- */

static void lease_name(int64_t target, char name_out[static 40])
{
    (void)snprintf(name_out, 40, "forward %lld", (long long)target);
}

static enum pl_status read_holder(struct step *step, const char *name,
                                  char holder_out[static PL_OUTBOX_OWNER],
                                  struct pl_error *err)
{
    bool row;
    enum pl_status status =
        pl_stmt_get(step->store, PL_SQL_OUTBOX_LEASE_OWNER, &step->stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_text(step->stmt, ":name", name);
    status = pl_stmt_row(step->stmt, &row, err);
    if (status != PL_OK)
        return status;
    (void)snprintf(holder_out, PL_OUTBOX_OWNER, "%s",
                   row ? pl_stmt_column_text(step->stmt, 0) : "");
    pl_stmt_reset(step->stmt);
    return pl_error_set(err, PL_BUSY, "another proflite sends to it already");
}

enum pl_status pl_outbox_lease(struct pl_store *store, int64_t target,
                               const char *owner, const char *dead, int64_t for_ns,
                               char holder_out[static PL_OUTBOX_OWNER],
                               struct pl_error *err)
{
    struct step step;
    char name[40];
    bool row = false;
    int64_t now_ns = pl_clock_wall_ns();
    lease_name(target, name);
    holder_out[0] = '\0';
    enum pl_status status = begin_step(&step, store, PL_SQL_OUTBOX_TAKE_LEASE, err);
    if (status != PL_OK)
        return status;
    pl_stmt_text(step.stmt, ":name", name);
    pl_stmt_text(step.stmt, ":owner", owner);
    pl_stmt_text(step.stmt, ":dead", dead);
    pl_stmt_int(step.stmt, ":now", now_ns);
    pl_stmt_int(step.stmt, ":expires", now_ns + for_ns);
    pl_stmt_int(step.stmt, ":never", now_ns + LEASE_MAX_NS);
    status = pl_stmt_row(step.stmt, &row, err);
    if (status == PL_OK && row)
        pl_stmt_reset(step.stmt);
    else if (status == PL_OK)
        status = read_holder(&step, name, holder_out, err);
    return end_step(&step, status, err);
}

/* A lease that stays ends by itself. */
void pl_outbox_release(struct pl_store *store, int64_t target, const char *owner)
{
    struct step step;
    char name[40];
    lease_name(target, name);
    if (begin_step(&step, store, PL_SQL_OUTBOX_DROP_LEASE, NULL) != PL_OK)
        return;
    pl_stmt_text(step.stmt, ":name", name);
    pl_stmt_text(step.stmt, ":owner", owner);
    (void)!end_step(&step, pl_stmt_run(step.stmt, NULL), NULL);
}

/* ---- what becomes of a row ---- */

static enum pl_status settle(struct pl_store *store, int64_t target, int64_t row,
                             const char *reason, const char *name, int64_t bytes,
                             struct pl_error *err)
{
    struct step step;
    int64_t id = 0;
    enum pl_status status = begin_step(&step, store, PL_SQL_OUTBOX_SETTLE, err);
    if (status != PL_OK)
        return status;
    pl_stmt_int(step.stmt, ":id", row);
    pl_stmt_text(step.stmt, ":state", reason ? "dead" : "sent");
    text(&step, ":reason", reason);
    status = pl_stmt_id(step.stmt, &id, err);
    if (status == PL_OK && id)
        status = count(&step, target, name, 1, err);
    if (status == PL_OK && id && bytes)
        status = count(&step, target, "sent_bytes", bytes, err);
    return end_step(&step, status, err);
}

enum pl_status pl_outbox_sent(struct pl_store *store, int64_t target, int64_t row,
                              int64_t bytes, struct pl_error *err)
{
    return settle(store, target, row, NULL, "sent", bytes, err);
}

enum pl_status pl_outbox_dead(struct pl_store *store, int64_t target, int64_t row,
                              const char *reason, struct pl_error *err)
{
    char name[128];
    (void)snprintf(name, sizeof name, "dead:%s", reason);
    return settle(store, target, row, reason, name, 0, err);
}

enum pl_status pl_outbox_retry(struct pl_store *store, int64_t target, int64_t row,
                               int64_t next_try_ns, const char *reason,
                               struct pl_error *err)
{
    struct step step;
    enum pl_status status = begin_step(&step, store, PL_SQL_OUTBOX_RETRY, err);
    if (status != PL_OK)
        return status;
    pl_stmt_int(step.stmt, ":id", row);
    pl_stmt_int(step.stmt, ":next", next_try_ns);
    text(&step, ":reason", reason);
    status = pl_stmt_run(step.stmt, err);
    if (status == PL_OK)
        status = count(&step, target, "retries", 1, err);
    return end_step(&step, status, err);
}

enum pl_status pl_outbox_hurry(struct pl_store *store, int64_t target,
                               struct pl_error *err)
{
    struct step step;
    enum pl_status status = begin_step(&step, store, PL_SQL_OUTBOX_HURRY, err);
    if (status != PL_OK)
        return status;
    pl_stmt_int(step.stmt, ":target", target);
    return end_step(&step, pl_stmt_run(step.stmt, err), err);
}

enum pl_status pl_outbox_revive(struct pl_store *store, int64_t target,
                                struct pl_error *err)
{
    struct step step;
    enum pl_status status = begin_step(&step, store, PL_SQL_OUTBOX_REVIVE, err);
    if (status != PL_OK)
        return status;
    pl_stmt_int(step.stmt, ":target", target);
    pl_stmt_int(step.stmt, ":now", pl_clock_wall_ns());
    return end_step(&step, pl_stmt_run(step.stmt, err), err);
}

enum pl_status pl_outbox_set_categories(struct pl_store *store, int64_t row,
                                        const char *categories, struct pl_error *err)
{
    struct step step;
    enum pl_status status = begin_step(&step, store, PL_SQL_OUTBOX_CATEGORIES, err);
    if (status != PL_OK)
        return status;
    pl_stmt_int(step.stmt, ":id", row);
    pl_stmt_text(step.stmt, ":categories", categories);
    return end_step(&step, pl_stmt_run(step.stmt, err), err);
}

enum pl_status pl_outbox_limit(struct pl_store *store, int64_t target,
                               const char *category, int64_t until_ns,
                               const char *reason, struct pl_error *err)
{
    struct step step;
    enum pl_status status = begin_step(&step, store, PL_SQL_OUTBOX_LIMIT_EXPIRE, err);
    if (status != PL_OK)
        return status;
    pl_stmt_int(step.stmt, ":target", target);
    pl_stmt_int(step.stmt, ":now", pl_clock_wall_ns());
    status = pl_stmt_run(step.stmt, err);
    if (status == PL_OK)
        status = pl_stmt_get(store, PL_SQL_OUTBOX_LIMIT_SET, &step.stmt, err);
    if (status == PL_OK) {
        pl_stmt_int(step.stmt, ":target", target);
        text(&step, ":category", category);
        pl_stmt_int(step.stmt, ":until", until_ns);
        text(&step, ":reason", reason);
        status = pl_stmt_run(step.stmt, err);
    }
    if (status == PL_OK)
        status = count(&step, target, "limited", 1, err);
    return end_step(&step, status, err);
}

/* ---- the next one ---- */

static enum pl_status find_soonest(struct pl_store *store, int64_t target,
                                   int64_t now_ns, int64_t *soonest_out,
                                   struct pl_error *err)
{
    struct pl_stmt *stmt;
    enum pl_status status = pl_stmt_get(store, PL_SQL_OUTBOX_SOONEST, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_int(stmt, ":target", target);
    pl_stmt_int(stmt, ":now", now_ns);
    status = pl_stmt_id(stmt, soonest_out, err);
    return status == PL_OK ? pl_error_set(err, PL_NOT_FOUND, "nothing to send now")
                           : status;
}

enum pl_status pl_outbox_next(struct pl_store *store, int64_t target,
                              struct pl_outbox_row *row_out, int64_t *soonest_out,
                              struct pl_error *err)
{
    struct pl_stmt *stmt;
    bool row;
    int64_t now_ns = pl_clock_wall_ns();
    enum pl_status status = pl_stmt_get(store, PL_SQL_OUTBOX_NEXT, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_int(stmt, ":target", target);
    pl_stmt_int(stmt, ":now", now_ns);
    status = pl_stmt_row(stmt, &row, err);
    if (status != PL_OK)
        return status;
    if (!row)
        return find_soonest(store, target, now_ns, soonest_out, err);
    const char *kind = pl_stmt_column_text(stmt, 1);
    *row_out = (struct pl_outbox_row){
        .id = pl_stmt_column_int(stmt, 0),
        .kind = strcmp(kind, "chunk") == 0   ? PL_OUTBOX_CHUNK
                : strcmp(kind, "spans") == 0 ? PL_OUTBOX_SPANS
                                             : PL_OUTBOX_RECEIVED,
        .chunk_id = pl_stmt_column_int(stmt, 2),
        .inbox_id = pl_stmt_column_int(stmt, 3),
        .attempts = pl_stmt_column_int(stmt, 4),
    };
    (void)snprintf(row_out->categories, sizeof row_out->categories, "%s",
                   pl_stmt_column_text(stmt, 5));
    pl_stmt_reset(stmt);
    return PL_OK;
}

/* ---- what arrived ---- */

enum pl_status pl_outbox_received(struct pl_store *store, int64_t inbox_id,
                                  const char *folder,
                                  struct pl_outbox_received *received_out,
                                  struct pl_error *err)
{
    struct pl_stmt *stmt;
    bool row;
    *received_out = (struct pl_outbox_received){0};
    pl_spool_init(&received_out->body, folder, BODY_MOST);
    enum pl_status status = pl_stmt_find(store, PL_SQL_OUTBOX_RECEIVED_ROW, ":id",
                                         inbox_id, &stmt, &row, err);
    if (status != PL_OK)
        return status;
    if (!row)
        return pl_error_set(err, PL_NOT_FOUND, "there is no envelope %lld",
                            (long long)inbox_id);
    received_out->is_store = strcmp(pl_stmt_column_text(stmt, 1), "store") == 0;
    (void)snprintf(received_out->encoding, sizeof received_out->encoding, "%s",
                   pl_stmt_column_text(stmt, 2));
    received_out->headers = strdup(pl_stmt_column_text(stmt, 3));
    pl_stmt_reset(stmt);
    if (!received_out->headers)
        return pl_error_set(err, PL_NOMEM, "out of memory");
    return pl_inbox_body(store, inbox_id, &received_out->body, err);
}

void pl_outbox_received_deinit(struct pl_outbox_received *received)
{
    free(received->headers);
    pl_spool_deinit(&received->body);
}
