/* The call tree on a terminal. A chain of single calls keeps its indent; only
 * where the tree branches does it grow:
 *
 *    100.0 %   12.0 s     0 ns  all
 *    100.0 %   12.0 s     0 ns  main  demo.c:12
 *     60.0 %   7.20 s   7.20 s  ├─ hot  demo.c:30
 *     40.0 %   4.80 s     0 ns  └─ caller  demo.c:40
 *     40.0 %   4.80 s   4.80 s     warm  demo.c:35
 */
#include "base/buf.h"
#include "cli/flame.h"
#include "cli/term.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct glyphs {
    const char *branch, *last, *through, *blank, *more;
};
static const struct glyphs unicode = {
    "\xe2\x94\x9c\xe2\x94\x80 ",
    "\xe2\x94\x94\xe2\x94\x80 ",
    "\xe2\x94\x82  ",
    "   ",
    "\xe2\x80\xa6",
};
static const struct glyphs ascii = {"|- ", "`- ", "|  ", "   ", "..."};

/* Nodes are numbered as in `pruned`. */
struct printer {
    const struct pl_profile *profile;
    const struct pl_pruned *pruned;
    const struct glyphs *glyphs;
    int64_t cut_ns; /* a rest of hidden children below it gets no line */
    FILE *out;
    size_t columns; /* 0: no terminal */
    bool colour;
    struct pl_buf prefix; /* of the branch being printed */
    size_t *prefix_bytes; /* by node: how much of it its children use */
    uint32_t *lines;      /* by node: its children, and the rest */
    uint32_t *lines_left; /* by node: of these, not yet printed */
    struct pl_buf line;
};

static const struct pl_node *node_at(const struct printer *p, size_t i)
{
    return &p->profile->nodes[p->pruned->nodes[i]];
}

static bool has_rest(const struct printer *p, size_t i)
{
    return p->pruned->hidden_count[i] && p->pruned->hidden_ns[i] >= p->cut_ns;
}

/* Append the numbers and the branch drawing of a line below `parent`; sets what the
 * line's own children put before theirs. */
static void begin_line(struct printer *p, size_t parent, bool is_root, int64_t total_ns,
                       int64_t self_ns)
{
    char percent[PL_TERM_SHORT], total[PL_TERM_SHORT], self[PL_TERM_SHORT];
    pl_term_percent(percent, total_ns, p->profile->total_ns);
    pl_term_duration(total, total_ns);
    pl_term_duration(self, self_ns);
    pl_buf_clear(&p->line);
    pl_buf_printf(&p->line, "%8s %12s %12s  ", percent, total, self);
    if (is_root)
        return;
    p->prefix.len = p->prefix_bytes[parent];
    if (p->prefix.len)
        pl_buf_append(&p->line, p->prefix.data, p->prefix.len);
    bool last = --p->lines_left[parent] == 0;
    if (p->lines[parent] < 2)
        return;
    pl_buf_puts(&p->line, last ? p->glyphs->last : p->glyphs->branch);
    pl_buf_puts(&p->prefix, last ? p->glyphs->blank : p->glyphs->through);
}

static void end_line(struct printer *p, const char *place)
{
    size_t used = pl_term_width(p->line.data ? p->line.data : "");
    bool cut = p->columns && used > p->columns;
    size_t bytes = cut ? pl_term_fit(p->line.data, p->columns - 1) : p->line.len;
    fwrite(p->line.data, 1, bytes, p->out);
    if (cut)
        fputs(p->glyphs == &unicode ? unicode.more : "~", p->out);
    if (place[0] && (!p->columns || used + 2 + pl_term_width(place) <= p->columns))
        fprintf(p->out, "  %s%s%s", p->colour ? PL_DIM : "", place,
                p->colour ? PL_RESET : "");
    fputc('\n', p->out);
}

/* Does the node do nothing but call itself once more? Then one line is enough. */
static bool repeats(const struct printer *p, size_t i)
{
    if (!i || i + 1 >= p->pruned->count || p->pruned->parents[i + 1] != i)
        return false;
    const struct pl_node *node = node_at(p, i), *next = node_at(p, i + 1);
    return next->function == node->function && next->inlined == node->inlined &&
           next->total_ns == node->total_ns;
}

/* Node `last` in a line below the parent of `first`, the outermost of a recursion
 * of `times` equal calls that ends in it. */
static void print_node(struct printer *p, size_t first, size_t last, size_t times)
{
    const struct pl_node *node = node_at(p, last);
    const struct pl_function *f = last ? &p->profile->functions[node->function] : NULL;
    const char *name = f ? pl_term_name(f->name) : "all";
    struct pl_buf place;
    pl_buf_init(&place, 1u << 16);
    begin_line(p, p->pruned->parents[first], first == 0, node->total_ns, node->self_ns);
    p->prefix_bytes[last] = p->prefix.len;
    pl_term_clean(&p->line, name, strlen(name));
    if (node->inlined)
        pl_buf_puts(&p->line, " (inlined)");
    if (times > 1)
        pl_buf_printf(&p->line, " (%zu times)", times);
    if (f && f->file[0])
        pl_term_clean(&place, f->file, strlen(f->file));
    if (f && f->file[0] && f->line)
        pl_buf_printf(&place, ":%" PRIu32, f->line);
    end_line(p, place.data ? place.data : "");
    pl_buf_deinit(&place);
}

static void print_rest(struct printer *p, size_t parent)
{
    if (!has_rest(p, parent) || p->lines_left[parent] != 1)
        return;
    begin_line(p, parent, false, p->pruned->hidden_ns[parent], 0);
    pl_buf_printf(&p->line, "%s %" PRIu32 " more", p->glyphs->more,
                  p->pruned->hidden_count[parent]);
    end_line(p, "");
}

/* The rests of the nodes whose subtree ends before node `next`, innermost first. */
static void print_rests(struct printer *p, size_t from, size_t next)
{
    uint32_t depth = next < p->pruned->count ? node_at(p, next)->depth : 0;
    for (size_t i = from;; i = p->pruned->parents[i]) {
        if (next < p->pruned->count && node_at(p, i)->depth < depth)
            return;
        print_rest(p, i);
        if (i == 0)
            return;
    }
}

static void count_lines(struct printer *p)
{
    for (size_t i = 0; i < p->pruned->count; i++) {
        p->lines[i] += has_rest(p, i);
        if (i)
            p->lines[p->pruned->parents[i]]++;
    }
    memcpy(p->lines_left, p->lines, p->pruned->count * sizeof *p->lines);
}

static void print_tree(struct printer *p)
{
    size_t count = p->pruned->count, times = 0;
    count_lines(p);
    for (size_t i = 0; i < count; i++) {
        if (i)
            print_rests(p, i - 1, i);
        times++;
        if (repeats(p, i))
            continue;
        print_node(p, i + 1 - times, i, times);
        times = 0;
    }
    if (count)
        print_rests(p, count - 1, count);
}

enum pl_status pl_flame_print_text(const struct pl_profile *profile,
                                   const struct pl_pruned *pruned, int64_t cut_ns,
                                   FILE *out, struct pl_error *err)
{
    size_t room = pruned->count + 1;
    struct printer p = {
        .profile = profile,
        .pruned = pruned,
        .glyphs = pl_term_unicode() ? &unicode : &ascii,
        .cut_ns = cut_ns,
        .out = out,
        .columns = pl_term_columns(out),
        .colour = pl_term_colour(out),
        .prefix_bytes = calloc(room, sizeof *p.prefix_bytes),
        .lines = calloc(room, sizeof *p.lines),
        .lines_left = calloc(room, sizeof *p.lines_left),
    };
    enum pl_status status = PL_OK;
    pl_buf_init(&p.prefix, 1u << 20);
    pl_buf_init(&p.line, 1u << 20);
    if (!p.prefix_bytes || !p.lines || !p.lines_left) {
        status = pl_error_set(err, PL_NOMEM, "out of memory for the call tree");
        goto out;
    }
    pl_term_profile_header(out, profile);
    fprintf(out, "%s%8s %12s %12s  %s%s\n", p.colour ? PL_BOLD : "", "total", "",
            "self", "function", p.colour ? PL_RESET : "");
    print_tree(&p);
    if (pruned->hidden_total_ns) {
        char hidden[PL_TERM_SHORT];
        pl_term_duration(hidden, pruned->hidden_total_ns);
        fprintf(out, "%zu of %zu nodes shown; the others weigh %s together\n",
                pruned->count, profile->node_count, hidden);
    }
out:
    free(p.prefix_bytes);
    free(p.lines);
    free(p.lines_left);
    pl_buf_deinit(&p.prefix);
    pl_buf_deinit(&p.line);
    return status;
}
