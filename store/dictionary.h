/* Dictionary: from stack ids to functions.
 *
 *   stack (prefix of its parent + frames) -> frame -> functions, outermost first
 *
 * Only stacks with weight and what they are made of are read: row by row when
 * they are few, in one sweep when they are many. Of a stack only the frames that
 * some weight passes through become nodes. */
#ifndef PL_STORE_DICTIONARY_H
#define PL_STORE_DICTIONARY_H

#include "store/idmap.h"
#include "store/query.h"
#include "store/query_tree.h"

/* Weights by stack id. */
struct pl_stack_weight {
    int64_t ns, samples;
};
struct pl_stack_weights {
    struct pl_idmap stacks;       /* id -> place in `list` */
    struct pl_stack_weight *list; /* stacks.count long */
    uint32_t cap;
};

PL_MUST_CHECK enum pl_status pl_stack_weights_init(struct pl_stack_weights *weights,
                                                   struct pl_store *store,
                                                   struct pl_error *err);
void pl_stack_weights_deinit(struct pl_stack_weights *weights);

/* The weight of `stack` (not 0), to add to; NULL: out of memory. Valid until the
 * next call. */
bool pl_stack_weights_grow(struct pl_stack_weights *weights);
static inline struct pl_stack_weight *pl_stack_weight(struct pl_stack_weights *weights,
                                                      uint32_t stack)
{
    uint32_t place = pl_idmap_add(&weights->stacks, stack);
    if (place == PL_IDMAP_NONE)
        return NULL;
    if (place >= weights->cap && !pl_stack_weights_grow(weights))
        return NULL;
    return &weights->list[place];
}

/* Add every weighted stack to `tree`; with `function`, only those which have a
 * function of that name in them. Clears weights that were not added. `weights`
 * may be only looked at afterwards. The caller holds a read transaction.
 * Errors  INPUT damaged; IO; NOMEM. */
PL_MUST_CHECK enum pl_status
pl_dictionary_resolve(struct pl_store *store, struct pl_stack_weights *weights,
                      const char *function, struct pl_tree *tree, struct pl_error *err);

/* The frames (frame_raw ids) of every stack in `weights`, into `frames`, which is
 * initialized.  Errors  as above. */
PL_MUST_CHECK enum pl_status pl_dictionary_frames(struct pl_store *store,
                                                  struct pl_stack_weights *weights,
                                                  struct pl_idmap *frames,
                                                  struct pl_error *err);

#endif
