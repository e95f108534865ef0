/* A store as nothing but a sink: all that the linked collector sees of it. */
#include "store/db.h"

/* It is open inside a program of someone else's: a part does with few pages. */
static void keep_small(struct pl_store *store)
{
    store->small = true;
    (void)sqlite3_exec(store->db, "PRAGMA cache_size = -512", NULL, NULL, NULL);
}

enum pl_status pl_chunk_sink_open(const char *path, bool durable,
                                  struct pl_chunk_sink *sink_out, void **handle_out,
                                  struct pl_error *err)
{
    struct pl_store *store = NULL;
    enum pl_status status = pl_store_open(path, PL_STORE_CREATE, &store, err);
    if (status == PL_OK)
        keep_small(store);
    if (status == PL_OK && durable)
        status = pl_store_make_durable(store, err);
    if (status == PL_OK)
        status = pl_store_sink(store, sink_out, err);
    if (status != PL_OK) {
        pl_store_close(store);
        return status;
    }
    *handle_out = store;
    return PL_OK;
}

void pl_chunk_sink_close(void *handle)
{
    pl_store_close(handle);
}
