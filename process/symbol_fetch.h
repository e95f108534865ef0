/* Debug files from debuginfod servers: fetched by whoever may use the network (web/),
 * looked at in the symbol worker, kept in the store as a symbol file with the server's
 * URL as origin. What a server does not have it is not asked for again for a while. */
#ifndef PL_PROCESS_SYMBOL_FETCH_H
#define PL_PROCESS_SYMBOL_FETCH_H

#include "process/symbolizer.h"
#include "store/store.h"

struct pl_fetch_options {
    /* GET into `fd`, at most `most_bytes` in at most `timeout_ms`; NULL: no network.
     * NOT_FOUND the server does not have it; BUSY too slow; IO anything else. */
    enum pl_status (*get)(const char *url, int64_t most_bytes, int timeout_ms, int fd,
                          struct pl_error *err);
    int budget_ms;      /* of all of them in one run; 0: 30 s */
    int64_t most_bytes; /* of one file; 0: 512 MiB */
};

enum pl_fetched {
    PL_FETCHED_NOTHING, /* the server does not have it */
    PL_FETCHED_FILE,    /* it is in the store now */
    PL_FETCHED_FAILED,
    PL_FETCHED_LATE, /* too slow, or no time was left */
};

/* Of the server at `url` the debug file of `build_id`. `left_ms` is what is left of the
 * budget, before and after; the symbolizer's limit counts, too. Errors  of the store; NOMEM. */
PL_MUST_CHECK enum pl_status
pl_symbol_fetch(struct pl_store *store, struct pl_symbolizer *symbolizer,
                const struct pl_fetch_options *options, const char *url,
                const char *build_id, int64_t *left_ms, enum pl_fetched *fetched_out,
                struct pl_error *err);

#endif
