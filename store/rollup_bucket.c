/* One hour or day of a session: see rollup_bucket.h. */
#include "store/rollup_bucket.h"

#include "store/rollup.h"

#include <stdlib.h>
#include <string.h>

enum {
    PARTS_WORTH_IT = 5, /* fewer parts of an hour are decoded as quickly */
    FEW_BYTES = 65536,  /* sums that are no longer than this are made anyway */
    BYTES_WORTH_IT = 2, /* sums are so much shorter than what they sum up, or it is */
};

const struct pl_bins pl_bucket_all_time = {-(INT64_MAX / 2), INT64_MAX / 2, INT64_MAX,
                                           true, true};

static void clear_rows(struct pl_bucket *bucket)
{
    for (size_t i = 0; i < bucket->row_count; i++)
        free(bucket->rows[i].blob);
    bucket->row_count = 0;
    bucket->samples = bucket->start_ns = bucket->end_ns = 0;
}

void pl_bucket_deinit(struct pl_bucket *bucket)
{
    clear_rows(bucket);
    free(bucket->rows);
    pl_nibbles_deinit(&bucket->nibbles);
    pl_sums_deinit(&bucket->sums);
}

static enum pl_status out_of_memory(struct pl_error *err)
{
    return pl_error_set(err, PL_NOMEM, "out of memory for sums");
}

static int64_t bucket_ns(const struct pl_bucket *bucket, int64_t number)
{
    return number * bucket->level * PL_NS_PER_S;
}

/* A statement with what most of them bind. */
enum pl_status pl_bucket_stmt(const struct pl_bucket *bucket, enum pl_sql sql,
                              struct pl_stmt **stmt_out, struct pl_error *err)
{
    enum pl_status status = pl_stmt_get(bucket->store, sql, stmt_out, err);
    if (status != PL_OK)
        return status;
    pl_stmt_int(*stmt_out, ":session", bucket->session_id);
    if (sqlite3_bind_parameter_index((*stmt_out)->handle, ":level"))
        pl_stmt_int(*stmt_out, ":level", bucket->level);
    if (sqlite3_bind_parameter_index((*stmt_out)->handle, ":bucket"))
        pl_stmt_int(*stmt_out, ":bucket", bucket->number);
    return PL_OK;
}

enum pl_status pl_bucket_run(const struct pl_bucket *bucket, enum pl_sql sql,
                             struct pl_error *err)
{
    struct pl_stmt *stmt = NULL;
    enum pl_status status = pl_bucket_stmt(bucket, sql, &stmt, err);
    return status == PL_OK ? pl_stmt_run(stmt, err) : status;
}

enum pl_status pl_bucket_init_sums(struct pl_bucket *bucket, struct pl_error *err)
{
    struct pl_stmt *stmt;
    bool row;
    if (bucket->sums.stacks.hashed)
        return PL_OK;
    enum pl_status status = pl_stmt_get(bucket->store, PL_SQL_STACK_RANGE, &stmt, err);
    if (status == PL_OK)
        status = pl_stmt_row(stmt, &row, err);
    if (status != PL_OK)
        return status;
    status = pl_sums_init(&bucket->sums, pl_stmt_column_int(stmt, 0),
                          pl_stmt_column_int(stmt, 1), err);
    pl_stmt_reset(stmt);
    return status;
}

/* The thread's sums as a row to be written. */
static enum pl_status keep_row(struct pl_bucket *bucket, int64_t thread_id,
                               struct pl_error *err)
{
    struct pl_bucket_row row = {.thread_id = thread_id};
    if (!bucket->sums.stacks.count)
        return PL_OK;
    if (bucket->row_count == bucket->row_cap) {
        size_t cap = bucket->row_cap ? 2 * bucket->row_cap : 64;
        struct pl_bucket_row *grown = realloc(bucket->rows, cap * sizeof *grown);
        if (!grown)
            return out_of_memory(err);
        bucket->rows = grown;
        bucket->row_cap = cap;
    }
    enum pl_status status =
        pl_sums_encode(&bucket->sums, &bucket->nibbles, &row.row, err);
    if (status != PL_OK)
        return status;
    row.blob = malloc(row.row.len);
    if (!row.blob)
        return out_of_memory(err);
    memcpy(row.blob, row.row.blob, row.row.len);
    row.row.blob = row.blob;
    bucket->rows[bucket->row_count++] = row;
    if (__builtin_add_overflow(bucket->samples, row.row.total.samples,
                               &bucket->samples))
        return pl_error_set(err, PL_INPUT, "more samples than can be");
    return PL_OK;
}

/* ---- an hour from its slots ---- */

/* Parts lie within their hour, so no tick has to be looked at. */
struct hour {
    struct pl_bucket *bucket;
    struct pl_part_row *parts;
    size_t part_count, part_cap;
    int64_t *threads;
    size_t thread_count, thread_cap;
    struct pl_slot_reader reader;
};

static enum pl_status bind_range(const struct pl_bucket *bucket, enum pl_sql sql,
                                 struct pl_stmt **stmt_out, struct pl_error *err)
{
    enum pl_status status = pl_bucket_stmt(bucket, sql, stmt_out, err);
    if (status != PL_OK)
        return status;
    pl_stmt_int(*stmt_out, ":from", bucket_ns(bucket, bucket->number));
    pl_stmt_int(*stmt_out, ":to", bucket_ns(bucket, bucket->number + 1));
    return PL_OK;
}

static enum pl_status list_parts(struct hour *hour, struct pl_error *err)
{
    struct pl_stmt *stmt;
    bool row;
    enum pl_status status = bind_range(hour->bucket, PL_SQL_ROLLUP_PARTS, &stmt, err);
    while (status == PL_OK && (status = pl_stmt_row(stmt, &row, err)) == PL_OK && row) {
        if (hour->part_count == hour->part_cap) {
            size_t cap = hour->part_cap ? 2 * hour->part_cap : 64;
            struct pl_part_row *grown = realloc(hour->parts, cap * sizeof *grown);
            if (!grown) {
                pl_stmt_reset(stmt);
                return out_of_memory(err);
            }
            hour->parts = grown;
            hour->part_cap = cap;
        }
        struct pl_part_row *part = &hour->parts[hour->part_count];
        status = pl_part_read(stmt, part, err);
        hour->part_count += status == PL_OK;
    }
    if (status != PL_OK)
        pl_stmt_reset(stmt);
    return status;
}

/* Ids in column 0 of a bound statement, to be freed. */
enum pl_status pl_bucket_ids(struct pl_stmt *stmt, int64_t **ids, size_t *count,
                             struct pl_error *err)
{
    enum pl_status status;
    size_t cap = 0;
    bool row;
    while ((status = pl_stmt_row(stmt, &row, err)) == PL_OK && row) {
        if (*count == cap) {
            cap = cap ? 2 * cap : 64;
            int64_t *grown = realloc(*ids, cap * sizeof *grown);
            if (!grown) {
                pl_stmt_reset(stmt);
                return out_of_memory(err);
            }
            *ids = grown;
        }
        (*ids)[(*count)++] = pl_stmt_column_int(stmt, 0);
    }
    return status;
}

enum pl_status pl_bucket_add_slot(struct pl_store *store, struct pl_slot_reader *reader,
                                  const struct pl_part_row *part, int64_t thread_id,
                                  struct pl_sums *sums, struct pl_error *err)
{
    struct pl_stmt *stmt;
    struct pl_slot slot;
    bool row = false;
    enum pl_status status = pl_stmt_get(store, PL_SQL_ROLLUP_SLOT, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_int(stmt, ":part", part->id);
    pl_stmt_int(stmt, ":thread", thread_id);
    status = pl_stmt_row(stmt, &row, err);
    if (status != PL_OK || !row)
        return status;
    status = pl_slot_reader_part(reader, part, err);
    if (status == PL_OK)
        status = pl_slot_read(reader, stmt, &slot, err);
    if (status == PL_OK)
        status = pl_sums_add_slot(sums, &slot, err);
    pl_stmt_reset(stmt);
    return status;
}

static enum pl_status sum_threads(struct hour *hour, struct pl_error *err)
{
    struct pl_bucket *bucket = hour->bucket;
    struct pl_stmt *stmt;
    enum pl_status status = bind_range(bucket, PL_SQL_ROLLUP_THREADS, &stmt, err);
    if (status == PL_OK)
        status = pl_bucket_ids(stmt, &hour->threads, &hour->thread_count, err);
    for (size_t t = 0; t < hour->thread_count && status == PL_OK; t++) {
        pl_sums_clear(&bucket->sums);
        for (size_t i = 0; i < hour->part_count && status == PL_OK; i++)
            status = pl_bucket_add_slot(bucket->store, &hour->reader, &hour->parts[i],
                                        hour->threads[t], &bucket->sums, err);
        if (status == PL_OK)
            status = keep_row(bucket, hour->threads[t], err);
    }
    return status;
}

/* Where hardly a stack comes twice, sums are as long as what they sum up. */
static bool is_too_long(const struct pl_bucket *bucket, size_t summed_bytes)
{
    size_t bytes = 0;
    for (size_t i = 0; i < bucket->row_count; i++)
        bytes += bucket->rows[i].row.len;
    return bytes > FEW_BYTES && bytes > summed_bytes / BYTES_WORTH_IT;
}

static enum pl_status sum_hour(struct pl_bucket *bucket, bool force,
                               struct pl_error *err)
{
    struct hour hour = {.bucket = bucket};
    hour.reader.bins = &pl_bucket_all_time;
    enum pl_status status = list_parts(&hour, err);
    bucket->state =
        hour.part_count < PARTS_WORTH_IT && !force ? PL_ROLLED_SMALL : PL_ROLLED_WHOLE;
    if (status == PL_OK && bucket->state == PL_ROLLED_WHOLE && hour.part_count)
        status = sum_threads(&hour, err);
    if (status == PL_OK && !force && is_too_long(bucket, hour.reader.run_bytes)) {
        clear_rows(bucket);
        bucket->state = PL_ROLLED_SMALL;
    }
    for (size_t i = 0; i < hour.part_count; i++) {
        const struct pl_part_row *part = &hour.parts[i];
        if (!i || part->start_ns < bucket->start_ns)
            bucket->start_ns = part->start_ns;
        if (!i || part->end_ns > bucket->end_ns)
            bucket->end_ns = part->end_ns;
    }
    pl_slot_reader_deinit(&hour.reader);
    free(hour.parts);
    free(hour.threads);
    return status;
}

/* ---- a day from its hours ---- */

enum pl_status pl_bucket_add_row(struct pl_bucket *bucket, int64_t level,
                                 int64_t number, int64_t thread_id,
                                 struct pl_error *err)
{
    struct pl_rollup_row sums;
    struct pl_stmt *stmt;
    bool row = false;
    enum pl_status status = pl_stmt_get(bucket->store, PL_SQL_ROLLUP_ROW, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_int(stmt, ":level", level);
    pl_stmt_int(stmt, ":bucket", number);
    pl_stmt_int(stmt, ":session", bucket->session_id);
    pl_stmt_int(stmt, ":thread", thread_id);
    status = pl_stmt_row(stmt, &row, err);
    if (status != PL_OK || !row)
        return status;
    pl_rollup_row_read(stmt, 0, true, &sums);
    status = pl_sums_add_row(&bucket->sums, &sums, err);
    pl_stmt_reset(stmt);
    return status;
}

enum pl_status pl_bucket_read_hours(struct pl_bucket *bucket, struct pl_bucket_day *day,
                                    struct pl_error *err)
{
    struct pl_stmt *stmt;
    bool row;
    *day = (struct pl_bucket_day){0};
    memset(day->state, -1, sizeof day->state);
    bucket->start_ns = INT64_MAX;
    bucket->end_ns = 0;
    enum pl_status status = pl_bucket_stmt(bucket, PL_SQL_ROLLED_HOURS, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_int(stmt, ":from", bucket->number * 24);
    pl_stmt_int(stmt, ":to", bucket->number * 24 + 24);
    while ((status = pl_stmt_row(stmt, &row, err)) == PL_OK && row) {
        int state = (int)pl_stmt_column_int(stmt, 1);
        int64_t start = pl_stmt_column_int(stmt, 3), end = pl_stmt_column_int(stmt, 4);
        day->state[pl_stmt_column_int(stmt, 0) - bucket->number * 24] = state;
        day->whole += state == PL_ROLLED_WHOLE || state == PL_ROLLED_ALONE;
        day->small += state == PL_ROLLED_SMALL;
        day->open += state == PL_ROLLED_OPEN;
        bucket->start_ns = start < bucket->start_ns ? start : bucket->start_ns;
        bucket->end_ns = end > bucket->end_ns ? end : bucket->end_ns;
    }
    return status;
}

static enum pl_status sum_day(struct pl_bucket *bucket, bool force,
                              struct pl_error *err)
{
    struct pl_bucket_day day;
    int64_t *threads = NULL;
    size_t thread_count = 0;
    struct pl_stmt *stmt;
    enum pl_status status = pl_bucket_read_hours(bucket, &day, err);
    bool worth_it = force || day.whole >= PL_HOURS_WORTH_IT;
    if (day.open || (day.small && worth_it))
        bucket->state = PL_ROLLED_OPEN;
    else
        bucket->state = worth_it ? PL_ROLLED_WHOLE : PL_ROLLED_SMALL;
    if (status != PL_OK || bucket->state != PL_ROLLED_WHOLE)
        return status;
    status = pl_bucket_stmt(bucket, PL_SQL_ROLLUP_DAY_THREADS, &stmt, err);
    if (status == PL_OK) {
        pl_stmt_int(stmt, ":from", bucket->number * 24);
        pl_stmt_int(stmt, ":to", bucket->number * 24 + 24);
        status = pl_bucket_ids(stmt, &threads, &thread_count, err);
    }
    for (size_t t = 0; t < thread_count && status == PL_OK; t++) {
        pl_sums_clear(&bucket->sums);
        for (int h = 0; h < 24 && status == PL_OK; h++)
            if (day.state[h] >= 0)
                status = pl_bucket_add_row(bucket, PL_HOUR_S, bucket->number * 24 + h,
                                           threads[t], err);
        if (status == PL_OK)
            status = keep_row(bucket, threads[t], err);
    }
    free(threads);
    return status;
}

/* ---- writing ---- */

enum pl_status pl_bucket_put_row(const struct pl_bucket *bucket, int64_t thread_id,
                                 const struct pl_rollup_row *row, struct pl_error *err)
{
    struct pl_stmt *stmt = NULL;
    enum pl_status status = pl_bucket_stmt(bucket, PL_SQL_ROLLUP_PUT, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_int(stmt, ":thread", thread_id);
    pl_stmt_int(stmt, ":n", row->total.samples);
    pl_stmt_int(stmt, ":n_cpu", row->total.cpu_samples);
    pl_stmt_int(stmt, ":wall_ns", row->total.wall_ns);
    pl_stmt_int(stmt, ":cpu_ns", row->total.cpu_ns);
    pl_stmt_int(stmt, ":each_ns", row->each_ns);
    pl_stmt_blob(stmt, ":sums", row->len ? row->blob : (const void *)"", row->len);
    return pl_stmt_run(stmt, err);
}

enum pl_status pl_bucket_set(const struct pl_bucket *bucket, enum pl_sql sql,
                             struct pl_error *err)
{
    struct pl_stmt *stmt = NULL;
    enum pl_status status = pl_bucket_stmt(bucket, sql, &stmt, err);
    if (status != PL_OK)
        return status;
    if (sql == PL_SQL_ROLLED_SET)
        pl_stmt_int(stmt, ":state", bucket->state);
    pl_stmt_int(stmt, ":n", bucket->samples);
    pl_stmt_int(stmt, ":start_ns", bucket->start_ns);
    pl_stmt_int(stmt, ":end_ns", bucket->end_ns);
    return pl_stmt_run(stmt, err);
}

static enum pl_status open_bucket(struct pl_store *store, int64_t session_id,
                                  int64_t level, int64_t number, struct pl_error *err)
{
    const struct pl_bucket bucket = {
        .store = store, .session_id = session_id, .level = level, .number = number};
    return pl_bucket_run(&bucket, PL_SQL_ROLLED_OPEN, err);
}

enum pl_status pl_bucket_write(struct pl_bucket *bucket, struct pl_error *err)
{
    enum pl_status status = pl_bucket_run(bucket, PL_SQL_ROLLUP_DELETE, err);
    if (status == PL_OK && !bucket->end_ns)
        return pl_bucket_run(bucket, PL_SQL_ROLLED_DELETE,
                             err); /* its parts are gone */
    for (size_t i = 0; i < bucket->row_count && status == PL_OK; i++)
        status = pl_bucket_put_row(bucket, bucket->rows[i].thread_id,
                                   &bucket->rows[i].row, err);
    if (status == PL_OK)
        status = pl_bucket_set(bucket, PL_SQL_ROLLED_SET, err);
    if (status == PL_OK && bucket->level == PL_HOUR_S)
        status = open_bucket(bucket->store, bucket->session_id, PL_DAY_S,
                             bucket->number / 24, err);
    return status;
}

enum pl_status pl_bucket_sum(struct pl_bucket *bucket, bool force, struct pl_error *err)
{
    clear_rows(bucket);
    enum pl_status status = pl_bucket_init_sums(bucket, err);
    if (status != PL_OK)
        return status;
    return bucket->level == PL_HOUR_S ? sum_hour(bucket, force, err)
                                      : sum_day(bucket, force, err);
}
