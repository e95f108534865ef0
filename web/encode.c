#include "web/encode.h"

#include <brotli/encode.h>
#include <stdbool.h>
#include <stdlib.h>
#include <strings.h>
#define ZLIB_CONST
#include <zlib.h>
#include <zstd.h>

#define OUT_BYTES 65536
#define AT_ONCE   ((size_t)1 << 20)

struct piece {
    const unsigned char *in;
    size_t in_len;
    size_t out_len; /* room, then what is left of it */
    bool last;
};

struct pl_encoder {
    /* False: out of memory. `*more`: call again. */
    bool (*step)(struct pl_encoder *encoder, struct piece *piece, bool *more);
    struct pl_spool *to;
    z_stream zlib;
    bool has_zlib;
    BrotliEncoderState *brotli;
    ZSTD_CStream *zstd;
    unsigned char out[OUT_BYTES];
};

static bool step_plain(struct pl_encoder *encoder, struct piece *piece, bool *more)
{
    size_t len = piece->in_len < piece->out_len ? piece->in_len : piece->out_len;
    for (size_t i = 0; i < len; i++)
        encoder->out[i] = piece->in[i];
    piece->in += len;
    piece->in_len -= len;
    piece->out_len -= len;
    *more = piece->in_len;
    return true;
}

static bool step_zlib(struct pl_encoder *encoder, struct piece *piece, bool *more)
{
    z_stream *z = &encoder->zlib;
    z->next_in = piece->in;
    z->avail_in = (uInt)piece->in_len;
    z->next_out = encoder->out;
    z->avail_out = (uInt)piece->out_len;
    int rc = deflate(z, piece->last ? Z_FINISH : Z_NO_FLUSH);
    piece->in = z->next_in;
    piece->in_len = z->avail_in;
    piece->out_len = z->avail_out;
    *more = piece->last ? rc != Z_STREAM_END : piece->in_len || !piece->out_len;
    return rc != Z_STREAM_ERROR;
}

static bool step_brotli(struct pl_encoder *encoder, struct piece *piece, bool *more)
{
    unsigned char *out = encoder->out;
    bool ok = BrotliEncoderCompressStream(
        encoder->brotli,
        piece->last ? BROTLI_OPERATION_FINISH : BROTLI_OPERATION_PROCESS,
        &piece->in_len, &piece->in, &piece->out_len, &out, NULL);
    *more = piece->in_len || BrotliEncoderHasMoreOutput(encoder->brotli) ||
            (piece->last && !BrotliEncoderIsFinished(encoder->brotli));
    return ok;
}

static bool step_zstd(struct pl_encoder *encoder, struct piece *piece, bool *more)
{
    ZSTD_inBuffer in = {piece->in, piece->in_len, 0};
    ZSTD_outBuffer out = {encoder->out, piece->out_len, 0};
    size_t left = ZSTD_compressStream2(encoder->zstd, &out, &in,
                                       piece->last ? ZSTD_e_end : ZSTD_e_continue);
    piece->in += in.pos;
    piece->in_len -= in.pos;
    piece->out_len -= out.pos;
    *more = piece->last ? left > 0 : piece->in_len > 0;
    return !ZSTD_isError(left);
}

static bool choose(struct pl_encoder *encoder, const char *encoding)
{
    bool gzip = strcasecmp(encoding, "gzip") == 0;
    if (!*encoding) {
        encoder->step = step_plain;
    } else if (gzip || strcasecmp(encoding, "deflate") == 0) {
        encoder->step = step_zlib;
        encoder->has_zlib =
            deflateInit2(&encoder->zlib, Z_DEFAULT_COMPRESSION, Z_DEFLATED,
                         gzip ? 15 + 16 : 15, 8, Z_DEFAULT_STRATEGY) == Z_OK;
        return encoder->has_zlib;
    } else if (strcasecmp(encoding, "br") == 0) {
        encoder->step = step_brotli;
        encoder->brotli = BrotliEncoderCreateInstance(NULL, NULL, NULL);
        return encoder->brotli &&
               BrotliEncoderSetParameter(encoder->brotli, BROTLI_PARAM_QUALITY, 5);
    } else if (strcasecmp(encoding, "zstd") == 0) {
        encoder->step = step_zstd;
        encoder->zstd = ZSTD_createCStream();
        return encoder->zstd != NULL;
    }
    return true;
}

enum pl_status pl_encoder_new(const char *encoding, struct pl_spool *out,
                              struct pl_encoder **encoder_out, struct pl_error *err)
{
    struct pl_encoder *encoder = calloc(1, sizeof *encoder);
    if (!encoder || !choose(encoder, encoding)) {
        pl_encoder_free(encoder);
        return pl_error_set(err, PL_NOMEM, "out of memory");
    }
    if (!encoder->step) {
        free(encoder);
        return pl_error_set(err, PL_UNSUPPORTED, "no such encoding: %s", encoding);
    }
    encoder->to = out;
    *encoder_out = encoder;
    return PL_OK;
}

void pl_encoder_free(struct pl_encoder *encoder)
{
    if (!encoder)
        return;
    if (encoder->has_zlib)
        (void)deflateEnd(&encoder->zlib);
    if (encoder->brotli)
        BrotliEncoderDestroyInstance(encoder->brotli);
    (void)ZSTD_freeCStream(encoder->zstd);
    free(encoder);
}

static enum pl_status push(struct pl_encoder *encoder, struct piece *piece,
                           struct pl_error *err)
{
    bool more = true;
    while (more) {
        piece->out_len = OUT_BYTES;
        if (!encoder->step(encoder, piece, &more))
            return pl_error_set(err, PL_NOMEM, "cannot compress an envelope");
        enum pl_status status =
            pl_spool_append(encoder->to, encoder->out, OUT_BYTES - piece->out_len, err);
        if (status != PL_OK)
            return status;
    }
    return PL_OK;
}

enum pl_status pl_encoder_feed(struct pl_encoder *encoder, const void *bytes,
                               size_t len, struct pl_error *err)
{
    const unsigned char *at = bytes;
    enum pl_status status = PL_OK;
    while (len && status == PL_OK) {
        size_t now = len < AT_ONCE ? len : AT_ONCE;
        struct piece piece = {.in = at, .in_len = now};
        status = push(encoder, &piece, err);
        at += now;
        len -= now;
    }
    return status;
}

enum pl_status pl_encoder_finish(struct pl_encoder *encoder, struct pl_error *err)
{
    struct piece piece = {.in = encoder->out, .last = true};
    return push(encoder, &piece, err);
}
