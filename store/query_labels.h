/* Labels: which ticks of a slot carry what a selection asks for.
 *
 * A label is a row of label_span: (key, value) over `n` ticks of one thread in one
 * part. Spans of a part are read once; a slot's ticks then get a table of bins in
 * which ticks outside are in none, so that everything which cuts by time cuts by
 * labels too. */
#ifndef PL_STORE_QUERY_LABELS_H
#define PL_STORE_QUERY_LABELS_H

#include "store/idmap.h"
#include "store/query_select.h"

struct pl_label_span {
    uint32_t thread_id, first_tick, count;
    uint32_t tag_id;
    uint32_t key; /* which of the selection's different keys it satisfies */
};

/* Caller's storage; all zero to begin with. */
struct pl_part_labels {
    struct pl_label_span *spans; /* of the current part, by thread and tick */
    size_t count, cap;
    uint32_t keys;   /* different keys wanted; 0: no label is asked for */
    uint64_t *masks; /* scratch: keys satisfied, per tick */
    size_t mask_cap;
    struct pl_idmap tags; /* wanted tags */
    uint32_t *tag_keys;   /* place in tags -> key */
    struct pl_tick_bins bins;
};

/* Find the tags the selection's labels stand for.  Errors  IO; NOMEM; USAGE more
 * than 64 different keys. */
PL_MUST_CHECK enum pl_status pl_part_labels_init(struct pl_part_labels *labels,
                                                 struct pl_store *store,
                                                 const struct pl_selection *selection,
                                                 struct pl_error *err);
void pl_part_labels_deinit(struct pl_part_labels *labels);

/* Read the spans of a part.  Errors  IO; NOMEM. */
PL_MUST_CHECK enum pl_status pl_part_labels_load(struct pl_part_labels *labels,
                                                 struct pl_store *store,
                                                 int64_t part_id, struct pl_error *err);

/* Does any tick of the thread carry one of them? */
bool pl_part_labels_has(const struct pl_part_labels *labels, int64_t thread_id);

/* Take the ticks that lack one of the keys out of `slot`: its bins become a table
 * that is valid until the next call.  False: out of memory. */
PL_MUST_CHECK bool pl_part_labels_cut(struct pl_part_labels *labels,
                                      struct pl_slot *slot);

/* Put each tick of `slot` into the column of the tag it carries (the later row's, where
 * several do), by place in `tags`, or into `rest`; ticks that are out stay out. The
 * slot's bins become a table that is valid until the next call.  False: out of memory.
 */
PL_MUST_CHECK bool pl_part_labels_split(struct pl_part_labels *labels,
                                        struct pl_slot *slot, const uint32_t *columns,
                                        uint32_t rest);

#endif
