/* A blunt HTTP client for tests: bytes out, bytes in, until the server closes. */
#ifndef PL_TESTS_WEB_CLIENT_H
#define PL_TESTS_WEB_CLIENT_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

struct answer {
    int status; /* 0: no answer */
    char *text; /* head and body */
    size_t len;
    const char *body;
    size_t body_len;
};

static int connect_to(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port)};
    struct timeval patience = {.tv_sec = 20};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static struct answer receive(int fd)
{
    struct answer answer = {0};
    size_t room = 1 << 16;
    answer.text = malloc(room + 1);
    for (;;) {
        if (answer.len == room)
            answer.text = realloc(answer.text, (room *= 2) + 1);
        ssize_t got = recv(fd, answer.text + answer.len, room - answer.len, 0);
        if (got <= 0)
            break;
        answer.len += (size_t)got;
    }
    answer.text[answer.len] = '\0';
    if (strncmp(answer.text, "HTTP/1.1 ", 9) == 0)
        answer.status = atoi(answer.text + 9);
    const char *end = strstr(answer.text, "\r\n\r\n");
    answer.body = end ? end + 4 : answer.text + answer.len;
    answer.body_len = (size_t)(answer.text + answer.len - answer.body);
    return answer;
}

static struct answer exchange_bytes(int port, const char *bytes, size_t len)
{
    int fd = connect_to(port);
    if (fd < 0)
        return (struct answer){.text = strdup(""), .body = ""};
    (void)send(fd, bytes, len, MSG_NOSIGNAL);
    struct answer answer = receive(fd);
    close(fd);
    return answer;
}

/* Send the formatted bytes as they are. Caller frees answer.text. */
__attribute__((format(printf, 2, 3))) static struct answer
exchange(int port, const char *format, ...)
{
    char *bytes = NULL;
    va_list args;
    va_start(args, format);
    int len = vasprintf(&bytes, format, args);
    va_end(args);
    struct answer answer = exchange_bytes(port, bytes, (size_t)len);
    free(bytes);
    return answer;
}

/* Value of a header in the answer's head, copied; "" if it is not there. */
static const char *header_of(const struct answer *answer, const char *name)
{
    static char value[1024];
    size_t len = strlen(name);
    value[0] = '\0';
    for (const char *line = strstr(answer->text, "\r\n"); line && line < answer->body;
         line = strstr(line + 2, "\r\n")) {
        if (strncasecmp(line + 2, name, len) != 0 || line[2 + len] != ':')
            continue;
        const char *from = line + 2 + len + 1 + (line[3 + len] == ' ');
        (void)snprintf(value, sizeof value, "%.*s", (int)strcspn(from, "\r"), from);
        break;
    }
    return value;
}

#endif
