/* speedscope's own format (https://www.speedscope.app/file-format-schema.json), also
 * read by Perfetto and others: one "sampled" profile in which every stack stands once
 * with its weight. Order says nothing about time. */
#ifndef PL_FORMATS_SPEEDSCOPE_H
#define PL_FORMATS_SPEEDSCOPE_H

#include "formats/tree.h"

#include <stdio.h>

/* Write the tree. The weights' sum is the root's total; samples without a frame are a
 * stack of none.
 * Errors  INPUT not a tree; IO writing to `out` failed; NOMEM. */
PL_MUST_CHECK enum pl_status pl_speedscope_write(const struct pl_tree *tree, FILE *out,
                                                 struct pl_error *err);

#endif
