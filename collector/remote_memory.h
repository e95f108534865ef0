/* Remote memory: bytes of modules as their files have them, for remote.c.
 *
 * Reads are cached in blocks: libunwind asks for one word at a time. Segments that
 * the program can write are shown as the file has them: libunwind follows the
 * pointers to C++ personality routines there, and needs no more than an answer. */
#ifndef PL_COLLECTOR_REMOTE_MEMORY_H
#define PL_COLLECTOR_REMOTE_MEMORY_H

#include "collector/drain_modules.h"
#include "collector/elf_image.h"

#define PL_REMOTE_IMAGES      48u /* files open at once */
#define PL_REMOTE_BLOCKS      1024u
#define PL_REMOTE_BLOCK_BYTES 4096u

struct pl_remote_image {
    char *path; /* NULL: free */
    uint8_t build_id[20];
    uint8_t build_id_bytes;
    bool usable; /* the file is there and is the one that runs */
    struct pl_elf_image elf;
};

struct pl_remote_block {
    uint32_t image; /* index + 1; 0: empty */
    uint32_t bytes;
    uint64_t vaddr;
    uint8_t data[PL_REMOTE_BLOCK_BYTES];
};

struct pl_remote_memory {
    struct pl_remote_image images[PL_REMOTE_IMAGES];
    unsigned next_victim;
    struct pl_remote_block *blocks; /* PL_REMOTE_BLOCKS */
};

bool pl_remote_memory_init(struct pl_remote_memory *memory);
void pl_remote_memory_deinit(struct pl_remote_memory *memory);

/* The module's file, opened if need be; NULL if it cannot be used. Valid until the
 * next call. */
struct pl_remote_image *pl_remote_memory_image(struct pl_remote_memory *memory,
                                               const struct pl_drain_module *module);

/* Up to 8 bytes at an ELF virtual address; false if they are not all there. */
bool pl_remote_memory_read(struct pl_remote_memory *memory,
                           const struct pl_remote_image *image, uint64_t vaddr,
                           void *out, unsigned bytes);

#endif
