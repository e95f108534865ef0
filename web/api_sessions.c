/* Who was recorded: sessions and their threads. */
#include "store/query.h"
#include "web/api.h"
#include "web/json.h"

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
    pl_buf_putc(out, '}');
}

enum pl_status pl_api_sessions(struct pl_store *store, const struct pl_api_call *call,
                               struct pl_buf *out, struct pl_error *err)
{
    struct pl_session_list list;
    enum pl_status status = pl_query_sessions(store, &call->selection, &list, err);
    if (status != PL_OK)
        return status;
    pl_buf_puts(out, "{\"schema\":1,\"sessions\":[");
    for (size_t i = 0; i < list.count; i++) {
        if (i)
            pl_buf_putc(out, ',');
        put_session(out, &list.rows[i]);
    }
    pl_buf_puts(out, "]}");
    pl_session_list_deinit(&list);
    return PL_OK;
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

enum pl_status pl_api_threads(struct pl_store *store, const struct pl_api_call *call,
                              struct pl_buf *out, struct pl_error *err)
{
    struct pl_thread_list list;
    enum pl_status status = pl_query_threads(store, &call->selection, &list, err);
    if (status != PL_OK)
        return status;
    pl_buf_puts(out, "{\"schema\":1,\"threads\":[");
    for (size_t i = 0; i < list.count; i++) {
        if (i)
            pl_buf_putc(out, ',');
        put_thread(out, &list.rows[i]);
    }
    pl_buf_puts(out, "]}");
    pl_thread_list_deinit(&list);
    return PL_OK;
}
