#include "formats/format.h"

#include "formats/folded.h"
#include "formats/html.h"
#include "formats/pprof.h"
#include "formats/speedscope.h"
#include "formats/svg.h"

#include <string.h>

const struct pl_format pl_formats[] = {
    {"folded", "text/plain; charset=utf-8", ".folded", pl_folded_write, PL_TREE_SAMPLES,
     false},
    {"svg", "image/svg+xml", ".svg", pl_svg_write, PL_TREE_NS, false},
    {"html", "text/html; charset=utf-8", ".html", pl_html_write, PL_TREE_NS, false},
    {"speedscope", "application/json; charset=utf-8", ".speedscope.json",
     pl_speedscope_write, PL_TREE_NS, false},
    {"pprof", "application/octet-stream", ".pb.gz", pl_pprof_write, PL_TREE_NS, true},
};
const size_t pl_format_count = sizeof pl_formats / sizeof pl_formats[0];

const struct pl_format *pl_format_named(const char *name)
{
    for (size_t i = 0; name && i < pl_format_count; i++)
        if (strcmp(name, pl_formats[i].name) == 0)
            return &pl_formats[i];
    return NULL;
}

const struct pl_format *pl_format_of_file(const char *path)
{
    size_t len = strlen(path);
    for (size_t i = 0; i < pl_format_count; i++) {
        size_t end = strlen(pl_formats[i].ending);
        if (len > end && strcmp(path + len - end, pl_formats[i].ending) == 0)
            return &pl_formats[i];
    }
    return NULL;
}
