#include "web/document.h"

#include "web/document_graph.h"
#include "web/json.h"

#include <stdlib.h>
#include <string.h>

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
    pl_json_metric(out, profile);
    pl_buf_puts(out, ",\"functions\":[");
    for (size_t i = 0; i < count && i < profile->function_count; i++) {
        pl_buf_puts(out, i ? ",\n" : "\n");
        put_top_row(out, &profile->functions[i]);
    }
    pl_buf_puts(out, "]}");
}

/* ---- flame graph ---- */

void pl_json_flamegraph(struct pl_buf *out, const struct pl_profile *profile,
                        const struct pl_pruned *pruned)
{
    pl_buf_puts(out, "{\"schema\":1");
    pl_json_metric(out, profile);
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
    pl_json_graph_columns(out, profile, pruned);
    pl_buf_putc(out, '}');
}
