/* The writer behind pl_store_sink: see writer.c. The sink's put is one transaction;
 * what must share a transaction with other rows is put by these, inside store/:
 *
 *   pl_put_new (no lock) -> pl_db_begin_write -> pl_put_write ... -> commit
 *
 * and pl_writer_forget when it did not come to a commit. */
#ifndef PL_STORE_WRITER_H
#define PL_STORE_WRITER_H

#include "store/chunk_sink.h"

struct pl_put;
struct pl_writer;

/* Check `part` (borrowed until the put is freed), look its stacks up and encode what
 * can be without a lock. Its session must be in the file. */
PL_MUST_CHECK enum pl_status pl_put_new(struct pl_writer *writer,
                                        const struct pl_sink_part *part,
                                        struct pl_put **put_out, struct pl_error *err);
/* Inside a write transaction: everything else. A duplicate (this part is in the file
 * already) writes nothing. */
PL_MUST_CHECK enum pl_status pl_put_write(struct pl_put *put, bool *duplicate_out,
                                          int64_t *chunk_id_out, struct pl_error *err);
void pl_put_free(struct pl_put *put); /* NULL is fine */

/* The transaction was rolled back: what memory learned from it is void. */
void pl_writer_forget(struct pl_writer *writer);

void pl_writer_free(struct pl_writer *writer); /* NULL is fine */

#endif
