/* Profiles that are ready for the store: several become rows in one transaction, as
 * most of what a transaction costs is the same for one and for many. */
#ifndef PL_WEB_INTAKE_BATCH_H
#define PL_WEB_INTAKE_BATCH_H

#include "store/receive.h"
#include "web/intake.h"

#define PL_INTAKE_BATCH 16

/* First in what owns what `received` points to. */
struct pl_intake_ready {
    struct pl_received received;
    size_t bytes; /* it was made from: the memory it holds goes with that */
    void (*drop)(struct pl_intake_ready *ready);
};

struct pl_intake_batch {
    struct pl_store *store;
    struct pl_intake_counts *counts; /* to add to */
    struct pl_intake_ready *ready[PL_INTAKE_BATCH];
    size_t count, bytes;
};

/* Ownership  the batch's from now on. Settle has to have been called since the last. */
void pl_intake_batch_add(struct pl_intake_batch *batch, struct pl_intake_ready *ready);

/* Store them if it is time to: before more is read into memory. */
PL_MUST_CHECK enum pl_status pl_intake_batch_settle(struct pl_intake_batch *batch,
                                                    struct pl_error *err);

/* Store them. What the store cannot hold is stored as rejected. After an error none is,
 * and they are dropped: they are still in the inbox.  Errors  of pl_receive but INPUT.
 */
PL_MUST_CHECK enum pl_status pl_intake_batch_flush(struct pl_intake_batch *batch,
                                                   struct pl_error *err);

void pl_intake_batch_drop(struct pl_intake_batch *batch);

#endif
