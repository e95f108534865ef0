#include "web/ingest_check.h"

#include "formats/envelope.h"
#include "formats/json_stream.h"
#include "web/decode.h"
#include "web/limits.h"

#include <stdlib.h>
#include <string.h>

#define PIECE_BYTES 65536
#define ITEMS_MOST  1000

struct check {
    struct pl_ingest_checked *checked;
    struct pl_envelope *envelope;
    struct pl_json_stream *event; /* of /store/ */
    size_t item_bytes, item_limit, total;
    const char *too_large; /* what is */
};

/* ---- envelopes ---- */

static bool on_header(void *self, const struct pl_envelope_header *header)
{
    struct check *check = self;
    memcpy(check->checked->event_id, header->event_id, sizeof header->event_id);
    memcpy(check->checked->dsn, header->dsn, sizeof header->dsn);
    return true;
}

static size_t limit_of(const char *type)
{
    static const struct {
        const char *type;
        size_t limit;
    } limits[] = {
        {"profile", PL_LIMIT_PROFILE},      {"profile_chunk", PL_LIMIT_PROFILE},
        {"event", PL_LIMIT_EVENT},          {"transaction", PL_LIMIT_EVENT},
        {"client_report", PL_LIMIT_REPORT},
    };
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++)
        if (strcmp(limits[i].type, type) == 0)
            return limits[i].limit;
    return PL_LIMIT_ENVELOPE;
}

static bool add_bytes(struct check *check, size_t len)
{
    check->item_bytes += len;
    if (check->item_bytes > check->item_limit)
        check->too_large = "an item";
    return !check->too_large;
}

static bool on_item(void *self, const struct pl_item_header *header)
{
    struct check *check = self;
    check->item_bytes = 0;
    check->item_limit = limit_of(header->type);
    if (++check->checked->items > ITEMS_MOST)
        check->too_large = "the number of items";
    return !check->too_large;
}

static bool on_data(void *self, const void *bytes, size_t len)
{
    (void)bytes;
    return add_bytes(self, len);
}

static bool on_end(void *self)
{
    (void)self;
    return true;
}

/* ---- events ---- */

enum { F_ROOT, F_EVENT_ID };

static const struct pl_json_rule event_rules[] = {
    PL_JSON_ANY(0, F_ROOT, 1),
    PL_JSON_KEY(1, "event_id", F_EVENT_ID, 0),
};

static bool on_begin(void *self, int id, const char *key, size_t key_len)
{
    (void)self;
    (void)id;
    (void)key;
    (void)key_len;
    return true;
}

static bool on_container_end(void *self, int id)
{
    (void)self;
    (void)id;
    return true;
}

static bool on_scalar(void *self, int id, enum pl_json_type type, const char *text,
                      size_t len)
{
    struct pl_ingest_checked *checked = ((struct check *)self)->checked;
    if (id == F_EVENT_ID && type == PL_JSON_STRING && len < sizeof checked->event_id) {
        memcpy(checked->event_id, text, len);
        checked->event_id[len] = '\0';
    }
    return id != F_ROOT;
}

/* ---- the body ---- */

static enum pl_status open_check(struct check *check, bool is_store,
                                 struct pl_error *err)
{
    static const struct pl_envelope_calls envelope = {on_header, on_item, on_data,
                                                      on_end};
    static const struct pl_json_calls event = {on_begin, on_container_end, on_scalar};
    check->item_limit = PL_LIMIT_EVENT;
    if (!is_store)
        return pl_envelope_new(&envelope, check, &check->envelope, err);
    return pl_json_stream_new(event_rules, sizeof event_rules / sizeof event_rules[0],
                              &event, check, &check->event, err);
}

static enum pl_status feed(void *self, const void *bytes, size_t len,
                           struct pl_error *err)
{
    struct check *check = self;
    if (check->envelope)
        return pl_envelope_feed(check->envelope, bytes, len, err);
    pl_error_set(err, PL_INPUT, "an event is a JSON object");
    return add_bytes(check, len) ? pl_json_stream_feed(check->event, bytes, len, err)
                                 : PL_INPUT;
}

static enum pl_status finish(struct check *check, struct pl_error *err)
{
    return check->envelope ? pl_envelope_finish(check->envelope, err)
                           : pl_json_stream_finish(check->event, err);
}

static enum pl_status feed_all(struct check *check, const struct pl_spool *body,
                               struct pl_decoder *decoder, struct pl_error *err)
{
    unsigned char *piece = malloc(PIECE_BYTES);
    enum pl_status status =
        piece ? PL_OK : pl_error_set(err, PL_NOMEM, "out of memory");
    size_t at = 0, got = 1;
    while (status == PL_OK && got) {
        status = pl_spool_read(body, at, piece, PIECE_BYTES, &got, err);
        if (status == PL_OK && got)
            status = pl_decoder_feed(decoder, piece, got, feed, check, err);
        at += got;
    }
    free(piece);
    if (status == PL_OK)
        status = pl_decoder_finish(decoder, err);
    return status == PL_OK ? finish(check, err) : status;
}

static int answer(const struct check *check, const struct pl_decoder *decoder,
                  enum pl_status status, const struct pl_error *err,
                  struct pl_http_error *error)
{
    if (status == PL_OK)
        return 0;
    if (check->too_large)
        return pl_http_error_set(error, 413, "too_large", "%s is too large",
                                 check->too_large);
    if (decoder && pl_decoder_too_large(decoder))
        return pl_http_error_set(error, 413, "too_large",
                                 "the body is too large when decoded");
    if (status == PL_INPUT || status == PL_UNSUPPORTED)
        return pl_http_error_set(error, 400, "bad_envelope", "%s", err->message);
    return pl_http_error_set(error, 503, "busy", "%s", err->message);
}

int pl_ingest_check(const struct pl_spool *body, const char *encoding, bool is_store,
                    struct pl_ingest_checked *checked, struct pl_http_error *error)
{
    struct check check = {.checked = checked};
    struct pl_decoder *decoder = NULL;
    struct pl_error err = {0};
    *checked = (struct pl_ingest_checked){0};
    enum pl_status status = open_check(&check, is_store, &err);
    if (status == PL_OK)
        status = pl_decoder_new(encoding, PL_LIMIT_ENVELOPE, &decoder, &err);
    if (status == PL_OK)
        status = feed_all(&check, body, decoder, &err);
    int refused = answer(&check, decoder, status, &err, error);
    pl_decoder_free(decoder);
    pl_envelope_free(check.envelope);
    pl_json_stream_free(check.event);
    return refused;
}
