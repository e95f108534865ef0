/* Over msgpack-c's own template of a parser: with callbacks of ours it makes no
 * objects, so a length that lies costs nothing, and its stack is a fixed one. */
#include "formats/task_payload.h"

#include <msgpack/unpack.h>
#include <msgpack/unpack_define.h>

#include <math.h>
#include <stdbool.h>
#include <string.h>

#define NS_PER_S 1e9
#define LATEST_S 9e9 /* of a time: the year 2255 */

enum kind { NOTHING, TRUTH, WHOLE, REAL, TEXT, ROOT_MAP, OTHER };

struct value {
    enum kind kind;
    union {
        bool truth;
        int64_t whole;
        double real;
        struct {
            const char *bytes;
            size_t len;
        } text;
    };
};

struct reader {
    struct pl_task_payload *out;
    bool begun;        /* a value has come: maps from now on are not the root */
    const char *wrong; /* a key whose value is of the wrong kind; static text */
};

/* ---- what a key means ---- */

static bool take_id(const struct value *value, int64_t *out)
{
    *out = value->kind == WHOLE ? value->whole : 0;
    return value->kind == NOTHING || (value->kind == WHOLE && value->whole >= 0);
}

static bool take_time(const struct value *value, int64_t *out)
{
    double seconds = value->kind == WHOLE  ? (double)value->whole
                     : value->kind == REAL ? value->real
                                           : 0;
    *out = 0;
    if (value->kind == NOTHING)
        return true;
    if ((value->kind != WHOLE && value->kind != REAL) || !(seconds >= 0) ||
        seconds > LATEST_S)
        return false;
    *out = value->kind == WHOLE ? value->whole * INT64_C(1000000000)
                                : (int64_t)(seconds * NS_PER_S);
    return true;
}

static bool take_sampled(const struct value *value, int8_t *out)
{
    *out = value->kind == TRUTH ? value->truth : -1;
    return value->kind == TRUTH || value->kind == NOTHING;
}

static bool is_key(const struct value *key, const char *name)
{
    return key->kind == TEXT && key->text.len == strlen(name) &&
           memcmp(key->text.bytes, name, key->text.len) == 0;
}

static bool take_profile(const struct value *value, struct pl_task_payload *out)
{
    out->profile = value->kind == TEXT ? value->text.bytes : NULL;
    out->profile_len = value->kind == TEXT ? value->text.len : 0;
    return value->kind == TEXT;
}

static int take(struct reader *reader, const struct value *key,
                const struct value *value)
{
    struct pl_task_payload *out = reader->out;
    const struct {
        const char *name;
        int64_t *id;
    } ids[] = {{"organization_id", &out->organization_id},
               {"project_id", &out->project_id},
               {"key_id", &out->key_id}};
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++)
        if (is_key(key, ids[i].name) && !take_id(value, ids[i].id))
            reader->wrong = ids[i].name;
    if (is_key(key, "received") && !take_time(value, &out->received_ns))
        reader->wrong = "received";
    else if (is_key(key, "sampled") && !take_sampled(value, &out->sampled))
        reader->wrong = "sampled";
    else if (is_key(key, "payload") && !take_profile(value, out))
        reader->wrong = "payload";
    return reader->wrong ? -1 : 0;
}

/* ---- msgpack's callbacks: 0, or below it to end ---- */

static struct value on_root(struct reader *reader)
{
    (void)reader;
    return (struct value){.kind = NOTHING};
}

static int put(struct reader *reader, struct value *out, struct value value)
{
    reader->begun = true;
    *out = value;
    return 0;
}

static int put_whole(struct reader *reader, struct value *out, int64_t whole)
{
    return put(reader, out, (struct value){WHOLE, {.whole = whole}});
}

#define WHOLE_CALL(name, type)                                                         \
    static int on_##name(struct reader *r, type whole, struct value *out)              \
    {                                                                                  \
        return put_whole(r, out, (int64_t)whole);                                      \
    }
WHOLE_CALL(uint8, uint8_t)
WHOLE_CALL(uint16, uint16_t)
WHOLE_CALL(uint32, uint32_t)
WHOLE_CALL(int8, int8_t)
WHOLE_CALL(int16, int16_t)
WHOLE_CALL(int32, int32_t)
WHOLE_CALL(int64, int64_t)

static int on_uint64(struct reader *r, uint64_t whole, struct value *out)
{
    return put_whole(r, out, whole > INT64_MAX ? -1 : (int64_t)whole);
}

static int on_double(struct reader *r, double real, struct value *out)
{
    return put(r, out, (struct value){REAL, {.real = real}});
}

static int on_float(struct reader *r, float real, struct value *out)
{
    return on_double(r, (double)real, out);
}

static int on_nil(struct reader *r, struct value *out)
{
    return put(r, out, (struct value){.kind = NOTHING});
}

static int on_true(struct reader *r, struct value *out)
{
    return put(r, out, (struct value){TRUTH, {.truth = true}});
}

static int on_false(struct reader *r, struct value *out)
{
    return put(r, out, (struct value){TRUTH, {.truth = false}});
}

static int on_array(struct reader *r, unsigned int count, struct value *out)
{
    (void)count;
    return put(r, out, (struct value){.kind = OTHER});
}

static int on_map(struct reader *r, unsigned int count, struct value *out)
{
    (void)count;
    return put(r, out, (struct value){.kind = r->begun ? OTHER : ROOT_MAP});
}

static int on_array_item(struct reader *r, struct value *array, struct value item)
{
    (void)r;
    (void)array;
    (void)item;
    return 0;
}

static int on_map_item(struct reader *r, struct value *map, struct value key,
                       struct value value)
{
    return map->kind == ROOT_MAP ? take(r, &key, &value) : 0;
}

static int on_str(struct reader *r, const char *base, const char *bytes,
                  unsigned int len, struct value *out)
{
    (void)base;
    return put(r, out, (struct value){TEXT, {.text = {bytes, len}}});
}

static int on_bin(struct reader *r, const char *base, const char *bytes,
                  unsigned int len, struct value *out)
{
    return on_str(r, base, bytes, len, out);
}

static int on_ext(struct reader *r, const char *base, const char *bytes,
                  unsigned int len, struct value *out)
{
    (void)base;
    (void)bytes;
    (void)len;
    return put(r, out, (struct value){.kind = OTHER});
}

#define msgpack_unpack_struct(name)       struct unpack##name
#define msgpack_unpack_func(result, name) static result unpack##name
#define msgpack_unpack_callback(name)     on##name
#define msgpack_unpack_object             struct value
#define msgpack_unpack_user               struct reader
#include <msgpack/unpack_template.h>

/* ---- reading ---- */

static enum pl_status complain(const struct reader *reader, int result,
                               struct pl_error *err)
{
    if (reader->wrong)
        return pl_error_set(err, PL_INPUT, "task payload: %s is of the wrong kind",
                            reader->wrong);
    if (result == 0)
        return pl_error_set(err, PL_INPUT, "task payload: it breaks off");
    return pl_error_set(err, PL_INPUT,
                        "task payload: not msgpack, or nested more than %d deep",
                        MSGPACK_EMBED_STACK_SIZE);
}

enum pl_status pl_task_payload_read(const void *bytes, size_t len,
                                    struct pl_task_payload *out, struct pl_error *err)
{
    struct unpack_context context;
    size_t at = 0;
    *out = (struct pl_task_payload){.sampled = -1};
    memset(&context, 0, sizeof context);
    context.user = (struct reader){.out = out};
    unpack_init(&context);
    int result = unpack_execute(&context, bytes, len, &at);
    if (result <= 0)
        return complain(&context.user, result, err);
    if (unpack_data(&context).kind != ROOT_MAP)
        return pl_error_set(err, PL_INPUT, "task payload: not a map");
    if (at != len)
        return pl_error_set(err, PL_INPUT, "task payload: something follows the map");
    if (!out->profile)
        return pl_error_set(err, PL_INPUT, "task payload: no payload in it");
    if (!out->project_id)
        return pl_error_set(err, PL_INPUT, "task payload: no project_id in it");
    return PL_OK;
}
