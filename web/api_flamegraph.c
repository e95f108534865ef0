/* The aggregated call tree as columns, and its functions as a list. Both come from
 * the one profile query, so the root of the one is the sum of the other. */
#include "store/query.h"
#include "web/api.h"
#include "web/json.h"
#include "web/prune.h"

#include <stdlib.h>
#include <string.h>

#define DEFAULT_LIMIT 500
#define MOST_LIMIT    100000

/* ---- flame graph ---- */

struct graph {
    const struct pl_profile *profile;
    struct pl_pruned pruned;
};

static const struct pl_function *function_at(const void *table, size_t row)
{
    const struct graph *graph = table;
    return &graph->profile->functions[graph->pruned.functions[row]];
}

static const struct pl_node *node_at(const void *table, size_t row)
{
    const struct graph *graph = table;
    return &graph->profile->nodes[graph->pruned.nodes[row]];
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

/* How far back the parent stands: small numbers compress. */
static void put_parent(struct pl_buf *out, const void *table, size_t row)
{
    const struct graph *graph = table;
    pl_json_int(out, row ? (int64_t)row - graph->pruned.parents[row] : 0);
}

static void put_function(struct pl_buf *out, const void *table, size_t row)
{
    const struct graph *graph = table;
    pl_json_int(out, row ? (int64_t)graph->pruned.function_of[row] : -1);
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

static void put_hidden(struct pl_buf *out, const void *table, size_t row)
{
    const struct graph *graph = table;
    pl_json_int(out, graph->pruned.hidden_ns[row]);
}

struct column {
    const char *key;
    pl_json_cell *cell;
};

static void put_columns(struct pl_buf *out, const char *key, const struct graph *graph,
                        size_t rows, const struct column *columns, size_t count)
{
    pl_buf_printf(out, ",\"%s\":", key);
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
                                              {"line", put_line},
                                              {"in_app", put_in_app}};
    static const struct column nodes[] = {{"parent", put_parent},
                                          {"function", put_function},
                                          {"self_ns", put_self_ns},
                                          {"total_ns", put_total_ns},
                                          {"self_samples", put_self_samples},
                                          {"total_samples", put_total_samples},
                                          {"inlined", put_inlined},
                                          {"hidden_ns", put_hidden}};
    const struct pl_profile *profile = graph->profile;
    pl_buf_puts(out, "{\"schema\":1");
    pl_json_string_field(out, "metric",
                         profile->metric == PL_METRIC_CPU ? "cpu" : "wall");
    pl_json_string_field(out, "unit", "ns");
    pl_json_int_field(out, "total_ns", profile->total_ns);
    pl_json_int_field(out, "samples", profile->samples);
    pl_json_int_field(out, "lost", profile->lost);
    pl_json_int_field(out, "from_ns", profile->from_ns);
    pl_json_int_field(out, "to_ns", profile->to_ns);
    pl_json_int_field(out, "node_count", (int64_t)profile->node_count);
    pl_json_int_field(out, "shown", (int64_t)graph->pruned.count);
    pl_json_int_field(out, "hidden_ns", graph->pruned.hidden_total_ns);
    put_columns(out, "functions", graph, graph->pruned.function_count, functions,
                sizeof functions / sizeof functions[0]);
    put_columns(out, "nodes", graph, graph->pruned.count, nodes,
                sizeof nodes / sizeof nodes[0]);
    pl_buf_putc(out, '}');
}

enum pl_status pl_api_flamegraph(struct pl_store *store, const struct pl_api_call *call,
                                 struct pl_buf *out, struct pl_error *err)
{
    struct pl_profile profile;
    struct graph graph = {.profile = &profile};
    enum pl_status status = pl_query_profile(
        store, &call->selection, call->params->selection.metric, &profile, err);
    if (status != PL_OK)
        return status;
    status = pl_prune(&profile, call->params->min_ns, call->params->max_nodes,
                      &graph.pruned, err);
    if (status == PL_OK) {
        put_graph(out, &graph);
        pl_pruned_deinit(&graph.pruned);
    }
    pl_profile_deinit(&profile);
    return status;
}

/* ---- top ---- */

static int by_self_descending(const void *a, const void *b)
{
    const struct pl_function *x = *(const struct pl_function *const *)a;
    const struct pl_function *y = *(const struct pl_function *const *)b;
    int64_t keys[2][2] = {{x->self_ns, y->self_ns}, {x->total_ns, y->total_ns}};
    for (size_t i = 0; i < 2; i++)
        if (keys[i][0] != keys[i][1])
            return keys[i][0] < keys[i][1] ? 1 : -1;
    int order = strcmp(x->name, y->name);
    order = order ? order : strcmp(x->module, y->module);
    return order ? order : strcmp(x->file, y->file);
}

static void put_top_row(struct pl_buf *out, const struct pl_function *function)
{
    pl_buf_puts(out, "{\"function\":");
    pl_json_string(out, function->name);
    pl_json_string_field(out, "file", function->file);
    pl_json_int_field(out, "line", function->line);
    pl_json_string_field(out, "module", function->module);
    pl_buf_puts(out, ",\"in_app\":");
    pl_json_tristate(out, function->in_app);
    pl_json_int_field(out, "self_ns", function->self_ns);
    pl_json_int_field(out, "total_ns", function->total_ns);
    pl_json_int_field(out, "self_samples", function->self_samples);
    pl_json_int_field(out, "total_samples", function->total_samples);
    pl_buf_putc(out, '}');
}

static enum pl_status put_top(struct pl_buf *out, const struct pl_profile *profile,
                              size_t limit, struct pl_error *err)
{
    size_t count = profile->function_count;
    const struct pl_function **rows = malloc((count + 1) * sizeof *rows);
    if (!rows)
        return pl_error_set(err, PL_NOMEM, "out of memory sorting functions");
    for (size_t i = 0; i < count; i++)
        rows[i] = &profile->functions[i];
    qsort(rows, count, sizeof *rows, by_self_descending);
    pl_buf_puts(out, "{\"schema\":1");
    pl_json_int_field(out, "total_ns", profile->total_ns);
    pl_json_int_field(out, "samples", profile->samples);
    pl_buf_puts(out, ",\"functions\":[");
    for (size_t i = 0; i < count && i < limit; i++) {
        if (i)
            pl_buf_putc(out, ',');
        put_top_row(out, rows[i]);
    }
    pl_buf_puts(out, "]}");
    free(rows);
    return PL_OK;
}

enum pl_status pl_api_top(struct pl_store *store, const struct pl_api_call *call,
                          struct pl_buf *out, struct pl_error *err)
{
    struct pl_profile profile;
    int64_t limit = call->params->limit < 0 ? DEFAULT_LIMIT : call->params->limit;
    if (limit < 1 || limit > MOST_LIMIT)
        return pl_error_set(err, PL_USAGE, "limit is 1 to %d", MOST_LIMIT);
    enum pl_status status = pl_query_profile(
        store, &call->selection, call->params->selection.metric, &profile, err);
    if (status != PL_OK)
        return status;
    status = put_top(out, &profile, (size_t)limit, err);
    pl_profile_deinit(&profile);
    return status;
}
