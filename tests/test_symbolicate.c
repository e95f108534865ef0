/* Symbolication against fixtures with known names and lines (tests/symbols/), and
 * against files that are broken, foreign or hostile. */
#include "process/demangle.h"
#include "process/paths.h"
#include "process/worker.h"
#include "tests/symbols/asking.h"
#include "tests/symbols/fixtures.h"
#include "tests/test.h"

#include "base/id.h"

#include <elfutils/libdwelf.h>
#include <fcntl.h>
#include <gelf.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

/* Started again as the worker: as `proflite` does in its main. */
__attribute__((constructor)) static void be_worker(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], PL_WORKER_ARGUMENT) == 0)
        _exit(pl_symbols_worker_main(0, 1));
}

/* ---- helpers ---- */

static struct pl_symbolizer *
open_symbolizer(const struct pl_symbolizer_options *options)
{
    struct pl_symbolizer *symbolizer = NULL;
    struct pl_error err = {0};
    CHECK_OK(pl_symbolizer_open(options, &symbolizer, &err), err);
    return symbolizer;
}

/* Look one address up; the caller deinits. */
static struct pl_symbolicated look_up_under(struct pl_symbolizer *symbolizer,
                                            const char *debug_root, const char *path,
                                            const char *build_id, uint64_t address,
                                            bool exact)
{
    struct pl_raw_frame frame = {.frame_id = 7,
                                 .module_id = 1,
                                 .module_path = path,
                                 .build_id = build_id,
                                 .address = address,
                                 .exact = exact};
    struct pl_raw_frame_list list = {.rows = &frame, .count = 1};
    struct pl_symbolicated result = {0};
    struct pl_error err = {0};
    CHECK_OK(symbolicate_under(symbolizer, debug_root, &list, false, &result, &err),
             err);
    return result;
}

static struct pl_symbolicated look_up(struct pl_symbolizer *symbolizer,
                                      const char *path, const char *build_id,
                                      uint64_t address, bool exact)
{
    return look_up_under(symbolizer, NULL, path, build_id, address, exact);
}

static const char *status_of(const struct pl_symbolicated *result)
{
    return result->count == 1 ? result->frames[0].status : "none";
}

static void check_name(const struct pl_symbolicated *result, size_t at,
                       const char *function, uint32_t line, const char *source)
{
    if (result->count != 1 || at >= result->frames[0].name_count) {
        CHECK(false, "no name %zu for %s (%s)", at, function, status_of(result));
        return;
    }
    const struct pl_frame_name *name = &result->frames[0].names[at];
    char path[512];
    (void)snprintf(path, sizeof path, "%s/%s", FIXTURE_SOURCES, source);
    CHECK(strcmp(name->function, function) == 0, "%s, not %s", name->function,
          function);
    CHECK(name->line == line, "%s: line %u, not %u", function, name->line, line);
    CHECK(strcmp(name->file, path) == 0, "%s: file %s", function, name->file);
    CHECK(name->decl_line > 0 && name->decl_line <= line, "%s: declared in %u",
          function, name->decl_line);
}

static size_t name_count(const struct pl_symbolicated *result)
{
    return result->count == 1 ? result->frames[0].name_count : 0;
}

/* ---- cases ---- */

static void check_inlines(const char *path)
{
    char build_id[129];
    struct pl_symbolizer *symbolizer = open_symbolizer(NULL);
    read_build_id(path, build_id);
    struct pl_symbolicated result =
        look_up(symbolizer, path, build_id, symbol_value(path, "mark_inner"), true);
    CHECK(strcmp(status_of(&result), "symbolicated") == 0, "%s: %s", path,
          status_of(&result));
    CHECK(result.complete && name_count(&result) == 3, "%s: %zu names", path,
          name_count(&result));
    check_name(&result, 0, "outer", line_of("fixture.c", "call middle"), "fixture.c");
    check_name(&result, 1, "middle", line_of("fixture.c", "call inner"), "fixture.c");
    check_name(&result, 2, "inner", line_of("fixture.c", "inner"), "fixture.c");
    if (name_count(&result) == 3)
        CHECK(result.frames[0].names[0].decl_line == line_of("fixture.c", "outer"));
    pl_symbolicated_deinit(&result);

    result =
        look_up(symbolizer, path, build_id, symbol_value(path, "mark_outer"), true);
    CHECK(name_count(&result) == 1);
    check_name(&result, 0, "outer", line_of("fixture.c", "in outer"), "fixture.c");
    pl_symbolicated_deinit(&result);
    pl_symbolizer_close(symbolizer);
}

static void test_inlines(void)
{
    check_inlines(FIXTURE("fixture_c5.so"));
    check_inlines(FIXTURE("fixture_c4.so"));
    check_inlines(FIXTURE("fixture_no_aranges.so"));
}

/* The folder of a unit built with mapped paths is relative, and said once. */
static void test_mapped_paths(void)
{
    static const char path[] = FIXTURE("fixture_mapped.so");
    char build_id[129];
    struct pl_symbolizer *symbolizer = open_symbolizer(NULL);
    read_build_id(path, build_id);
    struct pl_symbolicated result =
        look_up(symbolizer, path, build_id, symbol_value(path, "mark_inner"), true);
    CHECK(name_count(&result) == 3);
    for (size_t i = 0; i < name_count(&result); i++) {
        const struct pl_frame_name *name = &result.frames[0].names[i];
        CHECK(strcmp(name->file, "mapped/fixture.c") == 0, "%s", name->file);
        CHECK(name->line > 0, "%s", name->function);
    }
    pl_symbolicated_deinit(&result);
    pl_symbolizer_close(symbolizer);
}

static void test_cplusplus(void)
{
    static const char path[] = FIXTURE("fixture_cc.so");
    char build_id[129];
    struct pl_symbolizer *symbolizer = open_symbolizer(NULL);
    read_build_id(path, build_id);
    struct pl_symbolicated result =
        look_up(symbolizer, path, build_id, symbol_value(path, "mark_total"), true);
    check_name(&result, 0, "shop::Cart<long>::total(long) const",
               line_of("fixture.cc", "total"), "fixture.cc");
    pl_symbolicated_deinit(&result);
    result = look_up(symbolizer, path, build_id, symbol_value(path, "mark_constructor"),
                     true);
    check_name(&result, 0, "shop::Cart<long>::Cart(long)",
               line_of("fixture.cc", "constructor"), "fixture.cc");
    pl_symbolicated_deinit(&result);
    result =
        look_up(symbolizer, path, build_id, symbol_value(path, "mark_lambda"), true);
    CHECK(name_count(&result) == 3, "%zu", name_count(&result));
    check_name(&result, 0, "shop::checkout(int)", line_of("fixture.cc", "call apply"),
               "fixture.cc");
    if (name_count(&result) == 3) {
        char lambda[64];
        const char *apply = "shop::apply<int, ";
        CHECK(strncmp(result.frames[0].names[1].function, apply, strlen(apply)) == 0,
              "%s", result.frames[0].names[1].function);
        (void)snprintf(lambda, sizeof lambda, "{lambda fixture.cc:%u}",
                       line_of("fixture.cc", "tax"));
        check_name(&result, 2, lambda, line_of("fixture.cc", "lambda"), "fixture.cc");
    }
    pl_symbolicated_deinit(&result);
    result =
        look_up(symbolizer, path, build_id, symbol_value(path, "mark_clerk"), true);
    check_name(&result, 0, "shop::(anonymous namespace)::Clerk::ask",
               line_of("fixture.cc", "clerk"), "fixture.cc");
    pl_symbolicated_deinit(&result);
    pl_symbolizer_close(symbolizer);
}

/* A return address belongs to the call before it, an exact one to itself. */
static void test_return_address(void)
{
    static const char path[] = FIXTURE("fixture_c5.so");
    char build_id[129];
    struct pl_symbolizer *symbolizer = open_symbolizer(NULL);
    read_build_id(path, build_id);
    uint64_t after = symbol_value(path, "mark_after_call");
    struct pl_symbolicated caller = look_up(symbolizer, path, build_id, after, false);
    struct pl_symbolicated leaf = look_up(symbolizer, path, build_id, after, true);
    check_name(&caller, 0, "exported", line_of("fixture.c", "call"), "fixture.c");
    check_name(&leaf, 0, "exported", line_of("fixture.c", "after call"), "fixture.c");
    pl_symbolicated_deinit(&caller);
    pl_symbolicated_deinit(&leaf);
    pl_symbolizer_close(symbolizer);
}

static void test_stripped(void)
{
    static const char path[] = FIXTURE("fixture_stripped.so");
    static const char full[] = FIXTURE("fixture_c5.so");
    char build_id[129];
    struct pl_symbolizer *symbolizer = open_symbolizer(NULL);
    read_build_id(full, build_id);
    struct pl_symbolicated result =
        look_up_under(symbolizer, "/nonexistent", path, build_id,
                      symbol_value(full, "mark_outer"), true);
    CHECK(name_count(&result) == 1 &&
              strcmp(result.frames[0].names[0].function, "outer") == 0,
          "%s", status_of(&result));
    pl_symbolicated_deinit(&result);
    /* A static function is not what was exported before it. */
    uint64_t hidden = symbol_value(full, "hidden");
    result = look_up(symbolizer, path, build_id, hidden, true);
    CHECK(strcmp(status_of(&result), "missing_symbol") == 0, "%s", status_of(&result));
    char place[64];
    (void)snprintf(place, sizeof place, "fixture_stripped.so+0x%llx",
                   (unsigned long long)hidden);
    CHECK(result.complete && name_count(&result) == 1 &&
              strcmp(result.frames[0].names[0].function, place) == 0,
          "not %s", place);
    pl_symbolicated_deinit(&result);
    pl_symbolizer_close(symbolizer);
}

static void copy_file(const char *from, const char *to, size_t *bytes_out)
{
    static char bytes[1 << 20];
    FILE *in = fopen(from, "re"), *out = fopen(to, "we");
    size_t len = in ? fread(bytes, 1, sizeof bytes, in) : 0;
    CHECK(in && out && len > 0 && fwrite(bytes, 1, len, out) == len, "%s -> %s", from,
          to);
    if (in)
        fclose(in);
    if (out)
        fclose(out);
    if (bytes_out)
        *bytes_out = len;
}

static void test_debug_file(void)
{
    char root[] = "/tmp/test_symbolicate.XXXXXX", folder[256], file[512], build_id[129];
    static const char full[] = FIXTURE("fixture_c5.so");
    CHECK(mkdtemp(root) != NULL);
    read_build_id(full, build_id);
    (void)snprintf(folder, sizeof folder, "%s/.build-id", root);
    CHECK(mkdir(folder, 0700) == 0);
    (void)snprintf(folder, sizeof folder, "%s/.build-id/%.2s", root, build_id);
    CHECK(mkdir(folder, 0700) == 0);
    (void)snprintf(file, sizeof file, "%s/%s.debug", folder, build_id + 2);
    copy_file(FIXTURE("fixture_symbols.debug"), file, NULL);

    struct pl_symbolizer *symbolizer = open_symbolizer(NULL);
    static const char *const paths[] = {FIXTURE("fixture_stripped.so"),
                                        "/gone/away.so"};
    for (size_t i = 0; i < 2; i++) {
        struct pl_symbolicated result =
            look_up_under(symbolizer, root, paths[i], build_id,
                          symbol_value(full, "mark_inner"), true);
        CHECK(name_count(&result) == 3, "%s: %s", paths[i], status_of(&result));
        check_name(&result, 2, "inner", line_of("fixture.c", "inner"), "fixture.c");
        pl_symbolicated_deinit(&result);
    }
    pl_symbolizer_close(symbolizer);
    unlink(file);
    rmdir(folder);
    (void)snprintf(folder, sizeof folder, "%s/.build-id", root);
    rmdir(folder);
    rmdir(root);
}

static void test_wrong_file(void)
{
    static const char full[] = FIXTURE("fixture_c5.so");
    static const struct {
        const char *path, *build_id, *status;
    } cases[] = {
        {full, "0123456789012345678901234567890123456789", "missing"},
        {full, "", "missing"}, /* recorded without an id, has one now */
        {full, "../../../etc/passwd", "missing"},
        {"/nonexistent/file", "", "missing"},
        {"/tmp", "", "missing"},
        {"/dev/zero", "", "missing"},
        {FIXTURE_SOURCES "/fixture.c", "", "malformed"},
        {"", "", "unknown_image"},
        {"fixture_c5.so", "", "unknown_image"},
        {"[heap]", "", "unknown_image"},
    };
    struct pl_symbolizer *symbolizer = open_symbolizer(NULL);
    uint64_t address = symbol_value(full, "mark_inner");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct pl_symbolicated result =
            look_up(symbolizer, cases[i].path, cases[i].build_id, address, true);
        CHECK(strcmp(status_of(&result), cases[i].status) == 0, "%s: %s, not %s",
              cases[i].path, status_of(&result), cases[i].status);
        CHECK(result.complete && name_count(&result) == 0, "%s", cases[i].path);
        pl_symbolicated_deinit(&result);
    }
    pl_symbolizer_close(symbolizer);
}

/* A worker that lives on notices files that come, go and are replaced. */
static void test_changing_file(void)
{
    char path[] = "/tmp/test_symbolicate.XXXXXX", build_id[129];
    static const char full[] = FIXTURE("fixture_c5.so");
    struct pl_symbolizer *symbolizer = open_symbolizer(NULL);
    uint64_t address = symbol_value(full, "mark_inner");
    read_build_id(full, build_id);
    close(mkstemp(path));
    unlink(path);
    static const struct {
        const char *content, *status;
    } steps[] = {
        {NULL, "missing"},
        {FIXTURE("fixture_c5.so"), "symbolicated"},
        {FIXTURE("fixture_cc.so"), "symbolicated"}, /* the open one is still right */
    };
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        unlink(path);
        if (steps[i].content)
            copy_file(steps[i].content, path, NULL);
        struct pl_symbolicated result =
            look_up(symbolizer, path, build_id, address, true);
        CHECK(strcmp(status_of(&result), steps[i].status) == 0, "step %zu: %s", i,
              status_of(&result));
        pl_symbolicated_deinit(&result);
    }
    unlink(path);
    pl_symbolizer_close(symbolizer);
}

static void test_vdso(void)
{
    uintptr_t base = getauxval(AT_SYSINFO_EHDR);
    const Elf64_Ehdr *header = (const Elf64_Ehdr *)base;
    char build_id[129] = "";
    const void *bytes;
    uint64_t address = 0;
    if (!base)
        return;
    (void)elf_version(EV_CURRENT);
    Elf *elf = elf_memory((char *)base, header->e_shoff + (size_t)header->e_shnum *
                                                              header->e_shentsize);
    ssize_t len = dwelf_elf_gnu_build_id(elf, &bytes);
    if (len > 0)
        pl_hex_format(bytes, (size_t)len, build_id);
    Elf_Scn *section = NULL;
    GElf_Shdr table;
    GElf_Sym sym;
    while ((section = elf_nextscn(elf, section)))
        if (gelf_getshdr(section, &table) && table.sh_type == SHT_DYNSYM)
            for (int i = 0; gelf_getsym(elf_getdata(section, NULL), i, &sym); i++)
                if (strcmp(elf_strptr(elf, table.sh_link, sym.st_name),
                           "__vdso_clock_gettime") == 0)
                    address = sym.st_value;
    elf_end(elf);
    struct pl_symbolizer *symbolizer = open_symbolizer(NULL);
    struct pl_symbolicated result =
        look_up(symbolizer, "[vdso]", build_id, address + 1, true);
    CHECK(name_count(&result) == 1 &&
              strstr(result.frames[0].names[0].function, "clock_gettime"),
          "%s", status_of(&result));
    pl_symbolicated_deinit(&result);
    pl_symbolizer_close(symbolizer);
}

static void test_perfmap(void)
{
    char path[64];
    (void)snprintf(path, sizeof path, "/tmp/perf-%d.map", (int)getpid());
    FILE *file = fopen(path, "we");
    CHECK(file != NULL);
    if (!file)
        return;
    fputs("7f0000001000 80 old code\nnonsense\n7f0000001000 40 LazyCompile:hot a.js:3\n"
          "ffffffffffffffff 10 overflow\n7f0000002000 zz bad\n7f0000003000 10 last",
          file);
    fclose(file);
    static const struct {
        uint64_t address;
        const char *name;
    } cases[] = {
        {UINT64_C(0x7f0000001010), "LazyCompile:hot a.js:3"},
        {UINT64_C(0x7f0000001050), "old code"},
        {UINT64_C(0x7f0000003008), "last"},
        {UINT64_C(0x7f0000001080), NULL},
        {0, NULL},
    };
    struct pl_symbolizer *symbolizer = open_symbolizer(NULL);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct pl_symbolicated result =
            look_up(symbolizer, path, "", cases[i].address, true);
        if (cases[i].name)
            CHECK(name_count(&result) == 1 &&
                      strcmp(result.frames[0].names[0].function, cases[i].name) == 0,
                  "%s: %s", cases[i].name, status_of(&result));
        else
            CHECK(strcmp(status_of(&result), "missing_symbol") == 0, "%s",
                  status_of(&result));
        pl_symbolicated_deinit(&result);
    }
    pl_symbolizer_close(symbolizer);
    unlink(path);
}

/* ---- perf maps that somebody else may have made ---- */

static void one_line(const char *path, size_t zeros, const char *name, size_t length)
{
    FILE *file = fopen(path, "we");
    CHECK(file != NULL);
    if (!file)
        return;
    fprintf(file, "%0*llx 100 %s", (int)zeros, 0x7f0000001000ULL, name);
    for (size_t i = 0; i < length; i++)
        fputc('a', file);
    fputs("\n7f0000002000 10 after\n", file);
    fclose(file);
}

static void make_long_name(const char *path)
{
    one_line(path, 12, "long", 8 << 20);
}

static void make_long_number(const char *path)
{
    one_line(path, 1 << 20, "zeros", 0);
}

static void make_bad_numbers(const char *path)
{
    FILE *file = fopen(path, "we");
    CHECK(file != NULL);
    if (!file)
        return;
    fputs("7f0000001000 ffffffffffffffff wraps\n"
          "ffffffffffffffffffffffff 100 more than 64 bits\n"
          "7f0000001000 0 nothing\n7f0000001000\n7f0000001000 100\n"
          "7f0000001000 100 \n 7f0000001000g 100 bad\n\n\n 100 100\n"
          "7f0000002000 10 after\n",
          file);
    fclose(file);
}

/* One over the other, from wide to narrow; the last wins. */
static void make_overlaps(const char *path)
{
    FILE *file = fopen(path, "we");
    CHECK(file != NULL);
    for (unsigned i = 0; file && i < 100000; i++)
        fprintf(file, "7f%010x %x over %u\n", 0x1000 - i % 16, 0x100 + i % 16, i);
    if (file && fputs("7f0000002000 10 after\n", file) >= 0)
        fclose(file);
}

static void make_fifo(const char *path)
{
    CHECK(mkfifo(path, 0600) == 0);
}

static void make_link(const char *path)
{
    char other[128];
    (void)snprintf(other, sizeof other, "%s.other", path);
    one_line(other, 12, "of another", 0);
    CHECK(symlink(other, path) == 0);
}

static void make_folder(const char *path)
{
    CHECK(mkdir(path, 0700) == 0);
}

static void make_zeros(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    CHECK(fd >= 0 && ftruncate(fd, 4 << 20) == 0);
    close(fd);
}

static void make_huge(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    CHECK(fd >= 0 && ftruncate(fd, (off_t)1 << 40) == 0);
    close(fd);
}

static void test_hostile_perfmap(void)
{
    static const struct {
        const char *what;
        void (*make)(const char *path);
        const char *name; /* what the name at 1010 begins with; NULL: there is none */
        bool after;       /* the line behind it is read */
    } cases[] = {{"long name", make_long_name, "longaaaa", true},
                 {"long number", make_long_number, "zeros", true},
                 {"bad numbers", make_bad_numbers, NULL, true},
                 {"overlaps", make_overlaps, "over 99", true},
                 {"fifo", make_fifo, NULL, false},
                 {"link", make_link, NULL, false},
                 {"folder", make_folder, NULL, false},
                 {"zeros", make_zeros, NULL, false},
                 {"huge", make_huge, NULL, false}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char path[64], other[128];
        (void)snprintf(path, sizeof path, "/tmp/perf-%d.map", (int)getpid());
        (void)snprintf(other, sizeof other, "%s.other", path);
        cases[i].make(path);
        struct pl_symbolizer *symbolizer = open_symbolizer(NULL);
        for (unsigned after = 0; after < 2; after++) {
            const char *wanted =
                after ? cases[i].after ? "after" : NULL : cases[i].name;
            struct pl_symbolicated result = look_up(
                symbolizer, path, "",
                after ? UINT64_C(0x7f0000002008) : UINT64_C(0x7f0000001010), true);
            const char *name =
                name_count(&result) == 1 ? result.frames[0].names[0].function : NULL;
            CHECK(wanted ? name && strncmp(name, wanted, strlen(wanted)) == 0 : !name,
                  "%s: %.40s, not %s", cases[i].what, name ? name : status_of(&result),
                  wanted ? wanted : "none");
            CHECK(!name || strlen(name) < 4096, "%s", cases[i].what);
            pl_symbolicated_deinit(&result);
        }
        pl_symbolizer_close(symbolizer);
        (void)remove(path);
        (void)remove(other);
    }
}

/* Files with bytes flipped or cut off: whatever the worker does, this process
 * goes on, and the module after the broken one gets its names. */
static void test_mutants(void)
{
    static const char full[] = FIXTURE("fixture_c5.so");
    static char bytes[1 << 20];
    char path[] = "/tmp/test_symbolicate.XXXXXX", build_id[129];
    uint64_t addresses[64], address = symbol_value(full, "mark_inner");
    size_t len, failures = 0, named = 0;
    unsigned seed = 12345;
    int fd = mkstemp(path);
    FILE *in = fopen(full, "re");
    len = in ? fread(bytes, 1, sizeof bytes, in) : 0;
    CHECK(in && fd >= 0 && len > 4096);
    if (in)
        fclose(in);
    read_build_id(full, build_id);
    for (size_t i = 0; i < 64; i++)
        addresses[i] = address - 128 + 4 * i;
    for (int mutant = 0; mutant < 200; mutant++) {
        struct pl_symbolizer_options options = {.timeout_ms = 5000, .cpu_seconds = 2};
        struct pl_symbolizer *symbolizer = open_symbolizer(&options);
        struct pl_resolved resolved = {0};
        struct pl_error err = {0};
        static char mutated[1 << 20];
        memcpy(mutated, bytes, len);
        for (int flips = 1 << (mutant % 10); flips > 0; flips--) {
            size_t at = (size_t)rand_r(&seed) * 31 % len;
            if (at > 0x400) /* keep the ELF header and notes: get past the door */
                mutated[at] = (char)(mutated[at] ^ (1 << (rand_r(&seed) % 8)));
        }
        size_t keep = mutant % 7 == 3 ? (size_t)rand_r(&seed) % len : len;
        CHECK(ftruncate(fd, 0) == 0 && pwrite(fd, mutated, keep, 0) == (ssize_t)keep);
        CHECK_OK(
            ask_addresses(symbolizer, path, build_id, addresses, 64, &resolved, &err),
            err);
        failures += resolved.failure != PL_SYMBOLIZER_OK;
        for (size_t i = 0; i < resolved.frame_count; i++)
            named += resolved.frames[i].name_count > 0;
        CHECK(resolved.failure == PL_SYMBOLIZER_OK || resolved.message[0], "mutant %d",
              mutant);
        pl_resolved_deinit(&resolved);
        CHECK_OK(
            ask_addresses(symbolizer, full, build_id, &address, 1, &resolved, &err),
            err);
        CHECK(resolved.frame_count == 1 && resolved.frames[0].name_count == 3,
              "after mutant %d", mutant);
        pl_resolved_deinit(&resolved);
        pl_symbolizer_close(symbolizer);
    }
    printf("mutants: %zu made the worker fail, %zu addresses named\n", failures, named);
    CHECK(named > 0);
    close(fd);
    unlink(path);
}

static pid_t worker_pid(void)
{
    char path[64];
    int pid = 0;
    (void)snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    FILE *file = fopen(path, "re");
    if (file) {
        if (fscanf(file, "%d", &pid) != 1)
            pid = 0;
        fclose(file);
    }
    return pid;
}

static void test_worker_stuck(void)
{
    static const char full[] = FIXTURE("fixture_c5.so");
    static const char other[] = FIXTURE("fixture_cc.so");
    char build_id[129], other_id[129];
    struct pl_symbolizer_options options = {.timeout_ms = 700};
    struct pl_symbolizer *symbolizer = open_symbolizer(&options);
    uint64_t address = symbol_value(full, "mark_inner");
    read_build_id(full, build_id);
    read_build_id(other, other_id);
    struct pl_symbolicated result =
        look_up(symbolizer, other, other_id, symbol_value(other, "mark_total"), true);
    CHECK(name_count(&result) == 1);
    pl_symbolicated_deinit(&result);
    pid_t pid = worker_pid();
    if (!pid)
        return; /* a kernel without the children file */
    CHECK(kill(pid, SIGSTOP) == 0);
    result = look_up(symbolizer, full, build_id, address, true);
    CHECK(!result.complete && result.timed_out && result.count == 0);
    CHECK(result.status && strcmp(result.status, "timeout") == 0);
    CHECK(strstr(result.message, "fixture_c5.so"), "%s", result.message);
    pl_symbolicated_deinit(&result);
    CHECK(kill(pid, 0) != 0, "the stuck worker is gone");
    /* The module is not tried again, others are. */
    result = look_up(symbolizer, full, build_id, address, true);
    CHECK(result.timed_out);
    pl_symbolicated_deinit(&result);
    result =
        look_up(symbolizer, other, other_id, symbol_value(other, "mark_total"), true);
    CHECK(result.complete && name_count(&result) == 1);
    pl_symbolicated_deinit(&result);
    pl_symbolizer_close(symbolizer);
}

/* One that somebody kills is replaced without a word. */
static void test_worker_killed(void)
{
    static const char full[] = FIXTURE("fixture_c5.so");
    char build_id[129];
    struct pl_symbolizer *symbolizer = open_symbolizer(NULL);
    read_build_id(full, build_id);
    for (int i = 0; i < 3; i++) {
        struct pl_symbolicated result =
            look_up(symbolizer, full, build_id, symbol_value(full, "mark_inner"), true);
        CHECK(result.complete && name_count(&result) == 3, "%s", result.message);
        pl_symbolicated_deinit(&result);
        pid_t pid = worker_pid();
        if (pid)
            kill(pid, SIGKILL);
    }
    pl_symbolizer_close(symbolizer);
}

static void test_memory_limit(void)
{
#ifndef __SANITIZE_ADDRESS__
    static const char full[] = FIXTURE("fixture_c5.so");
    char build_id[129];
    struct pl_symbolizer_options options = {.memory_bytes = 4096};
    struct pl_symbolizer *symbolizer = open_symbolizer(&options);
    read_build_id(full, build_id);
    struct pl_symbolicated result =
        look_up(symbolizer, full, build_id, symbol_value(full, "mark_inner"), true);
    /* Refused memory is a failure or an unnamed frame, never a wrong one. */
    CHECK(strcmp(status_of(&result), "symbolicated") != 0 || name_count(&result) == 3);
    CHECK(result.complete || strcmp(result.status, "failed") == 0);
    pl_symbolicated_deinit(&result);
    pl_symbolizer_close(symbolizer);
#endif
}

static void test_demangle(void)
{
    static const struct {
        const char *symbol, *name;
    } cases[] = {
        {"main", "main"},
        {"_start", "_start"},
        {"_Z3fooiPKc", "foo(int, char const*)"},
        {"_ZNSt6vectorIiSaIiEE9push_backEOi",
         "std::vector<int, std::allocator<int> >::push_back(int&&)"},
        {"_Z3maxIiET_S0_S0_", "max<int>(int, int)"},
        {"_ZN4core3fmt9Formatter3pad17h1234567890abcdefE", "core::fmt::Formatter::pad"},
        {"_RNvC6_123foo3bar", "123foo::bar"},
        {"_D3std5stdio7writelnFZv", "std.stdio.writeln()"},
        {"_Z", "_Z"},
        {"_ZZZZZ", "_ZZZZZ"},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *name = pl_demangle(cases[i].symbol);
        CHECK(name && strcmp(name, cases[i].name) == 0, "%s: %s, not %s",
              cases[i].symbol, name, cases[i].name);
        free(name);
    }
    char deep[20001] = "_Z1f";
    memset(deep + 4, 'P', 20000 - 5);
    char *name = pl_demangle(deep);
    CHECK(name && strlen(name) < PL_DEMANGLED_BYTES);
    free(name);
}

static void test_paths(void)
{
    static const struct {
        const char *folder, *file, *path;
    } cases[] = {
        {"/a/b", "c.c", "/a/b/c.c"},
        {"/a/b", "../c.c", "/a/c.c"},
        {"/a/b/", "./x//../c.c", "/a/b/c.c"},
        {"/a", "/b/../c.c", "/c.c"},
        {NULL, "c.c", "c.c"},
        {NULL, "../c.c", "../c.c"},
        {"x", "../../../c.c", "../../c.c"},
        {"/", "../../c.c", "/c.c"},
        {"/a/b", "../..", "/"},
        {"", "./c.c", "c.c"},
        {"rel/dir", "c.c", "rel/dir/c.c"},
        {"/a", "", "/a"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *path = pl_path_join(cases[i].folder, cases[i].file);
        CHECK(path && strcmp(path, cases[i].path) == 0, "%s + %s: %s",
              cases[i].folder ? cases[i].folder : "-", cases[i].file, path);
        free(path);
    }
    CHECK(pl_path_under("/usr/lib/x.so", "/usr/lib"));
    CHECK(pl_path_under("/usr/lib/x.so", "/usr/lib/"));
    CHECK(pl_path_under("/usr/lib", "/usr/lib"));
    CHECK(pl_path_under("/usr", "/"));
    CHECK(!pl_path_under("/usr/lib64/x.so", "/usr/lib"));
    CHECK(!pl_path_under("/usr/lib/x.so", ""));
}

TEST_MAIN({"inlines", test_inlines}, {"mapped_paths", test_mapped_paths},
          {"cplusplus", test_cplusplus}, {"return_address", test_return_address},
          {"stripped", test_stripped}, {"debug_file", test_debug_file},
          {"wrong_file", test_wrong_file}, {"changing_file", test_changing_file},
          {"vdso", test_vdso}, {"perfmap", test_perfmap},
          {"hostile_perfmap", test_hostile_perfmap}, {"mutants", test_mutants},
          {"worker_stuck", test_worker_stuck}, {"worker_killed", test_worker_killed},
          {"memory_limit", test_memory_limit}, {"demangle", test_demangle},
          {"paths", test_paths})
