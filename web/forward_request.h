/* One request of the forwarder and what its answer means. */
#ifndef PL_WEB_FORWARD_REQUEST_H
#define PL_WEB_FORWARD_REQUEST_H

#include "base/dsn.h"
#include "web/forward_body.h"
#include "web/rate_limits.h"

#include <stdatomic.h>

enum pl_try_verdict {
    PL_TRY_SENT,
    PL_TRY_RETRY,   /* no answer, or the upstream's own trouble */
    PL_TRY_LIMITED, /* 429: later */
    PL_TRY_PAUSE,   /* it does not know us */
    PL_TRY_DEAD,    /* it will never take that */
};

struct pl_forward_try {
    enum pl_try_verdict verdict;
    char reason[48];   /* of dead */
    char message[256]; /* of all but sent */
    int64_t retry_after_ns;
    struct pl_rate_limit limits[PL_RATE_LIMITS_MOST]; /* also of what was taken */
    size_t limit_count;
    bool covered; /* a limit is of a category of this body */
};

struct pl_forward_request;

/* `dsn` and `stop` are borrowed.  Errors  NOMEM; UNSUPPORTED. */
PL_MUST_CHECK enum pl_status
pl_forward_request_new(const struct pl_dsn *dsn, int timeout_ms,
                       const atomic_bool *stop, struct pl_forward_request **request_out,
                       struct pl_error *err);
void pl_forward_request_free(struct pl_forward_request *request); /* NULL is fine */

/* Errors  BUSY stopped; USAGE it has been passed on too often; NOMEM. */
PL_MUST_CHECK enum pl_status pl_forward_request_try(struct pl_forward_request *request,
                                                    const struct pl_forward_body *body,
                                                    struct pl_forward_try *try_out,
                                                    struct pl_error *err);

#endif
