/* A profile whose first level are threads.
 *
 * Threads of one name are one box: the workers of a pool, in every session. The
 * heaviest names have a column each of one aggregation; what is beyond the columns,
 * and what came while we looked, shares the last one. */
#include "store/db.h"
#include "store/query_tree.h"
#include "store/query_profile.h"

#include <stdlib.h>
#include <string.h>

#define OTHERS "[other threads]"

struct by_name {
    const char *names[PL_COLUMNS_MAX];
    struct pl_thread_columns columns;
};

#define THREAD_FILE "[thread]"

static const char *name_of(const struct pl_thread_row *row)
{
    return row->name[0] ? row->name : "[no name]";
}

/* The column of a name, the others' if there is no room; `count` is of names only. */
static uint32_t column_of(struct by_name *by, const char *name)
{
    uint32_t column = 0;
    while (column < by->columns.count && strcmp(by->names[column], name) != 0)
        column++;
    if (column == by->columns.count && column < PL_COLUMNS_MAX - 1)
        by->names[by->columns.count++] = name;
    return column;
}

static bool plan(struct by_name *by, const struct pl_thread_list *list)
{
    by->columns.of = calloc(list->count + 1, sizeof *by->columns.of);
    if (!by->columns.of || !pl_idmap_init(&by->columns.threads, 0, 0))
        return false;
    for (size_t i = 0; i < list->count; i++) {
        if (pl_idmap_add(&by->columns.threads, (uint32_t)list->rows[i].id) ==
            PL_IDMAP_NONE)
            return false;
        by->columns.of[i] = column_of(by, name_of(&list->rows[i]));
    }
    by->names[by->columns.count++] = OTHERS;
    return true;
}

/* Everything of one column, under a box of its name. */
static bool graft(struct pl_tree *tree, const struct pl_profile *from, uint32_t column,
                  const char *name, const char *file, uint32_t *place)
{
    uint32_t thread = pl_tree_function(tree, name, "", file, 0, -1);
    for (size_t i = 0; i < from->node_count && thread != PL_NO_INDEX; i++) {
        const struct pl_node *node = &from->nodes[i];
        const struct pl_split *split =
            from->columns > 1 ? &from->node_split[i * from->columns + column] : NULL;
        const struct pl_amount self = {node->self_ns, node->self_samples, 0};
        uint32_t function = thread;
        if (split && !split->total.samples)
            continue;
        if (i) {
            const struct pl_function *f = &from->functions[node->function];
            function =
                pl_tree_function(tree, f->name, f->module, f->file, f->line, f->in_app);
        }
        place[i] = function == PL_NO_INDEX
                       ? PL_NO_INDEX
                       : pl_tree_child(tree, i ? place[node->parent] : PL_TREE_ROOT,
                                       function, node->inlined);
        if (place[i] == PL_NO_INDEX)
            return false;
        pl_tree_add(tree, place[i], split ? &split->self : &self);
    }
    return thread != PL_NO_INDEX;
}

enum pl_status pl_profile_first_level(const struct pl_profile *from,
                                      const char *const *names, uint32_t count,
                                      const char *file, struct pl_profile *profile,
                                      struct pl_error *err)
{
    struct pl_tree *tree = NULL;
    uint32_t *place = calloc(from->node_count + 1, sizeof *place);
    enum pl_status status = pl_tree_new(1, &tree, err);
    bool ok = place != NULL;
    for (uint32_t c = 0; status == PL_OK && ok && c < count; c++)
        ok = graft(tree, from, c, names[c], file, place);
    if (status == PL_OK && !ok)
        status = pl_error_set(err, PL_NOMEM, "out of memory for a split");
    if (status == PL_OK)
        status = pl_tree_finish(tree, profile, err);
    if (status == PL_OK) {
        profile->metric = from->metric;
        profile->lost = from->lost;
        profile->from_ns = from->from_ns;
        profile->to_ns = from->to_ns;
    }
    free(place);
    pl_tree_free(tree);
    return status;
}

enum pl_status pl_query_profile_threads(struct pl_store *store,
                                        const struct pl_selection *selection,
                                        enum pl_metric metric,
                                        struct pl_profile *profile_out,
                                        struct pl_error *err)
{
    struct by_name by = {0};
    struct pl_thread_list list = {0};
    struct pl_profile split = {0}, profile = {0};
    enum pl_status status = pl_query_threads(store, selection, &list, err);
    if (status == PL_OK && !plan(&by, &list))
        status = pl_error_set(err, PL_NOMEM, "out of memory for threads");
    if (status == PL_OK)
        status =
            pl_query_profile_split(store, selection, metric, &by.columns, &split, err);
    if (status == PL_OK)
        status = pl_profile_first_level(&split, by.names, by.columns.count, THREAD_FILE,
                                        &profile, err);
    if (status == PL_OK)
        *profile_out = profile;
    pl_profile_deinit(&split);
    pl_thread_list_deinit(&list);
    pl_idmap_deinit(&by.columns.threads);
    free(by.columns.of);
    return status;
}
