/* A body before it is acknowledged: can it be decoded, is it an envelope (or an event),
 * is it within limits? What its items hold is looked at later. */
#ifndef PL_WEB_INGEST_CHECK_H
#define PL_WEB_INGEST_CHECK_H

#include "base/spool.h"
#include "web/http.h"

struct pl_ingest_checked {
    char event_id[64]; /* "": none */
    char dsn[512];     /* of the envelope, "": none */
    int items;
};

/* Needs a stack of ordinary size. Returns 0, or in `error` 400 malformed, 413 too
 * large, 503. */
int pl_ingest_check(const struct pl_spool *body, const char *encoding, bool is_store,
                    struct pl_ingest_checked *checked, struct pl_http_error *error);

#endif
