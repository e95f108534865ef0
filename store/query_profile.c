/* Aggregated profile: weight per stack -> tree. */
#include "store/db.h"
#include "store/kept_stacks.h"
#include "store/query_tree.h"
#include "store/query_profile.h"

/* What to aggregate: selections side by side, or one by thread. */
struct columns {
    const struct pl_selection *const *selections;
    const struct pl_thread_columns *threads; /* NULL: not by thread */
    uint32_t count;                          /* of selections */
    bool lines;
    struct pl_stack_weights weights;
    struct pl_selected selected[PL_COLUMNS_MAX]; /* of each selection */
};

static void extend(struct pl_profile *profile, const struct pl_selected *selected)
{
    if (selected->from_ns == selected->to_ns)
        return;
    if (profile->from_ns == profile->to_ns || selected->from_ns < profile->from_ns)
        profile->from_ns = selected->from_ns;
    if (selected->to_ns > profile->to_ns)
        profile->to_ns = selected->to_ns;
}

/* What the selections that have samples span together. */
static void find_range(const struct columns *columns, struct pl_profile *profile)
{
    for (uint32_t c = 0; c < columns->count; c++) {
        int64_t samples = columns->count > 1 ? profile->node_split[c].total.samples
                                             : profile->samples;
        if (samples)
            extend(profile, &columns->selected[c]);
    }
}

static enum pl_status gather(struct pl_store *store, struct columns *columns,
                             struct pl_profile *profile, struct pl_error *err)
{
    enum pl_status status = PL_OK;
    for (uint32_t c = 0; c < columns->count && status == PL_OK; c++) {
        const struct pl_selection *selection = columns->selections[c];
        struct pl_selected *selected = &columns->selected[c];
        int64_t lost = 0;
        if (!selection)
            continue;
        status = columns->threads
                     ? pl_query_thread_weights(store, selection, profile->metric,
                                               &columns->weights, columns->threads,
                                               selected, err)
                     : pl_query_weights(store, selection, profile->metric,
                                        &columns->weights, c, selected, err);
        if (status == PL_OK)
            status = pl_select_lost(store, selection, &lost, err);
        profile->lost += lost;
    }
    return status;
}

/* The tree of the weighted stacks; the caller frees it. */
static enum pl_status resolve(struct pl_store *store, struct columns *columns,
                              const char *const *functions, struct pl_tree **tree,
                              struct pl_error *err)
{
    enum pl_status status = PL_OK;
    if (!columns->lines)
        status = pl_kept_stacks_resolve(store, &columns->weights, functions, tree, err);
    if (status != PL_OK || *tree)
        return status;
    status = pl_tree_new(columns->weights.columns, tree, err);
    if (status == PL_OK && columns->lines)
        pl_tree_want_lines(*tree);
    return status == PL_OK
               ? pl_dictionary_resolve(store, &columns->weights, functions, *tree, err)
               : status;
}

static enum pl_status aggregate(struct pl_store *store, struct columns *columns,
                                struct pl_profile *profile, struct pl_error *err)
{
    struct pl_tree *tree = NULL;
    const char *functions[PL_COLUMNS_MAX];
    bool filters = false;
    for (uint32_t c = 0; c < columns->weights.columns; c++) {
        const struct pl_selection *selection =
            columns->selections[columns->threads ? 0 : c];
        functions[c] = selection ? selection->function : NULL;
        filters |= functions[c] != NULL;
    }
    enum pl_status status = gather(store, columns, profile, err);
    if (status == PL_OK)
        status = resolve(store, columns, filters ? functions : NULL, &tree, err);
    if (status == PL_OK)
        status = pl_tree_finish(tree, profile, err);
    pl_tree_free(tree);
    if (status == PL_OK)
        find_range(columns, profile);
    return status;
}

static enum pl_status query(struct pl_store *store, struct columns *columns,
                            enum pl_metric metric, struct pl_profile *profile_out,
                            struct pl_error *err)
{
    uint32_t count = columns->threads ? columns->threads->count : columns->count;
    struct pl_profile profile = {.metric = metric};
    if (count < 1 || count > PL_COLUMNS_MAX)
        return pl_error_set(err, PL_USAGE, "1 to %d selections at a time",
                            PL_COLUMNS_MAX);
    enum pl_status status = pl_db_begin_read(store, err);
    if (status != PL_OK)
        return status;
    status = pl_stack_weights_init(&columns->weights, count, store, err);
    if (status == PL_OK)
        status = aggregate(store, columns, &profile, err);
    if (status == PL_OK)
        *profile_out = profile;
    pl_db_end_read(store);
    pl_stack_weights_deinit(&columns->weights);
    return status;
}

enum pl_status pl_query_profiles(struct pl_store *store,
                                 const struct pl_selection *const *selections,
                                 uint32_t count, enum pl_metric metric,
                                 struct pl_profile *profile_out, struct pl_error *err)
{
    struct columns columns = {.selections = selections, .count = count};
    return query(store, &columns, metric, profile_out, err);
}

enum pl_status
pl_query_profile_split(struct pl_store *store, const struct pl_selection *selection,
                       enum pl_metric metric, const struct pl_thread_columns *threads,
                       struct pl_profile *profile_out, struct pl_error *err)
{
    struct columns columns = {.selections = &selection, .count = 1, .threads = threads};
    return query(store, &columns, metric, profile_out, err);
}

enum pl_status pl_query_profile_lines(struct pl_store *store,
                                      const struct pl_selection *selection,
                                      enum pl_metric metric,
                                      struct pl_profile *profile_out,
                                      struct pl_error *err)
{
    struct columns columns = {.selections = &selection, .count = 1, .lines = true};
    return query(store, &columns, metric, profile_out, err);
}

enum pl_status pl_query_profile(struct pl_store *store,
                                const struct pl_selection *selection,
                                enum pl_metric metric, struct pl_profile *profile_out,
                                struct pl_error *err)
{
    return pl_query_profiles(store, &selection, 1, metric, profile_out, err);
}
