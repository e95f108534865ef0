/* Stacks that do not show all their frames: see dictionary_state.h.
 *
 * A profiler that samples from a signal handler of its own finds itself on top of
 * every stack, and below the first function of a thread may lie code without a name.
 * The pass marks such frames; which of them show follows from where in a stack they
 * are, each time it is read. So stacks stay as captured, and new names change it.
 *
 * These stacks are few and go into the tree one by one; for all others they then count
 * as having no weight. */
#include "store/dictionary_state.h"

#include <stdlib.h>
#include <string.h>

void pl_trim_deinit(struct pl_trim *trim)
{
    free(trim->frames);
    free(trim->calls);
    *trim = (struct pl_trim){0};
}

static bool reserve(void **array, size_t *cap, size_t need, size_t size)
{
    if (need <= *cap)
        return true;
    void *grown = realloc(*array, 2 * need * size);
    if (!grown)
        return false;
    *array = grown;
    *cap = 2 * need;
    return true;
}

static enum pl_status out_of_memory(struct pl_error *err)
{
    return pl_error_set(err, PL_NOMEM, "out of memory for stacks");
}

/* All frames of the stack: its own, then from parent to parent what it keeps. */
static enum pl_status gather(const struct pl_dictionary *dict, uint32_t place,
                             struct pl_trim *trim, size_t *count_out,
                             struct pl_error *err)
{
    const struct pl_stack_row *row = &dict->rows[place];
    size_t end = (size_t)row->keep + row->count;
    void *frames = trim->frames;
    if (!reserve(&frames, &trim->frame_cap, end, sizeof *trim->frames))
        return out_of_memory(err);
    trim->frames = frames;
    *count_out = end;
    for (; end; row = &dict->rows[row->parent]) {
        if ((size_t)row->keep + row->count < end)
            return pl_dictionary_damaged(dict, place,
                                         "keeps more frames than its parent has", err);
        memcpy(trim->frames + row->keep, dict->frames + row->first,
               (end - row->keep) * sizeof *trim->frames);
        end = row->keep;
    }
    return PL_OK;
}

static size_t count_calls(const struct pl_frame_table *table,
                          const struct pl_trim *trim, size_t frames)
{
    size_t total = 0;
    for (size_t i = 0; i < frames; i++)
        total += table->of[trim->frames[i]].count;
    return total;
}

/* How many of the outermost calls do not show, of `calls`: nothing is inlined into a
 * frame without a name. */
static size_t count_outer(const struct pl_frame_table *table,
                          const struct pl_trim *trim, size_t frames, size_t calls)
{
    const struct pl_frame_calls *root = &table->of[trim->frames[0]];
    if (calls > 1 && frames > 1 && root->count == 1 &&
        table->of[trim->frames[1]].trim == PL_TRIM_ROOT)
        return 2;
    return calls && root->trim == PL_TRIM_ROOT;
}

/* The calls that show: `count` of them, after `outer` that do not. */
static bool take_calls(const struct pl_frame_table *table, struct pl_trim *trim,
                       size_t outer, size_t count)
{
    void *calls = trim->calls;
    if (!reserve(&calls, &trim->cap, count, sizeof *trim->calls))
        return false;
    trim->calls = calls;
    trim->count = 0;
    for (size_t i = 0; trim->count < count; i++) {
        const struct pl_frame_calls *of = &table->of[trim->frames[i]];
        for (uint32_t c = 0; c < of->count && trim->count < count; c++)
            if (outer)
                outer--;
            else
                trim->calls[trim->count++] = table->calls[of->first + c];
    }
    return true;
}

enum pl_status pl_trim_stack(const struct pl_dictionary *dict, uint32_t place,
                             struct pl_trim *trim, bool *trimmed_out,
                             struct pl_error *err)
{
    size_t frames = 0;
    *trimmed_out = false;
    enum pl_status status = gather(dict, place, trim, &frames, err);
    if (status != PL_OK || !frames)
        return status;
    const struct pl_frame_table *table = &dict->table;
    size_t inner = table->of[trim->frames[frames - 1]].trim == PL_TRIM_LEAF ? 2 : 0;
    size_t total = count_calls(table, trim, frames);
    size_t rest = total > inner ? total - inner : 0;
    size_t outer = count_outer(table, trim, frames, rest);
    if ((!outer && !inner) || rest <= outer)
        return PL_OK;
    *trimmed_out = true;
    return take_calls(table, trim, outer, rest - outer) ? PL_OK : out_of_memory(err);
}

unsigned char pl_trim_flags(const struct pl_dictionary *dict,
                            const struct pl_trim *trim, const char *function)
{
    unsigned char flags = 0;
    for (size_t i = 0; i < trim->count; i++) {
        const char *name = pl_tree_function_name(dict->tree, trim->calls[i].function);
        if (strcmp(name, function) == 0)
            flags |= i + 1 == trim->count ? PL_STACK_HAS | PL_STACK_LEAF : PL_STACK_HAS;
    }
    return flags;
}

enum pl_status pl_trim_hang(struct pl_dictionary *dict, uint32_t place,
                            const struct pl_trim *trim, const char *const *functions,
                            struct pl_error *err)
{
    const uint32_t columns = dict->weights->columns;
    struct pl_amount *amounts = &dict->weights->list[(size_t)place * columns];
    int64_t samples = 0;
    for (uint32_t c = 0; c < columns; c++) {
        if (functions && functions[c] && !pl_trim_flags(dict, trim, functions[c]))
            amounts[c] = (struct pl_amount){0};
        samples += amounts[c].samples;
    }
    uint32_t node = PL_TREE_ROOT;
    for (size_t i = 0; i < trim->count && samples; i++) {
        const struct pl_call *call = &trim->calls[i];
        node = pl_tree_child(dict->tree, node, call->function, i && call->inlined);
        if (node == PL_NO_INDEX)
            return out_of_memory(err);
        if (node > PL_DICTIONARY_NODES_MAX)
            return pl_error_set(err, PL_INPUT,
                                "a profile of more than %d boxes: select less",
                                PL_DICTIONARY_NODES_MAX);
    }
    if (samples)
        pl_tree_add(dict->tree, node, amounts);
    if (samples && dict->ends)
        dict->ends[place] = node;
    return PL_OK;
}
