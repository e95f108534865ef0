/* Row cache: the row files of one recording, <dir>/rows/<key>.rows.
 *
 * A file is compiled once for all processes of the recording: written under a
 * name of its own, allocated before it is filled, renamed into place, never
 * changed. Threads  the drain's only. */
#ifndef PL_COLLECTOR_ROWCACHE_H
#define PL_COLLECTOR_ROWCACHE_H

#include "base/error.h"
#include "collector/cfi.h"

#include <stdbool.h>
#include <stdint.h>

struct pl_rowcache;

/* Makes <dir>/rows if need be. */
PL_MUST_CHECK enum pl_status
pl_rowcache_open(const char *dir, struct pl_rowcache **cache_out, struct pl_error *err);

/* Keep rows in a folder of the user's from now on, and take those kept there
 * (rowkeep.h). `folder` NULL: no. */
void pl_rowcache_keep(struct pl_rowcache *cache, const char *folder);
void pl_rowcache_close(struct pl_rowcache *cache); /* NULL is fine; keeps the files */

struct pl_rowcache_module {
    const char *path;
    const uint8_t *build_id;
    unsigned build_id_bytes; /* 0: the file at path is taken as it is */
    bool vdso;               /* path means nothing; the image is this process's own */
};

/* Make the module's rows unless they exist.
 * Errors  NOT_FOUND no call-frame information, or the file on disk is not the one
 *         that runs; INPUT damaged; IO, NOMEM. Asking again would not help but for
 *         the last two. */
PL_MUST_CHECK enum pl_status pl_rowcache_make(struct pl_rowcache *cache,
                                              const struct pl_rowcache_module *module,
                                              struct pl_error *err);

/* Make the rows of a file before any program is known to run it; it is found by its
 * build-id then. NULL: of the vdso. Errors are not worth telling. */
void pl_rowcache_prepare(struct pl_rowcache *cache, const char *path);

/* The same for the program that the recording is of, and for all that its earlier
 * recordings used. */
void pl_rowcache_prepare_program(struct pl_rowcache *cache, const char *path);

/* The same for what nearly every program maps: libc and its like, as this process
 * has them. A few milliseconds. */
void pl_rowcache_prepare_common(struct pl_rowcache *cache);

/* The sum that belongs into their header. */
uint32_t pl_rowcache_check(const struct pl_cfi_rows *rows);

/* Write compiled rows to a new file in a folder (for tests, too). */
PL_MUST_CHECK enum pl_status pl_rowcache_write(int dir_fd, const char *name,
                                               const struct pl_cfi_rows *rows,
                                               struct pl_error *err);

#endif
