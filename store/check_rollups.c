/* Check of the rollups: where slots (or hours) are still there, what is summed up is
 * made anew and compared; where they are gone, rows must agree with themselves. */
#include "store/check_state.h"
#include "store/rollup_bucket.h"

#include <string.h>

struct row_check {
    const struct pl_check *check;
    bool unknown; /* a stack that is not there */
};

static bool check_entry(void *self, uint32_t stack, const struct pl_stack_sum *sum)
{
    struct row_check *row = self;
    (void)sum;
    row->unknown =
        row->unknown || stack >= row->check->depth_count || !row->check->depths[stack];
    return true;
}

/* NULL, or what is wrong. */
static const char *check_row(const struct pl_check *check,
                             const struct pl_rollup_row *row)
{
    struct row_check state = {check, false};
    const struct pl_sums_visitor visitor = {&state, check_entry};
    bool failed;
    const char *wrong = pl_rollup_row_walk(row, &visitor, &failed);
    return wrong ? wrong : state.unknown ? "a sum of a stack that is not there" : NULL;
}

static bool is_row(const struct pl_bucket *bucket, size_t at, int64_t thread_id,
                   const struct pl_rollup_row *row)
{
    if (at >= bucket->row_count || bucket->rows[at].thread_id != thread_id)
        return false;
    const struct pl_rollup_row *made = &bucket->rows[at].row;
    return made->len == row->len && made->each_ns == row->each_ns &&
           memcmp(&made->total, &row->total, offsetof(struct pl_stack_sum, squares)) ==
               0 &&
           (!row->len || memcmp(made->blob, row->blob, row->len) == 0);
}

static enum pl_status compare_rows(struct pl_check *check,
                                   const struct pl_bucket *bucket, bool made,
                                   int64_t samples, const char **wrong_out,
                                   struct pl_error *err)
{
    struct pl_stmt *stmt;
    struct pl_rollup_row sums;
    size_t count = 0;
    int64_t sum = 0;
    bool row;
    enum pl_status status = pl_bucket_stmt(bucket, PL_SQL_SELECT_ROLLUP, &stmt, err);
    while (status == PL_OK && (status = pl_stmt_row(stmt, &row, err)) == PL_OK && row) {
        pl_rollup_row_read(stmt, 1, true, &sums);
        const char *wrong = check_row(check, &sums);
        if (!wrong && made &&
            !is_row(bucket, count, pl_stmt_column_int(stmt, 0), &sums))
            wrong = "its sums are not those of what it sums up";
        *wrong_out = *wrong_out ? *wrong_out : wrong;
        count++;
        if (__builtin_add_overflow(sum, sums.total.samples, &sum))
            *wrong_out = "more samples than can be";
    }
    if (!*wrong_out && made && count < bucket->row_count)
        *wrong_out = "a thread is missing";
    if (!*wrong_out && sum != samples)
        *wrong_out = "not as many samples as it says (n)";
    return status;
}

/* Columns session_id, level, bucket, state, n of `rolled`. */
static enum pl_status check_bucket(struct pl_check *check, const struct pl_stmt *stmt,
                                   struct pl_error *err)
{
    struct pl_bucket bucket = {.store = check->store,
                               .session_id = pl_stmt_column_int(stmt, 0),
                               .level = pl_stmt_column_int(stmt, 1),
                               .number = pl_stmt_column_int(stmt, 2)};
    const char *wrong = NULL;
    bool made = pl_stmt_column_int(stmt, 3) == PL_ROLLED_WHOLE;
    enum pl_status status = PL_OK;
    if ((bucket.level != PL_HOUR_S && bucket.level != PL_DAY_S) || bucket.number < 0 ||
        bucket.number > INT64_MAX / 4 / PL_NS_PER_S / bucket.level)
        wrong = "no such hour or day can be";
    else if (made)
        status = pl_bucket_sum(&bucket, true, err);
    if (status == PL_INPUT) { /* told of by the slots */
        pl_bucket_deinit(&bucket);
        return PL_OK;
    }
    if (status == PL_OK && made && !wrong && bucket.state == PL_ROLLED_OPEN)
        wrong = "an hour of it is not summed up";
    if (status == PL_OK && !wrong)
        status = compare_rows(check, &bucket, made, pl_stmt_column_int(stmt, 4), &wrong,
                              err);
    if (status == PL_OK && wrong)
        pl_check_found(check, PL_CHECK_ROLLUP,
                       "rollup %lld of %lld s, session %lld: %s",
                       (long long)bucket.number, (long long)bucket.level,
                       (long long)bucket.session_id, wrong);
    pl_bucket_deinit(&bucket);
    return status;
}

static enum pl_status check_buckets(struct pl_check *check, struct pl_error *err)
{
    struct pl_stmt *stmt;
    bool row;
    enum pl_status status = pl_stmt_get(check->store, PL_SQL_CHECK_ROLLED, &stmt, err);
    while (status == PL_OK && (status = pl_stmt_row(stmt, &row, err)) == PL_OK && row) {
        status = check_bucket(check, stmt, err);
        if (status != PL_OK)
            pl_stmt_reset(stmt);
    }
    return status;
}

enum pl_status pl_check_rollups(struct pl_check *check, struct pl_error *err)
{
    if (!check->depths)
        return PL_OK;
    return pl_check_settle(check, check_buckets(check, err), err);
}
