/* What lookups of uploaded files have in common. `open` of a lookup maps them; they are
 * read when first asked, when the worker's memory is limited. */
#ifndef PL_PROCESS_LOOKUP_FILES_H
#define PL_PROCESS_LOOKUP_FILES_H

#include "process/symbols.h"

#define PL_LOOKUP_FILES 16

struct pl_lookup_files {
    struct {
        char *bytes;
        size_t len;
    } maps[PL_LOOKUP_FILES];
    size_t count;
    bool read;
    enum pl_image_status status;
    char message[256];
};

void pl_lookup_files_open(struct pl_lookup_files *files_out,
                          const struct pl_lookup_request *request);
void pl_lookup_files_close(struct pl_lookup_files *files);

/* Once: try them in their order until `read` takes one. True: one was taken, now or
 * before; its bytes stay mapped. */
bool pl_lookup_files_read(struct pl_lookup_files *files,
                          enum pl_status (*read)(void *self, const char *bytes,
                                                 size_t len, struct pl_error *err),
                          void *self);

/* For lookups that begin with their files. */
enum pl_image_status pl_lookup_files_status(const void *files);
const char *pl_lookup_files_message(const void *files);
uint64_t pl_lookup_files_bytes(const void *files);

#endif
