#include "collector/rowcache.h"

#include "base/hash.h"
#include "collector/rowkeep.h"
#include "collector/rows_key.h"
#include "collector/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define SETTLED_NS INT64_C(2000000000)

struct pl_rowcache {
    int dir_fd;              /* <dir>/rows */
    struct pl_rowkeep *keep; /* NULL: none */
};

enum pl_status pl_rowcache_open(const char *dir, struct pl_rowcache **cache_out,
                                struct pl_error *err)
{
    enum pl_status status = PL_OK;
    struct pl_rowcache *cache = NULL;
    *cache_out = NULL;
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return pl_error_set(err, PL_IO, "cannot open %s: %s", dir, strerror(errno));
    cache = malloc(sizeof *cache);
    if (!cache) {
        status = pl_error_set(err, PL_NOMEM, "out of memory");
        goto out;
    }
    *cache = (struct pl_rowcache){.dir_fd = -1};
    if (mkdirat(fd, PL_ROWS_DIR, 0700) == 0 || errno == EEXIST)
        cache->dir_fd =
            openat(fd, PL_ROWS_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (cache->dir_fd < 0) {
        status = pl_error_set(err, PL_IO, "cannot make %s/%s: %s", dir, PL_ROWS_DIR,
                              strerror(errno));
        goto out;
    }
    *cache_out = cache;
    cache = NULL;
out:
    pl_rowcache_close(cache);
    close(fd);
    return status;
}

void pl_rowcache_close(struct pl_rowcache *cache)
{
    if (!cache)
        return;
    if (cache->dir_fd >= 0)
        close(cache->dir_fd);
    pl_rowkeep_close(cache->keep);
    free(cache);
}

void pl_rowcache_keep(struct pl_rowcache *cache, const char *folder)
{
    pl_rowkeep_close(cache->keep);
    cache->keep = folder ? pl_rowkeep_open(folder) : NULL;
}

static bool write_all(int fd, const void *data, size_t bytes)
{
    const char *from = data;
    while (bytes) {
        ssize_t wrote = write(fd, from, bytes);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0)
            return false;
        from += wrote;
        bytes -= (size_t)wrote;
    }
    return true;
}

uint32_t pl_rowcache_check(const struct pl_cfi_rows *rows)
{
    const struct pl_rows_header *h = &rows->header;
    uint64_t hash = pl_hash_bytes(rows->pages, ((size_t)h->page_count + 1) * 4);
    hash = pl_hash_mix(hash, pl_hash_bytes(rows->rows, (size_t)h->row_count * 8));
    if (h->wide_count)
        hash = pl_hash_mix(
            hash, pl_hash_bytes(rows->wide, h->wide_count * sizeof *rows->wide));
    return (uint32_t)pl_hash_mix(hash, pl_hash_mix(h->base, h->wide_count));
}

enum pl_status pl_rowcache_write(int dir_fd, const char *name,
                                 const struct pl_cfi_rows *rows, struct pl_error *err)
{
    struct pl_rows_header head = rows->header, *h = &head;
    head.check = pl_rowcache_check(rows);
    size_t pages_bytes = ((size_t)h->page_count + 1) * sizeof *rows->pages;
    size_t rows_bytes = (size_t)h->row_count * sizeof *rows->rows;
    size_t wide_bytes = (size_t)h->wide_count * sizeof *rows->wide;
    char temp[PL_ROWS_KEY_TEXT + 16];
    snprintf(temp, sizeof temp, ".%s.%d", name, (int)getpid());
    (void)unlinkat(dir_fd, temp, 0); /* a crashed writer's with our pid */
    int fd = openat(dir_fd, temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
                    0600);
    if (fd < 0)
        return pl_error_set(err, PL_IO, "cannot make a row file: %s", strerror(errno));
    /* The profiled program maps the file: allocated, its pages cannot fault. */
    int code = posix_fallocate(fd, 0, (off_t)pl_rows_bytes(h));
    bool ok = code == 0 && write_all(fd, h, sizeof *h) &&
              write_all(fd, rows->pages, pages_bytes) &&
              write_all(fd, rows->rows, rows_bytes) &&
              write_all(fd, rows->wide, wide_bytes);
    code = code ? code : errno;
    if (close(fd) != 0 || !ok || renameat(dir_fd, temp, dir_fd, name) != 0) {
        (void)unlinkat(dir_fd, temp, 0);
        return pl_error_set(err, PL_IO, "cannot write a row file: %s", strerror(code));
    }
    return PL_OK;
}

static bool exists(const struct pl_rowcache *cache, const char *name)
{
    struct stat st;
    return fstatat(cache->dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static void name_of(const struct pl_rowcache_module *module,
                    const struct pl_elf_image *elf, char name[static PL_ROWS_KEY_TEXT])
{
    pl_rows_file_name(
        &(struct pl_rows_identity){.build_id = module->build_id,
                                   .build_id_bytes = module->build_id_bytes,
                                   .path = module->path,
                                   .inode = elf ? elf->inode : 0,
                                   .size = elf ? elf->bytes : 0,
                                   .mtime_ns = elf ? elf->mtime_ns : 0},
        name);
}

/* May rows made of it outlive the recording? Of a file without a build-id, name, place,
 * size and time tell that it is still the same, unless it has only just been written:
 * the same moment may see it written again. */
static bool is_lasting(const struct pl_elf_image *elf)
{
    struct timespec now;
    if (elf->build_id_bytes)
        return true;
    if (!elf->inode || clock_gettime(CLOCK_REALTIME, &now) != 0)
        return false;
    return elf->mtime_ns < now.tv_sec * INT64_C(1000000000) + now.tv_nsec - SETTLED_NS;
}

static bool has_kept(const struct pl_rowcache *cache, const char *name)
{
    pl_rowkeep_use(cache->keep, name);
    return exists(cache, name) || pl_rowkeep_take(cache->keep, name, cache->dir_fd);
}

static bool same_build(const struct pl_rowcache_module *module,
                       const struct pl_elf_image *elf)
{
    return !module->build_id_bytes ||
           (module->build_id_bytes == elf->build_id_bytes &&
            memcmp(module->build_id, elf->build_id, elf->build_id_bytes) == 0);
}

enum pl_status pl_rowcache_make(struct pl_rowcache *cache,
                                const struct pl_rowcache_module *module,
                                struct pl_error *err)
{
    char name[PL_ROWS_KEY_TEXT];
    if (module->build_id_bytes) {
        name_of(module, NULL, name);
        if (has_kept(cache, name))
            return PL_OK;
    }
    struct pl_elf_image elf;
    struct pl_cfi_rows rows = {.pages = NULL};
    enum pl_status status = module->vdso ? pl_elf_open_vdso(&elf, err)
                                         : pl_elf_open(&elf, module->path, err);
    if (status != PL_OK)
        goto out;
    if (!same_build(module, &elf)) {
        status = pl_error_set(err, PL_NOT_FOUND, "%s is not the file that runs",
                              module->path);
        goto out;
    }
    name_of(module, &elf, name);
    bool lasting = is_lasting(&elf);
    if (lasting ? has_kept(cache, name) : exists(cache, name))
        goto out;
    status = pl_cfi_compile(&elf, &rows, err);
    if (status == PL_OK)
        status = pl_rowcache_write(cache->dir_fd, name, &rows, err);
    if (status == PL_OK && lasting)
        pl_rowkeep_put(cache->keep, name, &rows);
out:
    pl_cfi_rows_deinit(&rows);
    pl_elf_close(&elf);
    return status;
}

void pl_rowcache_prepare(struct pl_rowcache *cache, const char *path)
{
    struct pl_elf_image elf;
    enum pl_status status =
        path ? pl_elf_open(&elf, path, NULL) : pl_elf_open_vdso(&elf, NULL);
    if (status == PL_OK && elf.build_id_bytes) {
        struct pl_rowcache_module module = {.path = path,
                                            .build_id = elf.build_id,
                                            .build_id_bytes = elf.build_id_bytes,
                                            .vdso = !path};
        status = pl_rowcache_make(cache, &module, NULL);
    }
    pl_elf_close(&elf);
}

void pl_rowcache_prepare_program(struct pl_rowcache *cache, const char *path)
{
    struct pl_elf_image elf;
    char name[PL_ROWS_KEY_TEXT];
    if (pl_elf_open(&elf, path, NULL) == PL_OK && is_lasting(&elf)) {
        struct pl_rowcache_module module = {.path = path,
                                            .build_id = elf.build_id,
                                            .build_id_bytes = elf.build_id_bytes};
        name_of(&module, &elf, name);
        pl_rowkeep_take_all(cache->keep, name, cache->dir_fd);
    }
    pl_elf_close(&elf);
    pl_rowcache_prepare(cache, path);
}

static bool is_common(const char *path)
{
    static const char *const common[] = {"libc.so.",   "ld-linux", "libm.so.",
                                         "libstdc++.", "libgcc_s", "libpthread.so."};
    const char *file = strrchr(path, '/') + 1;
    for (size_t i = 0; i < sizeof common / sizeof common[0]; i++)
        if (strncmp(file, common[i], strlen(common[i])) == 0)
            return true;
    return false;
}

/* Those loaded here. Not asked of the loader: its lock stays taken in the child of a
 * fork. */
void pl_rowcache_prepare_common(struct pl_rowcache *cache)
{
    char line[PATH_MAX + 128], last[PATH_MAX + 128] = "";
    pl_rowcache_prepare(cache, NULL);
    FILE *maps = fopen("/proc/self/maps", "re");
    if (!maps)
        return;
    while (fgets(line, sizeof line, maps)) {
        const char *path = strchr(line, '/');
        line[strcspn(line, "\n")] = '\0';
        if (!path || strcmp(path, last) == 0)
            continue;
        memcpy(last, path, strlen(path) + 1);
        if (is_common(path))
            pl_rowcache_prepare(cache, path);
    }
    fclose(maps);
}
