#include "web/document_views.h"

#include "web/document.h"
#include "web/json.h"

/* ---- sandwich ---- */

static enum pl_status put_tree(struct pl_buf *out, const char *key,
                               const struct pl_profile *profile, int64_t min_ns,
                               struct pl_error *err)
{
    const struct pl_prune_limits limits = {.min_ns = min_ns};
    struct pl_pruned pruned;
    enum pl_status status = pl_prune(profile, &limits, &pruned, err);
    if (status != PL_OK)
        return status;
    pl_buf_printf(out, ",\"%s\":", key);
    pl_json_flamegraph(out, profile, &pruned);
    pl_pruned_deinit(&pruned);
    return PL_OK;
}

enum pl_status pl_json_sandwich(struct pl_buf *out, const struct pl_sandwich *sandwich,
                                const char *function, int64_t min_ns,
                                struct pl_error *err)
{
    pl_buf_puts(out, "{\"schema\":1");
    pl_json_string_field(out, "function", function);
    pl_json_int_field(out, "whole_ns", sandwich->whole.ns);
    pl_json_int_field(out, "self_ns", sandwich->self.ns);
    pl_json_int_field(out, "self_samples", sandwich->self.samples);
    pl_json_int_field(out, "total_ns", sandwich->callers.total_ns);
    pl_json_int_field(out, "total_samples", sandwich->callers.samples);
    enum pl_status status = put_tree(out, "callers", &sandwich->callers, min_ns, err);
    if (status == PL_OK)
        status = put_tree(out, "callees", &sandwich->callees, min_ns, err);
    pl_buf_putc(out, '}');
    return status;
}

/* ---- lists about one function ---- */

static void put_bucket(struct pl_buf *out, const struct pl_history_bucket *bucket)
{
    pl_buf_puts(out, "{\"start_ns\":");
    pl_json_int(out, bucket->start_ns);
    pl_json_int_field(out, "whole_ns", bucket->all.ns);
    pl_json_int_field(out, "whole_samples", bucket->all.samples);
    pl_json_int_field(out, "self_ns", bucket->self.ns);
    pl_json_int_field(out, "total_ns", bucket->total.ns);
    pl_json_int_field(out, "total_samples", bucket->total.samples);
    pl_buf_putc(out, '}');
}

static void put_change(struct pl_buf *out, const struct pl_history *history,
                       const struct pl_history_change *change)
{
    pl_buf_puts(out, "{\"at_ns\":");
    pl_json_int(out, history->buckets[change->point.at].start_ns);
    pl_json_string_field(out, "of", change->of_self ? "self" : "total");
    pl_json_real_field(out, "before", change->point.before);
    pl_json_real_field(out, "after", change->point.after);
    pl_json_real_field(out, "p", change->point.p);
    pl_buf_printf(out, ",\"regression\":%s}",
                  change->point.after > change->point.before ? "true" : "false");
}

void pl_json_history_field(struct pl_buf *out, const char *key,
                           const struct pl_history *history)
{
    pl_buf_printf(out, ",\"%s\":{\"bucket_ns\":", key);
    pl_json_int(out, history->bucket_ns);
    pl_buf_puts(out, ",\"buckets\":[");
    for (size_t i = 0; i < history->count; i++) {
        if (i)
            pl_buf_putc(out, ',');
        put_bucket(out, &history->buckets[i]);
    }
    pl_buf_puts(out, "],\"changes\":[");
    for (size_t i = 0; i < history->change_count; i++) {
        if (i)
            pl_buf_putc(out, ',');
        put_change(out, history, &history->changes[i]);
    }
    pl_buf_puts(out, "]}");
}

void pl_json_lines_field(struct pl_buf *out, const char *key,
                         const struct pl_line_list *list)
{
    pl_buf_printf(out, ",\"%s\":[", key);
    for (size_t i = 0; i < list->count; i++) {
        const struct pl_line_row *row = &list->rows[i];
        pl_buf_puts(out, i ? ",{\"file\":" : "{\"file\":");
        pl_json_string(out, row->file);
        pl_json_int_field(out, "line", row->line);
        pl_json_int_field(out, "self_ns", row->self_ns);
        pl_json_int_field(out, "total_ns", row->total_ns);
        pl_json_int_field(out, "self_samples", row->self_samples);
        pl_json_int_field(out, "total_samples", row->total_samples);
        pl_buf_putc(out, '}');
    }
    pl_buf_putc(out, ']');
}

void pl_json_labels_field(struct pl_buf *out, const char *key,
                          const struct pl_label_list *list)
{
    pl_buf_printf(out, ",\"%s\":[", key);
    for (size_t i = 0; i < list->count; i++) {
        const struct pl_label_row *row = &list->rows[i];
        pl_buf_puts(out, i ? ",{\"key\":" : "{\"key\":");
        pl_json_string(out, row->key);
        pl_json_string_field(out, "value", row->value);
        pl_json_int_field(out, "samples", row->samples);
        pl_json_int_field(out, "weight_ns", row->weight_ns);
        pl_json_int_field(out, "cpu_ns", row->cpu_ns);
        pl_buf_putc(out, '}');
    }
    pl_buf_putc(out, ']');
}

static void put_thread(struct pl_buf *out, const struct pl_thread_row *row)
{
    pl_buf_puts(out, "{\"id\":");
    pl_json_int(out, row->id);
    pl_json_int_field(out, "session_id", row->session_id);
    pl_json_int_field(out, "tid", row->tid);
    pl_json_string_field(out, "name", row->name);
    pl_json_int_field(out, "samples", row->samples);
    pl_json_int_field(out, "weight_ns", row->weight_ns);
    pl_json_int_field(out, "cpu_ns", row->cpu_ns);
    pl_buf_putc(out, '}');
}

void pl_json_threads_field(struct pl_buf *out, const char *key,
                           const struct pl_thread_list *list)
{
    pl_buf_printf(out, ",\"%s\":[", key);
    for (size_t i = 0; i < list->count; i++) {
        if (i)
            pl_buf_putc(out, ',');
        put_thread(out, &list->rows[i]);
    }
    pl_buf_putc(out, ']');
}

/* ---- flame chart ---- */

static void put_start(struct pl_buf *out, const void *table, size_t row)
{
    const struct pl_chart *chart = table;
    pl_json_int(out, chart->boxes[row].start_ns - chart->from_ns);
}

static void put_length(struct pl_buf *out, const void *table, size_t row)
{
    const struct pl_chart_box *box = &((const struct pl_chart *)table)->boxes[row];
    pl_json_int(out, box->end_ns - box->start_ns);
}

static void put_depth(struct pl_buf *out, const void *table, size_t row)
{
    pl_json_int(out, ((const struct pl_chart *)table)->boxes[row].depth);
}

static void put_box_function(struct pl_buf *out, const void *table, size_t row)
{
    pl_json_int(out, ((const struct pl_chart *)table)->boxes[row].function);
}

static void put_name(struct pl_buf *out, const void *table, size_t row)
{
    pl_json_string(out, ((const struct pl_chart *)table)->functions[row].name);
}

static void put_file(struct pl_buf *out, const void *table, size_t row)
{
    pl_json_string(out, ((const struct pl_chart *)table)->functions[row].file);
}

static void put_module(struct pl_buf *out, const void *table, size_t row)
{
    pl_json_string(out, ((const struct pl_chart *)table)->functions[row].module);
}

static void put_in_app(struct pl_buf *out, const void *table, size_t row)
{
    pl_json_tristate(out, ((const struct pl_chart *)table)->functions[row].in_app);
}

struct column {
    const char *key;
    pl_json_cell *cell;
};

void pl_json_chart(struct pl_buf *out, const struct pl_chart *chart)
{
    static const struct column functions[] = {{"name", put_name},
                                              {"file", put_file},
                                              {"module", put_module},
                                              {"in_app", put_in_app}};
    static const struct column boxes[] = {{"start", put_start},
                                          {"length", put_length},
                                          {"depth", put_depth},
                                          {"function", put_box_function}};
    pl_buf_puts(out, "{\"schema\":1");
    pl_json_int_field(out, "from_ns", chart->from_ns);
    pl_json_int_field(out, "to_ns", chart->to_ns);
    pl_json_int_field(out, "cell_ns", chart->cell_ns);
    pl_json_int_field(out, "samples", chart->samples);
    pl_buf_puts(out, ",\"functions\":");
    for (size_t i = 0; i < 4; i++) {
        pl_buf_putc(out, i ? ',' : '{');
        pl_json_column(out, functions[i].key, chart, chart->function_count,
                       functions[i].cell);
    }
    pl_buf_puts(out, "},\"boxes\":");
    for (size_t i = 0; i < 4; i++) {
        pl_buf_putc(out, i ? ',' : '{');
        pl_json_column(out, boxes[i].key, chart, chart->box_count, boxes[i].cell);
    }
    pl_buf_puts(out, "}}");
}

/* ---- function metrics ---- */

static void put_call_times(struct pl_buf *out, const struct pl_call_times *times)
{
    pl_json_int_field(out, "calls", times->calls);
    pl_json_int_field(out, "self_ns", times->sum_ns);
    pl_json_int_field(out, "p75_ns", times->p75_ns);
    pl_json_int_field(out, "p95_ns", times->p95_ns);
    pl_json_int_field(out, "p99_ns", times->p99_ns);
}

static void put_buckets(struct pl_buf *out, const struct pl_function_metric *row)
{
    pl_buf_puts(out, ",\"buckets\":[");
    for (size_t i = 0; i < row->bucket_count; i++) {
        pl_buf_printf(out, "%s{\"start_ns\":%lld", i ? "," : "",
                      (long long)row->buckets[i].start_ns);
        put_call_times(out, &row->buckets[i]);
        pl_buf_putc(out, '}');
    }
    pl_buf_putc(out, ']');
}

void pl_json_functions(struct pl_buf *out, const struct pl_function_metrics *metrics,
                       size_t count)
{
    pl_buf_puts(out, "{\"schema\":1");
    pl_json_int_field(out, "bucket_ns", metrics->bucket_ns);
    pl_json_int_field(out, "chunks", metrics->chunks);
    pl_json_int_field(out, "function_count", (int64_t)metrics->count);
    pl_buf_puts(out, ",\"functions\":[");
    for (size_t i = 0; i < count; i++) {
        const struct pl_function_metric *row = &metrics->rows[i];
        pl_buf_puts(out, i ? ",{\"function\":" : "{\"function\":");
        pl_json_string(out, row->function);
        pl_json_string_field(out, "module", row->module);
        pl_json_string_field(out, "file", row->file);
        pl_json_int_field(out, "fingerprint", row->fingerprint);
        pl_json_int_field(out, "chunks", row->chunks);
        pl_json_int_field(out, "samples", row->samples);
        put_call_times(out, &row->all);
        if (metrics->bucket_ns)
            put_buckets(out, row);
        pl_buf_putc(out, '}');
    }
    pl_buf_puts(out, "]}");
}
