/* Sums per stack of one thread, and how rows of `rollup` spell them (docs/FORMAT.md).
 * What comes from a row is hostile: sums that do not fit or agree are damage. */
#ifndef PL_STORE_ROLLUP_SUMS_H
#define PL_STORE_ROLLUP_SUMS_H

#include "store/db.h"
#include "store/idmap.h"
#include "store/query_select.h"

struct pl_stack_sum {
    int64_t samples, cpu_samples, wall_ns, cpu_ns;
    int64_t squares; /* over runs, of their samples squared; saturates */
};

/* All zero but for `stacks`, see pl_sums_init. */
struct pl_sums {
    struct pl_idmap stacks;
    struct pl_stack_sum *list; /* by place */
    uint32_t cap;
    struct pl_stack_sum total; /* of all; squares mean nothing */
    int64_t each_ns;           /* what the last slot's samples weigh */
    struct pl_pieces pieces;
};

/* Ids from `first` to `last` are expected (0, 0: unknown). */
PL_MUST_CHECK enum pl_status pl_sums_init(struct pl_sums *sums, int64_t first,
                                          int64_t last, struct pl_error *err);
void pl_sums_deinit(struct pl_sums *sums);
void pl_sums_clear(struct pl_sums *sums);

/* Add a whole slot.  Errors  NOMEM; INPUT the sums leave int64_t. */
PL_MUST_CHECK enum pl_status pl_sums_add_slot(struct pl_sums *sums,
                                              const struct pl_slot *slot,
                                              struct pl_error *err);

/* Columns of a row of `rollup`, as select_rollups has them from `first_column` on:
 * n, n_cpu, wall_ns, cpu_ns, each_ns, sums. `blob` is borrowed. */
struct pl_rollup_row {
    struct pl_stack_sum total;
    int64_t each_ns;
    const void *blob;
    size_t len;
};
/* The blob only if it is to be walked: `whole`. */
void pl_rollup_row_read(const struct pl_stmt *stmt, int first_column, bool whole,
                        struct pl_rollup_row *row_out);

/* Each entry in turn: stack id and sum. NULL when all were sound and made up the
 * row's totals, else what is wrong with it. */
struct pl_sums_visitor {
    void *self;
    bool (*entry)(void *self, uint32_t stack, const struct pl_stack_sum *sum);
};
const char *pl_rollup_row_walk(const struct pl_rollup_row *row,
                               const struct pl_sums_visitor *visitor, bool *failed_out);

/* Add a row.  Errors  NOMEM; INPUT damaged. */
PL_MUST_CHECK enum pl_status pl_sums_add_row(struct pl_sums *sums,
                                             const struct pl_rollup_row *row,
                                             struct pl_error *err);

/* The row for all that was added; its blob lives in `nibbles`.  Errors  NOMEM. */
struct pl_nibbles;
PL_MUST_CHECK enum pl_status pl_sums_encode(const struct pl_sums *sums,
                                            struct pl_nibbles *nibbles,
                                            struct pl_rollup_row *row_out,
                                            struct pl_error *err);

#endif
