/* A flame graph as one HTML page: the SVG drawing with its script inside, nothing
 * fetched from anywhere. */
#ifndef PL_FORMATS_HTML_H
#define PL_FORMATS_HTML_H

#include "formats/tree.h"

#include <stdio.h>

/* Errors  as pl_svg_write. */
PL_MUST_CHECK enum pl_status pl_html_write(const struct pl_tree *tree, FILE *out,
                                           struct pl_error *err);

#endif
