/* The aggregated call tree as columns, and its functions as a list. Both come from
 * the one profile query, so the root of the one is the sum of the other. */
#include "store/query_transform.h"
#include "web/api.h"
#include "web/document.h"

#define DEFAULT_LIMIT 500
#define MOST_LIMIT    100000
#define DEFAULT_NODES 20000
#define MOST_NODES    1000000
#define DEFAULT_SHARE 4000 /* of the whole: lighter nodes are too thin to see */

static enum pl_status query(struct pl_store *store, const struct pl_api_call *call,
                            struct pl_profile *profile_out, struct pl_error *err)
{
    return pl_query_transformed(store, &call->selection,
                                call->params->selection.metric,
                                &call->params->transforms, profile_out, err);
}

enum pl_status pl_api_flamegraph(struct pl_store *store, const struct pl_api_call *call,
                                 struct pl_buf *out, struct pl_error *err)
{
    struct pl_profile profile;
    struct pl_pruned pruned;
    int64_t min_ns = call->params->min_ns, most = call->params->max_nodes;
    most = most < 0 ? DEFAULT_NODES : most;
    if (most < 1 || most > MOST_NODES)
        return pl_error_set(err, PL_USAGE, "max_nodes is 1 to %d", MOST_NODES);
    enum pl_status status = query(store, call, &profile, err);
    if (status != PL_OK)
        return status;
    const struct pl_prune_limits limits = {
        .min_ns = min_ns < 0 ? profile.total_ns / DEFAULT_SHARE : min_ns,
        .max_nodes = (size_t)most,
    };
    status = pl_prune(&profile, &limits, &pruned, err);
    if (status == PL_OK) {
        pl_json_flamegraph(out, &profile, &pruned);
        pl_pruned_deinit(&pruned);
    }
    pl_profile_deinit(&profile);
    return status;
}

enum pl_status pl_api_top(struct pl_store *store, const struct pl_api_call *call,
                          struct pl_buf *out, struct pl_error *err)
{
    struct pl_profile profile;
    int64_t limit = call->params->limit < 0 ? DEFAULT_LIMIT : call->params->limit;
    if (limit < 1 || limit > MOST_LIMIT)
        return pl_error_set(err, PL_USAGE, "limit is 1 to %d", MOST_LIMIT);
    enum pl_status status = query(store, call, &profile, err);
    if (status != PL_OK)
        return status;
    pl_top_sort(&profile, false);
    pl_json_top(out, &profile, (size_t)limit);
    pl_profile_deinit(&profile);
    return PL_OK;
}
