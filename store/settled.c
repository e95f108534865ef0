/* See settled.h. What others write is noticed by the data version of the connection,
 * which its own commits leave as it is. */
#include "store/settled.h"

#include "store/db.h"
#include "store/query_select.h"
#include "store/symbols.h"

#define STACKS_MAX (1u << 20) /* 16 MB; a compiler's are all its own anyway */

void pl_settled_deinit(struct pl_settled *settled)
{
    pl_idmap_deinit(&settled->stacks);
    *settled = (struct pl_settled){0};
}

static enum pl_status data_version(struct pl_store *store, int64_t *version_out,
                                   struct pl_error *err)
{
    struct pl_stmt *stmt;
    enum pl_status status = pl_stmt_get(store, PL_SQL_DATA_VERSION, &stmt, err);
    return status == PL_OK ? pl_stmt_id(stmt, version_out, err) : status;
}

enum pl_status pl_settled_look(struct pl_store *store, int64_t chunk_id,
                               struct pl_error *err)
{
    struct pl_settled *settled = &store->settled;
    int64_t version = 0;
    if (!settled->stacks.hashed && !pl_idmap_init(&settled->stacks, 0, 0))
        return pl_error_set(err, PL_NOMEM, "out of memory for stacks");
    enum pl_status status = data_version(store, &version, err);
    if (status != PL_OK)
        return status;
    bool same =
        version == settled->version && store->file_number == settled->file_number;
    if (!same)
        pl_idmap_clear(&settled->stacks);
    settled->version = version;
    settled->file_number = store->file_number;
    settled->steady = settled->chunk_id != chunk_id || (same && settled->steady);
    settled->chunk_id = chunk_id;
    return PL_OK;
}

void pl_pass_wish(struct pl_store *store, uint64_t wishes)
{
    struct pl_settled *settled = &store->settled;
    if (wishes != settled->wishes && settled->stacks.count)
        pl_idmap_clear(&settled->stacks);
    settled->wishes = wishes;
}

static enum pl_status add_stacks(void *self, const struct pl_slot *slot,
                                 struct pl_error *err)
{
    struct pl_settled *settled = self;
    for (size_t i = 0; i < slot->run_count; i++)
        if (slot->runs[i].stack &&
            pl_idmap_add(&settled->stacks, slot->runs[i].stack) == PL_IDMAP_NONE)
            return pl_error_set(err, PL_NOMEM, "out of memory for stacks");
    return PL_OK;
}

enum pl_status pl_pass_settle(struct pl_store *store, int64_t chunk_id,
                              struct pl_error *err)
{
    struct pl_settled *settled = &store->settled;
    const struct pl_slot_visitor visitor = {.self = settled, .slot = add_stacks};
    enum pl_status status = pl_db_begin_read(store, err);
    if (status != PL_OK)
        return status;
    bool looked = settled->chunk_id == chunk_id;
    status = pl_settled_look(store, chunk_id, err);
    if (status == PL_OK && settled->stacks.count > STACKS_MAX)
        pl_idmap_clear(&settled->stacks);
    if (status == PL_OK && looked && settled->steady)
        status = pl_select_chunk(store, chunk_id, &visitor, err);
    pl_db_end_read(store);
    return status;
}
