#include "collector/salvage.h"

#include "base/log.h"
#include "collector/drain_salvage.h"
#include "collector/journal.h"
#include "collector/own_dir.h"
#include "store/chunk_sink.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MAX_SESSIONS 100000u

struct salvage {
    const char *db;
    void *store;               /* NULL: not opened by us */
    struct pl_chunk_sink sink; /* all NULL: not opened yet */
    struct pl_salvage_result *result;
    enum pl_status status; /* the first failure */
    struct pl_error *err;
};

/* A session is gone through when its journal is no longer of use; without one, its
 * segment tells what it can. */
static enum pl_status adopt(struct salvage *salvage, struct pl_drain *drain,
                            struct pl_journal_folder *folder, const char *name,
                            struct pl_error *err)
{
    struct pl_id id;
    char text[PL_ID_TEXT];
    snprintf(text, sizeof text, "%.32s", name);
    if (!pl_id_parse(text, &id))
        return PL_OK;
    if (pl_ends_with(name, PL_JOURNAL_DONE)) {
        pl_drain_skip(drain, &id);
        return PL_OK;
    }
    if (!pl_ends_with(name, PL_JOURNAL_ENDING))
        return PL_OK;
    enum pl_status status = pl_drain_adopt(drain, folder->fd, name, err);
    if (status != PL_INPUT)
        return status;
    pl_log(PL_LOG_WARN, "collector", "%s", err->message);
    pl_journal_folder_set_aside(folder, name);
    salvage->result->refused++;
    return PL_OK;
}

static enum pl_status adopt_all(struct salvage *salvage, struct pl_drain *drain,
                                struct pl_journal_folder *folder, struct pl_error *err)
{
    enum pl_status status = PL_OK;
    unsigned count = 0;
    int fd = openat(folder->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (!dir) {
        status = pl_error_set(err, PL_IO, "cannot list %s: %s", folder->path,
                              strerror(errno));
        if (fd >= 0)
            close(fd);
        return status;
    }
    struct dirent *entry;
    while (status == PL_OK && count++ < MAX_SESSIONS && (entry = readdir(dir)))
        status = adopt(salvage, drain, folder, entry->d_name, err);
    closedir(dir);
    return status;
}

static bool salvage_one(void *self, struct pl_journal_folder *folder,
                        const struct pl_journal_owner *owner)
{
    struct salvage *salvage = self;
    struct pl_drain *drain = NULL;
    struct pl_drain_stats stats = {0};
    struct pl_error error = {0};
    enum pl_status status = PL_OK;
    if (!salvage->sink.put)
        status =
            pl_chunk_sink_open(salvage->db, false, &salvage->sink, &salvage->store, &error);
    if (status == PL_OK)
        status = pl_drain_open_salvage(owner, &salvage->sink, &drain, &error);
    if (status == PL_OK)
        status = adopt_all(salvage, drain, folder, &error);
    if (status == PL_OK)
        status = pl_drain_finish(drain, &error);
    if (status == PL_OK) {
        pl_drain_get_stats(drain, &stats);
        salvage->result->recorders++;
        salvage->result->sessions += (unsigned)stats.sessions;
        salvage->result->samples += stats.samples;
        salvage->result->lost += stats.lost;
    } else if (salvage->status == PL_OK) {
        salvage->status = status;
        if (salvage->err)
            *salvage->err = error;
    }
    pl_drain_close(drain);
    return status == PL_OK;
}

static enum pl_status run(struct salvage *salvage, struct pl_error *err)
{
    salvage->err = err;
    *salvage->result = (struct pl_salvage_result){0};
    enum pl_status status = pl_journal_folders(salvage->db, salvage_one, salvage, err);
    pl_chunk_sink_close(salvage->store);
    return status == PL_OK ? salvage->status : status;
}

enum pl_status pl_salvage(const char *db, struct pl_salvage_result *result_out,
                          struct pl_error *err)
{
    struct salvage salvage = {.db = db, .result = result_out};
    return run(&salvage, err);
}

enum pl_status pl_salvage_into(const char *db, const struct pl_chunk_sink *sink,
                               struct pl_salvage_result *result_out,
                               struct pl_error *err)
{
    struct salvage salvage = {.db = db, .result = result_out, .sink = *sink};
    return run(&salvage, err);
}
