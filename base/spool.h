/* Spool: bytes kept in memory while they are few, then in a file without a name.
 * What a peer sends fits no buffer one would like to have, yet its size is known
 * only at the end. */
#ifndef PL_BASE_SPOOL_H
#define PL_BASE_SPOOL_H

#include "base/error.h"

#include <stddef.h>

struct pl_spool {
    unsigned char *data; /* all there is, while `fd` < 0 */
    size_t len;          /* bytes appended so far */
    size_t cap;
    size_t limit; /* most it takes */
    int fd;
    const char *folder; /* where the file would be */
};

/* `folder` is borrowed; NULL is /tmp. Takes `limit` bytes at most. */
void pl_spool_init(struct pl_spool *spool, const char *folder, size_t limit);
void pl_spool_deinit(struct pl_spool *spool);

/* Errors  INPUT past the limit; NOMEM; IO. */
PL_MUST_CHECK enum pl_status pl_spool_append(struct pl_spool *spool, const void *bytes,
                                             size_t len, struct pl_error *err);

/* Up to `len` bytes from `offset` on; how many through `got_out` (0: the end).
 * Errors  IO. */
PL_MUST_CHECK enum pl_status pl_spool_read(const struct pl_spool *spool, size_t offset,
                                           void *bytes, size_t len, size_t *got_out,
                                           struct pl_error *err);

#endif
