/* Flame chart: see query_chart.h.
 *
 * Slots come in order of time and become segments: one stack from here to there. If
 * these (or their boxes) are too many, they are spread over a grid of cells instead,
 * coarser until it fits; each cell shows the stack that had most of it. */
#include "store/query_chart.h"

#include "base/clock.h"
#include "store/arena.h"
#include "store/db.h"
#include "store/query_tree.h"
#include "store/stack_set.h"

#include <stdlib.h>
#include <string.h>

struct segment {
    int64_t start_ns, end_ns;
    uint32_t stack;
};

/* What stacks had of the current cell. */
struct share {
    uint32_t stack;
    int64_t ns;
};

struct segments {
    const struct pl_stack_set *only;
    struct segment *list;
    size_t count, cap;
    size_t most;         /* of them */
    bool overflowed;     /* there were more */
    struct segment last; /* so far; stack 0: none */
    int64_t samples;
    int64_t from_ns, cell_ns; /* the grid; cell_ns 0: none */
    int64_t latest_ns;        /* ends are cut here */
    int64_t cell;             /* the current one */
    struct share *shares;
    size_t share_count, share_cap;
};

static enum pl_status out_of_memory(struct pl_error *err)
{
    return pl_error_set(err, PL_NOMEM, "out of memory for a flame chart");
}

/* ---- the list ---- */

static bool push(struct segments *segments, struct segment next)
{
    struct segment *last =
        segments->count ? &segments->list[segments->count - 1] : NULL;
    if (last && last->stack == next.stack && last->end_ns == next.start_ns) {
        last->end_ns = next.end_ns;
        return true;
    }
    if (segments->count == segments->most) {
        segments->overflowed = true;
        return true;
    }
    if (segments->count == segments->cap) {
        size_t cap = segments->cap ? segments->cap * 2 : 1024;
        struct segment *grown = realloc(segments->list, cap * sizeof *grown);
        if (!grown)
            return false;
        segments->list = grown;
        segments->cap = cap;
    }
    segments->list[segments->count++] = next;
    return true;
}

/* ---- cells ---- */

static bool add_share(struct segments *segments, uint32_t stack, int64_t ns)
{
    size_t i = 0;
    while (i < segments->share_count && segments->shares[i].stack != stack)
        i++;
    if (i == segments->share_cap) {
        size_t cap = segments->share_cap ? segments->share_cap * 2 : 16;
        struct share *grown = realloc(segments->shares, cap * sizeof *grown);
        if (!grown)
            return false;
        segments->shares = grown;
        segments->share_cap = cap;
    }
    if (i == segments->share_count)
        segments->shares[segments->share_count++] = (struct share){stack, 0};
    segments->shares[i].ns += ns;
    return true;
}

/* The current cell is over: whoever had most of it has it; that may be nobody. */
static bool end_cell(struct segments *segments)
{
    int64_t best = 0, idle = segments->cell_ns;
    uint32_t stack = 0;
    for (size_t i = 0; i < segments->share_count; i++) {
        idle -= segments->shares[i].ns;
        if (segments->shares[i].ns > best) {
            best = segments->shares[i].ns;
            stack = segments->shares[i].stack;
        }
    }
    segments->share_count = 0;
    int64_t start = segments->from_ns + segments->cell * segments->cell_ns;
    return best <= idle ||
           push(segments, (struct segment){start, start + segments->cell_ns, stack});
}

static bool spread(struct segments *segments, struct segment from)
{
    while (from.start_ns < from.end_ns) {
        int64_t cell = (from.start_ns - segments->from_ns) / segments->cell_ns;
        int64_t end = segments->from_ns + (cell + 1) * segments->cell_ns;
        int64_t until = from.end_ns < end ? from.end_ns : end;
        if (cell != segments->cell && !end_cell(segments))
            return false;
        segments->cell = cell;
        if (!add_share(segments, from.stack, until - from.start_ns))
            return false;
        from.start_ns = until;
    }
    return true;
}

/* ---- segments ---- */

static bool end_segment(struct segments *segments)
{
    struct segment last = segments->last;
    segments->last.stack = 0;
    if (!last.stack || last.start_ns >= last.end_ns)
        return true;
    return segments->cell_ns ? spread(segments, last) : push(segments, last);
}

static int64_t end_of(const struct segments *segments, int64_t at_ns, int64_t weight_ns)
{
    int64_t end_ns;
    if (__builtin_add_overflow(at_ns, weight_ns, &end_ns) ||
        end_ns > segments->latest_ns)
        return segments->latest_ns;
    return end_ns;
}

/* A sample. Times jitter: half a period between two is no gap. */
static bool add_sample(struct segments *segments, struct segment next, int64_t gap_ns)
{
    struct segment *last = &segments->last;
    segments->samples++;
    bool touches = last->stack && next.start_ns - gap_ns <= last->end_ns;
    if (touches && last->stack == next.stack) {
        last->end_ns = next.end_ns;
        return true;
    }
    if (touches)
        last->end_ns = next.start_ns;
    if (!end_segment(segments))
        return false;
    *last = next;
    return true;
}

static enum pl_status take_slot(void *self, const struct pl_slot *slot,
                                struct pl_error *err)
{
    struct segments *segments = self;
    uint32_t tick = 0;
    for (size_t i = 0; i < slot->run_count; i++) {
        const struct pl_slot_run *run = &slot->runs[i];
        int64_t weight = slot->weights_ns ? slot->weights_ns[i] : slot->period_ns;
        bool wanted = run->stack && pl_stack_set_has(segments->only, run->stack);
        for (uint32_t end = tick + run->count; tick < end; tick++) {
            int64_t at = pl_ticks_at(slot->ticks, tick);
            if (!wanted || (slot->bins && slot->bins->bin[tick] == PL_BIN_NONE))
                continue;
            struct segment sample = {at, end_of(segments, at, weight), run->stack};
            if (!add_sample(segments, sample, slot->period_ns / 2))
                return out_of_memory(err);
        }
    }
    return PL_OK;
}

static enum pl_status find_segments(struct pl_store *store,
                                    const struct pl_selection *selection,
                                    const struct pl_selected *range, int64_t cell_ns,
                                    struct segments *segments, struct pl_error *err)
{
    const struct pl_slot_visitor visitor = {
        .self = segments, .slot = take_slot, .wants_ticks = true};
    struct pl_selected selected;
    segments->count = 0;
    segments->samples = 0;
    segments->overflowed = false;
    segments->from_ns = range->from_ns;
    segments->latest_ns = range->to_ns + PL_NS_PER_S;
    segments->cell_ns = cell_ns;
    segments->cell = 0;
    enum pl_status status =
        pl_select_slots(store, selection, NULL, &visitor, &selected, err);
    if (status == PL_OK && (!end_segment(segments) || (cell_ns && !end_cell(segments))))
        status = out_of_memory(err);
    return status;
}

/* ---- boxes ---- */

struct boxes {
    const struct pl_tree *tree;
    struct pl_chart_box *list;
    size_t count, most;
    uint32_t *path; /* nodes of the open boxes, outermost first */
    size_t *open;   /* their places in the list */
    uint32_t depth;
};

static uint32_t depth_of(const struct pl_tree *tree, uint32_t node)
{
    uint32_t depth = 0;
    for (; node != PL_TREE_ROOT; node = pl_tree_parent(tree, node))
        depth++;
    return depth;
}

/* The path to `node` becomes the open boxes: what both have stays open. False: more
 * boxes than there may be. */
static bool switch_to(struct boxes *boxes, uint32_t node, const struct segment *segment,
                      bool joined)
{
    uint32_t depth = depth_of(boxes->tree, node), same = joined ? boxes->depth : 0;
    uint32_t at = node, level = depth;
    for (; level > same; level--)
        at = pl_tree_parent(boxes->tree, at);
    same = level;
    while (same && boxes->path[same - 1] != at) {
        at = pl_tree_parent(boxes->tree, at);
        same--;
    }
    if (boxes->count + depth - same > boxes->most)
        return false;
    at = node;
    for (level = depth; level > same; level--) {
        boxes->path[level - 1] = at;
        boxes->open[level - 1] = boxes->count + level - same - 1;
        boxes->list[boxes->open[level - 1]] = (struct pl_chart_box){
            .start_ns = segment->start_ns,
            .depth = level,
            .function = pl_tree_node_function(boxes->tree, at),
        };
        at = pl_tree_parent(boxes->tree, at);
    }
    boxes->count += depth - same;
    boxes->depth = depth;
    for (level = 0; level < depth; level++)
        boxes->list[boxes->open[level]].end_ns = segment->end_ns;
    return true;
}

static bool fill_boxes(struct boxes *boxes, const struct segments *segments,
                       const struct pl_stack_weights *weights, const uint32_t *nodes)
{
    for (size_t i = 0; i < segments->count; i++) {
        const struct segment *segment = &segments->list[i];
        uint32_t place = pl_idmap_find(&weights->stacks, segment->stack);
        bool joined = i && segment[-1].end_ns == segment->start_ns;
        if (!switch_to(boxes, nodes[place], segment, joined))
            return false;
    }
    return true;
}

/* The nodes of the segments' stacks, which go into `tree`. */
static enum pl_status resolve(struct pl_store *store, const struct segments *segments,
                              struct pl_stack_weights *weights, struct pl_tree *tree,
                              uint32_t **nodes_out, struct pl_error *err)
{
    enum pl_status status = pl_stack_weights_init(weights, 1, store, err);
    for (size_t i = 0; i < segments->count && status == PL_OK; i++) {
        struct pl_amount *amount = pl_stack_weight(weights, segments->list[i].stack, 0);
        if (amount)
            amount->samples++;
        else
            status = out_of_memory(err);
    }
    if (status == PL_OK)
        status =
            pl_dictionary_resolve_nodes(store, weights, NULL, tree, nodes_out, err);
    return status;
}

static enum pl_status take_functions(const struct pl_tree *tree, struct pl_arena *arena,
                                     struct pl_chart *chart, struct pl_error *err)
{
    chart->function_count = pl_tree_function_count(tree);
    chart->functions =
        pl_arena_array(arena, chart->function_count + 1, sizeof *chart->functions);
    bool ok = chart->functions != NULL;
    for (size_t i = 0; ok && i < chart->function_count; i++) {
        struct pl_function *to = &chart->functions[i];
        *to = *pl_tree_function_at(tree, (uint32_t)i);
        to->name = pl_arena_text(arena, to->name);
        to->module = pl_arena_text(arena, to->module);
        to->file = pl_arena_text(arena, to->file);
        ok = to->name && to->module && to->file;
    }
    return ok ? PL_OK : out_of_memory(err);
}

/* *fits_out: whether the boxes were few enough. */
static enum pl_status draw(struct pl_store *store, const struct segments *segments,
                           size_t most, struct pl_chart *chart, bool *fits_out,
                           struct pl_error *err)
{
    struct pl_stack_weights weights = {0};
    struct pl_tree *tree = NULL;
    uint32_t *nodes = NULL, deepest = 1;
    struct boxes boxes = {.list = chart->boxes, .most = most};
    enum pl_status status = pl_tree_new(1, &tree, err);
    if (status == PL_OK)
        status = resolve(store, segments, &weights, tree, &nodes, err);
    for (size_t i = 0; status == PL_OK && i < segments->count; i++) {
        uint32_t depth = depth_of(
            tree, nodes[pl_idmap_find(&weights.stacks, segments->list[i].stack)]);
        deepest = depth > deepest ? depth : deepest;
    }
    boxes.tree = tree;
    boxes.path = calloc(deepest, sizeof *boxes.path);
    boxes.open = calloc(deepest, sizeof *boxes.open);
    if (status == PL_OK && (!boxes.path || !boxes.open))
        status = out_of_memory(err);
    if (status == PL_OK)
        *fits_out = fill_boxes(&boxes, segments, &weights, nodes);
    if (status == PL_OK && *fits_out)
        status = take_functions(tree, chart->owned, chart, err);
    chart->box_count = boxes.count;
    free(boxes.path);
    free(boxes.open);
    free(nodes);
    pl_tree_free(tree);
    pl_stack_weights_deinit(&weights);
    return status;
}

/* First as it is; then on grids, each half as fine as the one before. */
static enum pl_status find_and_draw(struct pl_store *store,
                                    const struct pl_selection *selection, size_t most,
                                    struct segments *segments, struct pl_chart *chart,
                                    struct pl_error *err)
{
    struct pl_selected range = {0};
    enum pl_status status = pl_select_range(store, selection, &range, err);
    size_t cells = 0;
    bool fits = false;
    while (status == PL_OK && !fits) {
        int64_t span = range.to_ns - range.from_ns;
        chart->cell_ns = cells ? span / (int64_t)cells + 1 : 0;
        status = find_segments(store, selection, &range, chart->cell_ns, segments, err);
        if (status == PL_OK && !segments->overflowed)
            status = draw(store, segments, most, chart, &fits, err);
        if (!fits && cells == 1) { /* one stack deeper than there may be boxes */
            chart->box_count = 0;
            fits = true;
        }
        cells = cells > 1 ? cells / 2 : cells ? 1 : most;
    }
    chart->samples = segments->samples;
    if (segments->count) {
        chart->from_ns = segments->list[0].start_ns;
        chart->to_ns = segments->list[segments->count - 1].end_ns;
    }
    return status;
}

enum pl_status pl_query_chart(struct pl_store *store,
                              const struct pl_selection *selection, size_t most,
                              struct pl_chart *chart_out, struct pl_error *err)
{
    struct pl_stack_set only = {0};
    struct segments segments = {.only = &only, .most = most};
    struct pl_chart chart = {0};
    if (selection->thread_count != 1)
        return pl_error_set(err, PL_USAGE,
                            "a flame chart is of one thread: give its id");
    if (most < 1 || most > PL_CHART_MOST)
        return pl_error_set(err, PL_USAGE, "a flame chart has 1 to %d boxes",
                            PL_CHART_MOST);
    enum pl_status status = pl_db_begin_read(store, err);
    if (status != PL_OK)
        return status;
    chart.owned = pl_arena_new();
    chart.boxes = calloc(most, sizeof *chart.boxes);
    if (!chart.owned || !chart.boxes)
        status = out_of_memory(err);
    if (status == PL_OK)
        status = pl_stack_set_init(&only, store, selection, err);
    if (status == PL_OK)
        status = find_and_draw(store, selection, most, &segments, &chart, err);
    pl_db_end_read(store);
    if (status == PL_OK) {
        *chart_out = chart;
        chart = (struct pl_chart){0};
    }
    pl_chart_deinit(&chart);
    pl_stack_set_deinit(&only);
    free(segments.list);
    free(segments.shares);
    return status;
}

void pl_chart_deinit(struct pl_chart *chart)
{
    free(chart->boxes);
    pl_arena_free(chart->owned);
    *chart = (struct pl_chart){0};
}
