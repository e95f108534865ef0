/* From the modules and frames of a part to ids of the file, for intern.c: native
 * frames by a cache of those the file is known to have, others by their rows. */
#ifndef PL_STORE_INTERN_FRAMES_H
#define PL_STORE_INTERN_FRAMES_H

#include "store/frame_cache.h"
#include "store/intern.h"

struct pl_frame_intern {
    struct pl_store *store;
    struct pl_frame_cache cache;
};

/* As pl_intern_part, for modules, frames and the frame of stacks without frames. */
PL_MUST_CHECK enum pl_status
pl_intern_frames(struct pl_frame_intern *intern, const struct pl_sink_part *part,
                 const char *platform, bool insert, struct pl_text_pool *pool,
                 struct pl_part_ids *ids, struct pl_error *err);

#endif
