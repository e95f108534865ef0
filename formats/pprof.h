/* A profile for pprof: gzipped profile.proto, as `go tool pprof`, Pyroscope and Parca
 * read it. */
#ifndef PL_FORMATS_PPROF_H
#define PL_FORMATS_PPROF_H

#include "formats/tree.h"

#include <stdio.h>

/* Sample types: samples/count (if known), and wall or cpu/nanoseconds of a tree of
 * those; their sums are the root's total. A function inlined into its caller shares
 * its location. The period is what a sample weighs on average.
 * Errors  INPUT not a tree (nothing is written); IO; NOMEM. */
PL_MUST_CHECK enum pl_status pl_pprof_write(const struct pl_tree *tree, FILE *out,
                                            struct pl_error *err);

#endif
