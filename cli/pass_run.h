/* The processing pass as commands run it: patient with another process that holds
 * the lease, with progress on a terminal, and ended by INT or TERM between two
 * chunks (a second one ends this process as usual). */
#ifndef PL_CLI_PASS_RUN_H
#define PL_CLI_PASS_RUN_H

#include "process/pass.h"
#include "web/intake.h"

struct pl_pass_result {
    struct pl_pass_counters counters;
    struct pl_intake_counts intake;
    bool stopped; /* by a signal, before everything was done */
};

/* `given` (nullable) says what to do; what it says of stopping, progress, intake and
 * the user's own code is replaced. Errors  BUSY after waiting `patience_ms`; else the
 * pass's. */
PL_MUST_CHECK enum pl_status pl_cli_pass_run(struct pl_store *store,
                                             const struct pl_pass_options *given,
                                             int patience_ms,
                                             struct pl_pass_result *result_out,
                                             struct pl_error *err);

#endif
