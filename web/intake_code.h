/* Which code explains what a frame says: the bundle whose source map an image of the
 * chunk names, or the obfuscated build. Frames of two builds, else the same, are not
 * one frame then. */
#ifndef PL_WEB_INTAKE_CODE_H
#define PL_WEB_INTAKE_CODE_H

#include "formats/sent.h"
#include "web/intake_frames.h"
#include "web/intake_images.h"

struct pl_intake_codes {
    const struct pl_sent *profile;
    uint32_t *bundles; /* hash of a path -> image + 1 */
    size_t mask;
    uint32_t mapping; /* image, or image_count: the profile's own build id */
    struct pl_intake_image *build; /* of that one */
};

/* False: out of memory. */
bool pl_intake_codes(struct pl_intake_codes *codes, const struct pl_sent *profile,
                     struct pl_intake_memory **memory);

/* An image of the profile, its image_count for the profile's build id, or PL_NO_INDEX.
 *
 * JavaScript has to say path and line, and not to be native; Node's paths have to be
 * absolute or URLs of "app:", "webpack:" or "file:". */
uint32_t pl_intake_code(const struct pl_intake_codes *codes,
                        const struct pl_sent_frame *frame);

#endif
