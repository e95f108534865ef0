#include "web/guard.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define HEADER_LIMIT 64 /* the server library drops what comes after */

void pl_guard_allow(struct pl_guard *guard, const char *host)
{
    size_t len = strlen(host);
    if (guard->host_count == PL_GUARD_HOSTS || len >= sizeof guard->hosts[0] || !len)
        return;
    char *copy = guard->hosts[guard->host_count++];
    for (size_t i = 0; i <= len; i++)
        copy[i] = (char)tolower((unsigned char)host[i]);
}

/* ---- framing ---- */

/* Doubt about where a body ends is refused, and so, where none is taken, is any. The
 * connection closes after each answer, so nothing can be smuggled. */
static int check_lengths(const struct pl_http_request *request,
                         struct pl_http_error *error)
{
    const char *length = pl_http_header(request, "Content-Length");
    size_t lengths = pl_http_header_count(request, "Content-Length");
    if (request->header_count >= HEADER_LIMIT)
        return pl_http_error_set(error, 431, "too_many_headers",
                                 "more than %d request headers", HEADER_LIMIT - 1);
    if (lengths && pl_http_header(request, "Transfer-Encoding"))
        return pl_http_error_set(error, 400, "bad_framing",
                                 "both Content-Length and Transfer-Encoding");
    if (lengths > 1)
        return pl_http_error_set(error, 400, "bad_framing",
                                 "two Content-Length headers");
    if (length && (!*length || length[strspn(length, "0123456789")]))
        return pl_http_error_set(error, 400, "bad_framing",
                                 "Content-Length is not a number");
    if (length && strlen(length) > 18)
        return pl_http_error_set(error, 413, "body_too_large", "the body is too large");
    return 0;
}

static int check_no_body(const struct pl_http_request *request,
                         struct pl_http_error *error)
{
    const char *length = pl_http_header(request, "Content-Length");
    if (pl_http_header(request, "Transfer-Encoding"))
        return pl_http_error_set(error, 400, "bad_framing",
                                 "Transfer-Encoding is not taken here");
    if (length && length[strspn(length, "0")])
        return pl_http_error_set(error, 413, "body_too_large",
                                 "requests here have no body");
    return 0;
}

static int check_one_body(const struct pl_http_request *request,
                          struct pl_http_error *error)
{
    const char *coding = pl_http_header(request, "Transfer-Encoding");
    if (coding && (strcasecmp(coding, "chunked") != 0 ||
                   pl_http_header_count(request, "Transfer-Encoding") > 1))
        return pl_http_error_set(error, 400, "bad_framing",
                                 "no Transfer-Encoding but chunked is taken");
    if (!coding && !pl_http_header(request, "Content-Length") &&
        strcmp(request->method, "POST") == 0)
        return pl_http_error_set(error, 411, "no_length",
                                 "neither Content-Length nor chunks");
    return 0;
}

/* ---- host ---- */

static bool is_address(const char *host)
{
    unsigned char address[16];
    char text[64];
    size_t len = strlen(host);
    if (inet_pton(AF_INET, host, address) == 1)
        return true;
    if (len < 3 || len >= sizeof text || host[0] != '[' || host[len - 1] != ']')
        return false;
    memcpy(text, host + 1, len - 2);
    text[len - 2] = '\0';
    return inet_pton(AF_INET6, text, address) == 1;
}

/* Is `authority` ("host:port" or, for port 80, "host") one of ours? */
static bool authority_is_ours(const struct pl_guard *guard, const char *authority)
{
    char host[256], port[8];
    const char *colon = strrchr(authority, ':');
    if (colon && strchr(colon, ']'))
        colon = NULL; /* inside an IPv6 literal */
    size_t len = colon ? (size_t)(colon - authority) : strlen(authority);
    if (!len || len >= sizeof host)
        return false;
    memcpy(host, authority, len);
    host[len] = '\0';
    (void)snprintf(port, sizeof port, "%u", guard->port);
    if (colon ? strcmp(colon + 1, port) != 0 : guard->port != 80)
        return false;
    for (size_t i = 0; i < guard->host_count; i++)
        if (strcasecmp(host, guard->hosts[i]) == 0)
            return true;
    return guard->any_address && is_address(host);
}

static int check_host(const struct pl_guard *guard,
                      const struct pl_http_request *request,
                      struct pl_http_error *error)
{
    const char *host = pl_http_header(request, "Host");
    if (!host || pl_http_header_count(request, "Host") > 1)
        return pl_http_error_set(error, 400, "bad_host", "one Host header is needed");
    if (!authority_is_ours(guard, host))
        return pl_http_error_set(error, 421, "foreign_host",
                                 "this server is not known by that Host: open the "
                                 "address that proflite serve printed");
    return 0;
}

/* ---- origin ---- */

static bool origin_is_ours(const struct pl_guard *guard, const char *origin)
{
    static const char scheme[] = "http://";
    return strncmp(origin, scheme, sizeof scheme - 1) == 0 &&
           authority_is_ours(guard, origin + sizeof scheme - 1);
}

static int check_origin(const struct pl_guard *guard,
                        const struct pl_http_request *request,
                        struct pl_http_error *error)
{
    for (size_t i = 0; i < request->header_count; i++) {
        const char *name = request->headers[i].name, *value = request->headers[i].value;
        if (strcasecmp(name, "Origin") == 0 && !origin_is_ours(guard, value))
            return pl_http_error_set(error, 403, "foreign_origin",
                                     "requests from other web pages are refused");
        if (strcasecmp(name, "Sec-Fetch-Site") == 0 &&
            strcmp(value, "same-origin") != 0 && strcmp(value, "none") != 0)
            return pl_http_error_set(error, 403, "cross_site",
                                     "requests from other sites are refused: open the "
                                     "address by hand");
    }
    return 0;
}

int pl_guard_check(const struct pl_guard *guard, const struct pl_http_request *request,
                   struct pl_http_error *error)
{
    int status = check_lengths(request, error);
    if (!status)
        status = check_no_body(request, error);
    if (!status)
        status = check_host(guard, request, error);
    if (!status)
        status = check_origin(guard, request, error);
    if (!status && request->target[0] != '/')
        status = pl_http_error_set(error, 400, "bad_target",
                                   "the request target must be a path");
    if (!status && strcmp(request->method, "GET") != 0 &&
        strcmp(request->method, "HEAD") != 0)
        status = pl_http_error_set(error, 405, "method_not_allowed",
                                   "only GET and HEAD are answered here");
    return status;
}

int pl_guard_check_post(const struct pl_guard *guard,
                        const struct pl_http_request *request,
                        struct pl_http_error *error)
{
    int status = check_lengths(request, error);
    if (!status)
        status = check_host(guard, request, error);
    if (!status)
        status = check_origin(guard, request, error);
    if (!status && strcmp(request->method, "POST") != 0)
        status =
            pl_http_error_set(error, 405, "method_not_allowed", "this is for POST");
    if (!status && !pl_http_header(request, "Content-Length"))
        status = pl_http_error_set(error, 411, "no_length",
                                   "a Content-Length is needed here");
    return status;
}

int pl_guard_check_ingest(const struct pl_guard *guard,
                          const struct pl_http_request *request,
                          bool (*allowed)(const void *self, const char *origin),
                          const void *self, struct pl_http_error *error)
{
    bool post = strcmp(request->method, "POST") == 0;
    int status = check_lengths(request, error);
    if (!status && post)
        status = check_one_body(request, error);
    else if (!status)
        status = check_no_body(request, error);
    if (!status)
        status = check_host(guard, request, error);
    for (size_t i = 0; i < request->header_count && !status; i++)
        if (strcasecmp(request->headers[i].name, "Origin") == 0 &&
            !allowed(self, request->headers[i].value))
            status = pl_http_error_set(error, 403, "foreign_origin",
                                       "pages of this origin may not send here: "
                                       "proflite serve --allow-origin");
    if (!status && !post && strcmp(request->method, "OPTIONS") != 0)
        status =
            pl_http_error_set(error, 405, "method_not_allowed", "envelopes are posted");
    return status;
}

/* ---- token ---- */

/* Every byte is looked at whatever the ones before were. The length is no
 * secret. */
static bool equal_in_constant_time(const char *a, const char *b)
{
    size_t len = strlen(b);
    if (strlen(a) != len)
        return false;
    volatile unsigned char differ = 0;
    for (size_t i = 0; i < len; i++)
        differ |= (unsigned char)(a[i] ^ b[i]);
    return differ == 0;
}

int pl_guard_check_token(const struct pl_guard *guard,
                         const struct pl_http_request *request,
                         struct pl_http_error *error)
{
    const char *sent = pl_http_header(request, "Authorization");
    if (!guard->token)
        return 0;
    if (sent && strncasecmp(sent, "Bearer ", 7) == 0 &&
        pl_http_header_count(request, "Authorization") == 1 &&
        equal_in_constant_time(sent + 7, guard->token))
        return 0;
    return pl_http_error_set(error, 401, "unauthorized",
                             sent ? "the token is not right: open the address that "
                                    "proflite serve printed"
                                  : "a token is needed: open the address that proflite "
                                    "serve printed");
}
