/* History: see query_history.h.
 *
 * First all stacks of the selection, and which of them have the function; then each
 * bucket's weights by themselves, which know nothing of functions. */
#include "store/query_history.h"

#include "base/clock.h"
#include "store/db.h"
#include "store/query_weights.h"

#include <stdlib.h>
#include <string.h>

#define BUCKETS_WANTED 200

static const int64_t widths_ns[] = {
    60 * PL_NS_PER_S,       600 * PL_NS_PER_S,   3600 * PL_NS_PER_S,
    6 * 3600 * PL_NS_PER_S, 86400 * PL_NS_PER_S, 7 * 86400 * PL_NS_PER_S,
};

struct history {
    struct pl_store *store;
    const struct pl_selection *selection;
    enum pl_metric metric;
    struct pl_stack_weights weights;
    uint32_t known;       /* stacks of the selection; places after are their parents */
    unsigned char *flags; /* PL_STACK_* */
};

static void add(struct pl_amount *to, const struct pl_amount *amount)
{
    to->ns += amount->ns;
    to->samples += amount->samples;
    to->squares += amount->squares;
}

/* ---- which buckets ---- */

static int64_t choose_width(int64_t span_ns)
{
    size_t last = sizeof widths_ns / sizeof widths_ns[0] - 1, i = 0;
    while (i < last && span_ns / widths_ns[i] >= BUCKETS_WANTED)
        i++;
    return widths_ns[i];
}

static int64_t floor_to(int64_t time_ns, int64_t width_ns)
{
    int64_t rest = time_ns % width_ns;
    return time_ns - (rest < 0 ? rest + width_ns : rest);
}

static enum pl_status plan(const struct pl_selected *range, struct pl_history *history,
                           struct pl_error *err)
{
    int64_t span = range->to_ns - range->from_ns;
    int64_t first = floor_to(range->from_ns, history->bucket_ns);
    int64_t count = span > 0 ? (range->to_ns - 1 - first) / history->bucket_ns + 1 : 0;
    if (count > PL_HISTORY_BUCKETS_MAX)
        return pl_error_set(err, PL_USAGE, "%lld buckets: %d is the most",
                            (long long)count, PL_HISTORY_BUCKETS_MAX);
    free(history->buckets);
    history->count = (size_t)count;
    history->buckets = calloc(history->count + 1, sizeof *history->buckets);
    if (!history->buckets)
        return pl_error_set(err, PL_NOMEM, "out of memory for a history");
    for (size_t i = 0; i < history->count; i++)
        history->buckets[i].start_ns = first + (int64_t)i * history->bucket_ns;
    return PL_OK;
}

/* Where samples are gone and only their sums are left, these have no parts. */
static void take_in(struct pl_selected *range, const struct pl_selected *found)
{
    if (found->from_ns == found->to_ns)
        return;
    if (range->from_ns == range->to_ns) {
        *range = *found;
        return;
    }
    range->from_ns = found->from_ns < range->from_ns ? found->from_ns : range->from_ns;
    range->to_ns = found->to_ns > range->to_ns ? found->to_ns : range->to_ns;
}

/* ---- counting ---- */

static void count_stacks(const struct history *from, struct pl_history_bucket *bucket)
{
    for (uint32_t i = 0; i < from->known; i++) {
        const struct pl_amount *amount = &from->weights.list[i];
        add(&bucket->all, amount);
        if (from->flags[i] & PL_STACK_HAS)
            add(&bucket->total, amount);
        if (from->flags[i] & PL_STACK_LEAF)
            add(&bucket->self, amount);
    }
}

/* At an open end, samples whose rounded time sticks out of the data's range belong to
 * the bucket there. */
static enum pl_status count_bucket(struct history *from, struct pl_history *history,
                                   size_t i, struct pl_error *err)
{
    struct pl_selection part = *from->selection;
    struct pl_selected selected;
    struct pl_history_bucket *bucket = &history->buckets[i];
    int64_t end_ns = bucket->start_ns + history->bucket_ns;
    if (i && bucket->start_ns > part.from_ns)
        part.from_ns = bucket->start_ns;
    if (i + 1 < history->count && (!part.to_ns || end_ns < part.to_ns))
        part.to_ns = end_ns;
    memset(from->weights.list, 0, from->weights.cap * sizeof *from->weights.list);
    enum pl_status status = pl_query_weights(from->store, &part, from->metric,
                                             &from->weights, 0, &selected, err);
    if (status == PL_OK)
        count_stacks(from, bucket);
    return status;
}

static int64_t weighted_samples(const struct history *from)
{
    int64_t samples = 0;
    for (uint32_t i = 0; i < from->known; i++)
        samples += from->weights.list[i].samples;
    return samples;
}

static enum pl_status count_buckets(struct history *from, struct pl_history *history,
                                    const struct pl_selected *range, int64_t *seen_out,
                                    struct pl_error *err)
{
    *seen_out = 0;
    enum pl_status status = plan(range, history, err);
    for (size_t i = 0; from->known && i < history->count && status == PL_OK; i++) {
        status = count_bucket(from, history, i, err);
        *seen_out += history->buckets[i].all.samples;
    }
    return status;
}

/* The sum of an hour or a day is in no bucket that is shorter: where such are all that
 * is left, a width that was not asked for becomes theirs. */
static enum pl_status fill(struct history *from, struct pl_history *history,
                           const struct pl_selected *range, struct pl_error *err)
{
    const int64_t whole = weighted_samples(from), asked_ns = history->bucket_ns;
    int64_t seen;
    if (!asked_ns)
        history->bucket_ns = choose_width(range->to_ns - range->from_ns);
    enum pl_status status = count_buckets(from, history, range, &seen, err);
    for (size_t i = 0; i < sizeof widths_ns / sizeof widths_ns[0]; i++) {
        if (status != PL_OK || asked_ns || seen >= whole)
            break;
        if (widths_ns[i] <= history->bucket_ns)
            continue;
        history->bucket_ns = widths_ns[i];
        status = count_buckets(from, history, range, &seen, err);
    }
    return status;
}

static enum pl_status gather(struct history *from, struct pl_history *history,
                             struct pl_error *err)
{
    struct pl_selected range = {0}, selected = {0};
    enum pl_status status = pl_select_range(from->store, from->selection, &range, err);
    if (status == PL_OK)
        status = pl_query_weights(from->store, from->selection, from->metric,
                                  &from->weights, 0, &selected, err);
    take_in(&range, &selected);
    from->known = from->weights.stacks.count;
    if (status == PL_OK && from->known)
        status = pl_dictionary_find(from->store, &from->weights,
                                    from->selection->function, &from->flags, err);
    return status == PL_OK ? fill(from, history, &range, err) : status;
}

/* ---- changes ---- */

static int compare_changes(const void *left, const void *right)
{
    const struct pl_history_change *a = left, *b = right;
    if (a->point.at != b->point.at)
        return a->point.at < b->point.at ? -1 : 1;
    return (int)a->of_self - (int)b->of_self;
}

static enum pl_status find_changes(struct pl_history *history, bool of_self,
                                   double *shares, double *weights,
                                   struct pl_error *err)
{
    struct pl_change_point points[PL_HISTORY_CHANGES_MAX];
    size_t found = 0;
    for (size_t i = 0; i < history->count; i++) {
        const struct pl_history_bucket *bucket = &history->buckets[i];
        const struct pl_amount *part = of_self ? &bucket->self : &bucket->total;
        weights[i] = (double)bucket->all.samples;
        shares[i] = bucket->all.ns ? (double)part->ns / (double)bucket->all.ns : 0;
    }
    enum pl_status status = pl_change_points(shares, weights, history->count, points,
                                             PL_HISTORY_CHANGES_MAX, &found, err);
    for (size_t i = 0; i < found && status == PL_OK; i++)
        history->changes[history->change_count++] =
            (struct pl_history_change){points[i], of_self};
    return status;
}

static enum pl_status find_all_changes(struct pl_history *history, struct pl_error *err)
{
    double *shares = calloc(history->count + 1, sizeof *shares);
    double *weights = calloc(history->count + 1, sizeof *weights);
    history->changes =
        calloc((size_t)2 * PL_HISTORY_CHANGES_MAX, sizeof *history->changes);
    enum pl_status status = PL_OK;
    if (!shares || !weights || !history->changes)
        status = pl_error_set(err, PL_NOMEM, "out of memory for a history");
    if (status == PL_OK)
        status = find_changes(history, false, shares, weights, err);
    if (status == PL_OK)
        status = find_changes(history, true, shares, weights, err);
    if (status == PL_OK && history->change_count)
        qsort(history->changes, history->change_count, sizeof *history->changes,
              compare_changes);
    free(shares);
    free(weights);
    return status;
}

enum pl_status pl_query_history(struct pl_store *store,
                                const struct pl_selection *selection,
                                enum pl_metric metric, int64_t bucket_ns,
                                struct pl_history *history_out, struct pl_error *err)
{
    struct history from = {.store = store, .selection = selection, .metric = metric};
    struct pl_history history = {.bucket_ns = bucket_ns};
    if (!selection->function)
        return pl_error_set(err, PL_USAGE, "a history of what? name a function");
    if (bucket_ns < 0)
        return pl_error_set(err, PL_USAGE, "a bucket is longer than nothing");
    enum pl_status status = pl_db_begin_read(store, err);
    if (status != PL_OK)
        return status;
    status = pl_stack_weights_init(&from.weights, 1, store, err);
    if (status == PL_OK)
        status = gather(&from, &history, err);
    pl_db_end_read(store);
    if (status == PL_OK)
        status = find_all_changes(&history, err);
    if (status == PL_OK) {
        *history_out = history;
        history = (struct pl_history){0};
    }
    pl_history_deinit(&history);
    pl_stack_weights_deinit(&from.weights);
    free(from.flags);
    return status;
}

void pl_history_deinit(struct pl_history *history)
{
    free(history->buckets);
    free(history->changes);
    *history = (struct pl_history){0};
}
