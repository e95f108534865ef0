#include "formats/sentry_chunk.h"

#include "base/hash.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_S    INT64_C(1000000000)
#define FIRST_IMAGE (UINT64_C(1) << 48)
#define IMAGE_ALIGN UINT64_C(0x100000)
#define IMAGE_MOST  (UINT64_C(1) << 47) /* of a module's addresses */
#define UNUSED      PL_CHUNK_NONE

/* A frame as it is written, told apart by its text. */
struct known {
    uint64_t hash;
    uint32_t at, len; /* in `frames` */
};

struct write {
    const struct pl_whole_chunk *chunk;
    const struct pl_sentry_piece *piece;
    const struct pl_redact *redact;
    struct pl_buf *out;
    struct pl_buf frames; /* texts, one after the other */
    struct known *known;
    uint32_t *table; /* hash -> index of known + 1 */
    size_t known_count, known_cap, mask;
    uint32_t *of_call;  /* call -> index of known */
    uint32_t *of_stack; /* stack -> its number here */
    uint32_t *stacks;   /* the used ones, in that order */
    size_t stack_count;
    uint64_t *image_at; /* module -> where it lies; 0: nothing of it is used */
    uint64_t *image_size;
    bool closes; /* the empty stack is used */
    int64_t samples;
};

/* ---- modules ---- */

static void measure_images(struct write *w)
{
    const struct pl_whole_chunk *chunk = w->chunk;
    uint64_t at = FIRST_IMAGE;
    for (size_t i = 0; i < chunk->frame_count; i++) {
        const struct pl_chunk_frame *frame = &chunk->frames[i];
        if (frame->native && frame->module != PL_CHUNK_NONE &&
            frame->address < IMAGE_MOST &&
            frame->address >= w->image_size[frame->module])
            w->image_size[frame->module] = frame->address + 1;
    }
    for (size_t i = 0; i < chunk->module_count; i++) {
        if (!w->image_size[i])
            continue;
        uint64_t size =
            (w->image_size[i] + IMAGE_ALIGN - 1) / IMAGE_ALIGN * IMAGE_ALIGN;
        w->image_size[i] = size;
        w->image_at[i] = at;
        at += size;
    }
}

/* Breakpad's form: the first 16 bytes of the build id as a GUID, whose fields have the
 * machine's byte order. "" if it has fewer. */
static void debug_id(const char *build_id, char text_out[static 48])
{
    static const int order[] = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};
    char *to = text_out;
    *text_out = '\0';
    if (strlen(build_id) < 32 || strspn(build_id, "0123456789abcdef") < 32)
        return;
    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *to++ = '-';
        *to++ = build_id[2 * order[i]];
        *to++ = build_id[2 * order[i] + 1];
    }
    *to = '\0';
}

static void put_images(struct write *w)
{
    const char *comma = "";
    char id[48];
    pl_buf_puts(w->out, ",\"debug_meta\":{\"images\":[");
    for (size_t i = 0; i < w->chunk->module_count; i++) {
        const struct pl_chunk_module *module = &w->chunk->modules[i];
        if (!w->image_at[i])
            continue;
        debug_id(module->build_id, id);
        pl_buf_printf(w->out, "%s{\"type\":\"elf\",\"code_file\":\"", comma);
        pl_redact_put(w->redact, PL_REDACT_PATH, module->path, w->out);
        pl_buf_puts(w->out, "\"");
        if (module->build_id[0]) {
            pl_buf_puts(w->out, ",\"code_id\":\"");
            pl_buf_json_escape(w->out, module->build_id);
            pl_buf_puts(w->out, "\"");
        }
        if (id[0])
            pl_buf_printf(w->out, ",\"debug_id\":\"%s\"", id);
        pl_buf_printf(w->out,
                      ",\"image_addr\":\"0x%" PRIx64 "\",\"image_size\":%" PRIu64
                      ",\"image_vmaddr\":\"0x0\"}",
                      w->image_at[i], w->image_size[i]);
        comma = ",";
    }
    pl_buf_puts(w->out, "]}");
}

/* ---- frames ---- */

static void put_path(struct write *w, const char *key, const char *path,
                     struct pl_buf *to)
{
    pl_buf_printf(to, ",\"%s\":\"", key);
    pl_redact_put(w->redact, PL_REDACT_PATH, path, to);
    pl_buf_puts(to, "\"");
}

/* Native platforms default to in_app false upstream, so what is not known to be a
 * library's is said to be the program's. */
static void put_frame(struct write *w, const struct pl_chunk_frame *frame,
                      const struct pl_chunk_call *call)
{
    struct pl_buf *to = &w->frames;
    const char *slash = strrchr(call->file, '/');
    uint64_t address = frame->address, at = 0;
    if (frame->module != PL_CHUNK_NONE)
        at = w->image_at[frame->module];
    pl_buf_printf(to, "{\"platform\":\"");
    pl_buf_json_escape(to, frame->platform[0] ? frame->platform : "native");
    pl_buf_printf(to, "\",\"in_app\":%s", call->in_app ? "true" : "false");
    if (call->function[0]) {
        pl_buf_puts(to, ",\"function\":\"");
        pl_buf_json_escape(to, call->function);
        pl_buf_puts(to, "\"");
    }
    if (call->file[0]) {
        pl_buf_puts(to, ",\"filename\":\"");
        pl_buf_json_escape(to, slash ? slash + 1 : call->file);
        pl_buf_puts(to, "\"");
        put_path(w, "abs_path", call->file, to);
    }
    if (call->line)
        pl_buf_printf(to, ",\"lineno\":%u", call->line);
    if (call->column)
        pl_buf_printf(to, ",\"colno\":%u", call->column);
    if (call->module != PL_CHUNK_NONE)
        put_path(w, "package", w->chunk->modules[call->module].path, to);
    if (frame->native && address < IMAGE_MOST && (at || frame->module == PL_CHUNK_NONE))
        pl_buf_printf(to, ",\"instruction_addr\":\"0x%" PRIx64 "\"", at + address);
    pl_buf_puts(to, "}");
}

static bool grow_known(struct write *w)
{
    if (w->known_count < w->known_cap)
        return true;
    size_t cap = w->known_cap ? 2 * w->known_cap : 1024;
    struct known *known = realloc(w->known, cap * sizeof *known);
    if (known)
        w->known = known;
    uint32_t *table = calloc(4 * cap, sizeof *table);
    if (!known || !table) {
        free(table);
        return false;
    }
    free(w->table);
    w->table = table;
    w->mask = 4 * cap - 1;
    w->known_cap = cap;
    for (size_t i = 0; i < w->known_count; i++) {
        size_t at = (size_t)known[i].hash & w->mask;
        while (table[at])
            at = (at + 1) & w->mask;
        table[at] = (uint32_t)i + 1;
    }
    return true;
}

/* The frame's number; its text is new at the end of `frames`, or taken back. */
static bool number_frame(struct write *w, const struct pl_chunk_frame *frame,
                         uint32_t call)
{
    size_t from = w->frames.len;
    if (w->of_call[call] != UNUSED)
        return true;
    put_frame(w, frame, &w->chunk->calls[call]);
    if (w->frames.failed || !grow_known(w))
        return false;
    const char *text = w->frames.data + from;
    size_t len = w->frames.len - from;
    uint64_t hash = pl_hash_bytes(text, len);
    size_t at = (size_t)hash & w->mask;
    for (; w->table[at]; at = (at + 1) & w->mask) {
        const struct known *other = &w->known[w->table[at] - 1];
        if (other->hash != hash || other->len != len ||
            memcmp(w->frames.data + other->at, text, len) != 0)
            continue;
        w->frames.len = from;
        w->of_call[call] = w->table[at] - 1;
        return true;
    }
    w->known[w->known_count] = (struct known){hash, (uint32_t)from, (uint32_t)len};
    w->of_call[call] = (uint32_t)w->known_count++;
    w->table[at] = w->of_call[call] + 1;
    return true;
}

static bool put_frames(struct write *w)
{
    pl_buf_puts(w->out, ",\"profile\":{\"frames\":[");
    for (size_t i = 0; i < w->known_count; i++) {
        if (i)
            pl_buf_puts(w->out, ",");
        pl_buf_append(w->out, w->frames.data + w->known[i].at, w->known[i].len);
    }
    pl_buf_puts(w->out, "]");
    return true;
}

/* ---- stacks ---- */

/* Call `visit` for every call of a stack, the leaf first. */
static bool walk(struct write *w, uint32_t stack,
                 bool (*visit)(struct write *w, const struct pl_chunk_frame *frame,
                               uint32_t call))
{
    const struct pl_whole_chunk *chunk = w->chunk;
    uint32_t limit = UINT32_MAX;
    while (stack != PL_CHUNK_NONE && limit) {
        const struct pl_chunk_stack *row = &chunk->stacks[stack];
        uint32_t keep = row->parent == PL_CHUNK_NONE ? 0 : row->keep;
        for (uint32_t i = row->count; i-- > 0;) {
            const struct pl_chunk_frame *frame =
                &chunk->frames[chunk->words[row->first + i]];
            if (keep + i >= limit)
                continue;
            for (uint32_t c = frame->count; c-- > 0;)
                if (!visit(w, frame, frame->first + c))
                    return false;
        }
        limit = keep < limit ? keep : limit;
        stack = row->parent;
    }
    return true;
}

static bool put_index(struct write *w, const struct pl_chunk_frame *frame,
                      uint32_t call)
{
    (void)frame;
    pl_buf_printf(w->out, "%s%u",
                  w->out->len && w->out->data[w->out->len - 1] == '[' ? "" : ",",
                  w->of_call[call]);
    return !w->out->failed;
}

static bool put_stacks(struct write *w)
{
    pl_buf_puts(w->out, ",\"stacks\":[");
    for (size_t i = 0; i < w->stack_count; i++) {
        pl_buf_puts(w->out, i ? ",[" : "[");
        if (!walk(w, w->stacks[i], put_index))
            return false;
        pl_buf_puts(w->out, "]");
    }
    if (w->closes)
        pl_buf_puts(w->out, w->stack_count ? ",[]" : "[]");
    pl_buf_puts(w->out, "]");
    return true;
}

/* ---- samples ---- */

/* The samples of a stretch that are in the piece: how many, and the first one's
 * start. */
static uint32_t in_piece(const struct write *w, const struct pl_chunk_stretch *stretch,
                         int64_t *first_ns)
{
    int64_t each = stretch->weight_ns > 0 ? stretch->weight_ns : 1;
    int64_t skip = 0, end = stretch->count;
    if (w->piece->from_ns > stretch->start_ns)
        skip = (w->piece->from_ns - stretch->start_ns + each - 1) / each;
    if (w->piece->to_ns <= stretch->start_ns)
        end = 0;
    else if ((w->piece->to_ns - stretch->start_ns + each - 1) / each < end)
        end = (w->piece->to_ns - stretch->start_ns + each - 1) / each;
    *first_ns = stretch->start_ns + skip * stretch->weight_ns;
    return skip < end ? (uint32_t)(end - skip) : 0;
}

static bool use_stacks(struct write *w)
{
    const struct pl_whole_chunk *chunk = w->chunk;
    int64_t first_ns;
    for (size_t i = 0; i < chunk->stretch_count; i++) {
        uint32_t stack = chunk->stretches[i].stack;
        if (w->of_stack[stack] != UNUSED ||
            !in_piece(w, &chunk->stretches[i], &first_ns))
            continue;
        w->of_stack[stack] = (uint32_t)w->stack_count;
        w->stacks[w->stack_count++] = stack;
        if (!walk(w, stack, number_frame))
            return false;
    }
    w->closes = w->stack_count > 0;
    return true;
}

static void put_sample(struct write *w, const char *comma, int64_t at_ns, size_t stack,
                       const char *thread)
{
    pl_buf_printf(w->out,
                  "%s{\"timestamp\":%" PRId64 ".%09" PRId64
                  ",\"stack_id\":%zu,\"thread_id\":\"%s\"}",
                  comma, at_ns / NS_PER_S, at_ns % NS_PER_S, stack, thread);
}

/* One thread's stretches from `i` on; returns where the next thread's begin. */
static size_t put_thread(struct write *w, size_t i, const char **comma)
{
    const struct pl_chunk_stretch *list = w->chunk->stretches;
    uint32_t thread = list[i].thread;
    int64_t end_ns = INT64_MIN, first_ns;
    char id[PL_SENTRY_THREAD_TEXT];
    pl_sentry_thread_id(w->chunk, thread, id);
    for (; i < w->chunk->stretch_count && list[i].thread == thread; i++) {
        uint32_t count = in_piece(w, &list[i], &first_ns);
        if (!count || w->out->failed)
            continue;
        if (end_ns != INT64_MIN && first_ns > end_ns)
            put_sample(w, *comma, end_ns, w->stack_count, id);
        for (uint32_t n = 0; n < count && !w->out->failed; n++) {
            put_sample(w, *comma, first_ns + n * list[i].weight_ns,
                       w->of_stack[list[i].stack], id);
            *comma = ",";
        }
        end_ns = first_ns + count * list[i].weight_ns;
        w->samples += count;
    }
    if (end_ns != INT64_MIN)
        put_sample(w, *comma, end_ns, w->stack_count, id);
    return i;
}

static void put_samples(struct write *w)
{
    const char *comma = "";
    pl_buf_puts(w->out, ",\"samples\":[");
    for (size_t i = 0; i < w->chunk->stretch_count && !w->out->failed;)
        i = put_thread(w, i, &comma);
    pl_buf_puts(w->out, "]");
}

/* ---- threads ---- */

/* As a number 007 is 7: who reads it so finds the tid, who does not finds two. */
void pl_sentry_thread_id(const struct pl_whole_chunk *chunk, uint32_t index,
                         char text_out[static PL_SENTRY_THREAD_TEXT])
{
    int same = 0;
    for (uint32_t i = 0; i < index && same < 20; i++)
        same += chunk->threads[i].tid == chunk->threads[index].tid;
    (void)snprintf(text_out, PL_SENTRY_THREAD_TEXT, "%.*s%" PRId64, same,
                   "00000000000000000000", chunk->threads[index].tid);
}

static void put_threads(struct write *w)
{
    char id[PL_SENTRY_THREAD_TEXT];
    pl_buf_puts(w->out, ",\"thread_metadata\":{");
    for (uint32_t i = 0; i < w->chunk->thread_count; i++) {
        pl_sentry_thread_id(w->chunk, i, id);
        pl_buf_printf(w->out, "%s\"%s\":{\"name\":\"", i ? "," : "", id);
        pl_redact_put(w->redact, PL_REDACT_THREAD, w->chunk->threads[i].name, w->out);
        pl_buf_puts(w->out, "\"}");
    }
    pl_buf_puts(w->out, "}}");
}

/* ---- all of it ---- */

static void put_text(struct pl_buf *out, const char *key, const char *text)
{
    pl_buf_printf(out, ",\"%s\":\"", key);
    pl_buf_json_escape(out, text);
    pl_buf_puts(out, "\"");
}

/* A piece that does not begin the chunk is a chunk of its own upstream. */
static void name_piece(const struct pl_whole_chunk *chunk,
                       const struct pl_sentry_piece *piece,
                       char id_out[static PL_ID_TEXT])
{
    uint64_t words[2] = {pl_hash_bytes(chunk->uuid, strlen(chunk->uuid)), 0};
    struct pl_id id;
    if (piece->first && pl_id_parse(chunk->uuid, &id)) {
        pl_id_format(&id, id_out);
        return;
    }
    words[0] = pl_hash_mix(words[0], (uint64_t)piece->from_ns);
    words[1] = pl_hash_mix(words[0], (uint64_t)piece->from_ns + 1);
    memcpy(id.bytes, words, sizeof id.bytes);
    pl_id_format(&id, id_out);
}

static void put_head(struct write *w, const char *chunk_id)
{
    const struct pl_whole_chunk *chunk = w->chunk;
    pl_buf_puts(w->out, "{\"version\":\"2\"");
    put_text(w->out, "chunk_id", chunk_id);
    put_text(w->out, "profiler_id", chunk->session_uuid);
    put_text(w->out, "platform", "native");
    put_text(w->out, "release", chunk->release);
    if (chunk->environment[0])
        put_text(w->out, "environment", chunk->environment);
    if (chunk->dist[0])
        put_text(w->out, "dist", chunk->dist);
    pl_buf_puts(w->out, ",\"client_sdk\":{\"name\":\"" PL_SENTRY_SDK
                        "\",\"version\":\"" PL_VERSION "\"}");
}

static bool allocate(struct write *w)
{
    const struct pl_whole_chunk *chunk = w->chunk;
    w->of_call = malloc((chunk->call_count + 1) * sizeof *w->of_call);
    w->of_stack = malloc((chunk->stack_count + 1) * sizeof *w->of_stack);
    w->stacks = malloc((chunk->stack_count + 1) * sizeof *w->stacks);
    w->image_at = calloc(chunk->module_count + 1, sizeof *w->image_at);
    w->image_size = calloc(chunk->module_count + 1, sizeof *w->image_size);
    if (!w->of_call || !w->of_stack || !w->stacks || !w->image_at || !w->image_size)
        return false;
    memset(w->of_call, 0xff, (chunk->call_count + 1) * sizeof *w->of_call);
    memset(w->of_stack, 0xff, (chunk->stack_count + 1) * sizeof *w->of_stack);
    return true;
}

enum pl_status pl_sentry_chunk_write(const struct pl_whole_chunk *chunk,
                                     const struct pl_sentry_piece *piece,
                                     const struct pl_redact *redact, struct pl_buf *out,
                                     char chunk_id_out[static PL_ID_TEXT],
                                     struct pl_sentry_counts *counts_out,
                                     struct pl_error *err)
{
    struct write w = {.chunk = chunk, .piece = piece, .redact = redact, .out = out};
    pl_buf_init(&w.frames, PL_SENTRY_CHUNK_BYTES);
    name_piece(chunk, piece, chunk_id_out);
    bool ok = allocate(&w);
    if (ok) {
        measure_images(&w);
        ok = use_stacks(&w);
    }
    if (ok) {
        put_head(&w, chunk_id_out);
        put_images(&w);
        ok = put_frames(&w) && put_stacks(&w);
    }
    if (ok) {
        put_samples(&w);
        put_threads(&w);
        pl_buf_puts(out, "}");
    }
    bool too_large = w.frames.failed || out->failed;
    counts_out->samples = w.samples;
    pl_buf_deinit(&w.frames);
    free(w.known);
    free(w.table);
    free(w.of_call);
    free(w.of_stack);
    free(w.stacks);
    free(w.image_at);
    free(w.image_size);
    out->failed = too_large;
    return ok || too_large ? PL_OK : pl_error_set(err, PL_NOMEM, "out of memory");
}

void pl_sentry_chunk_range(const struct pl_whole_chunk *chunk,
                           struct pl_sentry_piece *piece_out)
{
    *piece_out = (struct pl_sentry_piece){INT64_MAX, INT64_MIN, true};
    for (size_t i = 0; i < chunk->stretch_count; i++) {
        const struct pl_chunk_stretch *stretch = &chunk->stretches[i];
        int64_t end_ns = stretch->start_ns + stretch->count * stretch->weight_ns;
        if (stretch->start_ns < piece_out->from_ns)
            piece_out->from_ns = stretch->start_ns;
        if (end_ns > piece_out->to_ns)
            piece_out->to_ns = end_ns;
    }
    if (piece_out->to_ns == INT64_MIN)
        *piece_out = (struct pl_sentry_piece){chunk->start_ns, chunk->end_ns, true};
}
