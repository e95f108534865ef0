/* Who holds the pass's lease, for a caller that can tell whether they still live. */
#include "store/db.h"
#include "store/symbols.h"

#include <stdio.h>

enum pl_status pl_pass_lease_holder(struct pl_store *store, char *owner_out,
                                    size_t owner_bytes, struct pl_error *err)
{
    struct pl_stmt *stmt;
    bool row;
    enum pl_status status = pl_stmt_get(store, PL_SQL_PASS_LEASE_OWNER, &stmt, err);
    if (status == PL_OK)
        status = pl_stmt_row(stmt, &row, err);
    if (status != PL_OK)
        return status;
    if (!row)
        return pl_error_set(err, PL_NOT_FOUND, "nobody holds the lease");
    (void)snprintf(owner_out, owner_bytes, "%s", pl_stmt_column_text(stmt, 0));
    pl_stmt_reset(stmt);
    return PL_OK;
}
