/* What the store holds at a glance: meta, apps, health. */
#include "store/query.h"
#include "store/outbox.h"
#include "web/api.h"
#include "web/document_outbox.h"
#include "web/json.h"

#include <stdlib.h>
#include <string.h>

#define SCHEMA_FIELD "{\"schema\":1"

struct summary {
    int64_t sessions, samples, lost, start_ns, end_ns;
};

static void add(struct summary *sum, const struct pl_session_row *row)
{
    if (row->start_ns && (!sum->start_ns || row->start_ns < sum->start_ns))
        sum->start_ns = row->start_ns;
    if (row->end_ns > sum->end_ns)
        sum->end_ns = row->end_ns;
    sum->sessions++;
    sum->samples += row->samples;
    sum->lost += row->lost;
}

/* The generation is a string: it may need all 64 bits, which a number in
 * JavaScript does not have. */
static void put_generation(struct pl_buf *out, uint64_t generation)
{
    pl_buf_printf(out, ",\"generation\":\"%llu\"", (unsigned long long)generation);
}

enum pl_status pl_api_meta(struct pl_store *store, const struct pl_api_call *call,
                           struct pl_buf *out, struct pl_error *err)
{
    struct pl_session_list list;
    struct summary sum = {0};
    enum pl_status status = pl_query_sessions(store, &call->selection, &list, err);
    if (status != PL_OK)
        return status;
    for (size_t i = 0; i < list.count; i++)
        add(&sum, &list.rows[i]);
    pl_session_list_deinit(&list);
    pl_buf_puts(out, SCHEMA_FIELD);
    pl_json_string_field(out, "version", PL_VERSION);
    pl_json_string_field(out, "db", call->db_path);
    put_generation(out, call->generation);
    pl_json_int_field(out, "sessions", sum.sessions);
    pl_json_int_field(out, "first_ns", sum.start_ns);
    pl_json_int_field(out, "last_ns", sum.end_ns);
    pl_json_int_field(out, "samples", sum.samples);
    pl_json_int_field(out, "lost", sum.lost);
    pl_buf_putc(out, '}');
    return PL_OK;
}

enum pl_status pl_api_health(struct pl_store *store, const struct pl_api_call *call,
                             struct pl_buf *out, struct pl_error *err)
{
    struct pl_outbox_state_list list;
    enum pl_status status = pl_outbox_states(store, &list, err);
    if (status != PL_OK)
        return status;
    pl_buf_puts(out, SCHEMA_FIELD ",\"ok\":true");
    pl_json_string_field(out, "version", PL_VERSION);
    put_generation(out, call->generation);
    pl_json_outbox_field(out, "forward", &list);
    pl_buf_putc(out, '}');
    pl_outbox_state_list_deinit(&list);
    return PL_OK;
}

/* ---- apps ---- */

static int by_app(const void *a, const void *b)
{
    const struct pl_session_row *x = *(struct pl_session_row *const *)a;
    const struct pl_session_row *y = *(struct pl_session_row *const *)b;
    return strcmp(x->app, y->app);
}

static void put_app(struct pl_buf *out, const char *app, const struct summary *sum)
{
    pl_buf_puts(out, "{\"app\":");
    pl_json_string(out, app);
    pl_json_int_field(out, "sessions", sum->sessions);
    pl_json_int_field(out, "samples", sum->samples);
    pl_json_int_field(out, "start_ns", sum->start_ns);
    pl_json_int_field(out, "end_ns", sum->end_ns);
    pl_buf_putc(out, '}');
}

static void put_apps(struct pl_buf *out, struct pl_session_row *const *rows,
                     size_t count)
{
    pl_buf_puts(out, SCHEMA_FIELD ",\"apps\":[");
    for (size_t i = 0; i < count;) {
        struct summary sum = {0};
        const char *app = rows[i]->app;
        if (i)
            pl_buf_putc(out, ',');
        for (; i < count && strcmp(rows[i]->app, app) == 0; i++)
            add(&sum, rows[i]);
        put_app(out, app, &sum);
    }
    pl_buf_puts(out, "]}");
}

enum pl_status pl_api_apps(struct pl_store *store, const struct pl_api_call *call,
                           struct pl_buf *out, struct pl_error *err)
{
    struct pl_session_list list;
    enum pl_status status = pl_query_sessions(store, &call->selection, &list, err);
    if (status != PL_OK)
        return status;
    struct pl_session_row **rows = malloc((list.count + 1) * sizeof *rows);
    if (rows) {
        for (size_t i = 0; i < list.count; i++)
            rows[i] = &list.rows[i];
        qsort(rows, list.count, sizeof *rows, by_app);
        put_apps(out, rows, list.count);
        free(rows);
    } else {
        status = pl_error_set(err, PL_NOMEM, "out of memory listing programs");
    }
    pl_session_list_deinit(&list);
    return status;
}
