/* Store: one SQLite file of profiles (docs/FORMAT.md). This folder is the only
 * one that speaks SQLite.
 *
 * A `struct pl_store` is one connection, used by one thread at a time; open as
 * many as there are threads. Several processes may write one file at once. */
#ifndef PL_STORE_STORE_H
#define PL_STORE_STORE_H

#include "base/error.h"
#include "store/chunk_sink.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pl_store;

enum pl_store_mode {
    PL_STORE_READ,   /* must exist; never writes a byte to the file */
    PL_STORE_WRITE,  /* must exist; migrates if older */
    PL_STORE_CREATE, /* created (0600) if missing, its folder too */
};

/* Open and check `path` (UTF-8, not a URI).
 * Errors  NOT_FOUND missing; INPUT not a proflite store, damaged, or of a newer
 * major version; IO permission, a directory, full disk; BUSY. */
PL_MUST_CHECK enum pl_status pl_store_open(const char *path, enum pl_store_mode mode,
                                           struct pl_store **store_out,
                                           struct pl_error *err);
void pl_store_close(struct pl_store *store); /* NULL is fine */
const char *pl_store_path(const struct pl_store *store);

/* From now on what this connection commits is on the disk when the call returns, and
 * a power cut loses none of it; each commit waits for the disk. Without, a power cut
 * may lose the commits since the last checkpoint; a kill loses none either way.
 * Errors  IO. */
PL_MUST_CHECK enum pl_status pl_store_make_durable(struct pl_store *store,
                                                   struct pl_error *err);

/* Checkpoint the log if nobody is in the way (see docs/FORMAT.md, "Writers"). */
PL_MUST_CHECK enum pl_status pl_store_checkpoint(struct pl_store *store,
                                                 struct pl_error *err);

/* A number that changes whenever what a query could see may have changed
 * (data generation, for ETags and live followers). */
PL_MUST_CHECK enum pl_status pl_store_generation(struct pl_store *store,
                                                 uint64_t *generation_out,
                                                 struct pl_error *err);

/* Somebody, told apart by `viewer`, watches the newest data until then (Unix): recorders
 * write the open minute every few seconds. To be said again before it runs out; seen by
 * no query.  Errors  as a writer's. */
PL_MUST_CHECK enum pl_status pl_store_watch(struct pl_store *store, const char *viewer,
                                            int64_t until_ns, struct pl_error *err);

/* The writer as a chunk sink; lives as long as the store. */
PL_MUST_CHECK enum pl_status pl_store_sink(struct pl_store *store,
                                           struct pl_chunk_sink *sink_out,
                                           struct pl_error *err);

const char *pl_store_sqlite_version(void);

#endif
