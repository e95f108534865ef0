/* Fuzz target of what SDKs send: decoding, envelope framing and the parsers of items,
 * as ingest runs them, without a store.
 *
 * With clang's libFuzzer: fuzz_ingest -max_total_time=30 CORPUS. Built with
 * -DSTANDALONE it runs the files and folders it is given, and mutants of them, and
 * ends: that is what ctest does. The first byte chooses the encoding. */
#include "formats/envelope.h"
#include "formats/sent.h"
#include "formats/span_parse.h"
#include "web/decode.h"

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIMIT ((size_t)4 << 20)

struct item {
    struct pl_envelope *envelope;
    struct pl_sent profile;
    struct pl_sent_parser *parser;
    struct pl_span_parser *spans;
    char platform[64];
    bool broken;
};

static void drop(struct item *it)
{
    pl_sent_parser_free(it->parser);
    if (it->parser)
        pl_sent_deinit(&it->profile);
    pl_span_parser_free(it->spans);
    it->parser = NULL;
    it->spans = NULL;
}

static bool on_header(void *self, const struct pl_envelope_header *header)
{
    (void)self;
    return header->event_id[0] >= 0 || true;
}

static bool on_span(void *self, const struct pl_span *span)
{
    (void)self;
    return span->end_ns >= span->start_ns || true;
}

static bool on_item(void *self, const struct pl_item_header *header)
{
    struct item *it = self;
    enum pl_status status = PL_OK;
    it->broken = false;
    memcpy(it->platform, header->platform, sizeof it->platform);
    if (strncmp(header->type, "profile", 7) == 0) {
        pl_sent_init(&it->profile, header->type[7] ? PL_SENT_CHUNK : PL_SENT_WITH_TXN,
                     LIMIT);
        status = pl_sent_parser_new(&it->profile, &it->parser, NULL);
    } else if (strcmp(header->type, "transaction") == 0) {
        status = pl_span_parser_new(PL_SPAN_TRANSACTION, on_span, it, &it->spans, NULL);
    } else if (strcmp(header->type, "span") == 0) {
        status = pl_span_parser_new(PL_SPAN_LIST, on_span, it, &it->spans, NULL);
    }
    return status == PL_OK;
}

static bool on_data(void *self, const void *bytes, size_t len)
{
    struct item *it = self;
    if (it->parser && !it->broken)
        it->broken = pl_sent_parser_feed(it->parser, bytes, len, NULL) != PL_OK;
    if (it->spans && !it->broken)
        it->broken = pl_span_parser_feed(it->spans, bytes, len, NULL) != PL_OK;
    return true;
}

/* What has passed the check holds what the rest relies on. */
static void check_profile(struct pl_sent *p)
{
    for (size_t i = 0; i < p->sample_count; i++)
        if (p->samples[i].stack >= p->stack_count ||
            p->samples[i].thread >= p->thread_count || p->samples[i].at_ns < 0)
            abort();
    for (size_t i = 0; i < p->stack_count; i++)
        for (uint32_t f = 0; f < p->stacks[i].count; f++)
            if (p->indexes[p->stacks[i].first + f] >= p->frame_count)
                abort();
}

static bool on_end(void *self)
{
    struct item *it = self;
    if (it->parser && !it->broken && pl_sent_parser_finish(it->parser, NULL) == PL_OK &&
        !pl_sent_check(&it->profile, it->platform, 1795345189000000000))
        check_profile(&it->profile);
    if (it->spans && !it->broken)
        (void)!pl_span_parser_finish(it->spans, NULL);
    drop(it);
    return true;
}

static enum pl_status feed(void *self, const void *bytes, size_t len,
                           struct pl_error *err)
{
    return pl_envelope_feed(((struct item *)self)->envelope, bytes, len, err);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    static const char *const encodings[] = {"", "gzip", "deflate", "br", "zstd"};
    static const struct pl_envelope_calls calls = {on_header, on_item, on_data, on_end};
    struct item it = {0};
    struct pl_decoder *decoder = NULL;
    if (!len)
        return 0;
    enum pl_status status = pl_envelope_new(&calls, &it, &it.envelope, NULL);
    if (status == PL_OK)
        status = pl_decoder_new(encodings[bytes[0] % 5], LIMIT, &decoder, NULL);
    for (size_t at = 1; at < len && status == PL_OK; at += 1000) /* by the piece */
        status = pl_decoder_feed(decoder, bytes + at, len - at < 1000 ? len - at : 1000,
                                 feed, &it, NULL);
    if (status == PL_OK && pl_decoder_finish(decoder, NULL) == PL_OK)
        (void)!pl_envelope_finish(it.envelope, NULL);
    drop(&it);
    pl_decoder_free(decoder);
    pl_envelope_free(it.envelope);
    return 0;
}

#ifdef STANDALONE

#define FILE_MOST ((size_t)1 << 20)
#define MUTANTS   300 /* of each file */

static uint32_t seed = 1;
static size_t runs;

static uint32_t chance(uint32_t below)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % below;
}

/* A few bytes changed, taken out or repeated. */
static size_t mutate(uint8_t *bytes, size_t len)
{
    static const char words[] = "0123456789-{}[]\",:\n\\u";
    for (uint32_t i = 1 + chance(8); i-- && len > 2;) {
        size_t at = 1 + chance((uint32_t)len - 1);
        uint32_t what = chance(4);
        if (what == 0)
            bytes[at] = (uint8_t)chance(256);
        else if (what == 1)
            bytes[at] = (uint8_t)words[chance(sizeof words - 1)];
        else if (what == 2)
            len = at;
        else if (len < FILE_MOST - 64) {
            size_t count = 1 + chance(60);
            count = at + count > len ? len - at : count;
            memmove(bytes + at + count, bytes + at, len - at);
            len += count;
        }
    }
    return len;
}

struct plain {
    uint8_t *bytes;
    size_t len;
};

static enum pl_status append(void *self, const void *bytes, size_t len,
                             struct pl_error *err)
{
    struct plain *plain = self;
    if (len > FILE_MOST - plain->len)
        return pl_error_set(err, PL_INPUT, "too large");
    memcpy(plain->bytes + plain->len, bytes, len);
    plain->len += len;
    return PL_OK;
}

/* Mutants of compressed bytes rarely get past the codec: those of what is inside do. */
static size_t decode(const char *encoding, const uint8_t *bytes, size_t len,
                     uint8_t *out)
{
    struct plain plain = {out, 1};
    struct pl_decoder *decoder = NULL;
    enum pl_status status = pl_decoder_new(encoding, LIMIT, &decoder, NULL);
    if (status == PL_OK)
        status = pl_decoder_feed(decoder, bytes, len, append, &plain, NULL);
    if (status == PL_OK)
        status = pl_decoder_finish(decoder, NULL);
    pl_decoder_free(decoder);
    out[0] = 0;
    return status == PL_OK ? plain.len : 0;
}

static void run_bytes(const uint8_t *original, size_t len, uint32_t count)
{
    static uint8_t bytes[FILE_MOST];
    for (uint32_t i = 0; i < count; i++) {
        memcpy(bytes, original, len);
        (void)LLVMFuzzerTestOneInput(bytes, i ? mutate(bytes, len) : len);
        runs++;
    }
}

static void run_file(const char *path)
{
    static const char *const encodings[] = {"", "gzip", "deflate", "br", "zstd"};
    static uint8_t bytes[FILE_MOST], plain[FILE_MOST];
    FILE *file = fopen(path, "rb");
    size_t len = file ? fread(bytes + 1, 1, FILE_MOST - 1, file) : 0;
    if (file)
        (void)fclose(file);
    for (uint8_t i = 0; len && i < 5; i++) {
        bytes[0] = i;
        run_bytes(bytes, len + 1, 20);
        size_t inside = i ? decode(encodings[i], bytes + 1, len, plain) : 0;
        if (inside)
            run_bytes(plain, inside, MUTANTS);
    }
    bytes[0] = 0;
    if (len && bytes[1] == '{')
        run_bytes(bytes, len + 1, MUTANTS);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        DIR *folder = opendir(argv[i]);
        const struct dirent *entry;
        if (!folder)
            run_file(argv[i]);
        while (folder && (entry = readdir(folder))) {
            char path[4096];
            (void)snprintf(path, sizeof path, "%s/%s", argv[i], entry->d_name);
            if (strstr(entry->d_name, ".body"))
                run_file(path);
        }
        if (folder)
            (void)closedir(folder);
    }
    printf("%zu inputs\n", runs);
    return runs ? 0 : 1;
}

#endif
