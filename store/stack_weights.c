/* Weights by stack id: what slots are gathered into (dictionary.h). */
#include "store/db.h"
#include "store/dictionary.h"

#include <stdlib.h>
#include <string.h>

enum pl_status pl_stack_weights_init(struct pl_stack_weights *weights, uint32_t columns,
                                     struct pl_store *store, struct pl_error *err)
{
    struct pl_stmt *stmt;
    bool row;
    *weights = (struct pl_stack_weights){.columns = columns};
    enum pl_status status = pl_stmt_get(store, PL_SQL_STACK_RANGE, &stmt, err);
    if (status == PL_OK)
        status = pl_stmt_row(stmt, &row, err);
    if (status != PL_OK)
        return status;
    if (!pl_idmap_init(&weights->stacks, pl_stmt_column_int(stmt, 0),
                       pl_stmt_column_int(stmt, 1)))
        status = pl_error_set(err, PL_NOMEM, "out of memory for stacks");
    pl_stmt_reset(stmt);
    return status;
}

void pl_stack_weights_deinit(struct pl_stack_weights *weights)
{
    pl_idmap_deinit(&weights->stacks);
    free(weights->list);
    *weights = (struct pl_stack_weights){0};
}

/* Room for every place there is: parents may have joined without a weight. */
bool pl_stack_weights_grow(struct pl_stack_weights *weights)
{
    uint32_t cap = weights->cap ? weights->cap * 2 : 1024;
    while (cap && cap < weights->stacks.count)
        cap *= 2;
    size_t row = weights->columns * sizeof *weights->list;
    struct pl_amount *grown = cap ? realloc(weights->list, cap * row) : NULL;
    if (!grown)
        return false;
    memset(grown + (size_t)weights->cap * weights->columns, 0,
           (cap - weights->cap) * row);
    weights->list = grown;
    weights->cap = cap;
    return true;
}
