/* The files beside a store (-wal, -shm, -journal, -lock) by name. "There is none" is
 * what makes us remove a log or open a store again, so nothing else may look like it:
 * no want of memory, and no error but that one. Threads  any. */
#include "store/db.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

const char *pl_side_name(struct pl_side_name *name, const char *path,
                         const char *suffix)
{
    (void)snprintf(name->text, sizeof name->text, "%s%s", path, suffix);
    return name->text;
}

static bool says_none(int error)
{
    return error == ENOENT || error == ENOTDIR;
}

enum pl_status pl_side_look(const char *path, const char *suffix, struct stat *stat_out,
                            bool *there_out, struct pl_error *err)
{
    struct pl_side_name name;
    *there_out = stat(pl_side_name(&name, path, suffix), stat_out) == 0;
    if (*there_out || says_none(errno))
        return PL_OK;
    return pl_error_set(err, PL_IO, "cannot look at %s%s: %s", path, suffix,
                        strerror(errno));
}

bool pl_side_remove(const char *path, const char *suffix)
{
    struct pl_side_name name;
    return unlink(pl_side_name(&name, path, suffix)) == 0 || says_none(errno);
}
