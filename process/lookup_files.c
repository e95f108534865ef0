#include "process/lookup_files.h"

#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>

static void map_file(struct pl_lookup_files *files, int fd)
{
    struct stat st;
    if (fd < 0 || fstat(fd, &st) != 0 || st.st_size <= 0)
        return;
    void *bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (bytes == MAP_FAILED)
        return;
    files->maps[files->count].bytes = bytes;
    files->maps[files->count++].len = (size_t)st.st_size;
}

void pl_lookup_files_open(struct pl_lookup_files *files_out,
                          const struct pl_lookup_request *request)
{
    *files_out = (struct pl_lookup_files){.status = PL_IMAGE_MISSING};
    for (size_t i = 0; i < request->place_count; i++)
        if (request->places[i].kind == PL_PLACE_FILE &&
            files_out->count < PL_LOOKUP_FILES)
            map_file(files_out, request->places[i].fd);
    files_out->read = !files_out->count;
    (void)snprintf(files_out->message, sizeof files_out->message, "nobody added it");
}

void pl_lookup_files_close(struct pl_lookup_files *files)
{
    for (size_t i = 0; i < files->count; i++)
        munmap(files->maps[i].bytes, files->maps[i].len);
    files->count = 0;
}

bool pl_lookup_files_read(struct pl_lookup_files *files,
                          enum pl_status (*read)(void *self, const char *bytes,
                                                 size_t len, struct pl_error *err),
                          void *self)
{
    struct pl_error err;
    for (size_t i = 0; i < files->count && !files->read; i++) {
        if (read(self, files->maps[i].bytes, files->maps[i].len, &err) == PL_OK) {
            files->status = PL_IMAGE_FOUND;
            files->message[0] = '\0';
            break;
        }
        files->status = PL_IMAGE_MALFORMED;
        (void)snprintf(files->message, sizeof files->message, "%.200s", err.message);
    }
    files->read = true;
    return files->status == PL_IMAGE_FOUND;
}

enum pl_image_status pl_lookup_files_status(const void *files)
{
    return ((const struct pl_lookup_files *)files)->status;
}

const char *pl_lookup_files_message(const void *files)
{
    return ((const struct pl_lookup_files *)files)->message;
}

uint64_t pl_lookup_files_bytes(const void *from)
{
    const struct pl_lookup_files *files = from;
    uint64_t bytes = 0;
    for (size_t i = 0; i < files->count; i++)
        bytes += files->maps[i].len;
    return bytes;
}
