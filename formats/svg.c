/* Profile tree -> flame graph drawing.
 *
 *   y = 0   title, buttons, what was left out
 *           leaves
 *           ...
 *           root "all"
 *   bottom  info line
 *
 * A box starts where its parent starts plus its elder siblings' totals; weight
 * of the parent itself lies at its right end, uncovered. */
#include "formats/svg.h"

#include "base/buf.h"
#include "base/hash.h"
#include "formats/svg_script.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define WIDTH     1200
#define PAD       10
#define ROW       17
#define TOP       56
#define BOTTOM    36
#define ADVANCE   6.7 /* of one character of the 11 px fixed-width font */
#define LEAST     0.1 /* pixels; narrower boxes are not drawn */
#define TEXT_ROOM ((size_t)1 << 20)

struct drawing {
    const struct pl_tree *tree;
    const uint32_t *depths;
    uint32_t deepest;
    int64_t *next; /* per node: where its next child starts, in weight */
    double scale;  /* pixels per unit of weight */
    FILE *out;
    struct pl_buf scratch;
    size_t left_out;
};

/* `text` escaped for XML; valid until the next call. XML also forbids U+FFFE and
 * U+FFFF, which are as long as the replacement character. */
static const char *escape(struct drawing *d, const char *text)
{
    pl_buf_clear(&d->scratch);
    pl_buf_xml_escape(&d->scratch, text);
    if (d->scratch.failed || !d->scratch.data)
        return "";
    for (char *s = d->scratch.data; (s = strstr(s, "\xef\xbf")); s += 2)
        if (s[2] == '\xbe' || s[2] == '\xbf')
            s[2] = '\xbd';
    return d->scratch.data;
}

/* The first characters of `name` that fit, as escaped text. */
static const char *escape_fitting(struct drawing *d, const char *name, double pixels)
{
    size_t room = (size_t)((pixels - 6) / ADVANCE), chars = 0, cut = 0, len = 0;
    char part[4 * (WIDTH / 6) + 8];
    for (; name[len] && len < sizeof part - 8; len++) {
        if (((unsigned char)name[len] & 0xc0) != 0x80 && chars++ == room - 1)
            cut = len;
        part[len] = name[len];
    }
    part[len] = '\0';
    if (chars > room || name[len]) {
        cut = cut ? cut : len;
        memcpy(part + cut, "\xe2\x80\xa6", 4);
    }
    return escape(d, part);
}

static void format_weight(char *text, size_t size, int64_t weight,
                          enum pl_tree_unit unit)
{
    static const struct {
        double ns;
        const char *name;
    } units[] = {{1e9, "s"}, {1e6, "ms"}, {1e3, "\xc2\xb5s"}};
    if (unit == PL_TREE_SAMPLES) {
        (void)snprintf(text, size, "%lld %s", (long long)weight,
                       weight == 1 ? "sample" : "samples");
        return;
    }
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if ((double)weight >= units[i].ns) {
            (void)snprintf(text, size, "%.4g %s", (double)weight / units[i].ns,
                           units[i].name);
            return;
        }
    }
    (void)snprintf(text, size, "%lld ns", (long long)weight);
}

/* A calm colour that stays with the name: hue by hash, warm third of the circle. */
static void write_colour(FILE *out, const char *name)
{
    uint64_t hash = pl_hash_bytes(name, strlen(name));
    unsigned hue = 8 + (unsigned)(hash % 46);
    unsigned light = 64 + (unsigned)((hash >> 16) % 12);
    (void)fprintf(out, "fill=\"hsl(%u,78%%,%u%%)\"", hue, light);
}

static void write_box(struct drawing *d, size_t i, int64_t start)
{
    const struct pl_tree_node *node = &d->tree->nodes[i];
    const char *name = i ? d->tree->names[node->name] : "all";
    if (!*name)
        name = "[unknown]";
    double x = PAD + (double)start * d->scale;
    double width = (double)node->total * d->scale;
    uint32_t y = TOP + (d->deepest - d->depths[i]) * ROW;
    char weight[64];
    format_weight(weight, sizeof weight, node->total, d->tree->unit);
    double share = 100.0 * (double)node->total / (double)d->tree->nodes[0].total;
    (void)fprintf(d->out,
                  "<g class=\"f\" data-x=\"%lld\" data-w=\"%lld\" data-d=\"%u\">"
                  "<title>%s (%s, %.2f%%)</title>"
                  "<rect x=\"%.3f\" y=\"%u\" width=\"%.3f\" height=\"%d\" rx=\"1\" ",
                  (long long)start, (long long)node->total, d->depths[i],
                  escape(d, name), weight, share, x, y, width, ROW - 1);
    write_colour(d->out, name);
    (void)fprintf(d->out, "/><text x=\"%.3f\" y=\"%u\">%s</text></g>\n", x + 3, y + 12,
                  width < 3 * ADVANCE + 6 ? "" : escape_fitting(d, name, width));
}

/* Boxes in pre-order; where a parent is too narrow, so are its children. */
static void write_boxes(struct drawing *d)
{
    for (size_t i = 0; i < d->tree->node_count; i++) {
        const struct pl_tree_node *node = &d->tree->nodes[i];
        int64_t start = i ? d->next[node->parent] : 0;
        if (i)
            d->next[node->parent] += node->total;
        d->next[i] = start;
        if ((double)node->total * d->scale < LEAST)
            d->left_out++;
        else
            write_box(d, i, start);
    }
}

static void write_head(struct drawing *d, uint32_t height, int64_t total)
{
    (void)fprintf(
        d->out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" version=\"1.1\" width=\"%d\" "
        "height=\"%u\" viewBox=\"0 0 %d %u\" data-total=\"%lld\">\n"
        "<style>\n"
        "svg { background: #fff }\n"
        "text { font: 11px ui-monospace, 'DejaVu Sans Mono', monospace; fill: #1c1c1c; "
        "pointer-events: none }\n"
        ".title { font: 600 15px system-ui, sans-serif }\n"
        ".note { font: 12px system-ui, sans-serif; fill: #555 }\n"
        ".button { font: 12px system-ui, sans-serif; fill: #0b57a4; cursor: pointer; "
        "pointer-events: all }\n"
        ".f { cursor: pointer }\n"
        ".f:hover rect { stroke: #1c1c1c; stroke-width: 1 }\n"
        ".hit rect { fill: #9b5de5 }\n"
        ".hit text { fill: #fff }\n"
        ".faded { opacity: .55 }\n"
        ".gone { display: none }\n"
        "</style>\n",
        WIDTH, height, WIDTH, height, (long long)total);
    const char *title = escape(d, d->tree->title ? d->tree->title : "Flame graph");
    (void)fprintf(
        d->out,
        "<title>%s</title>\n<text class=\"title\" x=\"%d\" y=\"22\">%s</text>\n"
        "<text class=\"button\" id=\"reset\" x=\"%d\" y=\"22\">Reset</text>\n"
        "<text class=\"button\" id=\"search\" x=\"%d\" y=\"22\">Search</text>\n",
        title, PAD, title, WIDTH - 110, WIDTH - 60);
}

static void write_tail(struct drawing *d, uint32_t height, int64_t total)
{
    char weight[64];
    format_weight(weight, sizeof weight, total, d->tree->unit);
    (void)fprintf(d->out, "<text class=\"note\" x=\"%d\" y=\"42\">%s in all", PAD,
                  d->tree->node_count ? weight : "no samples");
    if (d->left_out)
        (void)fprintf(d->out, "; %zu boxes narrower than %.1f px are not drawn",
                      d->left_out, LEAST);
    if (d->tree->lost)
        (void)fprintf(d->out, "; samples lost: %lld", (long long)d->tree->lost);
    (void)fprintf(
        d->out,
        "</text>\n<text class=\"note\" id=\"info\" x=\"%d\" y=\"%u\"></text>\n"
        "<script><![CDATA[\n%s]]></script>\n</svg>\n",
        PAD, height - 12, pl_svg_script);
}

enum pl_status pl_svg_write_between(const struct pl_tree *tree, const char *before,
                                    const char *after, FILE *out, struct pl_error *err)
{
    struct drawing d = {.tree = tree, .out = out};
    uint32_t *depths = NULL;
    enum pl_status status = pl_tree_depths(tree, &depths, &d.deepest, err);
    if (status != PL_OK)
        return status;
    int64_t total = tree->node_count ? tree->nodes[0].total : 0;
    uint32_t height = TOP + (d.deepest + 1) * ROW + BOTTOM;
    pl_buf_init(&d.scratch, TEXT_ROOM);
    d.depths = depths;
    d.scale = total ? (double)(WIDTH - 2 * PAD) / (double)total : 0;
    d.next = calloc(tree->node_count + 1, sizeof *d.next);
    if (!d.next) {
        status = pl_error_set(err, PL_NOMEM, "out of memory for the drawing");
        goto out;
    }
    (void)fputs(before, out);
    write_head(&d, height, total);
    if (total)
        write_boxes(&d);
    write_tail(&d, height, total);
    (void)fputs(after, out);
    if (fflush(out) != 0 || ferror(out))
        status =
            pl_error_set(err, PL_IO, "cannot write the drawing: %s", strerror(errno));
out:
    pl_buf_deinit(&d.scratch);
    free(d.next);
    free(depths);
    return status;
}

enum pl_status pl_svg_write(const struct pl_tree *tree, FILE *out, struct pl_error *err)
{
    return pl_svg_write_between(tree, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n",
                                "", out, err);
}
