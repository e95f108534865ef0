#include "formats/envelope.h"

#include "base/buf.h"
#include "formats/decimal.h"
#include "formats/json_stream.h"

#include <stdlib.h>
#include <string.h>

enum state {
    HEADER,      /* its line */
    ITEM_HEADER, /* one, or the end */
    SIZED,       /* payload, `left` bytes of it to come */
    AFTER_SIZED, /* the newline behind it, or the end */
    LINE,        /* payload up to a newline */
};

struct pl_envelope {
    const struct pl_envelope_calls *calls;
    void *self;
    enum state state;
    struct pl_buf line;
    int64_t left;
    struct pl_envelope_header header;
    struct pl_item_header item;
};

enum pl_status pl_envelope_new(const struct pl_envelope_calls *calls, void *self,
                               struct pl_envelope **envelope_out, struct pl_error *err)
{
    struct pl_envelope *e = calloc(1, sizeof *e);
    if (!e)
        return pl_error_set(err, PL_NOMEM, "out of memory");
    e->calls = calls;
    e->self = self;
    pl_buf_init(&e->line, PL_ENVELOPE_HEADER_BYTES);
    *envelope_out = e;
    return PL_OK;
}

void pl_envelope_free(struct pl_envelope *e)
{
    if (!e)
        return;
    pl_buf_deinit(&e->line);
    free(e);
}

/* ---- header lines ---- */

enum {
    F_ROOT,
    F_EVENT_ID,
    F_DSN,
    F_SENT_AT,
    F_TYPE,
    F_PLATFORM,
    F_CONTENT,
    F_LENGTH,
    F_META
};

static const struct pl_json_rule header_rules[] = {
    PL_JSON_ANY(0, F_ROOT, 1),
    PL_JSON_KEY(1, "event_id", F_EVENT_ID, 0),
    PL_JSON_KEY(1, "dsn", F_DSN, 0),
    PL_JSON_KEY(1, "sent_at", F_SENT_AT, 0),
};
static const struct pl_json_rule item_rules[] = {
    PL_JSON_ANY(0, F_ROOT, 1),
    PL_JSON_KEY(1, "type", F_TYPE, 0),
    PL_JSON_KEY(1, "platform", F_PLATFORM, 0),
    PL_JSON_KEY(1, "content_type", F_CONTENT, 0),
    PL_JSON_KEY(1, "length", F_LENGTH, 0),
    PL_JSON_KEY(1, "meta_length", F_META, 0),
};

/* What does not fit is not what we know: it stays empty. */
static bool copy(char *to, size_t room, enum pl_json_type type, const char *text,
                 size_t len)
{
    if (type != PL_JSON_STRING)
        return type == PL_JSON_NULL;
    if (len < room && !memchr(text, '\0', len)) {
        memcpy(to, text, len);
        to[len] = '\0';
    }
    return true;
}

static bool number(int64_t *to, enum pl_json_type type, const char *text, size_t len)
{
    return type == PL_JSON_NUMBER && pl_decimal_scale(text, len, 0, to);
}

static bool on_header_value(void *self, int id, enum pl_json_type type,
                            const char *text, size_t len)
{
    struct pl_envelope *e = self;
    struct pl_envelope_header *header = &e->header;
    struct pl_item_header *item = &e->item;
    switch (id) {
    case F_EVENT_ID:
        return copy(header->event_id, sizeof header->event_id, type, text, len);
    case F_DSN:
        return copy(header->dsn, sizeof header->dsn, type, text, len);
    case F_SENT_AT:
        return copy(header->sent_at, sizeof header->sent_at, type, text, len);
    case F_TYPE:
        return copy(item->type, sizeof item->type, type, text, len);
    case F_PLATFORM:
        return copy(item->platform, sizeof item->platform, type, text, len);
    case F_CONTENT:
        return copy(item->content_type, sizeof item->content_type, type, text, len);
    case F_LENGTH:
        item->has_length = type != PL_JSON_NULL;
        return !item->has_length || number(&item->length, type, text, len);
    case F_META:
        return type == PL_JSON_NULL || number(&item->meta_length, type, text, len);
    default:
        return false; /* the line is no object */
    }
}

static bool on_begin(void *self, int id, const char *key, size_t key_len)
{
    (void)self;
    (void)id;
    (void)key;
    (void)key_len;
    return true;
}

static bool on_end(void *self, int id)
{
    (void)self;
    (void)id;
    return true;
}

static enum pl_status read_line(struct pl_envelope *e, const struct pl_json_rule *rules,
                                size_t rule_count, const char *what,
                                struct pl_error *err)
{
    static const struct pl_json_calls calls = {on_begin, on_end, on_header_value};
    struct pl_json_stream *stream = NULL;
    struct pl_error why = {.message = "a value of the wrong type"};
    if (e->line.failed)
        return pl_error_set(err, PL_INPUT, "%s is too long", what);
    enum pl_status status =
        pl_json_stream_new(rules, rule_count, &calls, e, &stream, &why);
    if (status == PL_OK && e->line.len)
        status = pl_json_stream_feed(stream, e->line.data, e->line.len, &why);
    if (status == PL_OK)
        status = pl_json_stream_finish(stream, &why);
    pl_json_stream_free(stream);
    pl_buf_clear(&e->line);
    return status == PL_OK ? PL_OK
                           : pl_error_set(err, status, "%s: %s", what, why.message);
}

static enum pl_status refused(struct pl_error *err)
{
    return pl_error_set(err, PL_INPUT, "refused");
}

static enum pl_status end_header(struct pl_envelope *e, struct pl_error *err)
{
    enum pl_status status =
        read_line(e, header_rules, sizeof header_rules / sizeof header_rules[0],
                  "invalid envelope header", err);
    if (status != PL_OK)
        return status;
    e->state = ITEM_HEADER;
    return e->calls->header(e->self, &e->header) ? PL_OK : refused(err);
}

static enum pl_status end_item(struct pl_envelope *e, enum state next,
                               struct pl_error *err)
{
    e->state = next;
    return e->calls->end(e->self) ? PL_OK : refused(err);
}

static bool is_blank(const struct pl_buf *line)
{
    return !line->failed && (!line->len || strspn(line->data, " \t\r") == line->len);
}

static enum pl_status end_item_header(struct pl_envelope *e, struct pl_error *err)
{
    if (is_blank(&e->line)) {
        pl_buf_clear(&e->line);
        return PL_OK;
    }
    e->item = (struct pl_item_header){.meta_length = -1};
    enum pl_status status =
        read_line(e, item_rules, sizeof item_rules / sizeof item_rules[0],
                  "invalid item header", err);
    if (status == PL_OK && !e->item.type[0])
        return pl_error_set(err, PL_INPUT, "invalid item header: no type");
    if (status != PL_OK)
        return status;
    e->state = e->item.has_length ? SIZED : LINE;
    e->left = e->item.length;
    if (!e->calls->item(e->self, &e->item))
        return refused(err);
    return e->state == SIZED && !e->left ? end_item(e, AFTER_SIZED, err) : PL_OK;
}

/* ---- payloads ---- */

static enum pl_status pass_on(struct pl_envelope *e, const char *bytes, size_t len,
                              struct pl_error *err)
{
    return !len || e->calls->data(e->self, bytes, len) ? PL_OK : refused(err);
}

/* One step: consumes `*used_out` of the bytes (at least one, or the state changes). */
static enum pl_status step(struct pl_envelope *e, const char *bytes, size_t len,
                           size_t *used_out, struct pl_error *err)
{
    const char *newline;
    enum pl_status status = PL_OK;
    size_t used = len;
    switch (e->state) {
    case HEADER:
    case ITEM_HEADER:
        newline = memchr(bytes, '\n', len);
        used = newline ? (size_t)(newline - bytes) : len;
        pl_buf_append(&e->line, bytes, used);
        if (newline)
            status = e->state == HEADER ? end_header(e, err) : end_item_header(e, err);
        else if (e->line.failed)
            status = pl_error_set(err, PL_INPUT, "a header line is too long");
        *used_out = used + (newline != NULL);
        return status;
    case SIZED:
        used = (int64_t)len > e->left ? (size_t)e->left : len;
        status = pass_on(e, bytes, used, err);
        e->left -= (int64_t)used;
        *used_out = used;
        return status == PL_OK && !e->left ? end_item(e, AFTER_SIZED, err) : status;
    case AFTER_SIZED:
        *used_out = 1;
        e->state = ITEM_HEADER;
        return *bytes == '\n' ? PL_OK
                              : pl_error_set(err, PL_INPUT,
                                             "no newline after the payload: an item is "
                                             "longer than its length");
    default:
        newline = memchr(bytes, '\n', len);
        used = newline ? (size_t)(newline - bytes) : len;
        status = pass_on(e, bytes, used, err);
        *used_out = used + (newline != NULL);
        return status == PL_OK && newline ? end_item(e, ITEM_HEADER, err) : status;
    }
}

enum pl_status pl_envelope_feed(struct pl_envelope *e, const void *bytes, size_t len,
                                struct pl_error *err)
{
    const char *from = bytes;
    enum pl_status status = PL_OK;
    while (len && status == PL_OK) {
        size_t used = 0;
        status = step(e, from, len, &used, err);
        from += used;
        len -= used;
    }
    return status;
}

enum pl_status pl_envelope_finish(struct pl_envelope *e, struct pl_error *err)
{
    enum pl_status status = PL_OK;
    if (e->state == HEADER && !e->line.len && !e->line.failed)
        return pl_error_set(err, PL_INPUT, "missing envelope header");
    if (e->state == HEADER)
        return end_header(e, err);
    if (e->state == ITEM_HEADER && !is_blank(&e->line))
        status = end_item_header(e, err);
    if (status == PL_OK && e->state == SIZED && e->left)
        return pl_error_set(err, PL_INPUT, "an item is shorter than its length");
    if (status == PL_OK && (e->state == SIZED || e->state == LINE))
        return end_item(e, ITEM_HEADER, err);
    return status;
}
