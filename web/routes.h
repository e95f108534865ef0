/* Routes: which path is answered by which handler, and the way there: ask the pool,
 * compare ETags, turn errors into answers. */
#ifndef PL_WEB_ROUTES_H
#define PL_WEB_ROUTES_H

#include "web/api.h"
#include "web/http.h"
#include "web/pool.h"

struct pl_route {
    const char *method; /* GET also answers HEAD */
    const char *path;
    pl_api_handler *handle;
    const char *params; /* its own, besides the selection; comma-separated */
    bool open;          /* no token, no store needed, and no ETag: it is not only the
                           store that is told of */
};

/* Ends with an empty row. Also for tests that go through all of them. */
extern const struct pl_route pl_routes[];

/* NULL: no such route. */
const struct pl_route *pl_route_find(const struct pl_http_request *request);

/* Answer by `route`. Returns 0 and fills `response` (200 or 304); the caller frees
 * `*owned_out` once the response is written. Else the status in `error`. */
int pl_route_run(const struct pl_route *route, struct pl_pool *pool,
                 const char *db_path, const struct pl_http_request *request,
                 struct pl_http_response *response, char **owned_out,
                 struct pl_http_error *error);

#endif
