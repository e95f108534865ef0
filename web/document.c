#include "web/document.h"

#include "web/json.h"
#include "web/node_key.h"

#include <stdlib.h>
#include <string.h>

static void put_metric(struct pl_buf *out, const struct pl_profile *profile)
{
    pl_json_string_field(out, "metric",
                         profile->metric == PL_METRIC_CPU ? "cpu" : "wall");
}

/* ---- sessions ---- */

static void put_session(struct pl_buf *out, const struct pl_session_row *row)
{
    pl_buf_puts(out, "{\"id\":");
    pl_json_int(out, row->id);
    pl_json_string_field(out, "uuid", row->uuid);
    pl_json_string_field(out, "app", row->app);
    pl_json_int_field(out, "pid", row->pid);
    pl_json_string_field(out, "recording_id", row->recording_id);
    pl_json_string_field(out, "mode", row->mode);
    pl_json_string_field(out, "state", row->state);
    pl_json_string_field(out, "release", row->release);
    pl_json_string_field(out, "environment", row->environment);
    pl_json_int_field(out, "start_ns", row->start_ns);
    pl_json_int_field(out, "end_ns", row->end_ns);
    pl_json_int_field(out, "threads", row->threads);
    pl_json_int_field(out, "samples", row->samples);
    pl_json_int_field(out, "lost", row->lost);
    pl_json_int_field(out, "bytes", row->bytes);
    if (row->exit_status < 0)
        pl_json_string_field(out, "exit_status", NULL);
    else
        pl_json_int_field(out, "exit_status", row->exit_status);
    pl_json_int_field(out, "slowed_ticks", row->slowed_ticks);
    pl_buf_putc(out, '}');
}

void pl_json_sessions(struct pl_buf *out, const struct pl_session_list *list)
{
    pl_buf_puts(out, "{\"schema\":1,\"sessions\":[");
    for (size_t i = 0; i < list->count; i++) {
        pl_buf_puts(out, i ? ",\n" : "\n");
        put_session(out, &list->rows[i]);
    }
    pl_buf_puts(out, "]}");
}

/* ---- top ---- */

static int descending(int64_t a, int64_t b)
{
    return (a < b) - (a > b);
}

/* A total order, so that equal stores give equal bytes. */
static int compare(const struct pl_function *a, const struct pl_function *b,
                   bool by_total)
{
    int self = descending(a->self_ns, b->self_ns);
    int total = descending(a->total_ns, b->total_ns);
    int order = by_total ? total : self;
    if (!order)
        order = by_total ? self : total;
    if (!order)
        order = strcmp(a->name, b->name);
    if (!order)
        order = strcmp(a->module, b->module);
    return order ? order : strcmp(a->file, b->file);
}

static int compare_self(const void *a, const void *b)
{
    return compare(a, b, false);
}

static int compare_total(const void *a, const void *b)
{
    return compare(a, b, true);
}

void pl_top_sort(struct pl_profile *profile, bool by_total)
{
    if (profile->function_count)
        qsort(profile->functions, profile->function_count, sizeof *profile->functions,
              by_total ? compare_total : compare_self);
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

void pl_json_top(struct pl_buf *out, const struct pl_profile *profile, size_t count)
{
    pl_buf_puts(out, "{\"schema\":1");
    pl_json_int_field(out, "total_ns", profile->total_ns);
    pl_json_int_field(out, "samples", profile->samples);
    pl_json_int_field(out, "lost", profile->lost);
    put_metric(out, profile);
    pl_buf_puts(out, ",\"functions\":[");
    for (size_t i = 0; i < count && i < profile->function_count; i++) {
        pl_buf_puts(out, i ? ",\n" : "\n");
        put_top_row(out, &profile->functions[i]);
    }
    pl_buf_puts(out, "]}");
}

/* ---- flame graph ---- */

struct graph {
    const struct pl_profile *profile;
    const struct pl_pruned *pruned;
};

static const struct pl_function *function_at(const void *table, size_t row)
{
    const struct graph *graph = table;
    return &graph->profile->functions[graph->pruned->functions[row]];
}

static const struct pl_node *node_at(const void *table, size_t row)
{
    const struct graph *graph = table;
    return &graph->profile->nodes[graph->pruned->nodes[row]];
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
    pl_json_int(out, row ? (int64_t)row - graph->pruned->parents[row] : 0);
}

static void put_function(struct pl_buf *out, const void *table, size_t row)
{
    const struct graph *graph = table;
    pl_json_int(out, row ? (int64_t)graph->pruned->function_of[row] : -1);
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
    pl_json_int(out, graph->pruned->hidden_ns[row]);
}

static void put_key(struct pl_buf *out, const void *table, size_t row)
{
    const struct graph *graph = table;
    char key[PL_NODE_KEY_TEXT] = "";
    if (row)
        pl_node_key_format(graph->pruned->keys[graph->pruned->nodes[row]], key);
    pl_json_string(out, key);
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

void pl_json_flamegraph(struct pl_buf *out, const struct pl_profile *profile,
                        const struct pl_pruned *pruned)
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
                                          {"hidden_ns", put_hidden},
                                          {"key", put_key}};
    const struct graph graph = {profile, pruned};
    pl_buf_puts(out, "{\"schema\":1");
    put_metric(out, profile);
    pl_json_string_field(out, "unit", "ns");
    pl_json_int_field(out, "total_ns", profile->total_ns);
    pl_json_int_field(out, "samples", profile->samples);
    pl_json_int_field(out, "lost", profile->lost);
    pl_json_int_field(out, "left_out_ns", profile->left_out_ns);
    pl_json_int_field(out, "from_ns", profile->from_ns);
    pl_json_int_field(out, "to_ns", profile->to_ns);
    pl_json_int_field(out, "node_count", (int64_t)profile->node_count);
    pl_json_int_field(out, "shown", (int64_t)pruned->count);
    pl_json_int_field(out, "hidden_ns", pruned->hidden_total_ns);
    pl_json_int_field(out, "root",
                      pruned->node == PL_NO_INDEX ? -1 : (int64_t)pruned->node);
    put_columns(out, "functions", &graph, pruned->function_count, functions,
                sizeof functions / sizeof functions[0]);
    put_columns(out, "nodes", &graph, pruned->count, nodes,
                sizeof nodes / sizeof nodes[0] - !pruned->keys);
    pl_buf_putc(out, '}');
}
