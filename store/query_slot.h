/* One row of `part` and its rows of `slot`, checked and decoded. */
#ifndef PL_STORE_QUERY_SLOT_H
#define PL_STORE_QUERY_SLOT_H

#include "store/db.h"
#include "store/query_select.h"

/* A row of select_parts; `ticks` is borrowed from the statement. */
struct pl_part_row {
    int64_t id, session_id, start_ns, end_ns, period_ns, origin_ns, unit_ns;
    int64_t tick_width, tick_count;
    const struct pl_stmt *stmt;
};

PL_MUST_CHECK enum pl_status pl_part_read(const struct pl_stmt *stmt,
                                          struct pl_part_row *part_out,
                                          struct pl_error *err);

/* Memory for decoding, used again and again. All zero to begin with. */
struct pl_slot_reader {
    struct pl_slot_run *runs;
    int64_t *weights_ns;
    size_t run_cap, weight_cap;
    struct pl_ticks part_ticks, own_ticks;
    struct pl_tick_bins part_bins, own_bins;
    const struct pl_bins *bins; /* what to cut to */
    bool wants_ticks;           /* slots are to have their ticks */
    const struct pl_part_row *part;
    bool part_whole; /* the part lies in one bin: */
    uint32_t part_bin;
    /* Of all slots; checked for overflow. */
    int64_t total_samples, total_ns, total_cpu_ns;
    size_t run_bytes; /* of all slots, as they are stored */
};

void pl_slot_reader_deinit(struct pl_slot_reader *reader);

/* Slots read from now on are of this part. */
PL_MUST_CHECK enum pl_status pl_slot_reader_part(struct pl_slot_reader *reader,
                                                 const struct pl_part_row *part,
                                                 struct pl_error *err);

/* The current row of select_slots. */
PL_MUST_CHECK enum pl_status pl_slot_read(struct pl_slot_reader *reader,
                                          const struct pl_stmt *stmt,
                                          struct pl_slot *slot_out,
                                          struct pl_error *err);

/* Sums of a part's slots. All zero to begin with; free `list`. */
struct pl_slot_sums {
    struct pl_slot_sum *list; /* those with samples; bins are not set */
    size_t count, cap;
};

/* False in `simple_out`: a slot's CPU time is known by decoding it only, or what the
 * row says makes no sense, which decoding will tell.  Errors  IO; NOMEM. */
PL_MUST_CHECK enum pl_status pl_slot_sums_read(struct pl_slot_sums *sums,
                                               struct pl_store *store,
                                               const struct pl_part_row *part,
                                               bool *simple_out, struct pl_error *err);

#endif
