#include "web/reply.h"

#include "base/buf.h"
#include "base/clock.h"

#include <string.h>

#define PIECE_BYTES         ((size_t)32 << 10)
#define PATIENCE_NS         (10 * PL_NS_PER_S)
#define SLOWEST_BYTES_PER_S 65536 /* beyond that patience */

/* No script, style or connection but our own; no framing, no guessing of types. */
static const char fixed_headers[] =
    "Connection: close\r\n"
    "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; font-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'\r\n"
    "Cross-Origin-Opener-Policy: same-origin\r\n"
    "Cross-Origin-Resource-Policy: same-origin\r\n"
    "Referrer-Policy: no-referrer\r\n"
    "X-Content-Type-Options: nosniff\r\n"
    "X-Frame-Options: DENY\r\n";

/* In pieces, so that a peer reading a byte at a time cannot keep us forever. */
static void write_body(const struct pl_peer *peer, const char *body, size_t len)
{
    int64_t until = pl_clock_mono_ns() + PATIENCE_NS +
                    (int64_t)(len / SLOWEST_BYTES_PER_S) * PL_NS_PER_S;
    for (size_t done = 0; done < len;) {
        size_t piece = len - done < PIECE_BYTES ? len - done : PIECE_BYTES;
        int written = peer->write(peer->conn, body + done, piece);
        if (written < (int)piece || pl_clock_mono_ns() > until)
            return; /* less: gone, or took nothing for too long */
        done += piece;
    }
}

void pl_reply(const struct pl_peer *peer, const struct pl_http_response *response,
              bool head)
{
    struct pl_buf text;
    pl_buf_init(&text, 8192);
    pl_buf_printf(&text, "HTTP/1.1 %d %s\r\n%sCache-Control: %s\r\n", response->status,
                  pl_http_reason(response->status), fixed_headers,
                  response->cache ? response->cache : "no-store");
    if (response->etag[0])
        pl_buf_printf(&text, "ETag: %s\r\n", response->etag);
    if (response->type)
        pl_buf_printf(&text, "Content-Type: %s\r\n", response->type);
    if (response->status != 304 && response->status != 204)
        pl_buf_printf(&text, "Content-Length: %zu\r\n", response->body_len);
    if (response->extra_headers)
        pl_buf_puts(&text, response->extra_headers);
    pl_buf_puts(&text, "\r\n");
    if (!text.failed && peer->write(peer->conn, text.data, text.len) > 0 && !head &&
        response->status != 304)
        write_body(peer, response->body, response->body_len);
    pl_buf_deinit(&text);
}

bool pl_reply_stream(const struct pl_peer *peer, const char *type)
{
    struct pl_buf text;
    pl_buf_init(&text, 8192);
    pl_buf_printf(&text,
                  "HTTP/1.1 200 OK\r\n%sCache-Control: no-store\r\n"
                  "Content-Type: %s\r\n\r\n",
                  fixed_headers, type);
    bool there =
        !text.failed && peer->write(peer->conn, text.data, text.len) == (int)text.len;
    pl_buf_deinit(&text);
    return there;
}

void pl_reply_error(const struct pl_peer *peer, const struct pl_http_error *error,
                    bool head)
{
    struct pl_buf body;
    pl_buf_init(&body, 8192);
    pl_buf_puts(&body, "{\"error\":{\"code\":\"");
    pl_buf_puts(&body, error->code);
    pl_buf_puts(&body, "\",\"message\":\"");
    pl_buf_json_escape(&body, error->message);
    pl_buf_puts(&body, "\"}}");
    struct pl_http_response response = {
        .status = error->status,
        .type = "application/json; charset=utf-8",
        .body = body.failed ? "" : body.data,
        .body_len = body.failed ? 0 : body.len,
    };
    if (error->status == 405)
        response.extra_headers = "Allow: GET, HEAD\r\n";
    else if (error->status == 401)
        response.extra_headers = "WWW-Authenticate: Bearer\r\n";
    else if (error->status == 503)
        response.extra_headers = "Retry-After: 1\r\n";
    pl_reply(peer, &response, head);
    pl_buf_deinit(&body);
}
