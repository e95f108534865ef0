/* Receive: items of the inbox become rows, all in one transaction together with the
 * marks that they are done. Killed before the commit, it is as if they had never been
 * tried; after it, they are not taken again.
 *
 * A chunk known by (project, id, category) is a duplicate: counted in `counter`, and
 * nothing else. */
#ifndef PL_STORE_RECEIVE_H
#define PL_STORE_RECEIVE_H

#include "store/inbox.h"
#include "store/symbols.h"

struct pl_received_image {
    const char *type;
    const char *code_file, *code_id, *debug_file, *debug_id; /* nullable */
    uint64_t address, size, vmaddr;
    /* The module that frames in it have; NULL: there are none. */
    const char *module_path, *module_build_id;
    bool is_native; /* could have some: without, it is "unused" */
};

struct pl_received_measurement {
    const char *name, *unit;
    int64_t ts_ns;
    const char *value; /* a number in decimal */
};

struct pl_received_span {
    const char *trace_id, *span_id;
    const char *parent_span_id, *event_id, *profiler_id, *profile_id; /* nullable */
    const char *thread_name, *op;                                     /* nullable */
    const char *name;
    bool is_segment, has_tid;
    int64_t tid;
    int64_t start_ns, end_ns;
};

struct pl_received {
    int64_t inbox_id, item; /* row, and which of its items, from 0 */
    bool more_to_come;      /* of this item: it is not done yet */
    int64_t project_id, key_id;
    int64_t org_id; /* 0: not said */

    /* What has an outcome; uuid NULL: nothing in this item. */
    const char *uuid; /* chunk or event id, 32 hex digits */
    const char *category;
    const char *outcome; /* NULL: the pass will say, as the chunk is stored */
    const char *reason;  /* nullable */
    int64_t quantity;    /* 0 counts as 1 */

    /* A chunk to store. */
    const struct pl_sink_session *session; /* NULL: none */
    const struct pl_sink_part *parts;
    size_t part_count;
    bool ends_session; /* no more chunks will come for it */
    const struct pl_received_image *images;
    size_t image_count;
    const struct pl_received_measurement *measurements;
    size_t measurement_count;
    enum pl_debug_meta debug_meta;
    const char *device_class;          /* nullable */
    const struct pl_sink_origin *bare; /* a chunk without a part; NULL: none such */

    /* Into the file's counters; not if it is a duplicate. */
    const struct pl_count *counts;
    size_t count_count;

    const struct pl_received_span *spans;
    size_t span_count;
};

/* All `count` of them, in the order of the inbox, or none; duplicates_out[count].
 * Errors  INPUT: a chunk contradicts the format of the store; BUSY: somebody else has
 * taken an item meanwhile. Nothing is changed then. */
PL_MUST_CHECK enum pl_status pl_receive(struct pl_store *store,
                                        const struct pl_received *const *received,
                                        size_t count, bool *duplicates_out,
                                        struct pl_error *err);

/* Sessions of projects that had their last sample before `before_ns` are over. */
PL_MUST_CHECK enum pl_status
pl_receive_end_quiet(struct pl_store *store, int64_t before_ns, struct pl_error *err);

/* Segments of `profiler_id` known already that overlap [start, end), for the labels
 * of a chunk. Texts live as long as the list. */
struct pl_segment {
    int64_t start_ns, end_ns;
    bool any_thread;
    int64_t tid;
    const char *name, *trace_id, *span_id;
};
struct pl_segment_list {
    struct pl_segment *rows;
    size_t count;
    void *owned;
};
PL_MUST_CHECK enum pl_status pl_segments(struct pl_store *store, int64_t project_id,
                                         const char *profiler_id, int64_t start_ns,
                                         int64_t end_ns,
                                         struct pl_segment_list *list_out,
                                         struct pl_error *err);
void pl_segment_list_deinit(struct pl_segment_list *list);

#endif
