/* The ELF files of a module: what its places have, checked before use.
 *
 * The module's own path, then per place: a separate file of debug information by
 * build-id (<folder>/.build-id/xx/yyyy.debug) or by the name in .gnu_debuglink; a file
 * of that name in a folder; one that came as a descriptor. The search ends at the first
 * with DWARF; without any, symbol tables have to do. */
#include "process/symbols.h"

#include "base/id.h"

#include <dirent.h>
#include <elfutils/libdwelf.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_PATH 4096

/* A folder has 256 of a large archive's at most; hostile ones must not cost time. */
#define MAX_ENTRIES 100000

struct search {
    const struct pl_lookup_request *request;
    struct pl_elf_files *files;
};

void pl_elf_file_close(struct pl_elf_file *file)
{
    if (file->elf)
        elf_end(file->elf);
    if (file->fd >= 0)
        close(file->fd);
    *file = (struct pl_elf_file){.fd = -1};
}

int pl_open_regular(const char *path, int flags, uint64_t *bytes_out)
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

void pl_elf_build_id(Elf *elf, char text_out[static PL_BUILD_ID_TEXT])
{
    const void *bytes = NULL;
    ssize_t len = dwelf_elf_gnu_build_id(elf, &bytes);
    text_out[0] = '\0';
    if (len > 0 && len <= PL_BUILD_ID_TEXT / 2)
        pl_hex_format(bytes, (size_t)len, text_out);
}

bool pl_elf_has_debug(Elf *elf)
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

bool pl_elf_has_symbols(Elf *elf)
{
    Elf_Scn *section = NULL;
    GElf_Shdr header;
    while ((section = elf_nextscn(elf, section)))
        if (gelf_getshdr(section, &header) && header.sh_type == SHT_SYMTAB)
            return true;
    return false;
}

bool pl_build_id_is(const char *found, const char *wanted)
{
    const size_t prefix = PL_DEBUG_ID_PREFIX - 1;
    if (strlen(wanted) == prefix && strlen(found) > prefix)
        return strncmp(found, wanted, prefix) == 0;
    return strcmp(found, wanted) == 0;
}

/* ---- one file ---- */

/* Takes `fd`. False: not to be used, and why is noted. */
static bool open_elf(struct search *search, int fd, uint64_t bytes,
                     struct pl_elf_file *file_out)
{
    struct pl_elf_file file = {.fd = fd, .bytes = bytes};
    char found[PL_BUILD_ID_TEXT];
    file.elf = elf_begin(file.fd, ELF_C_READ_MMAP, NULL);
    bool is_elf = file.elf && elf_kind(file.elf) == ELF_K_ELF, is_it = false;
    if (is_elf) {
        pl_elf_build_id(file.elf, found);
        is_it = pl_build_id_is(found, search->request->build_id);
    }
    search->files->is_not_elf |= !is_elf;
    search->files->is_other_build |= is_elf && !is_it;
    if (is_it)
        *file_out = file;
    else
        pl_elf_file_close(&file);
    return is_it;
}

/* Into `debug` if it has debug information, else into `main`, if that is free. */
static void keep(struct search *search, struct pl_elf_file *file)
{
    struct pl_elf_files *files = search->files;
    if (!files->debug.elf && pl_elf_has_debug(file->elf))
        files->debug = *file;
    else if (!files->main.elf)
        files->main = *file;
    else
        pl_elf_file_close(file);
}

static bool is_done(const struct search *search)
{
    return search->files->debug.elf || pl_elf_has_debug(search->files->main.elf);
}

/* `folder`, a slash, `name`, `suffix`. A file that is not the right one says nothing
 * about the module. */
static void try_file(struct search *search, const char *folder, const char *name,
                     const char *suffix)
{
    char path[MAX_PATH];
    struct pl_elf_file file;
    uint64_t bytes;
    struct pl_elf_files *files = search->files;
    bool other = files->is_other_build, not_elf = files->is_not_elf;
    int len = snprintf(path, sizeof path, "%s/%s%s", folder, name, suffix);
    if (is_done(search) || len <= 0 || (size_t)len >= sizeof path || path[0] != '/')
        return;
    int fd = pl_open_regular(path, 0, &bytes);
    if (fd >= 0 && open_elf(search, fd, bytes, &file))
        keep(search, &file);
    files->is_other_build = other;
    files->is_not_elf = not_elf;
}

/* ---- places ---- */

/* Names in `folder` that begin with `start`: of a debug id, the build-id's end is not
 * known. */
static void try_prefix(struct search *search, const char *folder, const char *start)
{
    DIR *dir = opendir(folder);
    if (!dir)
        return;
    for (unsigned i = 0; i < MAX_ENTRIES && !is_done(search); i++) {
        const struct dirent *entry = readdir(dir); /* NOLINT: one thread here */
        if (!entry)
            break;
        if (strncmp(entry->d_name, start, strlen(start)) == 0)
            try_file(search, folder, entry->d_name, "");
    }
    closedir(dir);
}

/* <root>/<sub>/xx/yyyy.debug, and without the suffix the program itself. */
static void try_build_id(struct search *search, const char *root, const char *sub)
{
    const char *id = search->request->build_id;
    char folder[MAX_PATH], clean[PL_BUILD_ID_TEXT];
    if (strlen(id) < 4 || !pl_build_id_parse(id, clean) || strcmp(id, clean) != 0)
        return;
    int len = snprintf(folder, sizeof folder, "%s%s/%.2s", root, sub, id);
    if (len <= 0 || (size_t)len >= sizeof folder)
        return;
    try_file(search, folder, id + 2, ".debug");
    if (strlen(id) == PL_DEBUG_ID_PREFIX - 1)
        try_prefix(search, folder, id + 2);
}

/* Beside the file, in .debug/ beside it, and under the debug root. Without a
 * build-id there is nothing to tell the right file by, and none is used. */
static void try_link(struct search *search, const char *root)
{
    GElf_Word crc;
    const char *path = search->request->path;
    const char *slash = strrchr(path, '/');
    char folder[MAX_PATH];
    if (!search->files->main.elf || !search->request->build_id[0] || !slash ||
        path[0] != '/')
        return;
    const char *name = dwelf_elf_gnu_debuglink(search->files->main.elf, &crc);
    if (!name || !*name || strchr(name, '/'))
        return;
    const int len = (int)(slash - path);
    (void)snprintf(folder, sizeof folder, "%.*s", len, path);
    try_file(search, folder, name, "");
    (void)snprintf(folder, sizeof folder, "%s%.*s", root, len, path);
    try_file(search, folder, name, "");
    (void)snprintf(folder, sizeof folder, "%.*s/.debug", len, path);
    try_file(search, folder, name, "");
}

/* A folder of files as somebody laid them out: under their names, where they are
 * installed, or by build-id. */
static void try_folder(struct search *search, const char *folder)
{
    const char *path = search->request->path;
    const char *slash = strrchr(path, '/');
    const char *names[] = {slash ? slash + 1 : path, path[0] == '/' ? path + 1 : ""};
    if (!search->request->build_id[0])
        return;
    for (size_t i = 0; i < 2; i++) {
        if (!*names[i])
            continue;
        try_file(search, folder, names[i], ".debug");
        try_file(search, folder, names[i], "");
    }
    try_build_id(search, folder, "/.build-id");
    try_build_id(search, folder, "");
}

static void try_descriptor(struct search *search, int from)
{
    struct stat st;
    struct pl_elf_file file;
    int fd = from < 0 ? -1 : fcntl(from, F_DUPFD_CLOEXEC, 3);
    if (fd < 0)
        return;
    if (fstat(fd, &st) != 0)
        close(fd);
    else if (open_elf(search, fd, (uint64_t)st.st_size, &file))
        keep(search, &file);
}

/* Never relative to where this process happens to be. */
static void try_path(struct search *search)
{
    const char *path = search->request->path;
    struct pl_elf_file file;
    uint64_t bytes;
    int fd = path[0] == '/' && !search->files->main.elf
                 ? pl_open_regular(path, 0, &bytes)
                 : -1;
    if (fd >= 0 && open_elf(search, fd, bytes, &file))
        search->files->main = file;
}

static void try_place(struct search *search, const struct pl_place *place)
{
    switch (place->kind) {
    case PL_PLACE_PATH:
        try_path(search);
        break;
    case PL_PLACE_BUILD_ID:
        try_build_id(search, place->text, "/.build-id");
        try_link(search, place->text);
        break;
    case PL_PLACE_FOLDER:
        try_folder(search, place->text);
        break;
    case PL_PLACE_FILE:
        try_descriptor(search, place->fd);
        break;
    case PL_PLACE_MINIFIED:
        break;
    }
}

void pl_elf_files_find(struct pl_elf_files *files_out,
                       const struct pl_lookup_request *request)
{
    struct search search = {request, files_out};
    *files_out = (struct pl_elf_files){.main.fd = -1, .debug.fd = -1};
    for (size_t i = 0; i < request->place_count && !is_done(&search); i++)
        try_place(&search, &request->places[i]);
}
