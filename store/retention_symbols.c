/* Symbol files under --max-size: see retention.h. What a server gave can be had again,
 * and the names that were found in it stay; so it goes before any sample. What somebody
 * added cannot, and stays. */
#include "store/retention_state.h"
#include "store/symbol_files.h"

/* Fetched files, the oldest first, until it fits. */
enum pl_status pl_gc_take_fetched(struct pl_gc *gc, struct pl_error *err)
{
    enum pl_status status = PL_OK;
    int64_t last = 0;
    while (status == PL_OK && pl_gc_excess(gc)) {
        int64_t id = 0, before = pl_gc_used_bytes(gc);
        status = pl_gc_number(gc, PL_SQL_GC_FETCHED_FILE, &id, err);
        if (status != PL_OK || !id || id == last) /* of a damaged file it stays */
            break;
        last = id;
        status = pl_symbol_file_remove(gc->store, id, err);
        if (status == PL_NOT_FOUND)
            status = PL_OK; /* somebody else did */
        if (status == PL_OK)
            status = pl_gc_read_pages(gc, err);
        gc->result->symbol_files++;
        if (pl_gc_used_bytes(gc) < before)
            gc->result->bytes += before - pl_gc_used_bytes(gc);
    }
    return status;
}

enum pl_status pl_gc_look_at_fetched(struct pl_gc *gc, struct pl_error *err)
{
    struct pl_stmt *stmt;
    bool row = true;
    int64_t excess = pl_gc_excess(gc);
    enum pl_status status = pl_stmt_get(gc->store, PL_SQL_GC_FETCHED_FILES, &stmt, err);
    while (status == PL_OK && gc->result->bytes < excess && row) {
        status = pl_stmt_row(stmt, &row, err);
        if (status == PL_OK && row) {
            gc->result->symbol_files++;
            gc->result->bytes += pl_stmt_column_int(stmt, 0);
        }
    }
    if (status == PL_OK && row)
        pl_stmt_reset(stmt);
    return status;
}
