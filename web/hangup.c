#include "web/hangup.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define DESCRIPTORS 2048 /* looked at; the server's own are low numbers */
#define PAUSE_US    10000

struct pl_hangup {
    pthread_t thread;
    int port;
    atomic_bool done;
};

/* Is `fd` a connection the server accepted? The listening socket has no peer. */
static bool is_connection(const struct pl_hangup *hangup, int fd)
{
    struct sockaddr_in name = {0};
    socklen_t len = sizeof name;
    if (getsockname(fd, (struct sockaddr *)&name, &len) != 0 ||
        name.sin_family != AF_INET || ntohs(name.sin_port) != hangup->port)
        return false;
    len = sizeof name;
    return getpeername(fd, (struct sockaddr *)&name, &len) == 0;
}

/* The thread that accepts wakes up for a connection. */
static void knock(const struct pl_hangup *hangup)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)hangup->port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0)
        return;
    (void)connect(fd, (struct sockaddr *)&address, sizeof address);
    close(fd);
}

static void *hang_up(void *arg)
{
    struct pl_hangup *hangup = arg;
    while (!atomic_load(&hangup->done)) {
        knock(hangup);
        for (int fd = 0; fd < DESCRIPTORS; fd++)
            if (is_connection(hangup, fd))
                (void)shutdown(fd, SHUT_RDWR);
        (void)usleep(PAUSE_US);
    }
    return NULL;
}

enum pl_status pl_hangup_begin(int port, struct pl_hangup **hangup_out,
                               struct pl_error *err)
{
    struct pl_hangup *hangup = calloc(1, sizeof *hangup);
    if (!hangup)
        return pl_error_set(err, PL_NOMEM, "out of memory stopping the server");
    hangup->port = port;
    int failure = pthread_create(&hangup->thread, NULL, hang_up, hangup);
    if (failure) {
        free(hangup);
        return pl_error_set(err, PL_IO, "cannot start a thread: %s", strerror(failure));
    }
    *hangup_out = hangup;
    return PL_OK;
}

void pl_hangup_end(struct pl_hangup *hangup)
{
    if (!hangup)
        return;
    atomic_store(&hangup->done, true);
    pthread_join(hangup->thread, NULL);
    free(hangup);
}
