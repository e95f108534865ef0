#include "process/lease.h"

#include "base/id.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

/* First bytes of a small file of /proc, or "". */
static void read_text(const char *path, char *text_out, size_t bytes)
{
    ssize_t got = -1;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        got = read(fd, text_out, bytes - 1);
        close(fd);
    }
    text_out[got > 0 ? got : 0] = '\0';
}

/* What pids mean here: the boot and the pid namespace. "" if unknown. */
static void read_world(char *text_out, size_t bytes)
{
    char boot[64], space[64];
    read_text("/proc/sys/kernel/random/boot_id", boot, sizeof boot);
    boot[strcspn(boot, "-\n")] = '\0';
    ssize_t len = readlink("/proc/self/ns/pid", space, sizeof space - 1);
    space[len > 0 ? len : 0] = '\0'; /* "pid:[4026531836]" */
    const char *number = space + strcspn(space, "0123456789");
    int digits = (int)strspn(number, "0123456789");
    text_out[0] = '\0';
    if (boot[0] && digits)
        (void)snprintf(text_out, bytes, "%s.%.*s", boot, digits, number);
}

/* Field 22 of /proc/PID/stat, 0 if there is no such process. */
static unsigned long long start_time(long pid)
{
    char path[64], text[1024];
    unsigned long long start = 0;
    (void)snprintf(path, sizeof path, "/proc/%ld/stat", pid);
    read_text(path, text, sizeof text);
    const char *at = strrchr(text, ')'); /* names may hold anything */
    for (int field = 2; at && field < 22; field++)
        at = strchr(at + 1, ' ');
    if (at && sscanf(at, " %llu", &start) != 1)
        start = 0;
    return start;
}

void pl_lease_owner(char owner_out[static PL_LEASE_OWNER_BYTES])
{
    char world[96], random[PL_ID_TEXT] = "";
    struct pl_id id;
    long pid = (long)getpid();
    read_world(world, sizeof world);
    if (pl_id_new(&id, NULL) == PL_OK)
        pl_id_format(&id, random);
    (void)snprintf(owner_out, PL_LEASE_OWNER_BYTES, "%s.%ld.%llu.%.8s", world, pid,
                   start_time(pid), random);
}

bool pl_lease_owner_is_dead(const char *owner)
{
    char world[96];
    long pid = 0;
    unsigned long long start = 0;
    read_world(world, sizeof world);
    size_t len = strlen(world);
    if (!len || strncmp(owner, world, len) != 0 ||
        sscanf(owner + len, ".%ld.%llu.", &pid, &start) != 2 || pid <= 0 || !start)
        return false;
    if (kill((pid_t)pid, 0) != 0)
        return errno == ESRCH;
    unsigned long long now = start_time(pid);
    return now != 0 && now != start;
}
