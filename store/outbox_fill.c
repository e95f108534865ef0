/* How things come into the outbox, and leave it at its bounds. */
#include "base/clock.h"
#include "store/db.h"
#include "store/outbox.h"

#include <string.h>

#define BATCH 256 /* as the statements' LIMIT */

struct found {
    int64_t id, bytes;
    bool ours; /* else it is only passed by */
    bool ready, settled, spans;
};

struct fill {
    struct pl_store *store;
    struct pl_outbox_target *target;
    const struct pl_outbox_bounds *bounds;
    bool failing;
    int64_t rows, bytes; /* waiting */
    int64_t now_ns;
    bool full;
};

/* ---- finding ---- */

static enum pl_status find(struct pl_store *store, bool received, int64_t after,
                           struct found found[static BATCH], size_t *count_out,
                           struct pl_error *err)
{
    struct pl_stmt *stmt;
    bool row = true;
    *count_out = 0;
    enum pl_status status = pl_stmt_get(
        store, received ? PL_SQL_OUTBOX_RECEIVED : PL_SQL_OUTBOX_CHUNKS, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_int(stmt, ":after", after);
    while ((status = pl_stmt_row(stmt, &row, err)) == PL_OK && row) {
        struct found *to = &found[*count_out];
        if (++*count_out > BATCH) {
            pl_stmt_reset(stmt);
            return pl_error_set(err, PL_IO, "more rows than asked for");
        }
        *to = (struct found){
            .id = pl_stmt_column_int(stmt, 0), .ours = true, .ready = true};
        if (received) {
            to->bytes = pl_stmt_column_int(stmt, 1);
            to->settled = true;
            continue;
        }
        to->ready = pl_stmt_column_int(stmt, 1);
        to->settled = pl_stmt_column_int(stmt, 2);
        to->spans = pl_stmt_column_int(stmt, 3);
        to->bytes = pl_stmt_column_int(stmt, 4);
        to->ours = pl_stmt_column_int(stmt, 5);
    }
    return status;
}

/* ---- bounds ---- */

static enum pl_status measure(struct fill *fill, struct pl_error *err)
{
    struct pl_stmt *stmt;
    bool row;
    enum pl_status status = pl_stmt_find(fill->store, PL_SQL_OUTBOX_WAITING, ":target",
                                         fill->target->id, &stmt, &row, err);
    if (status != PL_OK || !row)
        return status;
    fill->rows = pl_stmt_column_int(stmt, 0);
    fill->bytes = pl_stmt_column_int(stmt, 1);
    pl_stmt_reset(stmt);
    return PL_OK;
}

/* Why the oldest one has to go; NULL: it need not. */
static const char *excess(const struct fill *fill, int64_t added_ns)
{
    if (fill->bounds->age_ns && fill->now_ns - added_ns > fill->bounds->age_ns)
        return "spool_age";
    if (!fill->failing)
        return NULL;
    if (fill->bounds->rows && fill->rows > fill->bounds->rows)
        return "spool_count";
    return fill->bounds->bytes && fill->bytes > fill->bounds->bytes ? "spool_bytes"
                                                                    : NULL;
}

static enum pl_status drop_oldest(struct fill *fill, struct pl_error *err)
{
    for (;;) {
        struct pl_stmt *stmt;
        bool row;
        enum pl_status status =
            pl_stmt_find(fill->store, PL_SQL_OUTBOX_OLDEST, ":target", fill->target->id,
                         &stmt, &row, err);
        if (status != PL_OK || !row)
            return status;
        int64_t id = pl_stmt_column_int(stmt, 0), bytes = pl_stmt_column_int(stmt, 1);
        const char *reason = excess(fill, pl_stmt_column_int(stmt, 2));
        pl_stmt_reset(stmt);
        if (!reason)
            return PL_OK;
        status = pl_outbox_dead(fill->store, fill->target->id, id, reason, err);
        if (status != PL_OK)
            return status;
        fill->rows--;
        fill->bytes -= bytes;
    }
}

/* ---- adding ---- */

static enum pl_status add(struct fill *fill, const struct found *found,
                          const char *kind, struct pl_error *err)
{
    struct pl_stmt *stmt;
    int64_t id = 0;
    bool received = strcmp(kind, "received") == 0;
    enum pl_status status = pl_stmt_get(
        fill->store, received ? PL_SQL_OUTBOX_ADD_RECEIVED : PL_SQL_OUTBOX_ADD_CHUNK,
        &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_int(stmt, ":target", fill->target->id);
    if (received) {
        pl_stmt_int(stmt, ":inbox", found->id);
    } else {
        pl_stmt_int(stmt, ":chunk", found->id);
        pl_stmt_text(stmt, ":kind", kind);
    }
    pl_stmt_int(stmt, ":bytes", strcmp(kind, "spans") == 0 ? 0 : found->bytes);
    pl_stmt_int(stmt, ":now", fill->now_ns);
    status = pl_stmt_id(stmt, &id, err);
    if (status == PL_OK && id) {
        fill->rows++;
        fill->bytes += strcmp(kind, "spans") == 0 ? 0 : found->bytes;
    }
    return status;
}

static enum pl_status write_seen(struct fill *fill, struct pl_error *err)
{
    struct pl_stmt *stmt;
    enum pl_status status =
        pl_stmt_get(fill->store, PL_SQL_OUTBOX_TARGET_SEEN, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_int(stmt, ":target", fill->target->id);
    pl_stmt_int(stmt, ":chunks", fill->target->chunk_seen);
    pl_stmt_int(stmt, ":inbox", fill->target->inbox_seen);
    return pl_stmt_run(stmt, err);
}

/* At the bounds the rest waits outside, as long as what is inside goes out. */
static bool is_full(struct fill *fill)
{
    fill->full =
        !fill->failing && ((fill->bounds->rows && fill->rows >= fill->bounds->rows) ||
                           (fill->bounds->bytes && fill->bytes >= fill->bounds->bytes));
    return fill->full;
}

/* What there is to add of it; true in `done_out`: nothing will come later. */
static enum pl_status add_found(struct fill *fill, const struct found *found,
                                bool received, bool *done_out, struct pl_error *err)
{
    enum pl_status status = PL_OK;
    *done_out = !found->ours || (found->ready && (found->settled || !found->spans));
    if (!found->ours)
        return PL_OK;
    if (found->ready)
        status = add(fill, found, received ? "received" : "chunk", err);
    if (status == PL_OK && found->settled && found->spans)
        status = add(fill, found, "spans", err);
    return status;
}

/* One batch in one transaction. `*seen`: everything up to it has its rows; it stops
 * at the first one that is not settled. */
static enum pl_status add_batch(struct fill *fill, bool received,
                                const struct found *found, size_t count, int64_t *seen,
                                bool *hole, int64_t *open, struct pl_error *err)
{
    enum pl_status status = pl_db_begin_write(fill->store, err);
    if (status != PL_OK)
        return status;
    for (size_t i = 0; i < count && status == PL_OK && !is_full(fill); i++) {
        bool done = false;
        status = add_found(fill, &found[i], received, &done, err);
        *open += found[i].ours && !found[i].ready;
        *hole = *hole || !done;
        if (!*hole)
            *seen = found[i].id;
    }
    if (status == PL_OK)
        status = write_seen(fill, err);
    if (status == PL_OK)
        return pl_db_commit_unseen(fill->store, err);
    pl_db_rollback(fill->store);
    return status;
}

static enum pl_status fill_from(struct fill *fill, bool received, int64_t *open,
                                struct pl_error *err)
{
    struct found found[BATCH + 1];
    int64_t *seen = received ? &fill->target->inbox_seen : &fill->target->chunk_seen;
    int64_t after = *seen;
    size_t count = BATCH;
    bool hole = false;
    enum pl_status status = PL_OK;
    while (count == BATCH && status == PL_OK && !fill->full) {
        status = find(fill->store, received, after, found, &count, err);
        if (status != PL_OK || !count)
            break;
        after = found[count - 1].id;
        status = add_batch(fill, received, found, count, seen, &hole, open, err);
        if (status == PL_OK)
            status = drop_oldest(fill, err);
    }
    return status;
}

enum pl_status pl_outbox_fill(struct pl_store *store, struct pl_outbox_target *target,
                              const struct pl_outbox_bounds *bounds, bool received,
                              bool failing, int64_t *open_out, struct pl_error *err)
{
    struct fill fill = {.store = store,
                        .target = target,
                        .bounds = bounds,
                        .failing = failing,
                        .now_ns = pl_clock_wall_ns()};
    *open_out = 0;
    enum pl_status status = measure(&fill, err);
    if (status == PL_OK)
        status = drop_oldest(&fill, err);
    if (status == PL_OK)
        status = fill_from(&fill, false, open_out, err);
    if (status == PL_OK && received)
        status = fill_from(&fill, true, open_out, err);
    return status;
}

/* ---- without writing ---- */

static enum pl_status is_settled(struct pl_store *store, int64_t target,
                                 const struct pl_outbox_row *row, bool *settled_out,
                                 struct pl_error *err)
{
    static const char *const kinds[] = {"chunk", "spans", "received"};
    struct pl_stmt *stmt;
    bool there = false;
    enum pl_status status = pl_stmt_get(store, PL_SQL_OUTBOX_IS_KNOWN, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_int(stmt, ":target", target);
    pl_stmt_text(stmt, ":kind", kinds[row->kind]);
    if (row->chunk_id)
        pl_stmt_int(stmt, ":chunk", row->chunk_id);
    else
        pl_stmt_int(stmt, ":inbox", row->inbox_id);
    status = pl_stmt_row(stmt, &there, err);
    *settled_out = there && strcmp(pl_stmt_column_text(stmt, 0), "waiting") != 0;
    if (status == PL_OK && there)
        pl_stmt_reset(stmt);
    return status;
}

static enum pl_status visit_one(struct pl_store *store, int64_t target,
                                const struct pl_outbox_row *row, pl_outbox_visit *visit,
                                void *self, bool *stop, struct pl_error *err)
{
    bool settled = false;
    enum pl_status status =
        target ? is_settled(store, target, row, &settled, err) : PL_OK;
    if (status == PL_OK && !settled)
        *stop = !visit(self, row);
    return status;
}

static enum pl_status preview(struct pl_store *store, int64_t target, bool received,
                              pl_outbox_visit *visit, void *self, struct pl_error *err)
{
    struct found found[BATCH + 1];
    size_t count = BATCH;
    int64_t after = 0;
    bool stop = false;
    enum pl_status status = PL_OK;
    while (count == BATCH && status == PL_OK && !stop) {
        status = find(store, received, after, found, &count, err);
        for (size_t i = 0; i < count && status == PL_OK && !stop; i++) {
            after = found[i].id;
            if (!found[i].ours)
                continue;
            struct pl_outbox_row row = {.kind = received ? PL_OUTBOX_RECEIVED
                                                         : PL_OUTBOX_CHUNK,
                                        .chunk_id = received ? 0 : found[i].id,
                                        .inbox_id = received ? found[i].id : 0};
            if (found[i].ready)
                status = visit_one(store, target, &row, visit, self, &stop, err);
            row.kind = PL_OUTBOX_SPANS;
            if (status == PL_OK && !stop && found[i].spans && found[i].settled)
                status = visit_one(store, target, &row, visit, self, &stop, err);
        }
    }
    return status;
}

enum pl_status pl_outbox_preview(struct pl_store *store, int64_t target, bool received,
                                 pl_outbox_visit *visit, void *self,
                                 struct pl_error *err)
{
    enum pl_status status = preview(store, target, false, visit, self, err);
    if (status == PL_OK && received)
        status = preview(store, target, true, visit, self, err);
    return status;
}
