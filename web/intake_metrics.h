/* A profile that was not sampled: nothing of it is stored, and where that is asked for,
 * how long calls of its functions took. */
#ifndef PL_WEB_INTAKE_METRICS_H
#define PL_WEB_INTAKE_METRICS_H

#include "store/counters.h"
#include "web/intake_build.h"

/* Frames that arrived without a name have no metrics.  Errors  NOMEM; as any write. */
PL_MUST_CHECK enum pl_status pl_intake_keep_metrics(struct pl_store *store,
                                                    const struct pl_intake_chunk *chunk,
                                                    const struct pl_count *counts,
                                                    size_t count_count,
                                                    struct pl_error *err);

#endif
