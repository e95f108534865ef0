#include "collector/process_state.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static ssize_t read_stat(uint32_t pid, char *text, size_t size)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%" PRIu32 "/stat", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    ssize_t got = read(fd, text, size - 1);
    close(fd);
    text[got > 0 ? got : 0] = '\0';
    return got;
}

/* The number in field `field` (counted from 1 as in proc(5)) of what follows the
 * name; `rest` begins with field 3. */
static uint64_t field_of(const char *rest, int field)
{
    for (int i = 3; i < field; i++) {
        rest = strchr(rest, ' ');
        if (!rest)
            return 0;
        rest++;
    }
    return strtoull(rest, NULL, 10);
}

bool pl_process_gone(uint32_t pid, uint64_t start)
{
    char text[1024];
    ssize_t got = read_stat(pid, text, sizeof text);
    if (got <= 0)
        return got == 0 || errno == ENOENT || errno == ESRCH;
    const char *rest = strrchr(text, ')'); /* the name may hold anything */
    if (!rest || rest[1] != ' ' || !rest[2])
        return false;
    rest += 2;
    if (start && field_of(rest, 22) != start)
        return true;
    /* The first thread may be dead while others run. */
    return (*rest == 'Z' || *rest == 'X') && field_of(rest, 20) <= 1;
}

/* linux/pidfd.h of Linux 6.15; older headers lack it. */
struct pidfd_info_v0 {
    uint64_t mask, cgroup_id;
    uint32_t ids[11];
    int32_t exit_code;
};
#define PIDFD_GET_INFO_V0  _IOWR(0xff, 11, struct pidfd_info_v0)
#define PIDFD_INFO_EXIT_V0 (UINT64_C(1) << 3)

#define MOST_FDS 512

int pl_process_open(uint32_t pid, uint64_t start)
{
    int fd = (int)syscall(SYS_pidfd_open, (pid_t)pid, 0);
    /* It may be another's; and what is worth more needs descriptors, too. */
    if (fd >= MOST_FDS || (fd >= 0 && pl_process_gone(pid, start))) {
        close(fd);
        fd = -1;
    }
    return fd;
}

bool pl_process_wait_status(int fd, int *status_out)
{
    struct pidfd_info_v0 info = {.mask = PIDFD_INFO_EXIT_V0};
    if (fd < 0 || ioctl(fd, PIDFD_GET_INFO_V0, &info) != 0 ||
        !(info.mask & PIDFD_INFO_EXIT_V0))
        return false;
    *status_out = info.exit_code;
    return true;
}

bool pl_process_maps(uint32_t pid, const char *file_name)
{
    char path[64];
    char line[PATH_MAX + 128]; /* a longer one comes in pieces */
    bool found = false, any = false;
    snprintf(path, sizeof path, "/proc/%" PRIu32 "/maps", pid);
    FILE *maps = fopen(path, "re");
    if (!maps)
        return true;
    while (!found && fgets(line, sizeof line, maps)) {
        any = true;
        found = strstr(line, file_name);
    }
    fclose(maps);
    return found || !any;
}
