/* A profile whose first level are the values of a label.
 *
 * The heaviest values have a column each of one aggregation. Which column a sample is
 * in is told by a table of bins, made of each slot's spans, so all that cuts by time
 * cuts by values. */
#include "store/db.h"
#include "store/query_labels.h"
#include "store/query_profile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OTHERS         "[other values]"
#define FILE_OF_LABELS "[label]"

struct by_value {
    struct pl_store *store;
    enum pl_metric metric;
    const char *names[PL_COLUMNS_MAX];
    uint32_t count; /* of columns: values, others, none */
    struct pl_part_labels labels;
    uint32_t *columns; /* by place in labels.tags */
    int64_t part_id;
    struct pl_stack_weights weights;
    struct pl_pieces pieces;
};

static enum pl_status out_of_memory(struct pl_error *err)
{
    return pl_error_set(err, PL_NOMEM, "out of memory for labels");
}

static uint32_t column_of(const struct by_value *by, const char *value)
{
    for (uint32_t i = 0; i < by->count - 2; i++)
        if (strcmp(by->names[i], value) == 0)
            return i;
    return by->count - 2;
}

/* The heaviest values of the key; `none` is what samples without it are called. */
static void name_columns(struct by_value *by, const struct pl_label_list *list,
                         const char *key, const char *none)
{
    for (size_t i = 0; i < list->count && by->count < PL_COLUMNS_MAX - 2; i++)
        if (strcmp(list->rows[i].key, key) == 0)
            by->names[by->count++] = list->rows[i].value;
    by->names[by->count++] = OTHERS;
    by->names[by->count++] = none;
}

static enum pl_status find_column(struct by_value *by, uint32_t place,
                                  struct pl_error *err)
{
    struct pl_stmt *stmt;
    bool row;
    enum pl_status status = pl_stmt_get(by->store, PL_SQL_QUERY_TAG, &stmt, err);
    if (status != PL_OK)
        return status;
    pl_stmt_int(stmt, ":id", by->labels.tags.ids[place]);
    status = pl_stmt_row(stmt, &row, err);
    if (status != PL_OK)
        return status;
    const char *value = row ? pl_stmt_column_text(stmt, 1) : NULL;
    by->columns[place] = column_of(by, value ? value : "");
    if (row)
        pl_stmt_reset(stmt);
    return PL_OK;
}

static enum pl_status find_columns(struct by_value *by, const char *key,
                                   struct pl_error *err)
{
    const struct pl_label label = {key, NULL};
    const struct pl_selection all = {.labels = &label, .label_count = 1};
    enum pl_status status = pl_part_labels_init(&by->labels, by->store, &all, err);
    if (status != PL_OK)
        return status;
    by->columns = calloc((size_t)by->labels.tags.count + 1, sizeof *by->columns);
    if (!by->columns)
        return out_of_memory(err);
    for (uint32_t i = 0; i < by->labels.tags.count && status == PL_OK; i++)
        status = find_column(by, i, err);
    return status;
}

static enum pl_status count_slot(void *self, const struct pl_slot *slot,
                                 struct pl_error *err)
{
    struct by_value *by = self;
    struct pl_slot cut = *slot;
    bool cpu = by->metric == PL_METRIC_CPU;
    if (slot->part_id != by->part_id) {
        enum pl_status status =
            pl_part_labels_load(&by->labels, by->store, slot->part_id, err);
        if (status != PL_OK)
            return status;
        by->part_id = slot->part_id;
    }
    if (!pl_part_labels_split(&by->labels, &cut, by->columns, by->count - 1) ||
        !pl_slot_pieces(&cut, &by->pieces))
        return out_of_memory(err);
    for (size_t i = 0; i < by->pieces.count; i++) {
        const struct pl_piece *piece = &by->pieces.list[i];
        if (cpu && !piece->on_cpu)
            continue;
        struct pl_amount *amount =
            pl_stack_weight(&by->weights, piece->stack, piece->bin);
        if (!amount)
            return out_of_memory(err);
        amount->ns += cpu ? piece->cpu_ns : piece->wall_ns;
        amount->samples += piece->samples;
    }
    return PL_OK;
}

static enum pl_status aggregate(struct by_value *by,
                                const struct pl_selection *selection, const char *key,
                                struct pl_profile *split, struct pl_error *err)
{
    const struct pl_slot_visitor visitor = {.self = by, .slot = count_slot};
    const char *functions[PL_COLUMNS_MAX];
    struct pl_selected selected;
    struct pl_tree *tree = NULL;
    for (uint32_t i = 0; i < by->count; i++)
        functions[i] = selection->function;
    enum pl_status status = find_columns(by, key, err);
    if (status == PL_OK)
        status = pl_stack_weights_init(&by->weights, by->count, by->store, err);
    if (status == PL_OK)
        status = pl_select_slots(by->store, selection, NULL, &visitor, &selected, err);
    if (status == PL_OK)
        status = pl_select_lost(by->store, selection, &split->lost, err);
    if (status == PL_OK)
        status = pl_tree_new(by->count, &tree, err);
    if (status == PL_OK)
        status = pl_dictionary_resolve(
            by->store, &by->weights, selection->function ? functions : NULL, tree, err);
    if (status == PL_OK)
        status = pl_tree_finish(tree, split, err);
    pl_tree_free(tree);
    if (status == PL_OK && split->samples) {
        split->from_ns = selected.from_ns;
        split->to_ns = selected.to_ns;
    }
    return status;
}

enum pl_status pl_query_profile_labels(struct pl_store *store,
                                       const struct pl_selection *selection,
                                       enum pl_metric metric, const char *key,
                                       struct pl_profile *profile_out,
                                       struct pl_error *err)
{
    char none[80];
    struct by_value by = {.store = store, .metric = metric, .part_id = -1};
    struct pl_label_list list = {0};
    struct pl_profile split = {.metric = metric}, profile = {0};
    (void)snprintf(none, sizeof none, "[no %.60s]", key);
    enum pl_status status = pl_query_labels(store, selection, &list, err);
    if (status == PL_OK)
        status = pl_db_begin_read(store, err);
    if (status == PL_OK) {
        name_columns(&by, &list, key, none);
        status = aggregate(&by, selection, key, &split, err);
        pl_db_end_read(store);
    }
    if (status == PL_OK)
        status = pl_profile_first_level(&split, by.names, by.count, FILE_OF_LABELS,
                                        &profile, err);
    if (status == PL_OK)
        *profile_out = profile;
    pl_profile_deinit(&split);
    pl_part_labels_deinit(&by.labels);
    pl_stack_weights_deinit(&by.weights);
    free(by.columns);
    free(by.pieces.list);
    pl_label_list_deinit(&list);
    return status;
}
