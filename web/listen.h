/* Where to listen: "HOST:PORT" understood, tried, and, for port 0, made definite. */
#ifndef PL_WEB_LISTEN_H
#define PL_WEB_LISTEN_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

#define PL_DEFAULT_PORT 7717

struct pl_listen {
    char host[64]; /* IPv4 address */
    uint16_t port; /* 0: any free one */
    bool loopback; /* 127.0.0.0/8 */
    bool any;      /* 0.0.0.0: every interface */
};

/* "127.0.0.1:7717", "localhost:0", ":7717" and "7717" (both 127.0.0.1),
 * "0.0.0.0". Errors  USAGE; UNSUPPORTED for IPv6. */
PL_MUST_CHECK enum pl_status
pl_listen_parse(const char *text, struct pl_listen *listen_out, struct pl_error *err);

/* Take hold of the address, so that nobody else is given it, and set the port if it
 * was 0. The caller closes `*fd_out` once its own socket listens (both use
 * SO_REUSEADDR and may stand side by side until one listens).
 * Errors  IO with what is wrong and what to do. */
PL_MUST_CHECK enum pl_status pl_listen_reserve(struct pl_listen *listen, int *fd_out,
                                               struct pl_error *err);

#endif
