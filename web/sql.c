#include "web/sql.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct worker {
    pid_t pid;
    int fd;
    int64_t deadline_ns;
};

static _Atomic int running;

/* ---- start and end ---- */

static int spawn(const char *program, const char *db_path, int fd, pid_t *pid_out)
{
    static char name[] = "proflite", argument[] = PL_SQL_ARGUMENT, all[] = "LC_ALL=C";
    char *argv[] = {name, argument, (char *)(uintptr_t)db_path, NULL};
    char *envp[] = {all, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, every;
    sigemptyset(&none);
    sigfillset(&every);
    int rc = posix_spawn_file_actions_init(&actions);
    if (rc != 0)
        return rc;
    rc = posix_spawnattr_init(&attributes);
    if (rc == 0) {
        (void)posix_spawnattr_setsigmask(&attributes, &none);
        (void)posix_spawnattr_setsigdefault(&attributes, &every);
        (void)posix_spawnattr_setpgroup(&attributes, 0); /* Ctrl-C is not for it */
        rc = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK |
                                                       POSIX_SPAWN_SETSIGDEF |
                                                       POSIX_SPAWN_SETPGROUP);
        if (rc == 0)
            rc = posix_spawn_file_actions_adddup2(&actions, fd, 0);
        if (rc == 0)
            rc = posix_spawn_file_actions_adddup2(&actions, fd, 1);
        if (rc == 0)
            rc = posix_spawn(pid_out, program ? program : "/proc/self/exe", &actions,
                             &attributes, argv, envp);
        posix_spawnattr_destroy(&attributes);
    }
    posix_spawn_file_actions_destroy(&actions);
    return rc;
}

static int start(struct worker *worker, const char *program, const char *db_path)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        return errno;
    int rc = spawn(program, db_path, ends[1], &worker->pid);
    close(ends[1]);
    if (rc != 0)
        close(ends[0]);
    worker->fd = rc ? -1 : ends[0];
    worker->deadline_ns = pl_clock_mono_ns() + PL_SQL_KILL_MS * PL_NS_PER_MS;
    return rc;
}

static void end(struct worker *worker)
{
    close(worker->fd);
    (void)kill(worker->pid, SIGKILL); /* has ended, or is late */
    while (waitpid(worker->pid, NULL, 0) < 0 && errno == EINTR)
        ;
}

/* ---- talk ---- */

/* False: time is up. */
static bool wait_for(const struct worker *worker, short events)
{
    for (;;) {
        int64_t left_ns = worker->deadline_ns - pl_clock_mono_ns();
        struct pollfd poller = {.fd = worker->fd, .events = events};
        if (left_ns <= 0)
            return false;
        int got = poll(&poller, 1, (int)(left_ns / PL_NS_PER_MS) + 1);
        if (got > 0)
            return true;
        if (got < 0 && errno != EINTR)
            return false;
    }
}

static bool tell(const struct worker *worker, const char *bytes, size_t len)
{
    while (len) {
        if (!wait_for(worker, POLLOUT))
            return false;
        ssize_t put = send(worker->fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (put < 0 && (errno == EAGAIN || errno == EINTR))
            continue;
        if (put <= 0)
            return false;
        bytes += put;
        len -= (size_t)put;
    }
    return shutdown(worker->fd, SHUT_WR) == 0;
}

/* All it says. False: time is up. */
static bool hear(const struct worker *worker, struct pl_buf *out)
{
    char piece[16384];
    for (;;) {
        if (!wait_for(worker, POLLIN))
            return false;
        ssize_t got = recv(worker->fd, piece, sizeof piece, MSG_DONTWAIT);
        if (got < 0 && (errno == EAGAIN || errno == EINTR))
            continue;
        if (got <= 0)
            return true;
        pl_buf_append(out, piece, (size_t)got);
    }
}

/* The letter becomes a status; the document stays. */
static int understand(struct pl_buf *out, bool in_time, struct pl_http_error *error)
{
    if (!in_time)
        return pl_http_error_set(error, 400, "too_long",
                                 "stopped: not done after %d ms", PL_SQL_TIME_MS);
    char kind = out->len && !out->failed ? out->data[0] : '\0';
    if (kind == 'A') {
        memmove(out->data, out->data + 1, --out->len);
        return 0;
    }
    if (kind == 'B')
        return pl_http_error_set(error, 400, "bad_sql", "%.*s", (int)(out->len - 1),
                                 out->data + 1);
    if (kind == 'S')
        return pl_http_error_set(error, 500, "store_io", "%.*s", (int)(out->len - 1),
                                 out->data + 1);
    return pl_http_error_set(error, 400, "too_much",
                             "stopped: it needed more than %zu MiB of memory or %d s",
                             PL_SQL_MEMORY >> 20, PL_SQL_TIME_MS / 1000);
}

static int run(const char *program, const char *db_path, const char *body,
               size_t body_len, struct pl_buf *out, struct pl_http_error *error)
{
    struct worker worker;
    int rc = start(&worker, program, db_path);
    if (rc != 0)
        return pl_http_error_set(error, 503, "busy", "cannot start a process: %s",
                                 strerror(rc));
    bool in_time = tell(&worker, body, body_len) && hear(&worker, out);
    end(&worker);
    return understand(out, in_time, error);
}

int pl_sql_run(const char *program, const char *db_path, const char *body,
               size_t body_len, struct pl_buf *out, struct pl_http_error *error)
{
    int status;
    if (atomic_fetch_add(&running, 1) >= PL_SQL_AT_ONCE)
        status = pl_http_error_set(
            error, 503, "busy", "%d statements run already; try again", PL_SQL_AT_ONCE);
    else
        status = run(program, db_path, body, body_len, out, error);
    atomic_fetch_sub(&running, 1);
    return status;
}
