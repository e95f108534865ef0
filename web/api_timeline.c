/* Weight over time, per thread. */
#include "store/query.h"
#include "web/api.h"
#include "web/json.h"

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

enum pl_status pl_api_timeline(struct pl_store *store, const struct pl_api_call *call,
                               struct pl_buf *out, struct pl_error *err)
{
    struct pl_timeline timeline;
    int64_t bins = call->params->bins < 0 ? DEFAULT_BINS : call->params->bins;
    if (bins < 1 || bins > MOST_BINS)
        return pl_error_set(err, PL_USAGE, "bins is 1 to %d", MOST_BINS);
    enum pl_status status =
        pl_query_timeline(store, &call->selection, (size_t)bins, &timeline, err);
    if (status != PL_OK)
        return status;
    pl_buf_puts(out, "{\"schema\":1");
    pl_json_int_field(out, "from_ns", timeline.from_ns);
    pl_json_int_field(out, "to_ns", timeline.to_ns);
    pl_json_int_field(out, "bin_ns", timeline.bin_ns);
    pl_json_int_field(out, "bins", (int64_t)timeline.bins);
    pl_buf_puts(out, ",\"series\":[");
    for (size_t i = 0; i < timeline.series_count; i++) {
        if (i)
            pl_buf_putc(out, ',');
        put_series(out, &timeline.series[i], timeline.bins);
    }
    pl_buf_puts(out, "]}");
    pl_timeline_deinit(&timeline);
    return PL_OK;
}
