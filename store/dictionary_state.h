/* What resolving stacks keeps: shared by dictionary*.c. */
#ifndef PL_STORE_DICTIONARY_STATE_H
#define PL_STORE_DICTIONARY_STATE_H

#include "store/dictionary.h"
#include "store/dictionary_frames.h"

#define PL_DICTIONARY_NODES_MAX 100000000 /* of a profile: 3 GB */
#define PL_NEED_ALL             UINT32_MAX

struct pl_stack_row {
    uint32_t parent; /* place; PL_IDMAP_NONE: none */
    uint32_t keep;
    uint32_t need;  /* frames that become nodes */
    uint32_t first; /* own frames: frames[first..]; later nodes likewise */
    uint32_t count;
    uint32_t match; /* depth of the first frame with the function asked for */
    uint32_t chain; /* parents above, once linked */
    uint32_t jump;  /* place of one of them, or its own if there is none */
    bool loaded;
    bool trimmed; /* its weight is in the tree already */
};

struct pl_dictionary {
    struct pl_store *store;
    struct pl_stack_weights *weights;
    uint32_t weighted;         /* places below have weight, from there on are parents */
    struct pl_stack_row *rows; /* by place */
    uint32_t row_cap;
    uint32_t *order; /* places, newest stack first */
    uint32_t loaded;
    uint32_t *frames; /* places in table.frames of all own frames, then nodes */
    uint32_t frame_count, frame_cap;
    struct pl_frame_table table;
    struct pl_tree *tree;
    uint32_t *ends; /* by place: node of weighted stacks; NULL: not asked for */
};

PL_MUST_CHECK enum pl_status pl_dictionary_damaged(const struct pl_dictionary *dict,
                                                   uint32_t place, const char *what,
                                                   struct pl_error *err);

/* Rows of every stack in `weights`, which have all their frames, and of what they are
 * made of, which have those that are needed.  Errors  INPUT damaged; IO; NOMEM. */
PL_MUST_CHECK enum pl_status pl_dictionary_load(struct pl_dictionary *dict,
                                                struct pl_error *err);

/* ---- stacks that do not show all their frames (frame_name.trim) ---- */

struct pl_trim {
    uint32_t *frames; /* of the stack: places in table.frames */
    size_t frame_cap;
    struct pl_call *calls; /* those that show, outermost first */
    size_t count, cap;
};
void pl_trim_deinit(struct pl_trim *trim);

/* Whether the stack at `place`, whose row is linked and loaded whole, is such a one;
 * if so its calls are in `trim`. A stack of which nothing would remain shows whole.
 * `frames` are places still.  Errors  INPUT damaged; NOMEM. */
PL_MUST_CHECK enum pl_status pl_trim_stack(const struct pl_dictionary *dict,
                                           uint32_t place, struct pl_trim *trim,
                                           bool *trimmed_out, struct pl_error *err);

/* PL_STACK_* of what shows, about functions of that name. */
unsigned char pl_trim_flags(const struct pl_dictionary *dict,
                            const struct pl_trim *trim, const char *function);

/* Put the weight of a trimmed stack into the tree. `functions` as in dictionary.h. */
PL_MUST_CHECK enum pl_status pl_trim_hang(struct pl_dictionary *dict, uint32_t place,
                                          const struct pl_trim *trim,
                                          const char *const *functions,
                                          struct pl_error *err);

#endif
