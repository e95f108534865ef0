/* Intake: what waits in the inbox becomes chunks, spans and outcomes in the store.
 *
 *   inbox row ─▶ decode ─▶ envelope ─▶ item ─▶ formats/ ─▶ check ─▶ pl_receive
 *
 * Run by the processing pass under its lease, one row a call. Memory does not grow
 * with the body: it goes through by the piece, and what is kept of one item has a
 * budget. Killed anywhere, the row is taken up again after its last item. */
#ifndef PL_WEB_INTAKE_H
#define PL_WEB_INTAKE_H

#include "store/store.h"

/* What has been made of items so far. */
struct pl_intake_counts {
    uint64_t profiles, rejected, duplicates;
};

struct pl_intake;

/* Ownership  borrows store. */
PL_MUST_CHECK enum pl_status pl_intake_new(struct pl_store *store,
                                           struct pl_intake **intake_out,
                                           struct pl_error *err);
void pl_intake_free(struct pl_intake *intake); /* NULL is fine */

/* Of the profiles it took in; only ever growing. */
const struct pl_intake_counts *pl_intake_counts(const struct pl_intake *intake);

/* One profile of a task that was not sampled: only function metrics are kept of it, and
 * it has no outcome. Counted as rejected where it is none.  Errors  NOMEM; IO. */
PL_MUST_CHECK enum pl_status
pl_intake_unsampled(struct pl_intake *intake, int64_t project_id, int64_t received_ns,
                    const void *profile, size_t len, struct pl_error *err);

/* As pl_pass_options.intake: the next row. NOT_FOUND: nothing waits. */
PL_MUST_CHECK enum pl_status pl_intake_run(void *intake, struct pl_error *err);

#endif
