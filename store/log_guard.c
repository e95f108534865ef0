/* See log_guard.h. Nothing here opens one of SQLite's files: closing a descriptor of
 * the index would drop the locks this process holds on it. */
#include "store/log_guard.h"

#include "base/log.h"
#include "store/db.h"
#include "store/epoch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    INDEX_PIECE = 32768, /* bytes SQLite maps at once */
    INDEX_HEAD = 48,     /* twice at its start */
    FRAME_HEAD = 24,
    WRITE_LOCK = 0, /* number of SQLite's lock in the index */
};

/* What the index says of the log. */
struct claim {
    uint32_t frames, folded; /* in the log; of them in the database already */
    unsigned char salts[8];  /* of every frame */
    uint32_t page;           /* bytes */
    unsigned char *index;    /* mapped, shared */
};

static uint32_t big_endian(const unsigned char *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 |
           (uint32_t)bytes[2] << 8 | bytes[3];
}

/* ---- the index ---- */

/* To 0 first: what is left of it may be wrong, and zeros make SQLite read the log. */
static bool fill_up(const struct pl_store *store, int64_t bytes)
{
    struct pl_side_name name;
    const char *path = pl_side_name(&name, store->real_path, "-shm");
    return truncate(path, 0) == 0 && truncate(path, bytes) == 0;
}

static enum pl_status check_index(struct pl_store *store, int64_t bytes,
                                  struct pl_error *err)
{
    struct pl_log_guard *guard = &store->guard;
    if (bytes >= guard->index_bytes) {
        guard->index_bytes = bytes;
        return PL_OK;
    }
    if (!fill_up(store, guard->index_bytes))
        return pl_error_set(err, PL_IO,
                            "cannot use %s: something cut its index %s-shm: %s",
                            store->path, store->path, strerror(errno));
    pl_log(PL_LOG_WARN, "store", "%s-shm had been cut; made anew", store->path);
    return PL_OK;
}

/* ---- the log ---- */

static sqlite3_file *file_of(struct pl_store *store, int op)
{
    sqlite3_file *file = NULL;
    (void)sqlite3_file_control(store->db, "main", op, &file);
    return file && file->pMethods ? file : NULL;
}

/* False: there is nothing to hold the log against; SQLite reads it by itself. */
static bool read_claim(struct pl_store *store, struct claim *claim)
{
    sqlite3_file *file = file_of(store, SQLITE_FCNTL_FILE_POINTER);
    void volatile *map = NULL;
    if (!file || file->pMethods->xShmMap(file, 0, INDEX_PIECE, 0, &map) != SQLITE_OK ||
        !map)
        return false;
    unsigned char *index = (unsigned char *)(uintptr_t)map;
    uint16_t page;
    memcpy(&claim->frames, index + 16, sizeof claim->frames);
    memcpy(&claim->folded, index + 2 * INDEX_HEAD, sizeof claim->folded);
    memcpy(claim->salts, index + 32, sizeof claim->salts);
    memcpy(&page, index + 14, sizeof page);
    claim->page = (uint32_t)(page & 0xfe00) + ((uint32_t)(page & 1) << 16);
    claim->index = index;
    return index[12] && memcmp(index, index + INDEX_HEAD, INDEX_HEAD) == 0 &&
           claim->page;
}

static bool read_at(sqlite3_file *log, void *bytes, int len, int64_t at)
{
    return log->pMethods->xRead(log, bytes, len, at) == SQLITE_OK;
}

static bool is_head(const unsigned char *head, const struct claim *claim)
{
    return (big_endian(head) & ~1u) == 0x377f0682 &&
           memcmp(head + 16, claim->salts, sizeof claim->salts) == 0;
}

/* Overwritten, but we remember it. */
static bool mend_head(struct pl_store *store, sqlite3_file *log,
                      const struct claim *claim)
{
    const struct pl_log_guard *guard = &store->guard;
    if (!guard->has_head || !is_head(guard->head, claim))
        return false;
    pl_log(PL_LOG_WARN, "store", "%s-wal had been overwritten; its head is mended",
           store->path);
    return log->pMethods->xWrite(log, guard->head, PL_LOG_HEAD, 0) == SQLITE_OK;
}

/* `*mended_out`: it had been overwritten, perhaps with what comes after it. */
static bool check_head(struct pl_store *store, sqlite3_file *log,
                       const struct claim *claim, bool *mended_out)
{
    struct pl_log_guard *guard = &store->guard;
    unsigned char head[PL_LOG_HEAD];
    if (!read_at(log, head, PL_LOG_HEAD, 0))
        return false;
    if (!is_head(head, claim) || (guard->has_head && is_head(guard->head, claim) &&
                                  memcmp(head, guard->head, PL_LOG_HEAD) != 0)) {
        *mended_out = true;
        return mend_head(store, log, claim);
    }
    memcpy(guard->head, head, PL_LOG_HEAD);
    guard->has_head = true;
    return true;
}

static void add_sums(uint32_t sums[2], const unsigned char *bytes, size_t len, bool big)
{
    for (size_t i = 0; i < len; i += 8) {
        uint32_t a = big_endian(bytes + i), b = big_endian(bytes + i + 4);
        if (!big) {
            a = __builtin_bswap32(a);
            b = __builtin_bswap32(b);
        }
        sums[0] += a + sums[1];
        sums[1] += b + sums[0];
    }
}

/* Frames that hold what was written, from the first on; the sums of each go on from
 * the one before. */
static uint32_t count_whole(sqlite3_file *log, const struct claim *claim,
                            const unsigned char *head)
{
    uint32_t sums[2] = {big_endian(head + 24), big_endian(head + 28)}, i = 0;
    int len = (int)(FRAME_HEAD + claim->page);
    unsigned char *frame = malloc((size_t)len);
    for (; frame && i < claim->frames; i++) {
        if (!read_at(log, frame, len, PL_LOG_HEAD + (int64_t)i * len) ||
            memcmp(frame + 8, claim->salts, sizeof claim->salts) != 0)
            break;
        add_sums(sums, frame, 8, head[3] & 1);
        add_sums(sums, frame + FRAME_HEAD, claim->page, head[3] & 1);
        if (sums[0] != big_endian(frame + 16) || sums[1] != big_endian(frame + 20))
            break;
    }
    if (!frame)
        i = claim->frames; /* for want of memory nothing is called damaged */
    free(frame);
    return i;
}

/* The last frame is there, and it ends a transaction. */
static bool check_last(sqlite3_file *log, const struct claim *claim)
{
    unsigned char frame[FRAME_HEAD];
    sqlite3_int64 size = 0;
    int64_t len = FRAME_HEAD + (int64_t)claim->page;
    int64_t end = PL_LOG_HEAD + len * claim->frames;
    return log->pMethods->xFileSize(log, &size) == SQLITE_OK && size >= end &&
           read_at(log, frame, FRAME_HEAD, end - len) &&
           memcmp(frame + 8, claim->salts, sizeof claim->salts) == 0 &&
           big_endian(frame + 4) != 0;
}

static bool is_whole(struct pl_store *store, sqlite3_file *log,
                     const struct claim *claim, bool every, uint32_t *whole_out)
{
    bool mended = false;
    *whole_out = 0;
    if (!check_head(store, log, claim, &mended))
        return false;
    if (check_last(log, claim) && !every && !mended)
        return true;
    *whole_out = count_whole(log, claim, store->guard.head);
    return *whole_out == claim->frames;
}

/* ---- mending ---- */

/* SQLite makes the index anew from what is whole of the log. Where the database has
 * more than that folded in already, it is the later state, and the log is void. */
static bool drop_tail(struct pl_store *store, sqlite3_file *log,
                      const struct claim *claim, uint32_t whole)
{
    sqlite3_file *file = file_of(store, SQLITE_FCNTL_FILE_POINTER);
    if (file->pMethods->xShmLock(file, WRITE_LOCK, 1,
                                 SQLITE_SHM_LOCK | SQLITE_SHM_EXCLUSIVE) != SQLITE_OK)
        return false;
    bool done = whole >= claim->folded || log->pMethods->xTruncate(log, 0) == SQLITE_OK;
    if (done) {
        memset(claim->index, 0, 2 * INDEX_HEAD);
        file->pMethods->xShmBarrier(file);
    }
    (void)file->pMethods->xShmLock(file, WRITE_LOCK, 1,
                                   SQLITE_SHM_UNLOCK | SQLITE_SHM_EXCLUSIVE);
    store->guard.has_head = false;
    return done;
}

static enum pl_status mend_log(struct pl_store *store, sqlite3_file *log,
                               const struct claim *claim, uint32_t whole,
                               struct pl_error *err)
{
    enum pl_status status = PL_OK;
    if (!drop_tail(store, log, claim, whole))
        status = pl_error_set(err, PL_IO,
                              "cannot use %s: its log %s-wal was damaged from outside",
                              store->path, store->path);
    if (status == PL_OK) /* what went may be in other writers' memory */
        status = pl_epoch_begin(store, err);
    if (status != PL_OK)
        return status;
    return pl_error_set(err, PL_IO,
                        "%s-wal was damaged from outside: %u of its %u pages, with "
                        "what was written last, are lost; writing can go on",
                        store->path, claim->frames - whole, claim->frames);
}

static enum pl_status check_log(struct pl_store *store, bool every,
                                struct pl_error *err)
{
    struct claim claim;
    sqlite3_file *log = file_of(store, SQLITE_FCNTL_JOURNAL_POINTER);
    uint32_t whole;
    if (!log || !read_claim(store, &claim) || !claim.frames ||
        is_whole(store, log, &claim, every, &whole))
        return PL_OK;
    return mend_log(store, log, &claim, whole, err);
}

/* The log we have open is no longer the one by its name: save what it has. Where it has
 * been damaged, too, the index must not go on telling of it: the store could not be
 * opened. `lost_out`: pages of ours, not those of a log others began since. */
static void fold_back(struct pl_store *store, uint32_t *lost_out)
{
    const struct pl_log_guard *guard = &store->guard;
    struct claim claim;
    sqlite3_file *log = file_of(store, SQLITE_FCNTL_JOURNAL_POINTER);
    uint32_t whole;
    *lost_out = 0;
    if (!log || !read_claim(store, &claim) || !claim.frames)
        return;
    bool is_ours = guard->has_head && is_head(guard->head, &claim);
    if (is_whole(store, log, &claim, true, &whole))
        (void)sqlite3_wal_checkpoint_v2(store->db, "main", SQLITE_CHECKPOINT_TRUNCATE,
                                        NULL, NULL);
    else if ((is_ours || !guard->has_head) && drop_tail(store, log, &claim, 0) &&
             is_ours)
        *lost_out = claim.frames - claim.folded;
}

/* ---- looking ---- */

enum pl_status pl_log_guard_remember(struct pl_store *store, struct pl_error *err)
{
    struct stat log, index;
    bool has_log = false, has_index = false;
    uint64_t generation;
    enum pl_status status = pl_store_generation(store, &generation, err);
    store->guard = (struct pl_log_guard){0};
    if (status == PL_OK)
        status = pl_side_look(store->real_path, "-wal", &log, &has_log, err);
    if (status == PL_OK)
        status = pl_side_look(store->real_path, "-shm", &index, &has_index, err);
    if (status == PL_OK && has_log && has_index)
        store->guard = (struct pl_log_guard){.log_dev = log.st_dev,
                                             .log_ino = log.st_ino,
                                             .index_dev = index.st_dev,
                                             .index_ino = index.st_ino,
                                             .index_bytes = index.st_size};
    return status;
}

struct seen {
    bool file_gone, log_gone, index_gone; /* or another */
};

/* Is the file of that name not the one we know? */
static enum pl_status look_for(const struct pl_store *store, const char *suffix,
                               uint64_t dev, uint64_t ino, struct stat *file,
                               bool *gone_out, struct pl_error *err)
{
    bool there;
    enum pl_status status = pl_side_look(store->real_path, suffix, file, &there, err);
    *gone_out =
        status == PL_OK && (!there || file->st_dev != dev || file->st_ino != ino);
    return status;
}

/* Also fills up an index that was cut. */
static enum pl_status look(struct pl_store *store, struct seen *seen,
                           struct pl_error *err)
{
    const struct pl_log_guard *guard = &store->guard;
    struct stat file;
    enum pl_status status =
        look_for(store, "", store->dev, store->ino, &file, &seen->file_gone, err);
    if (status == PL_OK)
        status = look_for(store, "-wal", guard->log_dev, guard->log_ino, &file,
                          &seen->log_gone, err);
    if (status == PL_OK)
        status = look_for(store, "-shm", guard->index_dev, guard->index_ino, &file,
                          &seen->index_gone, err);
    if (status != PL_OK) { /* not known: nothing is done about it */
        *seen = (struct seen){0};
        return status;
    }
    return seen->index_gone ? PL_OK : check_index(store, file.st_size, err);
}

static enum pl_status open_again(struct pl_store *store, const struct seen *seen,
                                 struct pl_error *err)
{
    bool replaced = seen->file_gone && store->guard.log_ino;
    uint32_t lost = 0;
    if (replaced && store->mode != PL_STORE_READ) { /* not the new file's log */
        if ((!seen->log_gone && !pl_side_remove(store->real_path, "-wal")) ||
            (!seen->index_gone && !pl_side_remove(store->real_path, "-shm")))
            return pl_error_set(err, PL_IO, "cannot remove what is left beside %s: %s",
                                store->path, strerror(errno));
    }
    if (seen->log_gone && !seen->file_gone && store->mode != PL_STORE_READ)
        fold_back(store, &lost);
    enum pl_status status = pl_db_connect_again(store, err);
    if (status == PL_OK && !seen->file_gone)
        pl_log(PL_LOG_WARN, "store", "%s: files beside it were removed; opened again",
               store->path);
    if (status == PL_OK && lost)
        status = pl_error_set(err, PL_IO,
                              "%s-wal was damaged and removed from outside: %u pages, "
                              "with what was written last, are lost; writing can go on",
                              store->path, lost);
    return status;
}

enum pl_status pl_log_guard_read(struct pl_store *store, bool *mend_out,
                                 struct pl_error *err)
{
    struct seen seen = {0};
    *mend_out = false;
    if (!store->guard.log_ino && !store->lost)
        return PL_OK;
    enum pl_status status = look(store, &seen, err);
    bool gone = seen.file_gone || seen.log_gone || seen.index_gone;
    if (status != PL_OK || !gone)
        return status;
    *mend_out = store->mode != PL_STORE_READ;
    return *mend_out ? PL_OK : open_again(store, &seen, err);
}

enum pl_status pl_log_guard_write(struct pl_store *store, bool whole,
                                  struct pl_error *err)
{
    struct seen seen = {0};
    enum pl_status status = look(store, &seen, err);
    bool lost = store->lost;
    if (status == PL_OK && (seen.file_gone || seen.log_gone || seen.index_gone))
        status = open_again(store, &seen, err);
    if (seen.file_gone && !lost)
        return pl_error_set(err, PL_IO,
                            "cannot write %s: the file was removed or replaced while "
                            "in use; %s",
                            store->path,
                            status == PL_OK ? "going on with the one there now"
                                            : "there is none to go on with");
    return status == PL_OK ? check_log(store, whole, err) : status;
}
