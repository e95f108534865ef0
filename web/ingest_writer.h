/* The one thread of the server that writes what arrives. Requests that wait together
 * are one transaction: a sync of the disk is paid once for all of them. */
#ifndef PL_WEB_INGEST_WRITER_H
#define PL_WEB_INGEST_WRITER_H

#include "store/inbox.h"

struct pl_ingest_writer;

PL_MUST_CHECK enum pl_status pl_ingest_writer_start(const char *db_path,
                                                    struct pl_ingest_writer **out,
                                                    struct pl_error *err);
/* Ends after what is queued. NULL is fine. */
void pl_ingest_writer_stop(struct pl_ingest_writer *writer);

/* Both wait until it is done.  Threads  any.  Errors  BUSY stopping, or a full queue;
 * as pl_store_open and any write. */

/* Id of the key; with `admit` it is made if it is not there, else NOT_FOUND. */
PL_MUST_CHECK enum pl_status pl_ingest_writer_key(struct pl_ingest_writer *writer,
                                                  int64_t project_id,
                                                  const char *public_key, bool admit,
                                                  int64_t *id_out,
                                                  struct pl_error *err);
/* OK: it is on the disk. */
PL_MUST_CHECK enum pl_status pl_ingest_writer_put(struct pl_ingest_writer *writer,
                                                  const struct pl_inbox_entry *entry,
                                                  struct pl_error *err);

#endif
