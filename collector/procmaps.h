/* /proc/self/maps and ELF headers in memory, read without libc: raw system calls,
 * no allocation, bounded. For the sampler's thread; works where the leader of the
 * process has already ended. */
#ifndef PL_COLLECTOR_PROCMAPS_H
#define PL_COLLECTOR_PROCMAPS_H

#include <stdbool.h>
#include <stdint.h>

#define PL_MAP_READ  1u
#define PL_MAP_WRITE 2u
#define PL_MAP_EXEC  4u

struct pl_map {
    uint64_t start, end, offset;
    uint64_t device, inode;
    unsigned access; /* PL_MAP_... */
    char path[1024]; /* cut if longer; " (deleted)" removed; "" anonymous */
};

/* Calls `each` for every mapping in order of address, until it returns false.
 * `buffer` is room to work in (at least 8 KiB). 0, or a negative errno. */
int pl_maps_read(char *buffer, uint32_t buffer_bytes,
                 bool (*each)(void *context, const struct pl_map *map), void *context);

/* One line of it, without the newline. False if it is none. */
bool pl_maps_parse(const char *line, uint32_t length, struct pl_map *map_out);

struct pl_maps_elf {
    uint64_t bias; /* runtime address - ELF virtual address */
    uint8_t build_id[20];
    uint8_t build_id_bytes; /* 0: none */
};

/* What the ELF header mapped at `address` says. False if there is none. */
bool pl_maps_read_elf(int tid, uint64_t address, struct pl_maps_elf *image_out);

#endif
