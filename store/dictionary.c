/* Dictionary: see dictionary.h; how stacks are read: dictionary_load.c.
 *
 * The tree is built oldest stack first: a stack hangs on the node its parent has at
 * depth `keep`, and adds nodes for its own frames. A row whose need does not reach its
 * own frames has none: it only passes its children on to its parent. `parent` is
 * shortened while building so that keep falls strictly along every chain of parents;
 * `jump` leaps ahead on the chain, so that even a file made for it cannot make looking
 * for an ancestor slow. */
#include "store/dictionary.h"

#include "store/dictionary_state.h"

#include <stdlib.h>
#include <string.h>

static enum pl_status out_of_memory(struct pl_error *err)
{
    return pl_error_set(err, PL_NOMEM, "out of memory for stacks");
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
    row->match = PL_NEED_ALL;
    if (row->parent != PL_IDMAP_NONE && dict->rows[row->parent].match < row->keep)
        row->match = dict->rows[row->parent].match;
    for (uint32_t i = 0; i < row->count && row->match == PL_NEED_ALL; i++)
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
        if (dict->rows[i].match == PL_NEED_ALL)
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
                ? PL_NEED_ALL
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
    enum pl_status status = pl_dictionary_load(dict, err);
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
            dict->rows[place].match == PL_NEED_ALL)
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
    enum pl_status status = pl_dictionary_load(&dict, err);
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
        status = pl_dictionary_load(&dict, err);
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
