#include "process/worker_confine.h"

#include <stdbool.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

void pl_worker_limit(int what, uint64_t value)
{
    struct rlimit now;
    if (getrlimit((__rlimit_resource_t)what, &now) != 0)
        return;
    now.rlim_cur = value < now.rlim_max ? value : now.rlim_max;
    (void)setrlimit((__rlimit_resource_t)what, &now);
}

/* Whatever the parent had open is none of our business. */
static void close_others(int fd_in, int fd_out)
{
    long most = sysconf(_SC_OPEN_MAX);
    int low = fd_in < fd_out ? fd_in : fd_out, high = fd_in < fd_out ? fd_out : fd_in;
#ifdef SYS_close_range
    bool done = true;
    if (low > 3)
        done = syscall(SYS_close_range, 3, low - 1, 0) == 0;
    if (high > low + 1 && high > 3)
        done &= syscall(SYS_close_range, low < 3 ? 3 : low + 1, high - 1, 0) == 0;
    done &= syscall(SYS_close_range, high < 3 ? 3 : high + 1, ~0U, 0) == 0;
    if (done)
        return;
#endif
    for (int fd = 3; fd < (most > 0 && most < 65536 ? (int)most : 65536); fd++)
        if (fd != fd_in && fd != fd_out)
            close(fd);
}

void pl_worker_confine(int fd_in, int fd_out)
{
    close_others(fd_in, fd_out);
    pl_worker_limit(RLIMIT_CORE, 0);
    pl_worker_limit(RLIMIT_FSIZE, 0);
    pl_worker_limit(RLIMIT_STACK, 8 << 20);
    (void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    (void)prctl(PR_SET_NAME, "proflite symbol");
    (void)unsetenv("DEBUGINFOD_URLS"); /* the network is asked only when told to */
}
