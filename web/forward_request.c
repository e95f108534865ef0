#include "web/forward_request.h"

#include "base/clock.h"
#include "base/buf.h"
#include "web/upstream.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define HEADERS_MOST 64
#define LINE_BYTES   8192
#define HOPS_HEADER  "X-Proflite-Hops"
#define HOPS_MOST    8
#define CLIENT       "proflite/" PL_VERSION

struct pl_forward_request {
    const struct pl_dsn *dsn;
    struct pl_upstream *upstream;
};

enum pl_status pl_forward_request_new(const struct pl_dsn *dsn, int timeout_ms,
                                      const atomic_bool *stop,
                                      struct pl_forward_request **request_out,
                                      struct pl_error *err)
{
    struct pl_forward_request *request = calloc(1, sizeof *request);
    if (!request)
        return pl_error_set(err, PL_NOMEM, "out of memory");
    request->dsn = dsn;
    enum pl_status status = pl_upstream_new(timeout_ms, stop, &request->upstream, err);
    if (status == PL_OK)
        *request_out = request;
    else
        free(request);
    return status;
}

void pl_forward_request_free(struct pl_forward_request *request)
{
    if (!request)
        return;
    pl_upstream_free(request->upstream);
    free(request);
}

/* ---- headers ---- */

struct headers {
    char *lines[HEADERS_MOST + 1];
    size_t count;
    bool failed;
    int hops;
    const char *client; /* of whoever made it */
};

static void add(struct headers *to, const char *name, const char *value)
{
    struct pl_buf line;
    pl_buf_init(&line, LINE_BYTES);
    if (to->count < HEADERS_MOST) {
        pl_buf_puts(&line, name);
        pl_buf_puts(&line, ": ");
        pl_buf_puts(&line, value);
        to->lines[to->count] = pl_buf_take(&line, NULL);
    }
    to->failed = to->failed || !to->lines[to->count];
    to->count += to->lines[to->count] != NULL;
    pl_buf_deinit(&line);
}

/* Of this hop, made anew, or of the browser that sent it and nobody else's. */
static bool is_ours_to_say(const char *name)
{
    static const char *const names[] = {"Content-Encoding",
                                        "Content-Length",
                                        "Host",
                                        "Accept",
                                        "Accept-Encoding",
                                        "Connection",
                                        "Keep-Alive",
                                        "TE",
                                        "Transfer-Encoding",
                                        "Trailer",
                                        "Upgrade",
                                        "Expect",
                                        "Origin",
                                        "Referer",
                                        "Cookie",
                                        "Authorization",
                                        "X-Sentry-Auth",
                                        "Forwarded",
                                        "Via",
                                        "Proxy-Authorization",
                                        "sentry_client",
                                        HOPS_HEADER};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcasecmp(names[i], name) == 0)
            return true;
    return strncasecmp(name, "Sec-", 4) == 0 || strncasecmp(name, "Proxy-", 6) == 0 ||
           strncasecmp(name, "Access-Control-", 15) == 0;
}

/* They were a request's once, but nothing that is stored is believed. */
static bool is_clean(const char *name, const char *value)
{
    if (!*name || name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWX"
                                    "YZ0123456789-_")])
        return false;
    for (; *value; value++)
        if ((unsigned char)*value < ' ' || *value == 127)
            return false;
    return true;
}

/* Whoever writes anything else there wants no more of it. */
static int hops_of(const char *text)
{
    size_t len = strlen(text);
    if (!len || len > 2 || text[strspn(text, "0123456789")])
        return HOPS_MOST;
    return (int)strtol(text, NULL, 10);
}

static void add_received(struct headers *to, const cJSON *object)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, object)
    {
        const char *value = cJSON_GetStringValue(item);
        if (!value || !is_clean(item->string, value) || strlen(value) > LINE_BYTES / 2)
            continue;
        if (strcasecmp(item->string, HOPS_HEADER) == 0)
            to->hops = hops_of(value);
        if (strcmp(item->string, "sentry_client") == 0)
            to->client = value;
        if (!is_ours_to_say(item->string) && to->count < HEADERS_MOST - 8)
            add(to, item->string, value);
    }
}

static void add_auth(struct headers *to, const struct pl_dsn *dsn)
{
    char text[512], client[128] = CLIENT;
    if (to->client && strlen(to->client) < sizeof client &&
        !to->client[strspn(to->client, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTU"
                                       "VWXYZ0123456789-_./@+")])
        (void)snprintf(client, sizeof client, "%s", to->client);
    (void)snprintf(text, sizeof text,
                   "Sentry sentry_version=7, sentry_client=%s, sentry_key=%s%s%s",
                   client, dsn->public_key,
                   dsn->secret_key[0] ? ", sentry_secret=" : "", dsn->secret_key);
    add(to, "X-Sentry-Auth", text);
}

static void make_headers(struct headers *to, const struct pl_dsn *dsn,
                         const struct pl_forward_body *body, const cJSON *received)
{
    char hops[16];
    if (received)
        add_received(to, received);
    else {
        add(to, "User-Agent", CLIENT);
        add(to, "Content-Type", "application/x-sentry-envelope");
    }
    if (body->encoding[0])
        add(to, "Content-Encoding", body->encoding);
    add_auth(to, dsn);
    (void)snprintf(hops, sizeof hops, "%d", to->hops + 1);
    add(to, HOPS_HEADER, hops);
}

/* ---- what the answer means ---- */

static void take_limits(const struct pl_upstream_answer *answer, const char *categories,
                        struct pl_forward_try *try)
{
    char wanted[96];
    try->limit_count = pl_rate_limits_parse(answer->rate_limits, try->limits);
    if (answer->status == 429 && !try->limit_count) {
        bool said = answer->retry_after_s >= 0;
        try->limits[0] = (struct pl_rate_limit){.seconds = said ? answer->retry_after_s
                                                                : PL_RATE_LIMIT_S};
        try->limit_count = 1;
    }
    for (size_t i = 0; i < try->limit_count; i++) {
        (void)snprintf(wanted, sizeof wanted, ",%s,", try->limits[i].category);
        if (try->limits[i].seconds > 0 &&
            (!try->limits[i].category[0] || strstr(categories, wanted)))
            try->covered = true;
    }
}

static enum pl_try_verdict verdict_of(int status)
{
    if (status >= 200 && status < 300)
        return PL_TRY_SENT;
    if (status == 429)
        return PL_TRY_LIMITED;
    if ((status >= 300 && status < 400) || status == 401 || status == 403 ||
        status == 404 || status == 405 || status == 407)
        return PL_TRY_PAUSE;
    if (status < 400 || status >= 500 || status == 408 || status == 425)
        return PL_TRY_RETRY;
    return PL_TRY_DEAD;
}

static void judge(const struct pl_upstream_answer *answer,
                  const struct pl_forward_body *body, struct pl_forward_try *try)
{
    try->verdict = verdict_of(answer->status);
    take_limits(answer, body->categories, try);
    if (answer->retry_after_s > 0 && try->verdict == PL_TRY_RETRY)
        try->retry_after_ns = answer->retry_after_s * PL_NS_PER_S;
    (void)snprintf(try->reason, sizeof try->reason, "http_%d", answer->status);
    if (answer->status >= 300 && answer->status < 400)
        (void)snprintf(try->message, sizeof try->message,
                       "HTTP %d: it redirects to %.120s, which is not followed; "
                       "name that in the DSN",
                       answer->status, answer->location);
    else if (try->verdict == PL_TRY_PAUSE)
        (void)snprintf(try->message, sizeof try->message,
                       "%.160s; it refuses the DSN: check its key and project",
                       answer->message);
    else
        (void)snprintf(try->message, sizeof try->message, "%.200s", answer->message);
}

/* ---- a request ---- */

static enum pl_status post(struct pl_forward_request *request,
                           const struct pl_forward_body *body,
                           const struct headers *headers, struct pl_forward_try *try,
                           struct pl_error *err)
{
    char url[sizeof *request->dsn + 64];
    struct pl_upstream_answer answer;
    (void)snprintf(url, sizeof url, "%s://%s%s/api/%lld/%s/", request->dsn->scheme,
                   request->dsn->host, request->dsn->path,
                   (long long)request->dsn->project_id,
                   body->is_store ? "store" : "envelope");
    enum pl_status status =
        pl_upstream_post(request->upstream, url, (const char *const *)headers->lines,
                         body->body, &answer, err);
    if (status == PL_OK)
        judge(&answer, body, try);
    return status;
}

enum pl_status pl_forward_request_try(struct pl_forward_request *request,
                                      const struct pl_forward_body *body,
                                      struct pl_forward_try *try_out,
                                      struct pl_error *err)
{
    struct headers headers = {.count = 0};
    cJSON *received = body->headers ? cJSON_Parse(body->headers) : NULL;
    enum pl_status status = PL_OK;
    *try_out = (struct pl_forward_try){.verdict = PL_TRY_RETRY};
    make_headers(&headers, request->dsn, body, body->headers ? received : NULL);
    if (headers.failed)
        status = pl_error_set(err, PL_NOMEM, "out of memory");
    else if (headers.hops >= HOPS_MOST)
        status = pl_error_set(err, PL_USAGE,
                              "it went from proflite to proflite %d times: do they "
                              "forward to each other?",
                              headers.hops);
    if (status == PL_OK)
        status = post(request, body, &headers, try_out, err);
    for (size_t i = 0; i < headers.count; i++)
        free(headers.lines[i]);
    cJSON_Delete(received);
    return status;
}
