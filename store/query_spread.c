/* Spread over time: see query_spread.h.
 *
 * First the selection's stacks and the node of the tree each ends in; then its samples
 * once more, bin by bin, which know nothing of functions. Of the tree only the heaviest
 * nodes are kept before anything is made for each slice of each of them. */
#include "store/query_spread.h"

#include "store/arena.h"
#include "store/db.h"
#include "store/query_series.h"
#include "store/query_weights.h"

#include <stdlib.h>
#include <string.h>

struct spread {
    struct pl_store *store;
    const struct pl_selection *selection;
    enum pl_metric metric;
    size_t bins;
    struct pl_bins time;
    struct pl_stack_weights weights;
    struct pl_tree *tree;
    uint32_t *ends; /* by place: the tree's node a stack ends in */
    uint32_t known; /* stacks with an end */
    struct pl_pieces pieces;
    struct pl_code_times *times; /* what is filled: this, */
    unsigned char *codes;        /* by place: enum pl_code of a stack */
    struct pl_amount *amounts;   /* or this, [kept node * bins + bin] */
    uint32_t *kept;              /* by node of `tree`: the kept one it counts as */
};

static enum pl_status out_of_memory(struct pl_error *err)
{
    return pl_error_set(err, PL_NOMEM, "out of memory for a timeline");
}

static void deinit(struct spread *spread)
{
    pl_stack_weights_deinit(&spread->weights);
    pl_tree_free(spread->tree);
    free(spread->ends);
    free(spread->pieces.list);
    free(spread->codes);
    free(spread->amounts);
    free(spread->kept);
}

/* PL_NO_INDEX: a stack that does not count, without the function. */
static uint32_t place_of(const struct spread *spread, uint32_t stack)
{
    uint32_t place = pl_idmap_find(&spread->weights.stacks, stack);
    if (place >= spread->known || !spread->weights.list[place].samples)
        return PL_NO_INDEX;
    return place;
}

static enum pl_status find_ends(struct spread *spread, struct pl_error *err)
{
    const char *const functions[] = {spread->selection->function};
    struct pl_selected selected;
    enum pl_status status =
        pl_stack_weights_init(&spread->weights, 1, spread->store, err);
    if (status == PL_OK)
        status = pl_query_weights(spread->store, spread->selection, spread->metric,
                                  &spread->weights, 0, &selected, err);
    spread->known = spread->weights.stacks.count;
    if (status == PL_OK)
        status = pl_tree_new(1, &spread->tree, err);
    if (status == PL_OK)
        status =
            pl_dictionary_resolve_nodes(spread->store, &spread->weights,
                                        spread->selection->function ? functions : NULL,
                                        spread->tree, &spread->ends, err);
    return status;
}

/* ---- kinds of code ---- */

static enum pl_code code_of(const struct pl_tree *tree, uint32_t node)
{
    if (node == PL_TREE_ROOT)
        return PL_CODE_UNKNOWN;
    const struct pl_function *function =
        pl_tree_function_at(tree, pl_tree_node_function(tree, node));
    if (strncmp(function->module, "[kernel", 7) == 0)
        return PL_CODE_KERNEL;
    if (function->in_app < 0)
        return PL_CODE_UNKNOWN;
    return function->in_app ? PL_CODE_APP : PL_CODE_SYSTEM;
}

static enum pl_status find_codes(struct spread *spread, struct pl_error *err)
{
    spread->codes = malloc((size_t)spread->known + 1);
    if (!spread->codes)
        return out_of_memory(err);
    for (uint32_t i = 0; i < spread->known; i++)
        spread->codes[i] = (unsigned char)code_of(spread->tree, spread->ends[i]);
    return PL_OK;
}

static enum pl_status count_codes(void *self, const struct pl_slot *slot,
                                  struct pl_error *err)
{
    struct spread *spread = self;
    if (!pl_slot_pieces(slot, &spread->pieces))
        return out_of_memory(err);
    for (size_t i = 0; i < spread->pieces.count; i++) {
        const struct pl_piece *piece = &spread->pieces.list[i];
        uint32_t place = place_of(spread, piece->stack);
        if (place == PL_NO_INDEX)
            continue;
        unsigned char code = spread->codes[place];
        spread->times->wall_ns[code][piece->bin] += piece->wall_ns;
        spread->times->cpu_ns[code][piece->bin] += piece->cpu_ns;
    }
    return PL_OK;
}

static enum pl_status make_times(struct spread *spread, struct pl_error *err)
{
    struct pl_arena *arena = pl_arena_new();
    *spread->times = (struct pl_code_times){.from_ns = spread->time.from_ns,
                                            .to_ns = spread->time.to_ns,
                                            .bin_ns = spread->time.bin_ns,
                                            .bins = spread->bins,
                                            .owned = arena};
    bool ok = arena != NULL;
    for (int code = 0; code < PL_CODES && ok; code++) {
        int64_t **wall = &spread->times->wall_ns[code];
        int64_t **cpu = &spread->times->cpu_ns[code];
        *wall = pl_arena_array(arena, spread->bins, sizeof **wall);
        *cpu = pl_arena_array(arena, spread->bins, sizeof **cpu);
        ok = *wall && *cpu;
    }
    return ok ? PL_OK : out_of_memory(err);
}

/* ---- slices ---- */

static int heavier_first(const void *left, const void *right)
{
    int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
    return (a < b) - (a > b);
}

/* Total weight by node of `tree`; malloc'd, NULL: out of memory. */
static int64_t *sum_up(const struct spread *spread, uint32_t *count_out)
{
    uint32_t last = PL_TREE_ROOT;
    for (uint32_t i = 0; i < spread->known; i++)
        last = spread->ends[i] > last ? spread->ends[i] : last;
    int64_t *total = calloc((size_t)last + 1, sizeof *total);
    if (!total)
        return NULL;
    for (uint32_t i = 0; i < spread->known; i++)
        total[spread->ends[i]] += spread->weights.list[i].ns;
    for (uint32_t node = last; node > PL_TREE_ROOT; node--)
        total[pl_tree_parent(spread->tree, node)] += total[node];
    *count_out = last + 1;
    return total;
}

/* No more than `most` nodes weigh more than this; callers weigh no less than what they
 * call, so those that do are a tree. -1: out of memory. */
static int64_t find_limit(const int64_t *total, uint32_t count, size_t most)
{
    if (count <= most)
        return 0;
    int64_t *sorted = malloc(count * sizeof *sorted);
    if (!sorted)
        return -1;
    memcpy(sorted, total, count * sizeof *sorted);
    qsort(sorted, count, sizeof *sorted, heavier_first);
    int64_t limit = sorted[most];
    free(sorted);
    return limit;
}

/* Copies the heaviest nodes into `to` and fills `kept`. */
static enum pl_status keep_heaviest(struct spread *spread, size_t most,
                                    struct pl_tree *to, uint32_t *kept_count,
                                    struct pl_error *err)
{
    uint32_t count = 0;
    int64_t *total = sum_up(spread, &count);
    int64_t limit = total ? find_limit(total, count, most) : -1;
    if (limit >= 0)
        spread->kept = calloc(count, sizeof *spread->kept);
    *kept_count = 1;
    for (uint32_t node = 1; node < count && spread->kept; node++) {
        uint32_t above = spread->kept[pl_tree_parent(spread->tree, node)];
        spread->kept[node] = above;
        if (total[node] <= limit)
            continue;
        const struct pl_function *f = pl_tree_function_at(
            spread->tree, pl_tree_node_function(spread->tree, node));
        uint32_t function =
            pl_tree_function(to, f->name, f->module, f->file, f->line, f->in_app);
        uint32_t made = function == PL_NO_INDEX
                            ? PL_NO_INDEX
                            : pl_tree_child(to, above, function, false);
        if (made == PL_NO_INDEX) {
            free(spread->kept);
            spread->kept = NULL;
            break;
        }
        spread->kept[node] = made;
        *kept_count = made + 1 > *kept_count ? made + 1 : *kept_count;
    }
    free(total);
    return spread->kept ? PL_OK : out_of_memory(err);
}

static enum pl_status count_slices(void *self, const struct pl_slot *slot,
                                   struct pl_error *err)
{
    struct spread *spread = self;
    bool cpu = spread->metric == PL_METRIC_CPU;
    if (!pl_slot_pieces(slot, &spread->pieces))
        return out_of_memory(err);
    for (size_t i = 0; i < spread->pieces.count; i++) {
        const struct pl_piece *piece = &spread->pieces.list[i];
        uint32_t place = place_of(spread, piece->stack);
        if (place == PL_NO_INDEX || (cpu && !piece->on_cpu))
            continue;
        size_t row = (size_t)spread->kept[spread->ends[place]] * spread->bins;
        struct pl_amount *amount = &spread->amounts[row + piece->bin];
        amount->ns += cpu ? piece->cpu_ns : piece->wall_ns;
        amount->samples += piece->samples;
    }
    return PL_OK;
}

/* ---- both ---- */

static enum pl_status visit(struct spread *spread,
                            enum pl_status (*slot)(void *, const struct pl_slot *,
                                                   struct pl_error *),
                            struct pl_error *err)
{
    const struct pl_slot_visitor visitor = {.self = spread, .slot = slot};
    struct pl_selected selected;
    return pl_select_slots(spread->store, spread->selection, &spread->time, &visitor,
                           &selected, err);
}

static enum pl_status begin(struct spread *spread, struct pl_error *err)
{
    enum pl_status status = pl_timeline_plan(spread->store, spread->selection,
                                             spread->bins, &spread->time, err);
    return status == PL_OK ? find_ends(spread, err) : status;
}

enum pl_status pl_query_code_times(struct pl_store *store,
                                   const struct pl_selection *selection, size_t bins,
                                   struct pl_code_times *times_out,
                                   struct pl_error *err)
{
    struct pl_code_times times = {0};
    struct spread spread = {
        .store = store, .selection = selection, .bins = bins, .times = &times};
    enum pl_status status = pl_db_begin_read(store, err);
    if (status != PL_OK)
        return status;
    status = begin(&spread, err);
    if (status == PL_OK)
        status = find_codes(&spread, err);
    if (status == PL_OK)
        status = make_times(&spread, err);
    if (status == PL_OK)
        status = visit(&spread, count_codes, err);
    pl_db_end_read(store);
    if (status == PL_OK)
        *times_out = times;
    else
        pl_code_times_deinit(&times);
    deinit(&spread);
    return status;
}

void pl_code_times_deinit(struct pl_code_times *times)
{
    pl_arena_free(times->owned);
    *times = (struct pl_code_times){0};
}

static enum pl_status slice(struct spread *spread, size_t most,
                            struct pl_profile *profile, struct pl_error *err)
{
    struct pl_tree *tree = NULL;
    uint32_t kept_count = 0;
    enum pl_status status = pl_tree_new((uint32_t)spread->bins, &tree, err);
    if (status == PL_OK)
        status = keep_heaviest(spread, most, tree, &kept_count, err);
    if (status == PL_OK && !(spread->amounts = calloc((size_t)kept_count * spread->bins,
                                                      sizeof *spread->amounts)))
        status = out_of_memory(err);
    if (status == PL_OK)
        status = visit(spread, count_slices, err);
    for (uint32_t node = 0; node < kept_count && status == PL_OK; node++)
        pl_tree_add(tree, node, &spread->amounts[(size_t)node * spread->bins]);
    if (status == PL_OK)
        status = pl_tree_finish(tree, profile, err);
    pl_tree_free(tree);
    return status;
}

enum pl_status pl_query_slices(struct pl_store *store,
                               const struct pl_selection *selection,
                               enum pl_metric metric, size_t slices, size_t most,
                               struct pl_profile *profile_out, struct pl_error *err)
{
    struct pl_profile profile = {.metric = metric};
    struct spread spread = {
        .store = store, .selection = selection, .metric = metric, .bins = slices};
    if (slices < 2 || slices > PL_COLUMNS_MAX)
        return pl_error_set(err, PL_USAGE, "2 to %d slices", PL_COLUMNS_MAX);
    if (most < 1 || most > PL_SLICE_NODES_MAX)
        return pl_error_set(err, PL_USAGE, "1 to %d nodes of a slice",
                            PL_SLICE_NODES_MAX);
    enum pl_status status = pl_db_begin_read(store, err);
    if (status != PL_OK)
        return status;
    status = begin(&spread, err);
    if (status == PL_OK)
        status = slice(&spread, most, &profile, err);
    if (status == PL_OK)
        status = pl_select_lost(store, selection, &profile.lost, err);
    pl_db_end_read(store);
    profile.from_ns = spread.time.from_ns;
    profile.to_ns = spread.time.to_ns;
    if (status == PL_OK)
        *profile_out = profile;
    else
        pl_profile_deinit(&profile);
    deinit(&spread);
    return status;
}
