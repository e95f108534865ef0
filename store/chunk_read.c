/* Session, threads, samples and labels of a chunk; stacks are in
 * chunk_read_stacks.c. */
#include "store/chunk_read_state.h"
#include "store/query_select.h"

#include <string.h>

#define TRACE_KEY "trace"
#define NAME_KEY  "transaction"

static const char *keep(struct pl_chunk_reader *reader, const char *text)
{
    return pl_arena_text(reader->to->owned, text);
}

/* ---- what it is of ---- */

static enum pl_status read_head(struct pl_chunk_reader *reader, int64_t chunk_id,
                                struct pl_error *err)
{
    struct pl_whole_chunk *to = reader->to;
    struct pl_stmt *stmt;
    bool row;
    enum pl_status status = pl_stmt_find(reader->store, PL_SQL_CHUNK_READ_HEAD,
                                         ":chunk", chunk_id, &stmt, &row, err);
    if (status != PL_OK)
        return status;
    if (!row)
        return pl_error_set(err, PL_NOT_FOUND, "there is no chunk %lld",
                            (long long)chunk_id);
    const char **texts[] = {&to->uuid,     &to->session_uuid, &to->app,
                            &to->release,  &to->environment,  &to->dist,
                            &to->platform, &to->mode};
    bool ok = true;
    to->id = chunk_id;
    reader->session_id = pl_stmt_column_int(stmt, 0);
    to->start_ns = pl_stmt_column_int(stmt, 1);
    to->end_ns = pl_stmt_column_int(stmt, 2);
    for (int i = 0; i < 8 && ok; i++) {
        *texts[i] = keep(reader, pl_stmt_column_text(stmt, 3 + i));
        ok = *texts[i] != NULL;
    }
    pl_stmt_reset(stmt);
    return ok ? PL_OK : pl_chunk_no_memory(err);
}

static enum pl_status find_thread(struct pl_chunk_reader *reader, uint32_t id,
                                  uint32_t *index_out, struct pl_error *err)
{
    struct pl_whole_chunk *to = reader->to;
    struct pl_stmt *stmt;
    bool row;
    *index_out = pl_idmap_find(&reader->threads, id);
    if (*index_out != PL_IDMAP_NONE)
        return PL_OK;
    *index_out = pl_idmap_add(&reader->threads, id);
    if (*index_out == PL_IDMAP_NONE ||
        !PL_CHUNK_GROW(to, threads, thread_count, thread_cap))
        return pl_chunk_no_memory(err);
    enum pl_status status =
        pl_stmt_find(reader->store, PL_SQL_QUERY_THREAD, ":id", id, &stmt, &row, err);
    if (status != PL_OK)
        return status;
    if (!row)
        return pl_error_set(err, PL_INPUT, "%s is damaged: there is no thread %u",
                            pl_store_path(reader->store), id);
    to->threads[to->thread_count++] =
        (struct pl_chunk_thread){.id = id,
                                 .tid = pl_stmt_column_int(stmt, 1),
                                 .name = keep(reader, pl_stmt_column_text(stmt, 2)),
                                 .end_ns = INT64_MIN};
    pl_stmt_reset(stmt);
    return to->threads[to->thread_count - 1].name ? PL_OK : pl_chunk_no_memory(err);
}

/* ---- samples ---- */

static enum pl_status push(struct pl_chunk_reader *reader,
                           const struct pl_chunk_stretch *next, struct pl_error *err)
{
    struct pl_whole_chunk *to = reader->to;
    struct pl_chunk_thread *thread = &to->threads[next->thread];
    struct pl_chunk_stretch *last =
        to->stretch_count ? &to->stretches[to->stretch_count - 1] : NULL;
    int64_t end_ns;
    if (__builtin_add_overflow(next->start_ns, next->weight_ns, &end_ns))
        return pl_error_set(err, PL_INPUT, "%s is damaged: a sample never ends",
                            pl_store_path(reader->store));
    if (last && last->thread == next->thread && last->stack == next->stack &&
        last->weight_ns == next->weight_ns && thread->end_ns == next->start_ns &&
        last->count < INT32_MAX) {
        last->count++;
    } else {
        if (!PL_CHUNK_GROW(to, stretches, stretch_count, stretch_cap))
            return pl_chunk_no_memory(err);
        to->stretches[to->stretch_count++] = *next;
    }
    thread->end_ns = end_ns;
    to->samples++;
    return PL_OK;
}

/* A sample speaks of the time up to it, beyond its own tick: when the sampler woke too
 * late the ticks it missed are in its weight. Jitter of less than a period is no gap,
 * and what ticks overlap is pushed on. */
static enum pl_status lay(struct pl_chunk_reader *reader, struct pl_chunk_stretch *next,
                          int64_t at_ns, int64_t period_ns, struct pl_error *err)
{
    const struct pl_chunk_thread *thread = &reader->to->threads[next->thread];
    int64_t latest_ns;
    if (__builtin_add_overflow(at_ns, period_ns - next->weight_ns, &next->start_ns))
        next->start_ns = at_ns;
    if (thread->end_ns != INT64_MIN &&
        (__builtin_add_overflow(thread->end_ns, period_ns, &latest_ns) ||
         next->start_ns <= latest_ns))
        next->start_ns = thread->end_ns;
    return push(reader, next, err);
}

static enum pl_status take_run(struct pl_chunk_reader *reader,
                               const struct pl_slot *slot, size_t index, uint32_t tick,
                               uint32_t thread, struct pl_error *err)
{
    const struct pl_slot_run *run = &slot->runs[index];
    struct pl_chunk_stretch next = {
        .thread = thread,
        .stack = pl_idmap_add(&reader->stacks, run->stack),
        .count = 1,
        .weight_ns = slot->weights_ns ? slot->weights_ns[index] : slot->period_ns,
    };
    if (next.stack == PL_IDMAP_NONE)
        return pl_chunk_no_memory(err);
    enum pl_status status = PL_OK;
    for (uint32_t end = tick + run->count; tick < end && status == PL_OK; tick++)
        status =
            lay(reader, &next, pl_ticks_at(slot->ticks, tick), slot->period_ns, err);
    return status;
}

/* ---- labels ---- */

struct label_row {
    int64_t first, n, tag;
};

/* When the span began, if that was in an earlier part; and whether a later one has it,
 * too. */
static enum pl_status look_around(struct pl_chunk_reader *reader, int64_t tag,
                                  struct pl_chunk_label *label, bool *later_out,
                                  struct pl_error *err)
{
    struct pl_stmt *stmt;
    bool row;
    enum pl_status status =
        pl_stmt_get(reader->store, PL_SQL_CHUNK_READ_SPAN, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_int(stmt, ":tag", tag);
    pl_stmt_int(stmt, ":session", reader->session_id);
    pl_stmt_int(stmt, ":chunk", reader->to->id);
    pl_stmt_int(stmt, ":start", reader->to->start_ns);
    status = pl_stmt_row(stmt, &row, err);
    if (status != PL_OK || !row)
        return status;
    int64_t first_ns = pl_stmt_column_int(stmt, 1);
    *later_out = pl_stmt_column_int(stmt, 0);
    if (!pl_stmt_column_is_null(stmt, 1) && first_ns < label->start_ns)
        label->start_ns = first_ns;
    pl_stmt_reset(stmt);
    return PL_OK;
}

static enum pl_status read_tag(struct pl_chunk_reader *reader, int64_t tag,
                               struct pl_chunk_label *label, struct pl_error *err)
{
    struct pl_stmt *stmt;
    bool row;
    enum pl_status status =
        pl_stmt_find(reader->store, PL_SQL_QUERY_TAG, ":id", tag, &stmt, &row, err);
    if (status != PL_OK)
        return status;
    if (!row)
        return pl_error_set(err, PL_INPUT, "%s is damaged: there is no tag %lld",
                            pl_store_path(reader->store), (long long)tag);
    label->key = keep(reader, pl_stmt_column_text(stmt, 0));
    label->value = keep(reader, pl_stmt_column_text(stmt, 1));
    pl_stmt_reset(stmt);
    return label->key && label->value ? PL_OK : pl_chunk_no_memory(err);
}

static enum pl_status take_label(struct pl_chunk_reader *reader,
                                 const struct pl_slot *slot, uint32_t thread,
                                 const struct label_row *row, struct pl_error *err)
{
    struct pl_whole_chunk *to = reader->to;
    struct pl_chunk_label label = {.thread = thread};
    bool later = false;
    if (row->first < 0 || row->n < 1 || row->first > INT32_MAX || row->n > INT32_MAX)
        return PL_OK;
    label.start_ns = pl_ticks_at(slot->ticks, (size_t)row->first);
    label.end_ns =
        pl_ticks_at(slot->ticks, (size_t)(row->first + row->n - 1)) + slot->period_ns;
    enum pl_status status = read_tag(reader, row->tag, &label, err);
    if (status == PL_OK && strcmp(label.key, TRACE_KEY) == 0) {
        label.trace = label.value;
        status = look_around(reader, row->tag, &label, &later, err);
    }
    if (status != PL_OK || later)
        return status;
    if (!PL_CHUNK_GROW(to, labels, label_count, label_cap))
        return pl_chunk_no_memory(err);
    to->labels[to->label_count++] = label;
    return PL_OK;
}

static enum pl_status take_labels(struct pl_chunk_reader *reader,
                                  const struct pl_slot *slot, uint32_t thread,
                                  struct pl_error *err)
{
    struct label_row rows[64];
    size_t count = 64;
    int64_t after = 0;
    enum pl_status status = PL_OK;
    while (count == 64 && status == PL_OK) {
        struct pl_stmt *stmt;
        bool row = true;
        count = 0;
        status = pl_stmt_get(reader->store, PL_SQL_CHUNK_READ_LABELS, &stmt, err);
        if (status != PL_OK)
            return status;
        pl_stmt_int(stmt, ":part", slot->part_id);
        pl_stmt_int(stmt, ":thread", slot->thread_id);
        pl_stmt_int(stmt, ":after", after);
        while (status == PL_OK && row && count < 64) {
            status = pl_stmt_row(stmt, &row, err);
            if (status != PL_OK || !row)
                break;
            after = pl_stmt_column_int(stmt, 0);
            rows[count++] = (struct label_row){pl_stmt_column_int(stmt, 1),
                                               pl_stmt_column_int(stmt, 2),
                                               pl_stmt_column_int(stmt, 3)};
        }
        if (row)
            pl_stmt_reset(stmt);
        for (size_t i = 0; i < count && status == PL_OK; i++)
            status = take_label(reader, slot, thread, &rows[i], err);
    }
    return status;
}

/* A root span's name is another label, of the same thread then. */
static void name_spans(struct pl_whole_chunk *chunk)
{
    for (size_t i = 0; i < chunk->label_count; i++) {
        struct pl_chunk_label *span = &chunk->labels[i];
        if (!span->trace)
            continue;
        span->value = "";
        for (size_t j = 0; j < chunk->label_count && !*span->value; j++) {
            const struct pl_chunk_label *name = &chunk->labels[j];
            if (!name->trace && strcmp(name->key, NAME_KEY) == 0 &&
                name->thread == span->thread && name->start_ns < span->end_ns &&
                name->end_ns > span->start_ns &&
                (name->end_ns >= span->end_ns || name->start_ns <= span->start_ns))
                span->value = name->value;
        }
    }
}

/* ---- all of it ---- */

static enum pl_status take_slot(void *self, const struct pl_slot *slot,
                                struct pl_error *err)
{
    struct pl_chunk_reader *reader = self;
    uint32_t tick = 0, thread;
    enum pl_status status = find_thread(reader, slot->thread_id, &thread, err);
    for (size_t i = 0; i < slot->run_count && status == PL_OK; i++) {
        if (slot->runs[i].stack && !reader->labels_only)
            status = take_run(reader, slot, i, tick, thread, err);
        tick += slot->runs[i].count;
    }
    return status == PL_OK ? take_labels(reader, slot, thread, err) : status;
}

static int by_thread(const void *left, const void *right)
{
    const struct pl_chunk_stretch *a = left, *b = right;
    if (a->thread != b->thread)
        return a->thread < b->thread ? -1 : 1;
    return (a->start_ns > b->start_ns) - (a->start_ns < b->start_ns);
}

static bool init_maps(struct pl_chunk_reader *reader)
{
    return pl_idmap_init(&reader->threads, 0, 0) &&
           pl_idmap_init(&reader->stacks, 0, 0) &&
           pl_idmap_init(&reader->frames, 0, 0) &&
           pl_idmap_init(&reader->modules, 0, 0);
}

static enum pl_status read_all(struct pl_chunk_reader *reader, int64_t chunk_id,
                               struct pl_error *err)
{
    const struct pl_slot_visitor visitor = {
        .self = reader, .slot = take_slot, .wants_ticks = true};
    struct pl_whole_chunk *to = reader->to;
    to->owned = pl_arena_new();
    if (!to->owned || !init_maps(reader))
        return pl_chunk_no_memory(err);
    enum pl_status status = pl_db_begin_read(reader->store, err);
    if (status != PL_OK)
        return status;
    status = read_head(reader, chunk_id, err);
    if (status == PL_OK)
        status = pl_select_chunk(reader->store, chunk_id, &visitor, err);
    if (status == PL_OK && !reader->labels_only)
        status = pl_chunk_read_stacks(reader, err);
    pl_db_end_read(reader->store);
    if (to->stretch_count)
        qsort(to->stretches, to->stretch_count, sizeof *to->stretches, by_thread);
    name_spans(to);
    return status;
}

enum pl_status pl_chunk_read(struct pl_store *store, int64_t chunk_id, bool labels_only,
                             struct pl_whole_chunk *chunk_out, struct pl_error *err)
{
    struct pl_whole_chunk chunk = {0};
    struct pl_chunk_reader reader = {
        .store = store, .to = &chunk, .labels_only = labels_only};
    enum pl_status status = read_all(&reader, chunk_id, err);
    pl_idmap_deinit(&reader.threads);
    pl_idmap_deinit(&reader.stacks);
    pl_idmap_deinit(&reader.frames);
    pl_idmap_deinit(&reader.modules);
    if (status == PL_OK)
        *chunk_out = chunk;
    else
        pl_whole_chunk_deinit(&chunk);
    return status;
}

void pl_whole_chunk_deinit(struct pl_whole_chunk *chunk)
{
    free(chunk->stretches);
    free(chunk->threads);
    free(chunk->stacks);
    free(chunk->words);
    free(chunk->frames);
    free(chunk->calls);
    free(chunk->modules);
    free(chunk->labels);
    pl_arena_free(chunk->owned);
    *chunk = (struct pl_whole_chunk){0};
}
