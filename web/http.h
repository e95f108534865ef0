/* A request and a response, free of the server library: what guard, routes and
 * API handlers see, and what tests make up. */
#ifndef PL_WEB_HTTP_H
#define PL_WEB_HTTP_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

#define PL_ETAG_TEXT 40 /* a quoted tag and a NUL */

struct pl_http_header {
    const char *name, *value;
};

/* Borrowed from the connection for as long as its handler runs. */
struct pl_http_request {
    const char *method;
    const char *target; /* as sent, without the query */
    const char *query;  /* as sent, without '?'; "" if none */
    const struct pl_http_header *headers;
    size_t header_count;
};

/* The first header of that name (any case), or NULL. */
const char *pl_http_header(const struct pl_http_request *request, const char *name);
size_t pl_http_header_count(const struct pl_http_request *request, const char *name);

/* Does an If-None-Match value (NULL: none was sent) hold `etag` (quoted), or "*"? */
bool pl_http_etag_matches(const char *if_none_match, const char *etag);

/* What to answer when a request is refused. Status 0: it is not. */
struct pl_http_error {
    int status;
    const char *code; /* word for programs; static */
    char message[512];
};

/* Fill `error`, return `status`. */
int pl_http_error_set(struct pl_http_error *error, int status, const char *code,
                      const char *format, ...) PL_PRINTF(4, 5);

/* The answer to a failed store or parameter: status and code for `err`. */
void pl_http_error_from(struct pl_http_error *error, const struct pl_error *err);

struct pl_http_response {
    int status;
    const char *type;          /* Content-Type; NULL with no body */
    const char *cache;         /* Cache-Control */
    char etag[PL_ETAG_TEXT];   /* "" for none */
    const char *extra_headers; /* NULL, or whole lines with CRLF */
    const char *body;          /* borrowed while it is written */
    size_t body_len;
};

const char *pl_http_reason(int status);

#endif
