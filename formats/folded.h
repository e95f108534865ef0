/* Folded stacks: one line a stack, root first, `main;serve;parse 42`, as
 * flamegraph.pl, inferno, speedscope and others read them. */
#ifndef PL_FORMATS_FOLDED_H
#define PL_FORMATS_FOLDED_H

#include "formats/tree.h"

#include <stdio.h>

/* Write every node with weight of its own, in the tree's order and unit. The
 * sum of the numbers is the root's total. In names, `;` becomes `:` and control
 * bytes become spaces: both would break a line.
 * Errors  INPUT not a tree; IO writing to `out` failed; NOMEM. */
PL_MUST_CHECK enum pl_status pl_folded_write(const struct pl_tree *tree, FILE *out,
                                             struct pl_error *err);

#endif
