/* Forwarding while the server runs: a thread for each target. */
#ifndef PL_WEB_FORWARD_H
#define PL_WEB_FORWARD_H

#include "formats/redact.h"
#include "store/outbox.h"
#include "web/forwarder.h"

#define PL_FORWARD_TARGETS 8

struct pl_forward;

struct pl_forward_settings {
    const char *db_path;
    const char *const *dsns;
    size_t dsn_count;
    const struct pl_redact *redact; /* nullable; borrowed until the stop */
    bool received;
};

/* Errors  USAGE not a DSN, the same target twice, too many; NOMEM; IO. */
PL_MUST_CHECK enum pl_status
pl_forward_start(const struct pl_forward_settings *settings,
                 struct pl_forward **forward_out, struct pl_error *err);

/* A request in flight is broken off; it is sent again next time. NULL is fine. */
void pl_forward_stop(struct pl_forward *forward);

#endif
