/* Content-Encoding, done again: what was decoded to change its head goes out in the
 * encoding it came in. */
#ifndef PL_WEB_ENCODE_H
#define PL_WEB_ENCODE_H

#include "base/spool.h"

struct pl_encoder;

/* Of "", gzip, deflate, br and zstd, onto `out`, which stays the caller's.
 * Errors  UNSUPPORTED another; NOMEM. */
PL_MUST_CHECK enum pl_status pl_encoder_new(const char *encoding, struct pl_spool *out,
                                            struct pl_encoder **encoder_out,
                                            struct pl_error *err);
void pl_encoder_free(struct pl_encoder *encoder); /* NULL is fine */

/* Errors  those of the spool. */
PL_MUST_CHECK enum pl_status pl_encoder_feed(struct pl_encoder *encoder,
                                             const void *bytes, size_t len,
                                             struct pl_error *err);
PL_MUST_CHECK enum pl_status pl_encoder_finish(struct pl_encoder *encoder,
                                               struct pl_error *err);

#endif
