/* doctor: the store's place, file and disk, and where its names come from. Nothing here
 * writes, or makes a file. */
#include "cli/doctor.h"
#include "cli/term.h"
#include "process/symbol_places.h"
#include "store/query.h"
#include "store/symbol_sources.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

enum { FREE_WANTED_MB = 1024 };

static const char *origin(const struct pl_cli *cli, const char *path)
{
    const char *env = getenv("PROFLITE_DB");
    if (cli->db)
        return "--db";
    if (env && env[0])
        return "PROFLITE_DB";
    return path == cli->default_db ? "the config file or the default" : "";
}

/* The nearest folder of `path` that is there. */
static void find_folder(char folder[static PATH_MAX], const char *path)
{
    struct stat st;
    (void)snprintf(folder, PATH_MAX, "%s", path);
    for (;;) {
        char *slash = strrchr(folder, '/');
        if (!slash) {
            (void)snprintf(folder, PATH_MAX, ".");
            return;
        }
        slash[slash == folder] = '\0';
        if (slash == folder || (stat(folder, &st) == 0 && S_ISDIR(st.st_mode)))
            return;
    }
}

/* ---- the disk ---- */

static void say_file_system(struct pl_doctor *doctor, const char *folder)
{
    static const struct {
        unsigned long magic;
        const char *name;
    } remote[] = {{NFS_SUPER_MAGIC, "NFS"},   {SMB_SUPER_MAGIC, "SMB"},
                  {CIFS_SUPER_MAGIC, "CIFS"}, {SMB2_SUPER_MAGIC, "SMB"},
                  {V9FS_MAGIC, "9p"},         {CEPH_SUPER_MAGIC, "Ceph"},
                  {AFS_SUPER_MAGIC, "AFS"},   {FUSE_SUPER_MAGIC, "FUSE"}};
    struct statfs st;
    if (statfs(folder, &st) != 0)
        return;
    for (size_t i = 0; i < sizeof remote / sizeof *remote; i++)
        if ((unsigned long)st.f_type == remote[i].magic) {
            pl_doctor_say(doctor, PL_VERDICT_NOTE, "file system",
                          "writers share memory and locks through it, which only works "
                          "on one machine, and not on every such system: rather use a "
                          "local disk",
                          "%s", remote[i].name);
            return;
        }
    pl_doctor_say(doctor, PL_VERDICT_OK, "file system", NULL, "local");
}

static void say_room(struct pl_doctor *doctor, const char *folder)
{
    struct statvfs disk;
    char room[PL_TERM_SHORT];
    if (statvfs(folder, &disk) != 0)
        return;
    uint64_t free_mb = (uint64_t)disk.f_bavail * disk.f_frsize >> 20;
    bool enough = free_mb >= FREE_WANTED_MB;
    pl_term_count(room, (int64_t)free_mb);
    pl_doctor_say(doctor, enough ? PL_VERDICT_OK : PL_VERDICT_NOTE, "room",
                  enough ? NULL
                         : "when the disk is full samples are lost, and counted: free "
                           "some, or hold the store down with: proflite gc --max-size",
                  "%s MiB free", room);
}

static void say_folder(struct pl_doctor *doctor, const char *folder)
{
    if (access(folder, W_OK | X_OK) == 0)
        pl_doctor_say(doctor, PL_VERDICT_OK, "folder", NULL, "%s", folder);
    else
        pl_doctor_say(doctor, PL_VERDICT_BAD, "folder",
                      "nothing can be recorded there: make it writable for this user, "
                      "or name another place with --db",
                      "%s: %s", folder, strerror(errno));
}

/* ---- the file ---- */

static void say_owner(struct pl_doctor *doctor, const struct stat *file)
{
    unsigned mode = file->st_mode & 07777;
    if (file->st_uid != geteuid())
        pl_doctor_say(doctor, PL_VERDICT_NOTE, "owner",
                      "its owner reads all that is recorded into it",
                      "user %u, not you (%u), mode %04o", (unsigned)file->st_uid,
                      (unsigned)geteuid(), mode);
    else if (mode & 077)
        pl_doctor_say(doctor, PL_VERDICT_NOTE, "owner",
                      "others may read what your programs do: chmod 600",
                      "you, mode %04o", mode);
    else
        pl_doctor_say(doctor, PL_VERDICT_OK, "owner", NULL, "you, mode %04o", mode);
    if (file->st_nlink > 1)
        pl_doctor_say(doctor, PL_VERDICT_BAD, "names",
                      "it can be read, not written: remove the other name, or copy it",
                      "the file has %u names (hard links)", (unsigned)file->st_nlink);
}

static void say_lock(struct pl_doctor *doctor, const char *path)
{
    char name[PATH_MAX + 8];
    (void)snprintf(name, sizeof name, "%s-lock", path);
    int fd = open(name, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0 && errno == ENOENT)
        return; /* nobody has written yet */
    if (fd >= 0 && (flock(fd, LOCK_SH | LOCK_NB) == 0 || errno == EWOULDBLOCK))
        pl_doctor_say(doctor, PL_VERDICT_OK, "lock", NULL, "works");
    else
        pl_doctor_say(doctor, PL_VERDICT_BAD, "lock",
                      "nobody can write: make the file writable for this user, on a "
                      "file system with locks",
                      "%s: %s", name, strerror(errno));
    if (fd >= 0)
        (void)close(fd);
}

/* Journals of recorders: at work, or killed. */
static void say_journals(struct pl_doctor *doctor, const char *path)
{
    char name[PATH_MAX + 16];
    unsigned count = 0;
    (void)snprintf(name, sizeof name, "%s-journal.d", path);
    DIR *dir = opendir(name);
    for (struct dirent *entry; dir && (entry = readdir(dir));)
        count += entry->d_name[0] != '.';
    if (dir)
        (void)closedir(dir);
    if (count)
        pl_doctor_say(doctor, PL_VERDICT_OK, "journals",
                      "of recorders at work, or killed: what those left is written by "
                      "the next of ls, top, process, record or serve",
                      "%u beside it", count);
}

static void say_contents(struct pl_doctor *doctor, struct pl_store *store,
                         const struct stat *file, const char *path)
{
    const struct pl_selection all = {0};
    struct pl_session_list list = {0};
    struct pl_error err = {0};
    struct stat log = {0};
    char name[PATH_MAX + 8], size[PL_TERM_SHORT], log_size[PL_TERM_SHORT];
    (void)snprintf(name, sizeof name, "%s-wal", path);
    (void)!stat(name, &log);
    pl_term_count(size, file->st_size >> 20);
    pl_term_count(log_size, log.st_size >> 20);
    if (pl_query_sessions(store, &all, &list, &err) == PL_OK)
        pl_doctor_say(doctor, PL_VERDICT_OK, "contents", NULL,
                      "%zu session%s, %s MiB, log %s MiB (verify it: proflite%s check)",
                      list.count, pl_term_plural((int64_t)list.count), size, log_size,
                      pl_cli_db_flag(doctor->cli));
    else
        pl_doctor_say(doctor, PL_VERDICT_BAD, "contents", NULL, "%s", err.message);
    pl_session_list_deinit(&list);
}

static struct pl_store *open_store(struct pl_doctor *doctor, const char *path)
{
    struct pl_store *store = NULL;
    struct pl_error err = {0};
    if (pl_store_open(path, PL_STORE_READ, &store, &err) != PL_OK)
        pl_doctor_say(doctor, PL_VERDICT_BAD, "format", NULL, "%s", err.message);
    return store;
}

void pl_doctor_store(struct pl_doctor *doctor)
{
    char folder[PATH_MAX];
    struct pl_error err = {0};
    struct pl_store *store = NULL;
    struct stat file;
    doctor->area = "store";
    const char *path = pl_cli_db(doctor->cli, &err);
    if (!path) {
        pl_doctor_say(doctor, PL_VERDICT_BAD, "place", NULL, "%s", err.message);
        pl_doctor_symbols(doctor, NULL);
        return;
    }
    bool there = lstat(path, &file) == 0;
    pl_doctor_say(doctor, PL_VERDICT_OK, "place",
                  there ? NULL : "not there yet: record and serve make it", "%s (%s)",
                  path, origin(doctor->cli, path));
    find_folder(folder, path);
    say_folder(doctor, folder);
    say_file_system(doctor, folder);
    say_room(doctor, folder);
    if (there)
        store = open_store(doctor, path);
    if (there) {
        say_owner(doctor, &file);
        say_lock(doctor, path);
        say_journals(doctor, path);
    }
    if (store)
        say_contents(doctor, store, &file, path);
    pl_doctor_symbols(doctor, store);
    pl_store_close(store);
}

/* ---- names ---- */

static bool asks_server(const struct pl_symbol_source_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->rows[i].kind, "debuginfod") == 0)
            return true;
    return false;
}

void pl_doctor_symbols(struct pl_doctor *doctor, struct pl_store *store)
{
    struct pl_symbol_source_list list = {0};
    const char *servers = getenv("DEBUGINFOD_URLS");
    doctor->area = "symbols";
    if (access(PL_DEBUG_ROOT, R_OK | X_OK) == 0)
        pl_doctor_say(doctor, PL_VERDICT_OK, "debug files", NULL, "%s", PL_DEBUG_ROOT);
    else
        pl_doctor_say(doctor, PL_VERDICT_NOTE, "debug files",
                      "functions of the system's libraries that are not exported show "
                      "as module+0xSTART; apt install libc6-dbg names those of libc",
                      "no %s", PL_DEBUG_ROOT);
    if (!store || pl_symbol_sources_get(store, 0, PL_DEBUG_ROOT, &list, NULL) != PL_OK)
        return;
    if (servers && *servers && !asks_server(&list))
        pl_doctor_say(doctor, PL_VERDICT_NOTE, "debuginfod",
                      "no server is asked unless it is named: proflite symbols sources "
                      "uploaded build-id:" PL_DEBUG_ROOT " URL",
                      "DEBUGINFOD_URLS is set and not used");
    pl_doctor_say(doctor, PL_VERDICT_OK, "sources", NULL,
                  "%zu, %s (list them: proflite%s "
                  "symbols sources)",
                  list.count,
                  asks_server(&list) ? "a server among them" : "none of them a server",
                  pl_cli_db_flag(doctor->cli));
    pl_symbol_source_list_deinit(&list);
}
