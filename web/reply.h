/* Writing responses to a peer, with the headers every answer has. */
#ifndef PL_WEB_REPLY_H
#define PL_WEB_REPLY_H

#include "web/http.h"

#include <stdbool.h>

/* The connection, as far as an answer needs it. */
struct pl_peer {
    void *conn;
    /* Bytes taken; fewer than `len` when the peer is gone or stalls. */
    int (*write)(void *conn, const char *bytes, size_t len);
};

/* Headers and, unless `head`, the body. Gives up on a peer that takes it too
 * slowly. */
void pl_reply(const struct pl_peer *peer, const struct pl_http_response *response,
              bool head);

/* The head of an answer without an end; what follows is the caller's to write. False:
 * the peer is gone. */
bool pl_reply_stream(const struct pl_peer *peer, const char *type);

/* {"error":{"code","message"}} */
void pl_reply_error(const struct pl_peer *peer, const struct pl_http_error *error,
                    bool head);

#endif
