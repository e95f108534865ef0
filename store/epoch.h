/* Generations of the stack dictionary: which one a writer is in, and when it is time
 * for the next. Stacks of an epoch have no parent before its first id, so that the ones
 * before it can go together (store/retention_stacks.c). */
#ifndef PL_STORE_EPOCH_H
#define PL_STORE_EPOCH_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

struct pl_store;

struct pl_epoch {
    uint64_t id;         /* another id: whatever ids were remembered are void */
    int64_t first_stack; /* parents and the slots of new parts point here or later */
    int64_t began_ns;    /* Unix */
};

/* The newest. Inside a transaction. */
PL_MUST_CHECK enum pl_status
pl_epoch_read(struct pl_store *store, struct pl_epoch *epoch_out, struct pl_error *err);
/* It has stacks (up to `last_stack`), and enough of them or for long enough. */
bool pl_epoch_is_due(const struct pl_store *store, const struct pl_epoch *epoch,
                     int64_t last_stack);
/* Begin the next. Inside a write transaction. */
PL_MUST_CHECK enum pl_status pl_epoch_begin(struct pl_store *store,
                                            struct pl_error *err);

#endif
