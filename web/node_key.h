/* Keys of call tree nodes: a hash of the functions from the root to the node, so that
 * a node is found again in another answer, pruned in another way or of newer data.
 *
 * The page makes the same keys (static/lib/flame-model.js), from the same text. 53 bits
 * tell a million paths apart; the root of all has none. */
#ifndef PL_WEB_NODE_KEY_H
#define PL_WEB_NODE_KEY_H

#include "store/query.h"

#define PL_NODE_KEY_TEXT 16

/* One per node, malloc'd, the caller's.  Errors  NOMEM; INPUT not a pre-order tree. */
PL_MUST_CHECK enum pl_status pl_node_keys(const struct pl_profile *profile,
                                          uint64_t **keys_out, struct pl_error *err);

/* The node with that key, 0 for an empty text, PL_NO_INDEX if there is none. */
uint32_t pl_node_find(const uint64_t *keys, size_t count, const char *text);

void pl_node_key_format(uint64_t key, char text[PL_NODE_KEY_TEXT]);

#endif
