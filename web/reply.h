/* Writing responses to a connection, with the headers every answer has. */
#ifndef PL_WEB_REPLY_H
#define PL_WEB_REPLY_H

#include "web/http.h"

struct mg_connection;

/* Headers and, unless `head`, the body. Gives up on a peer that takes it too
 * slowly. */
void pl_reply(struct mg_connection *conn, const struct pl_http_response *response,
              bool head);

/* {"error":{"code","message"}} */
void pl_reply_error(struct mg_connection *conn, const struct pl_http_error *error,
                    bool head);

#endif
