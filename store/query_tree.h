/* Aggregator: weighted stacks in, struct pl_profile out. Knows nothing of SQL.
 *
 * Children with one function under one parent are one node, so that the tree is
 * the same whichever stacks it was made of and in whichever order. All weights
 * are >= 0 and their sum fits int64_t (the caller checks the sum once). Nodes with
 * neither weight nor samples in them or below do not show. */
#ifndef PL_STORE_QUERY_TREE_H
#define PL_STORE_QUERY_TREE_H

#include "store/query.h"

struct pl_tree;

#define PL_TREE_ROOT 0

/* `columns` is how many amounts each weight has (query.h, "split"). */
PL_MUST_CHECK enum pl_status pl_tree_new(uint32_t columns, struct pl_tree **tree_out,
                                         struct pl_error *err);
void pl_tree_free(struct pl_tree *tree); /* NULL is fine */

/* Whoever fills the tree shall use a function per line. */
void pl_tree_want_lines(struct pl_tree *tree);
bool pl_tree_wants_lines(const struct pl_tree *tree);

/* The index of function (name, module, file), copied; PL_NO_INDEX when memory ran
 * out. Of several lines given for it the smallest that is not 0 counts, of several
 * in_app the largest. */
uint32_t pl_tree_function(struct pl_tree *tree, const char *name, const char *module,
                          const char *file, uint32_t line, int8_t in_app);
/* As if the function had been asked for with this in_app. */
void pl_tree_function_in_app(struct pl_tree *tree, uint32_t function, int8_t in_app);
/* The same function as called at, or running in, that line: a function of its own
 * whose line it is. Ask once for each.  PL_NO_INDEX when memory ran out. */
uint32_t pl_tree_function_line(struct pl_tree *tree, uint32_t function, uint32_t line);
uint32_t pl_tree_function_count(const struct pl_tree *tree);
/* Borrowed until a function is added; its weights are not there yet. */
const struct pl_function *pl_tree_function_at(const struct pl_tree *tree,
                                              uint32_t function);
const char *pl_tree_function_name(const struct pl_tree *tree, uint32_t function);

/* The node of `function` called by `parent`; PL_NO_INDEX when memory ran out. It
 * shows as inlined if every call asked for it inlined, so make only nodes that will
 * lie on the path of some weight. */
uint32_t pl_tree_child(struct pl_tree *tree, uint32_t parent, uint32_t function,
                       bool inlined);
uint32_t pl_tree_parent(const struct pl_tree *tree, uint32_t node);
uint32_t pl_tree_node_function(const struct pl_tree *tree, uint32_t node);

/* Add to the node's self weight: one amount per column. */
void pl_tree_add(struct pl_tree *tree, uint32_t node, const struct pl_amount *amounts);

/* ---- trees that are kept ---- */

/* For a tree whose nodes will be used for other weights than its own: calls that are
 * inlined and calls that are not get nodes of their own. It is torn if some function
 * has both under one parent: what is finished of it shows two boxes then. */
void pl_tree_keep_apart(struct pl_tree *tree);
bool pl_tree_is_torn(const struct pl_tree *tree);
/* Some function was given several lines or in_app: which of them counts depends on the
 * weights. */
bool pl_tree_is_vague(const struct pl_tree *tree);
uint32_t pl_tree_node_count(const struct pl_tree *tree);
/* From now on it is only copied: give back what adding nodes takes, and number nodes so
 * that subtrees lie together. `ends` are nodes of it, which get their new numbers.
 * Errors  NOMEM, and it can only be freed. */
PL_MUST_CHECK enum pl_status pl_tree_settle(struct pl_tree *tree, uint32_t *ends,
                                            size_t end_count, struct pl_error *err);
/* Which nodes have a function of that name in them or above; the caller frees it. NULL
 * when memory ran out. */
bool *pl_tree_below(const struct pl_tree *tree, const char *function);

/* A tree with the nodes and functions of another, which must outlive it, and no
 * weights: to be added to and finished, and nothing else.  Errors  NOMEM. */
PL_MUST_CHECK enum pl_status pl_tree_copy(const struct pl_tree *from, uint32_t columns,
                                          struct pl_tree **tree_out,
                                          struct pl_error *err);

/* In place of a copy of a torn tree one with a node for each function under one parent,
 * of those that weigh something.  Errors  NOMEM. */
PL_MUST_CHECK enum pl_status pl_tree_mend(struct pl_tree **tree, struct pl_error *err);

/* Fill nodes, functions, splits, total_ns, samples and owned of `profile_out` and leave
 * the rest. The tree is used up: free it.  Errors  NOMEM. */
PL_MUST_CHECK enum pl_status pl_tree_finish(struct pl_tree *tree,
                                            struct pl_profile *profile_out,
                                            struct pl_error *err);

#endif
