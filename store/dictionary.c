/* Dictionary: see dictionary.h.
 *
 * Stacks are read newest first. A parent is older than its children, so when its
 * row comes it is known how many of its frames (`need`) they reach into, and the
 * rest is never decoded. The tree is then built oldest first: a stack hangs on
 * the node its parent has at depth `keep`, and adds nodes for its own frames.
 *
 *   need of a stack with weight: all;  of its parent: at least keep
 *
 * A row whose need does not reach its own frames has none: it only passes its
 * children on to its parent. `parent` is shortened while building so that keep
 * falls strictly along every chain of parents; `jump` leaps ahead on the chain, so
 * that even a file made for it cannot make looking for an ancestor slow. */
#include "store/dictionary.h"

#include "store/codec.h"
#include "store/db.h"
#include "store/dictionary_state.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define SPARSE    8     /* as in dictionary_frames.c */
#define DEPTH_MAX 65536 /* frames of a stack */
#define NEED_ALL  UINT32_MAX

#define FRAMES_AT_ONCE 64

/* ---- loading stacks ---- */

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
        row->need = NEED_ALL;
    row->keep = (uint32_t)keep;
    row->parent = PL_IDMAP_NONE;
    row->loaded = true;
    dict->order[dict->loaded++] = place;
    if (row->need > row->keep) {
        size_t len;
        const void *blob = pl_stmt_column_blob(stmt, 3, &len);
        uint32_t most =
            row->need == NEED_ALL ? DEPTH_MAX + 1 - row->keep : row->need - row->keep;
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

static enum pl_status load_stacks(struct pl_dictionary *dict, struct pl_error *err)
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

/* ---- filter ---- */

/* Which frames (by place) have a function of that name. */
static bool *find_frames(const struct pl_dictionary *dict, const char *function)
{
    const struct pl_frame_table *table = &dict->table;
    uint32_t functions = pl_tree_function_count(dict->tree);
    bool *named = calloc((size_t)functions + 1, sizeof *named);
    bool *found = calloc((size_t)table->frames.count + 1, sizeof *found);
    for (uint32_t i = 0; named && i < functions; i++)
        named[i] = strcmp(pl_tree_function_name(dict->tree, i), function) == 0;
    for (uint32_t i = 0; named && found && i < table->frames.count; i++)
        for (uint32_t c = 0; c < table->of[i].count; c++)
            found[i] |= named[table->calls[table->of[i].first + c].function];
    if (!named) {
        free(found);
        found = NULL;
    }
    free(named);
    return found;
}

static void match_stack(struct pl_dictionary *dict, struct pl_stack_row *row,
                        const bool *found)
{
    row->match = NEED_ALL;
    if (row->parent != PL_IDMAP_NONE && dict->rows[row->parent].match < row->keep)
        row->match = dict->rows[row->parent].match;
    for (uint32_t i = 0; i < row->count && row->match == NEED_ALL; i++)
        if (found[dict->frames[row->first + i]])
            row->match = row->keep + i;
}

static struct pl_amount *weights_of(const struct pl_dictionary *dict, uint32_t place)
{
    return &dict->weights->list[(size_t)place * dict->weights->columns];
}

/* Take a column's weight from every stack without the function. */
static enum pl_status filter(struct pl_dictionary *dict, uint32_t column,
                             const char *function, struct pl_error *err)
{
    bool *found = find_frames(dict, function);
    if (!found)
        return out_of_memory(err);
    for (uint32_t i = dict->loaded; i-- > 0;)
        match_stack(dict, &dict->rows[dict->order[i]], found);
    free(found);
    for (uint32_t i = 0; i < dict->weighted; i++)
        if (dict->rows[i].match == NEED_ALL)
            weights_of(dict, i)[column] = (struct pl_amount){0};
    return PL_OK;
}

static bool has_weight(const struct pl_dictionary *dict, uint32_t place)
{
    for (uint32_t c = 0; c < dict->weights->columns; c++)
        if (weights_of(dict, place)[c].samples)
            return true;
    return false;
}

/* Where weights have gone, so has the need for what nothing passes through. */
static void plan_need(struct pl_dictionary *dict)
{
    for (uint32_t i = 0; i < dict->loaded; i++)
        dict->rows[i].need =
            i < dict->weighted && !dict->rows[i].trimmed && has_weight(dict, i)
                ? NEED_ALL
                : 0;
    for (uint32_t i = 0; i < dict->loaded; i++) {
        const struct pl_stack_row *row = &dict->rows[dict->order[i]];
        uint32_t need = row->need < row->keep ? row->need : row->keep;
        if (need && dict->rows[row->parent].need < need)
            dict->rows[row->parent].need = need;
    }
}

static enum pl_status filter_all(struct pl_dictionary *dict,
                                 const char *const *functions, struct pl_error *err)
{
    enum pl_status status = PL_OK;
    for (uint32_t c = 0; c < dict->weights->columns && status == PL_OK; c++)
        if (functions[c])
            status = filter(dict, c, functions[c], err);
    return status;
}

/* ---- building ---- */

/* From `place` up, the first stack that keeps fewer than `keep` (> 0) frames: it holds
 * frame keep - 1 itself. */
static uint32_t find_holder(const struct pl_dictionary *dict, uint32_t place,
                            uint32_t keep)
{
    while (dict->rows[place].keep >= keep) {
        uint32_t jump = dict->rows[place].jump;
        place = dict->rows[jump].keep >= keep ? jump : dict->rows[place].parent;
    }
    return place;
}

/* Hang the row on the chain under `holder`; jumps double where two are equally long. */
static void link_row(struct pl_dictionary *dict, uint32_t place, uint32_t holder)
{
    struct pl_stack_row *row = &dict->rows[place], *parent = &dict->rows[holder];
    const struct pl_stack_row *jump = &dict->rows[parent->jump];
    uint32_t further = dict->rows[jump->jump].chain;
    row->parent = holder;
    row->chain = parent->chain + 1;
    row->jump =
        parent->chain - jump->chain == jump->chain - further ? jump->jump : holder;
}

/* Let `parent` be the stack that itself holds frame `keep`, which is what the row
 * hangs on. To be called of the oldest row first. */
static void link_to_holder(struct pl_dictionary *dict, uint32_t place)
{
    struct pl_stack_row *row = &dict->rows[place];
    row->jump = place;
    if (row->keep)
        link_row(dict, place, find_holder(dict, row->parent, row->keep));
}

/* *node_out is the node of frame `keep`. */
static enum pl_status attach(struct pl_dictionary *dict, uint32_t place,
                             uint32_t *node_out, struct pl_error *err)
{
    struct pl_stack_row *row = &dict->rows[place];
    *node_out = PL_TREE_ROOT;
    link_to_holder(dict, place);
    if (!row->keep || row->need <= row->keep) /* passes its children on */
        return PL_OK;
    const struct pl_stack_row *parent = &dict->rows[row->parent];
    if (row->keep - parent->keep > parent->count)
        return pl_dictionary_damaged(dict, place,
                                     "keeps more frames than its parent has", err);
    *node_out = dict->frames[parent->first + (row->keep - parent->keep) - 1];
    return PL_OK;
}

static enum pl_status build_stack(struct pl_dictionary *dict, uint32_t place,
                                  struct pl_error *err)
{
    struct pl_stack_row *row = &dict->rows[place];
    uint32_t node;
    if (!row->need)
        return PL_OK;
    enum pl_status status = attach(dict, place, &node, err);
    if (status != PL_OK)
        return status;
    if (row->need <= row->keep) {
        row->count = 0;
        return PL_OK;
    }
    uint32_t wanted = row->need - row->keep;
    row->count = row->count < wanted ? row->count : wanted;
    for (uint32_t i = 0; i < row->count; i++) {
        uint32_t *frame = &dict->frames[row->first + i];
        const struct pl_frame_calls *of = &dict->table.of[*frame];
        for (uint32_t c = 0; c < of->count; c++) {
            struct pl_call call = dict->table.calls[of->first + c];
            node = pl_tree_child(dict->tree, node, call.function, call.inlined);
            if (node == PL_NO_INDEX)
                return out_of_memory(err);
        }
        *frame = node;
    }
    if (node > PL_DICTIONARY_NODES_MAX)
        return pl_error_set(err, PL_INPUT,
                            "a profile of more than %d boxes: select less",
                            PL_DICTIONARY_NODES_MAX);
    bool ends_here = place < dict->weighted && !row->trimmed;
    if (ends_here)
        pl_tree_add(dict->tree, node, weights_of(dict, place));
    if (ends_here && dict->ends)
        dict->ends[place] = node;
    return PL_OK;
}

/* Stacks that do not show all their frames, one by one. */
static enum pl_status build_trimmed(struct pl_dictionary *dict,
                                    const char *const *functions, struct pl_error *err)
{
    struct pl_trim trim = {0};
    enum pl_status status = PL_OK;
    for (uint32_t i = dict->loaded; i-- > 0 && status == PL_OK;) {
        uint32_t place = dict->order[i];
        link_to_holder(dict, place);
        if (place >= dict->weighted || !has_weight(dict, place))
            continue;
        status = pl_trim_stack(dict, place, &trim, &dict->rows[place].trimmed, err);
        if (status == PL_OK && dict->rows[place].trimmed)
            status = pl_trim_hang(dict, place, &trim, functions, err);
    }
    pl_trim_deinit(&trim);
    return status;
}

static enum pl_status resolve(struct pl_dictionary *dict, const char *const *functions,
                              struct pl_error *err)
{
    enum pl_status status = load_stacks(dict, err);
    if (status == PL_OK)
        status = pl_frame_table_load(&dict->table, dict->store, dict->tree, err);
    if (status == PL_OK && dict->table.trims)
        status = build_trimmed(dict, functions, err);
    if (status == PL_OK && functions)
        status = filter_all(dict, functions, err);
    if (status == PL_OK && (functions || dict->table.trims))
        plan_need(dict);
    for (uint32_t i = dict->loaded; i-- > 0 && status == PL_OK;)
        status = build_stack(dict, dict->order[i], err);
    return status;
}

/* ---- finding ---- */

/* The frame (place in table.frames) that is the stack's leaf; NONE: it is empty. Rows
 * are linked oldest first, so that the holder of a parent's frame is found fast. */
static enum pl_status find_leaf(struct pl_dictionary *dict, uint32_t place,
                                uint32_t *frame_out, struct pl_error *err)
{
    struct pl_stack_row *row = &dict->rows[place];
    uint32_t parent_frame = PL_IDMAP_NONE;
    link_to_holder(dict, place);
    if (row->need <= row->keep) /* passes its children on: not all is loaded */
        return PL_OK;
    if (row->keep) {
        const struct pl_stack_row *parent = &dict->rows[row->parent];
        uint32_t at = row->keep - parent->keep;
        if (at > parent->count)
            return pl_dictionary_damaged(dict, place,
                                         "keeps more frames than its parent has", err);
        parent_frame = dict->frames[parent->first + at - 1];
    }
    *frame_out = row->count ? dict->frames[row->first + row->count - 1] : parent_frame;
    return PL_OK;
}

static bool is_leaf_call(const struct pl_dictionary *dict, uint32_t frame,
                         const char *function)
{
    const struct pl_frame_calls *of = &dict->table.of[frame];
    uint32_t last = dict->table.calls[of->first + of->count - 1].function;
    return strcmp(pl_tree_function_name(dict->tree, last), function) == 0;
}

static enum pl_status flag_stacks(struct pl_dictionary *dict, const char *function,
                                  unsigned char *flags, struct pl_error *err)
{
    struct pl_trim trim = {0};
    enum pl_status status = PL_OK;
    bool *found = find_frames(dict, function);
    if (!found)
        return out_of_memory(err);
    for (uint32_t i = dict->loaded; i-- > 0 && status == PL_OK;) {
        uint32_t place = dict->order[i], leaf = PL_IDMAP_NONE;
        bool trimmed = false;
        match_stack(dict, &dict->rows[place], found);
        status = find_leaf(dict, place, &leaf, err);
        if (status != PL_OK || place >= dict->weighted ||
            dict->rows[place].match == NEED_ALL)
            continue;
        if (dict->table.trims)
            status = pl_trim_stack(dict, place, &trim, &trimmed, err);
        flags[place] = trimmed ? pl_trim_flags(dict, &trim, function) : PL_STACK_HAS;
        if (!trimmed && leaf != PL_IDMAP_NONE && is_leaf_call(dict, leaf, function))
            flags[place] |= PL_STACK_LEAF;
    }
    pl_trim_deinit(&trim);
    free(found);
    return status;
}

static void deinit(struct pl_dictionary *dict)
{
    pl_frame_table_deinit(&dict->table);
    free(dict->rows);
    free(dict->order);
    free(dict->frames);
}

enum pl_status pl_dictionary_frames(struct pl_store *store,
                                    struct pl_stack_weights *weights,
                                    struct pl_idmap *frames, struct pl_error *err)
{
    struct pl_dictionary dict = {.store = store, .weights = weights};
    dict.table.frames = *frames;
    enum pl_status status = load_stacks(&dict, err);
    *frames = dict.table.frames;
    dict.table.frames = (struct pl_idmap){0};
    deinit(&dict);
    return status;
}

enum pl_status pl_dictionary_resolve_nodes(struct pl_store *store,
                                           struct pl_stack_weights *weights,
                                           const char *const *functions,
                                           struct pl_tree *tree, uint32_t **nodes_out,
                                           struct pl_error *err)
{
    struct pl_dictionary dict = {.store = store, .weights = weights, .tree = tree};
    if (nodes_out) {
        dict.ends = calloc((size_t)weights->stacks.count + 1, sizeof *dict.ends);
        if (!dict.ends)
            return out_of_memory(err);
    }
    enum pl_status status = pl_frame_table_init(&dict.table, store, err);
    if (status == PL_OK)
        status = resolve(&dict, functions, err);
    if (status == PL_OK && nodes_out) {
        *nodes_out = dict.ends;
        dict.ends = NULL;
    }
    free(dict.ends);
    deinit(&dict);
    return status;
}

enum pl_status pl_dictionary_resolve(struct pl_store *store,
                                     struct pl_stack_weights *weights,
                                     const char *const *functions, struct pl_tree *tree,
                                     struct pl_error *err)
{
    return pl_dictionary_resolve_nodes(store, weights, functions, tree, NULL, err);
}

enum pl_status pl_dictionary_find(struct pl_store *store,
                                  struct pl_stack_weights *weights,
                                  const char *function, unsigned char **flags_out,
                                  struct pl_error *err)
{
    struct pl_dictionary dict = {.store = store, .weights = weights};
    unsigned char *flags = NULL;
    enum pl_status status = pl_tree_new(1, &dict.tree, err);
    if (status == PL_OK)
        status = pl_frame_table_init(&dict.table, store, err);
    if (status == PL_OK)
        status = load_stacks(&dict, err);
    if (status == PL_OK)
        status = pl_frame_table_load(&dict.table, store, dict.tree, err);
    if (status == PL_OK && !(flags = calloc((size_t)weights->stacks.count + 1, 1)))
        status = out_of_memory(err);
    if (status == PL_OK)
        status = flag_stacks(&dict, function, flags, err);
    if (status == PL_OK) {
        *flags_out = flags;
        flags = NULL;
    }
    free(flags);
    pl_tree_free(dict.tree);
    deinit(&dict);
    return status;
}
