/* A gzip file written piece by piece. */
#ifndef PL_FORMATS_GZIP_H
#define PL_FORMATS_GZIP_H

#include "base/error.h"

#include <stddef.h>
#include <stdio.h>

struct pl_gzip;

/* Onto `out`, which stays the caller's. NULL: out of memory. */
struct pl_gzip *pl_gzip_begin(FILE *out);

/* After a failure, which pl_gzip_end tells, nothing more is written. */
void pl_gzip_write(struct pl_gzip *gzip, const void *bytes, size_t len);

/* The rest, and free. NULL is nothing.  Errors  NOMEM; what `out` has is its own. */
PL_MUST_CHECK enum pl_status pl_gzip_end(struct pl_gzip *gzip, struct pl_error *err);

#endif
