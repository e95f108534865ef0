#include "web/forward_received.h"

#include "base/buf.h"
#include "web/decode.h"
#include "web/encode.h"
#include "web/limits.h"
#include "web/rate_limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PIECE_BYTES 65536

struct look {
    struct pl_forward_received *out;
    struct pl_envelope *envelope;
    bool has_dsn;
};

/* ---- what is in it ---- */

static bool on_header(void *self, const struct pl_envelope_header *header)
{
    struct look *look = self;
    look->has_dsn = header->dsn[0];
    (void)snprintf(look->out->event_id, sizeof look->out->event_id, "%s",
                   header->event_id);
    return true;
}

/* Types are somebody else's text: what we send on is one of ours. */
static void add_category(struct pl_forward_received *out, const char *category)
{
    char wanted[96];
    size_t used = strlen(out->categories);
    int len = snprintf(wanted, sizeof wanted, ",%s,", category);
    if (strstr(out->categories, wanted) || len < 0)
        return;
    (void)snprintf(out->categories + used, sizeof out->categories - used, "%s",
                   wanted + (used > 0));
}

static bool on_item(void *self, const struct pl_item_header *header)
{
    struct look *look = self;
    look->out->items++;
    add_category(look->out, pl_rate_limit_category(header->type, header->platform));
    return true;
}

static bool on_data(void *self, const void *bytes, size_t len)
{
    (void)self;
    (void)bytes;
    (void)len;
    return true;
}

static bool on_end(void *self)
{
    (void)self;
    return true;
}

/* ---- passing it through ---- */

/* Every decoded byte of `body` to `to`. */
static enum pl_status decode(const struct pl_spool *body, const char *encoding,
                             pl_decode_out *to, void *self, struct pl_error *err)
{
    struct pl_decoder *decoder = NULL;
    unsigned char *piece = malloc(PIECE_BYTES);
    size_t at = 0, got = 1;
    enum pl_status status =
        piece ? pl_decoder_new(encoding, PL_LIMIT_ENVELOPE, &decoder, err)
              : pl_error_set(err, PL_NOMEM, "out of memory");
    while (status == PL_OK && got) {
        status = pl_spool_read(body, at, piece, PIECE_BYTES, &got, err);
        if (status == PL_OK && got)
            status = pl_decoder_feed(decoder, piece, got, to, self, err);
        at += got;
    }
    if (status == PL_OK)
        status = pl_decoder_finish(decoder, err);
    pl_decoder_free(decoder);
    free(piece);
    return status;
}

static enum pl_status feed_envelope(void *self, const void *bytes, size_t len,
                                    struct pl_error *err)
{
    struct look *look = self;
    return pl_envelope_feed(look->envelope, bytes, len, err);
}

static enum pl_status look_into(const struct pl_outbox_received *received,
                                struct look *look, struct pl_error *err)
{
    static const struct pl_envelope_calls calls = {on_header, on_item, on_data, on_end};
    enum pl_status status = pl_envelope_new(&calls, look, &look->envelope, err);
    if (status == PL_OK)
        status = decode(&received->body, received->encoding, feed_envelope, look, err);
    if (status == PL_OK)
        status = pl_envelope_finish(look->envelope, err);
    pl_envelope_free(look->envelope);
    return status;
}

/* ---- the header line ---- */

/* Past the string that begins at `at`. */
static const char *skip_string(const char *at, const char *end)
{
    for (at++; at < end && *at != '"'; at++)
        if (*at == '\\' && at + 1 < end)
            at++;
    return at < end ? at + 1 : end;
}

static const char *skip_blanks(const char *at, const char *end)
{
    while (at < end && strchr(" \t\r", *at) && *at)
        at++;
    return at;
}

/* The value of the key dsn of the outermost object, a string with its quotes. */
static bool find_dsn(const char *line, size_t len, const char **from, const char **to)
{
    const char *at = line, *end = line + len;
    int depth = 0;
    while (at < end) {
        if (*at == '{' || *at == '[')
            depth++;
        if (*at == '}' || *at == ']')
            depth--;
        if (*at != '"') {
            at++;
            continue;
        }
        const char *key = at;
        at = skip_string(at, end);
        bool is_dsn = depth == 1 && at - key == 5 && memcmp(key, "\"dsn\"", 5) == 0;
        const char *colon = skip_blanks(at, end);
        if (!is_dsn || colon == end || *colon != ':')
            continue;
        *from = skip_blanks(colon + 1, end);
        if (*from == end || **from != '"')
            return false;
        *to = skip_string(*from, end);
        return true;
    }
    return false;
}

struct stamp {
    struct pl_encoder *encoder;
    struct pl_buf line;
    bool done; /* the line is out */
    const char *dsn;
};

static enum pl_status put_line(struct stamp *stamp, struct pl_error *err)
{
    const char *from, *to, *end = stamp->line.data + stamp->line.len;
    struct pl_buf fresh;
    pl_buf_init(&fresh, 2 * PL_ENVELOPE_HEADER_BYTES);
    if (find_dsn(stamp->line.data, stamp->line.len, &from, &to)) {
        pl_buf_append(&fresh, stamp->line.data, (size_t)(from - stamp->line.data));
        pl_buf_puts(&fresh, "\"");
        pl_buf_json_escape(&fresh, stamp->dsn);
        pl_buf_puts(&fresh, "\"");
        pl_buf_append(&fresh, to, (size_t)(end - to));
    } else {
        pl_buf_append(&fresh, stamp->line.data, stamp->line.len);
    }
    enum pl_status status =
        fresh.failed ? pl_error_set(err, PL_NOMEM, "out of memory")
                     : pl_encoder_feed(stamp->encoder, fresh.data, fresh.len, err);
    pl_buf_deinit(&fresh);
    stamp->done = true;
    return status;
}

static enum pl_status stamp_bytes(void *self, const void *bytes, size_t len,
                                  struct pl_error *err)
{
    struct stamp *stamp = self;
    enum pl_status status = PL_OK;
    if (!stamp->done) {
        const char *newline = memchr(bytes, '\n', len);
        size_t taken = newline ? (size_t)(newline - (const char *)bytes) : len;
        pl_buf_append(&stamp->line, bytes, taken);
        if (stamp->line.failed)
            return pl_error_set(err, PL_INPUT, "the envelope's header is too long");
        if (!newline)
            return PL_OK;
        status = put_line(stamp, err);
        bytes = newline;
        len -= taken;
    }
    return status == PL_OK ? pl_encoder_feed(stamp->encoder, bytes, len, err) : status;
}

static enum pl_status restamp(const struct pl_outbox_received *received,
                              const struct pl_dsn *dsn, const char *folder,
                              struct pl_forward_received *out, struct pl_error *err)
{
    char text[1024];
    struct pl_dsn shown = *dsn;
    struct stamp stamp = {.dsn = text};
    shown.secret_key[0] = '\0';
    if (!pl_dsn_format(&shown, text, sizeof text))
        return pl_error_set(err, PL_USAGE, "not a DSN");
    pl_buf_init(&stamp.line, PL_ENVELOPE_HEADER_BYTES);
    pl_spool_init(&out->body, folder, 2 * PL_LIMIT_BODY);
    out->restamped = true;
    enum pl_status status =
        pl_encoder_new(received->encoding, &out->body, &stamp.encoder, err);
    if (status == PL_OK)
        status = decode(&received->body, received->encoding, stamp_bytes, &stamp, err);
    if (status == PL_OK && !stamp.done)
        status = put_line(&stamp, err);
    if (status == PL_OK)
        status = pl_encoder_finish(stamp.encoder, err);
    pl_encoder_free(stamp.encoder);
    pl_buf_deinit(&stamp.line);
    return status;
}

enum pl_status pl_forward_restamp(const struct pl_outbox_received *received,
                                  const struct pl_dsn *dsn, const char *folder,
                                  struct pl_forward_received *out, struct pl_error *err)
{
    struct look look = {.out = out};
    *out = (struct pl_forward_received){0};
    pl_spool_init(&out->body, folder, 0);
    if (received->is_store) {
        add_category(out, "error");
        out->items = 1;
        return PL_OK;
    }
    enum pl_status status = look_into(received, &look, err);
    if (status == PL_OK && look.has_dsn)
        status = restamp(received, dsn, folder, out, err);
    return status;
}

void pl_forward_received_deinit(struct pl_forward_received *received)
{
    pl_spool_deinit(&received->body);
}
