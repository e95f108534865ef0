/* Folders that only we may write to, in places where others may write, too. */
#ifndef PL_COLLECTOR_OWN_DIR_H
#define PL_COLLECTOR_OWN_DIR_H

#include <stdbool.h>
#include <stdint.h>

/* Open a folder that is ours and nobody else's; -1 with errno (EPERM: it is not). The
 * last part of the name may be no symbolic link. */
int pl_own_dir_open(int at, const char *name);

/* Remove the files in it that `ours` says yes to, and then the folder, if nothing is
 * left. False if it is still there. */
bool pl_own_dir_remove(int at, const char *name, bool (*ours)(const char *file));

/* When this process was started: field 22 of /proc/self/stat, 0 unknown. */
uint64_t pl_own_start(void);

bool pl_ends_with(const char *name, const char *end);

#endif
