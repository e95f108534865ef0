/* Function metrics: see query_functions.h.
 *
 * First all stacks of the selection and their functions, then chunk after chunk the
 * samples thread by thread. Every call becomes a point (function_points.h). */
#include "store/query_functions.h"

#include "store/arena.h"
#include "store/calls.h"
#include "store/db.h"
#include "store/dictionary.h"
#include "store/function_points.h"
#include "store/query_select.h"

#include <stdlib.h>
#include <string.h>

struct part {
    int64_t id, chunk_id, start_ns;
};

struct functions {
    struct pl_store *store;
    const struct pl_selection *selection;
    struct part *parts;
    size_t part_count;
    struct pl_stack_weights weights;
    struct pl_tree *tree;
    uint32_t *nodes;        /* of stacks, by place */
    uint32_t *fingerprints; /* of the tree's functions */

    struct pl_call_step *steps; /* of the chunk */
    size_t step_count, step_cap;
    struct pl_call_frame *path;
    size_t path_cap;
    struct pl_calls calls;

    struct pl_function_points points;
    int64_t chunks;
};

static enum pl_status out_of_memory(struct pl_error *err)
{
    return pl_error_set(err, PL_NOMEM, "out of memory for function metrics");
}

static bool grow(void **array, size_t count, size_t *cap, size_t size)
{
    if (count < *cap)
        return true;
    size_t more = *cap ? *cap * 2 : 256;
    void *grown = realloc(*array, more * size);
    if (!grown)
        return false;
    *array = grown;
    *cap = more;
    return true;
}

#define GROW(f, array, count, cap)                                                     \
    grow((void **)&(f)->array, (f)->count, &(f)->cap, sizeof *(f)->array)

/* ---- which chunks ---- */

static enum pl_status find_chunk(struct functions *f, struct part *part,
                                 struct pl_error *err)
{
    struct pl_stmt *stmt;
    enum pl_status status = pl_stmt_get(f->store, PL_SQL_FUNCTION_PART, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_int(stmt, ":part", part->id);
    return pl_stmt_id(stmt, &part->chunk_id, err);
}

static int by_chunk(const void *left, const void *right)
{
    const struct part *a = left, *b = right;
    if (a->chunk_id != b->chunk_id)
        return a->chunk_id < b->chunk_id ? -1 : 1;
    return (a->start_ns > b->start_ns) - (a->start_ns < b->start_ns);
}

static enum pl_status list_parts(struct functions *f, struct pl_error *err)
{
    struct pl_part_list list = {0};
    enum pl_status status = pl_select_part_list(f->store, f->selection, &list, err);
    if (status == PL_OK && !(f->parts = calloc(list.count + 1, sizeof *f->parts)))
        status = out_of_memory(err);
    for (size_t i = 0; i < list.count && status == PL_OK; i++) {
        struct part *part = &f->parts[f->part_count++];
        *part = (struct part){.id = list.list[i].id, .start_ns = list.list[i].start_ns};
        status = find_chunk(f, part, err);
    }
    free(list.list);
    if (status == PL_OK && f->part_count)
        qsort(f->parts, f->part_count, sizeof *f->parts, by_chunk);
    return status;
}

/* ---- what the stacks are ---- */

static enum pl_status gather_stacks(void *self, const struct pl_slot *slot,
                                    struct pl_error *err)
{
    struct functions *f = self;
    for (size_t i = 0; i < slot->run_count; i++) {
        struct pl_amount *amount =
            slot->runs[i].stack ? pl_stack_weight(&f->weights, slot->runs[i].stack, 0)
                                : NULL;
        if (amount)
            amount->samples++;
        else if (slot->runs[i].stack)
            return out_of_memory(err);
    }
    return PL_OK;
}

static enum pl_status resolve(struct functions *f, struct pl_error *err)
{
    const struct pl_slot_visitor visitor = {.self = f, .slot = gather_stacks};
    struct pl_selected selected;
    enum pl_status status = pl_stack_weights_init(&f->weights, 1, f->store, err);
    if (status == PL_OK)
        status =
            pl_select_slots(f->store, f->selection, NULL, &visitor, &selected, err);
    if (status == PL_OK)
        status = pl_tree_new(1, &f->tree, err);
    if (status == PL_OK)
        status = pl_dictionary_resolve_nodes(f->store, &f->weights, NULL, f->tree,
                                             &f->nodes, err);
    if (status != PL_OK)
        return status;
    uint32_t count = pl_tree_function_count(f->tree);
    f->fingerprints = calloc((size_t)count + 1, sizeof *f->fingerprints);
    if (!f->fingerprints)
        return out_of_memory(err);
    for (uint32_t i = 0; i < count; i++) {
        const struct pl_function *function = pl_tree_function_at(f->tree, i);
        f->fingerprints[i] = pl_calls_fingerprint(function->module, function->name);
    }
    return PL_OK;
}

/* ---- a chunk ---- */

static enum pl_status add_step(struct functions *f, struct pl_call_step step,
                               struct pl_error *err)
{
    if (!GROW(f, steps, step_count, step_cap))
        return out_of_memory(err);
    step.order = (uint32_t)f->step_count;
    f->steps[f->step_count++] = step;
    return PL_OK;
}

static bool is_seen(const struct pl_slot *slot, uint32_t tick)
{
    return !slot->bins || slot->bins->bin[tick] != PL_BIN_NONE;
}

/* Ticks of a run that are in the selection, from each first one of them on. */
static enum pl_status take_slot(void *self, const struct pl_slot *slot,
                                struct pl_error *err)
{
    struct functions *f = self;
    enum pl_status status = PL_OK;
    uint32_t tick = 0;
    for (size_t i = 0; i < slot->run_count && status == PL_OK; i++) {
        const struct pl_slot_run *run = &slot->runs[i];
        uint32_t end = tick + run->count;
        for (; tick < end && run->stack && status == PL_OK;) {
            bool seen = is_seen(slot, tick);
            uint32_t next = tick + 1;
            while (next < end && is_seen(slot, next) == seen)
                next++;
            status = add_step(
                f,
                (struct pl_call_step){.at_ns = pl_ticks_at(slot->ticks, tick),
                                      .thread = slot->thread_id,
                                      .stack = seen ? run->stack : PL_CALLS_UNSEEN,
                                      .count = next - tick},
                err);
            /* Of a run's last sample it may be that nothing follows. */
            if (status == PL_OK && seen && next - tick > 1)
                status = add_step(
                    f,
                    (struct pl_call_step){.at_ns = pl_ticks_at(slot->ticks, next - 1),
                                          .thread = slot->thread_id,
                                          .stack = run->stack},
                    err);
            tick = next;
        }
        tick = end;
    }
    return status;
}

/* The functions of a stack, outermost first. False: out of memory. */
static bool make_path(void *self, uint32_t stack, const struct pl_call_frame **path_out,
                      size_t *depth_out)
{
    struct functions *f = self;
    uint32_t leaf = f->nodes[pl_idmap_find(&f->weights.stacks, stack)];
    size_t depth = 0;
    for (uint32_t n = leaf; n != PL_TREE_ROOT; n = pl_tree_parent(f->tree, n))
        depth++;
    while (depth > f->path_cap) {
        size_t cap = depth + 64;
        struct pl_call_frame *grown = realloc(f->path, cap * sizeof *grown);
        if (!grown)
            return false;
        f->path = grown;
        f->path_cap = cap;
    }
    *depth_out = depth;
    for (uint32_t n = leaf; n != PL_TREE_ROOT; n = pl_tree_parent(f->tree, n)) {
        uint32_t function = pl_tree_node_function(f->tree, n);
        f->path[--depth] = (struct pl_call_frame){
            function, pl_tree_function_at(f->tree, function)->in_app == 1};
    }
    *path_out = f->path;
    return true;
}

static enum pl_status take_groups(struct functions *f, int64_t at_ns,
                                  struct pl_error *err)
{
    struct pl_call_group groups[PL_CALLS_FUNCTIONS];
    size_t count = pl_calls_finish(&f->calls, groups);
    enum pl_status status = PL_OK;
    for (size_t i = 0; i < count && status == PL_OK; i++) {
        uint32_t number = f->fingerprints[groups[i].function];
        struct pl_known_function *known =
            pl_points_know(&f->points, number, groups[i].function);
        if (!known)
            return out_of_memory(err);
        known->samples += groups[i].samples;
        known->chunks++;
        for (size_t j = 0; j < groups[i].count && status == PL_OK; j++)
            status = pl_points_add(&f->points, number, at_ns,
                                   groups[i].calls[j].self_ns, err);
    }
    return status;
}

/* Parts [first, end) are of one chunk. */
static enum pl_status take_chunk(struct functions *f, size_t first, size_t end,
                                 struct pl_error *err)
{
    const struct pl_slot_visitor visitor = {
        .self = f, .slot = take_slot, .wants_ticks = true};
    enum pl_status status = PL_OK;
    f->step_count = 0;
    pl_calls_clear(&f->calls);
    for (size_t i = first; i < end && status == PL_OK; i++)
        status = pl_select_part(f->store, f->selection, f->parts[i].id, &visitor, err);
    if (status == PL_OK &&
        !pl_calls_follow(&f->calls, f->steps, f->step_count, make_path, f))
        status = out_of_memory(err);
    f->chunks++;
    return status == PL_OK ? take_groups(f, f->parts[first].start_ns, err) : status;
}

static enum pl_status take_chunks(struct functions *f, struct pl_error *err)
{
    enum pl_status status = PL_OK;
    for (size_t i = 0, end; i < f->part_count && status == PL_OK; i = end) {
        for (end = i + 1; end < f->part_count; end++)
            if (f->parts[end].chunk_id != f->parts[i].chunk_id)
                break;
        status = take_chunk(f, i, end, err);
    }
    return status;
}

/* ---- what was only kept as metrics ---- */

static enum pl_status take_row(struct functions *f, struct pl_stmt *stmt,
                               struct pl_error *err)
{
    uint32_t number = (uint32_t)pl_stmt_column_int(stmt, 0);
    uint32_t function = pl_tree_function(f->tree, pl_stmt_column_text(stmt, 1),
                                         pl_stmt_column_text(stmt, 2),
                                         pl_stmt_column_text(stmt, 3), 0, 1);
    struct pl_known_function *known =
        function == PL_NO_INDEX ? NULL : pl_points_know(&f->points, number, function);
    if (!known)
        return out_of_memory(err);
    int64_t at_ns = pl_stmt_column_int(stmt, 4);
    if (!pl_stmt_column_int(stmt, 6)) { /* the first of the row's times */
        known->samples += pl_stmt_column_int(stmt, 5);
        known->chunks++;
    }
    int64_t self_ns = pl_stmt_column_int(stmt, 7);
    return self_ns < 0 ? PL_OK : pl_points_add(&f->points, number, at_ns, self_ns, err);
}

static enum pl_status take_kept(struct functions *f, struct pl_error *err)
{
    const struct pl_selection *s = f->selection;
    struct pl_stmt *stmt;
    bool row = true;
    if (s->session_count || s->thread_count || s->thread_name || s->label_count)
        return PL_OK;
    enum pl_status status = pl_stmt_get(f->store, PL_SQL_FUNCTION_KEPT, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_text(stmt, ":app", s->app);
    pl_stmt_text(stmt, ":release", s->release);
    pl_stmt_text(stmt, ":environment", s->environment);
    pl_stmt_int(stmt, ":from", s->from_ns ? s->from_ns : INT64_MIN);
    pl_stmt_int(stmt, ":to", s->to_ns ? s->to_ns : INT64_MAX);
    while (status == PL_OK && row) {
        status = pl_stmt_row(stmt, &row, err);
        if (status == PL_OK && row)
            status = take_row(f, stmt, err);
    }
    pl_stmt_reset(stmt);
    return status;
}

static void deinit(struct functions *f)
{
    free(f->parts);
    free(f->nodes);
    free(f->fingerprints);
    free(f->steps);
    free(f->path);
    pl_points_deinit(&f->points);
    pl_calls_deinit(&f->calls);
    pl_tree_free(f->tree);
    pl_stack_weights_deinit(&f->weights);
}

enum pl_status pl_query_functions(struct pl_store *store,
                                  const struct pl_selection *selection,
                                  int64_t bucket_ns,
                                  struct pl_function_metrics *metrics_out,
                                  struct pl_error *err)
{
    struct functions f = {
        .store = store, .selection = selection, .points.bucket_ns = bucket_ns};
    struct pl_function_metrics metrics = {.bucket_ns = bucket_ns};
    if (bucket_ns < 0)
        return pl_error_set(err, PL_USAGE, "a bucket is longer than nothing");
    enum pl_status status = pl_db_begin_read(store, err);
    if (status != PL_OK)
        return status;
    status = list_parts(&f, err);
    if (status == PL_OK)
        status = resolve(&f, err);
    if (status == PL_OK)
        status = take_chunks(&f, err);
    if (status == PL_OK)
        status = take_kept(&f, err);
    pl_db_end_read(store);
    metrics.chunks = f.chunks;
    if (status == PL_OK && !(metrics.owned = pl_arena_new()))
        status = out_of_memory(err);
    if (status == PL_OK &&
        !pl_points_finish(&f.points, f.tree, selection->function, &metrics))
        status = out_of_memory(err);
    deinit(&f);
    if (status == PL_OK)
        *metrics_out = metrics;
    else
        pl_function_metrics_deinit(&metrics);
    return status;
}

void pl_function_metrics_deinit(struct pl_function_metrics *metrics)
{
    free(metrics->rows);
    pl_arena_free(metrics->owned);
    *metrics = (struct pl_function_metrics){0};
}
