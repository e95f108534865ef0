/* Check of the dictionary: every stack continues an older one within its depth, with
 * frames that exist. Rows come in the order of ids, so a parent was seen before. */
#include "store/check_state.h"
#include "store/codec.h"

#include <stdlib.h>

enum { DEPTH_MAX = 65536 };

static enum pl_status out_of_memory(struct pl_error *err)
{
    return pl_error_set(err, PL_NOMEM, "out of memory to check the stacks");
}

/* The largest id of a dictionary table, at most `limit` - 1. */
static enum pl_status last_id(struct pl_check *check, enum pl_sql sql, int64_t limit,
                              size_t *last_out, struct pl_error *err)
{
    struct pl_stmt *stmt;
    bool row = false;
    int64_t last = 0;
    enum pl_status status = pl_stmt_get(check->store, sql, &stmt, err);
    if (status == PL_OK)
        status = pl_stmt_row(stmt, &row, err);
    if (row) {
        last = pl_stmt_column_int(stmt, 1);
        pl_stmt_reset(stmt);
    }
    *last_out = last < 0 ? 0 : last >= limit ? (size_t)limit - 1 : (size_t)last;
    return status;
}

/* ---- frames ---- */

static enum pl_status mark_frames(struct pl_check *check, struct pl_error *err)
{
    struct pl_stmt *stmt;
    bool row;
    enum pl_status status =
        pl_stmt_get(check->store, PL_SQL_CHECK_FRAME_IDS, &stmt, err);
    while (status == PL_OK && (status = pl_stmt_row(stmt, &row, err)) == PL_OK && row) {
        int64_t id = pl_stmt_column_int(stmt, 0);
        check->result.frames++;
        if (id > 0 && (uint64_t)id < check->frame_count)
            check->frames[id / 8] |= (unsigned char)(1u << id % 8);
        else
            pl_check_found(check, PL_CHECK_STACK, "frame %lld: no such id can be",
                           (long long)id);
    }
    return status;
}

static bool frame_exists(const struct pl_check *check, int64_t id)
{
    return id > 0 && (uint64_t)id < check->frame_count &&
           check->frames[id / 8] >> id % 8 & 1;
}

static enum pl_status read_frames(struct pl_check *check, struct pl_error *err)
{
    size_t last;
    enum pl_status status = last_id(check, PL_SQL_FRAME_RANGE, UINT32_MAX, &last, err);
    if (status != PL_OK)
        return status;
    check->frame_count = last + 1;
    check->frames = calloc(last / 8 + 1, 1);
    return check->frames ? mark_frames(check, err) : out_of_memory(err);
}

/* ---- stacks ---- */

/* Frames of the row's own; -1, told, when they are wrong. */
static int64_t count_frames(struct pl_check *check, const struct pl_stmt *stmt,
                            int64_t id)
{
    struct pl_digits digits;
    size_t len;
    int64_t frame, count = 0;
    const void *blob = pl_stmt_column_blob(stmt, 3, &len);
    pl_digits_init(&digits, blob, len);
    while (pl_digits_next(&digits, &frame)) {
        count++;
        if (!frame_exists(check, frame)) {
            pl_check_found(check, PL_CHECK_STACK, "stack %lld: no frame %lld",
                           (long long)id, (long long)frame);
            return -1;
        }
    }
    if (!digits.damaged)
        return count;
    pl_check_found(check, PL_CHECK_STACK, "stack %lld: its frames make no sense",
                   (long long)id);
    return -1;
}

static void check_stack(struct pl_check *check, const struct pl_stmt *stmt)
{
    int64_t id = pl_stmt_column_int(stmt, 0), parent = pl_stmt_column_int(stmt, 1);
    int64_t keep = pl_stmt_column_int(stmt, 2), depth = 0;
    int64_t own = count_frames(check, stmt, id);
    const char *wrong = NULL;
    if (parent < 0 || parent >= id)
        wrong = "it continues one that is not older";
    else if (parent && !check->depths[parent])
        wrong = "it continues one that is not there";
    else if (parent)
        depth = check->depths[parent] - 1;
    if (!wrong && (keep < 0 || keep > depth))
        wrong = "it keeps more frames than its parent has";
    if (!wrong && keep + own > DEPTH_MAX)
        wrong = "it is too deep";
    if (wrong)
        pl_check_found(check, PL_CHECK_STACK, "stack %lld (parent %lld, keep %lld): %s",
                       (long long)id, (long long)parent, (long long)keep, wrong);
    /* One that is wrong is there all the same: its children have their own say. */
    int64_t whole = (wrong ? depth : keep) + (own < 0 ? 0 : own);
    check->depths[id] = (uint32_t)(whole > DEPTH_MAX ? DEPTH_MAX : whole) + 1;
}

static enum pl_status read_stacks(struct pl_check *check, struct pl_error *err)
{
    struct pl_stmt *stmt;
    bool row;
    size_t last;
    enum pl_status status =
        last_id(check, PL_SQL_STACK_RANGE, PL_STACK_ID_LIMIT, &last, err);
    if (status != PL_OK)
        return status;
    check->depth_count = last + 1;
    check->depths = calloc(last + 1, sizeof *check->depths);
    if (!check->depths)
        return out_of_memory(err);
    status = pl_stmt_get(check->store, PL_SQL_STACKS_AFTER, &stmt, err);
    if (status == PL_OK)
        pl_stmt_int(stmt, ":after", 0);
    while (status == PL_OK && (status = pl_stmt_row(stmt, &row, err)) == PL_OK && row) {
        check->result.stacks++;
        if ((uint64_t)pl_stmt_column_int(stmt, 0) < check->depth_count)
            check_stack(check, stmt);
    }
    return status;
}

enum pl_status pl_check_stacks(struct pl_check *check, struct pl_error *err)
{
    enum pl_status status = pl_check_settle(check, read_frames(check, err), err);
    if (status == PL_OK && check->frames)
        status = pl_check_settle(check, read_stacks(check, err), err);
    return status;
}
