/* All stacks of a file as one tree, kept from one question to the next.
 *
 * Most of a flame graph's time goes into reading the dictionary and building the tree,
 * which are the same for every selection. A connection that is asked a second time
 * about the same snapshot (no commit of anybody in between) builds the tree of all
 * stacks and keeps it until somebody commits: what was read of a snapshot cannot be
 * stale while SQLite says it is the current one, whatever gc, an epoch or another
 * process did before. Only connections that cannot write keep anything, at most
 * PL_KEPT_NODES_MAX nodes of 16 bytes. */
#ifndef PL_STORE_KEPT_STACKS_H
#define PL_STORE_KEPT_STACKS_H

#include "store/dictionary.h"

#define PL_KEPT_STACKS_MAX 200000
#define PL_KEPT_NODES_MAX  1000000

struct pl_kept_stacks;

/* The tree pl_dictionary_resolve would have made, and the same errors: an answer does
 * not show whether it came from here. NULL in `tree_out`: ask the dictionary. The
 * caller holds a read transaction and frees the tree.  Errors  IO; NOMEM. */
PL_MUST_CHECK enum pl_status pl_kept_stacks_resolve(struct pl_store *store,
                                                    struct pl_stack_weights *weights,
                                                    const char *const *functions,
                                                    struct pl_tree **tree_out,
                                                    struct pl_error *err);
/* Something is kept now: for tests. */
bool pl_kept_stacks_has(const struct pl_store *store);
void pl_kept_stacks_free(struct pl_kept_stacks *kept); /* NULL is fine */

#endif
