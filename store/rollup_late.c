/* Rollups and parts that come or go later: see rollup.h. */
#include "store/rollup.h"

#include "store/rollup_bucket.h"

#include <stdlib.h>

/* The part's sums on top of those of a bucket that has lost its slots. */
static enum pl_status add_part(struct pl_bucket *bucket, int64_t part_id,
                               struct pl_error *err)
{
    struct pl_slot_reader reader = {.bins = &pl_bucket_all_time};
    struct pl_part_row part = {.id = part_id};
    int64_t *threads = NULL;
    size_t count = 0;
    struct pl_stmt *stmt;
    bool row = false;
    enum pl_status status = pl_bucket_init_sums(bucket, err);
    if (status == PL_OK)
        status = pl_stmt_find(bucket->store, PL_SQL_ROLLUP_PART, ":part", part_id,
                              &stmt, &row, err);
    if (status == PL_OK && row) {
        status = pl_part_read(stmt, &part, err);
        pl_stmt_reset(stmt);
    }
    if (status == PL_OK)
        status = pl_stmt_get(bucket->store, PL_SQL_ROLLUP_PART_THREADS, &stmt, err);
    if (status == PL_OK) {
        pl_stmt_int(stmt, ":part", part_id);
        status = pl_bucket_ids(stmt, &threads, &count, err);
    }
    for (size_t i = 0; i < count && status == PL_OK; i++) {
        struct pl_rollup_row sums;
        pl_sums_clear(&bucket->sums);
        status = pl_bucket_add_slot(bucket->store, &reader, &part, threads[i],
                                    &bucket->sums, err);
        if (status == PL_OK && !bucket->sums.stacks.count)
            continue;
        bucket->samples += bucket->sums.total.samples;
        if (status == PL_OK)
            status = pl_bucket_add_row(bucket, bucket->level, bucket->number,
                                       threads[i], err);
        if (status == PL_OK)
            status = pl_sums_encode(&bucket->sums, &bucket->nibbles, &sums, err);
        if (status == PL_OK)
            status = pl_bucket_put_row(bucket, threads[i], &sums, err);
    }
    if (status == PL_OK)
        status = pl_bucket_set(bucket, PL_SQL_ROLLED_ADD, err);
    pl_slot_reader_deinit(&reader);
    free(threads);
    return status;
}

static enum pl_status add_to(struct pl_store *store, int64_t session_id, int64_t level,
                             int64_t number, int64_t part_id, int64_t start_ns,
                             int64_t end_ns, struct pl_error *err)
{
    struct pl_bucket bucket = {.store = store,
                               .session_id = session_id,
                               .level = level,
                               .number = number,
                               .start_ns = start_ns,
                               .end_ns = end_ns};
    enum pl_status status = add_part(&bucket, part_id, err);
    pl_bucket_deinit(&bucket);
    return status;
}

/* -1: it has no row. */
struct states {
    int64_t hour, day;
};

static enum pl_status read_states(struct pl_store *store, int64_t session_id,
                                  int64_t hour, struct states *states_out,
                                  struct pl_error *err)
{
    struct pl_stmt *stmt;
    bool row;
    *states_out = (struct states){-1, -1};
    enum pl_status status = pl_stmt_get(store, PL_SQL_ROLLED_STATES, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_int(stmt, ":session", session_id);
    pl_stmt_int(stmt, ":hour", hour);
    pl_stmt_int(stmt, ":day", hour / 24);
    while ((status = pl_stmt_row(stmt, &row, err)) == PL_OK && row)
        *(pl_stmt_column_int(stmt, 0) == PL_HOUR_S ? &states_out->hour
                                                   : &states_out->day) =
            pl_stmt_column_int(stmt, 1);
    return status;
}

/* Back to open, without rows; a bucket that is open already costs nothing. */
static enum pl_status reopen(struct pl_store *store, int64_t session_id, int64_t level,
                             int64_t number, int64_t state, struct pl_error *err)
{
    const struct pl_bucket bucket = {
        .store = store, .session_id = session_id, .level = level, .number = number};
    enum pl_status status = PL_OK;
    if (state == PL_ROLLED_OPEN || state == PL_ROLLED_ALONE)
        return PL_OK;
    if (state == PL_ROLLED_WHOLE)
        status = pl_bucket_run(&bucket, PL_SQL_ROLLUP_DELETE, err);
    return status == PL_OK ? pl_bucket_run(&bucket, PL_SQL_ROLLED_OPEN, err) : status;
}

enum pl_status pl_rollup_part_added(struct pl_store *store, int64_t session_id,
                                    int64_t part_id, int64_t start_ns, int64_t end_ns,
                                    struct pl_error *err)
{
    int64_t hour = start_ns / (PL_HOUR_S * PL_NS_PER_S), day = hour / 24;
    struct states states;
    enum pl_status status = read_states(store, session_id, hour, &states, err);
    if (status != PL_OK)
        return status;
    if (states.day == PL_ROLLED_ALONE) {
        status =
            add_to(store, session_id, PL_DAY_S, day, part_id, start_ns, end_ns, err);
        states.hour = PL_ROLLED_ALONE;
    } else if (states.day >= 0) {
        status = reopen(store, session_id, PL_DAY_S, day, states.day, err);
    }
    if (status != PL_OK)
        return status;
    if (states.hour == PL_ROLLED_ALONE)
        return add_to(store, session_id, PL_HOUR_S, hour, part_id, start_ns, end_ns,
                      err);
    return reopen(store, session_id, PL_HOUR_S, hour, states.hour, err);
}

enum pl_status pl_rollup_reopen(struct pl_store *store, int64_t session_id,
                                int64_t from_ns, int64_t to_ns, struct pl_error *err)
{
    const int64_t hour_ns = PL_HOUR_S * PL_NS_PER_S;
    enum pl_status status = PL_OK;
    for (int64_t hour = from_ns / hour_ns; hour * hour_ns < to_ns && status == PL_OK;
         hour++) {
        struct states states;
        status = read_states(store, session_id, hour, &states, err);
        if (status == PL_OK && states.hour >= 0)
            status = reopen(store, session_id, PL_HOUR_S, hour, states.hour, err);
        if (status == PL_OK && states.day >= 0)
            status = reopen(store, session_id, PL_DAY_S, hour / 24, states.day, err);
    }
    return status;
}
