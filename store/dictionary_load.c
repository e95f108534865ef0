/* Stacks -> rows: the upper half of dictionary.h.
 *
 * Stacks are read newest first. A parent is older than its children, so when its
 * row comes it is known how many of its frames (`need`) they reach into, and the
 * rest is never decoded.
 *
 *   need of a stack with weight: all;  of its parent: at least keep
 */
#include "store/codec.h"
#include "store/db.h"
#include "store/dictionary_state.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define SPARSE    8     /* as in dictionary_frames.c */
#define DEPTH_MAX 65536 /* frames of a stack */

#define FRAMES_AT_ONCE 64

static enum pl_status out_of_memory(struct pl_error *err)
{
    return pl_error_set(err, PL_NOMEM, "out of memory for stacks");
}

enum pl_status pl_dictionary_damaged(const struct pl_dictionary *dict, uint32_t place,
                                     const char *what, struct pl_error *err)
{
    return pl_error_set(err, PL_INPUT, "%s is damaged: stack %" PRIu32 " %s",
                        pl_store_path(dict->store), dict->weights->stacks.ids[place],
                        what);
}

static bool reserve_rows(struct pl_dictionary *dict, uint32_t count)
{
    if (count <= dict->row_cap)
        return true;
    uint32_t cap = count < 1024 ? 1024 : count + count / 2;
    struct pl_stack_row *rows =
        cap > count ? realloc(dict->rows, cap * sizeof *rows) : NULL;
    if (rows)
        dict->rows = rows;
    uint32_t *order = cap > count ? realloc(dict->order, cap * sizeof *order) : NULL;
    if (order)
        dict->order = order;
    if (!rows || !order)
        return false;
    memset(rows + dict->row_cap, 0, (cap - dict->row_cap) * sizeof *rows);
    dict->row_cap = cap;
    return true;
}

/* The parent's row, which is needed up to depth `need`. */
static enum pl_status want_parent(struct pl_dictionary *dict, uint32_t place,
                                  uint32_t parent, uint32_t need, struct pl_error *err)
{
    uint32_t at = pl_idmap_add(&dict->weights->stacks, parent);
    if (at == PL_IDMAP_NONE || !reserve_rows(dict, dict->weights->stacks.count))
        return out_of_memory(err);
    dict->rows[place].parent = at;
    if (need > dict->rows[at].need)
        dict->rows[at].need = need;
    return PL_OK;
}

static bool reserve_frames(struct pl_dictionary *dict, uint32_t more)
{
    if (more <= dict->frame_cap - dict->frame_count)
        return true;
    uint32_t cap = dict->frame_cap ? dict->frame_cap * 2 : 4096;
    uint32_t *grown = cap ? realloc(dict->frames, cap * sizeof *grown) : NULL;
    if (!grown)
        return false;
    dict->frames = grown;
    dict->frame_cap = cap;
    return true;
}

static enum pl_status take_frames(struct pl_dictionary *dict, uint32_t place,
                                  const void *blob, size_t len, uint32_t most,
                                  struct pl_error *err)
{
    struct pl_stack_row *row = &dict->rows[place];
    struct pl_digits digits;
    row->first = dict->frame_count;
    pl_digits_init(&digits, blob, len);
    for (uint32_t more = 1; more && row->count < most; row->count += more) {
        int64_t frame;
        if (!reserve_frames(dict, FRAMES_AT_ONCE))
            return out_of_memory(err);
        uint32_t *to = dict->frames + dict->frame_count, room = most - row->count;
        room = room < FRAMES_AT_ONCE ? room : FRAMES_AT_ONCE;
        more = (uint32_t)pl_digits_plain(&digits, to, room);
        if (!more && pl_digits_next(&digits, &frame)) {
            if (frame <= 0 || frame >= UINT32_MAX)
                return pl_dictionary_damaged(dict, place, "has a frame that cannot be",
                                             err);
            to[more++] = (uint32_t)frame;
        }
        for (uint32_t i = 0; i < more; i++) {
            if (!to[i])
                return pl_dictionary_damaged(dict, place, "has a frame that cannot be",
                                             err);
            to[i] = pl_idmap_add(&dict->table.frames, to[i]);
            if (to[i] == PL_IDMAP_NONE)
                return out_of_memory(err);
        }
        dict->frame_count += more;
    }
    return digits.damaged ? pl_dictionary_damaged(dict, place, "makes no sense", err)
                          : PL_OK;
}

/* Columns id, parent, keep, frames of a stack that is needed. */
static enum pl_status take_stack(struct pl_dictionary *dict, uint32_t place,
                                 const struct pl_stmt *stmt, struct pl_error *err)
{
    struct pl_stack_row *row = &dict->rows[place];
    int64_t id = pl_stmt_column_int(stmt, 0), parent = pl_stmt_column_int(stmt, 1);
    int64_t keep = pl_stmt_column_int(stmt, 2);
    if (parent < 0 || parent >= id || keep < 0 || keep > DEPTH_MAX || (!parent && keep))
        return pl_dictionary_damaged(dict, place, "continues what cannot be", err);
    if (place < dict->weighted)
        row->need = PL_NEED_ALL;
    row->keep = (uint32_t)keep;
    row->parent = PL_IDMAP_NONE;
    row->loaded = true;
    dict->order[dict->loaded++] = place;
    if (row->need > row->keep) {
        size_t len;
        const void *blob = pl_stmt_column_blob(stmt, 3, &len);
        uint32_t most = row->need == PL_NEED_ALL ? DEPTH_MAX + 1 - row->keep
                                                 : row->need - row->keep;
        enum pl_status status = take_frames(dict, place, blob, len, most, err);
        if (status != PL_OK)
            return status;
        if (row->keep + row->count > DEPTH_MAX)
            return pl_dictionary_damaged(dict, place, "is too deep", err);
    }
    uint32_t need = row->need < row->keep ? row->need : row->keep;
    return need ? want_parent(dict, place, (uint32_t)parent, need, err) : PL_OK;
}

/* One sweep from the newest needed stack down, until nothing is missing. */
static enum pl_status load_all(struct pl_dictionary *dict, struct pl_error *err)
{
    const struct pl_idmap *stacks = &dict->weights->stacks;
    struct pl_stmt *stmt;
    uint32_t last = 0;
    bool row;
    for (uint32_t i = 0; i < stacks->count; i++)
        last = stacks->ids[i] > last ? stacks->ids[i] : last;
    enum pl_status status = pl_stmt_get(dict->store, PL_SQL_LOAD_STACKS, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_int(stmt, ":last", last);
    while (dict->loaded < stacks->count &&
           (status = pl_stmt_row(stmt, &row, err)) == PL_OK && row) {
        int64_t id = pl_stmt_column_int(stmt, 0);
        uint32_t place = id > 0 && id < UINT32_MAX ? pl_idmap_find(stacks, (uint32_t)id)
                                                   : PL_IDMAP_NONE;
        if (place != PL_IDMAP_NONE)
            status = take_stack(dict, place, stmt, err);
        if (status != PL_OK)
            break;
    }
    pl_stmt_reset(stmt);
    return status;
}

static enum pl_status load_one(struct pl_dictionary *dict, uint32_t place,
                               struct pl_error *err)
{
    struct pl_stmt *stmt;
    bool row;
    enum pl_status status = pl_stmt_get(dict->store, PL_SQL_LOAD_STACK, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_int(stmt, ":id", dict->weights->stacks.ids[place]);
    status = pl_stmt_row(stmt, &row, err);
    if (status == PL_OK && row) {
        status = take_stack(dict, place, stmt, err);
        pl_stmt_reset(stmt);
    }
    return status;
}

/* ---- row by row ---- */

/* A heap of places, newest stack on top. */
struct heap {
    uint32_t *places;
    uint32_t count;
    const uint32_t *ids;
};

static void sink_down(struct heap *heap, uint32_t at)
{
    for (;;) {
        uint32_t top = at, left = at * 2 + 1, right = left + 1;
        if (left < heap->count &&
            heap->ids[heap->places[left]] > heap->ids[heap->places[top]])
            top = left;
        if (right < heap->count &&
            heap->ids[heap->places[right]] > heap->ids[heap->places[top]])
            top = right;
        if (top == at)
            return;
        uint32_t swap = heap->places[top];
        heap->places[top] = heap->places[at];
        heap->places[at] = swap;
        at = top;
    }
}

static void float_up(struct heap *heap, uint32_t at)
{
    while (at && heap->ids[heap->places[at]] > heap->ids[heap->places[(at - 1) / 2]]) {
        uint32_t up = (at - 1) / 2, swap = heap->places[up];
        heap->places[up] = heap->places[at];
        heap->places[at] = swap;
        at = up;
    }
}

static uint32_t take_newest(struct heap *heap)
{
    uint32_t place = heap->places[0];
    heap->places[0] = heap->places[--heap->count];
    sink_down(heap, 0);
    return place;
}

/* Row by row, newest first. A step replaces one stack by at most its parent, so
 * the heap never grows past its first size. */
static enum pl_status load_few(struct pl_dictionary *dict, struct pl_error *err)
{
    const struct pl_idmap *stacks = &dict->weights->stacks;
    struct heap heap = {.count = stacks->count, .ids = stacks->ids};
    heap.places = malloc((size_t)stacks->count * sizeof *heap.places);
    if (!heap.places && stacks->count)
        return out_of_memory(err);
    for (uint32_t i = 0; i < heap.count; i++)
        heap.places[i] = i;
    for (uint32_t i = heap.count / 2; i-- > 0;)
        sink_down(&heap, i);
    enum pl_status status = PL_OK;
    while (heap.count && status == PL_OK) {
        uint32_t known = stacks->count;
        status = load_one(dict, take_newest(&heap), err);
        heap.ids = stacks->ids;
        if (stacks->count > known) {
            heap.places[heap.count] = known;
            float_up(&heap, heap.count++);
        }
    }
    free(heap.places);
    return status;
}

bool pl_dictionary_is_sparse(const struct pl_stack_weights *weights)
{
    return weights->stacks.count < weights->stacks.span / SPARSE;
}

enum pl_status pl_dictionary_load(struct pl_dictionary *dict, struct pl_error *err)
{
    const struct pl_idmap *stacks = &dict->weights->stacks;
    dict->weighted = stacks->count;
    if (!reserve_rows(dict, stacks->count))
        return out_of_memory(err);
    enum pl_status status = pl_dictionary_is_sparse(dict->weights)
                                ? load_few(dict, err)
                                : load_all(dict, err);
    for (uint32_t i = 0; i < stacks->count && status == PL_OK; i++)
        if (!dict->rows[i].loaded)
            status = pl_dictionary_damaged(dict, i, "is missing", err);
    return status;
}
