#include "base/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MEMORY_BYTES ((size_t)1 << 20) /* then the file */

void pl_spool_init(struct pl_spool *spool, const char *folder, size_t limit)
{
    *spool = (struct pl_spool){.limit = limit, .fd = -1, .folder = folder};
}

void pl_spool_deinit(struct pl_spool *spool)
{
    free(spool->data);
    if (spool->fd >= 0)
        (void)close(spool->fd);
    *spool = (struct pl_spool){.fd = -1};
}

static enum pl_status write_all(int fd, const unsigned char *bytes, size_t len,
                                struct pl_error *err)
{
    while (len) {
        ssize_t done = write(fd, bytes, len);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return pl_error_set(err, PL_IO, "cannot keep what arrives: %s",
                                strerror(errno));
        bytes += done;
        len -= (size_t)done;
    }
    return PL_OK;
}

static int open_file(const char *folder)
{
    int fd = -1;
    if (folder)
        fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    return fd >= 0 ? fd : open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
}

static enum pl_status move_to_file(struct pl_spool *spool, struct pl_error *err)
{
    int fd = open_file(spool->folder);
    if (fd < 0)
        return pl_error_set(err, PL_IO, "cannot make a temporary file: %s",
                            strerror(errno));
    enum pl_status status = write_all(fd, spool->data, spool->len, err);
    if (status != PL_OK) {
        (void)close(fd);
        return status;
    }
    spool->fd = fd;
    free(spool->data);
    spool->data = NULL;
    spool->cap = 0;
    return PL_OK;
}

static enum pl_status reserve(struct pl_spool *spool, size_t len, struct pl_error *err)
{
    size_t cap = spool->cap ? spool->cap : 16384;
    while (cap < spool->len + len)
        cap *= 2;
    if (cap == spool->cap)
        return PL_OK;
    unsigned char *data = realloc(spool->data, cap);
    if (!data)
        return pl_error_set(err, PL_NOMEM, "out of memory");
    spool->data = data;
    spool->cap = cap;
    return PL_OK;
}

enum pl_status pl_spool_append(struct pl_spool *spool, const void *bytes, size_t len,
                               struct pl_error *err)
{
    enum pl_status status = PL_OK;
    if (len > spool->limit - spool->len)
        return pl_error_set(err, PL_INPUT, "more than %zu bytes", spool->limit);
    if (spool->fd < 0 && spool->len + len > MEMORY_BYTES)
        status = move_to_file(spool, err);
    if (status == PL_OK && spool->fd >= 0)
        status = write_all(spool->fd, bytes, len, err);
    else if (status == PL_OK) {
        status = reserve(spool, len, err);
        if (status == PL_OK && len)
            memcpy(spool->data + spool->len, bytes, len);
    }
    if (status == PL_OK)
        spool->len += len;
    return status;
}

enum pl_status pl_spool_read(const struct pl_spool *spool, size_t offset, void *bytes,
                             size_t len, size_t *got_out, struct pl_error *err)
{
    *got_out = 0;
    if (offset >= spool->len)
        return PL_OK;
    if (len > spool->len - offset)
        len = spool->len - offset;
    if (spool->fd < 0) {
        memcpy(bytes, spool->data + offset, len);
        *got_out = len;
        return PL_OK;
    }
    for (;;) {
        ssize_t got = pread(spool->fd, bytes, len, (off_t)offset);
        if (got > 0) {
            *got_out = (size_t)got;
            return PL_OK;
        }
        if (got == 0 || errno != EINTR)
            return pl_error_set(err, PL_IO, "a temporary file cannot be read: %s",
                                got ? strerror(errno) : "it is too short");
    }
}
