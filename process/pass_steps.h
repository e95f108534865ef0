/* The pass from inside: its state, and the steps that find names. */
#ifndef PL_PROCESS_PASS_STEPS_H
#define PL_PROCESS_PASS_STEPS_H

#include "process/lease.h"
#include "process/pass.h"
#include "store/symbols.h"

/* Chunks are taken, and done with, in transactions of several. */
#define PL_PASS_BATCH 32

struct pl_pass {
    struct pl_store *store;
    struct pl_pass_options options;
    struct pl_symbolizer *symbolizer;
    struct pl_places *places;                  /* of this run */
    struct pl_pass_counters counters, counted; /* counted: in the file, too */
    char owner[PL_LEASE_OWNER_BYTES];
    int64_t leased_ns; /* when the lease was last renewed; 0: it was not */

    /* Done with, but for the transaction that says so. */
    struct pl_pass_end ends[PL_PASS_BATCH];
    size_t end_count;
    int64_t first_end_ns;
};

/* Outcomes, flags and counters of the chunks done with: before what may take its time,
 * so that they need not wait for it. */
PL_MUST_CHECK enum pl_status pl_pass_flush(struct pl_pass *pass, struct pl_error *err);

/* Names of native frames, and by source maps; sets chunk->symbolicated. Errors  INPUT rows that cannot be read;
 * IO; NOMEM. */
PL_MUST_CHECK enum pl_status pl_pass_symbolicate(struct pl_pass *pass,
                                                 struct pl_pending_chunk *chunk,
                                                 struct pl_error *err);

/* Names by mappings; sets chunk->deobfuscated. Errors  as above. */
bool pl_pass_should_deobfuscate(const struct pl_pending_chunk *chunk);
PL_MUST_CHECK enum pl_status pl_pass_deobfuscate(struct pl_pass *pass,
                                                 struct pl_pending_chunk *chunk,
                                                 struct pl_error *err);

#endif
