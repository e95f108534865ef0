/* An image: what the files of one module (image_files.c) say about its addresses.
 * Everything is read lazily and only once; nothing is ever written. */
#include "process/symbols.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

struct pl_image {
    enum pl_image_status status;
    char message[256];
    struct pl_elf_file main, debug;
    struct pl_perfmap *perfmap;
    struct pl_dwarf *dwarf;
    struct pl_elf_symbols *symbols, *dynamic_symbols;
    struct pl_extents *extents;
    char *name; /* last component of the path */
    bool loaded;
    bool has_place; /* a file on some disk, that is */
};

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
    int fd = pl_open_regular(path, O_NOFOLLOW, &bytes);
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
    char found[PL_BUILD_ID_TEXT];
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
    pl_elf_build_id(image->main.elf, found);
    if (!pl_build_id_is(found, build_id)) {
        pl_elf_file_close(&image->main);
        fail(image, PL_IMAGE_MISSING, "recorded under another kernel");
    }
}

static void open_files(struct pl_image *image, const struct pl_lookup_request *request)
{
    struct pl_elf_files files;
    image->has_place = true;
    pl_elf_files_find(&files, request);
    image->main = files.main;
    image->debug = files.debug;
    if (image->main.elf || image->debug.elf)
        return;
    if (files.is_other_build)
        fail(image, PL_IMAGE_MISSING, "the file is of another build now");
    else if (files.is_not_elf)
        fail(image, PL_IMAGE_MALFORMED, "not an ELF file");
    else
        fail(image, PL_IMAGE_MISSING, "no such file");
}

/* As the store names a module. */
static const char *last_component(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash && slash[1] ? slash + 1 : path;
}

struct pl_image *pl_image_open(const struct pl_lookup_request *request)
{
    static const char deleted[] = " (deleted)";
    struct pl_lookup_request bare = *request;
    struct pl_image *image = calloc(1, sizeof *image);
    char *path = strdup(request->path), *name = strdup(last_component(request->path));
    if (!image || !path || !name) {
        free(image);
        free(path);
        free(name);
        return NULL;
    }
    image->name = name;
    image->main.fd = image->debug.fd = -1;
    size_t len = strlen(path);
    if (len > sizeof deleted && strcmp(path + len - sizeof deleted + 1, deleted) == 0)
        path[len - sizeof deleted + 1] = '\0'; /* the build-id tells if it is back */
    bare.path = path;
    if (strcmp(path, "[vdso]") == 0)
        open_vdso(image, request->build_id);
    else if (pl_perfmap_is(path))
        open_perfmap(image, path);
    else if (path[0] == '/' || request->build_id[0])
        open_files(image, &bare);
    else
        fail(image, PL_IMAGE_UNKNOWN, "neither a path nor a build-id");
    free(path);
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
    pl_elf_file_close(&image->main);
    pl_elf_file_close(&image->debug);
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
    if (pl_elf_has_debug(image->main.elf))
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

/* ---- as a lookup ---- */

static void *open_lookup(const struct pl_lookup_request *request)
{
    return pl_image_open(request);
}

static void close_lookup(void *self)
{
    pl_image_close(self);
}

static enum pl_image_status lookup_status(const void *self)
{
    return pl_image_status(self);
}

static const char *lookup_message(const void *self)
{
    return pl_image_message(self);
}

static uint64_t lookup_bytes(const void *self)
{
    return pl_image_file_bytes(self);
}

static bool lookup_lacks_debug(const void *self)
{
    const struct pl_image *image = self;
    return image->has_place && !image->debug.elf && !pl_elf_has_debug(image->main.elf);
}

static bool find_key(void *self, const struct pl_lookup_key *key,
                     struct pl_symbol_list *list_out)
{
    return pl_image_find(self, key->address, list_out);
}

const struct pl_lookup pl_elf_lookup = {
    .open = open_lookup,
    .close = close_lookup,
    .status = lookup_status,
    .message = lookup_message,
    .file_bytes = lookup_bytes,
    .find = find_key,
    .lacks_debug = lookup_lacks_debug,
};
