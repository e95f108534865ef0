#include "collector/rowmap.h"

#include "collector/segment.h"
#include "collector/sys.h"

#include <fcntl.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/stat.h>

static const struct pl_rows_header *map_rows(long fd)
{
    struct stat info;
    if (pl_sys3(SYS_fstat, fd, PL_ARG(&info), 0) < 0 || info.st_size <= 0)
        return NULL;
    long address =
        pl_sys6(SYS_mmap, 0, info.st_size, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, 0);
    if (address < 0 && address > -4096)
        return NULL;
    const struct pl_rows_header *rows = (const void *)(uintptr_t)address;
    if (pl_rows_valid(rows, (uint64_t)info.st_size)) {
        pl_sys3(SYS_madvise, address, info.st_size, MADV_DONTFORK);
        return rows;
    }
    pl_sys3(SYS_munmap, address, info.st_size, 0);
    return NULL;
}

static char *append(char *at, const char *end, const char *text)
{
    while (*text && at < end)
        *at++ = *text++;
    return at;
}

static bool fill_identity(struct pl_rows_identity *id)
{
    struct stat info;
    if (pl_sys4(SYS_newfstatat, AT_FDCWD, PL_ARG(id->path), PL_ARG(&info), 0) < 0)
        return false;
    id->inode = info.st_ino;
    id->size = (uint64_t)info.st_size;
    id->mtime_ns =
        (int64_t)info.st_mtim.tv_sec * 1000000000 + (int64_t)info.st_mtim.tv_nsec;
    return true;
}

const struct pl_rows_header *pl_rowmap_open(const char *dir,
                                            struct pl_rows_identity *id)
{
    char name[PL_ROWS_KEY_TEXT], path[1200];
    if (!id->build_id_bytes && !fill_identity(id))
        return NULL;
    pl_rows_file_name(id, name);
    const char *end = path + sizeof path - 1;
    char *at = append(path, end, dir);
    at = append(at, end, "/" PL_ROWS_DIR "/");
    at = append(at, end, name);
    *at = '\0';
    long fd = pl_sys4(SYS_openat, AT_FDCWD, PL_ARG(path), O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0)
        return NULL;
    const struct pl_rows_header *rows = map_rows(fd);
    pl_sys3(SYS_close, fd, 0, 0);
    return rows;
}
