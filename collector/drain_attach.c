/* Which sessions a drain has: a look at the recording folder attaches to the segments
 * that came; what is known of a process before its segment is seen waits here. */
#include "collector/drain_salvage.h"
#include "collector/drain_state.h"
#include "collector/grow.h"

#include "base/clock.h"
#include "base/log.h"

#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define TIMER_GRAIN_NS (50 * PL_NS_PER_MS)
#define MAX_NOTES      65536u

static bool is_known(const struct pl_drain *drain, uint64_t inode)
{
    for (size_t i = 0; i < drain->ignored_count; i++)
        if (drain->ignored[i] == inode)
            return true;
    for (const struct pl_drain_session *s = drain->sessions; s; s = s->next)
        if (s->inode == inode)
            return true;
    for (const struct pl_drain_session *s = drain->ended; s; s = s->next)
        if (s->inode == inode)
            return true;
    return false;
}

static void ignore(struct pl_drain *drain, uint64_t inode)
{
    if (pl_grow(&drain->ignored, &drain->ignored_capacity, drain->ignored_count + 1,
                sizeof *drain->ignored, MAX_NOTES))
        drain->ignored[drain->ignored_count++] = inode;
}

static bool is_segment_name(const char *name)
{
    size_t len = strlen(name);
    return name[0] != '.' && len > 4 && len < 200 &&
           strcmp(name + len - 4, ".seg") == 0;
}

static void apply_wait(const struct pl_drain *drain, struct pl_drain_session *session)
{
    for (size_t i = 0; i < drain->wait_count; i++) {
        if (drain->waits[i].pid == (pid_t)session->reader.facts.pid) {
            session->wait_known = true;
            session->wait_status = drain->waits[i].status;
        }
    }
}

/* A process has one program: an older segment of its has been replaced. */
static void replace_older(struct pl_drain *drain, const struct pl_drain_session *newer)
{
    const struct pl_segment_facts *facts = &newer->reader.facts;
    for (struct pl_drain_session *s = drain->sessions; s; s = s->next)
        if (s->reader.facts.pid == facts->pid &&
            s->reader.facts.pid_start == facts->pid_start &&
            s->reader.facts.mono_origin_ns < facts->mono_origin_ns)
            s->replaced = true;
}

static bool is_skipped(const struct pl_drain *drain, const struct pl_id *id)
{
    for (size_t i = 0; i < drain->skipped_count; i++)
        if (memcmp(&drain->skipped[i], id, sizeof *id) == 0)
            return true;
    return false;
}

static void attach(struct pl_drain *drain, const char *name, uint64_t inode)
{
    struct pl_error err;
    struct pl_drain_session *session = NULL;
    enum pl_status status =
        pl_drain_session_open(&drain->shared, name, inode, &session, &err);
    if (status == PL_BUSY || status == PL_NOMEM) {
        drain->retry_attach = true; /* next round */
        return;
    }
    if (status != PL_OK) {
        pl_log(PL_LOG_WARN, "collector", "%s", err.message);
        ignore(drain, inode);
        return;
    }
    if (is_skipped(drain, &session->id)) {
        ignore(drain, inode);
        pl_drain_session_close(session);
        return;
    }
    apply_wait(drain, session);
    replace_older(drain, session);
    session->next = drain->sessions;
    drain->sessions = session;
}

/* Has the folder changed since it was last read? Its time has the grain of the kernel's
 * timer: what has only just changed may change again without a trace. */
static bool has_changed(struct pl_drain *drain)
{
    struct stat folder;
    struct timespec now;
    if (fstat(drain->shared.dir_fd, &folder) != 0 ||
        clock_gettime(CLOCK_REALTIME, &now) != 0)
        return true;
    int64_t changed_ns = folder.st_mtim.tv_sec * PL_NS_PER_S + folder.st_mtim.tv_nsec;
    int64_t age_ns = now.tv_sec * PL_NS_PER_S + now.tv_nsec - changed_ns;
    bool settled = changed_ns == drain->folder_ns && age_ns > TIMER_GRAIN_NS;
    drain->folder_ns = changed_ns;
    return !settled;
}

void pl_drain_scan(struct pl_drain *drain)
{
    struct dirent *entry;
    if (!drain->dir || (!drain->retry_attach && !has_changed(drain)))
        return;
    drain->retry_attach = false;
    rewinddir(drain->dir);
    while ((entry = readdir(drain->dir)))
        if (is_segment_name(entry->d_name) && !is_known(drain, entry->d_ino))
            attach(drain, entry->d_name, entry->d_ino);
}

void pl_drain_process_ended(struct pl_drain *drain, pid_t pid, int wait_status)
{
    for (struct pl_drain_session *s = drain->sessions; s; s = s->next) {
        if (s->reader.facts.pid == (uint32_t)pid) {
            s->wait_known = true;
            s->wait_status = wait_status;
        }
    }
    /* Its last segment may not have been seen yet. */
    if (pl_grow(&drain->waits, &drain->wait_capacity, drain->wait_count + 1,
                sizeof *drain->waits, MAX_NOTES))
        drain->waits[drain->wait_count++] = (struct pl_wait_note){pid, wait_status};
}

enum pl_status pl_drain_adopt(struct pl_drain *drain, int journal_fd, const char *name,
                              struct pl_error *err)
{
    struct pl_drain_session *session = NULL;
    enum pl_status status =
        pl_journal_replay(&drain->shared, journal_fd, name, &session, err);
    if (status != PL_OK)
        return status;
    (void)pl_drain_session_attach(&drain->shared, session);
    session->next = drain->sessions;
    drain->sessions = session;
    return PL_OK;
}

void pl_drain_skip(struct pl_drain *drain, const struct pl_id *session_id)
{
    if (pl_grow(&drain->skipped, &drain->skipped_capacity, drain->skipped_count + 1,
                sizeof *drain->skipped, MAX_NOTES))
        drain->skipped[drain->skipped_count++] = *session_id;
}
