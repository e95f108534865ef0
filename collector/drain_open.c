/* Making a drain and taking it down, for a recording that begins or for what another
 * drain left. */
#include "collector/drain_salvage.h"
#include "collector/drain_state.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_CHUNK_NS (60 * PL_NS_PER_S)
#define DEFAULT_BYTES    ((size_t)128 << 20)

static bool copy_text(char **to, const char *from)
{
    *to = from ? strdup(from) : NULL;
    return !from || *to;
}

static bool copy_options(struct pl_drain *drain, const struct pl_drain_options *options)
{
    struct pl_drain_shared *shared = &drain->shared;
    shared->recording_id = options->recording_id;
    shared->chunk_ns = options->chunk_ns > 0 ? options->chunk_ns : DEFAULT_CHUNK_NS;
    if (shared->chunk_ns > DEFAULT_CHUNK_NS)
        shared->chunk_ns = DEFAULT_CHUNK_NS;
    size_t bytes = options->memory_bytes ? options->memory_bytes : DEFAULT_BYTES;
    shared->memory_bytes = bytes / 2;
    shared->queue.limit_bytes = bytes / 2;
    shared->queue.idle = options->sink_idle;
    if (gethostname(shared->host, sizeof shared->host - 1) != 0)
        shared->host[0] = '\0';
    return copy_text(&shared->app, options->app) &&
           copy_text(&shared->release, options->release) &&
           copy_text(&shared->environment, options->environment) &&
           copy_text(&shared->dist, options->dist) &&
           copy_text(&shared->in_app_include, options->in_app_include) &&
           copy_text(&shared->in_app_exclude, options->in_app_exclude) &&
           copy_text(&shared->project_root, options->project_root);
}

static void init(struct pl_drain *drain, const struct pl_chunk_sink *sink)
{
    pl_drain_queue_init(&drain->shared.queue, sink, NULL, 0);
    drain->shared.dir_fd = drain->shared.journal_fd = -1;
    drain->journals =
        (struct pl_journal_folder){.base_fd = -1, .fd = -1, .owner_fd = -1};
}

static enum pl_status open_folder(struct pl_drain *drain, const char *path,
                                  struct pl_error *err)
{
    drain->shared.dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (drain->shared.dir_fd < 0)
        return pl_error_set(err, PL_IO, "cannot open recording folder %s: %s", path,
                            strerror(errno));
    drain->dir = opendir(path);
    if (!drain->dir)
        return pl_error_set(err, PL_IO, "cannot list recording folder %s: %s", path,
                            strerror(errno));
    return PL_OK;
}

static void open_journals(struct pl_drain *drain,
                          const struct pl_drain_options *options)
{
    if (options->db && pl_journal_folder_make(&drain->journals, options,
                                              &drain->journal_error) == PL_OK)
        drain->shared.journal_fd = drain->journals.fd;
}

enum pl_status pl_drain_open(const struct pl_drain_options *options,
                             const struct pl_chunk_sink *sink,
                             struct pl_drain **drain_out, struct pl_error *err)
{
    enum pl_status status = PL_OK;
    *drain_out = NULL;
    struct pl_drain *drain = calloc(1, sizeof *drain);
    if (!drain)
        return pl_error_set(err, PL_NOMEM, "out of memory for the drain");
    init(drain, sink);
    status = open_folder(drain, options->dir, err);
    if (status != PL_OK)
        goto out;
    if (!copy_options(drain, options)) {
        status = pl_error_set(err, PL_NOMEM, "out of memory for the drain");
        goto out;
    }
    open_journals(drain, options);
    status = pl_rowcache_open(options->dir, &drain->shared.rows, err);
    if (status != PL_OK)
        goto out;
    pl_rowcache_keep(drain->shared.rows, options->keep_dir);
    pl_rowcache_prepare_common(drain->shared.rows);
    if (options->sink_thread)
        pl_drain_queue_start(&drain->shared.queue);
    *drain_out = drain;
    drain = NULL;
out:
    pl_drain_close(drain);
    return status;
}

static void close_sessions(struct pl_drain_session *list)
{
    while (list) {
        struct pl_drain_session *next = list->next;
        pl_drain_session_close(list);
        list = next;
    }
}

void pl_drain_close(struct pl_drain *drain)
{
    if (!drain)
        return;
    bool written = pl_drain_is_written(drain);
    close_sessions(drain->sessions);
    close_sessions(drain->ended);
    pl_journal_folder_close(&drain->journals, written);
    if (drain->dir)
        closedir(drain->dir);
    if (drain->shared.dir_fd >= 0)
        close(drain->shared.dir_fd);
    pl_rowcache_close(drain->shared.rows);
    pl_remote_close(drain->shared.remote);
    pl_drain_queue_deinit(&drain->shared.queue);
    free(drain->shared.app);
    free(drain->shared.release);
    free(drain->shared.environment);
    free(drain->shared.dist);
    free(drain->shared.in_app_include);
    free(drain->shared.in_app_exclude);
    free(drain->shared.project_root);
    free(drain->ignored);
    free(drain->waits);
    free(drain->skipped);
    free(drain);
}

void pl_drain_prepare(struct pl_drain *drain, const char *program)
{
    pl_rowcache_prepare_program(drain->shared.rows, program);
}

/* ---- what another drain left ---- */

enum pl_status pl_drain_open_salvage(const struct pl_journal_owner *owner,
                                     const struct pl_chunk_sink *sink,
                                     struct pl_drain **drain_out, struct pl_error *err)
{
    struct pl_error gone;
    struct pl_drain *drain = calloc(1, sizeof *drain);
    if (!drain)
        return pl_error_set(err, PL_NOMEM, "out of memory for the drain");
    init(drain, sink);
    drain->shared.salvage = true;
    if (owner->options.dir)
        (void)!open_folder(drain, owner->options.dir, &gone);
    if (!copy_options(drain, &owner->options)) {
        pl_drain_close(drain);
        return pl_error_set(err, PL_NOMEM, "out of memory for the drain");
    }
    snprintf(drain->shared.host, sizeof drain->shared.host, "%s",
             owner->host ? owner->host : "");
    *drain_out = drain;
    return PL_OK;
}
