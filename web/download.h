/* Download: one file over HTTP, into a descriptor. Certificates are verified, redirects
 * followed a few times, to http and https only. */
#ifndef PL_WEB_DOWNLOAD_H
#define PL_WEB_DOWNLOAD_H

#include "base/error.h"

#include <stdint.h>

/* As pl_fetch_options.get (process/symbol_fetch.h). Threads  any.
 * Errors  NOT_FOUND 404 or 410; BUSY not done in `timeout_ms`; INPUT larger than
 * `most_bytes`; IO anything else. */
PL_MUST_CHECK enum pl_status pl_download(const char *url, int64_t most_bytes,
                                         int timeout_ms, int fd, struct pl_error *err);

#endif
