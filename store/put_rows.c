/* The rows of a part: see put_rows.h. */
#include "store/put_rows.h"

#include "base/clock.h"
#include "store/rollup.h"

#include <string.h>

static enum pl_status get(struct pl_put *put, enum pl_sql id, struct pl_stmt **stmt_out,
                          struct pl_error *err)
{
    return pl_stmt_get(put->writer->store, id, stmt_out, err);
}

static int64_t last_id(const struct pl_put *put)
{
    return sqlite3_last_insert_rowid(put->writer->store->db);
}

/* ---- chunk and part ---- */

static void bind_origin(struct pl_put *put, struct pl_stmt *stmt)
{
    static const struct pl_sink_origin here = {.format = "proflite",
                                               .source = "proflite"};
    const struct pl_sink_origin *origin = put->part->origin ? put->part->origin : &here;
    const char *platform = origin->platform ? origin->platform : put->platform;
    const struct {
        const char *name, *text;
    } texts[] = {{":event_id", origin->event_id},
                 {":platform", *platform ? platform : NULL},
                 {":format", origin->format},
                 {":source", origin->source}};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        pl_stmt_text(stmt, texts[i].name,
                     pl_text_clean(&put->pool, texts[i].text, PL_TEXT_NAME));
    pl_stmt_int(stmt, ":received_ns",
                origin == &here ? pl_clock_wall_ns() : origin->received_ns);
}

static enum pl_status write_chunk(struct pl_put *put, struct pl_error *err)
{
    char uuid[PL_ID_TEXT];
    struct pl_stmt *stmt = NULL;
    bool known = put->chunk_id != 0;
    pl_id_format(&put->part->chunk_id, uuid);
    enum pl_status status =
        get(put, known ? PL_SQL_EXTEND_CHUNK : PL_SQL_INSERT_CHUNK, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_int(stmt, ":start_ns", put->slots.start_ns);
    pl_stmt_int(stmt, ":end_ns", put->slots.end_ns);
    if (known) {
        pl_stmt_int(stmt, ":id", put->chunk_id);
        return pl_stmt_run(stmt, err);
    }
    pl_stmt_text(stmt, ":uuid", uuid);
    pl_stmt_int(stmt, ":project_id", put->part->project_id);
    pl_stmt_int(stmt, ":session_id", put->session_id);
    bind_origin(put, stmt);
    status = pl_stmt_run(stmt, err);
    put->chunk_id = last_id(put);
    return status;
}

static enum pl_status write_part(struct pl_put *put, struct pl_error *err)
{
    const struct pl_slots *slots = &put->slots;
    struct pl_stmt *stmt = NULL;
    enum pl_status status = get(put, PL_SQL_INSERT_PART, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_int(stmt, ":chunk_id", put->chunk_id);
    pl_stmt_int(stmt, ":session_id", put->session_id);
    pl_stmt_int(stmt, ":start_ns", slots->start_ns);
    pl_stmt_int(stmt, ":end_ns", slots->end_ns);
    pl_stmt_int(stmt, ":period_ns", put->part->period_ns);
    pl_stmt_int(stmt, ":origin_ns", slots->plan.origin_ns);
    pl_stmt_int(stmt, ":unit_ns", slots->plan.unit_ns);
    pl_stmt_int(stmt, ":tick_width", slots->plan.width);
    pl_stmt_int(stmt, ":tick_count", (int64_t)put->part->tick_count);
    pl_stmt_blob(stmt, ":ticks", slots->ticks, slots->ticks_len);
    pl_stmt_int(stmt, ":bytes", slots->bytes + put->ids.added_bytes);
    pl_stmt_int(stmt, ":live", put->live);
    status = pl_stmt_run(stmt, err);
    put->part_id = last_id(put);
    return status;
}

static const char *thread_name(struct pl_put *put, size_t index)
{
    const char *name = put->part->threads[index].name;
    return pl_text_clean(&put->pool, name ? name : "", PL_TEXT_NAME);
}

/* The how-manieth thread of this tid and name in the part is it? */
static int64_t sequence_of(struct pl_put *put, size_t index)
{
    const struct pl_sink_thread *threads = put->part->threads;
    int64_t seq = 0;
    for (size_t i = 0; i < index; i++)
        if (threads[i].tid == threads[index].tid &&
            strcmp(thread_name(put, i), thread_name(put, index)) == 0)
            seq++;
    return seq;
}

static enum pl_status write_thread(struct pl_put *put, size_t index,
                                   struct pl_error *err)
{
    const struct pl_sink_thread *thread = &put->part->threads[index];
    const char *name = thread_name(put, index);
    int64_t seq = sequence_of(put, index);
    const enum pl_sql steps[] = {PL_SQL_FIND_THREAD, PL_SQL_INSERT_THREAD};
    enum pl_status status = PL_OK;
    int64_t id = 0;
    for (int i = 0; i < 2 && !id && status == PL_OK; i++) {
        struct pl_stmt *stmt = NULL;
        status = get(put, steps[i], &stmt, err);
        if (status != PL_OK)
            return status;
        pl_stmt_int(stmt, ":session_id", put->session_id);
        pl_stmt_int(stmt, ":tid", thread->tid);
        pl_stmt_text(stmt, ":name", name);
        pl_stmt_int(stmt, ":seq", seq);
        status = pl_stmt_id(stmt, &id, err);
        if (i == 1 && status == PL_OK)
            id = last_id(put);
    }
    put->thread_ids[index] = id;
    return status;
}

static enum pl_status write_slot(struct pl_put *put, size_t index, struct pl_error *err)
{
    const struct pl_slot *slot = &put->slots.rows[index];
    int64_t cpu_ns = put->part->threads[index].cpu_ns;
    struct pl_stmt *stmt = NULL;
    if (!slot->n && cpu_ns <= 0)
        return PL_OK;
    enum pl_status status = get(put, PL_SQL_INSERT_SLOT, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_int(stmt, ":part_id", put->part_id);
    pl_stmt_int(stmt, ":thread_id", put->thread_ids[index]);
    pl_stmt_int(stmt, ":n", slot->n);
    pl_stmt_int(stmt, ":n_on", slot->n_on);
    pl_stmt_int(stmt, ":cpu_known", slot->cpu_known);
    if (cpu_ns >= 0)
        pl_stmt_int(stmt, ":cpu_ns", cpu_ns);
    pl_stmt_int(stmt, ":weight", slot->weight);
    pl_stmt_int(stmt, ":nruns", (int64_t)slot->run_count);
    pl_stmt_blob(stmt, ":runs", slot->runs_len ? slot->runs.bytes : (const void *)"",
                 slot->runs_len);
    pl_stmt_blob(stmt, ":ticks", slot->ticks, slot->ticks_len);
    pl_stmt_blob(stmt, ":weights", slot->weights, slot->weights_len);
    if (slot->weights)
        pl_stmt_int(stmt, ":weight_unit", slot->weight_unit);
    return pl_stmt_run(stmt, err);
}

static enum pl_status write_loss(struct pl_put *put, const struct pl_sink_loss *loss,
                                 struct pl_error *err)
{
    struct pl_stmt *stmt = NULL;
    enum pl_status status = get(put, PL_SQL_INSERT_LOSS, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_int(stmt, ":session_id", put->session_id);
    pl_stmt_int(stmt, ":chunk_id", put->chunk_id);
    pl_stmt_int(stmt, ":part_id", put->part_id);
    if (loss->thread != PL_NO_INDEX)
        pl_stmt_int(stmt, ":thread_id", put->thread_ids[loss->thread]);
    pl_stmt_text(stmt, ":reason",
                 pl_text_clean(&put->pool, loss->reason ? loss->reason : "unknown",
                               PL_TEXT_NAME));
    pl_stmt_int(stmt, ":count", (int64_t)loss->count);
    return pl_stmt_run(stmt, err);
}

static enum pl_status write_label(struct pl_put *put, const struct pl_sink_label *label,
                                  struct pl_error *err)
{
    const char *key = pl_text_clean(&put->pool, label->key, PL_TEXT_NAME);
    const char *value = pl_text_clean(&put->pool, label->value, PL_TEXT_VALUE);
    const enum pl_sql steps[] = {PL_SQL_INSERT_TAG, PL_SQL_INSERT_LABEL};
    enum pl_status status = PL_OK;
    for (int i = 0; i < 2 && status == PL_OK; i++) {
        struct pl_stmt *stmt = NULL;
        status = get(put, steps[i], &stmt, err);
        if (status != PL_OK)
            return status;
        pl_stmt_text(stmt, ":key", key);
        pl_stmt_text(stmt, ":value", value);
        if (i == 1) {
            pl_stmt_int(stmt, ":part_id", put->part_id);
            pl_stmt_int(stmt, ":thread_id", put->thread_ids[label->thread]);
            pl_stmt_int(stmt, ":first_tick", label->first_tick);
            pl_stmt_int(stmt, ":n", label->count);
        }
        status = pl_stmt_run(stmt, err);
    }
    return status;
}

static enum pl_status delete_live(struct pl_put *put, int64_t part_id,
                                  struct pl_error *err)
{
    const enum pl_sql steps[] = {PL_SQL_DELETE_LIVE_SLOTS, PL_SQL_DELETE_LIVE_LABELS,
                                 PL_SQL_DELETE_LIVE_LOSSES, PL_SQL_DELETE_LIVE};
    enum pl_status status = PL_OK;
    for (size_t i = 0; i < sizeof steps / sizeof *steps && status == PL_OK; i++) {
        struct pl_stmt *stmt = NULL;
        status = get(put, steps[i], &stmt, err);
        if (status != PL_OK)
            return status;
        pl_stmt_int(stmt, ":part", part_id);
        if (steps[i] == PL_SQL_DELETE_LIVE_LOSSES)
            pl_stmt_int(stmt, ":session_id", put->session_id);
        status = pl_stmt_run(stmt, err);
    }
    return status;
}

/* What was live until the end of this part. */
static enum pl_status drop_live(struct pl_put *put, struct pl_error *err)
{
    int64_t part_id = 1;
    enum pl_status status = PL_OK;
    while (status == PL_OK && part_id) {
        struct pl_stmt *stmt = NULL;
        status = get(put, PL_SQL_FIND_LIVE, &stmt, err);
        if (status != PL_OK)
            return status;
        pl_stmt_int(stmt, ":session_id", put->session_id);
        pl_stmt_int(stmt, ":end_ns", put->part->end_ns);
        status = pl_stmt_id(stmt, &part_id, err);
        if (status == PL_OK && part_id)
            status = delete_live(put, part_id, err);
    }
    return status;
}

static enum pl_status extend_session(struct pl_put *put, struct pl_error *err)
{
    struct pl_stmt *stmt = NULL;
    enum pl_status status = get(put, PL_SQL_EXTEND_SESSION, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_int(stmt, ":id", put->session_id);
    pl_stmt_int(stmt, ":start_ns", put->slots.start_ns);
    pl_stmt_int(stmt, ":end_ns", put->slots.end_ns);
    pl_stmt_int(stmt, ":slowed_ticks",
                put->live ? 0 : (int64_t)(put->part->slowed_ticks & INT32_MAX));
    return pl_stmt_run(stmt, err);
}

enum pl_status pl_put_rows(struct pl_put *put, struct pl_error *err)
{
    const struct pl_sink_part *part = put->part;
    enum pl_status status = drop_live(put, err);
    if (status == PL_OK)
        status = write_chunk(put, err);
    if (status == PL_OK)
        status = write_part(put, err);
    for (size_t i = 0; i < part->thread_count && status == PL_OK; i++) {
        status = write_thread(put, i, err);
        if (status == PL_OK)
            status = write_slot(put, i, err);
    }
    for (size_t i = 0; i < part->loss_count && status == PL_OK; i++)
        if (part->losses[i].count)
            status = write_loss(put, &part->losses[i], err);
    for (size_t i = 0; i < part->label_count && status == PL_OK; i++)
        status = write_label(put, &part->labels[i], err);
    if (status == PL_OK)
        status = extend_session(put, err);
    if (status == PL_OK)
        status = pl_rollup_part_added(put->writer->store, put->session_id, put->part_id,
                                      put->slots.start_ns, put->slots.end_ns, err);
    return status;
}
