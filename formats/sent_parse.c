/* JSON of profiles, all versions at once: they differ in which keys they have, and
 * Sentry's SDKs in how they call them. Unknown keys are passed over. */
#include "formats/decimal.h"
#include "formats/sent.h"
#include "formats/sent_embedded.h"
#include "formats/sent_rules.h"
#include "formats/sent_words.h"

#include <stdlib.h>
#include <string.h>

/* What is being read, until its container ends. */
struct pl_sent_parser {
    struct pl_sent *profile;
    struct pl_json_stream *stream;
    struct pl_sent_sample sample;
    bool has_at, has_stack, has_thread;
    struct pl_sent_frame frame;
    struct pl_sent_image image;
    struct pl_sent_measurement measurement;
    struct pl_sent_embedded embedded;
    struct pl_sent_words words;
    uint32_t thread;      /* in thread_metadata */
    size_t first_of_unit; /* measurements read before their unit was */
    int transactions;     /* seen; the first one counts */
};

#define GROW(p, array, count, cap)                                                     \
    pl_budget_grow(&(p)->budget, (void **)&(p)->array, (p)->count, &(p)->cap,          \
                   sizeof *(p)->array)

/* ---- scalars ---- */

struct scalar {
    enum pl_json_type type;
    const char *text;
    size_t len;
};

static bool is_text(const struct scalar *v)
{
    return v->type == PL_JSON_STRING || v->type == PL_JSON_NUMBER;
}

static uint32_t keep(struct pl_sent *p, const struct scalar *v)
{
    return is_text(v) ? pl_strings_add(&p->strings, v->text, v->len) : 0;
}

/* A line beyond what a line can be is no line. */
static uint32_t small_number(const struct scalar *v)
{
    int64_t value;
    if (!is_text(v) || !pl_decimal_scale(v->text, v->len, 0, &value) ||
        value >= INT32_MAX)
        return 0;
    return (uint32_t)value;
}

static bool address(const struct scalar *v, uint64_t *out)
{
    return is_text(v) && pl_decimal_u64(v->text, v->len, false, out);
}

static void take_id(struct pl_sent *p, const struct scalar *v, struct pl_id *id,
                    bool *has)
{
    char text[64];
    if (v->type == PL_JSON_NULL)
        return;
    *has = v->type == PL_JSON_STRING && v->len < sizeof text;
    if (*has) {
        memcpy(text, v->text, v->len);
        text[v->len] = '\0';
        *has = strlen(text) == v->len && pl_id_parse(text, id);
    }
    p->bad_ids = p->bad_ids || !*has;
}

static bool document_scalar(struct pl_sent *p, int id, const struct scalar *v)
{
    switch (id) {
    case F_VERSION:
        p->version = keep(p, v);
        return true;
    case F_CHUNK_ID:
        if (p->kind != PL_SENT_WITH_TXN)
            take_id(p, v, &p->id, &p->has_id);
        return true;
    case F_EVENT_ID:
        if (p->kind == PL_SENT_WITH_TXN && !p->has_id)
            take_id(p, v, &p->id, &p->has_id);
        if (p->kind == PL_SENT_TASK && !p->has_event_id)
            take_id(p, v, &p->event_id, &p->has_event_id);
        return true;
    case F_PROFILER_ID:
        take_id(p, v, &p->profiler_id, &p->has_profiler_id);
        return true;
    case F_PLATFORM:
        p->platform = keep(p, v);
        return v->type == PL_JSON_STRING;
    case F_RELEASE:
        p->release = keep(p, v);
        return true;
    case F_ENVIRONMENT:
        p->environment = keep(p, v);
        return true;
    case F_DIST:
        p->dist = keep(p, v);
        return true;
    case F_TIMESTAMP:
        p->timestamp = keep(p, v);
        return true;
    case F_BUILD_ID:
        p->build_id = keep(p, v);
        return true;
    case F_DEVICE_CLASS:
        p->device_class = keep(p, v);
        return true;
    case F_SDK_NAME:
        p->sdk = keep(p, v);
        return true;
    case F_DURATION_NS:
        if (!is_text(v) || !pl_decimal_scale(v->text, v->len, 0, &p->duration_ns))
            p->duration_ns = 0;
        return true;
    default:
        return pl_sent_take_trace(p, v->type, v->text, v->len);
    }
}

static bool device_scalar(struct pl_sent *p, int id, const struct scalar *v)
{
    uint32_t *const texts[] = {
        [F_ARCHITECTURE] = &p->architecture, [F_LOCALE] = &p->locale,
        [F_MANUFACTURER] = &p->manufacturer, [F_MODEL] = &p->model,
        [F_OS_NAME] = &p->os_name,           [F_OS_VERSION] = &p->os_version,
        [F_OS_BUILD] = &p->os_build,
    };
    if (id == F_EMULATOR)
        p->emulator_said = v->type == PL_JSON_TRUE || v->type == PL_JSON_FALSE;
    else
        *texts[id] = keep(p, v);
    return true;
}

static bool transaction_scalar(struct pl_sent_parser *parser, int id,
                               const struct scalar *v)
{
    struct pl_sent *p = parser->profile;
    uint32_t *const texts[] = {
        [F_TXN_NAME] = &p->transaction_name,
        [F_TXN_ID] = &p->transaction_id,
        [F_TRACE_ID] = &p->trace_id,
        [F_ACTIVE_THREAD] = &p->active_thread,
    };
    if (parser->transactions > 1) /* the first one counts */
        return true;
    if (id == F_TXN)
        return v->type == PL_JSON_NULL;
    *texts[id] = keep(p, v);
    p->has_transaction = true;
    return true;
}

static bool sample_scalar(struct pl_sent_parser *parser, int id, const struct scalar *v)
{
    struct pl_sent_sample *sample = &parser->sample;
    int64_t value;
    switch (id) {
    case F_AT_SECONDS:
    case F_AT_NS:
        parser->has_at =
            is_text(v) &&
            pl_decimal_scale(v->text, v->len, id == F_AT_NS ? 0 : 9, &sample->at_ns);
        return true;
    case F_STACK_ID:
        parser->has_stack = v->type == PL_JSON_NUMBER &&
                            pl_decimal_scale(v->text, v->len, 0, &value) &&
                            value < UINT32_MAX;
        sample->stack = parser->has_stack ? (uint32_t)value : 0;
        return v->type == PL_JSON_NUMBER;
    default:
        parser->has_thread = is_text(v);
        if (parser->has_thread)
            sample->thread = pl_sent_thread(parser->profile, v->text, v->len);
        return parser->has_thread && sample->thread != UINT32_MAX;
    }
}

static bool stack_index(struct pl_sent *p, const struct scalar *v)
{
    int64_t value = UINT32_MAX;
    if (v->type != PL_JSON_NUMBER)
        return false;
    if (!GROW(p, indexes, index_count, index_cap))
        return false;
    if (!pl_decimal_scale(v->text, v->len, 0, &value) || value > UINT32_MAX)
        value = UINT32_MAX;
    p->indexes[p->index_count++] = (uint32_t)value;
    p->stacks[p->stack_count - 1].count++;
    return true;
}

static bool frame_scalar(struct pl_sent_parser *parser, int id, const struct scalar *v)
{
    struct pl_sent *p = parser->profile;
    struct pl_sent_frame *frame = &parser->frame;
    switch (id) {
    case F_FUNCTION:
        frame->function = keep(p, v);
        frame->has_function = is_text(v);
        break;
    case F_FILE:
        frame->file = keep(p, v);
        break;
    case F_PATH:
        frame->path = keep(p, v);
        break;
    case F_MODULE:
        frame->module = keep(p, v);
        break;
    case F_PACKAGE:
        frame->package = keep(p, v);
        break;
    case F_FRAME_PLATFORM:
        frame->platform = keep(p, v);
        break;
    case F_LINE:
        frame->line = small_number(v);
        break;
    case F_COLUMN:
        frame->column = small_number(v);
        break;
    case F_IN_APP:
        frame->in_app = (int8_t)(v->type == PL_JSON_TRUE    ? 1
                                 : v->type == PL_JSON_FALSE ? 0
                                                            : -1);
        break;
    default:
        frame->has_address = address(v, &frame->address);
        break;
    }
    return true;
}

static bool image_scalar(struct pl_sent_parser *parser, int id, const struct scalar *v)
{
    struct pl_sent_image *image = &parser->image;
    uint32_t *const texts[] = {
        [F_TYPE] = &image->type,         [F_CODE_FILE] = &image->code_file,
        [F_CODE_ID] = &image->code_id,   [F_DEBUG_FILE] = &image->debug_file,
        [F_DEBUG_ID] = &image->debug_id,
    };
    if (id == F_IMAGE_ADDR)
        (void)address(v, &image->address);
    else if (id == F_IMAGE_SIZE)
        (void)address(v, &image->size);
    else if (id == F_IMAGE_VMADDR)
        (void)address(v, &image->vmaddr);
    else
        *texts[id] = keep(parser->profile, v);
    return true;
}

/* Seconds, as they should be; or milliseconds, as Node's SDK sends them. */
static int64_t measured_at(const struct scalar *v)
{
    int64_t at_ns;
    if (!is_text(v))
        return 0;
    if (pl_decimal_scale(v->text, v->len, 9, &at_ns) && at_ns < INT64_MAX / 2)
        return at_ns;
    return pl_decimal_scale(v->text, v->len, 6, &at_ns) ? at_ns : 0;
}

static bool measurement_scalar(struct pl_sent_parser *parser, int id,
                               const struct scalar *v)
{
    struct pl_sent *p = parser->profile;
    struct pl_sent_measurement *m = &parser->measurement;
    if (id == F_VALUE_IS) {
        m->value = keep(p, v);
    } else if (id == F_VALUE_AT) {
        m->at_ns = measured_at(v);
    } else if (id == F_VALUE_NS) {
        if (!is_text(v) || !pl_decimal_scale(v->text, v->len, 0, &m->at_ns))
            m->at_ns = 0;
    } else {
        m->unit = keep(p, v);
        for (size_t i = parser->first_of_unit; i < p->measurement_count; i++)
            p->measurements[i].unit = m->unit;
    }
    return true;
}

static bool on_scalar(void *self, int id, enum pl_json_type type, const char *text,
                      size_t len)
{
    struct pl_sent_parser *parser = self;
    const struct scalar v = {type, text, len};
    if (id == F_PROFILE_OTHER)
        parser->profile->has_other_profile = true;
    if (id >= F_TRACE)
        return pl_sent_words_scalar(parser->profile, &parser->words, id, type, text,
                                    len);
    if (id == F_ROOT || id == F_SAMPLE || id == F_STACK || id == F_FRAME)
        return false; /* not an object or array where one has to be */
    if (id >= F_VERSION && id <= F_SDK_NAME)
        return document_scalar(parser->profile, id, &v);
    if (id >= F_ARCHITECTURE && id <= F_OS_BUILD)
        return device_scalar(parser->profile, id, &v);
    if (id >= F_TXN && id <= F_ACTIVE_THREAD)
        return transaction_scalar(parser, id, &v);
    if (id >= F_AT_SECONDS && id <= F_THREAD_ID)
        return sample_scalar(parser, id, &v);
    if (id == F_IMAGES || id == F_DEBUG_META_OTHER)
        parser->profile->has_debug_meta_keys = true;
    if (id == F_INDEX)
        return stack_index(parser->profile, &v);
    if (id >= F_FUNCTION && id <= F_FRAME_PLATFORM)
        return frame_scalar(parser, id, &v);
    if (id == F_THREAD_NAME)
        parser->profile->threads[parser->thread].name = keep(parser->profile, &v);
    if (id >= F_TYPE && id <= F_IMAGE_VMADDR)
        return image_scalar(parser, id, &v);
    if (id >= F_UNIT)
        return measurement_scalar(parser, id, &v);
    return true; /* null for a container */
}

/* ---- containers ---- */

static bool begin_stack(struct pl_sent *p)
{
    if (!GROW(p, stacks, stack_count, stack_cap) || p->index_count >= UINT32_MAX)
        return false;
    p->stacks[p->stack_count++] = (struct pl_sent_stack){(uint32_t)p->index_count, 0};
    return true;
}

static bool on_begin(void *self, int id, const char *key, size_t key_len)
{
    struct pl_sent_parser *parser = self;
    struct pl_sent *p = parser->profile;
    if (id >= F_TRACE)
        pl_sent_words_begin(p, &parser->words, id);
    switch (id) {
    case F_SAMPLE:
        parser->sample = (struct pl_sent_sample){0};
        parser->has_at = parser->has_stack = parser->has_thread = false;
        return true;
    case F_FRAME:
        parser->frame = (struct pl_sent_frame){.in_app = -1};
        return true;
    case F_IMAGE:
        parser->image = (struct pl_sent_image){0};
        return true;
    case F_STACK:
        return begin_stack(p);
    case F_THREAD:
        parser->thread = pl_sent_thread(p, key, key_len);
        return parser->thread != UINT32_MAX;
    case F_MEASUREMENT:
        parser->measurement = (struct pl_sent_measurement){
            .name = pl_strings_add(&p->strings, key, key_len)};
        parser->first_of_unit = p->measurement_count;
        return true;
    case F_VALUE:
        parser->measurement.value = 0;
        parser->measurement.at_ns = 0;
        return true;
    case F_TXN:
        parser->transactions++;
        p->has_transaction = true;
        return true;
    case F_PROFILE:
        p->has_profile = true;
        return true;
    case F_JS_PROFILE:
        parser->embedded = pl_sent_embed_begin(p);
        return true;
    case F_IMAGES:
        p->has_images = true;
        return true;
    default:
        return true;
    }
}

static bool end_sample(struct pl_sent_parser *parser)
{
    struct pl_sent *p = parser->profile;
    if (!parser->has_stack || !parser->has_thread)
        return false;
    if (!parser->has_at) {
        p->malformed_samples = true;
        return true;
    }
    if (!GROW(p, samples, sample_count, sample_cap))
        return false;
    p->samples[p->sample_count++] = parser->sample;
    p->threads[parser->sample.thread].samples++;
    return true;
}

static bool on_end(void *self, int id)
{
    struct pl_sent_parser *parser = self;
    struct pl_sent *p = parser->profile;
    if (id >= F_TRACE)
        return pl_sent_words_end(p, &parser->words, id);
    switch (id) {
    case F_SAMPLE:
        return end_sample(parser);
    case F_JS_PROFILE:
        return pl_sent_embed_end(p, &parser->embedded);
    case F_FRAME:
        if (!GROW(p, frames, frame_count, frame_cap))
            return false;
        p->frames[p->frame_count++] = parser->frame;
        return true;
    case F_IMAGE:
        if (!GROW(p, images, image_count, image_cap))
            return false;
        p->images[p->image_count++] = parser->image;
        return true;
    case F_VALUE:
        if (!parser->measurement.value)
            return true;
        if (!GROW(p, measurements, measurement_count, measurement_cap))
            return false;
        p->measurements[p->measurement_count++] = parser->measurement;
        return true;
    default:
        return true;
    }
}

/* ---- the parser ---- */

enum pl_status pl_sent_parser_new(struct pl_sent *profile, struct pl_sent_parser **out,
                                  struct pl_error *err)
{
    static const struct pl_json_calls calls = {on_begin, on_end, on_scalar};
    struct pl_sent_parser *parser = calloc(1, sizeof *parser);
    if (!parser)
        return pl_error_set(err, PL_NOMEM, "out of memory");
    parser->profile = profile;
    enum pl_status status = pl_json_stream_new(pl_sent_rules, pl_sent_rule_count,
                                               &calls, parser, &parser->stream, err);
    if (status != PL_OK) {
        free(parser);
        return status;
    }
    *out = parser;
    return PL_OK;
}

void pl_sent_parser_free(struct pl_sent_parser *parser)
{
    if (!parser)
        return;
    pl_json_stream_free(parser->stream);
    free(parser);
}

static enum pl_status say_over_budget(const struct pl_sent_parser *parser,
                                      enum pl_status status, struct pl_error *err)
{
    if (!parser->profile->budget.exceeded)
        return status;
    return pl_error_set(err, PL_INPUT, "more than %zu bytes of profile",
                        parser->profile->budget.limit);
}

enum pl_status pl_sent_parser_feed(struct pl_sent_parser *parser, const void *bytes,
                                   size_t len, struct pl_error *err)
{
    pl_error_set(err, PL_INPUT, "not the shape of a profile");
    return say_over_budget(parser, pl_json_stream_feed(parser->stream, bytes, len, err),
                           err);
}

enum pl_status pl_sent_parser_finish(struct pl_sent_parser *parser,
                                     struct pl_error *err)
{
    pl_error_set(err, PL_INPUT, "not the shape of a profile");
    return say_over_budget(parser, pl_json_stream_finish(parser->stream, err), err);
}
