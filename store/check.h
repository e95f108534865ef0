/* Check: is what a store says of itself true?
 *
 * Everything is read once, in one snapshot, while others may write; memory does not
 * grow with the samples (a few bytes per stack and frame of the dictionary). The log
 * cannot be folded back meanwhile. */
#ifndef PL_STORE_CHECK_H
#define PL_STORE_CHECK_H

#include "store/store.h"

/* What a finding is about; a short word and how many of its kind are told one by
 * one. The rest are counted. */
#define PL_CHECK_KINDS(X)                                                              \
    X(SQLITE, "sqlite")       /* the file below the tables */                          \
    X(REFERENCE, "reference") /* a row of another that is not there */                 \
    X(TIME, "time")           /* parts, chunks and sessions */                         \
    X(VALUE, "value")         /* a column's value that none of its kind can be */      \
    X(STACK, "stack")         /* the dictionary */                                     \
    X(TICKS, "ticks")         /* times of samples */                                   \
    X(SLOT, "slot")           /* samples, and their sums */                            \
    X(ROLLUP, "rollup")       /* sums of hours and days */                             \
    X(TOTAL, "total")         /* what views show is not what lies there */             \
    X(OUTCOME, "outcome")

enum pl_check_kind {
#define X(name, word) PL_CHECK_##name,
    PL_CHECK_KINDS(X)
#undef X
        PL_CHECK_KIND_COUNT
};

#define PL_CHECK_TOLD_MAX 20 /* findings of a kind */

struct pl_check_visitor {
    void *self;
    /* Both texts are borrowed; `message` may hold bytes of the file. */
    void (*finding)(void *self, const char *kind, const char *message);
};

struct pl_check_result {
    int64_t findings; /* also those not told */
    int64_t sessions, threads, chunks, parts, slots, samples, stacks, frames, outcomes;
};

/* OK also when the store is damaged: then there are findings.
 * Errors  IO, NOMEM, BUSY: it could not be told. */
PL_MUST_CHECK enum pl_status pl_store_check(struct pl_store *store,
                                            const struct pl_check_visitor *visitor,
                                            struct pl_check_result *result_out,
                                            struct pl_error *err);

#endif
