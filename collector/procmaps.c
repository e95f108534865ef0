#include "collector/procmaps.h"

#include "collector/sys.h"

#include <elf.h>
#include <fcntl.h>

#define MAX_HEADERS    64u
#define MAX_NOTE_BYTES 4096u

static bool parse_hex(const char **at, const char *end, uint64_t *value)
{
    const char *start = *at;
    for (*value = 0; *at < end; (*at)++) {
        unsigned digit;
        if (**at >= '0' && **at <= '9')
            digit = (unsigned)(**at - '0');
        else if (**at >= 'a' && **at <= 'f')
            digit = (unsigned)(**at - 'a') + 10;
        else
            break;
        *value = *value << 4 | digit;
    }
    return *at > start && *at - start <= 16;
}

static bool skip(const char **at, const char *end, char c)
{
    if (*at >= end || **at != c)
        return false;
    (*at)++;
    return true;
}

static void take_path(const char *at, const char *end, char *path, uint32_t size)
{
    static const char deleted[] = " (deleted)";
    const uint32_t tail = sizeof deleted - 1;
    uint32_t length = (uint32_t)(end - at);
    if (length > tail) {
        uint32_t i = 0;
        while (i < tail && end[(int)i - (int)tail] == deleted[i])
            i++;
        if (i == tail)
            length -= tail;
    }
    if (length >= size)
        length = size - 1;
    pl_copy(path, at, length);
    path[length] = '\0';
}

/* start-end rwxp offset major:minor inode   path */
bool pl_maps_parse(const char *line, uint32_t length, struct pl_map *map_out)
{
    const char *at = line, *end = line + length;
    uint64_t major, minor;
    if (!parse_hex(&at, end, &map_out->start) || !skip(&at, end, '-') ||
        !parse_hex(&at, end, &map_out->end) || !skip(&at, end, ' ') || end - at < 5)
        return false;
    map_out->access = (at[0] == 'r' ? PL_MAP_READ : 0) |
                      (at[1] == 'w' ? PL_MAP_WRITE : 0) |
                      (at[2] == 'x' ? PL_MAP_EXEC : 0);
    at += 4;
    if (!skip(&at, end, ' ') || !parse_hex(&at, end, &map_out->offset) ||
        !skip(&at, end, ' ') || !parse_hex(&at, end, &major) || !skip(&at, end, ':') ||
        !parse_hex(&at, end, &minor) || !skip(&at, end, ' '))
        return false;
    map_out->device = major << 32 | minor;
    map_out->inode = 0;
    while (at < end && *at >= '0' && *at <= '9')
        map_out->inode = map_out->inode * 10 + (uint64_t)(*at++ - '0');
    while (at < end && *at == ' ')
        at++;
    take_path(at, end, map_out->path, sizeof map_out->path);
    return map_out->end > map_out->start;
}

/* Hands over the whole lines in the buffer; returns the bytes used, or -1 to stop. */
static long take_lines(const char *buffer, uint32_t filled, struct pl_map *map,
                       bool (*each)(void *, const struct pl_map *), void *context)
{
    uint32_t start = 0;
    for (uint32_t i = 0; i < filled; i++) {
        if (buffer[i] != '\n')
            continue;
        if (pl_maps_parse(buffer + start, i - start, map) && !each(context, map))
            return -1;
        start = i + 1;
    }
    return start;
}

int pl_maps_read(char *buffer, uint32_t buffer_bytes,
                 bool (*each)(void *context, const struct pl_map *map), void *context)
{
    struct pl_map map;
    long fd = pl_sys4(SYS_openat, AT_FDCWD, PL_ARG("/proc/thread-self/maps"),
                      O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0)
        return (int)fd;
    uint32_t filled = 0;
    long got;
    while ((got = pl_sys3(SYS_read, fd, PL_ARG(buffer + filled),
                          PL_ARG(buffer_bytes - filled))) > 0) {
        filled += (uint32_t)got;
        long used = take_lines(buffer, filled, &map, each, context);
        if (used < 0)
            break;
        if (!used && filled == buffer_bytes)
            used = filled; /* a line longer than the buffer: drop it */
        pl_copy(buffer, buffer + used, filled - (uint32_t)used);
        filled -= (uint32_t)used;
    }
    pl_sys3(SYS_close, fd, 0, 0);
    return got < 0 ? (int)got : 0;
}

static bool read_exactly(int tid, uint64_t address, void *to, size_t bytes)
{
    return pl_sys_read_memory(tid, address, to, bytes) == (long)bytes;
}

static void find_build_id(const uint8_t *notes, size_t size, struct pl_maps_elf *image)
{
    size_t at = 0;
    while (at + sizeof(Elf64_Nhdr) <= size) {
        Elf64_Nhdr note;
        __builtin_memcpy(&note, notes + at, sizeof note);
        at += sizeof note;
        size_t name = ((size_t)note.n_namesz + 3) & ~(size_t)3;
        size_t desc = ((size_t)note.n_descsz + 3) & ~(size_t)3;
        if (name > size - at || note.n_descsz > size - at - name)
            return;
        if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 && notes[at] == 'G' &&
            note.n_descsz) {
            size_t bytes = note.n_descsz > sizeof image->build_id
                               ? sizeof image->build_id
                               : note.n_descsz;
            pl_copy(image->build_id, notes + at + name, bytes);
            image->build_id_bytes = (uint8_t)bytes;
            return;
        }
        if (desc > size - at - name)
            return;
        at += name + desc;
    }
}

bool pl_maps_read_elf(int tid, uint64_t address, struct pl_maps_elf *image_out)
{
    Elf64_Ehdr header;
    Elf64_Phdr segments[MAX_HEADERS];
    uint8_t notes[MAX_NOTE_BYTES];
    pl_zero(image_out, sizeof *image_out);
    if (!read_exactly(tid, address, &header, sizeof header) ||
        *(const uint32_t *)(const void *)header.e_ident != 0x464c457f ||
        header.e_ident[EI_CLASS] != ELFCLASS64 ||
        header.e_phentsize != sizeof(Elf64_Phdr) || header.e_phnum > MAX_HEADERS ||
        !read_exactly(tid, address + header.e_phoff, segments,
                      header.e_phnum * sizeof(Elf64_Phdr)))
        return false;
    bool found = false;
    for (unsigned i = 0; i < header.e_phnum && !found; i++) {
        if (segments[i].p_type == PT_LOAD) {
            image_out->bias = address - ((segments[i].p_vaddr - segments[i].p_offset) &
                                         ~UINT64_C(4095));
            found = true;
        }
    }
    for (unsigned i = 0; i < header.e_phnum && !image_out->build_id_bytes; i++) {
        uint64_t bytes = segments[i].p_filesz;
        if (segments[i].p_type != PT_NOTE || bytes > sizeof notes)
            continue;
        if (read_exactly(tid, image_out->bias + segments[i].p_vaddr, notes, bytes))
            find_build_id(notes, bytes, image_out);
    }
    return found;
}
