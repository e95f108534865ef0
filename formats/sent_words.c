#include "formats/sent_words.h"

#include "formats/decimal.h"

#include <stdlib.h>
#include <string.h>

#define GROW(p, array, count, cap)                                                     \
    pl_budget_grow(&(p)->budget, (void **)&(p)->array, (p)->count, &(p)->cap,          \
                   sizeof *(p)->array)

bool pl_sent_take_trace(struct pl_sent *profile, enum pl_json_type type,
                        const char *text, size_t len)
{
    struct pl_sent *p = profile;
    if (type != PL_JSON_STRING || p->trace)
        return type == PL_JSON_NULL;
    if (len > p->budget.limit - p->budget.used) {
        p->budget.exceeded = true;
        return false;
    }
    p->trace = malloc(len + 1);
    if (!p->trace)
        return false;
    p->budget.used += len;
    memcpy(p->trace, text, len);
    p->trace_len = len;
    return true;
}

struct scalar {
    enum pl_json_type type;
    const char *text;
    size_t len;
};

static uint32_t keep(struct pl_sent *p, const struct scalar *v)
{
    return v->type == PL_JSON_STRING || v->type == PL_JSON_NUMBER
               ? pl_strings_add(&p->strings, v->text, v->len)
               : 0;
}

/* UINT32_MAX: no such number. */
static uint32_t number(const struct scalar *v)
{
    uint64_t value;
    bool ok = v->type == PL_JSON_NUMBER &&
              pl_decimal_u64(v->text, v->len, false, &value) && value < UINT32_MAX;
    return ok ? (uint32_t)value : UINT32_MAX;
}

static bool method_scalar(struct pl_sent *p, struct pl_sent_method *method, int id,
                          const struct scalar *v)
{
    uint32_t *const texts[] = {
        [F_METHOD_CLASS] = &method->class_name,
        [F_METHOD_NAME] = &method->name,
        [F_METHOD_SIGNATURE] = &method->signature,
        [F_METHOD_FILE] = &method->file,
    };
    if (id == F_METHOD)
        return false;
    if (id == F_METHOD_ID)
        method->id = number(v);
    else if (id == F_METHOD_LINE)
        method->line = number(v) < INT32_MAX ? number(v) : 0;
    else
        *texts[id] = keep(p, v);
    return true;
}

/* Seconds and their nanoseconds, in either order. */
static bool add_time(struct pl_sent_event *event, uint32_t part, bool is_ns)
{
    uint64_t at_us = event->at_us;
    at_us += is_ns ? part / 1000 : UINT64_C(1000000) * part;
    event->at_us = at_us < UINT32_MAX ? (uint32_t)at_us : UINT32_MAX;
    return part != UINT32_MAX;
}

static bool event_scalar(struct pl_sent_event *event, int id, const struct scalar *v)
{
    uint32_t value = number(v);
    switch (id) {
    case F_EVENT_ACTION: /* Enter, Exit, Unwind */
        event->leaves = v->len != 5 || memcmp(v->text, "Enter", 5) != 0;
        return v->type == PL_JSON_STRING;
    case F_EVENT_THREAD:
        event->tid = (uint16_t)value;
        return value <= UINT16_MAX;
    case F_EVENT_METHOD:
        event->method = value;
        return true;
    case F_EVENT_S:
    case F_EVENT_NS:
        return add_time(event, value, id == F_EVENT_NS);
    default:
        return false;
    }
}

static bool end_thread(struct pl_sent *p, const struct pl_sent_words *words)
{
    const char *id = pl_sent_text(p, words->thread_id);
    if (!*id || !p->from_task)
        return true;
    uint32_t thread = pl_sent_thread(p, id, strlen(id));
    if (thread != UINT32_MAX)
        p->threads[thread].name = words->thread_name;
    return thread != UINT32_MAX;
}

void pl_sent_words_begin(struct pl_sent *profile, struct pl_sent_words *words, int id)
{
    if (id == F_TRACE)
        profile->has_other_profile = true;
    else if (id == F_METHOD)
        words->method = (struct pl_sent_method){.id = UINT32_MAX};
    else if (id == F_EVENT)
        words->event = (struct pl_sent_event){.method = UINT32_MAX};
    else if (id == F_TRACED_THREAD)
        words->thread_id = words->thread_name = 0;
}

bool pl_sent_words_end(struct pl_sent *profile, struct pl_sent_words *words, int id)
{
    struct pl_sent *p = profile;
    if (id == F_TRACED_THREAD)
        return end_thread(p, words);
    if (id == F_METHOD) {
        if (!GROW(p, methods, method_count, method_cap))
            return false;
        p->methods[p->method_count++] = words->method;
    } else if (id == F_EVENT) {
        if (!GROW(p, events, event_count, event_cap))
            return false;
        p->events[p->event_count++] = words->event;
    }
    return true;
}

bool pl_sent_words_scalar(struct pl_sent *profile, struct pl_sent_words *words, int id,
                          enum pl_json_type type, const char *text, size_t len)
{
    struct pl_sent *p = profile;
    const struct scalar v = {type, text, len};
    if (id == F_TRACE || id == F_TRACE_START)
        p->has_other_profile = true;
    if (id == F_TRACE_START &&
        (type != PL_JSON_NUMBER || !pl_decimal_scale(text, len, 0, &p->trace_start_ns)))
        p->trace_start_ns = 0;
    if (id == F_TRACE || id == F_TRACE_START)
        return true;
    if (id == F_TRACED_THREAD_ID)
        words->thread_id = keep(p, &v);
    else if (id == F_TRACED_THREAD_NAME)
        words->thread_name = keep(p, &v);
    else if (id >= F_METHOD && id <= F_METHOD_LINE)
        return method_scalar(p, &words->method, id, &v);
    else if (id >= F_EVENT && id <= F_EVENT_NS)
        return event_scalar(&words->event, id, &v);
    return id != F_TRACED_THREAD;
}
