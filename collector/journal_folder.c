#include "collector/journal_folder.h"

#include "base/buf.h"
#include "base/log.h"
#include "collector/journal.h"
#include "collector/own_dir.h"
#include "collector/process_state.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define OWNER_FILE  "owner"
#define DONE_FILE   "done"            /* the owner's, when only removing is left */
#define ASIDE_FILE  "refused.journal" /* beside the recorders' folders */
#define OWNER_BYTES 65536u
#define MAX_TRIES   50
#define PAUSE_US    2000

static bool is_ours(const char *name)
{
    return strcmp(name, OWNER_FILE) == 0 || strcmp(name, DONE_FILE) == 0 ||
           pl_ends_with(name, PL_JOURNAL_ENDING) || pl_ends_with(name, PL_JOURNAL_DONE);
}

/* <db>-journal.d of an existing store; false if the name is too long. */
static bool base_path(const char *db, char path[static PATH_MAX])
{
    char real[PATH_MAX];
    return realpath(db, real) &&
           snprintf(path, PATH_MAX, "%s-journal.d", real) < PATH_MAX;
}

/* ---- the owner's file ---- */

static void put_text(struct pl_buf *buf, const char *key, const char *value)
{
    if (!value)
        return;
    pl_buf_printf(buf, "%s=%s", key, value);
    pl_buf_putc(buf, '\0');
}

static bool write_owner(int fd, const struct pl_drain_options *options)
{
    struct pl_buf buf;
    char host[256] = "", recording[PL_ID_TEXT];
    (void)gethostname(host, sizeof host - 1);
    pl_id_format(&options->recording_id, recording);
    pl_buf_init(&buf, OWNER_BYTES);
    pl_buf_printf(&buf, "pid=%d%c", (int)getpid(), 0);
    pl_buf_printf(&buf, "start=%" PRIu64 "%c", pl_own_start(), 0);
    pl_buf_printf(&buf, "chunk_ns=%" PRId64 "%c", options->chunk_ns, 0);
    put_text(&buf, "dir", options->dir);
    put_text(&buf, "recording", recording);
    put_text(&buf, "host", host);
    put_text(&buf, "app", options->app);
    put_text(&buf, "release", options->release);
    put_text(&buf, "environment", options->environment);
    put_text(&buf, "dist", options->dist);
    put_text(&buf, "in_app_include", options->in_app_include);
    put_text(&buf, "in_app_exclude", options->in_app_exclude);
    put_text(&buf, "project_root", options->project_root);
    bool ok = !buf.failed && write(fd, buf.data, buf.len) == (ssize_t)buf.len;
    pl_buf_deinit(&buf);
    return ok;
}

static void take_field(struct pl_journal_owner *owner, char *field)
{
    struct pl_drain_options *o = &owner->options;
    char *value = strchr(field, '=');
    if (!value)
        return;
    *value++ = '\0';
    const struct {
        const char *key;
        const char **to;
    } texts[] = {
        {"dir", &o->dir},
        {"app", &o->app},
        {"release", &o->release},
        {"environment", &o->environment},
        {"dist", &o->dist},
        {"host", &owner->host},
        {"in_app_include", &o->in_app_include},
        {"in_app_exclude", &o->in_app_exclude},
        {"project_root", &o->project_root},
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (strcmp(field, texts[i].key) == 0)
            *texts[i].to = value;
    if (strcmp(field, "pid") == 0)
        owner->pid = (uint32_t)strtoul(value, NULL, 10);
    else if (strcmp(field, "start") == 0)
        owner->pid_start = strtoull(value, NULL, 10);
    else if (strcmp(field, "chunk_ns") == 0)
        o->chunk_ns = strtoll(value, NULL, 10);
    else if (strcmp(field, "recording") == 0)
        (void)!pl_id_parse(value, &o->recording_id);
}

static bool read_owner(int fd, struct pl_journal_owner *owner)
{
    *owner = (struct pl_journal_owner){.text = calloc(1, OWNER_BYTES + 1)};
    if (!owner->text)
        return false;
    ssize_t got = pread(fd, owner->text, OWNER_BYTES, 0);
    for (ssize_t at = 0; at < got;) {
        char *field = owner->text + at;
        at += (ssize_t)strlen(field) + 1;
        take_field(owner, field);
    }
    return owner->pid != 0;
}

/* ---- making ---- */

static bool lock_within(int fd, int how)
{
    for (int i = 0; i < MAX_TRIES; i++) {
        if (flock(fd, how | LOCK_NB) == 0)
            return true;
        if (errno != EWOULDBLOCK && errno != EINTR)
            return false;
        usleep(PAUSE_US);
    }
    return false;
}

/* For those that make room under /dev/shm: here is what still needs the folder. */
static bool leave_note(const struct pl_journal_folder *folder, const char *dir)
{
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/" PL_RECORDING_NOTE, dir) >= PATH_MAX)
        return false;
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return false;
    ssize_t len = (ssize_t)strlen(folder->path);
    bool ok = write(fd, folder->path, (size_t)len) == len;
    return close(fd) == 0 && ok;
}

static bool make_inside(struct pl_journal_folder *folder,
                        const struct pl_drain_options *options)
{
    if (mkdirat(folder->base_fd, folder->name, 0700) != 0)
        return false;
    folder->fd = pl_own_dir_open(folder->base_fd, folder->name);
    if (folder->fd < 0)
        return false;
    folder->owner_fd = openat(folder->fd, OWNER_FILE,
                              O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    return folder->owner_fd >= 0 && flock(folder->owner_fd, LOCK_EX | LOCK_NB) == 0 &&
           write_owner(folder->owner_fd, options) && leave_note(folder, options->dir);
}

/* The folder around may be removed by another who found it empty, just now. */
static bool make_folder(struct pl_journal_folder *folder, const char *base,
                        const struct pl_drain_options *options)
{
    for (int i = 0; i < 5; i++) {
        if (mkdir(base, 0700) != 0 && errno != EEXIST)
            return false;
        folder->base_fd = pl_own_dir_open(AT_FDCWD, base);
        if (folder->base_fd < 0)
            return false;
        if (lock_within(folder->base_fd, LOCK_SH) && make_inside(folder, options))
            return flock(folder->base_fd, LOCK_UN) == 0;
        if (errno != ENOENT || folder->fd >= 0)
            return false;
        close(folder->base_fd);
        folder->base_fd = -1;
    }
    return false;
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void name_folder(const char *dir, char *name, size_t size)
{
    struct pl_id id;
    struct pl_error err;
    const char *last = strrchr(dir, '/');
    last = last ? last + 1 : dir;
    if (!pl_id_parse(last, &id) && pl_id_new(&id, &err) != PL_OK)
        memset(&id, 0, sizeof id);
    if (size >= PL_ID_TEXT)
        pl_id_format(&id, name);
}

enum pl_status pl_journal_folder_make(struct pl_journal_folder *folder,
                                      const struct pl_drain_options *options,
                                      struct pl_error *err)
{
    char base[PATH_MAX];
    *folder = (struct pl_journal_folder){.base_fd = -1, .fd = -1, .owner_fd = -1};
    name_folder(options->dir, folder->name, sizeof folder->name);
    errno = ENAMETOOLONG;
    if (base_path(options->db, base) &&
        snprintf(folder->path, sizeof folder->path, "%s/%s", base, folder->name) <
            PATH_MAX &&
        make_folder(folder, base, options))
        return PL_OK;
    int code = errno;
    pl_journal_folder_close(folder, true);
    return pl_error_set(err, PL_IO,
                        "cannot keep a journal beside %s (%s): what was sampled since "
                        "the last chunk is lost if the recorder is killed",
                        options->db, strerror(code));
}

/* ---- removing ---- */

void pl_journal_folder_done(struct pl_journal_folder *folder)
{
    (void)renameat(folder->fd, OWNER_FILE, folder->fd, DONE_FILE);
}

void pl_journal_folder_close(struct pl_journal_folder *folder, bool remove)
{
    if (remove && folder->fd >= 0) {
        pl_journal_folder_done(folder);
        (void)pl_own_dir_remove(folder->base_fd, folder->name, is_ours);
    }
    if (remove && folder->path[0] && folder->base_fd >= 0) {
        char *slash = strrchr(folder->path, '/');
        *slash = '\0';
        (void)rmdir(folder->path); /* when it was the last one */
    }
    close_fd(&folder->fd);
    close_fd(&folder->owner_fd); /* and with it the lock */
    close_fd(&folder->base_fd);
}

void pl_journal_folder_set_aside(struct pl_journal_folder *folder, const char *name)
{
    (void)renameat(folder->fd, name, folder->base_fd, ASIDE_FILE);
}

/* ---- those of the dead ---- */

/* Nobody can be making it: who does holds the folder around shared. */
static void remove_unowned(int base_fd, const char *name)
{
    struct stat st;
    char owner[128];
    snprintf(owner, sizeof owner, "%s/" OWNER_FILE, name);
    if (flock(base_fd, LOCK_EX | LOCK_NB) != 0)
        return;
    if (fstatat(base_fd, owner, &st, AT_SYMLINK_NOFOLLOW) != 0 && errno == ENOENT)
        (void)pl_own_dir_remove(base_fd, name, is_ours);
    (void)flock(base_fd, LOCK_UN);
}

/* The lock alone would do; on a file system that knows none it says nothing. */
static bool is_dead(const struct pl_journal_folder *folder,
                    const struct pl_journal_owner *owner)
{
    return pl_process_gone(owner->pid, owner->pid_start) ||
           !pl_process_maps(owner->pid, folder->name);
}

/* True with the lock of whoever was the owner. */
static bool take_over(struct pl_journal_folder *folder, bool *done_out)
{
    struct stat st;
    const int flags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
    folder->owner_fd = openat(folder->fd, OWNER_FILE, flags);
    *done_out = folder->owner_fd < 0;
    if (*done_out)
        folder->owner_fd = openat(folder->fd, DONE_FILE, flags);
    return folder->owner_fd >= 0 && flock(folder->owner_fd, LOCK_EX | LOCK_NB) == 0 &&
           fstat(folder->owner_fd, &st) == 0 && st.st_nlink > 0 && S_ISREG(st.st_mode);
}

struct visit {
    bool (*each)(void *self, struct pl_journal_folder *folder,
                 const struct pl_journal_owner *owner);
    void *self;
};

/* True: the folder is done with. */
static bool deal_with(const struct visit *visit, struct pl_journal_folder *folder,
                      bool done, const struct pl_journal_owner *owner)
{
    if (!done && !is_dead(folder, owner))
        return false;
    if (!done && !visit->each(visit->self, folder, owner))
        return false;
    pl_journal_folder_done(folder);
    if (owner->options.dir)
        pl_recording_dir_remove(owner->options.dir);
    return true;
}

static void visit_folder(const struct visit *visit, const char *base, const char *name)
{
    struct pl_journal_folder folder = {.base_fd = -1, .fd = -1, .owner_fd = -1};
    struct pl_journal_owner owner = {.text = NULL};
    bool done = false, remove = false;
    folder.base_fd = pl_own_dir_open(AT_FDCWD, base);
    if (folder.base_fd >= 0)
        folder.fd = pl_own_dir_open(folder.base_fd, name);
    snprintf(folder.name, sizeof folder.name, "%s", name);
    if (folder.fd >= 0 &&
        snprintf(folder.path, sizeof folder.path, "%s/%s", base, name) < PATH_MAX) {
        if (take_over(&folder, &done)) {
            bool known = read_owner(folder.owner_fd, &owner);
            remove = !known || deal_with(visit, &folder, done, &owner);
        } else if (folder.owner_fd < 0) {
            remove_unowned(folder.base_fd, name);
        }
    }
    pl_journal_folder_close(&folder, remove);
    free(owner.text);
}

enum pl_status pl_journal_folders(const char *db,
                                  bool (*each)(void *self,
                                               struct pl_journal_folder *folder,
                                               const struct pl_journal_owner *owner),
                                  void *self, struct pl_error *err)
{
    char base[PATH_MAX];
    struct pl_id id;
    struct visit visit = {each, self};
    if (!base_path(db, base))
        return PL_OK; /* no store, no journals */
    int fd = pl_own_dir_open(AT_FDCWD, base);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (!dir) {
        int code = errno;
        if (fd >= 0)
            close(fd);
        return code == ENOENT || code == ENOTDIR || code == EPERM || code == EACCES
                   ? PL_OK
                   : pl_error_set(err, PL_IO, "cannot read %s: %s", base,
                                  strerror(code));
    }
    struct dirent *entry;
    while ((entry = readdir(dir)))
        if (strlen(entry->d_name) == PL_ID_TEXT - 1 && pl_id_parse(entry->d_name, &id))
            visit_folder(&visit, base, entry->d_name);
    closedir(dir);
    (void)rmdir(base); /* when it is empty */
    return PL_OK;
}
