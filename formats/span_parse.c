#include "formats/span_parse.h"

#include "formats/decimal.h"
#include "formats/json_stream.h"

#include <stdlib.h>
#include <string.h>

enum context {
    TRANSACTION = 1,
    CONTEXTS,
    TRACE,
    DATA,
    PROFILE,
    LIST,
    ITEMS,
    ITEM,
    ATTRIBUTES,
    PROFILER_ID,
    PROFILE_ID,
    THREAD_ID,
    THREAD_NAME,
    OP,
};

enum field {
    F_CONTAINER,
    F_SPAN, /* its end is the span's */
    F_TRACE_ID,
    F_SPAN_ID,
    F_PARENT,
    F_EVENT_ID,
    F_PROFILER_ID,
    F_PROFILE_ID,
    F_THREAD_ID,
    F_THREAD_NAME,
    F_NAME,
    F_OP,
    F_SEGMENT,
    F_START,
    F_END,
};

static const struct pl_json_rule transaction_rules[] = {
    PL_JSON_ANY(0, F_SPAN, TRANSACTION),
    PL_JSON_KEY(TRANSACTION, "event_id", F_EVENT_ID, 0),
    PL_JSON_KEY(TRANSACTION, "transaction", F_NAME, 0),
    PL_JSON_KEY(TRANSACTION, "start_timestamp", F_START, 0),
    PL_JSON_KEY(TRANSACTION, "timestamp", F_END, 0),
    PL_JSON_KEY(TRANSACTION, "contexts", F_CONTAINER, CONTEXTS),
    PL_JSON_KEY(CONTEXTS, "trace", F_CONTAINER, TRACE),
    PL_JSON_KEY(CONTEXTS, "profile", F_CONTAINER, PROFILE),
    PL_JSON_KEY(TRACE, "trace_id", F_TRACE_ID, 0),
    PL_JSON_KEY(TRACE, "span_id", F_SPAN_ID, 0),
    PL_JSON_KEY(TRACE, "parent_span_id", F_PARENT, 0),
    PL_JSON_KEY(TRACE, "op", F_OP, 0),
    PL_JSON_KEY(TRACE, "data", F_CONTAINER, DATA),
    PL_JSON_KEY(DATA, "thread.id", F_THREAD_ID, 0),
    PL_JSON_KEY(DATA, "thread.name", F_THREAD_NAME, 0),
    PL_JSON_KEY(DATA, "profiler_id", F_PROFILER_ID, 0),
    PL_JSON_KEY(PROFILE, "profiler_id", F_PROFILER_ID, 0),
    PL_JSON_KEY(PROFILE, "profile_id", F_PROFILE_ID, 0),
};

static const struct pl_json_rule list_rules[] = {
    PL_JSON_ANY(0, F_CONTAINER, LIST),
    PL_JSON_KEY(LIST, "items", F_CONTAINER, ITEMS),
    PL_JSON_ANY(ITEMS, F_SPAN, ITEM),
    PL_JSON_KEY(ITEM, "trace_id", F_TRACE_ID, 0),
    PL_JSON_KEY(ITEM, "span_id", F_SPAN_ID, 0),
    PL_JSON_KEY(ITEM, "parent_span_id", F_PARENT, 0),
    PL_JSON_KEY(ITEM, "name", F_NAME, 0),
    PL_JSON_KEY(ITEM, "is_segment", F_SEGMENT, 0),
    PL_JSON_KEY(ITEM, "start_timestamp", F_START, 0),
    PL_JSON_KEY(ITEM, "end_timestamp", F_END, 0),
    PL_JSON_KEY(ITEM, "attributes", F_CONTAINER, ATTRIBUTES),
    PL_JSON_KEY(ATTRIBUTES, "sentry.profiler_id", F_CONTAINER, PROFILER_ID),
    PL_JSON_KEY(ATTRIBUTES, "profiler_id", F_CONTAINER, PROFILER_ID),
    PL_JSON_KEY(ATTRIBUTES, "sentry.profile_id", F_CONTAINER, PROFILE_ID),
    PL_JSON_KEY(ATTRIBUTES, "thread.id", F_CONTAINER, THREAD_ID),
    PL_JSON_KEY(ATTRIBUTES, "thread.name", F_CONTAINER, THREAD_NAME),
    PL_JSON_KEY(ATTRIBUTES, "sentry.op", F_CONTAINER, OP),
    PL_JSON_KEY(PROFILER_ID, "value", F_PROFILER_ID, 0),
    PL_JSON_KEY(PROFILE_ID, "value", F_PROFILE_ID, 0),
    PL_JSON_KEY(THREAD_ID, "value", F_THREAD_ID, 0),
    PL_JSON_KEY(THREAD_NAME, "value", F_THREAD_NAME, 0),
    PL_JSON_KEY(OP, "value", F_OP, 0),
};

struct pl_span_parser {
    enum pl_span_format format;
    struct pl_json_stream *stream;
    pl_span_call *call;
    void *self;
    struct pl_span span;
};

static bool on_begin(void *self, int id, const char *key, size_t key_len)
{
    struct pl_span_parser *parser = self;
    (void)key;
    (void)key_len;
    if (id == F_SPAN)
        parser->span =
            (struct pl_span){.is_segment = parser->format == PL_SPAN_TRANSACTION};
    return true;
}

static bool on_end(void *self, int id)
{
    struct pl_span_parser *parser = self;
    return id != F_SPAN || parser->call(parser->self, &parser->span);
}

/* What is too long is cut, between two characters. */
static void copy(char *to, size_t room, const char *text, size_t len)
{
    if (len >= room) {
        len = room - 1;
        while (len && ((unsigned char)text[len] & 0xc0) == 0x80)
            len--;
    }
    memcpy(to, text, len);
    to[len] = '\0';
}

static bool time_of(const char *text, size_t len, enum pl_json_type type, int64_t *ns)
{
    char copy_of[64];
    if (type == PL_JSON_NUMBER)
        return pl_decimal_scale(text, len, 9, ns);
    copy(copy_of, sizeof copy_of, text, len);
    return pl_decimal_rfc3339(copy_of, ns) ||
           pl_decimal_scale(copy_of, strlen(copy_of), 9, ns);
}

static bool on_scalar(void *self, int id, enum pl_json_type type, const char *text,
                      size_t len)
{
    struct pl_span_parser *parser = self;
    struct pl_span *span = &parser->span;
    const struct {
        char *text;
        size_t room;
    } texts[] = {
        [F_TRACE_ID] = {span->trace_id, sizeof span->trace_id},
        [F_SPAN_ID] = {span->span_id, sizeof span->span_id},
        [F_PARENT] = {span->parent_span_id, sizeof span->parent_span_id},
        [F_EVENT_ID] = {span->event_id, sizeof span->event_id},
        [F_PROFILER_ID] = {span->profiler_id, sizeof span->profiler_id},
        [F_PROFILE_ID] = {span->profile_id, sizeof span->profile_id},
        [F_THREAD_ID] = {span->thread_id, sizeof span->thread_id},
        [F_THREAD_NAME] = {span->thread_name, sizeof span->thread_name},
        [F_NAME] = {span->name, sizeof span->name},
        [F_OP] = {span->op, sizeof span->op},
    };
    if (id == F_SEGMENT) {
        span->is_segment = type == PL_JSON_TRUE;
        return true;
    }
    if (type != PL_JSON_STRING && type != PL_JSON_NUMBER)
        return id != F_SPAN;
    if (id == F_START || id == F_END)
        return time_of(text, len, type,
                       id == F_START ? &span->start_ns : &span->end_ns);
    if (id >= F_TRACE_ID && id <= F_OP)
        copy(texts[id].text, texts[id].room, text, len);
    return id != F_SPAN;
}

enum pl_status pl_span_parser_new(enum pl_span_format format, pl_span_call *call,
                                  void *self, struct pl_span_parser **out,
                                  struct pl_error *err)
{
    static const struct pl_json_calls calls = {on_begin, on_end, on_scalar};
    struct pl_span_parser *parser = calloc(1, sizeof *parser);
    if (!parser)
        return pl_error_set(err, PL_NOMEM, "out of memory");
    bool list = format == PL_SPAN_LIST;
    parser->format = format;
    parser->call = call;
    parser->self = self;
    enum pl_status status = pl_json_stream_new(
        list ? list_rules : transaction_rules,
        list ? sizeof list_rules / sizeof list_rules[0]
             : sizeof transaction_rules / sizeof transaction_rules[0],
        &calls, parser, &parser->stream, err);
    if (status == PL_OK)
        *out = parser;
    else
        free(parser);
    return status;
}

void pl_span_parser_free(struct pl_span_parser *parser)
{
    if (!parser)
        return;
    pl_json_stream_free(parser->stream);
    free(parser);
}

enum pl_status pl_span_parser_feed(struct pl_span_parser *parser, const void *bytes,
                                   size_t len, struct pl_error *err)
{
    pl_error_set(err, PL_INPUT, "not the shape of a span");
    return pl_json_stream_feed(parser->stream, bytes, len, err);
}

enum pl_status pl_span_parser_finish(struct pl_span_parser *parser,
                                     struct pl_error *err)
{
    pl_error_set(err, PL_INPUT, "not the shape of a span");
    return pl_json_stream_finish(parser->stream, err);
}
