/* See lock.h. */
#include "store/lock.h"

#include "store/db.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* As SQLite does for its own side files: a store that root wrote to stays usable
 * for its owner. */
static void match_owner(const char *path, int fd)
{
    struct stat file;
    if (geteuid() == 0 && stat(path, &file) == 0)
        (void)!fchown(fd, file.st_uid, file.st_gid);
    (void)fchmod(fd, 0600);
}

enum pl_status pl_lock_open(const char *path, int *fd_out, struct pl_error *err)
{
    const int flags = O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
    struct pl_side_name own;
    const char *name = pl_side_name(&own, path, "-lock");
    int fd = open(name, flags);
    if (fd < 0 && errno == ENOENT) {
        fd = open(name, flags | O_CREAT, 0600);
        if (fd >= 0)
            match_owner(path, fd);
    }
    *fd_out = fd;
    if (fd >= 0)
        return PL_OK;
    return pl_error_set(err, PL_IO,
                        "cannot write %s: its lock file %s-lock: %s; make folder and "
                        "files writable for this user",
                        path, path, strerror(errno));
}

/* flock has no timeout of its own; sleeps grow from 50 us to 2 ms. */
bool pl_lock_take(int fd, int patience_ms)
{
    int64_t give_up = pl_clock_mono_ns() + patience_ms * PL_NS_PER_MS;
    long pause_ns = 50000;
    while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return false;
        if (pl_clock_mono_ns() >= give_up)
            return false;
        (void)nanosleep(&(struct timespec){0, pause_ns}, NULL);
        if (pause_ns < 2000000)
            pause_ns *= 2;
    }
    return true;
}

void pl_lock_release(int fd)
{
    (void)flock(fd, LOCK_UN);
}

bool pl_lock_is_current(const char *path, int fd)
{
    struct stat ours, named;
    struct pl_side_name name;
    return fstat(fd, &ours) == 0 &&
           stat(pl_side_name(&name, path, "-lock"), &named) == 0 &&
           ours.st_ino == named.st_ino && ours.st_dev == named.st_dev;
}
