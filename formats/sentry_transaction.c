/* Root spans as Sentry's transactions, with what links them to the samples taken
 * meanwhile: the profiler's id and the thread's. */
#include "formats/sentry_chunk.h"

#include "base/hash.h"

#include <inttypes.h>
#include <string.h>

#define NS_PER_S  INT64_C(1000000000)
#define TAGS_MOST 50 /* as many as Sentry keeps */

bool pl_sentry_is_transaction(const struct pl_chunk_label *label)
{
    return label->trace && strlen(label->trace) == 49 && label->trace[32] == '-' &&
           strspn(label->trace, "0123456789abcdef") == 32 &&
           strspn(label->trace + 33, "0123456789abcdef") == 16;
}

static void put_text(struct pl_buf *out, const char *key, const char *text)
{
    pl_buf_printf(out, ",\"%s\":\"", key);
    pl_buf_json_escape(out, text);
    pl_buf_puts(out, "\"");
}

static void put_time(struct pl_buf *out, const char *key, int64_t ns)
{
    pl_buf_printf(out, ",\"%s\":%" PRId64 ".%09" PRId64, key, ns / NS_PER_S,
                  ns % NS_PER_S);
}

static void put_contexts(const struct pl_whole_chunk *chunk,
                         const struct pl_chunk_label *span,
                         const struct pl_redact *redact, struct pl_buf *out)
{
    char thread[PL_SENTRY_THREAD_TEXT];
    pl_sentry_thread_id(chunk, span->thread, thread);
    pl_buf_printf(
        out,
        ",\"contexts\":{\"trace\":{\"trace_id\":\"%.32s\",\"span_id\":\"%s\","
        "\"op\":\"function\",\"status\":\"ok\",\"data\":{\"thread.id\":\"%s\","
        "\"thread.name\":\"",
        span->trace, span->trace + 33, thread);
    pl_redact_put(redact, PL_REDACT_THREAD, chunk->threads[span->thread].name, out);
    pl_buf_puts(out, "\"}},\"profile\":{\"profiler_id\":\"");
    pl_buf_json_escape(out, chunk->session_uuid);
    pl_buf_puts(out, "\"}}");
}

/* Is the key among the tags already: a label before this one, of the same span? */
static bool is_said(const struct pl_whole_chunk *chunk,
                    const struct pl_chunk_label *span, size_t label)
{
    const struct pl_chunk_label *list = chunk->labels;
    for (size_t i = 0; i < label; i++)
        if (!list[i].trace && list[i].thread == span->thread &&
            list[i].start_ns < span->end_ns && list[i].end_ns > span->start_ns &&
            strcmp(list[i].key, list[label].key) == 0)
            return true;
    return false;
}

/* Labels the thread had meanwhile. */
static void put_tags(const struct pl_whole_chunk *chunk,
                     const struct pl_chunk_label *span, const struct pl_redact *redact,
                     struct pl_buf *out)
{
    int count = 0;
    pl_buf_puts(out, ",\"tags\":{");
    for (size_t i = 0; i < chunk->label_count && count < TAGS_MOST; i++) {
        const struct pl_chunk_label *label = &chunk->labels[i];
        if (label->trace || label->thread != span->thread ||
            label->start_ns >= span->end_ns || label->end_ns <= span->start_ns ||
            strcmp(label->key, "transaction") == 0 || strcmp(label->key, "span") == 0 ||
            is_said(chunk, span, i))
            continue;
        const char *value = pl_redact_label(redact, label->key, label->value);
        if (!value)
            continue;
        pl_buf_puts(out, count++ ? ",\"" : "\"");
        pl_buf_json_escape(out, label->key);
        pl_buf_puts(out, "\":\"");
        pl_buf_json_escape(out, value);
        pl_buf_puts(out, "\"");
    }
    pl_buf_puts(out, "}");
}

void pl_sentry_transaction_write(const struct pl_whole_chunk *chunk, size_t label,
                                 const struct pl_redact *redact, struct pl_buf *out,
                                 char event_id_out[static PL_ID_TEXT])
{
    const struct pl_chunk_label *span = &chunk->labels[label];
    uint64_t words[2] = {pl_hash_bytes(span->trace, strlen(span->trace)), 0};
    struct pl_id id;
    words[1] = pl_hash_mix(words[0], 1);
    memcpy(id.bytes, words, sizeof id.bytes);
    pl_id_format(&id, event_id_out);
    pl_buf_printf(out,
                  "{\"type\":\"transaction\",\"event_id\":\"%s\",\"transaction\":\"",
                  event_id_out);
    pl_redact_put(redact, PL_REDACT_TRANSACTION, span->value, out);
    pl_buf_puts(out, "\",\"transaction_info\":{\"source\":\"custom\"}");
    put_text(out, "platform", "native");
    put_time(out, "start_timestamp", span->start_ns);
    put_time(out, "timestamp", span->end_ns);
    if (chunk->release[0])
        put_text(out, "release", chunk->release);
    if (chunk->environment[0])
        put_text(out, "environment", chunk->environment);
    if (chunk->dist[0])
        put_text(out, "dist", chunk->dist);
    pl_buf_puts(out, ",\"sdk\":{\"name\":\"" PL_SENTRY_SDK
                     "\",\"version\":\"" PL_VERSION "\"}");
    put_contexts(chunk, span, redact, out);
    put_tags(chunk, span, redact, out);
    pl_buf_puts(out, ",\"spans\":[]}");
}
