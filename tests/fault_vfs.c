/* See fault_vfs.h. The shim's file is a header followed by the real VFS's file. */
#include "tests/fault_vfs.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SECTOR = 512, PATH_BYTES = 512, DISK_FILES = 16 };

struct shim_file {
    sqlite3_file base;
    struct disk *disk; /* NULL: not watched */
    sqlite3_file *real;
    const char *path; /* SQLite's; NULL: a temporary file */
};

/* A write, or with `bytes` NULL a cut at `at`, that no sync has covered yet. */
struct change {
    int64_t at;
    size_t len;
    unsigned char *bytes;
};

/* What is on the platter of one file, and what may or may not be. */
struct disk {
    char path[PATH_BYTES];
    char old_path[PATH_BYTES]; /* its name until the folder is synced; "" none */
    bool removed;              /* perhaps */
    bool gone;                 /* for good */
    unsigned char *bytes;
    size_t len;
    struct change *changes;
    size_t change_count, change_cap;
};

static sqlite3_vfs shim, *below;
static struct fault_plan plan;
static long seen, hits, counts[FAULT_OP_COUNT];
static enum fault_op last_hit;
static int last_error;
static bool watching;
static long power_at;
static void (*on_write)(const char *path);
static uint64_t dice;
static struct disk disks[DISK_FILES];
static size_t disk_count;

/* ---- counting ---- */

static _Noreturn void power_off(void);

bool fault_strikes(enum fault_op op)
{
    seen++;
    counts[op]++;
    if (power_at && seen == power_at)
        power_off();
    if (!plan.at || (plan.for_ever ? seen < plan.at : seen != plan.at))
        return false;
    hits++;
    last_hit = op;
    errno = last_error = plan.error;
    return true;
}

void fault_on_write(void (*hook)(const char *path))
{
    on_write = hook;
}

void fault_begin(struct fault_plan wanted)
{
    plan = wanted;
    seen = hits = 0;
    memset(counts, 0, sizeof counts);
    last_error = 0;
}

long fault_end(void)
{
    plan = (struct fault_plan){0};
    last_error = 0;
    return seen;
}

long fault_hits(void)
{
    return hits;
}

long fault_count(enum fault_op op)
{
    return counts[op];
}

enum fault_op fault_last(void)
{
    return last_hit;
}

const char *fault_name(enum fault_op op)
{
    static const char *const names[] = {
        "open", "delete", "access", "read",    "write",    "truncate",   "sync",
        "size", "lock",   "hint",   "shm map", "shm lock", "system call"};
    return names[op];
}

/* ---- the platter ---- */

static uint32_t roll(uint32_t below_this)
{
    dice = dice * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(((dice >> 33) * below_this) >> 31);
}

static void grow(struct disk *disk, size_t len)
{
    if (len <= disk->len)
        return;
    disk->bytes = realloc(disk->bytes, len);
    if (!disk->bytes)
        abort();
    memset(disk->bytes + disk->len, 0, len - disk->len);
    disk->len = len;
}

static void apply(struct disk *disk, const struct change *change)
{
    if (!change->bytes) {
        disk->len = disk->len < (size_t)change->at ? disk->len : (size_t)change->at;
        return;
    }
    grow(disk, (size_t)change->at + change->len);
    memcpy(disk->bytes + change->at, change->bytes, change->len);
}

/* Some of its sectors only. */
static void apply_torn(struct disk *disk, const struct change *change)
{
    for (size_t done = 0; done < change->len;) {
        size_t at = (size_t)change->at + done;
        size_t len = SECTOR - at % SECTOR;
        len = len < change->len - done ? len : change->len - done;
        struct change piece = {(int64_t)at, len, change->bytes + done};
        if (roll(2))
            apply(disk, &piece);
        done += len;
    }
}

static void forget_changes(struct disk *disk)
{
    for (size_t i = 0; i < disk->change_count; i++)
        free(disk->changes[i].bytes);
    disk->change_count = 0;
}

static void settle(struct disk *disk)
{
    for (size_t i = 0; i < disk->change_count; i++)
        apply(disk, &disk->changes[i]);
    forget_changes(disk);
}

static void note_change(struct disk *disk, int64_t at, const void *bytes, size_t len)
{
    if (!disk)
        return;
    if (disk->change_count == disk->change_cap) {
        disk->change_cap = 2 * disk->change_cap + 64;
        disk->changes =
            realloc(disk->changes, disk->change_cap * sizeof *disk->changes);
    }
    unsigned char *copy = bytes ? malloc(len + 1) : NULL;
    if (!disk->changes || (bytes && !copy))
        abort();
    if (bytes)
        memcpy(copy, bytes, len);
    disk->changes[disk->change_count++] = (struct change){at, len, copy};
}

static void load(struct disk *disk)
{
    FILE *file = fopen(disk->path, "rb");
    long len = -1;
    if (file && fseek(file, 0, SEEK_END) == 0)
        len = ftell(file);
    if (len > 0) {
        grow(disk, (size_t)len);
        rewind(file);
        if (fread(disk->bytes, 1, (size_t)len, file) != (size_t)len)
            abort();
    }
    if (file)
        (void)fclose(file);
}

static struct disk *find_disk(const char *path)
{
    for (size_t i = 0; i < disk_count; i++)
        if (strcmp(disks[i].path, path) == 0)
            return &disks[i];
    return NULL;
}

/* Of a file about to be opened; its bytes until now are on the platter. */
static struct disk *watch(const char *path)
{
    struct disk *disk = find_disk(path);
    if (disk && (disk->removed || disk->gone)) { /* made anew */
        disk->removed = disk->gone = false;
        disk->len = 0;
        forget_changes(disk);
    }
    if (disk)
        return disk;
    if (disk_count == DISK_FILES || strlen(path) >= PATH_BYTES)
        abort();
    disk = &disks[disk_count++];
    *disk = (struct disk){0};
    (void)snprintf(disk->path, sizeof disk->path, "%s", path);
    load(disk);
    return disk;
}

/* All kept, all lost, a first few kept, or each by itself. */
static void lose_some(struct disk *disk)
{
    uint32_t way = roll(4);
    size_t kept = way == 0   ? disk->change_count
                  : way == 1 ? 0
                             : roll((uint32_t)disk->change_count + 1);
    for (size_t i = 0; i < disk->change_count; i++) {
        const struct change *change = &disk->changes[i];
        if (way < 3 ? i < kept : roll(3) == 0)
            apply(disk, change);
        else if (change->bytes && (way < 3 ? i == kept && way == 2 : roll(2)))
            apply_torn(disk, change);
    }
}

static void write_platter(const char *path, const struct disk *disk)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || write(fd, disk->bytes, disk->len) != (ssize_t)disk->len)
        abort();
    (void)close(fd);
}

static _Noreturn void power_off(void)
{
    for (size_t i = 0; i < disk_count; i++) {
        struct disk *disk = &disks[i];
        if (disk->gone || (disk->removed && roll(2)))
            continue;
        bool old_name = *disk->old_path && roll(2);
        lose_some(disk);
        if (old_name)
            (void)unlink(disk->path);
        write_platter(old_name ? disk->old_path : disk->path, disk);
    }
    _exit(FAULT_POWER_EXIT);
}

void fault_power(long at, uint64_t seed)
{
    watching = true;
    power_at = at;
    dice = seed * 2 + 1;
    seen = 0;
}

void fault_power_renamed(const char *from, const char *to)
{
    struct disk *disk = find_disk(from);
    if (!disk)
        return;
    (void)snprintf(disk->old_path, sizeof disk->old_path, "%s", from);
    (void)snprintf(disk->path, sizeof disk->path, "%s", to);
}

void fault_power_folder_synced(void)
{
    for (size_t i = 0; i < disk_count; i++)
        disks[i].old_path[0] = '\0';
}

/* ---- files ---- */

static sqlite3_file *real_of(sqlite3_file *file)
{
    return ((struct shim_file *)file)->real;
}

static int code_of(enum fault_op op)
{
    static const int codes[] = {
        [FAULT_OPEN] = SQLITE_CANTOPEN,        [FAULT_DELETE] = SQLITE_IOERR_DELETE,
        [FAULT_ACCESS] = SQLITE_IOERR_ACCESS,  [FAULT_READ] = SQLITE_IOERR_READ,
        [FAULT_WRITE] = SQLITE_IOERR_WRITE,    [FAULT_TRUNCATE] = SQLITE_IOERR_TRUNCATE,
        [FAULT_SYNC] = SQLITE_IOERR_FSYNC,     [FAULT_SIZE] = SQLITE_IOERR_FSTAT,
        [FAULT_LOCK] = SQLITE_IOERR_LOCK,      [FAULT_HINT] = SQLITE_IOERR_WRITE,
        [FAULT_SHM_MAP] = SQLITE_IOERR_SHMMAP, [FAULT_SHM_LOCK] = SQLITE_IOERR_SHMLOCK,
        [FAULT_SYSTEM] = SQLITE_IOERR,
    };
    bool full = last_error == ENOSPC && (op == FAULT_WRITE || op == FAULT_HINT);
    return full ? SQLITE_FULL : codes[op];
}

static int shim_close(sqlite3_file *file)
{
    return real_of(file)->pMethods->xClose(real_of(file));
}

static int shim_read(sqlite3_file *file, void *bytes, int len, sqlite3_int64 at)
{
    if (fault_strikes(FAULT_READ))
        return code_of(FAULT_READ);
    return real_of(file)->pMethods->xRead(real_of(file), bytes, len, at);
}

static void tell_hook(sqlite3_file *file)
{
    const char *path = ((struct shim_file *)file)->path;
    if (on_write && path)
        on_write(path);
}

/* A write that fails may have done its first half. */
static int shim_write(sqlite3_file *file, const void *bytes, int len, sqlite3_int64 at)
{
    sqlite3_file *real = real_of(file);
    tell_hook(file);
    bool fails = fault_strikes(FAULT_WRITE);
    int error = last_error;
    if (fails && last_error != EROFS)
        (void)real->pMethods->xWrite(real, bytes, len / 2, at);
    last_error = error;
    if (fails)
        return code_of(FAULT_WRITE);
    note_change(((struct shim_file *)file)->disk, at, bytes, (size_t)len);
    return real->pMethods->xWrite(real, bytes, len, at);
}

static int shim_truncate(sqlite3_file *file, sqlite3_int64 len)
{
    tell_hook(file);
    if (fault_strikes(FAULT_TRUNCATE))
        return code_of(FAULT_TRUNCATE);
    note_change(((struct shim_file *)file)->disk, len, NULL, 0);
    return real_of(file)->pMethods->xTruncate(real_of(file), len);
}

static int shim_sync(sqlite3_file *file, int flags)
{
    struct disk *disk = ((struct shim_file *)file)->disk;
    if (fault_strikes(FAULT_SYNC))
        return code_of(FAULT_SYNC);
    (void)flags;
    if (disk)
        settle(disk);
    return SQLITE_OK; /* a real one would only take time */
}

static int shim_size(sqlite3_file *file, sqlite3_int64 *len_out)
{
    if (fault_strikes(FAULT_SIZE))
        return code_of(FAULT_SIZE);
    return real_of(file)->pMethods->xFileSize(real_of(file), len_out);
}

static int shim_lock(sqlite3_file *file, int level)
{
    if (fault_strikes(FAULT_LOCK))
        return code_of(FAULT_LOCK);
    return real_of(file)->pMethods->xLock(real_of(file), level);
}

static int shim_unlock(sqlite3_file *file, int level)
{
    return real_of(file)->pMethods->xUnlock(real_of(file), level);
}

static int shim_check_lock(sqlite3_file *file, int *held_out)
{
    return real_of(file)->pMethods->xCheckReservedLock(real_of(file), held_out);
}

static int shim_control(sqlite3_file *file, int op, void *argument)
{
    if (op == SQLITE_FCNTL_SIZE_HINT && fault_strikes(FAULT_HINT))
        return code_of(FAULT_HINT);
    return real_of(file)->pMethods->xFileControl(real_of(file), op, argument);
}

static int shim_sector(sqlite3_file *file)
{
    return real_of(file)->pMethods->xSectorSize(real_of(file));
}

static int shim_traits(sqlite3_file *file)
{
    return real_of(file)->pMethods->xDeviceCharacteristics(real_of(file));
}

static int shim_shm_map(sqlite3_file *file, int region, int len, int extend,
                        void volatile **map_out)
{
    *map_out = NULL;
    if (fault_strikes(FAULT_SHM_MAP))
        return code_of(FAULT_SHM_MAP);
    return real_of(file)->pMethods->xShmMap(real_of(file), region, len, extend,
                                            map_out);
}

static int shim_shm_lock(sqlite3_file *file, int first, int count, int flags)
{
    if ((flags & SQLITE_SHM_LOCK) && fault_strikes(FAULT_SHM_LOCK))
        return code_of(FAULT_SHM_LOCK);
    return real_of(file)->pMethods->xShmLock(real_of(file), first, count, flags);
}

static void shim_shm_barrier(sqlite3_file *file)
{
    real_of(file)->pMethods->xShmBarrier(real_of(file));
}

static int shim_shm_unmap(sqlite3_file *file, int remove)
{
    return real_of(file)->pMethods->xShmUnmap(real_of(file), remove);
}

static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = shim_close,
    .xRead = shim_read,
    .xWrite = shim_write,
    .xTruncate = shim_truncate,
    .xSync = shim_sync,
    .xFileSize = shim_size,
    .xLock = shim_lock,
    .xUnlock = shim_unlock,
    .xCheckReservedLock = shim_check_lock,
    .xFileControl = shim_control,
    .xSectorSize = shim_sector,
    .xDeviceCharacteristics = shim_traits,
    .xShmMap = shim_shm_map,
    .xShmLock = shim_shm_lock,
    .xShmBarrier = shim_shm_barrier,
    .xShmUnmap = shim_shm_unmap,
};

/* ---- the VFS ---- */

static int shim_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *file, int flags,
                     int *flags_out)
{
    struct shim_file *own = (struct shim_file *)file;
    (void)vfs;
    *own = (struct shim_file){.real = (sqlite3_file *)(void *)(own + 1), .path = path};
    if (fault_strikes(FAULT_OPEN))
        return code_of(FAULT_OPEN);
    if (watching && path)
        own->disk = watch(path);
    int rc = below->xOpen(below, path, own->real, flags, flags_out);
    if (own->real->pMethods)
        own->base.pMethods = &methods;
    return rc;
}

static int shim_delete(sqlite3_vfs *vfs, const char *path, int sync_folder)
{
    struct disk *disk = find_disk(path);
    (void)vfs;
    if (fault_strikes(FAULT_DELETE))
        return code_of(FAULT_DELETE);
    if (disk && sync_folder)
        disk->gone = true;
    else if (disk)
        disk->removed = true;
    return below->xDelete(below, path, sync_folder && !watching);
}

static int shim_access(sqlite3_vfs *vfs, const char *path, int flags, int *result_out)
{
    (void)vfs;
    if (fault_strikes(FAULT_ACCESS))
        return code_of(FAULT_ACCESS);
    return below->xAccess(below, path, flags, result_out);
}

static int shim_error(sqlite3_vfs *vfs, int len, char *text)
{
    (void)vfs;
    return last_error ? last_error : below->xGetLastError(below, len, text);
}

void fault_install(void)
{
    below = sqlite3_vfs_find(NULL);
    shim = *below; /* what is not replaced needs no file of ours */
    shim.zName = "fault";
    shim.pNext = NULL;
    shim.szOsFile = (int)sizeof(struct shim_file) + below->szOsFile;
    shim.xOpen = shim_open;
    shim.xDelete = shim_delete;
    shim.xAccess = shim_access;
    shim.xGetLastError = shim_error;
    if (sqlite3_vfs_register(&shim, 1) != SQLITE_OK)
        abort();
}
