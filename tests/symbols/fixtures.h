/* What tests know of the files made from tests/symbols/: build-ids, the addresses
 * of marks, the lines of tags. FIXTURES and FIXTURE_SOURCES are set by CMake. */
#ifndef PL_TESTS_FIXTURES_H
#define PL_TESTS_FIXTURES_H

#include "base/id.h"
#include "tests/test.h"

#include <elfutils/libdwelf.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdint.h>
#include <unistd.h>

#define FIXTURE(name) FIXTURES "/" name

static inline void read_build_id(const char *path, char text_out[static 129])
{
    const void *bytes;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    (void)elf_version(EV_CURRENT);
    Elf *elf = elf_begin(fd, ELF_C_READ, NULL);
    ssize_t len = dwelf_elf_gnu_build_id(elf, &bytes);
    text_out[0] = '\0';
    if (len > 0 && len <= 64)
        pl_hex_format(bytes, (size_t)len, text_out);
    elf_end(elf);
    close(fd);
}

/* The value of a symbol in a file's .symtab. */
static inline uint64_t symbol_value(const char *path, const char *name)
{
    uint64_t value = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    (void)elf_version(EV_CURRENT);
    Elf *elf = elf_begin(fd, ELF_C_READ, NULL);
    Elf_Scn *section = NULL;
    GElf_Shdr header;
    while ((section = elf_nextscn(elf, section))) {
        if (!gelf_getshdr(section, &header) || header.sh_type != SHT_SYMTAB)
            continue;
        Elf_Data *data = elf_getdata(section, NULL);
        GElf_Sym sym;
        for (int i = 0; gelf_getsym(data, i, &sym); i++)
            if (strcmp(elf_strptr(elf, header.sh_link, sym.st_name), name) == 0)
                value = sym.st_value;
    }
    CHECK(value != 0, "%s in %s", name, path);
    elf_end(elf);
    close(fd);
    return value;
}

/* The line of a fixture's source that has "line: <tag>" in it. */
static inline uint32_t line_of(const char *source, const char *tag)
{
    char wanted[64], text[256], path[512];
    uint32_t line = 0, found = 0;
    (void)snprintf(path, sizeof path, "%s/%s", FIXTURE_SOURCES, source);
    (void)snprintf(wanted, sizeof wanted, "line: %s", tag);
    FILE *file = fopen(path, "re");
    while (file && fgets(text, sizeof text, file)) {
        line++;
        char *at = strstr(text, wanted);
        char end = at ? at[strlen(wanted)] : 'x';
        if (at && (end == '\n' || (end == ' ' && at[strlen(wanted) + 1] == '*')))
            found = line;
    }
    if (file)
        fclose(file);
    CHECK(found != 0, "%s: %s", source, wanted);
    return found;
}

#endif
