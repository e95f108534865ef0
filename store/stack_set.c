#include "store/stack_set.h"

#include <stdlib.h>

enum pl_status pl_stack_set_init(struct pl_stack_set *set, struct pl_store *store,
                                 const struct pl_selection *selection,
                                 struct pl_error *err)
{
    struct pl_selected selected;
    *set = (struct pl_stack_set){0};
    if (!selection->function)
        return PL_OK;
    enum pl_status status = pl_stack_weights_init(&set->stacks, 1, store, err);
    if (status == PL_OK)
        status = pl_query_weights(store, selection, PL_METRIC_WALL, &set->stacks, 0,
                                  &selected, err);
    if (status == PL_OK)
        status = pl_dictionary_find(store, &set->stacks, selection->function,
                                    &set->flags, err);
    return status;
}

void pl_stack_set_deinit(struct pl_stack_set *set)
{
    pl_stack_weights_deinit(&set->stacks);
    free(set->flags);
    *set = (struct pl_stack_set){0};
}
