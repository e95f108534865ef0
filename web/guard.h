/* Guard: what every request must pass before anything looks at its path.
 *
 * A web page the user happens to visit can make the browser send requests here,
 * by address or by a name that resolves to 127.0.0.1 (DNS rebinding). So: the
 * Host must be one of ours, an Origin must be ours, the browser must not say
 * "cross-site", and nothing about the message's framing may be in doubt. */
#ifndef PL_WEB_GUARD_H
#define PL_WEB_GUARD_H

#include "web/http.h"

#include <stdint.h>

#define PL_GUARD_HOSTS 8

struct pl_guard {
    uint16_t port;
    char hosts[PL_GUARD_HOSTS][256]; /* lower case, without port */
    size_t host_count;
    bool any_address;  /* listening everywhere: any IP literal is ours */
    const char *token; /* NULL: none wanted */
};

/* Allow `host` (a name or an IP literal, IPv6 in brackets). */
void pl_guard_allow(struct pl_guard *guard, const char *host);

/* Framing, Host, Origin, Sec-Fetch-Site, method, in this order. Returns 0, or
 * the status in `error`. Threads  any; `guard` is not changed. */
int pl_guard_check(const struct pl_guard *guard, const struct pl_http_request *request,
                   struct pl_http_error *error);

/* The same for POST with a body of a known length. */
int pl_guard_check_post(const struct pl_guard *guard,
                        const struct pl_http_request *request,
                        struct pl_http_error *error);

/* The same for the routes that SDKs in web pages may send to, too: POST or
 * OPTIONS, one way to say how long the body is, and an Origin that `allowed` knows. */
int pl_guard_check_ingest(const struct pl_guard *guard,
                          const struct pl_http_request *request,
                          bool (*allowed)(const void *self, const char *origin),
                          const void *self, struct pl_http_error *error);

/* Is the right token there? Takes as long for a wrong one as for the right one.
 * Returns 0, or 401 in `error`. */
int pl_guard_check_token(const struct pl_guard *guard,
                         const struct pl_http_request *request,
                         struct pl_http_error *error);

#endif
