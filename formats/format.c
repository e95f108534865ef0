#include "formats/format.h"

#include "formats/firefox.h"
#include "formats/folded.h"
#include "formats/html.h"
#include "formats/pprof.h"
#include "formats/speedscope.h"
#include "formats/svg.h"

#include <string.h>

#define JSON "application/json; charset=utf-8"

const struct pl_format pl_formats[] = {
    {.name = "folded",
     .type = "text/plain; charset=utf-8",
     .ending = ".folded",
     .write = pl_folded_write,
     .unit = PL_TREE_SAMPLES},
    {.name = "svg",
     .type = "image/svg+xml",
     .ending = ".svg",
     .write = pl_svg_write,
     .unit = PL_TREE_NS},
    {.name = "html",
     .type = "text/html; charset=utf-8",
     .ending = ".html",
     .write = pl_html_write,
     .unit = PL_TREE_NS},
    {.name = "speedscope",
     .type = JSON,
     .ending = ".speedscope.json",
     .write = pl_speedscope_write,
     .unit = PL_TREE_NS},
    {.name = "pprof",
     .type = "application/octet-stream",
     .ending = ".pb.gz",
     .write = pl_pprof_write,
     .unit = PL_TREE_NS,
     .lines = true,
     .binary = true},
    {.name = "firefox",
     .type = JSON,
     .ending = ".firefox.json",
     .write = pl_firefox_write,
     .unit = PL_TREE_NS,
     .threads = true},
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
