/* Symbolicate: raw native frames in, named frames out. One step of the pass
 * (process/pass.h); knows frames and modules, but no chunk and no store. */
#ifndef PL_PROCESS_SYMBOLICATE_H
#define PL_PROCESS_SYMBOLICATE_H

#include "process/symbol_places.h"
#include "process/symbolizer.h"
#include "store/symbols.h"

struct pl_symbolicated {
    struct pl_named_frame *frames;
    size_t count;
    struct pl_module_state *modules; /* all that were asked for */
    size_t module_count;
    bool complete; /* every module was dealt with: nothing crashed or timed out */
    bool timed_out;
    /* Of the first module that failed, in Sentry's words; NULL if complete. */
    const char *error, *status;
    char message[512];
    void *owned;
    void (*release)(void *owned);
};

/* Name `raw` (sorted by module) from what the project's places have. Frames of a module
 * the worker crashed on are "malformed"; frames of one it took too long over, or that
 * found no worker, are left out, so that they stay without a status and are asked for
 * again. A frame of which only the function's extent is known is named module+0x<start>
 * and is "missing_symbol" all the same.
 * With `only_better`, frames that found nothing are left out too, and those that
 * found an extent and have a name: for a redo, which must not replace a name by
 * less because its file is gone or stripped by now.
 * Ownership  caller deinits; texts are `result_out`'s.  Errors  NOMEM. */
PL_MUST_CHECK enum pl_status
pl_symbolicate(struct pl_symbolizer *symbolizer, struct pl_places *places,
               int64_t project_id, const struct pl_raw_frame_list *raw,
               bool only_better, struct pl_symbolicated *result_out,
               struct pl_error *err);
void pl_symbolicated_deinit(struct pl_symbolicated *result);

/* Note what became of asking for a module (`modules` has room), and what kept it from
 * being answered. Returns the module's status; static. */
const char *pl_symbolicated_note(struct pl_symbolicated *result, int64_t module_id,
                                 const char *path, const struct pl_resolved *resolved);

const char *pl_symbolicate_libdw_version(void);

#endif
