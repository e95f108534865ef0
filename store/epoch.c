/* Epochs: see epoch.h. */
#include "store/epoch.h"

#include "base/clock.h"
#include "store/db.h"

#define MOST_STACKS 1000000
#define MOST_NS     (7 * 24 * 3600 * PL_NS_PER_S)

enum pl_status pl_epoch_read(struct pl_store *store, struct pl_epoch *epoch_out,
                             struct pl_error *err)
{
    struct pl_stmt *stmt = NULL;
    bool row = false;
    *epoch_out = (struct pl_epoch){1, 1, INT64_MAX};
    enum pl_status status = pl_stmt_get(store, PL_SQL_LAST_EPOCH, &stmt, err);
    if (status == PL_OK)
        status = pl_stmt_row(stmt, &row, err);
    if (status != PL_OK || !row)
        return status;
    *epoch_out =
        (struct pl_epoch){(uint64_t)pl_stmt_column_int(stmt, 0),
                          pl_stmt_column_int(stmt, 1), pl_stmt_column_int(stmt, 2)};
    pl_stmt_reset(stmt);
    if (epoch_out->first_stack < 1) /* as no store of ours has it */
        epoch_out->first_stack = 1;
    return PL_OK;
}

bool pl_epoch_is_due(const struct pl_store *store, const struct pl_epoch *epoch,
                     int64_t last_stack)
{
    int64_t most = store->epoch_stacks ? store->epoch_stacks : MOST_STACKS;
    int64_t now_ns = pl_clock_wall_ns();
    if (last_stack < epoch->first_stack)
        return false;
    return last_stack - epoch->first_stack >= most - 1 ||
           (epoch->began_ns < now_ns - MOST_NS);
}

enum pl_status pl_epoch_begin(struct pl_store *store, struct pl_error *err)
{
    struct pl_stmt *stmt;
    enum pl_status status = pl_stmt_get(store, PL_SQL_BEGIN_EPOCH, &stmt, err);
    return status == PL_OK ? pl_stmt_run(stmt, err) : status;
}
