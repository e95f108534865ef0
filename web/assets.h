/* The viewer's files: embedded at build time, or read from a folder while one
 * works on them. */
#ifndef PL_WEB_ASSETS_H
#define PL_WEB_ASSETS_H

#include "web/http.h"

#include <stddef.h>
#include <stdint.h>

struct pl_asset {
    const char *path; /* "ui/app.js" */
    uint64_t hash;    /* of the contents */
    const char *data;
    size_t len;
    const char *gzip; /* the same, compressed; NULL where that saves nothing */
    size_t gzip_len;
    const char *brotli;
    size_t brotli_len;
};

/* Sorted by path; made by cmake/embed_assets.c. The last one is empty. */
extern const struct pl_asset pl_assets[];
extern const size_t pl_asset_count;

/* Answer `target` ("/" is the page itself). With `static_dir`, from that folder:
 * only plain names below it, no symbolic link as the last step. What is embedded
 * goes out in the smallest form that Accept-Encoding allows.
 * Returns 0 and fills `response`; `*owned_out` is what the caller must free once
 * it is written. Else the status in `error`. Threads  any. */
int pl_asset_get(const char *static_dir, const struct pl_http_request *request,
                 struct pl_http_response *response, char **owned_out,
                 struct pl_http_error *error);

#endif
