/* A profile for the Firefox Profiler: its "processed profile" JSON, in the shape of
 * version 50, which later ones read and upgrade. */
#ifndef PL_FORMATS_FIREFOX_H
#define PL_FORMATS_FIREFOX_H

#include "formats/tree.h"

#include <stdio.h>

/* One thread for each box of the first level if those are threads, else one. A sample
 * is a stack with all its weight, in ms or samples; a tree knows no order in time, so
 * they follow one another, each as long as its weight.
 * Errors  INPUT not a tree (nothing is written); IO; NOMEM. */
PL_MUST_CHECK enum pl_status pl_firefox_write(const struct pl_tree *tree, FILE *out,
                                              struct pl_error *err);

#endif
