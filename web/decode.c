/* One codec a decoder, each behind the same step: bytes in, bytes out, done or not.
 * The codecs' own windows bound their memory: deflate 32 KiB, brotli 16 MiB, zstd 8 MiB
 * (windowLogMax 23; a frame that wants more is refused). ISA-L inflates twice as fast
 * as zlib, which tells in how many chunks a second come in. */
#include "web/decode.h"

#include <brotli/decode.h>
#include <isa-l/igzip_lib.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
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
    struct inflate_state *inflate;
    BrotliDecoderState *brotli;
    ZSTD_DStream *zstd;
    bool done, too_large;
    size_t limit, in_total, out_total;
    unsigned char out[OUT_BYTES]; /* last: not zeroed */
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

static bool step_inflate(struct pl_decoder *decoder, struct piece *piece)
{
    struct inflate_state *state = decoder->inflate;
    state->next_in = (uint8_t *)(uintptr_t)piece->in; /* only read */
    state->avail_in = (uint32_t)piece->in_len;
    state->next_out = piece->out;
    state->avail_out = (uint32_t)piece->out_len;
    int rc = isal_inflate(state);
    piece->in = state->next_in;
    piece->in_len = state->avail_in;
    piece->out_len = state->avail_out;
    decoder->done = state->block_state == ISAL_BLOCK_FINISH;
    return rc == ISAL_DECOMP_OK;
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

static bool open_inflate(struct pl_decoder *decoder, uint32_t wrapper)
{
    decoder->step = step_inflate;
    decoder->inflate = malloc(sizeof *decoder->inflate);
    if (!decoder->inflate)
        return false;
    isal_inflate_init(decoder->inflate);
    decoder->inflate->crc_flag = wrapper;
    return true;
}

static bool open_plain(struct pl_decoder *decoder)
{
    decoder->step = step_plain;
    decoder->done = true;
    return true;
}

static bool open_gzip(struct pl_decoder *decoder)
{
    return open_inflate(decoder, ISAL_GZIP);
}

static bool open_deflate(struct pl_decoder *decoder)
{
    return open_inflate(decoder, ISAL_ZLIB);
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
    struct pl_decoder *decoder = malloc(sizeof *decoder);
    if (decoder)
        memset(decoder, 0, offsetof(struct pl_decoder, out));
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
    free(decoder->inflate);
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
