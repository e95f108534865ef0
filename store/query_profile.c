/* Aggregated profile: weight per stack -> tree. */
#include "store/db.h"
#include "store/query_tree.h"
#include "store/query_weights.h"

static enum pl_status aggregate(struct pl_store *store,
                                const struct pl_selection *selection,
                                struct pl_stack_weights *weights, struct pl_tree *tree,
                                struct pl_profile *profile, struct pl_error *err)
{
    const char *const *functions = selection->function ? &selection->function : NULL;
    struct pl_selected selected = {0};
    enum pl_status status =
        pl_query_weights(store, selection, profile->metric, weights, 0, &selected, err);
    if (status == PL_OK)
        status = pl_select_lost(store, selection, &profile->lost, err);
    if (status == PL_OK)
        status = pl_dictionary_resolve(store, weights, functions, tree, err);
    if (status == PL_OK)
        status = pl_tree_finish(tree, profile, err);
    if (status == PL_OK && profile->samples) {
        profile->from_ns = selected.from_ns;
        profile->to_ns = selected.to_ns;
    }
    return status;
}

enum pl_status pl_query_profile(struct pl_store *store,
                                const struct pl_selection *selection,
                                enum pl_metric metric, struct pl_profile *profile_out,
                                struct pl_error *err)
{
    struct pl_stack_weights weights = {0};
    struct pl_profile profile = {.metric = metric};
    struct pl_tree *tree = NULL;
    enum pl_status status = pl_db_begin_read(store, err);
    if (status != PL_OK)
        return status;
    status = pl_stack_weights_init(&weights, 1, store, err);
    if (status == PL_OK)
        status = pl_tree_new(1, &tree, err);
    if (status == PL_OK)
        status = aggregate(store, selection, &weights, tree, &profile, err);
    if (status == PL_OK)
        *profile_out = profile;
    pl_db_end_read(store);
    pl_tree_free(tree);
    pl_stack_weights_deinit(&weights);
    return status;
}
