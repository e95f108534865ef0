#include "store/receive.h"

#include "base/clock.h"
#include "store/arena.h"
#include "store/db.h"
#include "store/text.h"
#include "store/writer.h"

#include <stdlib.h>
#include <string.h>

#define SEGMENT_REACH_NS (3600 * PL_NS_PER_S) /* how long a segment may have run */
#define SEGMENTS_MAX     20000                /* of one chunk */

struct receive {
    struct pl_store *store;
    const struct pl_received *in;
    struct pl_text_pool pool;
    struct pl_put **puts; /* one a part */
    int64_t chunk_id;
    bool duplicate;
};

static enum pl_status get(struct receive *r, enum pl_sql id, struct pl_stmt **stmt_out,
                          struct pl_error *err)
{
    return pl_stmt_get(r->store, id, stmt_out, err);
}

static void text(struct receive *r, struct pl_stmt *stmt, const char *name,
                 const char *value)
{
    pl_stmt_text(stmt, name, pl_text_clean(&r->pool, value, PL_TEXT_VALUE));
}

/* ---- once only ---- */

static enum pl_status take_item(struct receive *r, struct pl_error *err)
{
    struct pl_stmt *stmt;
    int64_t id = 0;
    enum pl_status status = get(r, PL_SQL_INBOX_PROGRESS, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_int(stmt, ":id", r->in->inbox_id);
    pl_stmt_int(stmt, ":item", r->in->item);
    status = pl_stmt_id(stmt, &id, err);
    if (status == PL_OK && !id)
        return pl_error_set(err, PL_BUSY, "somebody else takes the inbox, too");
    return status;
}

static enum pl_status look_for_duplicate(struct receive *r, struct pl_error *err)
{
    struct pl_stmt *stmt;
    int64_t known = 0;
    enum pl_status status = get(r, PL_SQL_RECEIVE_KNOWN, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_int(stmt, ":project", r->in->project_id);
    pl_stmt_text(stmt, ":uuid", r->in->uuid);
    pl_stmt_text(stmt, ":category", r->in->category);
    status = pl_stmt_id(stmt, &known, err);
    r->duplicate = known;
    if (status != PL_OK || !known)
        return status;
    return pl_counter_add(r->store, "duplicates", 1, err);
}

static void bind_senders(struct receive *r, struct pl_stmt *stmt)
{
    if (r->in->key_id)
        pl_stmt_int(stmt, ":key", r->in->key_id);
    if (r->in->org_id)
        pl_stmt_int(stmt, ":org", r->in->org_id);
}

static enum pl_status write_outcome(struct receive *r, struct pl_error *err)
{
    struct pl_stmt *stmt;
    enum pl_status status = get(r, PL_SQL_RECEIVE_OUTCOME, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_text(stmt, ":uuid", r->in->uuid);
    pl_stmt_int(stmt, ":project", r->in->project_id);
    bind_senders(r, stmt);
    text(r, stmt, ":category", r->in->category);
    text(r, stmt, ":outcome", r->in->outcome);
    text(r, stmt, ":reason", r->in->reason);
    pl_stmt_int(stmt, ":quantity", r->in->quantity ? r->in->quantity : 1);
    pl_stmt_int(stmt, ":now", pl_clock_wall_ns());
    status = pl_stmt_run(stmt, err);
    return status == PL_OK
               ? pl_counter_outcome(r->store, r->in->outcome, r->in->reason, err)
               : status;
}

/* ---- a chunk ---- */

static enum pl_status write_image(struct receive *r,
                                  const struct pl_received_image *image,
                                  struct pl_error *err)
{
    struct pl_stmt *stmt;
    enum pl_status status = get(r, PL_SQL_RECEIVE_IMAGE, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_int(stmt, ":chunk", r->chunk_id);
    text(r, stmt, ":type", image->type);
    text(r, stmt, ":code_file", image->code_file);
    text(r, stmt, ":code_id", image->code_id);
    text(r, stmt, ":debug_file", image->debug_file);
    text(r, stmt, ":debug_id", image->debug_id);
    if (image->address)
        pl_stmt_int(stmt, ":address", (int64_t)image->address);
    if (image->size)
        pl_stmt_int(stmt, ":size", (int64_t)image->size);
    pl_stmt_int(stmt, ":vmaddr", (int64_t)image->vmaddr);
    pl_stmt_text(stmt, ":path",
                 pl_text_clean(&r->pool, image->module_path, PL_TEXT_PATH));
    text(r, stmt, ":build_id", image->module_build_id);
    pl_stmt_text(stmt, ":status",
                 image->is_native && !image->module_path ? "unused" : NULL);
    return pl_stmt_run(stmt, err);
}

static enum pl_status write_measurement(struct receive *r,
                                        const struct pl_received_measurement *value,
                                        struct pl_error *err)
{
    struct pl_stmt *stmt;
    enum pl_status status = get(r, PL_SQL_RECEIVE_MEASUREMENT, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_int(stmt, ":chunk", r->chunk_id);
    text(r, stmt, ":name", value->name);
    text(r, stmt, ":unit", value->unit);
    pl_stmt_int(stmt, ":ts_ns", value->ts_ns);
    pl_stmt_text(stmt, ":value", value->value);
    return pl_stmt_run(stmt, err);
}

static enum pl_status end_session(struct receive *r, struct pl_error *err)
{
    struct pl_stmt *stmt;
    char uuid[PL_ID_TEXT];
    enum pl_status status = get(r, PL_SQL_RECEIVE_END_SESSION, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_id_format(&r->in->session->id, uuid);
    pl_stmt_text(stmt, ":uuid", uuid);
    pl_stmt_int(stmt, ":project", r->in->project_id);
    return pl_stmt_run(stmt, err);
}

/* The writer knows of chunks by their parts only. */
static enum pl_status write_bare_chunk(struct receive *r, struct pl_error *err)
{
    const struct pl_sink_origin *origin = r->in->bare;
    char session[PL_ID_TEXT];
    struct pl_stmt *stmt;
    enum pl_status status = get(r, PL_SQL_RECEIVE_BARE_CHUNK, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_id_format(&r->in->session->id, session);
    pl_stmt_text(stmt, ":uuid", r->in->uuid);
    pl_stmt_text(stmt, ":session", session);
    pl_stmt_int(stmt, ":project", r->in->project_id);
    text(r, stmt, ":event_id", origin->event_id);
    text(r, stmt, ":platform", origin->platform);
    text(r, stmt, ":format", origin->format);
    text(r, stmt, ":source", origin->source);
    pl_stmt_int(stmt, ":at", r->in->session->start_ns);
    pl_stmt_int(stmt, ":received", origin->received_ns);
    return pl_stmt_id(stmt, &r->chunk_id, err);
}

static enum pl_status write_details(struct receive *r, struct pl_error *err)
{
    struct pl_stmt *stmt;
    enum pl_status status = get(r, PL_SQL_RECEIVE_DETAILS, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_int(stmt, ":chunk", r->chunk_id);
    bind_senders(r, stmt);
    pl_stmt_int(stmt, ":debug_meta", r->in->debug_meta);
    pl_stmt_int(stmt, ":has_profile", !r->in->bare);
    text(r, stmt, ":device_class", r->in->device_class);
    return pl_stmt_run(stmt, err);
}

static enum pl_status write_chunk(struct receive *r, struct pl_error *err)
{
    const struct pl_received *in = r->in;
    enum pl_status status = in->bare ? write_bare_chunk(r, err) : PL_OK;
    for (size_t i = 0; i < in->part_count && status == PL_OK; i++) {
        bool known;
        status = pl_put_write(r->puts[i], &known, &r->chunk_id, err);
    }
    if (status == PL_OK)
        status = write_details(r, err);
    for (size_t i = 0; i < in->image_count && status == PL_OK; i++)
        status = write_image(r, &in->images[i], err);
    for (size_t i = 0; i < in->measurement_count && status == PL_OK; i++)
        status = write_measurement(r, &in->measurements[i], err);
    if (status == PL_OK && in->ends_session)
        status = end_session(r, err);
    return status;
}

/* ---- spans ---- */

static enum pl_status insert_span(struct receive *r, const struct pl_received_span *s,
                                  bool *new_out, struct pl_error *err)
{
    struct pl_stmt *stmt;
    int64_t id = 0;
    enum pl_status status = get(r, PL_SQL_RECEIVE_SPAN, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_int(stmt, ":project", r->in->project_id);
    text(r, stmt, ":trace_id", s->trace_id);
    text(r, stmt, ":span_id", s->span_id);
    text(r, stmt, ":parent_span_id", s->parent_span_id);
    text(r, stmt, ":event_id", s->event_id);
    text(r, stmt, ":profiler_id", s->profiler_id);
    text(r, stmt, ":profile_id", s->profile_id);
    if (s->has_tid)
        pl_stmt_int(stmt, ":tid", s->tid);
    text(r, stmt, ":thread_name", s->thread_name);
    text(r, stmt, ":name", s->name);
    text(r, stmt, ":op", s->op);
    pl_stmt_int(stmt, ":is_segment", s->is_segment);
    pl_stmt_int(stmt, ":start_ns", s->start_ns);
    pl_stmt_int(stmt, ":end_ns", s->end_ns);
    status = pl_stmt_id(stmt, &id, err);
    *new_out = id != 0;
    return status;
}

struct slot_of {
    int64_t chunk_id, part_id, thread_id;
};

static enum pl_status add_label(struct receive *r, const struct slot_of *slot,
                                int64_t first, int64_t n, const char *key,
                                const char *value, struct pl_error *err)
{
    const enum pl_sql steps[] = {PL_SQL_INSERT_TAG, PL_SQL_INSERT_LABEL};
    enum pl_status status = PL_OK;
    for (int i = 0; i < 2 && status == PL_OK; i++) {
        struct pl_stmt *stmt;
        status = get(r, steps[i], &stmt, err);
        if (status != PL_OK)
            return status;
        pl_stmt_text(stmt, ":key", key);
        text(r, stmt, ":value", value);
        if (i == 1) {
            pl_stmt_int(stmt, ":part_id", slot->part_id);
            pl_stmt_int(stmt, ":thread_id", slot->thread_id);
            pl_stmt_int(stmt, ":first_tick", first);
            pl_stmt_int(stmt, ":n", n);
        }
        status = pl_stmt_run(stmt, err);
    }
    return status;
}

static enum pl_status label_slot(struct receive *r, const struct pl_received_span *s,
                                 const struct slot_of *slot, struct pl_error *err)
{
    struct pl_stmt *stmt;
    bool row;
    enum pl_status status = get(r, PL_SQL_RECEIVE_LATE_TICKS, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_int(stmt, ":chunk", slot->chunk_id);
    pl_stmt_int(stmt, ":part", slot->part_id);
    pl_stmt_int(stmt, ":thread", slot->thread_id);
    pl_stmt_int(stmt, ":start_ns", s->start_ns);
    pl_stmt_int(stmt, ":end_ns", s->end_ns);
    status = pl_stmt_row(stmt, &row, err);
    if (status != PL_OK || !row)
        return status;
    int64_t first = pl_stmt_column_int(stmt, 0), n = pl_stmt_column_int(stmt, 1);
    pl_stmt_reset(stmt);
    const struct {
        const char *key, *value;
    } labels[] = {
        {"transaction", s->name}, {"trace_id", s->trace_id}, {"span_id", s->span_id}};
    for (size_t i = 0; n > 0 && i < 3 && status == PL_OK; i++)
        status = add_label(r, slot, first, n, labels[i].key, labels[i].value, err);
    return status;
}

/* Slots the segment may overlap: a list, as labelling uses statements of its own. */
static enum pl_status list_slots(struct receive *r, const struct pl_received_span *s,
                                 struct slot_of *slots, size_t room, size_t *count_out,
                                 struct pl_error *err)
{
    struct pl_stmt *stmt;
    bool row = true;
    *count_out = 0;
    enum pl_status status = get(r, PL_SQL_RECEIVE_LATE_SLOTS, &stmt, err);
    if (status != PL_OK)
        return status;
    text(r, stmt, ":profiler_id", s->profiler_id);
    pl_stmt_int(stmt, ":project", r->in->project_id);
    pl_stmt_int(stmt, ":start_ns", s->start_ns);
    pl_stmt_int(stmt, ":end_ns", s->end_ns);
    if (s->has_tid)
        pl_stmt_int(stmt, ":tid", s->tid);
    while (status == PL_OK && row && *count_out < room) {
        status = pl_stmt_row(stmt, &row, err);
        if (status == PL_OK && row)
            slots[(*count_out)++] = (struct slot_of){pl_stmt_column_int(stmt, 0),
                                                     pl_stmt_column_int(stmt, 1),
                                                     pl_stmt_column_int(stmt, 2)};
    }
    if (status == PL_OK)
        pl_stmt_reset(stmt);
    return status;
}

static enum pl_status write_span(struct receive *r, const struct pl_received_span *s,
                                 struct pl_error *err)
{
    struct slot_of slots[256];
    size_t count = 0;
    bool new_one = false;
    enum pl_status status = insert_span(r, s, &new_one, err);
    if (status == PL_OK && new_one && s->is_segment && s->profiler_id)
        status = list_slots(r, s, slots, sizeof slots / sizeof slots[0], &count, err);
    for (size_t i = 0; i < count && status == PL_OK; i++)
        status = label_slot(r, s, &slots[i], err);
    return status;
}

/* ---- all of it ---- */

/* Without a lock. */
static enum pl_status prepare(struct receive *r, struct pl_error *err)
{
    const struct pl_received *in = r->in;
    enum pl_status status = PL_OK;
    r->puts = calloc(in->part_count + 1, sizeof *r->puts);
    if (!r->puts)
        return pl_error_set(err, PL_NOMEM, "out of memory");
    for (size_t i = 0; i < in->part_count && status == PL_OK; i++)
        status =
            pl_put_new(r->store->writer, &in->parts[i], in->session, &r->puts[i], err);
    return status;
}

static enum pl_status write_rows(struct receive *r, struct pl_error *err)
{
    const struct pl_received *in = r->in;
    enum pl_status status = in->more_to_come ? PL_OK : take_item(r, err);
    if (status == PL_OK && in->uuid)
        status = look_for_duplicate(r, err);
    if (status == PL_OK && in->session && !r->duplicate)
        status = pl_writer_session(r->store->writer, in->session, err);
    if (status == PL_OK && in->session && !r->duplicate)
        status = write_chunk(r, err);
    if (status == PL_OK && in->uuid && in->outcome && !r->duplicate)
        status = write_outcome(r, err);
    for (size_t i = 0; i < in->span_count && status == PL_OK; i++)
        status = write_span(r, &in->spans[i], err);
    if (status == PL_OK && !r->duplicate)
        status = pl_counters_add(r->store, in->counts, in->count_count, err);
    if (status == PL_OK && r->pool.failed)
        status = pl_error_set(err, PL_NOMEM, "out of memory");
    return status;
}

static enum pl_status prepare_all(struct pl_store *store, struct receive *all,
                                  size_t count, struct pl_error *err)
{
    struct pl_chunk_sink sink;
    enum pl_status status = pl_store_sink(store, &sink, err); /* makes the writer */
    if (status == PL_OK)
        status = pl_db_begin_read(store, err);
    if (status != PL_OK)
        return status;
    for (size_t i = 0; i < count && status == PL_OK; i++)
        status = prepare(&all[i], err);
    pl_db_end_read(store);
    return status;
}

static enum pl_status write_all(struct pl_store *store, struct receive *all,
                                size_t count, struct pl_error *err)
{
    enum pl_status status = pl_db_begin_write(store, err);
    if (status != PL_OK)
        return status;
    for (size_t i = 0; i < count && status == PL_OK; i++)
        status = write_rows(&all[i], err);
    if (status == PL_OK)
        status = pl_db_commit(store, err);
    else
        pl_db_rollback(store);
    if (status != PL_OK)
        pl_writer_forget(store->writer);
    return status;
}

enum pl_status pl_receive(struct pl_store *store,
                          const struct pl_received *const *received, size_t count,
                          bool *duplicates_out, struct pl_error *err)
{
    struct receive *all = calloc(count + 1, sizeof *all);
    if (!all)
        return pl_error_set(err, PL_NOMEM, "out of memory");
    for (size_t i = 0; i < count; i++)
        all[i] = (struct receive){.store = store, .in = received[i]};
    enum pl_status status = prepare_all(store, all, count, err);
    if (status == PL_OK)
        status = write_all(store, all, count, err);
    for (size_t i = 0; i < count; i++) {
        duplicates_out[i] = status == PL_OK && all[i].duplicate;
        for (size_t p = 0; all[i].puts && p < received[i]->part_count; p++)
            pl_put_free(all[i].puts[p]);
        free(all[i].puts);
        pl_text_pool_deinit(&all[i].pool);
    }
    free(all);
    return status;
}

enum pl_status pl_receive_end_quiet(struct pl_store *store, int64_t before_ns,
                                    struct pl_error *err)
{
    struct pl_stmt *stmt;
    enum pl_status status = pl_db_begin_write(store, err);
    if (status != PL_OK)
        return status;
    status = pl_stmt_get(store, PL_SQL_RECEIVE_END_QUIET, &stmt, err);
    if (status == PL_OK) {
        pl_stmt_int(stmt, ":before", before_ns);
        status = pl_stmt_run(stmt, err);
    }
    if (status == PL_OK)
        return pl_db_commit(store, err);
    pl_db_rollback(store);
    return status;
}

/* ---- segments ---- */

static bool add_segment(struct pl_segment_list *list, struct pl_stmt *stmt)
{
    if (list->count % 64 == 0) {
        struct pl_segment *grown =
            realloc(list->rows, (list->count + 64) * sizeof *grown);
        if (!grown)
            return false;
        list->rows = grown;
    }
    struct pl_segment *row = &list->rows[list->count++];
    *row = (struct pl_segment){
        .start_ns = pl_stmt_column_int(stmt, 0),
        .end_ns = pl_stmt_column_int(stmt, 1),
        .any_thread = pl_stmt_column_int(stmt, 2),
        .tid = pl_stmt_column_int(stmt, 3),
        .name = pl_arena_text(list->owned, pl_stmt_column_text(stmt, 4)),
        .trace_id = pl_arena_text(list->owned, pl_stmt_column_text(stmt, 5)),
        .span_id = pl_arena_text(list->owned, pl_stmt_column_text(stmt, 6)),
    };
    return row->name && row->trace_id && row->span_id;
}

enum pl_status pl_segments(struct pl_store *store, int64_t project_id,
                           const char *profiler_id, int64_t start_ns, int64_t end_ns,
                           struct pl_segment_list *list_out, struct pl_error *err)
{
    struct pl_segment_list list = {.owned = pl_arena_new()};
    struct pl_stmt *stmt = NULL;
    bool row = true;
    if (!list.owned)
        return pl_error_set(err, PL_NOMEM, "out of memory");
    enum pl_status status = pl_stmt_get(store, PL_SQL_RECEIVE_SEGMENTS, &stmt, err);
    if (status == PL_OK) {
        pl_stmt_text(stmt, ":profiler_id", profiler_id);
        pl_stmt_int(stmt, ":project", project_id);
        pl_stmt_int(stmt, ":from_ns", start_ns);
        pl_stmt_int(stmt, ":start_ns", start_ns - SEGMENT_REACH_NS);
        pl_stmt_int(stmt, ":end_ns", end_ns);
    }
    while (status == PL_OK && row && list.count < SEGMENTS_MAX) {
        status = pl_stmt_row(stmt, &row, err);
        if (status == PL_OK && row && !add_segment(&list, stmt))
            status = pl_error_set(err, PL_NOMEM, "out of memory");
    }
    if (stmt)
        pl_stmt_reset(stmt);
    if (status == PL_OK)
        *list_out = list;
    else
        pl_segment_list_deinit(&list);
    return status;
}

void pl_segment_list_deinit(struct pl_segment_list *list)
{
    free(list->rows);
    pl_arena_free(list->owned);
    *list = (struct pl_segment_list){0};
}
