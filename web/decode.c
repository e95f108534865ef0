/* One codec a decoder, each behind the same step: bytes in, bytes out, done or not.
 * The codecs' own windows bound their memory: zlib 32 KiB, brotli 16 MiB, zstd 8 MiB
 * (windowLogMax 23; a frame that wants more is refused). */
#include "web/decode.h"

#include <brotli/decode.h>
#include <stdint.h>
#include <stdlib.h>
#include <strings.h>
#define ZLIB_CONST
#include <zlib.h>
#include <zstd.h>

#define OUT_BYTES       65536
#define ZSTD_WINDOW_LOG 23
#define RATIO           200               /* decoded to sent, at most, */
#define RATIO_FROM      ((size_t)8 << 20) /* once that much has come out */

struct piece {
    const unsigned char *in;
    size_t in_len;
    unsigned char *out;
    size_t out_len; /* room, then what is left of it */
};

struct pl_decoder {
    /* False: damaged. Moves `piece` on; sets `done` at the end of the stream. */
    bool (*step)(struct pl_decoder *decoder, struct piece *piece);
    z_stream zlib;
    bool has_zlib;
    BrotliDecoderState *brotli;
    ZSTD_DStream *zstd;
    bool done, too_large;
    size_t limit, in_total, out_total;
    unsigned char out[OUT_BYTES];
};

/* ---- codecs ---- */

static bool step_plain(struct pl_decoder *decoder, struct piece *piece)
{
    (void)decoder;
    size_t len = piece->in_len < piece->out_len ? piece->in_len : piece->out_len;
    for (size_t i = 0; i < len; i++)
        piece->out[i] = piece->in[i];
    piece->in += len;
    piece->in_len -= len;
    piece->out_len -= len;
    return true;
}

static bool step_zlib(struct pl_decoder *decoder, struct piece *piece)
{
    z_stream *z = &decoder->zlib;
    z->next_in = piece->in;
    z->avail_in = (uInt)piece->in_len;
    z->next_out = piece->out;
    z->avail_out = (uInt)piece->out_len;
    int rc = inflate(z, Z_NO_FLUSH);
    piece->in = z->next_in;
    piece->in_len = z->avail_in;
    piece->out_len = z->avail_out;
    decoder->done = rc == Z_STREAM_END;
    return rc == Z_OK || rc == Z_STREAM_END || rc == Z_BUF_ERROR;
}

static bool step_brotli(struct pl_decoder *decoder, struct piece *piece)
{
    unsigned char *out = piece->out;
    BrotliDecoderResult rc = BrotliDecoderDecompressStream(
        decoder->brotli, &piece->in_len, &piece->in, &piece->out_len, &out, NULL);
    decoder->done = rc == BROTLI_DECODER_RESULT_SUCCESS;
    return rc != BROTLI_DECODER_RESULT_ERROR;
}

static bool step_zstd(struct pl_decoder *decoder, struct piece *piece)
{
    ZSTD_inBuffer in = {piece->in, piece->in_len, 0};
    ZSTD_outBuffer out = {piece->out, piece->out_len, 0};
    size_t rc = ZSTD_decompressStream(decoder->zstd, &out, &in);
    piece->in += in.pos;
    piece->in_len -= in.pos;
    piece->out_len -= out.pos;
    decoder->done = rc == 0;
    return !ZSTD_isError(rc);
}

/* ---- opening ---- */

static bool open_zlib(struct pl_decoder *decoder, int window_bits)
{
    decoder->step = step_zlib;
    decoder->has_zlib = inflateInit2(&decoder->zlib, window_bits) == Z_OK;
    return decoder->has_zlib;
}

static bool open_plain(struct pl_decoder *decoder)
{
    decoder->step = step_plain;
    decoder->done = true;
    return true;
}

static bool open_gzip(struct pl_decoder *decoder)
{
    return open_zlib(decoder, 15 + 16);
}

static bool open_deflate(struct pl_decoder *decoder)
{
    return open_zlib(decoder, 15);
}

static bool open_brotli(struct pl_decoder *decoder)
{
    decoder->step = step_brotli;
    decoder->brotli = BrotliDecoderCreateInstance(NULL, NULL, NULL);
    return decoder->brotli;
}

static bool open_zstd(struct pl_decoder *decoder)
{
    decoder->step = step_zstd;
    decoder->zstd = ZSTD_createDStream();
    return decoder->zstd && !ZSTD_isError(ZSTD_DCtx_setParameter(
                                decoder->zstd, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG));
}

static const struct codec {
    const char *name;
    bool (*open)(struct pl_decoder *decoder);
} codecs[] = {{"", open_plain},      {"identity", open_plain},  {"gzip", open_gzip},
              {"x-gzip", open_gzip}, {"deflate", open_deflate}, {"br", open_brotli},
              {"zstd", open_zstd}};

static const struct codec *find(const char *encoding)
{
    for (size_t i = 0; i < sizeof codecs / sizeof codecs[0]; i++)
        if (strcasecmp(codecs[i].name, encoding) == 0)
            return &codecs[i];
    return NULL;
}

bool pl_decode_known(const char *encoding)
{
    return find(encoding);
}

enum pl_status pl_decoder_new(const char *encoding, size_t limit,
                              struct pl_decoder **decoder_out, struct pl_error *err)
{
    const struct codec *codec = find(encoding);
    if (!codec)
        return pl_error_set(err, PL_UNSUPPORTED, "content encoding %.32s", encoding);
    struct pl_decoder *decoder = calloc(1, sizeof *decoder);
    if (!decoder || !codec->open(decoder)) {
        pl_decoder_free(decoder);
        return pl_error_set(err, PL_NOMEM, "out of memory");
    }
    decoder->limit = limit;
    *decoder_out = decoder;
    return PL_OK;
}

void pl_decoder_free(struct pl_decoder *decoder)
{
    if (!decoder)
        return;
    if (decoder->has_zlib)
        (void)inflateEnd(&decoder->zlib);
    if (decoder->brotli)
        BrotliDecoderDestroyInstance(decoder->brotli);
    if (decoder->zstd)
        (void)ZSTD_freeDStream(decoder->zstd);
    free(decoder);
}

/* ---- decoding ---- */

static bool out_of_bounds(struct pl_decoder *decoder)
{
    decoder->too_large = decoder->out_total > decoder->limit ||
                         (decoder->out_total > RATIO_FROM &&
                          decoder->out_total / RATIO > decoder->in_total);
    return decoder->too_large;
}

enum pl_status pl_decoder_feed(struct pl_decoder *decoder, const void *bytes,
                               size_t len, pl_decode_out *out, void *self,
                               struct pl_error *err)
{
    struct piece piece = {.in = bytes, .in_len = len};
    bool plain = decoder->step == step_plain, full = false;
    decoder->in_total += len;
    while (piece.in_len || full) {
        if (decoder->done && !plain)
            return piece.in_len
                       ? pl_error_set(err, PL_INPUT, "bytes after the compressed body")
                       : PL_OK;
        size_t before = piece.in_len;
        piece.out = decoder->out;
        piece.out_len = OUT_BYTES;
        if (!decoder->step(decoder, &piece))
            return pl_error_set(err, PL_INPUT, "the compressed body is damaged");
        size_t got = OUT_BYTES - piece.out_len;
        full = got == OUT_BYTES; /* there may be more without more coming in */
        decoder->out_total += got;
        if (out_of_bounds(decoder))
            return pl_error_set(err, PL_INPUT, "the body is too large");
        enum pl_status status = got ? out(self, decoder->out, got, err) : PL_OK;
        if (status != PL_OK)
            return status;
        if (!got && !before)
            break;
        if (!got && piece.in_len == before)
            return pl_error_set(err, PL_INPUT, "the compressed body is damaged");
    }
    return PL_OK;
}

enum pl_status pl_decoder_finish(const struct pl_decoder *decoder, struct pl_error *err)
{
    if (decoder->done)
        return PL_OK;
    return pl_error_set(err, PL_INPUT, "the compressed body breaks off");
}

bool pl_decoder_too_large(const struct pl_decoder *decoder)
{
    return decoder->too_large;
}
