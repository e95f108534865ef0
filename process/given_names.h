/* Names for frames that came with names of minified or obfuscated code: JavaScript by
 * source maps, Android's by mappings of ProGuard or R8. As process/symbolicate.h does
 * for native frames, and with its kind of result.
 *
 * Status of a JavaScript frame: "symbolicated"; "missing_sourcemap" and
 * "malformed_sourcemap"; "invalid_location" (nothing there in the map, as past the
 * bundle's end), "no_column". Of an Android one: "deobfuscated"; "partial" (the class
 * only: which of its methods is not clear); "missing" (no mapping, or nothing in it);
 * "malformed" (the mapping). All but the first keep what the source said; signatures of
 * Android's methods are put into words in any case. */
#ifndef PL_PROCESS_GIVEN_NAMES_H
#define PL_PROCESS_GIVEN_NAMES_H

#include "process/symbolicate.h"

/* `given` is sorted by module, and not needed afterwards. With `only_better`, only frames that were found, or that
 * have no name yet. Arguments and errors as pl_symbolicate. */
PL_MUST_CHECK enum pl_status
pl_given_names(struct pl_symbolizer *symbolizer, struct pl_places *places,
               int64_t project_id, const struct pl_given_frame_list *given,
               bool only_better, struct pl_symbolicated *result_out,
               struct pl_error *err);

#endif
