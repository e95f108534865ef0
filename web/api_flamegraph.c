/* The aggregated call tree as columns, and its functions as a list. Both come from
 * the one profile query, so the root of the one is the sum of the other. */
#include "store/query_spread.h"
#include "store/query_transform.h"
#include "web/api.h"
#include "web/document.h"
#include "web/node_key.h"

#include <stdlib.h>

#define DEFAULT_LIMIT 500
#define MOST_LIMIT    100000
#define DEFAULT_NODES 20000
#define SLICED_NODES  2000
#define MOST_NODES    1000000
#define DEFAULT_SHARE 4000 /* of the whole: lighter nodes are too thin to see */

static enum pl_status query(struct pl_store *store, const struct pl_api_call *call,
                            struct pl_profile *profile_out, struct pl_error *err)
{
    return pl_query_transformed(store, &call->selection, call->params->selection.metric,
                                &call->params->transforms, profile_out, err);
}

/* A coarse tree with what its nodes weigh in each slice of time. */
static enum pl_status query_slices(struct pl_store *store,
                                   const struct pl_api_call *call,
                                   struct pl_profile *profile_out, struct pl_error *err)
{
    const struct pl_params *params = call->params;
    struct pl_profile profile;
    if (pl_transform_list_splits(&params->transforms))
        return pl_error_set(err, PL_USAGE,
                            "slices go with neither t=threads nor t=labels");
    enum pl_status status = pl_query_slices(
        store, &call->selection, params->selection.metric, (size_t)params->slices,
        params->max_nodes < 0 ? SLICED_NODES : (size_t)params->max_nodes, &profile,
        err);
    if (status != PL_OK)
        return status;
    status = pl_profile_transform_all(&profile, &params->transforms, err);
    if (status == PL_OK)
        *profile_out = profile;
    else
        pl_profile_deinit(&profile);
    return status;
}

/* The node `root` names; a tree that has none such is pruned as a whole. */
static enum pl_status find_node(const struct pl_params *params,
                                const struct pl_profile *profile, uint64_t **keys_out,
                                uint32_t *node_out, struct pl_error *err)
{
    const char *root = params->root ? params->root : "";
    *node_out = 0;
    if (!*root && params->keys < 1)
        return PL_OK;
    enum pl_status status = pl_node_keys(profile, keys_out, err);
    if (status == PL_OK)
        *node_out = pl_node_find(*keys_out, profile->node_count, root);
    return status;
}

enum pl_status pl_api_prune(const struct pl_api_call *call,
                            const struct pl_profile *profile, int64_t share,
                            struct pl_pruned *pruned_out, struct pl_error *err)
{
    int64_t min_ns = call->params->min_ns, most = call->params->max_nodes;
    uint64_t *keys = NULL;
    uint32_t found;
    *pruned_out = (struct pl_pruned){0};
    most = most < 0 ? DEFAULT_NODES : most;
    if (most < 1 || most > MOST_NODES)
        return pl_error_set(err, PL_USAGE, "max_nodes is 1 to %d", MOST_NODES);
    enum pl_status status = find_node(call->params, profile, &keys, &found, err);
    if (status != PL_OK)
        return status;
    uint32_t node = found == PL_NO_INDEX ? 0 : found;
    int64_t whole_ns = profile->node_count ? profile->nodes[node].total_ns : 0;
    const struct pl_prune_limits limits = {
        .min_ns = min_ns >= 0 ? min_ns
                  : share     ? whole_ns / share
                              : 0,
        .max_nodes = (size_t)most,
        .node = node,
    };
    status = pl_prune(profile, &limits, pruned_out, err);
    if (found == PL_NO_INDEX)
        pruned_out->node = PL_NO_INDEX;
    if (status == PL_OK && call->params->keys > 0)
        pruned_out->keys = keys;
    else
        free(keys);
    return status;
}

enum pl_status pl_api_flamegraph(struct pl_store *store, const struct pl_api_call *call,
                                 struct pl_buf *out, struct pl_error *err)
{
    struct pl_profile profile;
    struct pl_pruned pruned;
    enum pl_status status = call->params->slices < 0
                                ? query(store, call, &profile, err)
                                : query_slices(store, call, &profile, err);
    if (status != PL_OK)
        return status;
    status = pl_api_prune(call, &profile, DEFAULT_SHARE, &pruned, err);
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
