/* A profile within a profile: what React Native's JavaScript did, in a chunk of Android
 * (js_profile, of version 1). Its samples become samples beside the others, on threads
 * of their own; its frames are of platform javascript if they say none. */
#ifndef PL_FORMATS_SENT_EMBEDDED_H
#define PL_FORMATS_SENT_EMBEDDED_H

#include "formats/sent.h"

/* What the outer profile had before: the embedded one's indexes count from there. */
struct pl_sent_embedded {
    size_t frames, stacks, indexes, samples;
};

struct pl_sent_embedded pl_sent_embed_begin(const struct pl_sent *profile);

/* Its last brace was read. Indexes beyond its own are malformed. False: over the
 * budget. */
bool pl_sent_embed_end(struct pl_sent *profile,
                       const struct pl_sent_embedded *embedded);

#endif
