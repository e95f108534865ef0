/* Flame graph as one SVG file: no external reference, opens in any browser,
 * click zooms, Esc goes back, Ctrl-F searches. Without scripts (in a document,
 * in a restricted viewer) it is still the full drawing. */
#ifndef PL_FORMATS_SVG_H
#define PL_FORMATS_SVG_H

#include "formats/tree.h"

#include <stdio.h>

/* Draw the tree, root at the bottom. Boxes narrower than a tenth of a pixel are
 * left out; how many is written below the title, as are lost samples. Names are
 * escaped; the file is well-formed XML whatever they hold.
 * Errors  INPUT not a tree; IO writing to `out` failed; NOMEM. */
PL_MUST_CHECK enum pl_status pl_svg_write(const struct pl_tree *tree, FILE *out,
                                          struct pl_error *err);

/* The drawing as part of something larger, whose text stands before and after it. */
PL_MUST_CHECK enum pl_status pl_svg_write_between(const struct pl_tree *tree,
                                                  const char *before, const char *after,
                                                  FILE *out, struct pl_error *err);

#endif
