#include "web/ingest.h"

#include "base/buf.h"
#include "base/clock.h"
#include "web/decode.h"
#include "web/follow.h"
#include "web/ingest_check.h"
#include "web/ingest_writer.h"
#include "web/limits.h"
#include "web/metrics.h"
#include "web/pool.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define CHECKERS      2
#define CHECK_MS      60000
#define QUOTA_SLOTS   256
#define HEADERS_BYTES 16384

/* Requests of a project in the minute that began at `start_ns`. */
struct quota {
    int64_t project_id, start_ns;
    uint32_t count;
};

struct pl_ingest {
    struct pl_ingest_options options;
    char *folder; /* of the store: where bodies wait */
    struct pl_pool *pool;
    struct pl_readers *readers;
    struct pl_ingest_writer *writer;
    pthread_mutex_t lock; /* over quotas */
    struct quota quotas[QUOTA_SLOTS];
};

/* ---- lifecycle ---- */

static char *folder_of(const char *path)
{
    char *folder = strdup(path), *slash = folder ? strrchr(folder, '/') : NULL;
    if (slash)
        slash[slash == folder] = '\0';
    else if (folder)
        memcpy(folder, ".", 2);
    return folder;
}

enum pl_status pl_ingest_start(const struct pl_ingest_options *options,
                               struct pl_ingest **ingest_out, struct pl_error *err)
{
    struct pl_ingest *ingest = calloc(1, sizeof *ingest);
    if (!ingest)
        return pl_error_set(err, PL_NOMEM, "out of memory starting the server");
    pthread_mutex_init(&ingest->lock, NULL);
    ingest->options = *options;
    ingest->folder = folder_of(options->db_path);
    enum pl_status status =
        ingest->folder ? PL_OK : pl_error_set(err, PL_NOMEM, "out of memory");
    if (status == PL_OK)
        status = pl_pool_start(options->db_path, CHECKERS, &ingest->pool, err);
    if (status == PL_OK)
        status = pl_readers_start(options->port, &ingest->readers, err);
    if (status == PL_OK)
        status = pl_ingest_writer_start(options->db_path, &ingest->writer, err);
    if (status == PL_OK)
        *ingest_out = ingest;
    else
        pl_ingest_stop(ingest);
    return status;
}

void pl_ingest_interrupt(struct pl_ingest *ingest)
{
    pl_pool_interrupt(ingest->pool);
}

void pl_ingest_stop(struct pl_ingest *ingest)
{
    if (!ingest)
        return;
    pl_pool_stop(ingest->pool);
    pl_readers_stop(ingest->readers);
    pl_ingest_writer_stop(ingest->writer);
    pthread_mutex_destroy(&ingest->lock);
    free(ingest->folder);
    free(ingest);
}

/* ---- origins ---- */

static bool is_loopback_origin(const char *origin)
{
    static const char *const hosts[] = {"localhost", "127.0.0.1", "[::1]"};
    const char *host = strncmp(origin, "http://", 7) == 0    ? origin + 7
                       : strncmp(origin, "https://", 8) == 0 ? origin + 8
                                                             : NULL;
    for (size_t i = 0; host && i < sizeof hosts / sizeof hosts[0]; i++) {
        size_t len = strlen(hosts[i]);
        if (strncasecmp(host, hosts[i], len) != 0)
            continue;
        const char *port = host + len;
        if (!*port)
            return true;
        return *port == ':' && port[1] && !port[1 + strspn(port + 1, "0123456789")];
    }
    return false;
}

bool pl_ingest_origin_allowed(const struct pl_ingest_options *options,
                              const char *origin)
{
    for (size_t i = 0; i < options->origin_count; i++)
        if (strcmp(options->origins[i], "*") == 0 ||
            strcasecmp(options->origins[i], origin) == 0)
            return true;
    return is_loopback_origin(origin);
}

/* ---- one request ---- */

struct request {
    struct pl_ingest *ingest;
    const struct pl_http_request *http;
    struct pl_ingest_auth *auth;
    const char *encoding;
    int64_t key_id;
    int retry_after_s; /* of a 429 */
    struct pl_spool body;
    struct pl_ingest_checked checked;
};

/* Counted when they come, whatever becomes of them: also refusing costs. */
static int check_quota(struct request *r, struct pl_http_error *error)
{
    struct pl_ingest *ingest = r->ingest;
    int64_t now_ns = pl_clock_mono_ns(), minute_ns = 60 * PL_NS_PER_S;
    if (!ingest->options.per_minute)
        return 0;
    pthread_mutex_lock(&ingest->lock);
    struct quota *quota = &ingest->quotas[(uint64_t)r->auth->project_id % QUOTA_SLOTS];
    if (quota->project_id != r->auth->project_id ||
        now_ns - quota->start_ns >= minute_ns)
        *quota = (struct quota){r->auth->project_id, now_ns, 0};
    bool over = quota->count >= ingest->options.per_minute;
    quota->count += !over;
    int64_t left_ns = quota->start_ns + minute_ns - now_ns;
    pthread_mutex_unlock(&ingest->lock);
    if (!over)
        return 0;
    r->retry_after_s = (int)(left_ns / PL_NS_PER_S) + 1;
    return pl_http_error_set(error, 429, "rate_limited",
                             "more than %u requests of this project in a minute",
                             ingest->options.per_minute);
}

static int check_encoding(struct request *r, struct pl_http_error *error)
{
    const char *encoding = pl_http_header(r->http, "Content-Encoding");
    r->encoding = encoding ? encoding : "";
    if (pl_http_header_count(r->http, "Content-Encoding") > 1 ||
        !pl_decode_known(r->encoding))
        return pl_http_error_set(error, 400, "bad_encoding",
                                 "one content encoding of gzip, deflate, br and zstd "
                                 "is understood");
    return 0;
}

static int find_key(struct request *r, struct pl_http_error *error)
{
    struct pl_error err = {0};
    if (!r->auth->public_key[0] || r->key_id)
        return 0; /* the envelope may say it */
    enum pl_status status = pl_ingest_writer_key(
        r->ingest->writer, r->auth->project_id, r->auth->public_key,
        r->ingest->options.admit_keys, &r->key_id, &err);
    if (status == PL_OK)
        return 0;
    if (status == PL_NOT_FOUND || status == PL_USAGE)
        return pl_http_error_set(error, 403, "unknown_key",
                                 "unknown project or key: make one with proflite dsn");
    return pl_http_error_set(error, 503, "busy", "%s", err.message);
}

/* The check, on a thread with room for it. */
struct check_job {
    struct pl_job job; /* first: a job is a check_job */
    struct pl_spool body;
    char encoding[16];
    bool is_store;
    struct pl_ingest_checked checked;
    int refused;
    struct pl_http_error error;
};

static void run_check(struct pl_job *job, struct pl_pool_slot *slot)
{
    struct check_job *check = (struct check_job *)job;
    (void)slot;
    check->refused = pl_ingest_check(&check->body, check->encoding, check->is_store,
                                     &check->checked, &check->error);
}

static void drop_check(struct pl_job *job)
{
    struct check_job *check = (struct check_job *)job;
    pl_spool_deinit(&check->body);
    free(check);
}

/* The body changes hands: nobody may wait for the check any more. */
static int check_body(struct request *r, struct pl_http_error *error)
{
    struct pl_error err = {0};
    struct check_job *check = calloc(1, sizeof *check);
    if (!check)
        return pl_http_error_set(error, 503, "busy", "out of memory");
    check->job = (struct pl_job){.run = run_check, .drop = drop_check};
    check->body = r->body;
    check->is_store = r->auth->is_store;
    (void)snprintf(check->encoding, sizeof check->encoding, "%s", r->encoding);
    pl_spool_init(&r->body, NULL, 0);
    if (pl_pool_run(r->ingest->pool, &check->job, CHECK_MS, &err) != PL_OK)
        return pl_http_error_set(error, 503, "busy", "%s", err.message);
    int refused = check->refused;
    r->body = check->body;
    r->checked = check->checked;
    if (refused)
        *error = check->error;
    free(check);
    return refused;
}

/* What a forwarder may send on: nothing of this hop, nothing secret. */
static bool is_kept(const char *name)
{
    static const char *const dropped[] = {
        "Host",       "Connection",    "Content-Length",      "Transfer-Encoding",
        "Expect",     "Authorization", "X-Sentry-Auth",       "Cookie",
        "Keep-Alive", "Upgrade",       "Proxy-Authorization", "TE",
        "Trailer"};
    for (size_t i = 0; i < sizeof dropped / sizeof dropped[0]; i++)
        if (strcasecmp(dropped[i], name) == 0)
            return false;
    return true;
}

static void write_headers(const struct request *r, struct pl_buf *json)
{
    const char *comma = "";
    pl_buf_puts(json, "{");
    for (size_t i = 0; i < r->http->header_count; i++) {
        const struct pl_http_header *header = &r->http->headers[i];
        if (!is_kept(header->name))
            continue;
        pl_buf_printf(json, "%s\"", comma);
        pl_buf_json_escape(json, header->name);
        pl_buf_puts(json, "\":\"");
        pl_buf_json_escape(json, header->value);
        pl_buf_puts(json, "\"");
        comma = ",";
    }
    if (r->auth->client[0]) {
        pl_buf_printf(json, "%s\"sentry_client\":\"", comma);
        pl_buf_json_escape(json, r->auth->client);
        pl_buf_puts(json, "\"");
    }
    pl_buf_puts(json, "}");
}

static int put(struct request *r, struct pl_http_error *error)
{
    struct pl_buf headers;
    struct pl_error err = {0};
    pl_buf_init(&headers, 8 * HEADERS_BYTES);
    write_headers(r, &headers);
    const struct pl_inbox_entry entry = {
        .project_id = r->auth->project_id,
        .key_id = r->key_id,
        .received_ns = pl_clock_wall_ns(),
        .kind = r->auth->is_store ? "store" : "envelope",
        .encoding = r->encoding,
        .headers = headers.failed ? "{}" : headers.data,
        .body = &r->body,
    };
    enum pl_status status = pl_ingest_writer_put(r->ingest->writer, &entry, &err);
    pl_buf_deinit(&headers);
    if (status != PL_OK)
        return pl_http_error_set(error, 503, "busy", "%s", err.message);
    pl_follow_wake(r->ingest->options.follow);
    return 0;
}

/* An event without an id gets one, as the answer has to say it. */
static void complete_id(struct request *r)
{
    struct pl_id id;
    bool good = pl_id_parse(r->checked.event_id, &id);
    if (!good && r->auth->is_store)
        good = pl_id_new(&id, NULL) == PL_OK;
    r->checked.event_id[0] = '\0';
    if (good)
        pl_id_format(&id, r->checked.event_id);
}

static int take(struct request *r, const struct pl_source *source,
                struct pl_http_error *error)
{
    int refused = pl_ingest_auth_read(r->http, r->auth, error);
    if (!refused)
        refused = check_encoding(r, error);
    if (!refused)
        refused = find_key(r, error);
    if (!refused)
        refused = check_quota(r, error);
    if (!refused)
        refused = pl_read_body(r->ingest->readers, source, r->http, &r->body, error);
    if (!refused)
        refused = check_body(r, error);
    if (!refused)
        refused = pl_ingest_auth_dsn(r->checked.dsn, r->auth, error);
    if (!refused)
        refused = find_key(r, error);
    if (!refused)
        refused = put(r, error);
    return refused;
}

/* ---- the answer ---- */

/* Header values hold no control characters. */
static void put_header(struct pl_buf *headers, const char *name, const char *value)
{
    pl_buf_printf(headers, "%s: ", name);
    for (; *value; value++)
        pl_buf_putc(headers, *value >= ' ' && *value < 127 ? *value : '?');
    pl_buf_puts(headers, "\r\n");
}

static void put_cors(const struct pl_http_request *request, struct pl_buf *headers)
{
    const char *origin = pl_http_header(request, "Origin");
    if (!origin)
        return;
    put_header(headers, "Access-Control-Allow-Origin", origin);
    pl_buf_puts(headers, "Vary: Origin\r\n"
                         "Access-Control-Expose-Headers: x-sentry-error, "
                         "x-sentry-rate-limits, retry-after\r\n");
}

static void put_limits(const struct request *r, int status, struct pl_buf *headers)
{
    if (status == 429)
        pl_buf_printf(headers,
                      "Retry-After: %d\r\nX-Sentry-Rate-Limits: %d::project:quota\r\n",
                      r->retry_after_s, r->retry_after_s);
    else if (status == 503)
        pl_buf_puts(headers, "Retry-After: 1\r\n");
}

static void answer_preflight(const struct pl_peer *peer,
                             const struct pl_http_request *request)
{
    struct pl_buf headers;
    pl_buf_init(&headers, 8192);
    put_cors(request, &headers);
    pl_buf_puts(&headers,
                "Access-Control-Allow-Methods: POST\r\n"
                "Access-Control-Allow-Headers: x-sentry-auth, x-requested-with, "
                "x-forwarded-for, origin, referer, accept, content-type, "
                "authentication, authorization, content-encoding, transfer-encoding\r\n"
                "Access-Control-Max-Age: 3600\r\n");
    if (pl_http_header(request, "Access-Control-Request-Private-Network"))
        pl_buf_puts(&headers, "Access-Control-Allow-Private-Network: true\r\n");
    struct pl_http_response response = {
        .status = 204, .extra_headers = headers.failed ? NULL : headers.data};
    pl_reply(peer, &response, false);
    pl_buf_deinit(&headers);
}

static void answer(const struct request *r, const struct pl_peer *peer, int refused,
                   const struct pl_http_error *error)
{
    struct pl_buf headers, body;
    pl_buf_init(&headers, 8192);
    pl_buf_init(&body, 8192);
    put_cors(r->http, &headers);
    put_limits(r, refused, &headers);
    if (refused) {
        put_header(&headers, "X-Sentry-Error", error->message);
        pl_buf_puts(&body, "{\"detail\":\"");
        pl_buf_json_escape(&body, error->message);
        pl_buf_puts(&body, "\",\"causes\":[\"");
        pl_buf_puts(&body, error->code);
        pl_buf_puts(&body, "\"]}");
    } else if (r->checked.event_id[0]) {
        pl_buf_printf(&body, "{\"id\":\"%s\"}", r->checked.event_id);
    } else {
        pl_buf_puts(&body, "{}");
    }
    struct pl_http_response response = {
        .status = refused ? refused : 200,
        .type = "application/json",
        .extra_headers = headers.failed || !headers.len ? NULL : headers.data,
        .body = body.failed ? "" : body.data,
        .body_len = body.failed ? 0 : body.len,
    };
    pl_reply(peer, &response, false);
    pl_buf_deinit(&headers);
    pl_buf_deinit(&body);
}

void pl_ingest_answer(struct pl_ingest *ingest, const struct pl_source *source,
                      const struct pl_peer *peer, const struct pl_http_request *request,
                      struct pl_ingest_auth *auth)
{
    struct request r = {.ingest = ingest, .http = request, .auth = auth};
    struct pl_http_error error = {0};
    int64_t from_ns = pl_clock_mono_ns();
    if (strcmp(request->method, "OPTIONS") == 0) {
        answer_preflight(peer, request);
        return;
    }
    pl_spool_init(&r.body, ingest->folder, PL_LIMIT_BODY);
    int refused = take(&r, source, &error);
    if (!refused)
        complete_id(&r);
    pl_live_ingest(refused ? refused : 200, refused ? 0 : r.body.len,
                   (uint64_t)(pl_clock_mono_ns() - from_ns));
    answer(&r, peer, refused, &error);
    pl_spool_deinit(&r.body);
}
