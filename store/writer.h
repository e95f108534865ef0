/* The writer behind pl_store_sink: see writer.c. The sink's put is one transaction;
 * what must share a transaction with other rows is put by these, inside store/:
 *
 *   pl_db_begin_read -> pl_put_new ... -> pl_db_end_read        (no lock)
 *   pl_db_begin_write -> pl_writer_session, pl_put_write ... -> commit
 *
 * and pl_writer_forget when it did not come to a commit. */
#ifndef PL_STORE_WRITER_H
#define PL_STORE_WRITER_H

#include "store/chunk_sink.h"

struct pl_put;
struct pl_writer;

/* Inside a read transaction: check `part` (borrowed until the put is freed), look its
 * stacks up and encode what can be without a lock. Its session must be in the file, or
 * be `session`, which is to be written before the part. */
PL_MUST_CHECK enum pl_status pl_put_new(struct pl_writer *writer,
                                        const struct pl_sink_part *part,
                                        const struct pl_sink_session *session,
                                        struct pl_put **put_out, struct pl_error *err);
/* Inside a write transaction: the session's row, if there is none. */
PL_MUST_CHECK enum pl_status pl_writer_session(struct pl_writer *writer,
                                               const struct pl_sink_session *session,
                                               struct pl_error *err);
/* Inside a write transaction: everything else. A duplicate (this part is in the file
 * already) writes nothing. */
PL_MUST_CHECK enum pl_status pl_put_write(struct pl_put *put, bool *duplicate_out,
                                          int64_t *chunk_id_out, struct pl_error *err);
void pl_put_free(struct pl_put *put); /* NULL is fine */

/* The transaction was rolled back: what memory learned from it is void. */
void pl_writer_forget(struct pl_writer *writer);

void pl_writer_free(struct pl_writer *writer); /* NULL is fine */

#endif
