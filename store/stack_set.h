/* The stacks of a selection that have its function in them: for answers that count
 * samples one by one and not by stack. */
#ifndef PL_STORE_STACK_SET_H
#define PL_STORE_STACK_SET_H

#include "store/query_weights.h"

struct pl_stack_set {
    struct pl_stack_weights stacks;
    unsigned char *flags; /* PL_STACK_*, by place; NULL: every stack belongs to it */
};

/* With no function in the selection all stacks belong to it, and nothing is read. The
 * caller holds a read transaction; deinit in any case.  Errors  INPUT damaged; IO;
 * NOMEM. */
PL_MUST_CHECK enum pl_status pl_stack_set_init(struct pl_stack_set *set,
                                               struct pl_store *store,
                                               const struct pl_selection *selection,
                                               struct pl_error *err);
void pl_stack_set_deinit(struct pl_stack_set *set);

static inline bool pl_stack_set_has(const struct pl_stack_set *set, uint32_t stack)
{
    if (!set->flags)
        return true;
    uint32_t place = pl_idmap_find(&set->stacks.stacks, stack);
    return place != PL_IDMAP_NONE && set->flags[place];
}

#endif
