/* Symbol files that are text: what kind, and which debug id do they say? */
#ifndef PL_PROCESS_IDENTIFY_TEXT_H
#define PL_PROCESS_IDENTIFY_TEXT_H

#include "base/debug_id.h"

/* "sourcemap", "minified" or "proguard" (static), `debug_id` "" where it says none; or
 * NULL, and why. `bytes` end where they end, with no NUL. */
const char *pl_identify_text(const char *bytes, size_t len,
                             char debug_id[static PL_DEBUG_ID_TEXT],
                             const char **why_out);

#endif
