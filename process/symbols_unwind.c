/* Function extents as a resolver, the last one: where a function without a symbol
 * starts and ends still stands in .eh_frame. Its name is module+0x<start>, the
 * same for each of its addresses, so that a stripped program falls apart into
 * functions and not into single instructions.
 *
 *   PT_GNU_EH_FRAME  ──▶ table of (start, entry), sorted by start
 *   entry (FDE)      ──▶ start and length, written as its CIE says
 *
 * Only tables as every linker writes them are read: 4 bytes relative to the
 * header. The file is hostile: every read stays in a loaded piece of it, and an
 * address is answered only if its entry says that it holds it. Code that a
 * compiler split off (.cold) has an entry and so a name of its own. */
#include "process/symbols.h"

#include <dwarf.h>
#include <gelf.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_PIECES     64
#define HEADER_BYTES   12 /* version, three encodings, .eh_frame, count */
#define ROW_BYTES      8
#define NAME_BYTES     4200
#define MODULE_BYTES   4096 /* of the name */
#define APPLICATION(e) ((e)&0xf0)
#define FORMAT(e)      ((e)&0x0f)

/* What a loaded segment has of the file. */
struct piece {
    const uint8_t *bytes;
    uint64_t address, count;
};

struct pl_extents {
    struct piece pieces[MAX_PIECES];
    size_t piece_count;
    uint64_t header; /* address of .eh_frame_hdr, which rows count from */
    const uint8_t *rows;
    size_t row_count;
    char *module;
    char **names; /* one a row, made when first asked for */
};

/* ---- bytes ---- */

struct reader {
    const uint8_t *at, *end;
    bool bad; /* asked for more than there is; then all reads give 0 */
};

static uint64_t take(struct reader *reader, unsigned bytes)
{
    uint64_t value = 0;
    if (reader->bad || (size_t)(reader->end - reader->at) < bytes) {
        reader->bad = true;
        return 0;
    }
    for (unsigned i = 0; i < bytes; i++)
        value |= (uint64_t)reader->at[i] << (8 * i);
    reader->at += bytes;
    return value;
}

static void skip_leb(struct reader *reader)
{
    while (take(reader, 1) & 0x80)
        continue;
}

static unsigned pointer_bytes(uint8_t encoding)
{
    switch (FORMAT(encoding)) {
    case DW_EH_PE_udata4:
    case DW_EH_PE_sdata4:
        return 4;
    case DW_EH_PE_absptr:
    case DW_EH_PE_udata8:
    case DW_EH_PE_sdata8:
        return 8;
    default:
        return 0;
    }
}

static uint64_t take_pointer(struct reader *reader, uint8_t encoding)
{
    unsigned bytes = pointer_bytes(encoding);
    uint64_t value = take(reader, bytes);
    if (!bytes)
        reader->bad = true;
    if (FORMAT(encoding) == DW_EH_PE_sdata4)
        value = (uint64_t)(int64_t)(int32_t)value;
    return value;
}

/* From `address` to the end of its piece. */
static struct reader reader_at(const struct pl_extents *extents, uint64_t address)
{
    static const uint8_t nothing[1];
    for (size_t i = 0; i < extents->piece_count; i++) {
        const struct piece *piece = &extents->pieces[i];
        uint64_t skip = address - piece->address;
        if (address >= piece->address && skip < piece->count)
            return (struct reader){.at = piece->bytes + skip,
                                   .end = piece->bytes + piece->count};
    }
    return (struct reader){.at = nothing, .end = nothing, .bad = true};
}

/* What follows the length of the CIE or FDE at `address`. */
static struct reader entry_at(const struct pl_extents *extents, uint64_t address)
{
    struct reader reader = reader_at(extents, address);
    uint64_t bytes = take(&reader, 4);
    if (bytes > (size_t)(reader.end - reader.at))
        reader.bad = true;
    else
        reader.end = reader.at + bytes;
    return reader;
}

/* ---- entries ---- */

static bool find_encoding(struct reader *data, const char *letters,
                          uint8_t *encoding_out)
{
    for (; *letters; letters++) {
        switch (*letters) {
        case 'R':
            *encoding_out = (uint8_t)take(data, 1);
            return !data->bad;
        case 'L':
            (void)take(data, 1);
            break;
        case 'P':
            (void)take_pointer(data, (uint8_t)take(data, 1));
            break;
        case 'B':
        case 'S':
            break;
        default:
            return false;
        }
    }
    return !data->bad;
}

/* How the FDEs of the CIE at `address` write pointers. */
static bool read_cie(const struct pl_extents *extents, uint64_t address,
                     uint8_t *encoding_out)
{
    struct reader reader = entry_at(extents, address);
    uint64_t id = take(&reader, 4), version = take(&reader, 1);
    const char *letters = (const char *)reader.at;
    size_t room = (size_t)(reader.end - reader.at), len;
    if (reader.bad || id != 0 || (version != 1 && version != 3))
        return false;
    len = strnlen(letters, room);
    if (len == room)
        return false;
    reader.at += len + 1;
    skip_leb(&reader); /* code and data alignment */
    skip_leb(&reader);
    if (version == 1) /* return address's register */
        (void)take(&reader, 1);
    else
        skip_leb(&reader);
    *encoding_out = DW_EH_PE_absptr;
    if (!len)
        return !reader.bad;
    skip_leb(&reader); /* of the augmentation's data */
    return letters[0] == 'z' && find_encoding(&reader, letters + 1, encoding_out);
}

/* False: the FDE at `address` is not of a function that starts at `start`. */
static bool read_fde(const struct pl_extents *extents, uint64_t address, uint64_t start,
                     uint64_t *bytes_out)
{
    struct reader reader = entry_at(extents, address);
    uint64_t back = take(&reader, 4);
    uint8_t encoding;
    if (reader.bad || back == 0 || !read_cie(extents, address + 4 - back, &encoding))
        return false;
    uint64_t found = take_pointer(&reader, encoding);
    if (APPLICATION(encoding) == DW_EH_PE_pcrel)
        found += address + 8;
    else if (APPLICATION(encoding) != 0)
        return false;
    *bytes_out = take(&reader, pointer_bytes(encoding));
    return !reader.bad && found == start;
}

/* ---- the table ---- */

static uint64_t cell(const struct pl_extents *extents, size_t row, size_t at)
{
    int32_t value; /* little-endian, and so is this machine */
    memcpy(&value, extents->rows + row * ROW_BYTES + at, sizeof value);
    return extents->header + (uint64_t)(int64_t)value;
}

static uint64_t row_start(const struct pl_extents *extents, size_t row)
{
    return cell(extents, row, 0);
}

static uint64_t row_entry(const struct pl_extents *extents, size_t row)
{
    return cell(extents, row, 4);
}

static void add_piece(struct pl_extents *extents, const GElf_Phdr *segment,
                      const uint8_t *file, size_t file_bytes)
{
    if (segment->p_offset >= file_bytes || extents->piece_count == MAX_PIECES)
        return;
    uint64_t count = file_bytes - segment->p_offset;
    if (count > segment->p_filesz)
        count = segment->p_filesz;
    extents->pieces[extents->piece_count++] =
        (struct piece){file + segment->p_offset, segment->p_vaddr, count};
}

/* Finds the pieces, and the header among them. */
static bool read_segments(struct pl_extents *extents, Elf *elf,
                          uint64_t *header_bytes_out)
{
    GElf_Phdr segment;
    size_t file_bytes, count;
    const uint8_t *file = (const uint8_t *)elf_rawfile(elf, &file_bytes);
    bool found = false;
    if (!file || elf_getphdrnum(elf, &count) != 0)
        return false;
    for (size_t i = 0; i < count && gelf_getphdr(elf, (int)i, &segment); i++) {
        if (segment.p_type == PT_LOAD)
            add_piece(extents, &segment, file, file_bytes);
        if (segment.p_type != PT_GNU_EH_FRAME || found)
            continue;
        extents->header = segment.p_vaddr;
        *header_bytes_out = segment.p_filesz;
        found = true;
    }
    return found;
}

static bool read_header(struct pl_extents *extents, uint64_t header_bytes)
{
    struct reader reader = reader_at(extents, extents->header);
    uint64_t version = take(&reader, 1), frame_encoding = take(&reader, 1);
    uint64_t count_encoding = take(&reader, 1), table_encoding = take(&reader, 1);
    (void)take(&reader, 4); /* where .eh_frame is */
    uint64_t count = take(&reader, 4), room = (uint64_t)(reader.end - reader.at);
    if (reader.bad || header_bytes < HEADER_BYTES || version != 1 ||
        pointer_bytes((uint8_t)frame_encoding) != 4 ||
        count_encoding != DW_EH_PE_udata4 ||
        table_encoding != (DW_EH_PE_datarel | DW_EH_PE_sdata4))
        return false;
    if (room > header_bytes - HEADER_BYTES)
        room = header_bytes - HEADER_BYTES;
    extents->rows = reader.at;
    extents->row_count = count < room / ROW_BYTES ? count : room / ROW_BYTES;
    return extents->row_count > 0;
}

struct pl_extents *pl_extents_open(Elf *elf, const char *module)
{
    GElf_Ehdr ehdr;
    uint64_t header_bytes = 0;
    if (!gelf_getehdr(elf, &ehdr) || ehdr.e_ident[EI_CLASS] != ELFCLASS64 ||
        ehdr.e_ident[EI_DATA] != ELFDATA2LSB)
        return NULL;
    struct pl_extents *extents = calloc(1, sizeof *extents);
    if (!extents)
        return NULL;
    if (read_segments(extents, elf, &header_bytes) &&
        read_header(extents, header_bytes)) {
        extents->module = strndup(module, MODULE_BYTES);
        extents->names = calloc(extents->row_count, sizeof extents->names[0]);
        if (extents->module && extents->names)
            return extents;
    }
    pl_extents_close(extents);
    return NULL;
}

void pl_extents_close(struct pl_extents *extents)
{
    if (!extents)
        return;
    for (size_t i = 0; extents->names && i < extents->row_count; i++)
        free(extents->names[i]);
    free(extents->names);
    free(extents->module);
    free(extents);
}

static const char *name_of(struct pl_extents *extents, size_t row)
{
    char name[NAME_BYTES];
    if (!extents->names[row]) {
        (void)snprintf(name, sizeof name, "%s+0x%" PRIx64, extents->module,
                       row_start(extents, row));
        extents->names[row] = strdup(name);
    }
    return extents->names[row];
}

const char *pl_extents_find(struct pl_extents *extents, uint64_t address)
{
    size_t lo = 0, hi = extents->row_count;
    uint64_t bytes;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (row_start(extents, mid) <= address)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo == 0)
        return NULL;
    uint64_t start = row_start(extents, lo - 1);
    if (address < start ||
        !read_fde(extents, row_entry(extents, lo - 1), start, &bytes))
        return NULL;
    return address - start < bytes ? name_of(extents, lo - 1) : NULL;
}
