/* Unwind rows against elfutils' reading of the same files, and against files that
 * were damaged on purpose. */
#include "tests/test.h"

#include "base/clock.h"
#include "collector/cfi.h"
#include "collector/rowcache.h"
#include "collector/rows_key.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { REG_BP = 6, REG_SP = 7, REG_RA = 16 };

static uint64_t random_state = 88172645463325252u;

static uint64_t next_random(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    return random_state ^= random_state << 17;
}

/* The caller's BP as a row says it: 0 same, < 0 words from the CFA, or lost. */
static int oracle_bp(Dwarf_Frame *frame)
{
    Dwarf_Op memory[3], *ops;
    size_t count;
    if (dwarf_frame_register(frame, REG_BP, memory, &ops, &count) != 0)
        return PL_ROW_BP_LOST;
    if (count == 0)
        return ops ? PL_ROW_BP_LOST : 0;
    if (count == 2 && ops[0].atom == DW_OP_call_frame_cfa &&
        ops[1].atom == DW_OP_plus_uconst)
        return (int)((int64_t)ops[1].number / 8);
    return PL_ROW_BP_LOST;
}

static bool oracle_is_end(Dwarf_Frame *frame)
{
    Dwarf_Op memory[3], *ops;
    size_t count;
    return dwarf_frame_register(frame, REG_RA, memory, &ops, &count) == 0 &&
           count == 0 && ops;
}

static bool cfa_is(const Dwarf_Op *op, unsigned reg, int64_t offset)
{
    if (op->atom == DW_OP_bregx)
        return op->number == reg && (int64_t)op->number2 == offset;
    return op->atom == DW_OP_breg0 + reg && (int64_t)op->number == offset;
}

/* A wide rule's CFA, and BP where both say it in a way that compares. */
static bool agree_wide(const struct pl_wide_rule *rule, Dwarf_Frame *frame,
                       const Dwarf_Op *ops, size_t count)
{
    Dwarf_Op memory[3], *bp;
    size_t bp_count;
    int64_t add =
        count > 2 && ops[2].atom == DW_OP_plus_uconst ? (int64_t)ops[2].number : 0;
    bool deref = count > 1 && ops[1].atom == DW_OP_deref;
    if (!cfa_is(ops, rule->cfa.number, rule->cfa.offset) || rule->cfa_add != add ||
        rule->cfa.how != (deref ? PL_WIDE_AT : PL_WIDE_VALUE))
        return false;
    if (dwarf_frame_register(frame, REG_BP, memory, &bp, &bp_count) != 0 || !bp_count)
        return true;
    /* An expression of a register begins with the CFA on the stack. */
    if (bp[0].atom == DW_OP_call_frame_cfa &&
        (bp_count == 1 || bp[1].atom == DW_OP_plus_uconst))
        return rule->bp.how == PL_WIDE_CFA &&
               rule->bp.offset == (bp_count > 1 ? (int64_t)bp[1].number : 0);
    if (bp_count == 1)
        return rule->bp.how == PL_WIDE_VALUE &&
               (bp[0].atom == DW_OP_regx ? bp[0].number == rule->bp.number
                                         : bp[0].atom == DW_OP_reg0 + rule->bp.number);
    return bp_count == 2 && rule->bp.how == PL_WIDE_AT &&
           cfa_is(&bp[1], rule->bp.number, rule->bp.offset);
}

static bool agree(const struct pl_cfi_rows *rows, struct pl_row row, Dwarf_Frame *frame)
{
    Dwarf_Op *ops;
    size_t count;
    if (row.kind == PL_ROW_END || oracle_is_end(frame))
        return row.kind == PL_ROW_END && oracle_is_end(frame);
    if (dwarf_frame_cfa(frame, &ops, &count) != 0)
        return row.kind == PL_ROW_UNSUPPORTED;
    switch (row.kind) {
    case PL_ROW_SP:
    case PL_ROW_BP:
        return count == 1 && oracle_bp(frame) == row.bp &&
               cfa_is(ops, row.kind == PL_ROW_SP ? REG_SP : REG_BP, row.cfa_offset);
    case PL_ROW_BP_DEREF:
        return count == 2 && cfa_is(ops, REG_BP, row.cfa_offset) &&
               ops[1].atom == DW_OP_deref;
    case PL_ROW_PLT:
        return count > 6 && cfa_is(ops, REG_SP, 8);
    case PL_ROW_SIGNAL:
        return count == 2 && cfa_is(ops, REG_SP, 160) && ops[1].atom == DW_OP_deref;
    case PL_ROW_WIDE:
        return (uint16_t)row.cfa_offset < rows->header.wide_count &&
               agree_wide(&rows->wide[(uint16_t)row.cfa_offset], frame, ops, count);
    case PL_ROW_UNSUPPORTED: /* never for what a row can say */
        return count != 1 ||
               !(cfa_is(ops, REG_SP, (int64_t)ops[0].number2) ||
                 cfa_is(ops, REG_BP, (int64_t)ops[0].number2)) ||
               (int64_t)ops[0].number2 > INT16_MAX;
    default:
        return false;
    }
}

static void compare(const char *path, const struct pl_cfi_rows *rows, uint64_t entry,
                    int samples)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC), differ = 0, ruled = 0;
    elf_version(EV_CURRENT);
    Elf *elf = elf_begin(fd, ELF_C_READ, NULL);
    Dwarf_CFI *cfi = dwarf_getcfi_elf(elf);
    CHECK(cfi != NULL, "%s: no oracle", path);
    uint64_t span = rows->rows[rows->header.row_count - 1].pc + 64u;
    for (int i = 0; cfi && i < samples; i++) {
        uint64_t pc = rows->header.base + next_random() % span;
        struct pl_row row = pl_cfi_rows_find(rows, pc);
        Dwarf_Frame *frame = NULL;
        bool same = dwarf_cfi_addrframe(cfi, pc, &frame) != 0
                        ? row.kind == PL_ROW_NONE ||
                              (row.kind == PL_ROW_END && pc - entry < 128)
                        : agree(rows, row, frame);
        ruled += frame != NULL;
        if (!same && differ++ < 3)
            CHECK(same, "%s at %#lx: row kind %d", path, (unsigned long)pc, row.kind);
        free(frame);
    }
    /* Debian's node is a few functions before libnode: they, too, are looked at. */
    CHECK(ruled > (span > 65536 ? samples / 4 : 0), "%s: only %d addresses have rules",
          path, ruled);
    CHECK(differ == 0, "%s: %d of %d differ", path, differ, samples);
    dwarf_cfi_end(cfi);
    elf_end(elf);
    close(fd);
}

static void test_oracle(void)
{
    static const char *const paths[] = {
        "/lib/x86_64-linux-gnu/libc.so.6",
        "/lib64/ld-linux-x86-64.so.2",
        "/usr/lib/x86_64-linux-gnu/libstdc++.so.6",
        "/usr/lib/x86_64-linux-gnu/libcrypto.so.3",
        "/usr/bin/python3.11",
        "/usr/bin/node",
        "/bin/bash",
        "/proc/self/exe",
    };
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        struct pl_elf_image elf;
        struct pl_cfi_rows rows;
        struct pl_error err;
        if (access(paths[i], R_OK) != 0)
            continue;
        CHECK_OK(pl_elf_open(&elf, paths[i], &err), err);
        int64_t start_ns = pl_clock_mono_ns();
        CHECK_OK(pl_cfi_compile(&elf, &rows, &err), err);
        printf("%s: %u rows of %u functions in %.1f ms\n", paths[i],
               rows.header.row_count, rows.header.fde_count,
               (double)(pl_clock_mono_ns() - start_ns) / 1e6);
        if (rows.header.row_count)
            compare(paths[i], &rows, elf.entry, 20000);
        if (strstr(paths[i], "ld-linux"))
            CHECK(pl_cfi_rows_find(&rows, elf.entry + 8).kind == PL_ROW_END);
        pl_cfi_rows_deinit(&rows);
        pl_elf_close(&elf);
    }
}

static void test_vdso(void)
{
    struct pl_elf_image elf;
    struct pl_cfi_rows rows;
    struct pl_error err;
    CHECK_OK(pl_elf_open_vdso(&elf, &err), err);
    CHECK_OK(pl_cfi_compile(&elf, &rows, &err), err);
    CHECK(rows.header.fde_count > 2);
    pl_cfi_rows_deinit(&rows);
    pl_elf_close(&elf);
}

/* ---- damaged files ---- */

static unsigned char *read_file(const char *path, size_t *bytes_out)
{
    FILE *file = fopen(path, "re");
    struct stat st;
    if (!file || fstat(fileno(file), &st) != 0)
        return NULL;
    unsigned char *data = malloc((size_t)st.st_size + 1);
    *bytes_out = data ? fread(data, 1, (size_t)st.st_size, file) : 0;
    fclose(file);
    return data;
}

/* Whatever the bytes: an error, or rows in order with pages that fit. */
static void check_any(const unsigned char *data, size_t bytes)
{
    struct pl_elf_image elf;
    struct pl_cfi_rows rows;
    if (pl_elf_open_memory(&elf, data, bytes, NULL) != PL_OK)
        return;
    if (pl_cfi_compile(&elf, &rows, NULL) == PL_OK) {
        bool ordered = rows.pages[rows.header.page_count] == rows.header.row_count;
        for (uint32_t i = 1; i < rows.header.row_count; i++)
            ordered &= rows.rows[i - 1].pc < rows.rows[i].pc;
        for (uint32_t i = 0; i < rows.header.page_count; i++)
            ordered &= rows.pages[i] <= rows.pages[i + 1];
        CHECK(ordered);
        (void)pl_cfi_rows_find(&rows, next_random());
    }
    pl_cfi_rows_deinit(&rows);
    pl_elf_close(&elf);
}

static void test_damaged(void)
{
    size_t bytes = 0;
    unsigned char *good = read_file("/lib64/ld-linux-x86-64.so.2", &bytes);
    unsigned char *bad = malloc(bytes + 1);
    struct pl_elf_image elf;
    struct pl_error err;
    CHECK(good && bad && bytes > 4096);
    if (!good || !bad)
        goto out;
    CHECK_OK(pl_elf_open_memory(&elf, good, bytes, &err), err);
    const struct pl_elf_segment *s = pl_elf_segment_at(&elf, elf.eh_frame);
    CHECK(s != NULL);
    size_t frame = s ? (size_t)(elf.eh_frame - s->vaddr + s->offset) : 0;
    for (int round = 0; round < 1500; round++) {
        memcpy(bad, good, bytes);
        size_t from = round % 3 == 0 ? 0 : frame;
        size_t span = round % 3 == 0 ? 1024 : (size_t)elf.eh_frame_bytes;
        for (uint64_t n = 1 + next_random() % 40; n; n--)
            bad[from + next_random() % span] = (unsigned char)next_random();
        check_any(bad, round % 5 ? bytes : next_random() % bytes);
    }
    for (size_t cut = 0; cut < 300; cut++)
        check_any(good, cut < 200 ? cut : next_random() % bytes);
out:
    free(good);
    free(bad);
}

/* A section whose every FDE names another large CIE must not take minutes. */
static void test_slow(void)
{
    size_t bytes = 0;
    unsigned char *data = read_file("/usr/lib/x86_64-linux-gnu/libstdc++.so.6", &bytes);
    struct pl_elf_image elf;
    if (!data || pl_elf_open_memory(&elf, data, bytes, NULL) != PL_OK)
        goto out;
    const struct pl_elf_segment *s = pl_elf_segment_at(&elf, elf.eh_frame);
    unsigned char *frame = data + (elf.eh_frame - s->vaddr + s->offset);
    size_t at = 0, half = (size_t)elf.eh_frame_bytes / 2;
    uint32_t word = (uint32_t)half / 2 - 4;
    for (int i = 0; i < 2; i++) { /* two CIEs of a quarter each: nothing but nops */
        memset(frame + at, 0, word + 4);
        memcpy(frame + at, &word, 4);
        memcpy(frame + at + 8, "\1zR\0\1\x78\x10\1\x1b", 9);
        at += word + 4;
    }
    for (uint32_t i = 0; at + 24 <= elf.eh_frame_bytes; i++, at += 24) {
        uint32_t cie = i % 2 ? (uint32_t)(at + 4) : (uint32_t)(at + 4 - half / 2);
        int32_t start = (int32_t)(elf.segments[1].vaddr + i - (elf.eh_frame + at + 8));
        uint32_t fde[6] = {20, cie, (uint32_t)start, 1, 0, 0};
        memcpy(frame + at, fde, sizeof fde);
    }
    clock_t before = clock();
    check_any(data, bytes);
    CHECK(clock() - before < 5 * CLOCKS_PER_SEC);
out:
    free(data);
}

/* ---- row files ---- */

static void test_cache(void)
{
    char dir[] = "/tmp/test_cfi.XXXXXX", path[256];
    struct pl_rowcache *cache = NULL;
    struct pl_elf_image elf;
    struct pl_error err;
    CHECK(mkdtemp(dir) != NULL);
    CHECK_OK(pl_rowcache_open(dir, &cache, &err), err);
    const char *libc = "/lib/x86_64-linux-gnu/libc.so.6";
    CHECK_OK(pl_elf_open(&elf, libc, &err), err);
    CHECK(elf.build_id_bytes == 20);
    struct pl_rowcache_module module = {
        .path = libc, .build_id = elf.build_id, .build_id_bytes = elf.build_id_bytes};
    CHECK_OK(pl_rowcache_make(cache, &module, &err), err);
    CHECK_OK(pl_rowcache_make(cache, &module, &err), err); /* there already */
    char name[PL_ROWS_KEY_TEXT];
    pl_rows_file_name(
        &(struct pl_rows_identity){.build_id = elf.build_id, .build_id_bytes = 20},
        name);
    snprintf(path, sizeof path, "%s/rows/%s", dir, name);
    size_t bytes = 0;
    unsigned char *data = read_file(path, &bytes);
    struct pl_rows_header header = {0};
    if (data && bytes >= sizeof header)
        memcpy(&header, data, sizeof header);
    CHECK(header.magic == PL_ROWS_MAGIC && header.row_count > 1000);
    CHECK(bytes == pl_rows_bytes(&header));
    free(data);
    unlink(path);

    uint8_t other[20] = {1};
    module.build_id = other;
    CHECK(pl_rowcache_make(cache, &module, &err) == PL_NOT_FOUND);
    module.path = "/dev/zero";
    CHECK(pl_rowcache_make(cache, &module, &err) == PL_INPUT);
    module.path = "/nonexistent";
    CHECK(pl_rowcache_make(cache, &module, &err) == PL_IO);
    pl_elf_close(&elf);
    pl_rowcache_close(cache);
    snprintf(path, sizeof path, "%s/rows", dir);
    CHECK(rmdir(path) == 0, "nothing is left behind");
    rmdir(dir);
}

TEST_MAIN({"oracle", test_oracle}, {"vdso", test_vdso}, {"damaged", test_damaged},
          {"slow", test_slow}, {"cache", test_cache})
