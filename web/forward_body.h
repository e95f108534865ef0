/* What a row of the outbox is as requests: a chunk of ours becomes an envelope
 * (several, if it is too large for one), its spans one each, and what arrived goes on
 * as it came. */
#ifndef PL_WEB_FORWARD_BODY_H
#define PL_WEB_FORWARD_BODY_H

#include "base/dsn.h"
#include "formats/redact.h"
#include "store/outbox.h"

struct pl_forward_body {
    const char *kind;     /* "chunk", "transaction", "envelope" or "store" */
    const char *id;       /* chunk or event id, "" none */
    const char *encoding; /* of `body`, "" none */
    const struct pl_spool *body;
    size_t items;
    int64_t samples;        /* of ours */
    const char *categories; /* ",profile_chunk," */
    const char *headers;    /* of what arrived: a JSON object; else NULL */
    bool is_store;
};

/* Called for each request of the row; anything but OK ends it and is what
 * pl_forward_bodies answers. */
typedef enum pl_status pl_forward_body_call(void *self,
                                            const struct pl_forward_body *body,
                                            struct pl_error *err);

struct pl_forward_source {
    struct pl_store *store;
    const char *folder;             /* where large bodies lie meanwhile; NULL /tmp */
    const struct pl_dsn *dsn;       /* goes into envelopes that name one */
    const struct pl_redact *redact; /* nullable; of what is ours */
    bool plain;                     /* no compression of what is ours */
};

/* Errors  INPUT it cannot be sent, whoever asks; NOT_FOUND it is gone; the call's. */
PL_MUST_CHECK enum pl_status pl_forward_bodies(const struct pl_forward_source *source,
                                               const struct pl_outbox_row *row,
                                               pl_forward_body_call *call, void *self,
                                               struct pl_error *err);

#endif
