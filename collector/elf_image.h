/* ELF image: bounds-checked reading of one x86-64 ELF file (or of the vdso, which
 * is only in memory). What cfi.c and remote.c need: loadable segments, where the
 * call-frame information lies, the build-id.
 *
 * Files are read with pread, never mapped: a file that shrinks while it is read
 * gives an error, not a SIGBUS. Every number in the file is hostile. */
#ifndef PL_COLLECTOR_ELF_IMAGE_H
#define PL_COLLECTOR_ELF_IMAGE_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PL_ELF_MAX_SEGMENTS 32u
#define PL_ELF_BUILD_ID     20u /* longer ids are cut, as in struct pl_seg_module */

struct pl_elf_segment {
    uint64_t vaddr, offset, file_bytes;
    bool executable;
};

struct pl_elf_image {
    int fd; /* -1: `memory` */
    const uint8_t *memory;
    uint64_t bytes; /* of the file or of the memory */
    uint64_t inode;
    int64_t mtime_ns;
    uint64_t entry; /* virtual address of the first instruction; 0 none */
    struct pl_elf_segment segments[PL_ELF_MAX_SEGMENTS];
    unsigned segment_count;
    uint64_t eh_frame, eh_frame_bytes;         /* virtual address; 0 bytes: none */
    uint64_t eh_frame_hdr, eh_frame_hdr_bytes; /* likewise */
    bool eh_frame_has_end; /* the size is a section's, not "up to the segment's end" */
    uint8_t build_id[PL_ELF_BUILD_ID];
    unsigned build_id_bytes; /* 0: none */
};

/* Caller's storage; pl_elf_close it, also after an error (it is zeroed first).
 * Errors  IO cannot be read; INPUT not an x86-64 ELF file. */
PL_MUST_CHECK enum pl_status pl_elf_open(struct pl_elf_image *elf, const char *path,
                                         struct pl_error *err);

/* An image in memory, laid out as in its file. Borrows it. */
PL_MUST_CHECK enum pl_status pl_elf_open_memory(struct pl_elf_image *elf,
                                                const void *image, size_t bytes,
                                                struct pl_error *err);

/* The vdso of this very process: every process of this kernel has the same.
 * Errors  NOT_FOUND there is none. */
PL_MUST_CHECK enum pl_status pl_elf_open_vdso(struct pl_elf_image *elf,
                                              struct pl_error *err);

void pl_elf_close(struct pl_elf_image *elf);

/* Read `bytes` at a virtual address out of one segment's file content; false if
 * they are not all there. */
PL_MUST_CHECK bool pl_elf_read(const struct pl_elf_image *elf, uint64_t vaddr,
                               void *out, size_t bytes);

/* The segment whose file content holds the address, or NULL. */
const struct pl_elf_segment *pl_elf_segment_at(const struct pl_elf_image *elf,
                                               uint64_t vaddr);

#endif
