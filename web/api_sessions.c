/* Who was recorded: sessions and their threads. */
#include "store/query.h"
#include "web/api.h"
#include "web/document.h"
#include "web/document_views.h"

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

enum pl_status pl_api_threads(struct pl_store *store, const struct pl_api_call *call,
                              struct pl_buf *out, struct pl_error *err)
{
    struct pl_thread_list list;
    enum pl_status status = pl_query_threads(store, &call->selection, &list, err);
    if (status != PL_OK)
        return status;
    pl_buf_puts(out, "{\"schema\":1");
    pl_json_threads_field(out, "threads", &list);
    pl_buf_putc(out, '}');
    pl_thread_list_deinit(&list);
    return PL_OK;
}
