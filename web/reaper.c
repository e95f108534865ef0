/* A descriptor may be closed and reused between our look at it and the shutdown:
 * the socket's cookie, compared right before, narrows that to nothing in practice,
 * and what could be hit is one young connection to ourselves. */
#include "web/reaper.h"

#include "base/clock.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define DESCRIPTORS  2048              /* looked at; the server's own are low numbers */
#define PATIENCE_NS  (8 * PL_NS_PER_S) /* for a whole request */
#define INTERVAL_NS  PL_NS_PER_S
#define END_EVERY_NS (10 * PL_NS_PER_MS)

struct seen {
    uint64_t cookie; /* of the socket, unique while the machine is up */
    int64_t since_ns;
};

struct pl_reaper {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool ending, stopping; /* under lock */
    int port;
    struct seen seen[DESCRIPTORS];
    atomic_ushort handling[UINT16_MAX + 1]; /* by peer's port: requests in hand */
};

/* Is `fd` an accepted connection of the server? Whose? */
static bool look(const struct pl_reaper *reaper, int fd, uint64_t *cookie_out,
                 uint16_t *peer_port_out)
{
    struct sockaddr_in name = {0};
    socklen_t len = sizeof name, cookie_len = sizeof *cookie_out;
    if (getsockname(fd, (struct sockaddr *)&name, &len) != 0 ||
        name.sin_family != AF_INET || ntohs(name.sin_port) != reaper->port)
        return false;
    len = sizeof name;
    if (getpeername(fd, (struct sockaddr *)&name, &len) != 0) /* it listens */
        return false;
    *peer_port_out = ntohs(name.sin_port);
    return getsockopt(fd, SOL_SOCKET, SO_COOKIE, cookie_out, &cookie_len) == 0;
}

static void end(const struct pl_reaper *reaper, int fd, uint64_t cookie)
{
    uint64_t now = 0;
    uint16_t peer;
    if (look(reaper, fd, &now, &peer) && now == cookie)
        (void)shutdown(fd, SHUT_RDWR);
}

static void reap(struct pl_reaper *reaper, bool all)
{
    int64_t now_ns = pl_clock_mono_ns();
    for (int fd = 0; fd < DESCRIPTORS; fd++) {
        struct seen *seen = &reaper->seen[fd];
        uint64_t cookie = 0;
        uint16_t peer = 0;
        if (!look(reaper, fd, &cookie, &peer)) {
            seen->cookie = 0;
            continue;
        }
        if (seen->cookie != cookie)
            *seen = (struct seen){cookie, now_ns};
        if (all || (now_ns - seen->since_ns > PATIENCE_NS &&
                    atomic_load(&reaper->handling[peer]) == 0))
            end(reaper, fd, cookie);
    }
}

/* The thread that accepts sleeps up to 2 s between looks at its stop flag; a
 * connection wakes it. */
static void knock(const struct pl_reaper *reaper)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)reaper->port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0)
        return;
    (void)connect(fd, (struct sockaddr *)&address, sizeof address);
    close(fd);
}

static void *watch(void *arg)
{
    struct pl_reaper *reaper = arg;
    pthread_mutex_lock(&reaper->lock);
    while (!reaper->stopping) {
        bool all = reaper->ending;
        pthread_mutex_unlock(&reaper->lock);
        if (all)
            knock(reaper);
        reap(reaper, all);
        int64_t until = pl_clock_mono_ns() + (all ? END_EVERY_NS : INTERVAL_NS);
        struct timespec at = {.tv_sec = (time_t)(until / PL_NS_PER_S),
                              .tv_nsec = (long)(until % PL_NS_PER_S)};
        pthread_mutex_lock(&reaper->lock);
        if (!reaper->stopping && reaper->ending == all)
            (void)pthread_cond_timedwait(&reaper->wake, &reaper->lock, &at);
    }
    pthread_mutex_unlock(&reaper->lock);
    return NULL;
}

enum pl_status pl_reaper_start(int port, struct pl_reaper **reaper_out,
                               struct pl_error *err)
{
    pthread_condattr_t clock;
    struct pl_reaper *reaper = calloc(1, sizeof *reaper);
    if (!reaper)
        return pl_error_set(err, PL_NOMEM, "out of memory starting the server");
    reaper->port = port;
    pthread_mutex_init(&reaper->lock, NULL);
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&reaper->wake, &clock);
    pthread_condattr_destroy(&clock);
    int failure = pthread_create(&reaper->thread, NULL, watch, reaper);
    if (failure) {
        pthread_cond_destroy(&reaper->wake);
        pthread_mutex_destroy(&reaper->lock);
        free(reaper);
        return pl_error_set(err, PL_IO, "cannot start threads: %s", strerror(failure));
    }
    *reaper_out = reaper;
    return PL_OK;
}

void pl_reaper_handling(struct pl_reaper *reaper, int peer_port, bool on)
{
    atomic_ushort *count = &reaper->handling[(uint16_t)peer_port];
    if (on)
        atomic_fetch_add(count, 1);
    else
        atomic_fetch_sub(count, 1);
}

static void tell(struct pl_reaper *reaper, bool *flag)
{
    pthread_mutex_lock(&reaper->lock);
    *flag = true;
    pthread_cond_signal(&reaper->wake);
    pthread_mutex_unlock(&reaper->lock);
}

void pl_reaper_end_all(struct pl_reaper *reaper)
{
    tell(reaper, &reaper->ending);
}

void pl_reaper_stop(struct pl_reaper *reaper)
{
    if (!reaper)
        return;
    tell(reaper, &reaper->stopping);
    pthread_join(reaper->thread, NULL);
    pthread_cond_destroy(&reaper->wake);
    pthread_mutex_destroy(&reaper->lock);
    free(reaper);
}
