/* Listing: labels with samples in the selection.
 *
 * Of one slot and one key, a table of bins says which value each tick carries, so
 * that the pieces of the slot come out by value. Where spans of one key overlap, the
 * later row counts. */
#include "store/arena.h"
#include "store/db.h"
#include "store/query_select.h"
#include "store/stack_set.h"

#include <stdlib.h>
#include <string.h>

struct span {
    uint32_t thread_id, first_tick, count;
    uint32_t row; /* of the answer: a tag */
};

/* Rows of one key share the number of the first; only its `slot` is used. */
struct tag_key {
    uint32_t first;
    uint64_t slot; /* the last one counted by this key */
};

struct list {
    struct pl_store *store;
    struct pl_arena *arena;
    struct pl_idmap tags; /* tag -> row */
    struct pl_label_row *rows;
    struct tag_key *keys; /* of each row */
    size_t cap;
    uint64_t slots;     /* looked at so far */
    struct span *spans; /* of part `part_id` */
    size_t span_count, span_cap;
    int64_t part_id;
    struct pl_tick_bins bins;
    struct pl_pieces pieces;
    struct pl_stack_set only;
};

static enum pl_status out_of_memory(struct pl_error *err)
{
    return pl_error_set(err, PL_NOMEM, "out of memory for labels");
}

/* ---- rows ---- */

static enum pl_status read_tag(struct list *list, uint32_t tag,
                               struct pl_label_row *row, struct pl_error *err)
{
    struct pl_stmt *stmt;
    bool found;
    enum pl_status status =
        pl_stmt_find(list->store, PL_SQL_QUERY_TAG, ":id", tag, &stmt, &found, err);
    if (status != PL_OK)
        return status;
    row->key = pl_arena_text(list->arena, found ? pl_stmt_column_text(stmt, 0) : "");
    row->value = pl_arena_text(list->arena, found ? pl_stmt_column_text(stmt, 1) : "");
    if (found)
        pl_stmt_reset(stmt);
    return row->key && row->value ? PL_OK : out_of_memory(err);
}

static enum pl_status row_of(struct list *list, uint32_t tag, uint32_t *row_out,
                             struct pl_error *err)
{
    uint32_t known = list->tags.count, row = pl_idmap_add(&list->tags, tag);
    if (row == PL_IDMAP_NONE)
        return out_of_memory(err);
    *row_out = row;
    if (row < known)
        return PL_OK;
    if (row >= list->cap) {
        size_t cap = list->cap ? list->cap * 2 : 64;
        struct pl_label_row *rows = realloc(list->rows, cap * sizeof *rows);
        if (rows)
            list->rows = rows;
        struct tag_key *keys = realloc(list->keys, cap * sizeof *keys);
        if (keys)
            list->keys = keys;
        if (!rows || !keys)
            return out_of_memory(err);
        list->cap = cap;
    }
    list->rows[row] = (struct pl_label_row){0};
    enum pl_status status = read_tag(list, tag, &list->rows[row], err);
    uint32_t first = 0;
    while (status == PL_OK && strcmp(list->rows[first].key, list->rows[row].key) != 0)
        first++;
    list->keys[row] = (struct tag_key){.first = first};
    return status;
}

/* ---- spans ---- */

static enum pl_status add_span(struct list *list, const int64_t value[4],
                               struct pl_error *err)
{
    for (int i = 0; i < 4; i++)
        if (value[i] < 0 || value[i] >= INT32_MAX)
            return PL_OK; /* what cannot be counts for nothing */
    if (list->span_count == list->span_cap) {
        size_t cap = list->span_cap ? list->span_cap * 2 : 64;
        struct span *grown = realloc(list->spans, cap * sizeof *grown);
        if (!grown)
            return out_of_memory(err);
        list->spans = grown;
        list->span_cap = cap;
    }
    struct span *span = &list->spans[list->span_count];
    *span =
        (struct span){(uint32_t)value[0], (uint32_t)value[1], (uint32_t)value[2], 0};
    list->span_count++;
    return value[3] ? row_of(list, (uint32_t)value[3], &span->row, err) : PL_OK;
}

static enum pl_status load_spans(struct list *list, int64_t part_id,
                                 struct pl_error *err)
{
    struct pl_stmt *stmt;
    bool row;
    list->span_count = 0;
    list->part_id = part_id;
    enum pl_status status = pl_stmt_get(list->store, PL_SQL_QUERY_LABELS, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_int(stmt, ":part", part_id);
    while ((status = pl_stmt_row(stmt, &row, err)) == PL_OK && row) {
        int64_t value[4];
        for (int i = 0; i < 4; i++)
            value[i] = pl_stmt_column_int(stmt, i);
        status = add_span(list, value, err);
        if (status != PL_OK) {
            pl_stmt_reset(stmt);
            break;
        }
    }
    return status;
}

/* ---- counting ---- */

static bool reserve_bins(struct list *list, size_t ticks)
{
    if (ticks > list->bins.cap) {
        uint32_t *bin = realloc(list->bins.bin, ticks * sizeof *bin);
        if (bin)
            list->bins.bin = bin;
        uint32_t *next = realloc(list->bins.next, ticks * sizeof *next);
        if (next)
            list->bins.next = next;
        if (!bin || !next)
            return false;
        list->bins.cap = ticks;
    }
    return true;
}

/* The value of `key` at each tick of the slot, PL_BIN_NONE outside. */
static void fill_bins(struct list *list, const struct pl_slot *slot, uint32_t key,
                      size_t ticks)
{
    for (size_t i = 0; i < ticks; i++)
        list->bins.bin[i] = PL_BIN_NONE;
    for (size_t s = 0; s < list->span_count; s++) {
        const struct span *span = &list->spans[s];
        size_t end = (size_t)span->first_tick + span->count;
        if (span->thread_id != slot->thread_id || list->keys[span->row].first != key)
            continue;
        for (size_t i = span->first_tick; i < end && i < ticks; i++)
            if (!slot->bins || slot->bins->bin[i] != PL_BIN_NONE)
                list->bins.bin[i] = span->row;
    }
    pl_tick_bins_link(&list->bins, ticks);
}

static bool count_key(struct list *list, const struct pl_slot *slot, uint32_t key)
{
    struct pl_slot cut = *slot;
    size_t ticks = 0;
    for (size_t i = 0; i < slot->run_count; i++)
        ticks += slot->runs[i].count;
    if (!reserve_bins(list, ticks))
        return false;
    fill_bins(list, slot, key, ticks);
    cut.bins = &list->bins;
    if (!pl_slot_pieces(&cut, &list->pieces))
        return false;
    for (size_t i = 0; i < list->pieces.count; i++) {
        const struct pl_piece *piece = &list->pieces.list[i];
        struct pl_label_row *row = &list->rows[piece->bin];
        if (!pl_stack_set_has(&list->only, piece->stack))
            continue;
        row->samples += piece->samples;
        row->weight_ns += piece->wall_ns;
        row->cpu_ns += piece->cpu_ns;
    }
    return true;
}

static enum pl_status count_slot(void *self, const struct pl_slot *slot,
                                 struct pl_error *err)
{
    struct list *list = self;
    if (slot->part_id != list->part_id) {
        enum pl_status status = load_spans(list, slot->part_id, err);
        if (status != PL_OK)
            return status;
    }
    list->slots++;
    for (size_t i = 0; i < list->span_count; i++) {
        uint32_t key = list->keys[list->spans[i].row].first;
        if (list->spans[i].thread_id != slot->thread_id ||
            list->keys[key].slot == list->slots)
            continue;
        list->keys[key].slot = list->slots;
        if (!count_key(list, slot, key))
            return out_of_memory(err);
    }
    return PL_OK;
}

/* ---- the list ---- */

static int compare_rows(const void *left, const void *right)
{
    const struct pl_label_row *a = left, *b = right;
    int order = strcmp(a->key, b->key);
    if (!order)
        order = (a->weight_ns < b->weight_ns) - (a->weight_ns > b->weight_ns);
    return order ? order : strcmp(a->value, b->value);
}

static size_t finish(struct list *list)
{
    size_t kept = 0;
    for (size_t i = 0; i < list->tags.count; i++)
        if (list->rows[i].samples)
            list->rows[kept++] = list->rows[i];
    if (kept)
        qsort(list->rows, kept, sizeof *list->rows, compare_rows);
    return kept;
}

enum pl_status pl_query_labels(struct pl_store *store,
                               const struct pl_selection *selection,
                               struct pl_label_list *list_out, struct pl_error *err)
{
    struct list list = {.store = store, .arena = pl_arena_new(), .part_id = -1};
    const struct pl_slot_visitor visitor = {.self = &list, .slot = count_slot};
    struct pl_selected selected;
    enum pl_status status = pl_db_begin_read(store, err);
    if (status == PL_OK && (!list.arena || !pl_idmap_init(&list.tags, 0, 0)))
        status = out_of_memory(err);
    if (status == PL_OK)
        status = pl_stack_set_init(&list.only, store, selection, err);
    if (status == PL_OK)
        status = pl_select_slots(store, selection, NULL, &visitor, &selected, err);
    pl_db_end_read(store);
    if (status == PL_OK) {
        size_t count = finish(&list);
        *list_out = (struct pl_label_list){list.rows, count, list.arena};
        list.rows = NULL;
        list.arena = NULL;
    }
    pl_arena_free(list.arena);
    pl_idmap_deinit(&list.tags);
    pl_stack_set_deinit(&list.only);
    free(list.rows);
    free(list.keys);
    free(list.spans);
    free(list.bins.bin);
    free(list.bins.next);
    free(list.pieces.list);
    return status;
}

void pl_label_list_deinit(struct pl_label_list *list)
{
    free(list->rows);
    pl_arena_free(list->owned);
    *list = (struct pl_label_list){0};
}
