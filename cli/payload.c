#include "cli/payload.h"

#include "base/clock.h"
#include "store/inbox.h"
#include "web/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PIECE_BYTES   65536
#define WRAPPER_BYTES ((size_t)1 << 20) /* of what stands beside the profile */

/* The spool's limit is what a file may have. */
static enum pl_status read_all(struct pl_spool *spool, int fd, const char *path,
                               struct pl_error *err)
{
    unsigned char *piece = malloc(PIECE_BYTES);
    enum pl_status status =
        piece ? PL_OK : pl_error_set(err, PL_NOMEM, "out of memory");
    while (status == PL_OK) {
        ssize_t got = read(fd, piece, PIECE_BYTES);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            status =
                pl_error_set(err, PL_IO, "cannot read %s: %s", path, strerror(errno));
        if (got <= 0)
            break;
        if (spool->len + (size_t)got > spool->limit)
            status = pl_error_set(err, PL_INPUT,
                                  "%s: larger than a task payload can be (%zu bytes)",
                                  path, spool->limit);
        else
            status = pl_spool_append(spool, piece, (size_t)got, err);
    }
    free(piece);
    return status;
}

/* In one piece: msgpack says how long its texts are before they come. */
static enum pl_status map_bytes(struct pl_payload *payload, struct pl_error *err)
{
    const struct pl_spool *spool = &payload->spool;
    payload->bytes = spool->data;
    if (spool->fd < 0)
        return PL_OK;
    void *map = mmap(NULL, spool->len, PROT_READ, MAP_PRIVATE, spool->fd, 0);
    if (map == MAP_FAILED)
        return pl_error_set(err, PL_NOMEM, "cannot map %zu bytes: %s", spool->len,
                            strerror(errno));
    payload->bytes = payload->map = map;
    return PL_OK;
}

enum pl_status pl_payload_open(struct pl_payload *payload, const char *path,
                               struct pl_error *err)
{
    bool is_stdin = strcmp(path, "-") == 0;
    struct pl_error why = {0};
    *payload = (struct pl_payload){0};
    pl_spool_init(&payload->spool, NULL, PL_LIMIT_PROFILE + WRAPPER_BYTES);
    int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return pl_error_set(err, PL_IO, "cannot open %s: %s", path, strerror(errno));
    enum pl_status status = read_all(&payload->spool, fd, path, err);
    if (!is_stdin)
        (void)close(fd);
    if (status == PL_OK)
        status = map_bytes(payload, err);
    if (status != PL_OK)
        return status;
    status =
        pl_task_payload_read(payload->bytes, payload->spool.len, &payload->task, &why);
    return status == PL_OK ? PL_OK
                           : pl_error_set(err, status, "%s: %s", path, why.message);
}

void pl_payload_close(struct pl_payload *payload)
{
    if (payload->map)
        (void)munmap(payload->map, payload->spool.len);
    pl_spool_deinit(&payload->spool);
    *payload = (struct pl_payload){.spool.fd = -1};
}

static int64_t received_ns(const struct pl_task_payload *task)
{
    return task->received_ns ? task->received_ns : pl_clock_wall_ns();
}

enum pl_status pl_payload_measure(const struct pl_payload *payload,
                                  struct pl_store *store,
                                  struct pl_intake_counts *counts_out,
                                  struct pl_error *err)
{
    const struct pl_task_payload *task = &payload->task;
    struct pl_intake *intake = NULL;
    enum pl_status status = pl_intake_new(store, &intake, err);
    if (status != PL_OK)
        return status;
    status = pl_intake_unsampled(intake, task->project_id, received_ns(task),
                                 task->profile, task->profile_len, err);
    *counts_out = *pl_intake_counts(intake);
    pl_intake_free(intake);
    return status;
}

enum pl_status pl_payload_put(const struct pl_payload *payload, struct pl_store *store,
                              struct pl_error *err)
{
    const struct pl_task_payload *task = &payload->task;
    struct pl_spool body;
    pl_spool_init(&body, NULL, PL_LIMIT_PROFILE + WRAPPER_BYTES);
    const struct pl_inbox_entry entry = {
        .project_id = task->project_id,
        .org_id = task->organization_id,
        .key_id = task->key_id,
        .received_ns = received_ns(task),
        .kind = "task",
        .encoding = "",
        .headers = "{}",
        .body = &body,
    };
    const struct pl_inbox_entry *const entries[] = {&entry};
    enum pl_status status =
        pl_spool_append(&body, task->profile, task->profile_len, err);
    if (status == PL_OK)
        status = pl_store_make_durable(store, err);
    if (status == PL_OK)
        status = pl_inbox_add(store, entries, 1, err);
    pl_spool_deinit(&body);
    return status;
}
