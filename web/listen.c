#include "web/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static bool read_port(const char *text, uint16_t *port_out)
{
    size_t len = strlen(text);
    if (!len || len > 5 || text[strspn(text, "0123456789")])
        return false;
    long port = strtol(text, NULL, 10);
    *port_out = (uint16_t)port;
    return port <= UINT16_MAX;
}

static bool is_ipv6(const char *text)
{
    struct in6_addr address;
    return text[0] == '[' || inet_pton(AF_INET6, text, &address) == 1;
}

enum pl_status pl_listen_parse(const char *text, struct pl_listen *listen_out,
                               struct pl_error *err)
{
    struct pl_listen listen = {.port = PL_DEFAULT_PORT};
    struct in_addr address;
    const char *colon = strchr(text, ':');
    if (is_ipv6(text))
        return pl_error_set(err, PL_UNSUPPORTED,
                            "cannot listen on %.60s: the web server library of this "
                            "system has no IPv6; use 127.0.0.1",
                            text);
    bool port_only = !colon && *text && !text[strspn(text, "0123456789")];
    const char *port = colon ? colon + 1 : port_only ? text : NULL;
    size_t len = colon ? (size_t)(colon - text) : port_only ? 0 : strlen(text);
    (void)snprintf(listen.host, sizeof listen.host, "%.*s", (int)len, text);
    if (!len || strcmp(listen.host, "localhost") == 0)
        (void)snprintf(listen.host, sizeof listen.host, "127.0.0.1");
    if (!*text || len >= sizeof listen.host ||
        (port && !read_port(port, &listen.port)) ||
        inet_pton(AF_INET, listen.host, &address) != 1)
        return pl_error_set(err, PL_USAGE,
                            "cannot listen on '%.60s': use ADDRESS:PORT, for example "
                            "127.0.0.1:%d, or 127.0.0.1:0 for any free port",
                            text, PL_DEFAULT_PORT);
    listen.loopback = ntohl(address.s_addr) >> 24 == 127;
    listen.any = address.s_addr == htonl(INADDR_ANY);
    *listen_out = listen;
    return PL_OK;
}

static enum pl_status explain(const struct pl_listen *listen, int reason,
                              struct pl_error *err)
{
    const char *advice = "choose another address with --listen";
    if (reason == EADDRINUSE)
        advice = "another program listens there; stop it, or choose a free port with "
                 "--listen 127.0.0.1:0";
    else if (reason == EACCES)
        advice = "ports below 1024 need root; choose a higher one with --listen";
    else if (reason == EADDRNOTAVAIL)
        advice = "this machine has no such address; use 127.0.0.1";
    return pl_error_set(err, PL_IO, "cannot listen on %s:%u: %s: %s", listen->host,
                        listen->port, strerror(reason), advice);
}

enum pl_status pl_listen_reserve(struct pl_listen *where, int *fd_out,
                                 struct pl_error *err)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(where->port)};
    socklen_t len = sizeof address;
    int on = 1;
    (void)inet_pton(AF_INET, where->host, &address.sin_addr);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return explain(where, errno, err);
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        bind(fd, (struct sockaddr *)&address, sizeof address) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) != 0) {
        int reason = errno;
        close(fd);
        return explain(where, reason, err);
    }
    where->port = ntohs(address.sin_port);
    *fd_out = fd;
    return PL_OK;
}
