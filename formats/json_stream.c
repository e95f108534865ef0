/* Over yajl, which needs a few hundred bytes whatever it reads, and keeps its own
 * stack on the heap. Numbers come as text, so that times are exact. */
#include "formats/json_stream.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <yajl/yajl_parse.h>

#define PIECE_BYTES 65536

struct level {
    uint8_t context; /* 0: passed over, as long as depth > 0 */
    uint8_t id;      /* of the rule that opened it */
    bool array;
};

struct pl_json_stream {
    yajl_handle yajl;
    const struct pl_json_rule *rules;
    size_t rule_count;
    const struct pl_json_calls *calls;
    void *self;
    size_t first_of[256]; /* context -> its first rule */
    struct level levels[PL_JSON_DEPTH + 1];
    int depth;
    const struct pl_json_rule *rule; /* of the value that comes next; NULL: none */
    uint8_t key_rule;                /* of the last key that had one */
    uint8_t after[256]; /* rule -> that of the key that came after it last time */
    char key[256];      /* of a rule for any key */
    size_t key_len;
    size_t quiet_bytes; /* fed since the last call */
    bool too_deep, refused;
};

static const struct pl_json_rule *find(const struct pl_json_stream *s, uint8_t context,
                                       const char *key, size_t len)
{
    for (size_t i = s->first_of[context]; i < s->rule_count; i++) {
        const struct pl_json_rule *rule = &s->rules[i];
        if (rule->in != context)
            break;
        if (!rule->key_len || (rule->key_len == len && !memcmp(rule->key, key, len)))
            return rule;
    }
    return NULL;
}

/* Objects of a list have the same keys in the same order, mostly. */
static const struct pl_json_rule *find_key(struct pl_json_stream *s, uint8_t context,
                                           const char *key, size_t len)
{
    const struct pl_json_rule *rule = &s->rules[s->after[s->key_rule]];
    if (rule->in != context || rule->key_len != len || memcmp(rule->key, key, len) != 0)
        rule = find(s, context, key, len);
    if (rule) {
        uint8_t at = (uint8_t)(rule - s->rules);
        s->after[s->key_rule] = at;
        s->key_rule = at;
    }
    return rule;
}

/* The rule of the value that begins now: of the key before, or of an element. */
static const struct pl_json_rule *next_rule(struct pl_json_stream *s)
{
    const struct level *level = &s->levels[s->depth];
    s->quiet_bytes = 0;
    if (s->depth && !level->context)
        return NULL;
    if (!s->depth || level->array) {
        s->key_len = 0;
        return find(s, level->context, "", 0);
    }
    return s->rule;
}

/* ---- from yajl ---- */

static int tell(struct pl_json_stream *s, enum pl_json_type type, const char *text,
                size_t len)
{
    const struct pl_json_rule *rule = next_rule(s);
    if (!rule)
        return 1;
    s->refused = !s->calls->scalar(s->self, rule->id, type, text, len);
    return !s->refused;
}

static int on_null(void *self)
{
    return tell(self, PL_JSON_NULL, "", 0);
}

static int on_boolean(void *self, int value)
{
    return tell(self, value ? PL_JSON_TRUE : PL_JSON_FALSE, "", 0);
}

static int on_number(void *self, const char *text, size_t len)
{
    return tell(self, PL_JSON_NUMBER, text, len);
}

static int on_string(void *self, const unsigned char *text, size_t len)
{
    return tell(self, PL_JSON_STRING, (const char *)text, len);
}

static int on_key(void *self, const unsigned char *text, size_t len)
{
    struct pl_json_stream *s = self;
    const struct level *level = &s->levels[s->depth];
    s->quiet_bytes = 0;
    s->rule =
        level->context ? find_key(s, level->context, (const char *)text, len) : NULL;
    if (s->rule && !s->rule->key_len) {
        s->key_len = len < sizeof s->key ? len : sizeof s->key;
        memcpy(s->key, text, s->key_len);
    }
    return 1;
}

/* Contexts of keys are objects; those of any key may be either. */
static bool is_keyed(const struct pl_json_stream *s, uint8_t context)
{
    const struct pl_json_rule *rule = &s->rules[s->first_of[context]];
    return rule->in == context && rule->key_len;
}

static int open_level(struct pl_json_stream *s, bool array)
{
    const struct pl_json_rule *rule = next_rule(s);
    s->too_deep = s->depth == PL_JSON_DEPTH;
    if (s->too_deep)
        return 0;
    bool fits = rule && rule->opens && !(array && is_keyed(s, rule->opens));
    if (rule && !fits)
        s->refused = !s->calls->scalar(s->self, rule->id, PL_JSON_OTHER, "", 0);
    else if (rule)
        s->refused = !s->calls->begin(s->self, rule->id, s->key, s->key_len);
    struct level *level = &s->levels[++s->depth];
    *level = (struct level){.array = array};
    if (fits)
        *level = (struct level){rule->opens, rule->id, array};
    s->rule = NULL;
    return !s->refused;
}

static int on_map(void *self)
{
    return open_level(self, false);
}

static int on_array(void *self)
{
    return open_level(self, true);
}

static int on_end(void *self)
{
    struct pl_json_stream *s = self;
    const struct level *level = &s->levels[s->depth--];
    s->quiet_bytes = 0;
    s->rule = NULL;
    if (level->context)
        s->refused = !s->calls->end(s->self, level->id);
    return !s->refused;
}

static const yajl_callbacks callbacks = {
    .yajl_null = on_null,
    .yajl_boolean = on_boolean,
    .yajl_number = on_number,
    .yajl_string = on_string,
    .yajl_start_map = on_map,
    .yajl_map_key = on_key,
    .yajl_end_map = on_end,
    .yajl_start_array = on_array,
    .yajl_end_array = on_end,
};

/* ---- in and out ---- */

enum pl_status pl_json_stream_new(const struct pl_json_rule *rules, size_t rule_count,
                                  const struct pl_json_calls *calls, void *self,
                                  struct pl_json_stream **stream_out,
                                  struct pl_error *err)
{
    struct pl_json_stream *s = calloc(1, sizeof *s);
    if (s)
        s->yajl = yajl_alloc(&callbacks, NULL, s);
    if (!s || !s->yajl) {
        free(s);
        return pl_error_set(err, PL_NOMEM, "out of memory");
    }
    assert(rule_count && rule_count <= sizeof s->after);
    s->rules = rules;
    s->rule_count = rule_count;
    s->calls = calls;
    s->self = self;
    for (size_t i = rule_count; i-- > 0;)
        s->first_of[rules[i].in] = i;
    *stream_out = s;
    return PL_OK;
}

void pl_json_stream_free(struct pl_json_stream *s)
{
    if (!s)
        return;
    yajl_free(s->yajl);
    free(s);
}

static enum pl_status failure(struct pl_json_stream *s, struct pl_error *err)
{
    if (s->refused)
        return PL_INPUT;
    if (s->too_deep)
        return pl_error_set(err, PL_INPUT, "nested more than %d deep", PL_JSON_DEPTH);
    unsigned char *text = yajl_get_error(s->yajl, 0, NULL, 0);
    size_t len = text ? strcspn((const char *)text, "\n") : 0;
    pl_error_set(err, PL_INPUT, "not JSON: %.*s", (int)len,
                 text ? (const char *)text : "");
    if (text)
        yajl_free_error(s->yajl, text);
    return PL_INPUT;
}

enum pl_status pl_json_stream_feed(struct pl_json_stream *s, const void *bytes,
                                   size_t len, struct pl_error *err)
{
    const unsigned char *from = bytes;
    while (len) {
        size_t piece = len < PIECE_BYTES ? len : PIECE_BYTES;
        s->quiet_bytes += piece;
        if (s->quiet_bytes > PL_JSON_TOKEN_BYTES)
            return pl_error_set(err, PL_INPUT, "a string of over %zu bytes",
                                PL_JSON_TOKEN_BYTES);
        if (yajl_parse(s->yajl, from, piece) != yajl_status_ok)
            return failure(s, err);
        from += piece;
        len -= piece;
    }
    return PL_OK;
}

enum pl_status pl_json_stream_finish(struct pl_json_stream *s, struct pl_error *err)
{
    return yajl_complete_parse(s->yajl) == yajl_status_ok ? PL_OK : failure(s, err);
}
