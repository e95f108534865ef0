/* Images of debug_meta: which module each stands for, and what files of it are called.
 */
#ifndef PL_WEB_INTAKE_IMAGES_H
#define PL_WEB_INTAKE_IMAGES_H

#include "base/debug_id.h"
#include "formats/sent.h"

/* What the mapping of an Android build is called, as a module. */
#define PL_MAPPING_PATH "mapping.txt"

struct pl_intake_image {
    const char *path;     /* "" none said */
    const char *kind;     /* "" ELF; "macho", "pe", ...: no symbols of such here */
    const char *debug_id; /* as base/debug_id.h; NULL none */
    /* The build-id. Of an ELF image of which only the debug id is known, what that says
     * of it; of other kinds their own code id, else the debug id's digits; "" none. */
    char build_id[PL_BUILD_ID_TEXT];
    char debug_text[PL_DEBUG_ID_TEXT];
    bool is_native; /* holds machine code: an address may lie in it */
    bool is_used;   /* a frame does; for who looks frames up to set */
};

/* What the build id of an Android profile stands for. False: it has none, or none that
 * is one. */
bool pl_intake_build_image(const struct pl_sent *profile, struct pl_intake_image *out);

/* Texts are the profile's and `out`'s own. */
void pl_intake_image(const struct pl_sent *profile, const struct pl_sent_image *image,
                     struct pl_intake_image *out);

#endif
