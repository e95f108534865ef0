#include "web/routes.h"

#include "base/clock.h"
#include "base/hash.h"
#include "store/store.h"
#include "web/metrics.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ANSWER_LIMIT ((size_t)256 << 20) /* bytes of one answer */
#define TIMEOUT_MS   30000               /* for an answer to be ready */

const struct pl_route pl_routes[] = {
    {"GET", "/api/v1/meta", pl_api_meta, "", false},
    {"GET", "/api/v1/apps", pl_api_apps, "", false},
    {"GET", "/api/v1/sessions", pl_api_sessions, "", false},
    {"GET", "/api/v1/threads", pl_api_threads, "", false},
    {"GET", "/api/v1/timeline", pl_api_timeline, "bins,by", false},
    {"GET", "/api/v1/flamegraph", pl_api_flamegraph,
     "t,root,keys,min_ns,max_nodes,slices", false},
    {"GET", "/api/v1/top", pl_api_top, "t,limit", false},
    {"GET", "/api/v1/callers", pl_api_callers, "t,min_ns", false},
    {"GET", "/api/v1/diff", pl_api_diff, "a,b,t,root,limit,min_ns,max_nodes", false},
    {"GET", "/api/v1/labels", pl_api_labels, "", false},
    {"GET", "/api/v1/function", pl_api_function, "bucket_ns", false},
    {"GET", "/api/v1/functions", pl_api_functions, "bucket_ns,limit", false},
    {"GET", "/api/v1/flamechart", pl_api_flamechart, "boxes", false},
    {"GET", "/api/v1/export", pl_api_export, "t,format", false},
    {"GET", "/api/v1/source", pl_api_source, "file", false},
    {"GET", "/api/v1/health", pl_api_health, "", false},
    {"GET", "/metrics", pl_api_metrics, "", true},
    {NULL, NULL, NULL, NULL, false},
};

const struct pl_route *pl_route_find(const struct pl_http_request *request)
{
    const char *method = request->method;
    if (strcmp(method, "HEAD") == 0)
        method = "GET";
    for (const struct pl_route *route = pl_routes; route->path; route++)
        if (strcmp(route->path, request->target) == 0 &&
            strcmp(route->method, method) == 0)
            return route;
    return NULL;
}

/* One request on its way through the pool: everything it needs is its own, as the
 * connection may be gone before it ends. */
struct exchange {
    struct pl_job job; /* first: a job is an exchange */
    const struct pl_route *route;
    const char *db_path; /* the server's, which outlives the pool */
    char *query, *if_none_match;
    bool not_modified;
    char etag[PL_ETAG_TEXT];
    struct pl_buf body;
    const char *type;
    enum pl_status status;
    struct pl_error err;
};

static void drop_exchange(struct pl_job *job)
{
    struct exchange *x = (struct exchange *)job;
    pl_buf_deinit(&x->body);
    free(x->query);
    free(x->if_none_match);
    free(x);
}

/* Same store file, same data, same question: same tag. */
static void make_etag(struct exchange *x, struct pl_pool_slot *slot,
                      const struct pl_params *params, uint64_t generation)
{
    uint64_t hash = pl_hash_mix(pl_pool_store_file(slot), generation);
    hash = pl_hash_mix(hash, pl_hash_bytes(x->route->path, strlen(x->route->path)));
    hash = pl_hash_mix(hash, pl_hash_bytes(x->query, strlen(x->query)));
    hash = pl_hash_mix(hash, pl_hash_bytes(PL_VERSION, strlen(PL_VERSION)));
    if (params->selection.uses_now)
        hash = pl_hash_mix(hash, (uint64_t)params->selection.now_ns);
    if (x->route->handle == pl_api_health) /* forwarding is no change of the data */
        hash = pl_hash_mix(hash, (uint64_t)pl_clock_mono_ns());
    (void)snprintf(x->etag, sizeof x->etag, "\"%016llx\"", (unsigned long long)hash);
}

static enum pl_status ask(struct exchange *x, struct pl_pool_slot *slot,
                          const struct pl_params *params)
{
    struct pl_store *store = NULL;
    struct pl_api_call call = {
        .params = params, .db_path = x->db_path, .type_out = &x->type};
    enum pl_status status =
        pl_selection_get(&params->selection, &call.selection, &x->err);
    if (status != PL_OK)
        return status;
    status = pl_pool_store(slot, &store, &x->err);
    if (x->route->open && (status == PL_OK || status == PL_NOT_FOUND))
        return x->route->handle(store, &call, &x->body, &x->err);
    if (status == PL_OK)
        status = pl_store_generation(store, &call.generation, &x->err);
    if (status == PL_OK) {
        make_etag(x, slot, params, call.generation);
        x->not_modified = pl_http_etag_matches(x->if_none_match, x->etag);
        if (!x->not_modified)
            status = x->route->handle(store, &call, &x->body, &x->err);
    }
    if (status == PL_OK && x->body.failed)
        status = pl_error_set(&x->err, PL_NOMEM,
                              "the answer is too large: narrow the selection");
    if (status == PL_IO || status == PL_INPUT)
        pl_pool_store_failed(slot);
    return status;
}

static void run_exchange(struct pl_job *job, struct pl_pool_slot *slot)
{
    struct exchange *x = (struct exchange *)job;
    struct pl_params params;
    x->status = pl_params_parse(&params, x->query, x->route->params, pl_clock_wall_ns(),
                                &x->err);
    if (x->status == PL_OK)
        x->status = ask(x, slot, &params);
    pl_params_deinit(&params);
}

static struct exchange *new_exchange(const struct pl_route *route, const char *db_path,
                                     const struct pl_http_request *request)
{
    const char *tag = pl_http_header(request, "If-None-Match");
    struct exchange *x = calloc(1, sizeof *x);
    if (!x)
        return NULL;
    x->job = (struct pl_job){.run = run_exchange, .drop = drop_exchange};
    x->route = route;
    x->db_path = db_path;
    x->type = "application/json; charset=utf-8";
    pl_buf_init(&x->body, ANSWER_LIMIT);
    x->query = strdup(request->query);
    x->if_none_match = tag ? strdup(tag) : NULL;
    if (!x->query || (tag && !x->if_none_match)) {
        drop_exchange(&x->job);
        return NULL;
    }
    return x;
}

/* What the pool made of it becomes the response; the body changes owner. */
static int finish(struct exchange *x, struct pl_http_response *response,
                  char **owned_out, struct pl_http_error *error)
{
    if (x->status != PL_OK) {
        x->err.status = x->status;
        pl_http_error_from(error, &x->err);
        return error->status;
    }
    response->status = x->not_modified ? 304 : 200;
    response->cache = "private, no-cache";
    memcpy(response->etag, x->etag, sizeof response->etag);
    if (!x->not_modified) {
        response->type = x->type;
        *owned_out = pl_buf_take(&x->body, &response->body_len);
        response->body = *owned_out;
    }
    return 0;
}

int pl_route_run(const struct pl_route *route, struct pl_pool *pool,
                 const char *db_path, const struct pl_http_request *request,
                 struct pl_http_response *response, char **owned_out,
                 struct pl_http_error *error)
{
    struct pl_error err = {0};
    struct exchange *x = new_exchange(route, db_path, request);
    *owned_out = NULL;
    if (!x)
        return pl_http_error_set(error, 503, "out_of_memory", "out of memory");
    enum pl_status status = pl_pool_run(pool, &x->job, TIMEOUT_MS, &err);
    if (status != PL_OK) {
        err.status = status;
        pl_http_error_from(error, &err);
        return error->status;
    }
    int answer = finish(x, response, owned_out, error);
    drop_exchange(&x->job);
    return answer;
}
