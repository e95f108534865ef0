/* Fuzz target of ELF and DWARF: a file as the symbol worker reads it, told what it is
 * and asked for addresses all over its code.
 *
 * With clang's libFuzzer: fuzz_elf -max_total_time=60 CORPUS. Built with -DSTANDALONE
 * it runs the files it is given and mutants of them: that is what ctest does; FUZZ_SEED
 * and FUZZ_MUTANTS make it other ones and more. */
#include "process/symbols.h"

#include <gelf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define ADDRESSES 64

static size_t named; /* that any were found shows that files get past the door */

/* Texts are where they say they are, and end. */
static size_t touch(const struct pl_symbol_list *list)
{
    size_t bytes = 0;
    if (list->count > PL_MAX_INLINES)
        abort();
    for (size_t i = 0; i < list->count; i++) {
        const struct pl_symbol *symbol = &list->rows[i];
        bytes += strlen(symbol->function) + (symbol->file ? strlen(symbol->file) : 0);
    }
    return bytes;
}

static void ask(const struct pl_lookup *kind, void *self, uint64_t from, uint64_t to)
{
    struct pl_symbol_list list;
    for (uint64_t i = 0; i < ADDRESSES; i++) {
        const struct pl_lookup_key key = {.address =
                                              from + (to - from) / ADDRESSES * i};
        list.count = 0;
        list.anonymous = false;
        if (kind->find(self, &key, &list) && touch(&list))
            named++;
    }
}

/* Its code, and its build-id: without that no file is used. */
static bool look_at(int fd, char build_id[static PL_BUILD_ID_TEXT], uint64_t *from,
                    uint64_t *to)
{
    GElf_Phdr header;
    size_t count = 0;
    Elf *elf = elf_begin(fd, ELF_C_READ, NULL);
    bool is_elf = elf && elf_kind(elf) == ELF_K_ELF;
    if (is_elf)
        pl_elf_build_id(elf, build_id);
    if (is_elf && elf_getphdrnum(elf, &count) == 0)
        for (size_t i = 0; i < count && i < 64; i++)
            if (gelf_getphdr(elf, (int)i, &header) && header.p_type == PT_LOAD &&
                (header.p_flags & PF_X)) {
                *from = header.p_vaddr;
                *to = header.p_vaddr + header.p_memsz % (1 << 20);
            }
    elf_end(elf);
    return is_elf;
}

static void run(const struct pl_lookup *kind, int fd, const char *build_id,
                uint64_t from, uint64_t to)
{
    const struct pl_place place = {.kind = PL_PLACE_FILE, .text = "x", .fd = fd};
    const struct pl_lookup_request request = {
        .path = "/lib/x.so", .build_id = build_id, .places = &place, .place_count = 1};
    void *self = kind->open(&request);
    if (!self)
        return;
    if (kind->status(self) == PL_IMAGE_FOUND)
        ask(kind, self, from, to);
    if (strlen(kind->message(self)) > 4096)
        abort();
    kind->close(self);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    char build_id[PL_BUILD_ID_TEXT] = "";
    uint64_t from = 0x1000, to = 0x2000;
    (void)elf_version(EV_CURRENT);
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0 || write(fd, bytes, len) != (ssize_t)len)
        abort();
    if (look_at(fd, build_id, &from, &to))
        run(&pl_elf_lookup, fd, build_id, from, to);
    run(&pl_identify_lookup, fd, "", 0, 0);
    close(fd);
    return 0;
}

#ifdef STANDALONE

#define FILE_MOST ((size_t)1 << 20)

static uint32_t seed = 1;

static uint32_t chance(uint32_t below)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % below;
}

/* Bytes set to what lengths and forms break on, a piece repeated, or the end cut off.
 */
static size_t mutate(uint8_t *bytes, size_t len)
{
    static const uint8_t odd[] = {0, 1, 0x7f, 0x80, 0xff, 0xfe, 4, 8};
    for (uint32_t i = 1 + chance(24); i-- && len > 64;) {
        size_t at = chance((uint32_t)len), count = 1 + chance(16);
        uint32_t what = chance(32);
        count = at + count > len ? len - at : count;
        if (what == 0)
            len = len / 2 + chance((uint32_t)(len / 2));
        else if (what < 4)
            memmove(bytes + at, bytes + chance((uint32_t)(len - count)), count);
        else if (what < 12)
            memset(bytes + at, odd[chance(sizeof odd)], count);
        else
            bytes[at] = (uint8_t)chance(256);
    }
    return len;
}

static uint32_t setting(const char *name, uint32_t usual)
{
    const char *value = getenv(name);
    return value ? (uint32_t)strtoul(value, NULL, 10) : usual;
}

int main(int argc, char **argv)
{
    static uint8_t original[FILE_MOST], bytes[FILE_MOST];
    size_t runs = 0;
    uint32_t mutants = setting("FUZZ_MUTANTS", 250);
    seed = setting("FUZZ_SEED", 1);
    for (int i = 1; i < argc; i++) {
        FILE *file = fopen(argv[i], "rb");
        size_t len = file ? fread(original, 1, FILE_MOST, file) : 0;
        if (file)
            (void)fclose(file);
        for (uint32_t mutant = 0; len && mutant < mutants; mutant++, runs++) {
            memcpy(bytes, original, len);
            (void)LLVMFuzzerTestOneInput(bytes, mutant ? mutate(bytes, len) : len);
        }
    }
    printf("%zu inputs, %zu names\n", runs, named);
    return runs && named ? 0 : 1;
}

#endif
