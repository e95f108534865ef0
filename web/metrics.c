#include "web/metrics.h"

#include "store/counters.h"
#include "web/api.h"
#include "web/document_outbox.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct metric {
    const char *key; /* of the file's counter, before its labels; NULL: live */
    const char *family, *suffix;
    const char *type, *help; /* of the family's first row */
    double unit;
    bool labelled; /* without any there is nothing to say, not even 0 */
};

/* ---- of the file ---- */

static const struct metric of_file[] = {
    {"chunks", "proflite_task_chunks_total", "", "counter", "Chunks taken up.", 1,
     false},
    {"outcomes", "proflite_task_outcomes_total", "", "counter",
     "Outcomes, of which a chunk has one a category.", 1, true},
    {"duplicates", "proflite_task_duplicates_total", "", "counter",
     "Chunks that were sent again.", 1, false},
    {"outcome_duplicates", "proflite_task_redone_total", "", "counter",
     "Chunks that were processed again.", 1, false},
    {"unsampled_profiles", "proflite_task_unsampled_profiles_total", "", "counter",
     "Profiles that were not sampled.", 1, false},
    {"missing_keys_debug_meta", "proflite_task_missing_keys_debug_meta_total", "",
     "counter", "Chunks to symbolicate that came without debug_meta.", 1, false},
    {"missing_keys_profile", "proflite_task_missing_keys_profile_total", "", "counter",
     "Chunks to symbolicate that came without samples.", 1, false},
    {"symbolicate_error", "proflite_task_symbolicate_error_total", "", "counter",
     "Chunks kept without all names: symbolication failed.", 1, false},
    {"symbolicate_timeout", "proflite_task_symbolicate_timeout_total", "", "counter",
     "Chunks kept without all names: symbolication took too long.", 1, false},
    {"frames", "proflite_task_frames_total", "", "counter",
     "Frames that names were looked up for.", 1, false},
    {"frames_named", "proflite_task_frames_named_total", "", "counter",
     "Frames that names were found for.", 1, false},
    {"frames_normalized", "proflite_task_frames_normalized_total", "", "counter",
     "Frames that were normalized, inlined ones included.", 1, false},
    {"received", "proflite_task_received_total", "", "counter",
     "What received profiles were made of, before processing.", 1, true},
    {"stage_ns", "proflite_task_stage_seconds", "_sum", "summary",
     "Time spent in a stage.", 1e-9, true},
    {"stage_runs", "proflite_task_stage_seconds", "_count", "", "", 1, true},
    {"payload_bytes", "proflite_task_payload_bytes", "_sum", "summary",
     "Size of a received profile, decoded.", 1, false},
    {"payloads", "proflite_task_payload_bytes", "_count", "", "", 1, false},
    {"loss", "proflite_loss_total", "", "counter", "Samples known to be lost.", 1,
     true},
    {"waiting", "proflite_waiting", "", "gauge",
     "What is stored and not taken up yet: requests, chunks.", 1, true},
};

/* ---- of this process ---- */

static const struct metric live[] = {
#define X(id, family, suffix, type, help, unit)                                        \
    {NULL, family, suffix, type, help, unit, false},
    PL_LIVE_COUNTERS(X)
#undef X
};

static _Atomic uint64_t live_values[PL_LIVE_COUNT];

void pl_live_add(enum pl_live metric, uint64_t by)
{
    atomic_fetch_add_explicit(&live_values[metric], by, memory_order_relaxed);
}

void pl_live_ingest(int status, uint64_t bytes, uint64_t took_ns)
{
    static const struct {
        int status;
        enum pl_live metric;
    } by_status[] = {
        {200, PL_LIVE_INGEST_200}, {400, PL_LIVE_INGEST_400}, {403, PL_LIVE_INGEST_403},
        {408, PL_LIVE_INGEST_408}, {413, PL_LIVE_INGEST_413}, {429, PL_LIVE_INGEST_429},
        {503, PL_LIVE_INGEST_503},
    };
    enum pl_live metric = PL_LIVE_INGEST_OTHER;
    for (size_t i = 0; i < sizeof by_status / sizeof by_status[0]; i++)
        if (by_status[i].status == status)
            metric = by_status[i].metric;
    pl_live_add(metric, 1);
    pl_live_add(PL_LIVE_INGEST_BYTES, bytes);
    pl_live_add(PL_LIVE_INGEST_NS, took_ns);
    pl_live_add(PL_LIVE_INGEST_COUNT, 1);
}

/* ---- the page ---- */

static void put_head(struct pl_buf *out, const struct metric *metric)
{
    if (!metric->type[0])
        return;
    pl_buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", metric->family, metric->help,
                  metric->family, metric->type);
}

/* Whole numbers as such: a double printed short would lose their last digits. */
static void put_value(struct pl_buf *out, const struct metric *metric,
                      const char *labels, uint64_t value)
{
    pl_buf_printf(out, "%s%s%s ", metric->family, metric->suffix, labels);
    if (metric->unit == 1)
        pl_buf_printf(out, "%llu\n", (unsigned long long)value);
    else
        pl_buf_printf(out, "%.9f\n", (double)value * metric->unit);
}

/* Counters of the file as they come: copies, for the table above orders them. */
struct found {
    struct {
        char *name;
        int64_t value;
    } * rows;
    size_t count;
    bool failed;
};

static void add_found(void *self, const char *name, int64_t value)
{
    struct found *found = self;
    if (found->count % 32 == 0) {
        void *grown = realloc(found->rows, (found->count + 32) * sizeof found->rows[0]);
        if (!grown) {
            found->failed = true;
            return;
        }
        found->rows = grown;
    }
    char *copy = strdup(name);
    found->failed = found->failed || !copy;
    if (!copy)
        return;
    found->rows[found->count].name = copy;
    found->rows[found->count++].value = value;
}

static void put_of_file(struct pl_buf *out, const struct metric *metric,
                        const struct found *found)
{
    size_t len = strlen(metric->key);
    bool any = false;
    put_head(out, metric);
    for (size_t i = 0; i < found->count; i++) {
        const char *name = found->rows[i].name;
        if (strncmp(name, metric->key, len) != 0 || (name[len] && name[len] != '{'))
            continue;
        put_value(out, metric, name + len, (uint64_t)found->rows[i].value);
        any = true;
    }
    if (!any && !metric->labelled)
        put_value(out, metric, "", 0);
}

static enum pl_status put_outbox(struct pl_store *store, struct pl_buf *out,
                                 struct pl_error *err)
{
    struct pl_outbox_state_list list;
    enum pl_status status = pl_outbox_states(store, &list, err);
    if (status != PL_OK)
        return status;
    pl_outbox_metrics(out, &list);
    pl_outbox_state_list_deinit(&list);
    return PL_OK;
}

enum pl_status pl_metrics_write(struct pl_store *store, struct pl_buf *out,
                                struct pl_error *err)
{
    struct found found = {0};
    enum pl_status status =
        store ? pl_counters_each(store, add_found, &found, err) : PL_OK;
    if (status == PL_OK && found.failed)
        status = pl_error_set(err, PL_NOMEM, "out of memory for counters");
    for (size_t i = 0; i < sizeof of_file / sizeof of_file[0] && status == PL_OK; i++)
        put_of_file(out, &of_file[i], &found);
    for (size_t i = 0; i < PL_LIVE_COUNT && status == PL_OK; i++) {
        put_head(out, &live[i]);
        put_value(out, &live[i], "", atomic_load(&live_values[i]));
    }
    if (status == PL_OK && store)
        status = put_outbox(store, out, err);
    for (size_t i = 0; i < found.count; i++)
        free(found.rows[i].name);
    free(found.rows);
    return status;
}

enum pl_status pl_api_metrics(struct pl_store *store, const struct pl_api_call *call,
                              struct pl_buf *out, struct pl_error *err)
{
    *call->type_out = "text/plain; version=0.0.4; charset=utf-8";
    return pl_metrics_write(store, out, err);
}
