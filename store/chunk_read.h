/* A chunk as it goes to somewhere else: see base/whole_chunk.h. */
#ifndef PL_STORE_CHUNK_READ_H
#define PL_STORE_CHUNK_READ_H

#include "base/whole_chunk.h"
#include "store/store.h"

/* `labels_only`: threads and labels, no stretches, stacks or frames.
 * Errors  NOT_FOUND no such chunk; INPUT damaged; IO; NOMEM. */
PL_MUST_CHECK enum pl_status pl_chunk_read(struct pl_store *store, int64_t chunk_id,
                                           bool labels_only,
                                           struct pl_whole_chunk *chunk_out,
                                           struct pl_error *err);
void pl_whole_chunk_deinit(struct pl_whole_chunk *chunk);

#endif
