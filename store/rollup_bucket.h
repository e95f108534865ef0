/* One hour or day of a session and the rows of `rollup` it gets; inside rollup*.c and
 * check. A thread is done at a time: memory is one thread's stacks and the encoded
 * rows. */
#ifndef PL_STORE_ROLLUP_BUCKET_H
#define PL_STORE_ROLLUP_BUCKET_H

#include "store/codec.h"
#include "store/query_slot.h"
#include "store/rollup.h"
#include "store/rollup_sums.h"

enum { PL_HOURS_WORTH_IT = 2 }; /* of a day */

struct pl_bucket_row {
    int64_t thread_id;
    struct pl_rollup_row row;
    unsigned char *blob;
};

/* Zero but for the first four to begin with. */
struct pl_bucket {
    struct pl_store *store;
    int64_t session_id, level, number;
    enum pl_rolled state; /* to be; OPEN: an hour of the day is not summed up */
    int64_t samples, start_ns, end_ns;
    struct pl_sums sums;
    struct pl_nibbles nibbles;
    struct pl_bucket_row *rows; /* owned, blobs too */
    size_t row_count, row_cap;
};

void pl_bucket_deinit(struct pl_bucket *bucket);

/* Make state, rows and what goes with them, in the caller's transaction. `force`: be
 * it ever so little.  Errors  INPUT damaged; IO; NOMEM. */
PL_MUST_CHECK enum pl_status pl_bucket_sum(struct pl_bucket *bucket, bool force,
                                           struct pl_error *err);
/* Write them, in place of what was there. */
PL_MUST_CHECK enum pl_status pl_bucket_write(struct pl_bucket *bucket,
                                             struct pl_error *err);

/* A day's hours by state. */
struct pl_bucket_day {
    int state[24]; /* -1: no such hour */
    int whole, small, open;
};
/* Also sets start_ns and end_ns. */
PL_MUST_CHECK enum pl_status pl_bucket_read_hours(struct pl_bucket *bucket,
                                                  struct pl_bucket_day *day,
                                                  struct pl_error *err);

/* ---- pieces of the above ---- */

extern const struct pl_bins pl_bucket_all_time; /* parts lie within their hour */

/* A statement with :session and, if it has them, :level and :bucket bound. */
PL_MUST_CHECK enum pl_status pl_bucket_stmt(const struct pl_bucket *bucket,
                                            enum pl_sql sql, struct pl_stmt **stmt_out,
                                            struct pl_error *err);
PL_MUST_CHECK enum pl_status pl_bucket_run(const struct pl_bucket *bucket,
                                           enum pl_sql sql, struct pl_error *err);
PL_MUST_CHECK enum pl_status pl_bucket_init_sums(struct pl_bucket *bucket,
                                                 struct pl_error *err);
/* Ids in column 0 of a bound statement; the caller frees them. */
PL_MUST_CHECK enum pl_status pl_bucket_ids(struct pl_stmt *stmt, int64_t **ids,
                                           size_t *count, struct pl_error *err);
PL_MUST_CHECK enum pl_status pl_bucket_add_slot(struct pl_store *store,
                                                struct pl_slot_reader *reader,
                                                const struct pl_part_row *part,
                                                int64_t thread_id, struct pl_sums *sums,
                                                struct pl_error *err);
/* The thread's row of a bucket of the session, if there is one. */
PL_MUST_CHECK enum pl_status pl_bucket_add_row(struct pl_bucket *bucket, int64_t level,
                                               int64_t number, int64_t thread_id,
                                               struct pl_error *err);
PL_MUST_CHECK enum pl_status pl_bucket_put_row(const struct pl_bucket *bucket,
                                               int64_t thread_id,
                                               const struct pl_rollup_row *row,
                                               struct pl_error *err);
PL_MUST_CHECK enum pl_status pl_bucket_set(const struct pl_bucket *bucket,
                                           enum pl_sql sql, struct pl_error *err);

#endif
