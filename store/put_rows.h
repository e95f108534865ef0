/* One put of the writer, and the rows it becomes. Shared by writer.c, which finds out
 * what is new, and put_rows.c, which writes it. */
#ifndef PL_STORE_PUT_ROWS_H
#define PL_STORE_PUT_ROWS_H

#include "store/db.h"
#include "store/intern.h"
#include "store/sessions.h"
#include "store/slots.h"
#include "store/text.h"

struct pl_writer {
    struct pl_store *store;
    struct pl_intern *intern;
    struct pl_sessions sessions; /* begun and not ended */
    uint64_t file_number;        /* the connection the memory was read through */
    int64_t session_id, hour;    /* of the last part */
};

/* One put on its way. */
struct pl_put {
    struct pl_writer *writer;
    const struct pl_sink_part *part;
    struct pl_text_pool pool;
    struct pl_part_ids ids;
    uint64_t file_number; /* the ids were looked up through */
    struct pl_slots slots;
    char *platform; /* of the session */
    int64_t session_id, chunk_id, part_id;
    int64_t *thread_ids;
    bool live;      /* the part goes on; see chunk_sink.h */
    bool duplicate; /* the file has this part already */
};

/* Chunk, part, threads, slots, losses and labels, in place of what was live. Inside
 * the transaction; ids and slots are complete.  Errors  IO; NOMEM; INPUT. */
PL_MUST_CHECK enum pl_status pl_put_rows(struct pl_put *put, struct pl_error *err);

#endif
