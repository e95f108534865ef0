/* An image: the files that belong to one module, checked before use.
 *
 * The module's own path first, then <debug root>/.build-id/xx/yyyy.debug and the
 * file its .gnu_debuglink names. A file whose build-id is not the module's is not
 * used: wrong names are worse than none. Everything is opened lazily and only
 * once; nothing is ever written. */
#include "process/symbols.h"

#include "base/id.h"
#include "process/paths.h"

#include <elfutils/libdwelf.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_BUILD_ID_BYTES 64

/* One ELF file. */
struct elf_file {
    int fd; /* -1: none, or memory */
    Elf *elf;
    uint64_t bytes;
};

struct pl_image {
    enum pl_image_status status;
    char message[256];
    struct elf_file main, debug;
    struct pl_perfmap *perfmap;
    struct pl_dwarf *dwarf;
    struct pl_elf_symbols *symbols, *dynamic_symbols;
    struct pl_extents *extents;
    char *name; /* last component of the path */
    bool loaded;
};

static void close_file(struct elf_file *file)
{
    if (file->elf)
        elf_end(file->elf);
    if (file->fd >= 0)
        close(file->fd);
    *file = (struct elf_file){.fd = -1};
}

/* A regular file, or -1: opening a FIFO or device must not block or act. */
static int open_regular(const char *path, int flags, uint64_t *bytes_out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | flags);
    struct stat st;
    if (fd < 0)
        return -1;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size < 0) {
        close(fd);
        return -1;
    }
    *bytes_out = (uint64_t)st.st_size;
    return fd;
}

/* The file's build-id in hex, "" if it has none. */
static void build_id_of(Elf *elf, char text_out[static 2 * MAX_BUILD_ID_BYTES + 1])
{
    const void *bytes = NULL;
    ssize_t len = dwelf_elf_gnu_build_id(elf, &bytes);
    text_out[0] = '\0';
    if (len > 0 && len <= MAX_BUILD_ID_BYTES)
        pl_hex_format(bytes, (size_t)len, text_out);
}

/* Why a file is not used. */
enum refusal { ACCEPTED, NO_FILE, NOT_ELF, OTHER_BUILD };

static enum refusal open_elf(const char *path, const char *build_id,
                             struct elf_file *file_out)
{
    struct elf_file file = {.fd = -1};
    char found[2 * MAX_BUILD_ID_BYTES + 1];
    enum refusal refusal = ACCEPTED;

    file.fd = open_regular(path, 0, &file.bytes);
    if (file.fd < 0)
        return NO_FILE;
    file.elf = elf_begin(file.fd, ELF_C_READ_MMAP, NULL);
    if (!file.elf || elf_kind(file.elf) != ELF_K_ELF) {
        refusal = NOT_ELF;
    } else {
        build_id_of(file.elf, found);
        if (strcmp(found, build_id) != 0)
            refusal = OTHER_BUILD;
    }
    if (refusal != ACCEPTED) {
        close_file(&file);
        return refusal;
    }
    *file_out = file;
    return ACCEPTED;
}

static bool is_hex(const char *text)
{
    return text[strspn(text, "0123456789abcdef")] == '\0';
}

static void try_debug_file(struct pl_image *image, const char *build_id,
                           const char *root, const char *folder, const char *name)
{
    char path[4096];
    if (image->debug.elf)
        return;
    int len = snprintf(path, sizeof path, "%s%s/%s", root, folder, name);
    if (len > 0 && (size_t)len < sizeof path)
        (void)open_elf(path, build_id, &image->debug);
}

static void find_by_build_id(struct pl_image *image, const char *build_id,
                             const char *debug_root)
{
    char name[2 * MAX_BUILD_ID_BYTES + 16];
    if (strlen(build_id) < 4 || strlen(build_id) > 2 * MAX_BUILD_ID_BYTES ||
        !is_hex(build_id))
        return;
    (void)snprintf(name, sizeof name, "%.2s/%s.debug", build_id, build_id + 2);
    try_debug_file(image, build_id, debug_root, "/.build-id", name);
}

/* Beside the file, in .debug/ beside it, and under the debug root. Without a
 * build-id there is nothing to tell the right file by, and none is used. */
static void find_by_link(struct pl_image *image, const char *path, const char *build_id,
                         const char *debug_root)
{
    GElf_Word crc;
    if (!image->main.elf || image->debug.elf || !build_id[0])
        return;
    const char *name = dwelf_elf_gnu_debuglink(image->main.elf, &crc);
    if (!name || !*name || strchr(name, '/'))
        return;
    const char *slash = strrchr(path, '/');
    char folder[4096];
    if (!slash || (size_t)(slash - path) >= sizeof folder - 8)
        return;
    memcpy(folder, path, (size_t)(slash - path));
    folder[slash - path] = '\0';
    try_debug_file(image, build_id, "", folder, name);
    try_debug_file(image, build_id, debug_root, folder, name);
    memcpy(folder + (slash - path), "/.debug", sizeof "/.debug");
    try_debug_file(image, build_id, "", folder, name);
}

static bool has_debug_info(Elf *elf)
{
    size_t names;
    Elf_Scn *section = NULL;
    if (!elf || elf_getshdrstrndx(elf, &names) != 0)
        return false;
    while ((section = elf_nextscn(elf, section))) {
        GElf_Shdr header;
        const char *name;
        if (gelf_getshdr(section, &header) && header.sh_type != SHT_NOBITS &&
            (name = elf_strptr(elf, names, header.sh_name)) &&
            (strcmp(name, ".debug_info") == 0 || strcmp(name, ".zdebug_info") == 0))
            return true;
    }
    return false;
}

static void fail(struct pl_image *image, enum pl_image_status status,
                 const char *message)
{
    image->status = status;
    (void)snprintf(image->message, sizeof image->message, "%s", message);
}

/* In a folder that all may write to: a link there may be anybody's. */
static void open_perfmap(struct pl_image *image, const char *path)
{
    uint64_t bytes;
    int fd = open_regular(path, O_NOFOLLOW, &bytes);
    if (fd >= 0) {
        image->perfmap = pl_perfmap_open(fd);
        close(fd);
    }
    if (!image->perfmap)
        fail(image, PL_IMAGE_MISSING, "no perf map");
}

/* The kernel's own library, from this process: it is the same in all. Its size
 * is where its section headers end. */
static void open_vdso(struct pl_image *image, const char *build_id)
{
    uintptr_t base = getauxval(AT_SYSINFO_EHDR);
    const Elf64_Ehdr *header = (const Elf64_Ehdr *)base; /* NOLINT: auxv is a number */
    char found[2 * MAX_BUILD_ID_BYTES + 1];
    if (!base) {
        fail(image, PL_IMAGE_MISSING, "this kernel has no vdso");
        return;
    }
    size_t bytes = header->e_shoff + (size_t)header->e_shnum * header->e_shentsize;
    image->main.elf = elf_memory((char *)base, bytes);
    if (!image->main.elf) {
        fail(image, PL_IMAGE_MALFORMED, "cannot read the vdso");
        return;
    }
    build_id_of(image->main.elf, found);
    if (strcmp(found, build_id) != 0) {
        close_file(&image->main);
        fail(image, PL_IMAGE_MISSING, "recorded under another kernel");
    }
}

static void open_files(struct pl_image *image, const char *path, const char *build_id,
                       const char *debug_root)
{
    enum refusal refusal = NO_FILE;
    if (path[0] == '/') /* never relative to where this process happens to be */
        refusal = open_elf(path, build_id, &image->main);
    if (!has_debug_info(image->main.elf)) {
        find_by_build_id(image, build_id, debug_root);
        find_by_link(image, path, build_id, debug_root);
    }
    if (image->main.elf || image->debug.elf)
        return;
    if (refusal == NOT_ELF)
        fail(image, PL_IMAGE_MALFORMED, "not an ELF file");
    else if (refusal == OTHER_BUILD)
        fail(image, PL_IMAGE_MISSING, "the file is of another build now");
    else
        fail(image, PL_IMAGE_MISSING, "no such file");
}

/* As the store names a module. */
static const char *last_component(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash && slash[1] ? slash + 1 : path;
}

struct pl_image *pl_image_open(const char *path, const char *build_id,
                               const char *debug_root)
{
    static const char deleted[] = " (deleted)";
    struct pl_image *image = calloc(1, sizeof *image);
    char *bare = strdup(path), *name = strdup(last_component(path));
    if (!image || !bare || !name) {
        free(image);
        free(bare);
        free(name);
        return NULL;
    }
    image->name = name;
    image->main.fd = image->debug.fd = -1;
    size_t len = strlen(bare);
    if (len > sizeof deleted && strcmp(bare + len - sizeof deleted + 1, deleted) == 0)
        bare[len - sizeof deleted + 1] = '\0'; /* the build-id tells if it is back */
    if (strcmp(bare, "[vdso]") == 0)
        open_vdso(image, build_id);
    else if (pl_perfmap_is(bare))
        open_perfmap(image, bare);
    else if (bare[0] == '/' || build_id[0])
        open_files(image, bare, build_id, debug_root);
    else
        fail(image, PL_IMAGE_UNKNOWN, "neither a path nor a build-id");
    free(bare);
    return image;
}

void pl_image_close(struct pl_image *image)
{
    if (!image)
        return;
    pl_perfmap_close(image->perfmap);
    pl_dwarf_close(image->dwarf);
    pl_elf_symbols_close(image->symbols);
    pl_elf_symbols_close(image->dynamic_symbols);
    pl_extents_close(image->extents);
    close_file(&image->main);
    close_file(&image->debug);
    free(image->name);
    free(image);
}

enum pl_image_status pl_image_status(const struct pl_image *image)
{
    return image->status;
}

const char *pl_image_message(const struct pl_image *image)
{
    return image->message;
}

uint64_t pl_image_file_bytes(const struct pl_image *image)
{
    return image->main.bytes + image->debug.bytes;
}

/* DWARF and .symtab may each be in either file, the rest only in the main one. */
static void load(struct pl_image *image)
{
    image->loaded = true;
    if (has_debug_info(image->main.elf))
        image->dwarf = pl_dwarf_open(image->main.elf);
    else if (image->debug.elf)
        image->dwarf = pl_dwarf_open(image->debug.elf);
    if (image->main.elf)
        image->symbols = pl_elf_symbols_open(image->main.elf, false);
    if (!image->symbols && image->debug.elf)
        image->symbols = pl_elf_symbols_open(image->debug.elf, false);
    if (image->main.elf) {
        image->dynamic_symbols = pl_elf_symbols_open(image->main.elf, true);
        image->extents = pl_extents_open(image->main.elf, image->name);
    }
}

static bool find_perfmap(struct pl_image *image, uint64_t address,
                         struct pl_symbol_list *list)
{
    if (!image->perfmap)
        return false;
    const char *name = pl_perfmap_find(image->perfmap, address);
    if (name)
        list->rows[list->count++] = (struct pl_symbol){.function = name, .file = ""};
    return name != NULL;
}

static const char *table_name(struct pl_image *image, uint64_t address)
{
    const char *name = NULL;
    if (image->symbols)
        name = pl_elf_symbols_find(image->symbols, address);
    if (!name && image->dynamic_symbols)
        name = pl_elf_symbols_find(image->dynamic_symbols, address);
    return name;
}

/* Lines without a function (assembler) borrow the symbol table's name. */
static bool find_dwarf(struct pl_image *image, uint64_t address,
                       struct pl_symbol_list *list)
{
    if (!image->dwarf || !pl_dwarf_find(image->dwarf, address, list))
        return false;
    if (!list->rows[0].function)
        list->rows[0].function = table_name(image, address);
    if (list->rows[0].function)
        return true;
    list->count = 0;
    return false;
}

static bool find_elf(struct pl_image *image, uint64_t address,
                     struct pl_symbol_list *list)
{
    const char *name = table_name(image, address);
    if (name)
        list->rows[list->count++] = (struct pl_symbol){.function = name, .file = ""};
    return name != NULL;
}

/* A place instead of a name. */
static bool find_extent(struct pl_image *image, uint64_t address,
                        struct pl_symbol_list *list)
{
    const char *name = image->extents ? pl_extents_find(image->extents, address) : NULL;
    if (name)
        list->rows[list->count++] = (struct pl_symbol){.function = name, .file = ""};
    list->anonymous = name != NULL;
    return name != NULL;
}

typedef bool resolver(struct pl_image *image, uint64_t address,
                      struct pl_symbol_list *list);

bool pl_image_find(struct pl_image *image, uint64_t address,
                   struct pl_symbol_list *list_out)
{
    static resolver *const chain[] = {find_perfmap, find_dwarf, find_elf, find_extent};
    list_out->count = 0;
    list_out->anonymous = false;
    if (image->status != PL_IMAGE_FOUND)
        return false;
    if (!image->loaded)
        load(image);
    for (size_t i = 0; i < sizeof chain / sizeof chain[0]; i++)
        if (chain[i](image, address, list_out))
            return true;
    return false;
}
