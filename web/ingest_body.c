#include "web/ingest_body.h"

#include "base/clock.h"
#include "web/limits.h"

#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>

#define READERS_MOST 128 /* half of the server's workers */
#define DESCRIPTORS  2048
#define PATIENCE_NS  (10 * PL_NS_PER_S)
#define BYTES_PER_S  (256 << 10) /* beyond that patience */
#define LOOK_NS      (PL_NS_PER_S / 4)
#define PIECE_BYTES  8192 /* on a small stack */

struct reader {
    bool used, late;
    int remote_port;
    int64_t start_ns;
    size_t received;
};

struct pl_readers {
    pthread_t thread;
    pthread_mutex_t lock; /* over all below */
    pthread_cond_t wake;
    bool stopping;
    int port;
    int count;
    struct reader readers[READERS_MOST];
};

/* ---- those who are late ---- */

static int port_of(const struct sockaddr_storage *address)
{
    if (address->ss_family == AF_INET)
        return ntohs(((const struct sockaddr_in *)(const void *)address)->sin_port);
    if (address->ss_family == AF_INET6)
        return ntohs(((const struct sockaddr_in6 *)(const void *)address)->sin6_port);
    return -1;
}

static bool is_connection(int fd, int port, int remote_port)
{
    struct sockaddr_storage address;
    socklen_t len = sizeof address;
    if (getsockname(fd, (struct sockaddr *)&address, &len) != 0 ||
        port_of(&address) != port)
        return false;
    len = sizeof address;
    return getpeername(fd, (struct sockaddr *)&address, &len) == 0 &&
           port_of(&address) == remote_port;
}

static void stop_receiving(int port, int remote_port)
{
    for (int fd = 0; fd < DESCRIPTORS; fd++)
        if (is_connection(fd, port, remote_port))
            (void)shutdown(fd, SHUT_RD);
}

static bool is_late(const struct reader *reader, int64_t now_ns)
{
    int64_t allowed_ns =
        PATIENCE_NS + (int64_t)(reader->received / BYTES_PER_S) * PL_NS_PER_S;
    return now_ns - reader->start_ns > allowed_ns;
}

static void look(struct pl_readers *readers)
{
    int64_t now_ns = pl_clock_mono_ns();
    for (int i = 0; i < READERS_MOST && readers->count; i++) {
        struct reader *reader = &readers->readers[i];
        if (!reader->used || !is_late(reader, now_ns))
            continue;
        reader->late = true;
        stop_receiving(readers->port, reader->remote_port);
    }
}

static void *watch(void *arg)
{
    struct pl_readers *readers = arg;
    pthread_mutex_lock(&readers->lock);
    while (!readers->stopping) {
        int64_t until = pl_clock_mono_ns() + LOOK_NS;
        struct timespec at = {.tv_sec = (time_t)(until / PL_NS_PER_S),
                              .tv_nsec = (long)(until % PL_NS_PER_S)};
        if (readers->count)
            (void)pthread_cond_timedwait(&readers->wake, &readers->lock, &at);
        else
            (void)pthread_cond_wait(&readers->wake, &readers->lock);
        look(readers);
    }
    pthread_mutex_unlock(&readers->lock);
    return NULL;
}

enum pl_status pl_readers_start(int port, struct pl_readers **readers_out,
                                struct pl_error *err)
{
    pthread_condattr_t clock;
    struct pl_readers *readers = calloc(1, sizeof *readers);
    if (!readers)
        return pl_error_set(err, PL_NOMEM, "out of memory starting the server");
    readers->port = port;
    pthread_mutex_init(&readers->lock, NULL);
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&readers->wake, &clock);
    pthread_condattr_destroy(&clock);
    int failure = pthread_create(&readers->thread, NULL, watch, readers);
    if (failure) {
        pthread_cond_destroy(&readers->wake);
        pthread_mutex_destroy(&readers->lock);
        free(readers);
        return pl_error_set(err, PL_IO, "cannot start a thread: %s", strerror(failure));
    }
    *readers_out = readers;
    return PL_OK;
}

void pl_readers_stop(struct pl_readers *readers)
{
    if (!readers)
        return;
    pthread_mutex_lock(&readers->lock);
    readers->stopping = true;
    pthread_cond_signal(&readers->wake);
    pthread_mutex_unlock(&readers->lock);
    pthread_join(readers->thread, NULL);
    pthread_cond_destroy(&readers->wake);
    pthread_mutex_destroy(&readers->lock);
    free(readers);
}

/* ---- reading ---- */

static struct reader *enter(struct pl_readers *readers, int remote_port)
{
    struct reader *reader = NULL;
    pthread_mutex_lock(&readers->lock);
    for (int i = 0; i < READERS_MOST && !reader; i++)
        if (!readers->readers[i].used)
            reader = &readers->readers[i];
    if (reader) {
        *reader = (struct reader){
            .used = true, .remote_port = remote_port, .start_ns = pl_clock_mono_ns()};
        readers->count++;
        pthread_cond_signal(&readers->wake);
    }
    pthread_mutex_unlock(&readers->lock);
    return reader;
}

/* Was it late? */
static bool leave(struct pl_readers *readers, struct reader *reader)
{
    pthread_mutex_lock(&readers->lock);
    bool late = reader->late;
    reader->used = false;
    readers->count--;
    pthread_mutex_unlock(&readers->lock);
    return late;
}

static void note(struct pl_readers *readers, struct reader *reader, size_t bytes)
{
    pthread_mutex_lock(&readers->lock);
    reader->received += bytes;
    pthread_mutex_unlock(&readers->lock);
}

static int spool_error(enum pl_status status, const struct pl_error *err,
                       struct pl_http_error *error)
{
    if (status == PL_INPUT)
        return pl_http_error_set(error, 413, "too_large", "the body is too large");
    return pl_http_error_set(error, 503, "busy", "%s", err->message);
}

/* `expected` bytes, or, if it is negative, chunks up to their end. */
static int read_all(struct pl_readers *readers, struct reader *reader,
                    const struct pl_source *source, int64_t expected,
                    struct pl_spool *body, struct pl_http_error *error)
{
    char piece[PIECE_BYTES];
    struct pl_error err = {0};
    while (expected < 0 || (int64_t)body->len < expected) {
        size_t want = sizeof piece;
        if (expected >= 0 && expected - (int64_t)body->len < (int64_t)want)
            want = (size_t)(expected - (int64_t)body->len);
        int got = source->read(source->conn, piece, want);
        if (got < 0 || (got == 0 && expected >= 0))
            return pl_http_error_set(error, 400, "bad_body", "the body breaks off");
        if (got == 0)
            return 0;
        note(readers, reader, (size_t)got);
        enum pl_status status = pl_spool_append(body, piece, (size_t)got, &err);
        if (status != PL_OK)
            return spool_error(status, &err, error);
    }
    return 0;
}

static void say_continue(const struct pl_source *source,
                         const struct pl_http_request *request)
{
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    const char *expect = pl_http_header(request, "Expect");
    if (expect && strcasecmp(expect, "100-continue") == 0)
        (void)source->write(source->conn, go_on, sizeof go_on - 1);
}

int pl_read_body(struct pl_readers *readers, const struct pl_source *source,
                 const struct pl_http_request *request, struct pl_spool *body,
                 struct pl_http_error *error)
{
    const char *length = pl_http_header(request, "Content-Length");
    int64_t expected = length ? strtoll(length, NULL, 10) : 0;
    if (expected > (int64_t)PL_LIMIT_BODY)
        return pl_http_error_set(error, 413, "too_large", "the body is too large");
    if (pl_http_header(request, "Transfer-Encoding"))
        expected = -1;
    struct reader *reader = enter(readers, source->remote_port);
    if (!reader)
        return pl_http_error_set(error, 503, "busy", "too many are sending: try again");
    say_continue(source, request);
    int refused = read_all(readers, reader, source, expected, body, error);
    if (leave(readers, reader))
        return pl_http_error_set(error, 408, "too_slow",
                                 "the body did not come in time");
    return refused;
}
