/* Inside chunk_read*.c. */
#ifndef PL_STORE_CHUNK_READ_STATE_H
#define PL_STORE_CHUNK_READ_STATE_H

#include "store/arena.h"
#include "store/chunk_read.h"
#include "store/db.h"
#include "store/idmap.h"

#include <stdlib.h>

/* Row ids -> indexes. */
struct pl_chunk_reader {
    struct pl_store *store;
    struct pl_whole_chunk *to;
    int64_t session_id;
    bool labels_only;
    struct pl_idmap threads, stacks, frames, modules;
};

/* Room for one more of `array`; false: out of memory. */
#define PL_CHUNK_GROW(chunk, array, count, cap)                                        \
    pl_chunk_grow((void **)&(chunk)->array, (chunk)->count, &(chunk)->cap,             \
                  sizeof *(chunk)->array)

static inline bool pl_chunk_grow(void **array, size_t count, size_t *cap, size_t size)
{
    if (count < *cap)
        return true;
    size_t wanted = *cap ? 2 * *cap : 64;
    void *grown = realloc(*array, wanted * size);
    if (!grown)
        return false;
    *array = grown;
    *cap = wanted;
    return true;
}

static inline enum pl_status pl_chunk_no_memory(struct pl_error *err)
{
    return pl_error_set(err, PL_NOMEM, "out of memory for a chunk");
}

/* Stacks of the reader's map, the frames they are made of, and their names. */
PL_MUST_CHECK enum pl_status pl_chunk_read_stacks(struct pl_chunk_reader *reader,
                                                  struct pl_error *err);

#endif
