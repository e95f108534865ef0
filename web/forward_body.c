#include "web/forward_body.h"

#include "formats/sentry_chunk.h"
#include "store/chunk_read.h"
#include "web/encode.h"
#include "web/forward_received.h"
#include "web/limits.h"

#include <stdio.h>
#include <string.h>

#define PIECE_LEAST_NS    1000000 /* shorter ones are not cut again */
#define TRANSACTIONS_MOST 1000    /* of one chunk */
#define TRANSACTION_BYTES ((size_t)1 << 20)

struct build {
    const struct pl_forward_source *source;
    pl_forward_body_call *call;
    void *self;
};

static enum pl_status encode(const struct build *b, const char *head,
                             const struct pl_buf *payload, struct pl_spool *out,
                             struct pl_error *err)
{
    struct pl_encoder *encoder = NULL;
    enum pl_status status =
        pl_encoder_new(b->source->plain ? "" : "gzip", out, &encoder, err);
    if (status == PL_OK)
        status = pl_encoder_feed(encoder, head, strlen(head), err);
    if (status == PL_OK)
        status = pl_encoder_feed(encoder, payload->data, payload->len, err);
    if (status == PL_OK)
        status = pl_encoder_feed(encoder, "\n", 1, err);
    if (status == PL_OK)
        status = pl_encoder_finish(encoder, err);
    pl_encoder_free(encoder);
    return status;
}

/* An envelope of one item. */
static enum pl_status send(const struct build *b, struct pl_forward_body *body,
                           const char *head, const struct pl_buf *payload,
                           struct pl_error *err)
{
    struct pl_spool spool;
    pl_spool_init(&spool, b->source->folder, PL_LIMIT_BODY);
    body->encoding = b->source->plain ? "" : "gzip";
    body->body = &spool;
    body->items = 1;
    enum pl_status status = encode(b, head, payload, &spool, err);
    if (status == PL_OK)
        status = b->call(b->self, body, err);
    pl_spool_deinit(&spool);
    return status;
}

/* ---- a chunk ---- */

static enum pl_status send_piece(const struct build *b,
                                 const struct pl_whole_chunk *chunk,
                                 const struct pl_sentry_piece *piece, bool *too_large,
                                 struct pl_error *err)
{
    char id[PL_ID_TEXT], head[256];
    struct pl_sentry_counts counts;
    struct pl_buf json;
    pl_buf_init(&json, PL_SENTRY_CHUNK_BYTES);
    enum pl_status status =
        pl_sentry_chunk_write(chunk, piece, b->source->redact, &json, id, &counts, err);
    *too_large = json.failed;
    if (status == PL_OK && !*too_large && counts.samples) {
        struct pl_forward_body body = {.kind = "chunk",
                                       .id = id,
                                       .samples = counts.samples,
                                       .categories = ",profile_chunk,"};
        (void)snprintf(head, sizeof head,
                       "{}\n{\"type\":\"profile_chunk\",\"platform\":\"native\","
                       "\"content_type\":\"application/json\",\"length\":%zu}\n",
                       json.len);
        status = send(b, &body, head, &json, err);
    }
    pl_buf_deinit(&json);
    return status;
}

/* In two, and these again, until each fits. */
static enum pl_status send_pieces(const struct build *b,
                                  const struct pl_whole_chunk *chunk,
                                  struct pl_sentry_piece piece, struct pl_error *err)
{
    bool too_large = piece.to_ns - piece.from_ns > PL_SENTRY_CHUNK_NS;
    enum pl_status status = PL_OK;
    if (!too_large)
        status = send_piece(b, chunk, &piece, &too_large, err);
    if (status != PL_OK || !too_large)
        return status;
    if (piece.to_ns - piece.from_ns < PIECE_LEAST_NS)
        return pl_error_set(err, PL_INPUT, "chunk %s is too large to be sent",
                            chunk->uuid);
    struct pl_sentry_piece rest = piece;
    piece.to_ns = rest.from_ns = piece.from_ns + (piece.to_ns - piece.from_ns) / 2;
    rest.first = false;
    status = send_pieces(b, chunk, piece, err);
    return status == PL_OK ? send_pieces(b, chunk, rest, err) : status;
}

static enum pl_status send_chunk(const struct build *b, int64_t chunk_id,
                                 struct pl_error *err)
{
    struct pl_whole_chunk chunk = {0};
    struct pl_sentry_piece piece;
    enum pl_status status =
        pl_chunk_read(b->source->store, chunk_id, false, &chunk, err);
    if (status != PL_OK)
        return status;
    pl_sentry_chunk_range(&chunk, &piece);
    status = send_pieces(b, &chunk, piece, err);
    pl_whole_chunk_deinit(&chunk);
    return status;
}

/* ---- spans ---- */

static enum pl_status send_transaction(const struct build *b,
                                       const struct pl_whole_chunk *chunk, size_t label,
                                       struct pl_error *err)
{
    char id[PL_ID_TEXT], head[256];
    struct pl_buf json;
    pl_buf_init(&json, TRANSACTION_BYTES);
    pl_sentry_transaction_write(chunk, label, b->source->redact, &json, id);
    struct pl_forward_body body = {
        .kind = "transaction", .id = id, .categories = ",transaction,"};
    (void)snprintf(head, sizeof head,
                   "{\"event_id\":\"%s\"}\n{\"type\":\"transaction\","
                   "\"content_type\":\"application/json\",\"length\":%zu}\n",
                   id, json.len);
    enum pl_status status =
        json.failed ? pl_error_set(err, PL_INPUT, "transaction %s is too large", id)
                    : send(b, &body, head, &json, err);
    pl_buf_deinit(&json);
    return status;
}

static enum pl_status send_spans(const struct build *b, int64_t chunk_id,
                                 struct pl_error *err)
{
    struct pl_whole_chunk chunk = {0};
    int sent = 0;
    enum pl_status status =
        pl_chunk_read(b->source->store, chunk_id, true, &chunk, err);
    for (size_t i = 0; status == PL_OK && i < chunk.label_count; i++)
        if (pl_sentry_is_transaction(&chunk.labels[i]) && sent++ < TRANSACTIONS_MOST)
            status = send_transaction(b, &chunk, i, err);
    pl_whole_chunk_deinit(&chunk);
    return status;
}

/* ---- what arrived ---- */

static enum pl_status send_received(const struct build *b, int64_t inbox_id,
                                    struct pl_error *err)
{
    struct pl_outbox_received received;
    struct pl_forward_received looked = {0};
    pl_spool_init(&looked.body, NULL, 0);
    enum pl_status status = pl_outbox_received(b->source->store, inbox_id,
                                               b->source->folder, &received, err);
    if (status == PL_OK)
        status = pl_forward_restamp(&received, b->source->dsn, b->source->folder,
                                    &looked, err);
    if (status == PL_OK) {
        struct pl_forward_body body = {
            .kind = received.is_store ? "store" : "envelope",
            .id = looked.event_id,
            .encoding = received.encoding,
            .body = looked.restamped ? &looked.body : &received.body,
            .items = looked.items,
            .categories = looked.categories,
            .headers = received.headers,
            .is_store = received.is_store,
        };
        status = b->call(b->self, &body, err);
    }
    pl_forward_received_deinit(&looked);
    pl_outbox_received_deinit(&received);
    return status;
}

enum pl_status pl_forward_bodies(const struct pl_forward_source *source,
                                 const struct pl_outbox_row *row,
                                 pl_forward_body_call *call, void *self,
                                 struct pl_error *err)
{
    const struct build b = {source, call, self};
    if (row->kind == PL_OUTBOX_CHUNK)
        return send_chunk(&b, row->chunk_id, err);
    if (row->kind == PL_OUTBOX_SPANS)
        return send_spans(&b, row->chunk_id, err);
    return send_received(&b, row->inbox_id, err);
}
