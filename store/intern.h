/* Interning: a part's modules, frames and stacks -> ids in the file.
 *
 * Several processes add to one dictionary. Frames and modules are unique by index.
 * The stack table has none: each writer keeps a prefix tree of the stacks it knows
 * and learns the others' rows by reading ids past the last it saw, for good inside
 * the write transaction. Two rows for one stack do no harm (readers merge by
 * path), so the tree may start with recent rows only and be dropped when large.
 * What a transaction added must be forgotten if it does not commit. */
#ifndef PL_STORE_INTERN_H
#define PL_STORE_INTERN_H

#include "store/chunk_sink.h"
#include "store/store.h"
#include "store/text.h"

struct pl_intern;

PL_MUST_CHECK enum pl_status pl_intern_new(struct pl_store *store,
                                           struct pl_intern **intern_out,
                                           struct pl_error *err);
void pl_intern_free(struct pl_intern *intern); /* NULL is fine */
void pl_intern_forget(struct pl_intern *intern);

/* Ids of one part; 0: not known yet. */
struct pl_part_ids {
    int64_t *modules;
    uint32_t *frames; /* and one more: the frame of stacks without frames */
    uint32_t *stacks;
    uint64_t epoch;      /* of the dictionary they belong to */
    int64_t added_bytes; /* of rows inserted for this part */
};
PL_MUST_CHECK enum pl_status pl_part_ids_init(struct pl_part_ids *ids,
                                              const struct pl_sink_part *part,
                                              struct pl_error *err);
void pl_part_ids_deinit(struct pl_part_ids *ids);

/* Fill in the ids that are still 0: those the file has, and with `insert`
 * (inside a write transaction) all of them. `platform` is the session's.
 * The part's indexes have been checked. */
PL_MUST_CHECK enum pl_status
pl_intern_part(struct pl_intern *intern, const struct pl_sink_part *part,
               const char *platform, bool insert, struct pl_text_pool *pool,
               struct pl_part_ids *ids, struct pl_error *err);

#endif
