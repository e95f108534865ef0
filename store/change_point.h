/* Change points: where the level of a series of numbers changes for good.
 *
 * The statistic is the range (highest less lowest) of the CUSUM of the weighted
 * deviations from the mean (Page, Biometrika 41, 1954; its range also sees a level that
 * changes and comes back, Levin and Kline, Statistics in Medicine 4, 1985). How often
 * chance makes it that wide is not taken from a formula, which would want to know how
 * the numbers are distributed, but from 1999 random orders of the very same numbers: if
 * there is no change, any order is as likely (an exact permutation test, as in
 * Matteson and James, "A Nonparametric Approach for Multiple Change Point Analysis",
 * JASA 109, 2014). A change found splits the series where the CUSUM is furthest from 0,
 * and both halves are looked at in turn (binary segmentation). Orders come from a fixed
 * seed: the same numbers give the same answer.
 *
 * It takes neighbours for independent. Daily tides are not: look at whole days then. */
#ifndef PL_STORE_CHANGE_POINT_H
#define PL_STORE_CHANGE_POINT_H

#include "base/error.h"

#include <stddef.h>

#define PL_CHANGE_ALPHA .005 /* of chance alone, in a series without change */
#define PL_CHANGE_SIDE  3    /* values there must be on either side */

struct pl_change_point {
    size_t at;            /* the first value of the new level */
    double before, after; /* weighted means up to the next change on either side */
    double p;
};

/* Values with their weights (0: not known, left out) in order of time. Writes up to
 * `most` changes, in order, and sets *found_out.  Errors  NOMEM. */
PL_MUST_CHECK enum pl_status pl_change_points(const double *values,
                                              const double *weights, size_t count,
                                              struct pl_change_point *points_out,
                                              size_t most, size_t *found_out,
                                              struct pl_error *err);

#endif
