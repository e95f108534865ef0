/* The document of a diff. */
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

/* ---- the tree ---- */

struct graph {
    const struct pl_diff *diff;
    const struct pl_pruned *pruned;
};

static const struct pl_split *split_at(const void *table, size_t row, size_t side)
{
    const struct graph *graph = table;
    return &graph->diff->profile
                .node_split[2 * (size_t)graph->pruned->nodes[row] + side];
}

static const struct pl_function *function_at(const void *table, size_t row)
{
    const struct graph *graph = table;
    return &graph->diff->profile.functions[graph->pruned->functions[row]];
}

static void put_name(struct pl_buf *out, const void *table, size_t row)
{
    pl_json_string(out, function_at(table, row)->name);
}

static void put_file(struct pl_buf *out, const void *table, size_t row)
{
    pl_json_string(out, function_at(table, row)->file);
}

static void put_module(struct pl_buf *out, const void *table, size_t row)
{
    pl_json_string(out, function_at(table, row)->module);
}

static void put_in_app(struct pl_buf *out, const void *table, size_t row)
{
    pl_json_tristate(out, function_at(table, row)->in_app);
}

static void put_parent(struct pl_buf *out, const void *table, size_t row)
{
    const struct graph *graph = table;
    pl_json_int(out, row ? (int64_t)row - graph->pruned->parents[row] : 0);
}

static void put_function_of(struct pl_buf *out, const void *table, size_t row)
{
    const struct graph *graph = table;
    pl_json_int(out, row ? (int64_t)graph->pruned->function_of[row] : -1);
}

static void put_self_a(struct pl_buf *out, const void *table, size_t row)
{
    pl_json_int(out, split_at(table, row, 0)->self.ns);
}

static void put_self_b(struct pl_buf *out, const void *table, size_t row)
{
    pl_json_int(out, split_at(table, row, 1)->self.ns);
}

static void put_total_a(struct pl_buf *out, const void *table, size_t row)
{
    pl_json_int(out, split_at(table, row, 0)->total.ns);
}

static void put_total_b(struct pl_buf *out, const void *table, size_t row)
{
    pl_json_int(out, split_at(table, row, 1)->total.ns);
}

static void put_q(struct pl_buf *out, const void *table, size_t row)
{
    const struct graph *graph = table;
    pl_json_real(out, graph->diff->node_q[graph->pruned->nodes[row]]);
}

static void put_hidden(struct pl_buf *out, const void *table, size_t row)
{
    pl_json_int(out, ((const struct graph *)table)->pruned->hidden_ns[row]);
}

struct column {
    const char *key;
    pl_json_cell *cell;
};

static void put_columns(struct pl_buf *out, const char *key, const struct graph *graph,
                        size_t rows, const struct column *columns, size_t count)
{
    pl_buf_printf(out, "\"%s\":", key);
    for (size_t i = 0; i < count; i++) {
        pl_buf_putc(out, i ? ',' : '{');
        pl_json_column(out, columns[i].key, graph, rows, columns[i].cell);
    }
    pl_buf_putc(out, '}');
}

static void put_graph(struct pl_buf *out, const struct graph *graph)
{
    static const struct column functions[] = {{"name", put_name},
                                              {"file", put_file},
                                              {"module", put_module},
                                              {"in_app", put_in_app}};
    static const struct column nodes[] = {{"parent", put_parent},
                                          {"function", put_function_of},
                                          {"self_a_ns", put_self_a},
                                          {"self_b_ns", put_self_b},
                                          {"total_a_ns", put_total_a},
                                          {"total_b_ns", put_total_b},
                                          {"q", put_q},
                                          {"hidden_ns", put_hidden}};
    uint32_t node = graph->pruned->node;
    pl_buf_puts(out, "],\"tree\":{\"root\":");
    pl_json_int(out, node == PL_NO_INDEX ? -1 : (int64_t)node);
    pl_buf_putc(out, ',');
    put_columns(out, "functions", graph, graph->pruned->function_count, functions,
                sizeof functions / sizeof functions[0]);
    pl_buf_putc(out, ',');
    put_columns(out, "nodes", graph, graph->pruned->count, nodes,
                sizeof nodes / sizeof nodes[0]);
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
    const struct graph graph = {diff, pruned};
    uint32_t *order = pl_diff_order(diff, false);
    if (!order)
        return pl_error_set(err, PL_NOMEM, "out of memory for a diff");
    pl_buf_puts(out, "{\"schema\":1");
    pl_json_string_field(out, "metric",
                         diff->profile.metric == PL_METRIC_CPU ? "cpu" : "wall");
    put_whole(out, "a", &diff->a);
    put_whole(out, "b", &diff->b);
    pl_json_int_field(out, "lost", diff->profile.lost);
    pl_json_int_field(out, "left_out_ns", diff->profile.left_out_ns);
    pl_buf_puts(out, ",\"functions\":[");
    for (size_t i = 0; i < count && i < diff->profile.function_count; i++) {
        pl_buf_puts(out, i ? ",\n" : "\n");
        put_function(out, diff, order[i]);
    }
    put_graph(out, &graph);
    pl_buf_putc(out, '}');
    free(order);
    return PL_OK;
}
