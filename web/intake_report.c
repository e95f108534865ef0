/* Items client_report: what an SDK threw away itself, as outcomes client_discard. */
#include "base/hash.h"
#include "formats/decimal.h"
#include "formats/json_stream.h"
#include "web/intake_item.h"
#include "web/limits.h"

#include <stdlib.h>
#include <string.h>

#define EVENTS_MOST 100

enum { DOCUMENT = 1, EVENTS, EVENT };
enum { F_CONTAINER, F_EVENT, F_REASON, F_CATEGORY, F_QUANTITY };

static const struct pl_json_rule rules[] = {
    PL_JSON_ANY(0, F_CONTAINER, DOCUMENT),
    PL_JSON_KEY(DOCUMENT, "discarded_events", F_CONTAINER, EVENTS),
    PL_JSON_ANY(EVENTS, F_EVENT, EVENT),
    PL_JSON_KEY(EVENT, "reason", F_REASON, 0),
    PL_JSON_KEY(EVENT, "category", F_CATEGORY, 0),
    PL_JSON_KEY(EVENT, "quantity", F_QUANTITY, 0),
};

struct event {
    char reason[100], category[64];
    int64_t quantity;
};

struct report_item {
    struct pl_intake_item item;
    struct pl_json_stream *stream;
    struct event events[EVENTS_MOST];
    struct event event;
    size_t count, bytes;
    bool broken;
};

static void drop(void *self)
{
    struct report_item *it = self;
    if (!it)
        return;
    pl_json_stream_free(it->stream);
    free(it);
}

static bool on_begin(void *self, int id, const char *key, size_t key_len)
{
    struct report_item *it = self;
    (void)key;
    (void)key_len;
    if (id == F_EVENT)
        it->event = (struct event){0};
    return true;
}

static bool on_end(void *self, int id)
{
    struct report_item *it = self;
    if (id == F_EVENT && it->event.category[0] && it->event.quantity > 0 &&
        it->count < EVENTS_MOST)
        it->events[it->count++] = it->event;
    return true;
}

static void copy(char *to, size_t room, const char *text, size_t len)
{
    if (len >= room)
        len = room - 1;
    memcpy(to, text, len);
    to[len] = '\0';
}

static bool on_scalar(void *self, int id, enum pl_json_type type, const char *text,
                      size_t len)
{
    struct event *event = &((struct report_item *)self)->event;
    if (id == F_QUANTITY)
        return type == PL_JSON_NUMBER &&
               pl_decimal_scale(text, len, 0, &event->quantity);
    if (type == PL_JSON_STRING && id == F_REASON)
        copy(event->reason, sizeof event->reason, text, len);
    else if (type == PL_JSON_STRING && id == F_CATEGORY)
        copy(event->category, sizeof event->category, text, len);
    return true;
}

static void *begin(const struct pl_intake_item *item, struct pl_error *err)
{
    static const struct pl_json_calls calls = {on_begin, on_end, on_scalar};
    struct report_item *it = calloc(1, sizeof *it);
    if (!it) {
        pl_error_set(err, PL_NOMEM, "out of memory");
        return NULL;
    }
    it->item = *item;
    if (pl_json_stream_new(rules, sizeof rules / sizeof rules[0], &calls, it,
                           &it->stream, err) == PL_OK)
        return it;
    drop(it);
    return NULL;
}

static enum pl_status data(void *self, const void *bytes, size_t len,
                           struct pl_error *err)
{
    struct report_item *it = self;
    struct pl_error why;
    (void)err;
    it->bytes += len;
    if (!it->broken)
        it->broken = it->bytes > PL_LIMIT_REPORT ||
                     pl_json_stream_feed(it->stream, bytes, len, &why) != PL_OK;
    return PL_OK;
}

struct line {
    struct pl_received received;
    char uuid[PL_ID_TEXT];
};

/* Each line of the report is an outcome of its own, under an id made of the item's
 * and its place. */
static void fill(const struct report_item *it, size_t place, struct line *line)
{
    const struct event *event = &it->events[place];
    struct pl_id id = it->item.fallback;
    uint64_t low;
    memcpy(&low, id.bytes, sizeof low);
    low = pl_hash_mix(low, place);
    memcpy(id.bytes, &low, sizeof low);
    pl_id_format(&id, line->uuid);
    line->received = (struct pl_received){.inbox_id = it->item.row->id,
                                          .item = it->item.index,
                                          .more_to_come = place + 1 < it->count,
                                          .project_id = it->item.row->project_id,
                                          .key_id = it->item.row->key_id,
                                          .uuid = line->uuid,
                                          .category = event->category,
                                          .outcome = "client_discard",
                                          .reason = event->reason,
                                          .quantity = event->quantity};
}

static enum pl_status end(void *self, struct pl_error *err)
{
    struct report_item *it = self;
    struct pl_error why;
    struct line lines[EVENTS_MOST];
    const struct pl_received *received[EVENTS_MOST];
    bool duplicates[EVENTS_MOST];
    if (!it->broken)
        it->broken = pl_json_stream_finish(it->stream, &why) != PL_OK;
    if (it->broken || !it->count)
        return PL_OK;
    for (size_t i = 0; i < it->count; i++) {
        fill(it, i, &lines[i]);
        received[i] = &lines[i].received;
    }
    return pl_receive(it->item.store, received, it->count, duplicates, err);
}

const struct pl_intake_kind pl_intake_report = {begin, data, end, drop};
