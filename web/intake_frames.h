/* Frames and stacks of a profile as the store takes them: native ones by module and
 * address, others by the names they were sent with; leaves apart from callers. */
#ifndef PL_WEB_INTAKE_FRAMES_H
#define PL_WEB_INTAKE_FRAMES_H

#include "formats/sent.h"
#include "store/chunk_sink.h"
#include "web/intake_images.h"

/* Many pieces of memory with one end; NULL is none yet. */
struct pl_intake_memory;
/* Zeroed, room for one more than `count`; NULL: out of memory. */
void *pl_intake_alloc(struct pl_intake_memory **memory, size_t count, size_t size);
/* The piece that was asked for last. */
void pl_intake_free_last(struct pl_intake_memory **memory);
void pl_intake_memory_free(struct pl_intake_memory *memory);

struct pl_intake_frames {
    const struct pl_sink_module *modules;
    size_t module_count;
    const struct pl_sink_frame *frames;
    size_t frame_count;
    const struct pl_sink_stack *stacks; /* one for each of the profile's */
};

/* Indexes have been checked. Texts are the profile's and those of `images`, one for
 * each of the profile's, of which those that frames lie in are marked. False: out of
 * memory. */
bool pl_intake_frames(const struct pl_sent *profile, struct pl_intake_image *images,
                      struct pl_intake_memory **memory, struct pl_intake_frames *out);

#endif
