/* Sentry envelopes, as they arrive:
 *
 *   {header}\n  ( {item header}\n payload \n )*
 *
 * An item with a length has exactly that many bytes, then a newline or the end; one
 * without goes on to the next newline. Bytes go in by the piece; of an item nothing
 * is kept but its header. What an item is for is not known here. */
#ifndef PL_FORMATS_ENVELOPE_H
#define PL_FORMATS_ENVELOPE_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PL_ENVELOPE_HEADER_BYTES ((size_t)256 << 10) /* of one header line */

struct pl_envelope_header {
    char event_id[64]; /* "": none */
    char dsn[512];
    char sent_at[64];
};

struct pl_item_header {
    char type[64];
    char platform[64];
    char content_type[128];
    bool has_length;
    int64_t length;
    int64_t meta_length; /* -1: not said */
};

/* False ends the parse: the status is INPUT, and what it is for the callee to know. */
struct pl_envelope_calls {
    bool (*header)(void *self, const struct pl_envelope_header *header);
    bool (*item)(void *self, const struct pl_item_header *header);
    bool (*data)(void *self, const void *bytes, size_t len);
    bool (*end)(void *self); /* of the item */
};

struct pl_envelope;

PL_MUST_CHECK enum pl_status pl_envelope_new(const struct pl_envelope_calls *calls,
                                             void *self,
                                             struct pl_envelope **envelope_out,
                                             struct pl_error *err);
void pl_envelope_free(struct pl_envelope *envelope); /* NULL is fine */

/* Errors  INPUT malformed, with the reason, or a call said false; NOMEM. */
PL_MUST_CHECK enum pl_status pl_envelope_feed(struct pl_envelope *envelope,
                                              const void *bytes, size_t len,
                                              struct pl_error *err);
PL_MUST_CHECK enum pl_status pl_envelope_finish(struct pl_envelope *envelope,
                                                struct pl_error *err);

#endif
