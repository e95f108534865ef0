/* A task payload (formats/task_payload.h) from a file into the store. */
#ifndef PL_CLI_PAYLOAD_H
#define PL_CLI_PAYLOAD_H

#include "base/spool.h"
#include "formats/task_payload.h"
#include "store/store.h"
#include "web/intake.h"

struct pl_payload {
    struct pl_task_payload task; /* its profile lies in `bytes` */
    struct pl_spool spool;
    void *map; /* of the spool's file; NULL: it is in memory */
    const void *bytes;
};

/* Read and check the file, "-" being stdin. Ownership  close it in any case.
 * Errors  INPUT it is none, or too large; IO; NOMEM. */
PL_MUST_CHECK enum pl_status pl_payload_open(struct pl_payload *payload,
                                             const char *path, struct pl_error *err);
void pl_payload_close(struct pl_payload *payload);

/* Keep function metrics of it, and nothing else: it was not sampled. */
PL_MUST_CHECK enum pl_status pl_payload_measure(const struct pl_payload *payload,
                                                struct pl_store *store,
                                                struct pl_intake_counts *counts_out,
                                                struct pl_error *err);

/* Put its profile into the inbox, on the disk: the next pass takes it in. */
PL_MUST_CHECK enum pl_status pl_payload_put(const struct pl_payload *payload,
                                            struct pl_store *store,
                                            struct pl_error *err);

#endif
