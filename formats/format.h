/* The formats a profile can be written in. */
#ifndef PL_FORMATS_FORMAT_H
#define PL_FORMATS_FORMAT_H

#include "formats/tree.h"

#include <stdio.h>

struct pl_format {
    const char *name;
    const char *type;   /* of its content, for HTTP */
    const char *ending; /* of its files, with the dot */
    enum pl_status (*write)(const struct pl_tree *tree, FILE *out,
                            struct pl_error *err);
    enum pl_tree_unit unit; /* what a tree for it is of */
    bool lines;             /* tells the lines of a function apart */
    bool threads;           /* tells threads apart */
    bool binary;            /* is not for terminals */
};

extern const struct pl_format pl_formats[];
extern const size_t pl_format_count;

/* "folded, svg, ..." */
#define PL_FORMAT_NAMES "folded, svg, html, speedscope, pprof or firefox"

/* NULL: there is none of that name (which may be NULL). */
const struct pl_format *pl_format_named(const char *name);

/* By a file's ending; NULL: none has it. */
const struct pl_format *pl_format_of_file(const char *path);

#endif
