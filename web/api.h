/* API handlers: a store and parameters in, a JSON document out. They run on pool
 * threads and know nothing of HTTP. Every answer's shape is in docs/API.md. */
#ifndef PL_WEB_API_H
#define PL_WEB_API_H

#include "base/buf.h"
#include "web/params.h"
#include "web/prune.h"

struct pl_api_call {
    struct pl_selection selection;
    const struct pl_params *params;
    const char *db_path;
    uint64_t generation;
    const char **type_out; /* Content-Type, where it is not JSON; static text */
};

/* Writes the whole document or fails; what is in `out` then is thrown away.
 * Errors  USAGE parameters; others as the store's. */
typedef enum pl_status pl_api_handler(struct pl_store *store,
                                      const struct pl_api_call *call,
                                      struct pl_buf *out, struct pl_error *err);

/* Prune as the parameters `root`, `keys`, `min_ns` and `max_nodes` say; without
 * `min_ns`, `root`'s weight / `share` (0: nothing is too light). Deinit what comes out.
 * Errors  USAGE; INPUT; NOMEM. */
PL_MUST_CHECK enum pl_status pl_api_prune(const struct pl_api_call *call,
                                          const struct pl_profile *profile,
                                          int64_t share, struct pl_pruned *pruned_out,
                                          struct pl_error *err);

pl_api_handler pl_api_meta;
pl_api_handler pl_api_apps;
pl_api_handler pl_api_health;
pl_api_handler pl_api_sessions;
pl_api_handler pl_api_threads;
pl_api_handler pl_api_timeline;
pl_api_handler pl_api_flamegraph;
pl_api_handler pl_api_top;
pl_api_handler pl_api_callers;
pl_api_handler pl_api_diff;
pl_api_handler pl_api_labels;
pl_api_handler pl_api_function;
pl_api_handler pl_api_functions;
pl_api_handler pl_api_flamechart;
pl_api_handler pl_api_export;
pl_api_handler pl_api_source;

#endif
