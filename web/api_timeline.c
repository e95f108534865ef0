/* Weight over time, per thread or per kind of code. */
#include "store/query_spread.h"
#include "web/api.h"
#include "web/json.h"

#include <string.h>

#define DEFAULT_BINS 300
#define MOST_BINS    4096

static void put_ns(struct pl_buf *out, const void *table, size_t row)
{
    pl_json_int(out, ((const int64_t *)table)[row]);
}

static void put_series(struct pl_buf *out, const struct pl_timeline_series *series,
                       size_t bins)
{
    pl_buf_puts(out, "{\"thread_id\":");
    pl_json_int(out, series->thread_id);
    pl_json_string_field(out, "name", series->name);
    pl_buf_putc(out, ',');
    pl_json_column(out, "wall_ns", series->wall_ns, bins, put_ns);
    pl_buf_putc(out, ',');
    pl_json_column(out, "cpu_ns", series->cpu_ns, bins, put_ns);
    pl_buf_putc(out, '}');
}

static void put_bins(struct pl_buf *out, int64_t from_ns, int64_t to_ns, int64_t bin_ns,
                     size_t bins)
{
    pl_buf_puts(out, "{\"schema\":1");
    pl_json_int_field(out, "from_ns", from_ns);
    pl_json_int_field(out, "to_ns", to_ns);
    pl_json_int_field(out, "bin_ns", bin_ns);
    pl_json_int_field(out, "bins", (int64_t)bins);
    pl_buf_puts(out, ",\"series\":[");
}

static enum pl_status by_code(struct pl_store *store, const struct pl_api_call *call,
                              size_t bins, struct pl_buf *out, struct pl_error *err)
{
    static const char *const names[PL_CODES] = {"app", "system", "kernel", "unknown"};
    struct pl_code_times times;
    enum pl_status status =
        pl_query_code_times(store, &call->selection, bins, &times, err);
    if (status != PL_OK)
        return status;
    put_bins(out, times.from_ns, times.to_ns, times.bin_ns, times.bins);
    for (int code = 0; code < PL_CODES; code++) {
        pl_buf_printf(out, "%s{\"code\":\"%s\",", code ? "," : "", names[code]);
        pl_json_column(out, "wall_ns", times.wall_ns[code], times.bins, put_ns);
        pl_buf_putc(out, ',');
        pl_json_column(out, "cpu_ns", times.cpu_ns[code], times.bins, put_ns);
        pl_buf_putc(out, '}');
    }
    pl_buf_puts(out, "]}");
    pl_code_times_deinit(&times);
    return PL_OK;
}

static enum pl_status by_thread(struct pl_store *store, const struct pl_api_call *call,
                                size_t bins, struct pl_buf *out, struct pl_error *err)
{
    struct pl_timeline timeline;
    enum pl_status status =
        pl_query_timeline(store, &call->selection, bins, &timeline, err);
    if (status != PL_OK)
        return status;
    put_bins(out, timeline.from_ns, timeline.to_ns, timeline.bin_ns, timeline.bins);
    for (size_t i = 0; i < timeline.series_count; i++) {
        if (i)
            pl_buf_putc(out, ',');
        put_series(out, &timeline.series[i], timeline.bins);
    }
    pl_buf_puts(out, "]}");
    pl_timeline_deinit(&timeline);
    return PL_OK;
}

enum pl_status pl_api_timeline(struct pl_store *store, const struct pl_api_call *call,
                               struct pl_buf *out, struct pl_error *err)
{
    const char *by = call->params->by ? call->params->by : "thread";
    int64_t bins = call->params->bins < 0 ? DEFAULT_BINS : call->params->bins;
    if (bins < 1 || bins > MOST_BINS)
        return pl_error_set(err, PL_USAGE, "bins is 1 to %d", MOST_BINS);
    if (strcmp(by, "code") == 0)
        return by_code(store, call, (size_t)bins, out, err);
    if (strcmp(by, "thread") == 0)
        return by_thread(store, call, (size_t)bins, out, err);
    return pl_error_set(err, PL_USAGE, "by is thread or code, not '%.60s'", by);
}
