#include "web/document_graph.h"

#include "web/json.h"
#include "web/node_key.h"

struct graph {
    const struct pl_profile *profile;
    const struct pl_pruned *pruned;
    const struct pl_diff *diff; /* NULL: of one side */
};

struct column {
    const char *key;
    pl_json_cell *cell;
};

void pl_json_metric(struct pl_buf *out, const struct pl_profile *profile)
{
    pl_json_string_field(out, "metric",
                         profile->metric == PL_METRIC_CPU ? "cpu" : "wall");
}

/* ---- functions ---- */

static const struct pl_function *function_at(const void *table, size_t row)
{
    const struct graph *graph = table;
    return &graph->profile->functions[graph->pruned->functions[row]];
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

static void put_line(struct pl_buf *out, const void *table, size_t row)
{
    pl_json_int(out, function_at(table, row)->line);
}

static void put_in_app(struct pl_buf *out, const void *table, size_t row)
{
    pl_json_tristate(out, function_at(table, row)->in_app);
}

/* ---- nodes ---- */

static const struct pl_node *node_at(const void *table, size_t row)
{
    const struct graph *graph = table;
    return &graph->profile->nodes[graph->pruned->nodes[row]];
}

/* How far back the parent stands: small numbers compress. */
static void put_parent(struct pl_buf *out, const void *table, size_t row)
{
    const struct graph *graph = table;
    pl_json_int(out, row ? (int64_t)row - graph->pruned->parents[row] : 0);
}

static void put_function(struct pl_buf *out, const void *table, size_t row)
{
    const struct graph *graph = table;
    pl_json_int(out, row ? (int64_t)graph->pruned->function_of[row] : -1);
}

static void put_hidden(struct pl_buf *out, const void *table, size_t row)
{
    const struct graph *graph = table;
    pl_json_int(out, graph->pruned->hidden_ns[row]);
}

static void put_self_ns(struct pl_buf *out, const void *table, size_t row)
{
    pl_json_int(out, node_at(table, row)->self_ns);
}

static void put_total_ns(struct pl_buf *out, const void *table, size_t row)
{
    pl_json_int(out, node_at(table, row)->total_ns);
}

static void put_self_samples(struct pl_buf *out, const void *table, size_t row)
{
    pl_json_int(out, node_at(table, row)->self_samples);
}

static void put_total_samples(struct pl_buf *out, const void *table, size_t row)
{
    pl_json_int(out, node_at(table, row)->total_samples);
}

static void put_inlined(struct pl_buf *out, const void *table, size_t row)
{
    pl_buf_putc(out, node_at(table, row)->inlined ? '1' : '0');
}

static void put_key(struct pl_buf *out, const void *table, size_t row)
{
    const struct graph *graph = table;
    char key[PL_NODE_KEY_TEXT] = "";
    if (row)
        pl_node_key_format(graph->pruned->keys[graph->pruned->nodes[row]], key);
    pl_json_string(out, key);
}

/* Self weight in each slice of time. */
static void put_slices(struct pl_buf *out, const void *table, size_t row)
{
    const struct graph *graph = table;
    uint32_t columns = graph->profile->columns;
    const struct pl_split *split =
        &graph->profile->node_split[(size_t)graph->pruned->nodes[row] * columns];
    for (uint32_t c = 0; c < columns; c++) {
        pl_buf_putc(out, c ? ',' : '[');
        pl_json_int(out, split[c].self.ns);
    }
    pl_buf_putc(out, ']');
}

/* ---- nodes of a diff ---- */

static const struct pl_split *split_at(const void *table, size_t row, size_t side)
{
    const struct graph *graph = table;
    size_t node = graph->pruned->nodes[row];
    return &graph->profile->node_split[2 * node + side];
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

/* ---- tables ---- */

static void put_table(struct pl_buf *out, const char *key, const struct graph *graph,
                      size_t rows, const struct column *columns, size_t count)
{
    pl_buf_printf(out, ",\"%s\":", key);
    for (size_t i = 0; i < count; i++) {
        pl_buf_putc(out, i ? ',' : '{');
        pl_json_column(out, columns[i].key, graph, rows, columns[i].cell);
    }
    pl_buf_putc(out, '}');
}

static void put_functions(struct pl_buf *out, const struct graph *graph)
{
    static const struct column columns[] = {{"name", put_name},
                                            {"file", put_file},
                                            {"module", put_module},
                                            {"line", put_line},
                                            {"in_app", put_in_app}};
    put_table(out, "functions", graph, graph->pruned->function_count, columns,
              sizeof columns / sizeof columns[0]);
}

void pl_json_graph_columns(struct pl_buf *out, const struct pl_profile *profile,
                           const struct pl_pruned *pruned)
{
    static const struct column nodes[] = {{"parent", put_parent},
                                          {"function", put_function},
                                          {"self_ns", put_self_ns},
                                          {"total_ns", put_total_ns},
                                          {"self_samples", put_self_samples},
                                          {"total_samples", put_total_samples},
                                          {"inlined", put_inlined},
                                          {"hidden_ns", put_hidden},
                                          {"key", put_key}};
    static const struct column slices = {"slices", put_slices};
    const struct graph graph = {profile, pruned, NULL};
    put_functions(out, &graph);
    put_table(out, "nodes", &graph, pruned->count, nodes,
              sizeof nodes / sizeof nodes[0] - !pruned->keys);
    if (profile->columns > 1)
        put_table(out, "over_time", &graph, pruned->count, &slices, 1);
}

void pl_json_diff_columns(struct pl_buf *out, const struct pl_diff *diff,
                          const struct pl_pruned *pruned)
{
    static const struct column nodes[] = {{"parent", put_parent},
                                          {"function", put_function},
                                          {"self_a_ns", put_self_a},
                                          {"self_b_ns", put_self_b},
                                          {"total_a_ns", put_total_a},
                                          {"total_b_ns", put_total_b},
                                          {"q", put_q},
                                          {"hidden_ns", put_hidden}};
    const struct graph graph = {&diff->profile, pruned, diff};
    put_functions(out, &graph);
    put_table(out, "nodes", &graph, pruned->count, nodes,
              sizeof nodes / sizeof nodes[0]);
}
