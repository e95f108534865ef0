/* Upstream: one HTTP request at a time to one server, and what it said. With
 * download.c the owner of libcurl.
 *
 * Certificates are verified (CURL_CA_BUNDLE and SSL_CERT_FILE name other authorities),
 * redirects are not followed, proxies come from http_proxy, https_proxy and no_proxy,
 * and of an answer 64 KiB are read. */
#ifndef PL_WEB_UPSTREAM_H
#define PL_WEB_UPSTREAM_H

#include "base/spool.h"

#include <stdatomic.h>
#include <stdint.h>

struct pl_upstream;

/* `stop`, if it is set while a request runs, ends that; borrowed, may be NULL.
 * `timeout_ms` is for a whole request.  Errors  NOMEM; UNSUPPORTED. */
PL_MUST_CHECK enum pl_status pl_upstream_new(int timeout_ms, const atomic_bool *stop,
                                             struct pl_upstream **upstream_out,
                                             struct pl_error *err);
void pl_upstream_free(struct pl_upstream *upstream); /* NULL is fine */

struct pl_upstream_answer {
    int status;             /* 0: there was no answer, see `message` */
    int64_t retry_after_s;  /* -1: not said */
    char rate_limits[1024]; /* X-Sentry-Rate-Limits, "" none */
    char location[256];     /* of a redirect */
    char message[512];      /* one line: what went wrong, or the server's own words */
    int64_t sent_bytes;     /* of the body */
};

/* POST `body` to `url`. `headers` are whole lines without their ends, the last one
 * NULL. The answer is filled in any case; only a stop is told by itself.
 * Errors  BUSY stopped; NOMEM. */
PL_MUST_CHECK enum pl_status
pl_upstream_post(struct pl_upstream *upstream, const char *url,
                 const char *const *headers, const struct pl_spool *body,
                 struct pl_upstream_answer *answer_out, struct pl_error *err);

const char *pl_upstream_libcurl_version(void); /* and of what it uses */

#endif
