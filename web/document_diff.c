/* The document of a diff. */
#include "web/document_graph.h"
#include "web/document_views.h"
#include "web/json.h"

#include <math.h>
#include <stdlib.h>

/* ---- functions ---- */

struct ranking {
    const struct pl_diff *diff;
    const struct pl_change *changes;
};

/* How far a change in share goes; of equals the surer one, then by place: profiles
 * are the same for the same store. */
static int compare(const void *left, const void *right, void *context)
{
    const struct ranking *ranking = context;
    uint32_t i = *(const uint32_t *)left, j = *(const uint32_t *)right;
    const struct pl_change *a = &ranking->changes[i], *b = &ranking->changes[j];
    double x = fabs(a->share_b - a->share_a), y = fabs(b->share_b - b->share_a);
    if (x < y || x > y)
        return x < y ? 1 : -1;
    if (a->p < b->p || a->p > b->p)
        return a->p < b->p ? -1 : 1;
    return (i > j) - (i < j);
}

uint32_t *pl_diff_order(const struct pl_diff *diff, bool by_total)
{
    const struct ranking ranking = {diff, by_total ? diff->total : diff->self};
    size_t count = diff->profile.function_count;
    uint32_t *order = calloc(count + 1, sizeof *order);
    if (!order)
        return NULL;
    for (size_t i = 0; i < count; i++)
        order[i] = (uint32_t)i;
    if (count)
        qsort_r(order, count, sizeof *order, compare, (void *)(uintptr_t)&ranking);
    return order;
}

static void put_change(struct pl_buf *out, const char *key,
                       const struct pl_change *change)
{
    pl_buf_printf(out, ",\"%s\":{\"share_a\":", key);
    pl_json_real(out, change->share_a);
    pl_json_real_field(out, "share_b", change->share_b);
    pl_json_real_field(out, "z", change->z);
    pl_json_real_field(out, "p", change->p);
    pl_json_real_field(out, "q", change->q);
    pl_buf_putc(out, '}');
}

static void put_side(struct pl_buf *out, const char *key, const struct pl_split *split)
{
    pl_buf_printf(out, ",\"%s\":{\"self_ns\":", key);
    pl_json_int(out, split->self.ns);
    pl_json_int_field(out, "total_ns", split->total.ns);
    pl_json_int_field(out, "self_samples", split->self.samples);
    pl_json_int_field(out, "total_samples", split->total.samples);
    pl_buf_putc(out, '}');
}

static void put_function(struct pl_buf *out, const struct pl_diff *diff, uint32_t i)
{
    const struct pl_function *f = &diff->profile.functions[i];
    const struct pl_split *split = &diff->profile.function_split[2 * (size_t)i];
    const char *state = !split[0].total.samples   ? "new"
                        : !split[1].total.samples ? "gone"
                                                  : "both";
    pl_buf_puts(out, "{\"function\":");
    pl_json_string(out, f->name);
    pl_json_string_field(out, "file", f->file);
    pl_json_int_field(out, "line", f->line);
    pl_json_string_field(out, "module", f->module);
    pl_buf_puts(out, ",\"in_app\":");
    pl_json_tristate(out, f->in_app);
    pl_json_string_field(out, "state", state);
    put_side(out, "a", &split[0]);
    put_side(out, "b", &split[1]);
    put_change(out, "self", &diff->self[i]);
    put_change(out, "total", &diff->total[i]);
    pl_buf_putc(out, '}');
}

static void put_whole(struct pl_buf *out, const char *key,
                      const struct pl_amount *amount)
{
    pl_buf_printf(out, ",\"%s\":{\"total_ns\":", key);
    pl_json_int(out, amount->ns);
    pl_json_int_field(out, "samples", amount->samples);
    pl_buf_putc(out, '}');
}

enum pl_status pl_json_diff(struct pl_buf *out, const struct pl_diff *diff,
                            size_t count, const struct pl_pruned *pruned,
                            struct pl_error *err)
{
    uint32_t *order = pl_diff_order(diff, false);
    if (!order)
        return pl_error_set(err, PL_NOMEM, "out of memory for a diff");
    pl_buf_puts(out, "{\"schema\":1");
    pl_json_metric(out, &diff->profile);
    put_whole(out, "a", &diff->a);
    put_whole(out, "b", &diff->b);
    pl_json_int_field(out, "lost", diff->profile.lost);
    pl_json_int_field(out, "left_out_ns", diff->profile.left_out_ns);
    pl_buf_puts(out, ",\"functions\":[");
    for (size_t i = 0; i < count && i < diff->profile.function_count; i++) {
        pl_buf_puts(out, i ? ",\n" : "\n");
        put_function(out, diff, order[i]);
    }
    pl_buf_puts(out, "],\"tree\":{\"root\":");
    pl_json_int(out, pruned->node == PL_NO_INDEX ? -1 : (int64_t)pruned->node);
    pl_json_diff_columns(out, diff, pruned);
    pl_buf_puts(out, "}}");
    free(order);
    return PL_OK;
}
