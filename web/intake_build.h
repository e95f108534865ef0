/* A checked profile as the store takes it: session, parts, images, measurements. */
#ifndef PL_WEB_INTAKE_BUILD_H
#define PL_WEB_INTAKE_BUILD_H

#include "formats/sent.h"
#include "store/receive.h"
#include "web/intake_images.h"

struct pl_intake_chunk {
    struct pl_sink_session session;
    struct pl_sink_origin origin;
    struct pl_sink_part *parts;
    size_t part_count;
    struct pl_received_image *images;
    size_t image_count;
    struct pl_received_measurement *measurements;
    size_t measurement_count;
    struct pl_segment_list segments; /* labels borrow from them */
    struct pl_intake_memory *memory; /* of all the above */
};

/* Texts are the profile's and the row's; samples, stacks and frames of the profile go,
 * as what is built is as large.
 * Ownership  deinit in any case.
 * Errors  NOMEM; IO. */
PL_MUST_CHECK enum pl_status pl_intake_build(struct pl_store *store,
                                             const struct pl_inbox_row *row,
                                             struct pl_sent *profile,
                                             struct pl_intake_chunk *chunk,
                                             struct pl_error *err);
/* Parts of the above (intake_extras.c). False: out of memory. */
bool pl_intake_images(const struct pl_sent *p, const struct pl_intake_image *images,
                      struct pl_intake_chunk *chunk);
bool pl_intake_measurements(const struct pl_sent *p, struct pl_intake_chunk *chunk);

void pl_intake_chunk_deinit(struct pl_intake_chunk *chunk);

#endif
