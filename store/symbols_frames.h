/* Frames of a chunk and rows of their names: shared by symbols*.c. */
#ifndef PL_STORE_SYMBOLS_FRAMES_H
#define PL_STORE_SYMBOLS_FRAMES_H

#include "store/idmap.h"
#include "store/store.h"

/* Ids of every frame in the chunk's stacks, or, without `all`, in those that are not
 * settled. Deinit it also after an error. The caller holds a read transaction.
 * Errors  INPUT damaged; IO; NOMEM. */
PL_MUST_CHECK enum pl_status pl_chunk_frames(struct pl_store *store, int64_t chunk_id,
                                             bool all, struct pl_idmap *frames_out,
                                             struct pl_error *err);

/* The rest is for inside a write transaction. Texts are clean. */

struct pl_function_key {
    const char *name, *file;
    int64_t module_id;
    int64_t line; /* where declared, 0 unknown: the smallest known is kept */
};
PL_MUST_CHECK enum pl_status pl_function_intern(struct pl_store *store,
                                                const struct pl_function_key *key,
                                                int64_t *id_out, struct pl_error *err);

/* What pl_pass_put_normal does besides its rows. */
PL_MUST_CHECK enum pl_status pl_pass_set_normal(struct pl_store *store,
                                                int64_t chunk_id, bool deobfuscated,
                                                int retention_days,
                                                struct pl_error *err);

struct pl_frame_name_row {
    int64_t frame_id, depth, function_id, line, column, in_app;
    const char *status;
};
PL_MUST_CHECK enum pl_status pl_frame_name_insert(struct pl_store *store,
                                                  const struct pl_frame_name_row *name,
                                                  struct pl_error *err);

#endif
