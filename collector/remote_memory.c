#include "collector/remote_memory.h"

#include "base/hash.h"

#include <stdlib.h>
#include <string.h>

bool pl_remote_memory_init(struct pl_remote_memory *memory)
{
    memset(memory, 0, sizeof *memory);
    memory->blocks = calloc(PL_REMOTE_BLOCKS, sizeof *memory->blocks);
    return memory->blocks;
}

static void close_image(struct pl_remote_memory *memory, uint32_t index)
{
    struct pl_remote_image *image = &memory->images[index];
    if (!image->path)
        return;
    for (unsigned i = 0; i < PL_REMOTE_BLOCKS; i++)
        if (memory->blocks[i].image == index + 1)
            memory->blocks[i].image = 0;
    pl_elf_close(&image->elf);
    free(image->path);
    image->path = NULL;
}

void pl_remote_memory_deinit(struct pl_remote_memory *memory)
{
    for (uint32_t i = 0; memory->blocks && i < PL_REMOTE_IMAGES; i++)
        close_image(memory, i);
    free(memory->blocks);
    memory->blocks = NULL;
}

static bool is_image_of(const struct pl_remote_image *image,
                        const struct pl_drain_module *module)
{
    return image->path && image->build_id_bytes == module->build_id_bytes &&
           memcmp(image->build_id, module->build_id, module->build_id_bytes) == 0 &&
           strcmp(image->path, module->path) == 0;
}

static bool open_image(struct pl_remote_image *image,
                       const struct pl_drain_module *module)
{
    bool vdso = module->flags & PL_MODULE_VDSO;
    image->path = strdup(module->path);
    if (!image->path)
        return false;
    image->build_id_bytes = module->build_id_bytes;
    memcpy(image->build_id, module->build_id, sizeof image->build_id);
    enum pl_status status = vdso ? pl_elf_open_vdso(&image->elf, NULL)
                                 : pl_elf_open(&image->elf, module->path, NULL);
    image->usable =
        status == PL_OK &&
        (!module->build_id_bytes ||
         (image->elf.build_id_bytes == module->build_id_bytes &&
          memcmp(image->elf.build_id, module->build_id, module->build_id_bytes) == 0));
    return true;
}

struct pl_remote_image *pl_remote_memory_image(struct pl_remote_memory *memory,
                                               const struct pl_drain_module *module)
{
    for (uint32_t i = 0; i < PL_REMOTE_IMAGES; i++)
        if (is_image_of(&memory->images[i], module))
            return memory->images[i].usable ? &memory->images[i] : NULL;
    uint32_t victim = memory->next_victim++ % PL_REMOTE_IMAGES;
    close_image(memory, victim);
    if (!open_image(&memory->images[victim], module) || !memory->images[victim].usable)
        return NULL;
    return &memory->images[victim];
}

/* The cached block that holds the address, or NULL. */
static const struct pl_remote_block *block_at(struct pl_remote_memory *memory,
                                              const struct pl_remote_image *image,
                                              uint64_t vaddr)
{
    const struct pl_elf_segment *s = pl_elf_segment_at(&image->elf, vaddr);
    if (!s)
        return NULL;
    uint64_t offset = (vaddr - s->vaddr) & ~(uint64_t)(PL_REMOTE_BLOCK_BYTES - 1);
    uint64_t left = s->file_bytes - offset;
    uint32_t index = (uint32_t)(image - memory->images) + 1;
    uint64_t start = s->vaddr + offset;
    uint64_t hash = pl_hash_mix(index, start);
    struct pl_remote_block *block = &memory->blocks[hash % PL_REMOTE_BLOCKS];
    if (block->image == index && block->vaddr == start)
        return block;
    block->image = 0;
    block->vaddr = start;
    block->bytes =
        left < PL_REMOTE_BLOCK_BYTES ? (uint32_t)left : PL_REMOTE_BLOCK_BYTES;
    if (!pl_elf_read(&image->elf, start, block->data, block->bytes))
        return NULL;
    block->image = index;
    return block;
}

bool pl_remote_memory_read(struct pl_remote_memory *memory,
                           const struct pl_remote_image *image, uint64_t vaddr,
                           void *out, unsigned bytes)
{
    unsigned char *to = out;
    while (bytes) {
        const struct pl_remote_block *block = block_at(memory, image, vaddr);
        if (!block)
            return false;
        uint64_t at = vaddr - block->vaddr;
        unsigned here =
            block->bytes - at < bytes ? (unsigned)(block->bytes - at) : bytes;
        memcpy(to, block->data + at, here);
        to += here;
        vaddr += here;
        bytes -= here;
    }
    return true;
}
