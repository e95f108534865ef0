/* Items transaction and span: the names, traces and threads they give to samples. What
 * of them is not readable is left out: the item is the business of who stores events,
 * and stays in the inbox for that. */
#include "base/hash.h"
#include "base/log.h"
#include "formats/decimal.h"
#include "formats/span_parse.h"
#include "web/intake_item.h"
#include "web/limits.h"

#include <stdlib.h>
#include <string.h>

#define SPANS_MOST 1000 /* of one item */

struct span_item {
    struct pl_intake_item item;
    struct pl_span_parser *parser;
    struct pl_span *spans;
    size_t count, cap, bytes;
    bool broken;
};

static void drop(void *self)
{
    struct span_item *it = self;
    if (!it)
        return;
    pl_span_parser_free(it->parser);
    free(it->spans);
    free(it);
}

static bool is_id(const char *text)
{
    struct pl_id id;
    return pl_id_parse(text, &id);
}

static bool add(void *self, const struct pl_span *span)
{
    struct span_item *it = self;
    if (!is_id(span->trace_id) || !span->span_id[0] || span->start_ns <= 0 ||
        span->end_ns < span->start_ns || it->count == SPANS_MOST)
        return true;
    if (it->count == it->cap) {
        size_t cap = it->cap ? 2 * it->cap : 1;
        struct pl_span *grown = realloc(it->spans, cap * sizeof *grown);
        if (!grown)
            return false;
        it->spans = grown;
        it->cap = cap;
    }
    it->spans[it->count++] = *span;
    return true;
}

static void *begin(const struct pl_intake_item *item, enum pl_span_format format,
                   struct pl_error *err)
{
    struct span_item *it = calloc(1, sizeof *it);
    if (!it) {
        pl_error_set(err, PL_NOMEM, "out of memory");
        return NULL;
    }
    it->item = *item;
    if (pl_span_parser_new(format, add, it, &it->parser, err) == PL_OK)
        return it;
    drop(it);
    return NULL;
}

static void *begin_transaction(const struct pl_intake_item *item, struct pl_error *err)
{
    return begin(item, PL_SPAN_TRANSACTION, err);
}

static void *begin_spans(const struct pl_intake_item *item, struct pl_error *err)
{
    return begin(item, PL_SPAN_LIST, err);
}

static enum pl_status data(void *self, const void *bytes, size_t len,
                           struct pl_error *err)
{
    struct span_item *it = self;
    struct pl_error why;
    (void)err;
    it->bytes += len;
    if (!it->broken)
        it->broken = it->bytes > PL_LIMIT_EVENT ||
                     pl_span_parser_feed(it->parser, bytes, len, &why) != PL_OK;
    return PL_OK;
}

static const char *or_null(const char *text)
{
    return text[0] ? text : NULL;
}

/* In the form the store has them: without dashes. False: none. */
static const char *plain_id(const char *text, char plain[static PL_ID_TEXT])
{
    struct pl_id id;
    if (!pl_id_parse(text, &id))
        return NULL;
    pl_id_format(&id, plain);
    return plain;
}

struct ids {
    char trace[PL_ID_TEXT], event[PL_ID_TEXT], profiler[PL_ID_TEXT],
        profile[PL_ID_TEXT];
};

static void fill(const struct pl_span *from, struct ids *ids,
                 struct pl_received_span *to)
{
    uint64_t tid = 0;
    *to = (struct pl_received_span){
        .trace_id = plain_id(from->trace_id, ids->trace),
        .span_id = from->span_id,
        .parent_span_id = or_null(from->parent_span_id),
        .event_id = plain_id(from->event_id, ids->event),
        .profiler_id = plain_id(from->profiler_id, ids->profiler),
        .profile_id = plain_id(from->profile_id, ids->profile),
        .thread_name = or_null(from->thread_name),
        .op = or_null(from->op),
        .name = from->name,
        .is_segment = from->is_segment,
        .has_tid =
            pl_decimal_u64(from->thread_id, strlen(from->thread_id), false, &tid) &&
            tid <= INT64_MAX,
        .tid = (int64_t)tid,
        .start_ns = from->start_ns,
        .end_ns = from->end_ns,
    };
}

static enum pl_status end(void *self, struct pl_error *err)
{
    struct span_item *it = self;
    struct pl_error why = {.message = "too large"};
    bool duplicate;
    if (!it->broken)
        it->broken = pl_span_parser_finish(it->parser, &why) != PL_OK;
    if (it->broken) {
        pl_log(PL_LOG_DEBUG, "web", "%s: %s", it->item.header->type, why.message);
        return PL_OK;
    }
    if (!it->count)
        return PL_OK;
    struct pl_received_span *rows = calloc(it->count, sizeof *rows);
    struct ids *ids = calloc(it->count, sizeof *ids);
    enum pl_status status =
        rows && ids ? PL_OK : pl_error_set(err, PL_NOMEM, "out of memory");
    for (size_t i = 0; i < it->count && status == PL_OK; i++)
        fill(&it->spans[i], &ids[i], &rows[i]);
    const struct pl_received received = {.inbox_id = it->item.row->id,
                                         .item = it->item.index,
                                         .project_id = it->item.row->project_id,
                                         .key_id = it->item.row->key_id,
                                         .spans = rows,
                                         .span_count = it->count};
    const struct pl_received *const one = &received;
    if (status == PL_OK)
        status = pl_receive(it->item.store, &one, 1, &duplicate, err);
    free(ids);
    free(rows);
    return status;
}

const struct pl_intake_kind pl_intake_transaction = {begin_transaction, data, end,
                                                     drop},
                            pl_intake_spans = {begin_spans, data, end, drop};
