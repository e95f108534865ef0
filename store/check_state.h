/* What the files of check share: the dictionary as the samples need it. */
#ifndef PL_STORE_CHECK_STATE_H
#define PL_STORE_CHECK_STATE_H

#include "store/check.h"
#include "store/db.h"

struct pl_check {
    struct pl_store *store;
    const struct pl_check_visitor *visitor;
    struct pl_check_result result;
    int64_t told[PL_CHECK_KIND_COUNT];
    uint32_t *depths; /* by stack id, 1 more than its frames; 0: no such stack */
    size_t depth_count;
    unsigned char *frames; /* one bit by frame id: there is one */
    size_t frame_count;    /* ids below */
};

void pl_check_found(struct pl_check *check, enum pl_check_kind kind, const char *format,
                    ...) PL_PRINTF(3, 4);

/* A step that met a damaged page or row has found something and goes no further:
 * OK then. Other errors stay. */
PL_MUST_CHECK enum pl_status pl_check_settle(struct pl_check *check,
                                             enum pl_status status,
                                             const struct pl_error *err);

/* Frames and stacks; to come before the samples. */
PL_MUST_CHECK enum pl_status pl_check_stacks(struct pl_check *check,
                                             struct pl_error *err);

/* Parts with their ticks, slots and totals. */
PL_MUST_CHECK enum pl_status pl_check_samples(struct pl_check *check,
                                              struct pl_error *err);

/* Hours and days against what they sum up. */
PL_MUST_CHECK enum pl_status pl_check_rollups(struct pl_check *check,
                                              struct pl_error *err);

#endif
