/* Content-Encoding, undone by the piece: gzip, deflate, br, zstd, and none. What comes
 * out is bounded, in bytes and in proportion to what went in. */
#ifndef PL_WEB_DECODE_H
#define PL_WEB_DECODE_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

/* Decoded bytes of one piece; an error ends the decoding. */
typedef enum pl_status pl_decode_out(void *self, const void *bytes, size_t len,
                                     struct pl_error *err);

struct pl_decoder;

/* Is it one of the encodings we know ("" is none)? Case as in HTTP: any. */
bool pl_decode_known(const char *encoding);

/* Errors  UNSUPPORTED an unknown encoding; NOMEM. */
PL_MUST_CHECK enum pl_status pl_decoder_new(const char *encoding, size_t limit,
                                            struct pl_decoder **decoder_out,
                                            struct pl_error *err);
void pl_decoder_free(struct pl_decoder *decoder); /* NULL is fine */

/* Errors  INPUT damaged or too much (pl_decoder_too_large says which); what `out`
 * answered. */
PL_MUST_CHECK enum pl_status pl_decoder_feed(struct pl_decoder *decoder,
                                             const void *bytes, size_t len,
                                             pl_decode_out *out, void *self,
                                             struct pl_error *err);
/* Errors  INPUT: it breaks off. */
PL_MUST_CHECK enum pl_status pl_decoder_finish(const struct pl_decoder *decoder,
                                               struct pl_error *err);

bool pl_decoder_too_large(const struct pl_decoder *decoder);

#endif
