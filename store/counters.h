/* Counters of the file: what outcomes do not count. A counter grows in the
 * transaction of what it counts, so it is as exact as the rows are, whichever
 * process does the work and however often that is killed.
 *
 * A name may carry labels, written as Prometheus does: outcomes{outcome="invalid"}. */
#ifndef PL_STORE_COUNTERS_H
#define PL_STORE_COUNTERS_H

#include "store/store.h"

struct pl_count {
    const char *name; /* static text */
    int64_t by;
};

/* Inside a write transaction. A count of 0 is passed over. */
PL_MUST_CHECK enum pl_status pl_counter_add(struct pl_store *store, const char *name,
                                            int64_t by, struct pl_error *err);
PL_MUST_CHECK enum pl_status pl_counters_add(struct pl_store *store,
                                             const struct pl_count *counts,
                                             size_t count, struct pl_error *err);
/* outcomes{outcome="…",reason="…"}. `reason` (nullable) is written as it is where it
 * is a plain word; else, as the words of SDKs may be any text, as "other". */
PL_MUST_CHECK enum pl_status pl_counter_outcome(struct pl_store *store,
                                                const char *outcome, const char *reason,
                                                struct pl_error *err);

/* Each counter of the file by name, then each reason for lost samples, as
 * loss{reason="…"}, then what waits, as waiting{in="inbox"}: requests, and "pass":
 * chunks. */
typedef void pl_counter_visitor(void *self, const char *name, int64_t value);
PL_MUST_CHECK enum pl_status pl_counters_each(struct pl_store *store,
                                              pl_counter_visitor *visit, void *self,
                                              struct pl_error *err);

#endif
