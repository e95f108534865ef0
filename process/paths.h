/* File paths as text: nothing here looks at a file system. */
#ifndef PL_PROCESS_PATHS_H
#define PL_PROCESS_PATHS_H

#include <stdbool.h>

/* `file` joined to `folder` when relative, without "//", "." and "x/..".
 * Ownership  caller frees. NULL when out of memory. */
char *pl_path_join(const char *folder, const char *file);

/* Is `path` the folder `prefix` or inside it? Whole components only. */
bool pl_path_under(const char *path, const char *prefix);

#endif
