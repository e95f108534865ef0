/* See kept_stacks.h. */
#include "store/kept_stacks.h"

#include "store/codec.h"
#include "store/db.h"

#include <stdlib.h>
#include <string.h>

struct pl_kept_stacks {
    int64_t data_version; /* SQLite's, of this connection */
    uint64_t file_number; /* which connection that was */
    bool refused;         /* not of this snapshot */
    struct pl_tree *tree; /* NULL: not built */
    struct pl_idmap stacks;
    uint32_t *ends; /* by place in stacks: the node it ends in */
};

static void forget(struct pl_kept_stacks *kept)
{
    pl_tree_free(kept->tree);
    pl_idmap_deinit(&kept->stacks);
    free(kept->ends);
    *kept = (struct pl_kept_stacks){0};
}

void pl_kept_stacks_free(struct pl_kept_stacks *kept)
{
    if (!kept)
        return;
    forget(kept);
    free(kept);
}

bool pl_kept_stacks_has(const struct pl_store *store)
{
    return store->kept && store->kept->tree;
}

/* ---- building ---- */

static enum pl_status list_stacks(struct pl_store *store, struct pl_stack_weights *all,
                                  struct pl_error *err)
{
    struct pl_stmt *stmt;
    bool row;
    enum pl_status status = pl_stmt_get(store, PL_SQL_STACK_IDS, &stmt, err);
    while (status == PL_OK && (status = pl_stmt_row(stmt, &row, err)) == PL_OK && row) {
        int64_t id = pl_stmt_column_int(stmt, 0);
        struct pl_amount *amount = NULL;
        if (id > 0 && id < PL_STACK_ID_LIMIT)
            amount = pl_stack_weight(all, (uint32_t)id, 0);
        if (amount)
            amount->samples = 1; /* only stacks with weight get nodes */
        else
            status = pl_error_set(err, PL_INPUT, "a stack that cannot be");
        if (status != PL_OK)
            pl_stmt_reset(stmt);
    }
    return status;
}

static enum pl_status build(struct pl_store *store, struct pl_kept_stacks *kept,
                            struct pl_error *err)
{
    struct pl_stack_weights all = {0};
    enum pl_status status = pl_stack_weights_init(&all, 1, store, err);
    if (status == PL_OK)
        status = list_stacks(store, &all, err);
    if (status == PL_OK)
        status = pl_tree_new(1, &kept->tree, err);
    if (status == PL_OK) {
        pl_tree_keep_apart(kept->tree);
        status = pl_dictionary_resolve_nodes(store, &all, NULL, kept->tree, &kept->ends,
                                             err);
    }
    kept->stacks = all.stacks;
    all.stacks = (struct pl_idmap){0};
    pl_stack_weights_deinit(&all);
    return status;
}

/* What cannot be built is no error here: the question may not need all of it, and if it
 * does the dictionary will say what is wrong. */
static void try_build(struct pl_store *store, struct pl_kept_stacks *kept)
{
    struct pl_error err;
    enum pl_status status = build(store, kept, &err);
    if (status == PL_OK && !pl_tree_is_vague(kept->tree) &&
        pl_tree_node_count(kept->tree) <= PL_KEPT_NODES_MAX &&
        pl_tree_settle(kept->tree, kept->ends, kept->stacks.count, &err) == PL_OK)
        return;
    struct pl_kept_stacks refused = {.data_version = kept->data_version,
                                     .file_number = kept->file_number,
                                     .refused = true};
    forget(kept);
    *kept = refused;
}

/* NULL: nothing is kept of this snapshot. */
static enum pl_status find_kept(struct pl_store *store,
                                struct pl_kept_stacks **kept_out, struct pl_error *err)
{
    struct pl_stmt *stmt;
    int64_t version = 0;
    *kept_out = NULL;
    enum pl_status status = pl_stmt_get(store, PL_SQL_DATA_VERSION, &stmt, err);
    if (status == PL_OK)
        status = pl_stmt_id(stmt, &version, err);
    if (status != PL_OK)
        return status;
    struct pl_kept_stacks *kept = store->kept;
    if (!kept)
        kept = store->kept = calloc(1, sizeof *kept);
    if (!kept)
        return PL_OK;
    if (kept->data_version != version || kept->file_number != store->file_number) {
        forget(kept); /* and remember that it was asked about */
        kept->data_version = version;
        kept->file_number = store->file_number;
        return PL_OK;
    }
    if (!kept->tree && !kept->refused)
        try_build(store, kept);
    *kept_out = kept->tree ? kept : NULL;
    return PL_OK;
}

/* ---- asking ---- */

static bool has_samples(const struct pl_amount *amounts, uint32_t columns)
{
    for (uint32_t c = 0; c < columns; c++)
        if (amounts[c].samples)
            return true;
    return false;
}

/* Take a column's weight from every stack without the function. */
static bool filter(const struct pl_kept_stacks *kept, struct pl_stack_weights *weights,
                   uint32_t column, const char *function, const uint32_t *nodes)
{
    bool *below = pl_tree_below(kept->tree, function);
    if (!below)
        return false;
    for (uint32_t i = 0; i < weights->stacks.count; i++)
        if (!below[nodes[i]])
            weights->list[(size_t)i * weights->columns + column] =
                (struct pl_amount){0};
    free(below);
    return true;
}

/* The node of each weighted stack, by place. False: of one there is none. */
static bool find_nodes(const struct pl_kept_stacks *kept,
                       const struct pl_stack_weights *weights, uint32_t *nodes)
{
    for (uint32_t i = 0; i < weights->stacks.count; i++) {
        uint32_t place = pl_idmap_find(&kept->stacks, weights->stacks.ids[i]);
        if (place == PL_IDMAP_NONE)
            return false;
        nodes[i] = kept->ends[place];
    }
    return true;
}

static bool filter_all(const struct pl_kept_stacks *kept,
                       struct pl_stack_weights *weights, const char *const *functions,
                       const uint32_t *nodes)
{
    for (uint32_t c = 0; functions && c < weights->columns; c++)
        if (functions[c] && !filter(kept, weights, c, functions[c], nodes))
            return false;
    return true;
}

static enum pl_status weigh(const struct pl_kept_stacks *kept,
                            struct pl_stack_weights *weights,
                            const char *const *functions, const uint32_t *nodes,
                            struct pl_tree **tree_out, struct pl_error *err)
{
    struct pl_tree *tree = NULL;
    enum pl_status status = pl_tree_copy(kept->tree, weights->columns, &tree, err);
    if (status == PL_OK && !filter_all(kept, weights, functions, nodes))
        status = pl_error_set(err, PL_NOMEM, "out of memory for a filter");
    for (uint32_t i = 0; i < weights->stacks.count && status == PL_OK; i++) {
        const struct pl_amount *amounts = &weights->list[(size_t)i * weights->columns];
        if (has_samples(amounts, weights->columns))
            pl_tree_add(tree, nodes[i], amounts);
    }
    if (status == PL_OK && pl_tree_is_torn(tree))
        status = pl_tree_mend(&tree, err);
    if (status == PL_OK)
        *tree_out = tree;
    else
        pl_tree_free(tree);
    return status;
}

enum pl_status pl_kept_stacks_resolve(struct pl_store *store,
                                      struct pl_stack_weights *weights,
                                      const char *const *functions,
                                      struct pl_tree **tree_out, struct pl_error *err)
{
    const struct pl_idmap *stacks = &weights->stacks;
    struct pl_kept_stacks *kept = NULL;
    *tree_out = NULL;
    if (store->mode != PL_STORE_READ || pl_dictionary_is_sparse(weights) ||
        stacks->span > PL_KEPT_STACKS_MAX)
        return PL_OK;
    enum pl_status status = find_kept(store, &kept, err);
    if (status != PL_OK || !kept)
        return status;
    uint32_t *nodes = malloc(((size_t)stacks->count + 1) * sizeof *nodes);
    if (!nodes)
        return pl_error_set(err, PL_NOMEM, "out of memory for stacks");
    if (find_nodes(kept, weights, nodes))
        status = weigh(kept, weights, functions, nodes, tree_out, err);
    free(nodes);
    return status;
}
