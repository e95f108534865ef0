#include "process/worker_process.h"

#include "base/clock.h"
#include "process/worker.h"
#include "process/worker_wire.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

bool pl_worker_process_runs(const struct pl_worker_process *process)
{
    return process->pid > 0;
}

/* Its words are answers; what a library prints there is nobody's. A sanitizer's
 * report is ours to see. */
static int null_stderr(posix_spawn_file_actions_t *actions)
{
#ifdef __SANITIZE_ADDRESS__
    (void)actions;
    return 0;
#else
    return posix_spawn_file_actions_addopen(actions, 2, "/dev/null", O_WRONLY, 0);
#endif
}

/* A process group of its own: Ctrl-C at a terminal is not for the worker. */
static int set_attributes(posix_spawnattr_t *attributes)
{
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    int rc = posix_spawnattr_setsigmask(attributes, &none);
    if (rc == 0)
        rc = posix_spawnattr_setsigdefault(attributes, &all);
    if (rc == 0)
        rc = posix_spawnattr_setpgroup(attributes, 0);
    if (rc == 0)
        rc = posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGMASK |
                                                      POSIX_SPAWN_SETSIGDEF |
                                                      POSIX_SPAWN_SETPGROUP);
    return rc;
}

static int spawn_self(int fd, pid_t *pid_out)
{
    static char name[] = "proflite", argument[] = PL_WORKER_ARGUMENT;
    static char locale[] = "LC_ALL=C";
    char *argv[] = {name, argument, NULL};
    char *envp[] = {locale, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int rc = posix_spawn_file_actions_init(&actions);
    if (rc != 0)
        return rc;
    rc = posix_spawnattr_init(&attributes);
    if (rc == 0) {
        rc = set_attributes(&attributes);
        if (rc == 0)
            rc = posix_spawn_file_actions_adddup2(&actions, fd, 0);
        if (rc == 0)
            rc = posix_spawn_file_actions_adddup2(&actions, fd, 1);
        if (rc == 0)
            rc = null_stderr(&actions);
        if (rc == 0)
            rc = posix_spawn(pid_out, "/proc/self/exe", &actions, &attributes, argv,
                             envp);
        posix_spawnattr_destroy(&attributes);
    }
    posix_spawn_file_actions_destroy(&actions);
    return rc;
}

static int fork_self(int fd, pid_t *pid_out)
{
    pid_t pid = fork();
    if (pid == 0)
        _exit(pl_symbols_worker_main(fd, fd));
    *pid_out = pid;
    return pid < 0 ? errno : 0;
}

/* Descriptors 0 to 2 may be closed in this process, and a socket that got such a
 * number would be lost in the child's own dup2. */
static int above_stdio(int fd)
{
    if (fd > 2)
        return fd;
    int moved = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    close(fd);
    return moved;
}

bool pl_worker_process_start(struct pl_worker_process *process, bool by_fork, char *why,
                             size_t why_bytes)
{
    int ends[2];
    pid_t pid = 0;
    int rc = 0;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
        (void)snprintf(why, why_bytes, "no socket for the symbol worker: %s",
                       strerror(errno));
        return false;
    }
    ends[0] = above_stdio(ends[0]);
    ends[1] = above_stdio(ends[1]);
    if (ends[0] < 0 || ends[1] < 0)
        rc = EMFILE;
    else
        rc = by_fork ? fork_self(ends[1], &pid) : spawn_self(ends[1], &pid);
    if (ends[1] >= 0)
        close(ends[1]);
    if (rc != 0) {
        if (ends[0] >= 0)
            close(ends[0]);
        (void)snprintf(why, why_bytes, "cannot start the symbol worker: %s",
                       strerror(rc));
        return false;
    }
    *process = (struct pl_worker_process){pid, ends[0]};
    return true;
}

/* Wait for `events`; the remaining time is rounded up, never to zero too early. */
static enum pl_worker_io wait_for(int fd, short events, int64_t deadline_ns)
{
    for (;;) {
        int64_t left_ns = deadline_ns - pl_clock_mono_ns();
        if (left_ns <= 0)
            return PL_WORKER_IO_LATE;
        struct pollfd poller = {.fd = fd, .events = events};
        int64_t left_ms = left_ns / PL_NS_PER_MS + 1;
        int got = poll(&poller, 1, left_ms > 60000 ? 60000 : (int)left_ms);
        if (got > 0)
            return PL_WORKER_IO_OK;
        if (got < 0 && errno != EINTR)
            return PL_WORKER_IO_CLOSED;
    }
}

enum pl_worker_io pl_worker_process_write(struct pl_worker_process *process,
                                          const void *bytes, size_t len,
                                          int64_t deadline_ns)
{
    const char *at = bytes;
    while (len) {
        enum pl_worker_io io = wait_for(process->fd, POLLOUT, deadline_ns);
        if (io != PL_WORKER_IO_OK)
            return io;
        ssize_t put = send(process->fd, at, len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (put < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (put <= 0)
            return PL_WORKER_IO_CLOSED;
        at += put;
        len -= (size_t)put;
    }
    return PL_WORKER_IO_OK;
}

enum pl_worker_io pl_worker_process_send(struct pl_worker_process *process,
                                         const void *bytes, size_t len, const int *fds,
                                         size_t count, int64_t deadline_ns)
{
    union {
        char bytes[CMSG_SPACE(PL_WIRE_MAX_FILES * sizeof(int))];
        struct cmsghdr aligned;
    } control;
    struct iovec part = {(void *)(uintptr_t)bytes, len};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    ssize_t put;
    if (!count || count > PL_WIRE_MAX_FILES)
        return pl_worker_process_write(process, bytes, len, deadline_ns);
    memset(&control, 0, sizeof control);
    message.msg_control = &control;
    message.msg_controllen = CMSG_SPACE(count * sizeof(int));
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(count * sizeof(int));
    memcpy(CMSG_DATA(header), fds, count * sizeof(int));
    do {
        enum pl_worker_io io = wait_for(process->fd, POLLOUT, deadline_ns);
        if (io != PL_WORKER_IO_OK)
            return io;
        put = sendmsg(process->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (put < 0 && (errno == EINTR || errno == EAGAIN));
    if (put <= 0)
        return PL_WORKER_IO_CLOSED;
    return pl_worker_process_write(process, (const char *)bytes + put,
                                   len - (size_t)put, deadline_ns);
}

enum pl_worker_io pl_worker_process_read(struct pl_worker_process *process, void *bytes,
                                         size_t len, int64_t deadline_ns)
{
    char *at = bytes;
    while (len) {
        enum pl_worker_io io = wait_for(process->fd, POLLIN, deadline_ns);
        if (io != PL_WORKER_IO_OK)
            return io;
        ssize_t got = recv(process->fd, at, len, MSG_DONTWAIT);
        if (got < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (got <= 0)
            return PL_WORKER_IO_CLOSED;
        at += got;
        len -= (size_t)got;
    }
    return PL_WORKER_IO_OK;
}

static bool collect(pid_t pid, int *status_out, int flags)
{
    pid_t got;
    do
        got = waitpid(pid, status_out, flags);
    while (got < 0 && errno == EINTR);
    return got == pid || got < 0;
}

static void describe(int status, char *why, size_t why_bytes)
{
    if (!why)
        return;
    if (WIFSIGNALED(status))
        (void)snprintf(why, why_bytes, "symbol worker died of signal %d (%s)",
                       WTERMSIG(status), strsignal(WTERMSIG(status)));
    else
        (void)snprintf(why, why_bytes, "symbol worker gave up (exit %d)",
                       WIFEXITED(status) ? WEXITSTATUS(status) : -1);
}

bool pl_worker_process_end(struct pl_worker_process *process, char *why,
                           size_t why_bytes)
{
    int status = 0;
    if (why && why_bytes)
        why[0] = '\0';
    if (process->pid <= 0)
        return false;
    close(process->fd);
    pid_t pid = process->pid;
    *process = PL_WORKER_PROCESS_NONE;
    /* One that crashed is gone in a moment; its own end says more than our kill. */
    bool gone = false;
    for (int tries = 0; tries < 40 && !gone; tries++) {
        gone = collect(pid, &status, WNOHANG);
        if (!gone)
            (void)poll(NULL, 0, tries < 10 ? 1 : 5);
    }
    if (!gone) {
        kill(pid, SIGKILL);
        (void)collect(pid, &status, 0);
    }
    describe(status, why, why_bytes);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGXCPU;
}
