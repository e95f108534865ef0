/* Change points: see change_point.h. */
#include "store/change_point.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#define PERMUTATIONS 1999
/* Once this many orders were at least as wide, p cannot be small any more. */
#define HOPELESS ((size_t)(PL_CHANGE_ALPHA * (PERMUTATIONS + 1)) + 1)

struct value {
    double value, weight;
    size_t index; /* in the caller's arrays */
};

struct series {
    struct value *values; /* those with weight */
    struct value *scratch;
    uint64_t random;
    struct pl_change_point *points;
    size_t most, found;
};

static size_t pick(struct series *series, size_t below)
{
    series->random =
        series->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (size_t)((series->random >> 33) % below);
}

/* The range of the CUSUM of `values`, and the place to split them at. */
static double cusum_range(const struct value *values, size_t count, size_t *at_out)
{
    double weight = 0, sum = 0, highest = 0, lowest = 0, furthest = 0;
    for (size_t i = 0; i < count; i++) {
        weight += values[i].weight;
        sum += values[i].weight * values[i].value;
    }
    double mean = sum / weight, off = 0;
    *at_out = 0;
    for (size_t i = 0; i < count; i++) {
        off += values[i].weight * (values[i].value - mean);
        highest = off > highest ? off : highest;
        lowest = off < lowest ? off : lowest;
        if (i + 1 < PL_CHANGE_SIDE || i + 1 + PL_CHANGE_SIDE > count)
            continue;
        if (fabs(off) > furthest) {
            furthest = fabs(off);
            *at_out = i + 1;
        }
    }
    return highest - lowest;
}

static void shuffle(struct series *series, size_t count)
{
    for (size_t i = count; i > 1; i--) {
        size_t other = pick(series, i);
        struct value swap = series->scratch[other];
        series->scratch[other] = series->scratch[i - 1];
        series->scratch[i - 1] = swap;
    }
}

/* How likely chance alone makes the range this wide; 1 as soon as it is likely. */
static double likelihood(struct series *series, const struct value *values,
                         size_t count, double range)
{
    size_t as_good = 0, at;
    for (size_t i = 0; i < count; i++)
        series->scratch[i] = values[i];
    for (size_t i = 0; i < PERMUTATIONS; i++) {
        shuffle(series, count);
        as_good += cusum_range(series->scratch, count, &at) >= range * (1 - 1e-12);
        if (as_good >= HOPELESS)
            return 1;
    }
    return (double)(as_good + 1) / (PERMUTATIONS + 1);
}

/* Changes of values[from..to), in order. A segment at a time: halves are shorter, so
 * the depth is bounded by the number of changes. */
static void search(struct series *series, size_t from, size_t to)
{
    size_t at;
    if (to - from < 2 * PL_CHANGE_SIDE || series->found == series->most)
        return;
    const struct value *values = &series->values[from];
    double range = cusum_range(values, to - from, &at);
    if (!(range > 0) || !at)
        return;
    double p = likelihood(series, values, to - from, range);
    if (p > PL_CHANGE_ALPHA)
        return;
    at += from;
    search(series, from, at);
    if (series->found < series->most)
        series->points[series->found++] = (struct pl_change_point){.at = at, .p = p};
    search(series, at, to);
}

static double mean_of(const struct series *series, size_t from, size_t to)
{
    double sum = 0, weight = 0;
    for (size_t i = from; i < to; i++) {
        sum += series->values[i].value * series->values[i].weight;
        weight += series->values[i].weight;
    }
    return weight > 0 ? sum / weight : 0;
}

/* Levels between changes; indexes of the caller's arrays. */
static void describe(struct series *series, size_t count)
{
    for (size_t i = 0; i < series->found; i++) {
        struct pl_change_point *point = &series->points[i];
        size_t from = i ? series->points[i - 1].at : 0;
        size_t to = i + 1 < series->found ? series->points[i + 1].at : count;
        point->before = mean_of(series, from, point->at);
        point->after = mean_of(series, point->at, to);
    }
    for (size_t i = 0; i < series->found; i++)
        series->points[i].at = series->values[series->points[i].at].index;
}

enum pl_status pl_change_points(const double *values, const double *weights,
                                size_t count, struct pl_change_point *points_out,
                                size_t most, size_t *found_out, struct pl_error *err)
{
    struct series series = {.random = 1, .points = points_out, .most = most};
    size_t known = 0;
    series.values = calloc(count + 1, sizeof *series.values);
    series.scratch = calloc(count + 1, sizeof *series.scratch);
    *found_out = 0;
    if (!series.values || !series.scratch) {
        free(series.values);
        free(series.scratch);
        return pl_error_set(err, PL_NOMEM, "out of memory for a series");
    }
    for (size_t i = 0; i < count; i++)
        if (weights[i] > 0)
            series.values[known++] = (struct value){values[i], weights[i], i};
    search(&series, 0, known);
    describe(&series, known);
    *found_out = series.found;
    free(series.values);
    free(series.scratch);
    return PL_OK;
}
