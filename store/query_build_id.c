#include "store/db.h"
#include "store/query.h"

#include <stdio.h>
#include <string.h>

enum pl_status pl_query_build_id(struct pl_store *store, const char *path,
                                 char build_id_out[PL_BUILD_ID_SIZE],
                                 struct pl_error *err)
{
    struct pl_stmt *stmt;
    bool row = false;
    build_id_out[0] = '\0';
    enum pl_status status = pl_db_begin_read(store, err);
    if (status == PL_OK)
        status = pl_stmt_get(store, PL_SQL_SELECT_BUILD_ID, &stmt, err);
    if (status == PL_OK) {
        pl_stmt_text(stmt, ":path", path);
        status = pl_stmt_row(stmt, &row, err);
    }
    if (status == PL_OK && row) {
        const char *build_id = pl_stmt_column_text(stmt, 0);
        if (build_id && strlen(build_id) < PL_BUILD_ID_SIZE)
            (void)snprintf(build_id_out, PL_BUILD_ID_SIZE, "%s", build_id);
        pl_stmt_reset(stmt);
    }
    pl_db_end_read(store);
    return status;
}
