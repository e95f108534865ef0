/* Recording folders: /dev/shm/proflite-<uid>/<recording id>/, mode 0700.
 *
 * Other users write to /dev/shm, too: a folder counts only if it is ours and
 * nobody else's to write, and no symbolic link is followed on the way. Only names
 * that the collector makes are ever removed. */
#include "base/clock.h"
#include "collector/drain.h"
#include "collector/own_dir.h"
#include "collector/process_state.h"
#include "collector/segment.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OWNER_FILE "owner" /* "<pid> <start>\n" of the process that records */
#define YOUNG_NS   (60 * PL_NS_PER_S)

static const char *const places[] = {"/dev/shm", "/tmp"};

static bool write_owner(int dir_fd)
{
    char text[64];
    int fd = openat(dir_fd, OWNER_FILE, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return false;
    int len =
        snprintf(text, sizeof text, "%d %" PRIu64 "\n", (int)getpid(), pl_own_start());
    bool ok = write(fd, text, (size_t)len) == len;
    return close(fd) == 0 && ok;
}

/* ---- removing ---- */

static bool is_ours(const char *name)
{
    return pl_ends_with(name, ".seg") || strcmp(name, OWNER_FILE) == 0 ||
           strcmp(name, PL_RECORDING_NOTE) == 0 ||
           (name[0] == '.' && strstr(name, ".seg"));
}

static bool is_rows(const char *name)
{
    return pl_ends_with(name, ".rows") || (name[0] == '.' && strstr(name, ".rows."));
}

static void remove_dir(int at, const char *name)
{
    int fd = pl_own_dir_open(at, name);
    if (fd < 0)
        return;
    (void)pl_own_dir_remove(fd, PL_ROWS_DIR, is_rows);
    close(fd);
    (void)pl_own_dir_remove(at, name, is_ours);
}

void pl_recording_dir_remove(const char *dir)
{
    remove_dir(AT_FDCWD, dir);
}

/* ---- stale ones ---- */

static bool owner_gone(int dir_fd)
{
    char text[64];
    uint32_t pid;
    uint64_t start;
    int fd = openat(dir_fd, OWNER_FILE, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) {
        struct stat st; /* it may be about to be written */
        return fstat(dir_fd, &st) == 0 &&
               pl_clock_wall_ns() - st.st_mtim.tv_sec * PL_NS_PER_S > YOUNG_NS;
    }
    ssize_t got = read(fd, text, sizeof text - 1);
    close(fd);
    text[got > 0 ? got : 0] = '\0';
    return sscanf(text, "%" SCNu32 " %" SCNu64, &pid, &start) == 2 &&
           pl_process_gone(pid, start);
}

static bool writer_gone(int dir_fd, const char *name)
{
    struct pl_segment head;
    const size_t bytes = offsetof(struct pl_segment, session_id);
    int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return errno == ENOENT;
    ssize_t got = pread(fd, &head, bytes, 0);
    close(fd);
    return got != (ssize_t)bytes || head.magic != PL_SEG_MAGIC ||
           pl_process_gone(head.pid, head.pid_start);
}

/* Whoever opens its store next reads what is left here, and removes it. */
static bool has_journal(int dir_fd)
{
    char path[PATH_MAX];
    int fd = openat(dir_fd, PL_RECORDING_NOTE,
                    O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return false;
    ssize_t got = read(fd, path, sizeof path - 1);
    close(fd);
    path[got > 0 ? got : 0] = '\0';
    return got > 0 && access(path, F_OK) == 0;
}

static bool is_stale(int base_fd, const char *name)
{
    int fd = pl_own_dir_open(base_fd, name);
    if (fd < 0)
        return false;
    bool stale = owner_gone(fd) && !has_journal(fd);
    DIR *dir = stale ? fdopendir(fd) : NULL;
    if (!dir) {
        close(fd);
        return false;
    }
    struct dirent *entry;
    while (stale && (entry = readdir(dir)))
        if (pl_ends_with(entry->d_name, ".seg"))
            stale = writer_gone(dirfd(dir), entry->d_name);
    closedir(dir);
    return stale;
}

static void remove_stale(int base_fd)
{
    int fd = openat(base_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (!dir) {
        if (fd >= 0)
            close(fd);
        return;
    }
    struct dirent *entry;
    struct pl_id id;
    while ((entry = readdir(dir)))
        if (pl_id_parse(entry->d_name, &id) && is_stale(base_fd, entry->d_name))
            remove_dir(base_fd, entry->d_name);
    closedir(dir);
}

/* ---- making ---- */

static bool make_in(const char *place, const char *id, char *dir_out, size_t dir_size)
{
    char base[64];
    bool ok = false;
    snprintf(base, sizeof base, "%s/proflite-%u", place, (unsigned)geteuid());
    if (mkdir(base, 0700) != 0 && errno != EEXIST)
        return false;
    int base_fd = pl_own_dir_open(AT_FDCWD, base);
    if (base_fd < 0)
        return false;
    remove_stale(base_fd);
    if (mkdirat(base_fd, id, 0700) == 0) {
        int fd = pl_own_dir_open(base_fd, id);
        ok = fd >= 0 && write_owner(fd) &&
             snprintf(dir_out, dir_size, "%s/%s", base, id) < (int)dir_size;
        int code = errno;
        if (fd >= 0)
            close(fd);
        if (!ok)
            remove_dir(base_fd, id);
        errno = code;
    }
    close(base_fd);
    return ok;
}

enum pl_status pl_recording_dir_make(const struct pl_id *recording_id, char *dir_out,
                                     size_t dir_size, struct pl_error *err)
{
    char id[PL_ID_TEXT];
    pl_id_format(recording_id, id);
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++)
        if (make_in(places[i], id, dir_out, dir_size))
            return PL_OK;
    return pl_error_set(
        err, PL_IO, "cannot make a folder for the recording in /dev/shm or /tmp: %s",
        strerror(errno));
}
