/* Frames -> functions; the lower half of dictionary.h. */
#ifndef PL_STORE_DICTIONARY_FRAMES_H
#define PL_STORE_DICTIONARY_FRAMES_H

#include "store/idmap.h"
#include "store/query_tree.h"

/* One function of a frame: the real one, then those inlined into it. */
struct pl_call {
    uint32_t function : 31; /* of the tree */
    uint32_t inlined : 1;
};

/* What does not show (frame_name.trim): as the root of a stack, or next to it, with it;
 * as its leaf, with the one that called it. */
#define PL_TRIM_ROOT 1
#define PL_TRIM_LEAF 2

struct pl_frame_calls {
    uint32_t first;      /* in calls */
    uint32_t count : 30; /* 0: not loaded yet */
    uint32_t trim : 2;   /* of the innermost */
};

struct pl_frame_table {
    struct pl_idmap frames;    /* id -> place in `of` */
    struct pl_frame_calls *of; /* frames.count long once loaded */
    struct pl_call *calls;
    uint32_t call_count, call_cap;
    uint32_t trims; /* frames of which `trim` is not 0 */
};

PL_MUST_CHECK enum pl_status pl_frame_table_init(struct pl_frame_table *table,
                                                 struct pl_store *store,
                                                 struct pl_error *err);
void pl_frame_table_deinit(struct pl_frame_table *table);

/* Fill `of` and `calls` for every id in `frames`; at least one call each. Functions
 * go into `tree`.  Errors  INPUT damaged; IO; NOMEM. */
PL_MUST_CHECK enum pl_status pl_frame_table_load(struct pl_frame_table *table,
                                                 struct pl_store *store,
                                                 struct pl_tree *tree,
                                                 struct pl_error *err);

#endif
