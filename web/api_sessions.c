/* Who was recorded: sessions and their threads. */
#include "store/query.h"
#include "web/api.h"
#include "web/document.h"
#include "web/json.h"

enum pl_status pl_api_sessions(struct pl_store *store, const struct pl_api_call *call,
                               struct pl_buf *out, struct pl_error *err)
{
    struct pl_session_list list;
    enum pl_status status = pl_query_sessions(store, &call->selection, &list, err);
    if (status != PL_OK)
        return status;
    pl_json_sessions(out, &list);
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
