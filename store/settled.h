/* Stacks that the pass is through with: each of their frames has a name or a status,
 * and is as its session wants it. Chunks of one program are mostly made of the same
 * stacks, which then are not looked at again.
 *
 * Forgotten as soon as another connection has written to the file, or a session wants
 * something else. One thread, that of the store. */
#ifndef PL_STORE_SETTLED_H
#define PL_STORE_SETTLED_H

#include "store/idmap.h"
#include "store/store.h"

struct pl_settled {
    struct pl_idmap stacks;
    int64_t version;      /* of the file, as this connection sees it; 0 never looked */
    uint64_t file_number; /* of the store, when it did */
    uint64_t wishes;      /* of the sessions it was settled for */
    int64_t chunk_id;     /* whose frames were asked for last */
    bool steady;          /* nobody else has written since then */
};

void pl_settled_deinit(struct pl_settled *settled);

/* Inside the read transaction that lists frames of the chunk, before it does.
 * Errors  IO; NOMEM. */
PL_MUST_CHECK enum pl_status pl_settled_look(struct pl_store *store, int64_t chunk_id,
                                             struct pl_error *err);

static inline bool pl_settled_has(const struct pl_settled *settled, uint32_t stack)
{
    return settled->stacks.count &&
           pl_idmap_find(&settled->stacks, stack) != PL_IDMAP_NONE;
}

#endif
