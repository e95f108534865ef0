/* Normalize: what is the user's own code, and paths as people write them. Looks
 * at names only; no file system, no store. */
#ifndef PL_PROCESS_NORMALIZE_H
#define PL_PROCESS_NORMALIZE_H

#include "base/error.h"
#include "store/symbols.h"

struct pl_normalize_options {
    const char *in_app_include; /* prefixes of function, module or file, with commas
                                   between; NULL: none */
    const char *in_app_exclude;
    const char *project_root; /* NULL: unknown */
};

/* 1 the user's own, 0 not, -1 cannot say. First of these that applies:
 *   preset       what the frame says itself (1 or 0)
 *   include      a prefix of its function, of its module's path or base name, or
 *                of its file
 *   exclude      likewise
 *   packages     a site-packages or dist-packages folder in its path: 0
 *   project      file or module under the project root: 1
 *   native       in a system library, a system header or the profiler itself: 0;
 *                in any other module: 1
 *   python, node the language's own library and the SDK: 0; any other file: 1
 *   java         packages of Java, Kotlin, Android and the SDK: 0; any other: 1
 *   otherwise    -1 */
int8_t pl_normalize_in_app(const struct pl_normalize_options *options,
                           const struct pl_normal_frame *frame);

/* The file below the project root when it is under it, clean in any case.
 * Ownership  caller frees. NULL when out of memory. */
char *pl_normalize_file(const struct pl_normalize_options *options, const char *file);

struct pl_normalized {
    struct pl_normal_frame *rows; /* one for each frame, with file and in_app set */
    size_t count;
    char **files;
};

/* Ownership  caller deinits; rows borrow from `frames` too.  Errors  NOMEM. */
PL_MUST_CHECK enum pl_status pl_normalize(const struct pl_normalize_options *options,
                                          const struct pl_normal_frame_list *frames,
                                          struct pl_normalized *result_out,
                                          struct pl_error *err);
void pl_normalized_deinit(struct pl_normalized *result);

#endif
