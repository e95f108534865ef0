/* A chunk of our own as Sentry takes it: item profile_chunk, version 2.
 *
 * Sentry knows no weights: a sample lasts until its thread's next one. So samples stand
 * as far apart as they weigh, and where a thread has nothing more, or nothing for a
 * while, a sample with an empty stack ends the one before: it is none of ours, and a
 * proflite that receives it counts it as none.
 *
 * What a native frame's address is in is told by `debug_meta`: modules lie one after
 * the other from 2^48 on, as where they were loaded is not kept. */
#ifndef PL_FORMATS_SENTRY_CHUNK_H
#define PL_FORMATS_SENTRY_CHUNK_H

#include "base/buf.h"
#include "base/id.h"
#include "base/whole_chunk.h"
#include "formats/redact.h"

#define PL_SENTRY_CHUNK_NS    INT64_C(66000000000) /* most a chunk may span */
#define PL_SENTRY_CHUNK_BYTES ((size_t)24 << 20)   /* most we make of one */
#define PL_SENTRY_SDK         "proflite"           /* client_sdk.name */

/* The stretch of time of a chunk that goes into one item. */
struct pl_sentry_piece {
    int64_t from_ns, to_ns; /* of the starts of samples */
    bool first;             /* has the chunk's own id; others one made from it */
};

struct pl_sentry_counts {
    int64_t samples; /* of ours */
};

/* The item's payload, JSON, appended to `out`: too large for it, the buffer fails.
 * `redact` may be NULL. `chunk_id_out` is the id it got.  Errors  NOMEM. */
PL_MUST_CHECK enum pl_status pl_sentry_chunk_write(const struct pl_whole_chunk *chunk,
                                                   const struct pl_sentry_piece *piece,
                                                   const struct pl_redact *redact,
                                                   struct pl_buf *out,
                                                   char chunk_id_out[static PL_ID_TEXT],
                                                   struct pl_sentry_counts *counts_out,
                                                   struct pl_error *err);

/* From the first sample's start to past the last one's. */
void pl_sentry_chunk_range(const struct pl_whole_chunk *chunk,
                           struct pl_sentry_piece *piece_out);

/* Root spans, as transactions; their index among labels goes from 0 on. */
bool pl_sentry_is_transaction(const struct pl_chunk_label *label);

/* The payload of item transaction; `event_id_out` is made of the trace and span, the
 * same each time. */
void pl_sentry_transaction_write(const struct pl_whole_chunk *chunk, size_t label,
                                 const struct pl_redact *redact, struct pl_buf *out,
                                 char event_id_out[static PL_ID_TEXT]);

/* Thread `index` as its samples and spans name it: its tid, with zeros before it where
 * the chunk has several of that tid. */
#define PL_SENTRY_THREAD_TEXT 48
void pl_sentry_thread_id(const struct pl_whole_chunk *chunk, uint32_t index,
                         char text_out[static PL_SENTRY_THREAD_TEXT]);

#endif
