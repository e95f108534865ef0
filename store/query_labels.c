/* Labels of a selection: see query_labels.h. */
#include "store/query_labels.h"

#include "store/db.h"

#include <stdlib.h>
#include <string.h>

#define KEYS_MAX 64

static enum pl_status out_of_memory(struct pl_error *err)
{
    return pl_error_set(err, PL_NOMEM, "out of memory for labels");
}

void pl_part_labels_deinit(struct pl_part_labels *labels)
{
    free(labels->spans);
    free(labels->masks);
    free(labels->tag_keys);
    free(labels->bins.bin);
    free(labels->bins.next);
    pl_idmap_deinit(&labels->tags);
    *labels = (struct pl_part_labels){0};
}

/* ---- tags ---- */

static enum pl_status add_tag(struct pl_part_labels *labels, int64_t id, uint32_t key,
                              struct pl_error *err)
{
    if (id <= 0 || id >= UINT32_MAX)
        return PL_OK;
    uint32_t place = pl_idmap_add(&labels->tags, (uint32_t)id);
    if (place == PL_IDMAP_NONE)
        return out_of_memory(err);
    if ((place & (place - 1)) == 0) { /* a power of two is full; so is nothing */
        size_t room = place ? (size_t)place * 2 : 1;
        uint32_t *grown = realloc(labels->tag_keys, room * sizeof *grown);
        if (!grown)
            return out_of_memory(err);
        labels->tag_keys = grown;
    }
    labels->tag_keys[place] = key;
    return PL_OK;
}

static enum pl_status find_tags(struct pl_part_labels *labels, struct pl_store *store,
                                const struct pl_label *label, uint32_t key,
                                struct pl_error *err)
{
    struct pl_stmt *stmt;
    bool row;
    enum pl_status status = pl_stmt_get(store, PL_SQL_SELECT_TAGS, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_text(stmt, ":key", label->key);
    pl_stmt_text(stmt, ":value", label->value);
    while ((status = pl_stmt_row(stmt, &row, err)) == PL_OK && row) {
        status = add_tag(labels, pl_stmt_column_int(stmt, 0), key, err);
        if (status != PL_OK) {
            pl_stmt_reset(stmt);
            break;
        }
    }
    return status;
}

/* Keys are numbered as they first come; several values of one key have its number. */
static uint32_t number_of(const struct pl_selection *selection, size_t label)
{
    uint32_t keys = 0;
    for (size_t i = 0;; i++) {
        size_t first = 0;
        while (strcmp(selection->labels[first].key, selection->labels[i].key) != 0)
            first++;
        if (first == i &&
            strcmp(selection->labels[label].key, selection->labels[i].key) == 0)
            return keys;
        keys += first == i;
    }
}

enum pl_status pl_part_labels_init(struct pl_part_labels *labels,
                                   struct pl_store *store,
                                   const struct pl_selection *selection,
                                   struct pl_error *err)
{
    enum pl_status status = PL_OK;
    *labels = (struct pl_part_labels){0};
    if (!selection->label_count)
        return PL_OK;
    if (!pl_idmap_init(&labels->tags, 0, 0))
        return out_of_memory(err);
    for (size_t i = 0; i < selection->label_count && status == PL_OK; i++) {
        uint32_t key = number_of(selection, i);
        if (key >= KEYS_MAX)
            return pl_error_set(err, PL_USAGE, "more than %d different labels",
                                KEYS_MAX);
        if (key == labels->keys)
            labels->keys++;
        status = find_tags(labels, store, &selection->labels[i], key, err);
    }
    return status;
}

/* ---- spans ---- */

static bool add_span(struct pl_part_labels *labels, struct pl_label_span span)
{
    if (labels->count == labels->cap) {
        size_t cap = labels->cap ? labels->cap * 2 : 64;
        struct pl_label_span *grown = realloc(labels->spans, cap * sizeof *grown);
        if (!grown)
            return false;
        labels->spans = grown;
        labels->cap = cap;
    }
    labels->spans[labels->count++] = span;
    return true;
}

/* A row of select_labels; false: out of memory. What cannot be is left out. */
static bool take_span(struct pl_part_labels *labels, const struct pl_stmt *stmt)
{
    int64_t value[4];
    for (int i = 0; i < 4; i++) {
        value[i] = pl_stmt_column_int(stmt, i);
        if (value[i] < 0 || value[i] >= INT32_MAX)
            return true;
    }
    uint32_t place = pl_idmap_find(&labels->tags, (uint32_t)value[3]);
    if (place == PL_IDMAP_NONE)
        return true;
    return add_span(labels, (struct pl_label_span){.thread_id = (uint32_t)value[0],
                                                   .first_tick = (uint32_t)value[1],
                                                   .count = (uint32_t)value[2],
                                                   .tag_id = (uint32_t)value[3],
                                                   .key = labels->tag_keys[place]});
}

enum pl_status pl_part_labels_load(struct pl_part_labels *labels,
                                   struct pl_store *store, int64_t part_id,
                                   struct pl_error *err)
{
    struct pl_stmt *stmt;
    bool row;
    labels->count = 0;
    enum pl_status status = pl_stmt_get(store, PL_SQL_SELECT_LABELS, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_int(stmt, ":part", part_id);
    while ((status = pl_stmt_row(stmt, &row, err)) == PL_OK && row)
        if (!take_span(labels, stmt)) {
            pl_stmt_reset(stmt);
            return out_of_memory(err);
        }
    return status;
}

bool pl_part_labels_has(const struct pl_part_labels *labels, int64_t thread_id)
{
    for (size_t i = 0; i < labels->count; i++)
        if (labels->spans[i].thread_id == thread_id)
            return true;
    return false;
}

/* ---- cutting ---- */

static bool reserve(struct pl_part_labels *labels, size_t ticks)
{
    if (ticks <= labels->mask_cap)
        return true;
    uint64_t *masks = realloc(labels->masks, ticks * sizeof *masks);
    if (masks)
        labels->masks = masks;
    uint32_t *bin = realloc(labels->bins.bin, ticks * sizeof *bin);
    if (bin)
        labels->bins.bin = bin;
    uint32_t *next = realloc(labels->bins.next, ticks * sizeof *next);
    if (next)
        labels->bins.next = next;
    if (!masks || !bin || !next)
        return false;
    labels->mask_cap = ticks;
    return true;
}

static void mark(struct pl_part_labels *labels, uint32_t thread_id, size_t ticks)
{
    memset(labels->masks, 0, ticks * sizeof *labels->masks);
    for (size_t i = 0; i < labels->count; i++) {
        const struct pl_label_span *span = &labels->spans[i];
        size_t end = (size_t)span->first_tick + span->count;
        if (span->thread_id != thread_id)
            continue;
        for (size_t tick = span->first_tick; tick < end && tick < ticks; tick++)
            labels->masks[tick] |= UINT64_C(1) << span->key;
    }
}

bool pl_part_labels_cut(struct pl_part_labels *labels, struct pl_slot *slot)
{
    const uint64_t all =
        labels->keys == KEYS_MAX ? UINT64_MAX : (UINT64_C(1) << labels->keys) - 1;
    struct pl_tick_bins *bins = &labels->bins;
    size_t ticks = 0;
    for (size_t i = 0; i < slot->run_count; i++)
        ticks += slot->runs[i].count;
    if (!reserve(labels, ticks))
        return false;
    mark(labels, slot->thread_id, ticks);
    for (size_t i = 0; i < ticks; i++) {
        uint32_t bin = slot->bins ? slot->bins->bin[i] : slot->bin;
        bins->bin[i] = labels->masks[i] == all ? bin : PL_BIN_NONE;
    }
    pl_tick_bins_link(bins, ticks);
    slot->bins = bins;
    return true;
}

bool pl_part_labels_split(struct pl_part_labels *labels, struct pl_slot *slot,
                          const uint32_t *columns, uint32_t rest)
{
    struct pl_tick_bins *bins = &labels->bins;
    size_t ticks = 0;
    for (size_t i = 0; i < slot->run_count; i++)
        ticks += slot->runs[i].count;
    if (!reserve(labels, ticks))
        return false;
    for (size_t i = 0; i < ticks; i++) {
        uint32_t bin = slot->bins ? slot->bins->bin[i] : slot->bin;
        bins->bin[i] = bin == PL_BIN_NONE ? bin : rest;
    }
    for (size_t s = 0; s < labels->count; s++) {
        const struct pl_label_span *span = &labels->spans[s];
        size_t end = (size_t)span->first_tick + span->count;
        uint32_t place = pl_idmap_find(&labels->tags, span->tag_id);
        if (span->thread_id != slot->thread_id || place == PL_IDMAP_NONE)
            continue;
        for (size_t i = span->first_tick; i < end && i < ticks; i++)
            if (bins->bin[i] != PL_BIN_NONE)
                bins->bin[i] = columns[place];
    }
    pl_tick_bins_link(bins, ticks);
    slot->bins = bins;
    return true;
}
