/* Who sends: the project in the path, and the key in a header, the query or the
 * envelope itself. All that is said has to agree. */
#ifndef PL_WEB_INGEST_AUTH_H
#define PL_WEB_INGEST_AUTH_H

#include "store/keys.h"
#include "web/http.h"

#include <stdint.h>

struct pl_ingest_auth {
    int64_t project_id;
    bool is_store;                /* /store/, else /envelope/ */
    char public_key[PL_KEY_TEXT]; /* "": not said yet */
    char client[128];             /* sentry_client, "" unknown */
};

/* Is it /api/{project}/envelope/ or /store/, with the last slash or without? */
bool pl_ingest_route(const char *target, struct pl_ingest_auth *auth_out);

/* What header and query say. Returns 0, or the status in `error`: 400 they are
 * malformed or contradict each other. */
int pl_ingest_auth_read(const struct pl_http_request *request,
                        struct pl_ingest_auth *auth, struct pl_http_error *error);

/* What the envelope's header says ("" nothing), and whether there is a key now: 403
 * if not. */
int pl_ingest_auth_dsn(const char *dsn, struct pl_ingest_auth *auth,
                       struct pl_http_error *error);

#endif
