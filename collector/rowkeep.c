#include "collector/rowkeep.h"

#include "base/hash.h"
#include "collector/grow.h"
#include "collector/rowcache.h"
#include "collector/rows_key.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MAX_FILE_BYTES (UINT64_C(64) << 20)
#define MAX_BYTES      (UINT64_C(256) << 20) /* of the folder */
#define MAX_AHEAD      (UINT64_C(48) << 20)  /* copied before anything asks */
#define MAX_USES       256u
#define MAX_ENTRIES    8192u
#define STALE_TEMP_S   3600

struct names {
    char list[MAX_USES][PL_ROWS_KEY_TEXT];
    unsigned count;
};

struct pl_rowkeep {
    int fd;
    char program[PL_ROWS_KEY_TEXT]; /* the .uses file; empty: none */
    struct names uses, earlier;     /* of this recording; of the ones before */
    bool changed;
};

/* ---- the folder ---- */

static bool is_ours(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == geteuid() &&
           !(st.st_mode & 077);
}

static int open_folder(const char *folder)
{
    char parent[1024];
    const char *slash = strrchr(folder, '/');
    if (!slash || slash == folder || (size_t)(slash - folder) >= sizeof parent)
        return -1;
    memcpy(parent, folder, (size_t)(slash - folder));
    parent[slash - folder] = '\0';
    char *up = strrchr(parent, '/');
    if (up && up != parent) { /* two levels, as under ~/.cache */
        *up = '\0';
        (void)mkdir(parent, 0700);
        *up = '/';
    }
    (void)mkdir(parent, 0700);
    (void)mkdir(folder, 0700);
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd >= 0 && !is_ours(fd)) {
        close(fd);
        fd = -1;
    }
    return fd;
}

struct pl_rowkeep *pl_rowkeep_open(const char *folder)
{
    int fd = open_folder(folder);
    struct pl_rowkeep *keep = fd >= 0 ? calloc(1, sizeof *keep) : NULL;
    if (keep)
        keep->fd = fd;
    else if (fd >= 0)
        close(fd);
    return keep;
}

/* "<hex>.rows" or "p<hex>.rows" and nothing else: names become paths. */
static bool is_row_name(const char *name)
{
    name += *name == 'p';
    size_t digits = strspn(name, "0123456789abcdef");
    return digits > 0 && digits <= 40 && strcmp(name + digits, ".rows") == 0;
}

/* The whole of a file that only the user can have written, or NULL. */
static unsigned char *read_kept(const struct pl_rowkeep *keep, const char *name,
                                size_t *bytes_out)
{
    struct stat st;
    unsigned char *data = NULL;
    size_t used = 0;
    int fd = openat(keep->fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return NULL;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid() &&
        !(st.st_mode & 022) && st.st_size > 0 && (uint64_t)st.st_size <= MAX_FILE_BYTES)
        data = malloc((size_t)st.st_size + 1);
    while (data && used < (size_t)st.st_size) {
        ssize_t got = pread(fd, data + used, (size_t)st.st_size - used, (off_t)used);
        if (got <= 0 && !(got < 0 && errno == EINTR))
            break;
        used += got > 0 ? (size_t)got : 0;
    }
    if (data && used < (size_t)st.st_size) {
        free(data);
        data = NULL;
    }
    if (data)
        (void)futimens(fd, NULL); /* used now: goes last */
    close(fd);
    *bytes_out = used;
    return data;
}

/* ---- rows ---- */

static bool has(const struct names *names, const char *name)
{
    for (unsigned i = 0; i < names->count; i++)
        if (strcmp(names->list[i], name) == 0)
            return true;
    return false;
}

static void add(struct names *names, const char *name)
{
    if (names->count < MAX_USES && is_row_name(name) && !has(names, name))
        memcpy(names->list[names->count++], name, strlen(name) + 1);
}

void pl_rowkeep_use(struct pl_rowkeep *keep, const char *name)
{
    if (!keep)
        return;
    add(&keep->uses, name);
    keep->changed |= !has(&keep->earlier, name);
}

/* Into cursors of a copy: its alignment is malloc's. */
static bool to_rows(unsigned char *data, size_t bytes, struct pl_cfi_rows *rows)
{
    if (bytes < sizeof rows->header)
        return false;
    memcpy(&rows->header, data, sizeof rows->header);
    if (!pl_rows_valid(data, bytes))
        return false;
    rows->pages = (uint32_t *)(void *)(data + sizeof rows->header);
    rows->rows = (struct pl_row *)(void *)(rows->pages + rows->header.page_count + 1);
    rows->wide = (struct pl_wide_rule *)(void *)(rows->rows + rows->header.row_count);
    return rows->header.check == pl_rowcache_check(rows);
}

bool pl_rowkeep_take(struct pl_rowkeep *keep, const char *name, int to_fd)
{
    size_t bytes = 0;
    struct pl_cfi_rows rows;
    if (!keep || !is_row_name(name))
        return false;
    unsigned char *data = read_kept(keep, name, &bytes);
    bool ok = data && to_rows(data, bytes, &rows) &&
              pl_rowcache_write(to_fd, name, &rows, NULL) == PL_OK;
    free(data);
    return ok;
}

void pl_rowkeep_put(struct pl_rowkeep *keep, const char *name,
                    const struct pl_cfi_rows *rows)
{
    if (keep && is_row_name(name) && pl_rows_bytes(&rows->header) <= MAX_FILE_BYTES &&
        pl_rowcache_write(keep->fd, name, rows, NULL) == PL_OK)
        keep->changed = true;
}

/* ---- what a program uses ---- */

static bool is_there(int fd, const char *name)
{
    struct stat st;
    return fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static uint64_t size_of(int fd, const char *name)
{
    struct stat st;
    return fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_size > 0
               ? (uint64_t)st.st_size
               : 0;
}

void pl_rowkeep_take_all(struct pl_rowkeep *keep, const char *program, int to_fd)
{
    size_t bytes = 0;
    uint64_t left = MAX_AHEAD;
    if (!keep || !is_row_name(program))
        return;
    snprintf(keep->program, sizeof keep->program, "%.*s.uses",
             (int)(strlen(program) - strlen(".rows")), program);
    char *text = (char *)read_kept(keep, keep->program, &bytes), *rest = text, *line;
    if (text)
        text[bytes] = '\0';
    for (unsigned i = 0; i < MAX_USES && rest && (line = strsep(&rest, "\n")); i++) {
        if (!is_row_name(line))
            continue;
        add(&keep->earlier, line);
        uint64_t size = size_of(keep->fd, line);
        if (size <= left && !is_there(to_fd, line) &&
            pl_rowkeep_take(keep, line, to_fd))
            left -= size;
    }
    free(text);
}

static void write_uses(struct pl_rowkeep *keep)
{
    char temp[PL_ROWS_KEY_TEXT + 16];
    snprintf(temp, sizeof temp, ".%s.%d", keep->program, (int)getpid());
    (void)unlinkat(keep->fd, temp, 0);
    int fd = openat(keep->fd, temp,
                    O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    FILE *file = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (!file) {
        if (fd >= 0)
            close(fd);
        return;
    }
    for (unsigned i = 0; i < keep->earlier.count; i++)
        add(&keep->uses, keep->earlier.list[i]);
    for (unsigned i = 0; i < keep->uses.count; i++)
        fprintf(file, "%s\n", keep->uses.list[i]);
    bool ok = !ferror(file);
    if (fclose(file) != 0 || !ok ||
        renameat(keep->fd, temp, keep->fd, keep->program) != 0)
        (void)unlinkat(keep->fd, temp, 0);
}

/* ---- bounds ---- */

struct kept {
    char name[PL_ROWS_KEY_TEXT + 24];
    uint64_t bytes;
    int64_t used_s;
};

static int by_age(const void *a, const void *b)
{
    const struct kept *x = a, *y = b;
    return x->used_s < y->used_s ? -1 : x->used_s > y->used_s;
}

/* Whoever put something else here loses it, too: the folder is ours. */
static void trim(const struct pl_rowkeep *keep)
{
    struct kept *list = NULL;
    size_t count = 0, capacity = 0;
    uint64_t sum = 0;
    struct dirent *entry;
    int fd = openat(keep->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (!dir && fd >= 0)
        close(fd);
    while (dir && (entry = readdir(dir))) {
        struct stat st;
        if (fstatat(keep->fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
            !S_ISREG(st.st_mode) || strlen(entry->d_name) >= sizeof list->name)
            continue;
        if (entry->d_name[0] == '.' && st.st_mtime + STALE_TEMP_S < time(NULL))
            (void)unlinkat(keep->fd, entry->d_name, 0);
        if (entry->d_name[0] == '.' ||
            !pl_grow(&list, &capacity, count + 1, sizeof *list, MAX_ENTRIES))
            continue;
        list[count].bytes = (uint64_t)st.st_size;
        list[count].used_s = st.st_mtime;
        memcpy(list[count].name, entry->d_name, strlen(entry->d_name) + 1);
        sum += list[count++].bytes;
    }
    if (count)
        qsort(list, count, sizeof *list, by_age);
    for (size_t i = 0; i < count && sum > MAX_BYTES; i++) {
        if (unlinkat(keep->fd, list[i].name, 0) == 0)
            sum -= list[i].bytes;
    }
    free(list);
    if (dir)
        closedir(dir);
}

void pl_rowkeep_close(struct pl_rowkeep *keep)
{
    if (!keep)
        return;
    if (keep->changed && keep->program[0])
        write_uses(keep);
    if (keep->changed)
        trim(keep);
    close(keep->fd);
    free(keep);
}
