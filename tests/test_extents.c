/* Function extents of a stripped file (process/symbols_unwind.c): every address of
 * a function gives its start, no other address does, and no file however broken
 * makes the reader leave it. */
#include "process/symbols.h"
#include "process/worker.h"
#include "tests/symbols/asking.h"
#include "tests/symbols/fixtures.h"
#include "tests/test.h"

#include <stdlib.h>

#define FULL     FIXTURE("fixture_c5.so")
#define STRIPPED FIXTURE("fixture_stripped.so")

/* Started again as the worker: as `proflite` does in its main. */
__attribute__((constructor)) static void be_worker(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], PL_WORKER_ARGUMENT) == 0)
        _exit(pl_symbols_worker_main(0, 1));
}

static const char *const functions[] = {"outer", "hidden", "repeated", "exported"};
#define FUNCTIONS (sizeof functions / sizeof functions[0])

static uint64_t symbol_bytes(const char *name)
{
    uint64_t bytes = 0, value = symbol_value(FULL, name);
    int fd = open(FULL, O_RDONLY | O_CLOEXEC);
    Elf *elf = elf_begin(fd, ELF_C_READ, NULL);
    Elf_Scn *section = NULL;
    GElf_Shdr header;
    GElf_Sym sym;
    while ((section = elf_nextscn(elf, section)))
        if (gelf_getshdr(section, &header) && header.sh_type == SHT_SYMTAB)
            for (int i = 0; gelf_getsym(elf_getdata(section, NULL), i, &sym); i++)
                if (sym.st_value == value && sym.st_size)
                    bytes = sym.st_size;
    elf_end(elf);
    close(fd);
    CHECK(bytes > 0, "%s", name);
    return bytes;
}

/* The stripped file in memory of exactly its size. */
static char *read_stripped(size_t *len_out)
{
    int fd = open(STRIPPED, O_RDONLY | O_CLOEXEC);
    off_t len = lseek(fd, 0, SEEK_END);
    char *bytes = len > 0 ? malloc((size_t)len) : NULL;
    CHECK(bytes && pread(fd, bytes, (size_t)len, 0) == (ssize_t)len);
    close(fd);
    *len_out = bytes ? (size_t)len : 0;
    return bytes;
}

static bool is_function(uint64_t address)
{
    for (size_t i = 0; i < FUNCTIONS; i++)
        if (symbol_value(FULL, functions[i]) == address)
            return true;
    return symbol_value(FULL, "fixture_sink") == address;
}

static void test_every_address(void)
{
    size_t len;
    char *bytes = read_stripped(&len);
    Elf *elf = elf_memory(bytes, len);
    struct pl_extents *extents = pl_extents_open(elf, "x.so");
    CHECK(extents != NULL);
    for (size_t i = 0; extents && i < FUNCTIONS; i++) {
        char expected[64];
        uint64_t start = symbol_value(FULL, functions[i]);
        uint64_t end = start + symbol_bytes(functions[i]);
        (void)snprintf(expected, sizeof expected, "x.so+0x%llx",
                       (unsigned long long)start);
        for (uint64_t at = start; at < end; at++) {
            const char *name = pl_extents_find(extents, at);
            CHECK(name && strcmp(name, expected) == 0, "%s at 0x%llx: %s", functions[i],
                  (unsigned long long)at, name ? name : "none");
        }
        /* Padding up to the next function belongs to none. */
        for (uint64_t at = end; at % 16 && !is_function(at); at++)
            CHECK(!pl_extents_find(extents, at), "after %s", functions[i]);
    }
    static const uint64_t nowhere[] = {
        0, 1, 0x40, UINT64_MAX, UINT64_MAX / 2, UINT64_C(1) << 32};
    for (size_t i = 0; extents && i < sizeof nowhere / sizeof nowhere[0]; i++)
        CHECK(!pl_extents_find(extents, nowhere[i]));
    /* The C runtime's helpers have symbols, but no entry. */
    CHECK(extents &&
          !pl_extents_find(extents, symbol_value(FULL, "deregister_tm_clones") + 4));
    pl_extents_close(extents);
    elf_end(elf);
    free(bytes);
}

/* The way through the worker: one name, no line, and still a missing symbol. */
static void test_one_function(void)
{
    static const char *const marks[] = {"mark_first_call", "mark_second_call",
                                        "mark_third_call", "deregister_tm_clones"};
    struct pl_raw_frame frames[4];
    struct pl_raw_frame_list list = {.rows = frames, .count = 4};
    struct pl_symbolizer *symbolizer = NULL;
    struct pl_symbolicated result = {0};
    struct pl_error err = {0};
    char build_id[129], expected[64];
    read_build_id(STRIPPED, build_id);
    for (size_t i = 0; i < 4; i++)
        frames[i] = (struct pl_raw_frame){.frame_id = (int64_t)i + 1,
                                          .module_id = 1,
                                          .module_path = STRIPPED,
                                          .build_id = build_id,
                                          .address = symbol_value(FULL, marks[i]),
                                          .exact = i == 3};
    (void)snprintf(expected, sizeof expected, "fixture_stripped.so+0x%llx",
                   (unsigned long long)symbol_value(FULL, "repeated"));
    CHECK_OK(pl_symbolizer_open(NULL, &symbolizer, &err), err);
    CHECK_OK(symbolicate_under(symbolizer, "/nonexistent", &list, false, &result, &err),
             err);
    CHECK(result.complete && result.count == 4, "%zu", result.count);
    for (size_t i = 0; i < result.count; i++) {
        const struct pl_named_frame *frame = &result.frames[i];
        CHECK(strcmp(frame->status, "missing_symbol") == 0, "%s", frame->status);
        CHECK(frame->name_count == (i < 3), "%s: %zu", marks[i], frame->name_count);
        if (!frame->name_count)
            continue;
        CHECK(strcmp(frame->names[0].function, expected) == 0, "%s: %s, not %s",
              marks[i], frame->names[0].function, expected);
        CHECK(!*frame->names[0].file && frame->names[0].in_app == -1);
        CHECK(!frame->names[0].line && !frame->names[0].decl_line);
    }
    pl_symbolicated_deinit(&result);

    /* A redo puts extents where nothing was, but not over names. */
    for (size_t i = 0; i < 4; i++)
        frames[i].named = i > 0;
    CHECK_OK(symbolicate_under(symbolizer, "/nonexistent", &list, true, &result, &err),
             err);
    CHECK(result.count == 1 && result.frames[0].frame_id == 1 &&
              strcmp(result.frames[0].names[0].function, expected) == 0,
          "%zu", result.count);
    pl_symbolicated_deinit(&result);
    pl_symbolizer_close(symbolizer);
}

static void find_all(char *bytes, size_t len, size_t *found)
{
    Elf *elf = elf_memory(bytes, len);
    struct pl_extents *extents = elf ? pl_extents_open(elf, "x.so") : NULL;
    for (uint64_t at = 0; extents && at < len + 64; at += 3)
        *found += pl_extents_find(extents, at) != NULL;
    pl_extents_close(extents);
    elf_end(elf);
}

struct place {
    size_t at, bytes;
};

/* Where a section lies in the file. */
static struct place section_place(char *file, size_t len, const char *wanted)
{
    struct place place = {0, 1};
    size_t names;
    Elf *elf = elf_memory(file, len);
    Elf_Scn *section = NULL;
    GElf_Shdr header;
    CHECK(elf_getshdrstrndx(elf, &names) == 0);
    while ((section = elf_nextscn(elf, section)))
        if (gelf_getshdr(section, &header) &&
            strcmp(elf_strptr(elf, names, header.sh_name), wanted) == 0)
            place = (struct place){header.sh_offset, header.sh_size};
    elf_end(elf);
    return place;
}

/* Flipped, overwritten with extremes, and cut off, in exactly sized memory. */
static void test_mutants(void)
{
    static const unsigned char extremes[] = {0, 1, 0x7f, 0x80, 0xff};
    size_t len, found = 0, whole = 0;
    unsigned seed = 4711;
    char *bytes = read_stripped(&len);
    (void)elf_version(EV_CURRENT);
    const struct place places[] = {section_place(bytes, len, ".eh_frame_hdr"),
                                   section_place(bytes, len, ".eh_frame"),
                                   {sizeof(Elf64_Ehdr), 8 * sizeof(Elf64_Phdr)}};
    find_all(bytes, len, &whole);
    CHECK(whole > 20, "%zu", whole);
    for (int mutant = 0; mutant < 1500; mutant++) {
        const struct place *place = &places[mutant % 3];
        size_t keep = mutant % 5 == 4 ? 64 + (size_t)rand_r(&seed) % (len - 64) : len;
        char *mutated = malloc(keep);
        memcpy(mutated, bytes, keep);
        for (int i = 0; i < 1 << (mutant % 6); i++) {
            size_t at = place->at + (size_t)rand_r(&seed) % place->bytes;
            if (at >= keep)
                continue;
            unsigned char flip = (unsigned char)(1 << (rand_r(&seed) % 8));
            unsigned char extreme = extremes[rand_r(&seed) % 5];
            unsigned char before = (unsigned char)mutated[at];
            mutated[at] = (char)(mutant % 2 ? extreme : before ^ flip);
        }
        find_all(mutated, keep, &found);
        free(mutated);
    }
    CHECK(found > 0);
    /* Every byte of the header's head and of the first CIE set to each extreme. */
    for (size_t p = 0; p < 2; p++)
        for (size_t i = 0; i < 64 * sizeof extremes; i++) {
            char *byte = &bytes[places[p].at + i / sizeof extremes], before = *byte;
            *byte = (char)extremes[i % sizeof extremes];
            find_all(bytes, len, &found);
            *byte = before;
        }
    free(bytes);
}

/* Another way to write the table is none that is read. */
static void test_encodings(void)
{
    static const struct {
        size_t at;
        unsigned char value;
        bool read;
    } cases[] = {
        {0, 1, true},     {0, 2, false},    {1, 0xff, false}, {1, 0x1c, false},
        {2, 0x0b, false}, {2, 0xff, false}, {3, 0x1b, false}, {3, 0x3c, false},
        {3, 0xff, false}, {1, 0x0b, true},
    };
    size_t len;
    char *bytes = read_stripped(&len);
    (void)elf_version(EV_CURRENT);
    size_t header = section_place(bytes, len, ".eh_frame_hdr").at;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char before = bytes[header + cases[i].at];
        bytes[header + cases[i].at] = (char)cases[i].value;
        Elf *elf = elf_memory(bytes, len);
        struct pl_extents *extents = pl_extents_open(elf, "x.so");
        CHECK((extents != NULL) == cases[i].read, "case %zu", i);
        pl_extents_close(extents);
        elf_end(elf);
        bytes[header + cases[i].at] = before;
    }
    free(bytes);
}

/* An entry must be of the row's function and lie in the file. */
static void test_lying_entries(void)
{
    static const int32_t huge = INT32_MAX;
    int32_t row[2];
    size_t len, found = 0;
    char *bytes = read_stripped(&len);
    (void)elf_version(EV_CURRENT);
    size_t header = section_place(bytes, len, ".eh_frame_hdr").at;
    memcpy(row, bytes + header + 12, sizeof row);
    const int32_t moved = row[0] + 1; /* in the file as in memory up to here */
    const struct {
        size_t at;
        const int32_t *value;
    } lies[] = {
        {header + 12, &moved},
        {header + (size_t)row[1], &huge},                   /* the FDE's length */
        {section_place(bytes, len, ".eh_frame").at, &huge}, /* the CIE's */
    };
    for (size_t i = 0; i < 4; i++) {
        int32_t before = 0;
        if (i < 3) {
            memcpy(&before, bytes + lies[i].at, 4);
            memcpy(bytes + lies[i].at, lies[i].value, 4);
        }
        Elf *elf = elf_memory(bytes, len);
        struct pl_extents *extents = pl_extents_open(elf, "x.so");
        uint64_t address = header + (uint64_t)(int64_t)row[0] + 2;
        const char *name = extents ? pl_extents_find(extents, address) : NULL;
        found += name != NULL;
        CHECK((name != NULL) == (i == 3), "lie %zu: %s", i, name ? name : "none");
        pl_extents_close(extents);
        elf_end(elf);
        if (i < 3)
            memcpy(bytes + lies[i].at, &before, 4);
    }
    CHECK(found == 1);
    free(bytes);
}

TEST_MAIN({"every_address", test_every_address}, {"one_function", test_one_function},
          {"mutants", test_mutants}, {"encodings", test_encodings},
          {"lying_entries", test_lying_entries})
