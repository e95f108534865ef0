/* What arrived, on its way on: the same bytes in the same encoding, but for the `dsn`
 * of an envelope's header, which has to be the upstream's. */
#ifndef PL_WEB_FORWARD_RECEIVED_H
#define PL_WEB_FORWARD_RECEIVED_H

#include "base/dsn.h"
#include "formats/envelope.h"
#include "store/outbox.h"

struct pl_forward_received {
    char event_id[64];
    char categories[PL_OUTBOX_CATEGORIES]; /* of its items, each once */
    size_t items;
    bool restamped; /* then `body` goes out, else the bytes as they came */
    struct pl_spool body;
};

/* Deinit in any case.  Errors  INPUT it is no envelope; NOMEM; IO. */
PL_MUST_CHECK enum pl_status
pl_forward_restamp(const struct pl_outbox_received *received, const struct pl_dsn *dsn,
                   const char *folder, struct pl_forward_received *out,
                   struct pl_error *err);
void pl_forward_received_deinit(struct pl_forward_received *received);

#endif
