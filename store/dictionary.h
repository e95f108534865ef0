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

/* Weights by stack id, in columns: one selection (or thread, ...) each. */
struct pl_stack_weights {
    struct pl_idmap stacks; /* id -> place */
    struct pl_amount *list; /* [place * columns + column], stacks.count places */
    uint32_t cap;           /* places */
    uint32_t columns;
};

PL_MUST_CHECK enum pl_status pl_stack_weights_init(struct pl_stack_weights *weights,
                                                   uint32_t columns,
                                                   struct pl_store *store,
                                                   struct pl_error *err);
void pl_stack_weights_deinit(struct pl_stack_weights *weights);

/* The weight of `stack` (not 0) in a column, to add to; NULL: out of memory. Valid
 * until the next call. */
bool pl_stack_weights_grow(struct pl_stack_weights *weights);
static inline struct pl_amount *pl_stack_weight(struct pl_stack_weights *weights,
                                                uint32_t stack, uint32_t column)
{
    uint32_t place = pl_idmap_add(&weights->stacks, stack);
    if (place == PL_IDMAP_NONE)
        return NULL;
    if (place >= weights->cap && !pl_stack_weights_grow(weights))
        return NULL;
    return &weights->list[(size_t)place * weights->columns + column];
}

/* So few of the file's stacks are weighted that they are best read one by one. */
bool pl_dictionary_is_sparse(const struct pl_stack_weights *weights);

/* Add every weighted stack to `tree`, which has as many columns. `functions` has an
 * entry per column, or is NULL: where one is not NULL, only stacks which have a
 * function of that name in them keep their weight in that column. `weights` may be
 * only looked at afterwards. The caller holds a read transaction.
 * Errors  INPUT damaged; IO; NOMEM. */
PL_MUST_CHECK enum pl_status pl_dictionary_resolve(struct pl_store *store,
                                                   struct pl_stack_weights *weights,
                                                   const char *const *functions,
                                                   struct pl_tree *tree,
                                                   struct pl_error *err);

/* As above, and `nodes_out` (malloc'd, caller frees) is the tree's node each stack ends
 * in, by place; 0 for stacks without weight. */
PL_MUST_CHECK enum pl_status
pl_dictionary_resolve_nodes(struct pl_store *store, struct pl_stack_weights *weights,
                            const char *const *functions, struct pl_tree *tree,
                            uint32_t **nodes_out, struct pl_error *err);

/* What a stack has of a function. */
#define PL_STACK_HAS  1 /* somewhere */
#define PL_STACK_LEAF 2 /* as the innermost call */

/* PL_STACK_* of every weighted stack about functions of that name, by place, and 0 for
 * the parents that join `weights` on the way; malloc'd, caller frees.
 * Errors  as above. */
PL_MUST_CHECK enum pl_status pl_dictionary_find(struct pl_store *store,
                                                struct pl_stack_weights *weights,
                                                const char *function,
                                                unsigned char **flags_out,
                                                struct pl_error *err);

/* The frames (frame_raw ids) of every stack in `weights`, into `frames`, which is
 * initialized.  Errors  as above. */
PL_MUST_CHECK enum pl_status pl_dictionary_frames(struct pl_store *store,
                                                  struct pl_stack_weights *weights,
                                                  struct pl_idmap *frames,
                                                  struct pl_error *err);

#endif
