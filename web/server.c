/* Lifecycle of the server, and the one callback through which every request goes:
 *
 *   connection ─▶ CivetWeb worker: parses the head ─▶ handle_request
 *                   guard ─▶ /api/, /metrics: token ─▶ route ─▶ pool thread asks
 *                         │                                          the store
 *                         └▶ asset
 *                   /api/{project}/envelope/: ingest.c, with a guard of its own
 *
 * CivetWeb gets no document root, so nothing of its own file serving, directory
 * listing, CGI or CORS is ever reached. Each connection being read holds a worker
 * for up to 5 s (request_timeout_ms bounds the whole head, however the bytes trickle
 * in): there are many workers, as they cost little (100 KiB of stack, mostly
 * untouched). Bodies are read by ingest only, which minds its time (ingest_body.c), as
 * writing does (reply.c). */
#include "web/server.h"

#include "base/clock.h"
#include "base/log.h"
#include "web/assets.h"
#include "web/events.h"
#include "web/follow.h"
#include "web/forward.h"
#include "web/guard.h"
#include "web/hangup.h"
#include "web/ingest.h"
#include "web/listen.h"
#include "web/reply.h"
#include "web/routes.h"
#include "web/sql.h"
#include "web/token.h"

#include <civetweb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define POOL_THREADS 4
#define BODY_NS      (10 * PL_NS_PER_S) /* to send a statement */

struct pl_server {
    struct mg_context *context;
    struct pl_pool *pool;
    struct pl_events *events;
    struct pl_follow *follow; /* NULL: somebody else processes */
    struct pl_ingest *ingest;
    struct pl_forward *forward; /* NULL: nowhere */
    struct pl_ingest_options ingest_options;
    struct pl_guard guard;
    char *db_path, *static_dir, *program;
    char token[PL_TOKEN_TEXT];
    char url[160];
};

/* ---- requests ---- */

/* /api/ and /metrics: token, then route. */
static int answer_api(const struct pl_server *server,
                      const struct pl_http_request *request,
                      struct pl_http_response *response, char **owned_out,
                      struct pl_http_error *error)
{
    const struct pl_route *route = pl_route_find(request);
    int refused =
        route && route->open ? 0 : pl_guard_check_token(&server->guard, request, error);
    if (refused)
        return refused;
    if (!route)
        return pl_http_error_set(error, 404, "not_found", "no such route");
    return pl_route_run(route, server->pool, server->db_path, request, response,
                        owned_out, error);
}

/* Streams until the peer is gone; nothing is left to be written then. */
static int answer_events(const struct pl_server *server,
                         const struct pl_http_request *request,
                         const struct pl_peer *peer, struct pl_http_error *error)
{
    int refused = pl_guard_check_token(&server->guard, request, error);
    if (refused)
        return refused;
    return pl_events_stream(server->events, peer, strcmp(request->method, "HEAD") == 0,
                            error);
}

static int answer_asset(const struct pl_server *server,
                        const struct pl_http_request *request,
                        struct pl_http_response *response, char **owned_out,
                        struct pl_http_error *error)
{
    const char *tag = pl_http_header(request, "If-None-Match");
    int refused = pl_asset_get(server->static_dir, request, response, owned_out, error);
    if (!refused && pl_http_etag_matches(tag, response->etag))
        response->status = 304;
    return refused;
}

/* Gives up when the peer takes nothing for request_timeout_ms. */
static int write_bytes(void *conn, const char *bytes, size_t len)
{
    return mg_write(conn, bytes, len);
}

static int read_bytes(void *conn, char *bytes, size_t len)
{
    return mg_read(conn, bytes, len);
}

static bool origin_allowed(const void *options, const char *origin)
{
    return pl_ingest_origin_allowed(options, origin);
}

/* The body of a POST, whose length the guard has looked at. malloc'd. */
static char *read_small_body(struct mg_connection *conn, size_t len,
                             struct pl_http_error *error)
{
    int64_t until_ns = pl_clock_mono_ns() + BODY_NS;
    size_t done = 0;
    char *body = malloc(len + 1);
    while (body && done < len && pl_clock_mono_ns() < until_ns) {
        int got = mg_read(conn, body + done, len - done);
        if (got <= 0)
            break;
        done += (size_t)got;
    }
    if (body && done == len)
        return body;
    pl_http_error_set(error, body ? 408 : 503, body ? "incomplete" : "out_of_memory",
                      body ? "the body did not come" : "out of memory");
    free(body);
    return NULL;
}

static int answer_sql(const struct pl_server *server, struct mg_connection *conn,
                      const struct pl_http_request *request,
                      struct pl_http_response *response, char **owned_out,
                      struct pl_http_error *error)
{
    int refused = pl_guard_check_post(&server->guard, request, error);
    if (!refused)
        refused = pl_guard_check_token(&server->guard, request, error);
    if (refused)
        return refused;
    size_t len = strtoull(pl_http_header(request, "Content-Length"), NULL, 10);
    if (len > PL_SQL_BODY_BYTES)
        return pl_http_error_set(error, 413, "body_too_large",
                                 "a statement has at most %d bytes", PL_SQL_BODY_BYTES);
    char *body = read_small_body(conn, len, error);
    if (!body)
        return error->status;
    struct pl_buf out;
    pl_buf_init(&out, PL_SQL_BYTES + (2 << 20));
    refused = pl_sql_run(server->program, server->db_path, body, len, &out, error);
    if (!refused) {
        response->status = 200;
        response->type = "application/json; charset=utf-8";
        *owned_out = pl_buf_take(&out, &response->body_len);
        response->body = *owned_out;
    }
    pl_buf_deinit(&out);
    free(body);
    return refused;
}

/* Sentry's endpoints have their own guard, keys and answers. */
static void answer_ingest(const struct pl_server *server, struct mg_connection *conn,
                          const struct pl_http_request *request,
                          struct pl_ingest_auth *auth)
{
    const struct pl_peer peer = {conn, write_bytes};
    const struct pl_source source = {conn, read_bytes, write_bytes,
                                     mg_get_request_info(conn)->remote_port};
    struct pl_http_error error = {0};
    if (pl_guard_check_ingest(&server->guard, request, origin_allowed,
                              &server->ingest_options, &error))
        pl_reply_error(&peer, &error, false);
    else
        pl_ingest_answer(server->ingest, &source, &peer, request, auth);
}

/* Alive, without a word on what is stored. */
static int answer_healthz(struct pl_http_response *response)
{
    static const char body[] = "{\"ok\":true}";
    response->status = 200;
    response->type = "application/json; charset=utf-8";
    response->body = body;
    response->body_len = sizeof body - 1;
    return 0;
}

static void answer(const struct pl_server *server, struct mg_connection *conn,
                   const struct pl_http_request *request)
{
    struct pl_http_response response = {0};
    struct pl_http_error error = {0};
    char *owned = NULL;
    const struct pl_peer peer = {conn, write_bytes};
    bool head = strcmp(request->method, "HEAD") == 0, streamed = false;
    bool sql = strcmp(request->target, "/api/v1/sql") == 0;
    int refused = sql ? answer_sql(server, conn, request, &response, &owned, &error)
                      : pl_guard_check(&server->guard, request, &error);
    if (sql)
        ; /* has its own guard, as it has a body */
    else if (!refused && strcmp(request->target, "/api/v1/events") == 0) {
        refused = answer_events(server, request, &peer, &error);
        streamed = !refused;
    } else if (!refused && strcmp(request->target, "/healthz") == 0)
        refused = answer_healthz(&response);
    else if (!refused && (strncmp(request->target, "/api/", 5) == 0 ||
                          strcmp(request->target, "/metrics") == 0))
        refused = answer_api(server, request, &response, &owned, &error);
    else if (!refused)
        refused = answer_asset(server, request, &response, &owned, &error);
    if (refused)
        pl_reply_error(&peer, &error, head);
    else if (!streamed)
        pl_reply(&peer, &response, head);
    free(owned);
}

/* CivetWeb's begin_request: runs before anything of its own looks at the request. */
static int handle_request(struct mg_connection *conn)
{
    const struct mg_request_info *info = mg_get_request_info(conn);
    struct pl_http_header headers[MG_MAX_HEADERS];
    struct pl_http_request request = {
        .method = info->request_method,
        .target = info->request_uri ? info->request_uri : "",
        .query = info->query_string ? info->query_string : "",
        .headers = headers,
    };
    /* One request a connection: nothing of a doubtful one is read as the next. */
    struct pl_ingest_auth auth;
    mg_disable_connection_keep_alive(conn);
    for (int i = 0; i < info->num_headers && i < MG_MAX_HEADERS; i++)
        headers[request.header_count++] = (struct pl_http_header){
            info->http_headers[i].name, info->http_headers[i].value};
    if (pl_ingest_route(request.target, &auth))
        answer_ingest(info->user_data, conn, &request, &auth);
    else
        answer(info->user_data, conn, &request);
    return 1;
}

/* CivetWeb refused it before it was a request. */
static int handle_error(struct mg_connection *conn, int status, const char *message)
{
    const struct pl_peer peer = {conn, write_bytes};
    struct pl_http_error error;
    (void)message; /* may quote the request */
    mg_disable_connection_keep_alive(conn);
    if (status == 411) /* its word for a Content-Length that is no number */
        status = 400;
    pl_http_error_set(&error, status, "bad_request", "the request was not understood");
    pl_reply_error(&peer, &error, false);
    return 0;
}

static int log_line(const struct mg_connection *conn, const char *message)
{
    (void)conn;
    pl_log(PL_LOG_DEBUG, "web", "%s", message);
    return 1;
}

/* ---- lifecycle ---- */

static enum pl_status start_civetweb(struct pl_server *server,
                                     const struct pl_listen *where,
                                     struct pl_error *err)
{
    char address[80], text[256] = "";
    /* clang-format off */
    const char *options[] = {
        "listening_ports", address,
        "num_threads", "256",
        "connection_queue", "256",
        "request_timeout_ms", "5000",
        "max_request_size", "16384",
        "tcp_nodelay", "1",
        "enable_keep_alive", "no",
        "decode_url", "no",
        "enable_directory_listing", "no",
        "enable_auth_domain_check", "no",
        "access_control_allow_origin", "",
        "access_control_allow_methods", "",
        "access_control_allow_headers", "",
        NULL,
    };
    /* clang-format on */
    const struct mg_callbacks callbacks = {
        .begin_request = handle_request,
        .http_error = handle_error,
        .log_message = log_line,
    };
    struct mg_init_data init = {&callbacks, server, options};
    struct mg_error_data error = {.text = text, .text_buffer_size = sizeof text};
    (void)snprintf(address, sizeof address, "%s:%u", where->host, where->port);
    server->context = mg_start2(&init, &error);
    if (!server->context)
        return pl_error_set(
            err, PL_IO,
            "cannot listen on %s: %s; stop what listens there, or choose "
            "a free port with --listen 127.0.0.1:0",
            address, text[0] ? text : "the web server did not start");
    return PL_OK;
}

static void set_guard(struct pl_server *server, const struct pl_listen *where)
{
    char name[256] = "";
    server->guard.port = where->port;
    server->guard.any_address = where->any;
    server->guard.token = server->token[0] ? server->token : NULL;
    pl_guard_allow(&server->guard, "127.0.0.1");
    pl_guard_allow(&server->guard, "localhost");
    pl_guard_allow(&server->guard, "[::1]");
    pl_guard_allow(&server->guard, where->host);
    if (!where->loopback && gethostname(name, sizeof name - 1) == 0)
        pl_guard_allow(&server->guard, name);
}

static void set_url(struct pl_server *server, const struct pl_listen *where)
{
    (void)snprintf(server->url, sizeof server->url, "http://%s:%u/%s%s",
                   where->any ? "127.0.0.1" : where->host, where->port,
                   server->token[0] ? "#t=" : "", server->token);
}

static enum pl_status start_ingest(struct pl_server *server,
                                   const struct pl_server_options *options,
                                   const struct pl_listen *where, struct pl_error *err)
{
    server->ingest_options = (struct pl_ingest_options){
        .db_path = server->db_path,
        .port = where->port,
        .admit_keys = where->loopback && !options->strict_keys,
        .per_minute = options->ingest_per_minute,
        .origins = options->ingest_origins,
        .origin_count = options->ingest_origin_count,
        .follow = server->follow,
    };
    return pl_ingest_start(&server->ingest_options, &server->ingest, err);
}

static enum pl_status start_forward(struct pl_server *server,
                                    const struct pl_server_options *options,
                                    struct pl_error *err)
{
    const struct pl_forward_settings settings = {
        .db_path = server->db_path,
        .dsns = options->forward,
        .dsn_count = options->forward_count,
        .redact = options->forward_redact,
        .received = options->forward_received,
    };
    return pl_forward_start(&settings, &server->forward, err);
}

static enum pl_status start(struct pl_server *server,
                            const struct pl_server_options *options,
                            struct pl_listen *where, struct pl_error *err)
{
    int reserved = -1;
    enum pl_status status = PL_OK;
    server->db_path = strdup(options->db_path);
    if (options->static_dir)
        server->static_dir = strdup(options->static_dir);
    if (options->program)
        server->program = strdup(options->program);
    if (!server->db_path || (options->static_dir && !server->static_dir) ||
        (options->program && !server->program))
        return pl_error_set(err, PL_NOMEM, "out of memory starting the server");
    status = pl_listen_reserve(where, &reserved, err);
    if (status == PL_OK && !options->no_token)
        status = pl_token_load(options->db_path, server->token, err);
    if (status == PL_OK)
        status = pl_pool_start(options->db_path, POOL_THREADS, &server->pool, err);
    if (status == PL_OK)
        status = pl_events_start(server->pool, &server->events, err);
    if (status == PL_OK && !options->no_processing)
        status = pl_follow_start(options->db_path, options->symbolicate_ms,
                                 server->events, &server->follow, err);
    if (status == PL_OK)
        status = start_ingest(server, options, where, err);
    if (status == PL_OK && options->forward_count)
        status = start_forward(server, options, err);
    if (status == PL_OK) {
        set_guard(server, where);
        set_url(server, where);
        status = start_civetweb(server, where, err);
    }
    if (reserved >= 0)
        close(reserved);
    return status;
}

enum pl_status pl_server_start(const struct pl_server_options *options,
                               struct pl_server **server_out, struct pl_error *err)
{
    struct pl_listen where;
    enum pl_status status =
        pl_listen_parse(options->listen ? options->listen : "127.0.0.1", &where, err);
    if (status != PL_OK)
        return status;
    if (options->no_token && !where.loopback)
        return pl_error_set(err, PL_USAGE,
                            "--no-token would open %s to everybody who can reach %s: "
                            "leave it out, or listen on 127.0.0.1",
                            options->db_path, where.host);
    struct stat folder;
    if (options->static_dir &&
        (stat(options->static_dir, &folder) != 0 || !S_ISDIR(folder.st_mode)))
        return pl_error_set(err, PL_INPUT, "no folder %s to serve the viewer from",
                            options->static_dir);
    struct pl_server *server = calloc(1, sizeof *server);
    if (!server)
        return pl_error_set(err, PL_NOMEM, "out of memory starting the server");
    status = start(server, options, &where, err);
    if (status != PL_OK) {
        pl_server_stop(server);
        return status;
    }
    *server_out = server;
    return PL_OK;
}

const char *pl_server_url(const struct pl_server *server)
{
    return server->url;
}

int pl_server_port(const struct pl_server *server)
{
    return server->guard.port;
}

const char *pl_server_token(const struct pl_server *server)
{
    return server->token;
}

/* Hanging up is help, not a need: without it, this takes 2 s longer. */
static void stop_civetweb(struct pl_server *server)
{
    struct pl_hangup *hangup = NULL;
    if (pl_hangup_begin(pl_server_port(server), &hangup, NULL) != PL_OK)
        pl_log(PL_LOG_DEBUG, "web", "stopping takes a moment");
    mg_stop(server->context);
    pl_hangup_end(hangup);
}

void pl_server_stop(struct pl_server *server)
{
    if (!server)
        return;
    if (server->pool)
        pl_pool_interrupt(server->pool);
    pl_events_interrupt(server->events);
    if (server->ingest)
        pl_ingest_interrupt(server->ingest);
    if (server->context)
        stop_civetweb(server);
    pl_forward_stop(server->forward);
    pl_ingest_stop(server->ingest);
    pl_follow_stop(server->follow);
    pl_events_stop(server->events);
    pl_pool_stop(server->pool);
    free(server->db_path);
    free(server->static_dir);
    free(server->program);
    free(server);
}

const char *pl_server_civetweb_version(void)
{
    return mg_version();
}
