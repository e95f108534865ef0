/* Rollups: hours and days of a session summed up per thread and stack, so that
 * queries over long times need not decode every sample (query_rollup.h uses them).
 *
 *   slots of an hour -> rows of level 3600 -> rows of level 86400
 *
 * A bucket is summed up whole or not at all: `rolled` says which, in the same
 * transaction as the rows, and who adds or removes a part of it says so in his.
 * So rollups are never stale, whoever writes, and a crash loses nothing. Hours whose
 * slots retention deleted (state 2) stay as they are; a part that still comes for
 * one is added to its sums. */
#ifndef PL_STORE_ROLLUP_H
#define PL_STORE_ROLLUP_H

#include "base/clock.h"
#include "store/store.h"

#include <stdatomic.h>
#include <stdbool.h>

#define PL_HOUR_S 3600
#define PL_DAY_S  86400

enum pl_rolled {
    PL_ROLLED_OPEN = 0,  /* not summed up */
    PL_ROLLED_WHOLE = 1, /* summed up */
    PL_ROLLED_ALONE = 2, /* and what was summed up is deleted */
    PL_ROLLED_SMALL = 3, /* as open; not worth a sum */
};

/* For a put, inside its transaction: a part with slots has been inserted.
 * Errors  IO, NOMEM, INPUT damaged. */
PL_MUST_CHECK enum pl_status pl_rollup_part_added(struct pl_store *store,
                                                  int64_t session_id, int64_t part_id,
                                                  int64_t start_ns, int64_t end_ns,
                                                  struct pl_error *err);

/* For who deletes parts, inside his transaction: the hours from `from_ns` to `to_ns`
 * and their days are to be summed up anew. Hours in state 2 stay. */
PL_MUST_CHECK enum pl_status pl_rollup_reopen(struct pl_store *store,
                                              int64_t session_id, int64_t from_ns,
                                              int64_t to_ns, struct pl_error *err);

struct pl_rollup_options {
    int64_t session_id;      /* 0: all */
    int64_t before_ns;       /* Unix: buckets that ended until then */
    bool force;              /* also what is not worth it */
    const atomic_bool *stop; /* checked between buckets; nullable */
};

/* Sum up what is open, hours and then days, a transaction each. Buckets that cannot
 * be read stay open. Errors  as a writer's. */
PL_MUST_CHECK enum pl_status pl_rollup_run(struct pl_store *store,
                                           const struct pl_rollup_options *options,
                                           struct pl_error *err);

#endif
