/* Sorting the points leaves each function's times in order. */
#include "store/function_points.h"

#include "store/arena.h"
#include "store/calls.h"

#include <stdlib.h>
#include <string.h>

struct pl_point {
    uint32_t fingerprint;
    int64_t bucket_ns, self_ns;
};

void pl_points_deinit(struct pl_function_points *points)
{
    free(points->points);
    free(points->known);
    *points = (struct pl_function_points){0};
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

/* ---- functions by number ---- */

struct pl_known_function *pl_points_know(struct pl_function_points *f,
                                         uint32_t fingerprint, uint32_t function)
{
    size_t low = 0, high = f->known_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (f->known[middle].fingerprint < fingerprint)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < f->known_count && f->known[low].fingerprint == fingerprint)
        return &f->known[low];
    void *known = f->known;
    if (!grow(&known, f->known_count, &f->known_cap, sizeof *f->known))
        return NULL;
    f->known = known;
    memmove(&f->known[low + 1], &f->known[low],
            (f->known_count++ - low) * sizeof *f->known);
    f->known[low] = (struct pl_known_function){fingerprint, function, 0, 0};
    return &f->known[low];
}

enum pl_status pl_points_add(struct pl_function_points *f, uint32_t fingerprint,
                             int64_t at_ns, int64_t self_ns, struct pl_error *err)
{
    int64_t rest_ns = f->bucket_ns ? at_ns % f->bucket_ns : at_ns;
    void *points = f->points;
    if (f->count == PL_POINTS_MAX)
        return pl_error_set(err, PL_USAGE, "more than %d calls: narrow the selection",
                            PL_POINTS_MAX);
    if (!grow(&points, f->count, &f->cap, sizeof *f->points))
        return pl_error_set(err, PL_NOMEM, "out of memory for function metrics");
    f->points = points;
    f->points[f->count++] = (struct pl_point){
        fingerprint, at_ns - (rest_ns < 0 ? rest_ns + f->bucket_ns : rest_ns), self_ns};
    return PL_OK;
}

/* ---- the answer ---- */

static int by_time(const void *left, const void *right)
{
    const struct pl_point *a = left, *b = right;
    if (a->fingerprint != b->fingerprint)
        return a->fingerprint < b->fingerprint ? -1 : 1;
    return (a->self_ns > b->self_ns) - (a->self_ns < b->self_ns);
}

static int by_bucket(const void *left, const void *right)
{
    const struct pl_point *a = left, *b = right;
    if (a->bucket_ns != b->bucket_ns)
        return a->bucket_ns < b->bucket_ns ? -1 : 1;
    return by_time(left, right);
}

/* `times` are the points' self times, in order. */
static struct pl_call_times sum_up(const int64_t *times, size_t count, int64_t start_ns)
{
    struct pl_call_times sum = {.start_ns = start_ns, .calls = (int64_t)count};
    for (size_t i = 0; i < count; i++)
        sum.sum_ns += times[i];
    sum.p75_ns = pl_calls_quantile(times, count, .75);
    sum.p95_ns = pl_calls_quantile(times, count, .95);
    sum.p99_ns = pl_calls_quantile(times, count, .99);
    return sum;
}

static void copy_times(int64_t *times, const struct pl_point *points, size_t count)
{
    for (size_t i = 0; i < count; i++)
        times[i] = points[i].self_ns;
}

/* `points` are one function's, by time; they end up by bucket. */
static bool fill_row(const struct pl_function_points *f, struct pl_function_metric *row,
                     struct pl_point *points, size_t count, int64_t *times,
                     struct pl_arena *arena)
{
    copy_times(times, points, count);
    row->all = sum_up(times, count, 0);
    qsort(points, count, sizeof *points, by_bucket);
    for (size_t i = 0; i < count; i++)
        row->bucket_count += !i || points[i].bucket_ns != points[i - 1].bucket_ns;
    row->buckets = pl_arena_array(arena, row->bucket_count, sizeof *row->buckets);
    if (!row->buckets)
        return false;
    copy_times(times, points, count);
    for (size_t i = 0, end, at = 0; i < count; i = end) {
        for (end = i + 1; end < count; end++)
            if (points[end].bucket_ns != points[i].bucket_ns)
                break;
        row->buckets[at++] =
            sum_up(times + i, end - i, f->bucket_ns ? points[i].bucket_ns : 0);
    }
    return true;
}

static bool name_row(const struct pl_tree *tree, const struct pl_known_function *known,
                     struct pl_function_metric *row, struct pl_arena *arena)
{
    const struct pl_function *function = pl_tree_function_at(tree, known->function);
    *row = (struct pl_function_metric){
        .fingerprint = known->fingerprint,
        .function = pl_arena_text(arena, function->name),
        .module = pl_arena_text(arena, function->module),
        .file = pl_arena_text(arena, function->file),
        .samples = known->samples,
        .chunks = known->chunks,
    };
    return row->function && row->module && row->file;
}

static bool is_wanted(const struct pl_tree *tree, const char *only,
                      const struct pl_known_function *known)
{
    return !only || strcmp(only, pl_tree_function_at(tree, known->function)->name) == 0;
}

static int by_sum(const void *left, const void *right)
{
    const struct pl_function_metric *a = left, *b = right;
    if (a->all.sum_ns != b->all.sum_ns)
        return a->all.sum_ns > b->all.sum_ns ? -1 : 1;
    return (a->fingerprint > b->fingerprint) - (a->fingerprint < b->fingerprint);
}

/* Points and known functions are in the order of fingerprints, both. */
bool pl_points_finish(struct pl_function_points *f, const struct pl_tree *tree,
                      const char *only, struct pl_function_metrics *metrics)
{
    struct pl_arena *arena = metrics->owned;
    int64_t *times = malloc((f->count + 1) * sizeof *times);
    metrics->rows = calloc(f->known_count + 1, sizeof *metrics->rows);
    bool ok = times && metrics->rows;
    if (ok && f->count)
        qsort(f->points, f->count, sizeof *f->points, by_time);
    for (size_t i = 0, k = 0, end; ok && i < f->count; i = end) {
        for (end = i + 1; end < f->count; end++)
            if (f->points[end].fingerprint != f->points[i].fingerprint)
                break;
        while (f->known[k].fingerprint != f->points[i].fingerprint)
            k++;
        if (!is_wanted(tree, only, &f->known[k]))
            continue;
        struct pl_function_metric *row = &metrics->rows[metrics->count++];
        ok = name_row(tree, &f->known[k], row, arena) &&
             fill_row(f, row, &f->points[i], end - i, times, arena);
    }
    free(times);
    if (ok && metrics->count)
        qsort(metrics->rows, metrics->count, sizeof *metrics->rows, by_sum);
    return ok;
}
