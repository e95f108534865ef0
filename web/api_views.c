/* Closer looks: callers and callees of a function, two selections compared, labels, a
 * function's history and lines, one thread over time. */
#include "web/api.h"
#include "web/document_views.h"
#include "web/json.h"

#define DEFAULT_CHANGES   500
#define MOST_CHANGES      100000
#define DEFAULT_FUNCTIONS 100
#define MOST_FUNCTIONS    100000
#define DEFAULT_BOXES     20000
#define DEFAULT_SHARE     4000 /* of the whole: lighter nodes are too thin to see */

/* `value` where it was given, within 1..most. */
static enum pl_status limit_of(int64_t value, int64_t otherwise, int64_t most,
                               const char *key, int64_t *out, struct pl_error *err)
{
    *out = value < 0 ? otherwise : value;
    if (*out >= 1 && *out <= most)
        return PL_OK;
    return pl_error_set(err, PL_USAGE, "%s is 1 to %lld", key, (long long)most);
}

/* The function of the selection is what the tree is about, not a filter on it. */
enum pl_status pl_api_callers(struct pl_store *store, const struct pl_api_call *call,
                              struct pl_buf *out, struct pl_error *err)
{
    struct pl_selection selection = call->selection;
    struct pl_sandwich sandwich;
    selection.function = NULL;
    if (!call->selection.function)
        return pl_error_set(err, PL_USAGE, "name a function: function=NAME");
    enum pl_status status = pl_query_sandwich(
        store, &selection, call->params->selection.metric, &call->params->transforms,
        call->selection.function, &sandwich, err);
    if (status != PL_OK)
        return status;
    int64_t min_ns = call->params->min_ns;
    status = pl_json_sandwich(
        out, &sandwich, call->selection.function,
        min_ns < 0 ? sandwich.callers.total_ns / DEFAULT_SHARE : min_ns, err);
    pl_sandwich_deinit(&sandwich);
    return status;
}

/* ---- diff ---- */

/* What both sides select, and what `text` adds for this one. */
static enum pl_status read_side(const struct pl_api_call *call, const char *text,
                                struct pl_selection_args *args,
                                struct pl_selection *selection, struct pl_error *err)
{
    enum pl_status status = pl_selection_args_copy(args, &call->params->selection, err);
    if (status == PL_OK)
        status = pl_selection_parse(args, text ? text : "", err);
    if (status == PL_OK)
        status = pl_selection_get(args, selection, err);
    return status;
}

static enum pl_status compare(struct pl_store *store, const struct pl_api_call *call,
                              struct pl_diff *diff_out, struct pl_error *err)
{
    struct pl_selection_args args_a, args_b;
    struct pl_selection a, b;
    struct pl_profile pair = {0};
    const struct pl_params *params = call->params;
    pl_selection_args_init(&args_a, params->selection.now_ns);
    pl_selection_args_init(&args_b, params->selection.now_ns);
    enum pl_status status = read_side(call, params->a, &args_a, &a, err);
    if (status == PL_OK)
        status = read_side(call, params->b, &args_b, &b, err);
    if (status == PL_OK)
        status =
            pl_query_pair(store, &a, store, &b, params->selection.metric, &pair, err);
    if (status == PL_OK)
        status = pl_profile_transform_all(&pair, &params->transforms, err);
    if (status == PL_OK)
        status = pl_diff_take(&pair, diff_out, err);
    pl_profile_deinit(&pair);
    pl_selection_args_deinit(&args_a);
    pl_selection_args_deinit(&args_b);
    return status;
}

enum pl_status pl_api_diff(struct pl_store *store, const struct pl_api_call *call,
                           struct pl_buf *out, struct pl_error *err)
{
    struct pl_diff diff;
    struct pl_pruned pruned;
    int64_t count = 0;
    enum pl_status status = limit_of(call->params->limit, DEFAULT_CHANGES, MOST_CHANGES,
                                     "limit", &count, err);
    if (status == PL_OK && pl_transform_list_splits(&call->params->transforms))
        status = pl_error_set(err, PL_USAGE, "a diff has no t=threads and no t=labels");
    if (status == PL_OK)
        status = compare(store, call, &diff, err);
    if (status != PL_OK)
        return status;
    status = pl_api_prune(call, &diff.profile, 0, &pruned, err);
    if (status == PL_OK) {
        status = pl_json_diff(out, &diff, (size_t)count, &pruned, err);
        pl_pruned_deinit(&pruned);
    }
    pl_diff_deinit(&diff);
    return status;
}

/* ---- lists ---- */

enum pl_status pl_api_labels(struct pl_store *store, const struct pl_api_call *call,
                             struct pl_buf *out, struct pl_error *err)
{
    struct pl_label_list list;
    enum pl_status status = pl_query_labels(store, &call->selection, &list, err);
    if (status != PL_OK)
        return status;
    pl_buf_puts(out, "{\"schema\":1");
    pl_json_labels_field(out, "labels", &list);
    pl_buf_putc(out, '}');
    pl_label_list_deinit(&list);
    return PL_OK;
}

static enum pl_status put_history(struct pl_store *store,
                                  const struct pl_api_call *call, struct pl_buf *out,
                                  struct pl_error *err)
{
    struct pl_history history;
    int64_t bucket_ns = call->params->bucket_ns;
    enum pl_status status =
        pl_query_history(store, &call->selection, call->params->selection.metric,
                         bucket_ns < 0 ? 0 : bucket_ns, &history, err);
    if (status == PL_OK) {
        pl_json_history_field(out, "history", &history);
        pl_history_deinit(&history);
    }
    return status;
}

static enum pl_status put_lines(struct pl_store *store, const struct pl_api_call *call,
                                struct pl_buf *out, struct pl_error *err)
{
    struct pl_line_list lines;
    enum pl_status status = pl_query_lines(
        store, &call->selection, call->params->selection.metric, NULL, &lines, err);
    if (status == PL_OK) {
        pl_json_lines_field(out, "lines", &lines);
        pl_line_list_deinit(&lines);
    }
    return status;
}

/* A thread's weight in stacks that have the function. */
static enum pl_status put_threads(struct pl_store *store,
                                  const struct pl_api_call *call, struct pl_buf *out,
                                  struct pl_error *err)
{
    struct pl_thread_list list;
    enum pl_status status = pl_query_threads(store, &call->selection, &list, err);
    if (status == PL_OK) {
        pl_json_threads_field(out, "threads", &list);
        pl_thread_list_deinit(&list);
    }
    return status;
}

enum pl_status pl_api_function(struct pl_store *store, const struct pl_api_call *call,
                               struct pl_buf *out, struct pl_error *err)
{
    if (!call->selection.function)
        return pl_error_set(err, PL_USAGE, "name a function: function=NAME");
    pl_buf_puts(out, "{\"schema\":1");
    pl_json_string_field(out, "function", call->selection.function);
    enum pl_status status = put_history(store, call, out, err);
    if (status == PL_OK)
        status = put_lines(store, call, out, err);
    if (status == PL_OK)
        status = put_threads(store, call, out, err);
    pl_buf_putc(out, '}');
    return status;
}

enum pl_status pl_api_flamechart(struct pl_store *store, const struct pl_api_call *call,
                                 struct pl_buf *out, struct pl_error *err)
{
    struct pl_chart chart;
    int64_t most = 0;
    enum pl_status status = limit_of(call->params->boxes, DEFAULT_BOXES, PL_CHART_MOST,
                                     "boxes", &most, err);
    if (status == PL_OK)
        status = pl_query_chart(store, &call->selection, (size_t)most, &chart, err);
    if (status != PL_OK)
        return status;
    pl_json_chart(out, &chart);
    pl_chart_deinit(&chart);
    return PL_OK;
}

enum pl_status pl_api_functions(struct pl_store *store, const struct pl_api_call *call,
                                struct pl_buf *out, struct pl_error *err)
{
    struct pl_function_metrics metrics;
    int64_t bucket_ns = call->params->bucket_ns, count = 0;
    enum pl_status status = limit_of(call->params->limit, DEFAULT_FUNCTIONS,
                                     MOST_FUNCTIONS, "limit", &count, err);
    if (status == PL_OK)
        status = pl_query_functions(store, &call->selection,
                                    bucket_ns < 0 ? 0 : bucket_ns, &metrics, err);
    if (status != PL_OK)
        return status;
    pl_json_functions(out, &metrics,
                      (size_t)count < metrics.count ? (size_t)count : metrics.count);
    pl_function_metrics_deinit(&metrics);
    return PL_OK;
}
