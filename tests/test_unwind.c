/* Unwinding: every kind of row on stacks made by hand, stacks that are torn or go in
 * circles, and memory that is not there. The frames lie in a page of our own; code
 * is addresses that are never read. */
#include "collector/procmaps.h"
#include "collector/unwind.h"

#include "tests/test.h"

#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#define BASE  UINT64_C(0x10000000)
#define WORDS 512

/* One function a page of rows, at BASE + n * 0x400. */
enum {
    AT_SP,
    AT_BP,
    AT_DEREF,
    AT_PLT,
    AT_END,
    AT_SIGNAL,
    AT_BAD,
    AT_NONE,
    AT_LOST,
    AT_SAVE,
    AT_COUNT
};
#define PC(at, offset) (BASE + (uint64_t)(at)*0x400 + (offset))

static const struct pl_row rows[] = {
    {AT_SP * 0x400, 16, PL_ROW_SP, 0},
    {AT_BP * 0x400, 16, PL_ROW_BP, -2},
    {AT_DEREF * 0x400, -8, PL_ROW_BP_DEREF, 0},
    {AT_PLT * 0x400, 0, PL_ROW_PLT, 0},
    {AT_END * 0x400, 8, PL_ROW_END, 0},
    {AT_SIGNAL * 0x400, 0, PL_ROW_SIGNAL, 0},
    {AT_BAD * 0x400, 8, PL_ROW_UNSUPPORTED, 0},
    {AT_NONE * 0x400, 0, PL_ROW_NONE, 0},
    {AT_LOST * 0x400, 16, PL_ROW_SP, PL_ROW_BP_LOST},
    {AT_SAVE * 0x400, 24, PL_ROW_SP, -2},
};
static uint32_t pages[AT_COUNT + 1];

static struct pl_code_table *code;

static uint64_t *stack;
static uint64_t pcs[PL_MAX_FRAMES];
static uint64_t window[64];

static void set_up(void)
{
    for (uint32_t i = 0; i <= AT_COUNT; i++)
        pages[i] = i;
    if (!code)
        code = malloc(sizeof *code + 3 * sizeof code->ranges[0]);
    code->count = 3;
    code->ranges[0] =
        (struct pl_code_range){.start = BASE - 0x10000, .end = BASE - 0x8000};
    code->ranges[1] = (struct pl_code_range){.start = BASE,
                                             .end = BASE + AT_COUNT * 0x400,
                                             .base = BASE,
                                             .page = pages,
                                             .rows = rows,
                                             .page_count = AT_COUNT,
                                             .in_module = true};
    code->ranges[2] = (struct pl_code_range){
        .start = BASE + 0x100000, .end = BASE + 0x110000, .in_module = true};
    if (!stack)
        stack = mmap(NULL, WORDS * 8, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(stack, 0, WORDS * 8);
}

static uint64_t at(unsigned word)
{
    return (uint64_t)(uintptr_t)&stack[word];
}

static struct pl_walk start_at(uint64_t pc, uint64_t sp, uint64_t bp)
{
    return (struct pl_walk){.code = code,
                            .memory = {.lo = at(0),
                                       .hi = at(WORDS),
                                       .window = (uint8_t *)window,
                                       .window_bytes = sizeof window,
                                       .refills = 4,
                                       .tid = getpid()},
                            .pc = pc,
                            .sp = sp,
                            .bp = bp,
                            .bp_known = true,
                            .max_frames = PL_MAX_FRAMES,
                            .pcs = pcs};
}

static void check_walk(struct pl_walk *walk, const char *name, enum pl_walk_end end,
                       unsigned count)
{
    pl_unwind_walk(walk);
    CHECK(walk->end == end, "%s: ended by %d", name, walk->end);
    CHECK(walk->count == count, "%s: %u frames", name, walk->count);
    CHECK(pcs[0] == (walk->pc | PL_PC_EXACT), "%s: leaf", name);
}

static void test_rows(void)
{
    set_up();
    struct pl_walk walk = start_at(PC(AT_SP, 0), at(0), 0);
    stack[1] = PC(AT_END, 5);
    check_walk(&walk, "sp", PL_WALK_ROOT, 2);
    CHECK(pcs[1] == PC(AT_END, 5));

    set_up(); /* BP row, restoring BP, twice */
    walk = start_at(PC(AT_BP, 9), at(0), at(10));
    stack[10] = at(20);
    stack[11] = PC(AT_BP, 7);
    stack[21] = PC(AT_END, 1);
    check_walk(&walk, "bp", PL_WALK_ROOT, 3);

    set_up(); /* DRAP: CFA lies at BP - 8 */
    walk = start_at(PC(AT_DEREF, 9), at(0), at(10));
    stack[9] = at(30);
    stack[29] = PC(AT_END, 1);
    check_walk(&walk, "deref", PL_WALK_ROOT, 2);

    set_up(); /* linkage stub, before and after its push */
    walk = start_at(PC(AT_PLT, 10), at(0), 0);
    stack[0] = PC(AT_END, 1);
    check_walk(&walk, "plt", PL_WALK_ROOT, 2);
    walk = start_at(PC(AT_PLT, 11), at(0), 0);
    stack[0] = 77;
    stack[1] = PC(AT_END, 1);
    check_walk(&walk, "plt pushed", PL_WALK_ROOT, 2);

    set_up(); /* BP saved under the CFA is what the caller's rule uses */
    walk = start_at(PC(AT_SAVE, 1), at(0), 0);
    stack[1] = at(40);
    stack[2] = PC(AT_BP, 3);
    stack[41] = 0;
    check_walk(&walk, "saved bp", PL_WALK_ROOT_ZERO, 2);
}

static void test_signal_frame(void)
{
    const size_t regs = offsetof(ucontext_t, uc_mcontext.gregs);
    set_up();
    struct pl_walk walk = start_at(PC(AT_SP, 1), at(0), 0);
    stack[1] = PC(AT_SIGNAL, 1); /* returns into the trampoline: context at the CFA */
    uint8_t *context = (uint8_t *)&stack[2];
    uint64_t pc = PC(AT_BP, 0), sp = at(300), bp = at(310);
    memcpy(context + regs + 8 * REG_RIP, &pc, 8);
    memcpy(context + regs + 8 * REG_RSP, &sp, 8);
    memcpy(context + regs + 8 * REG_RBP, &bp, 8);
    stack[311] = PC(AT_END, 4);
    check_walk(&walk, "signal", PL_WALK_ROOT, 4);
    CHECK(pcs[1] == PC(AT_SIGNAL, 1));
    CHECK(pcs[2] == (PC(AT_BP, 0) | PL_PC_EXACT), "what was interrupted is exact");
    CHECK(pcs[3] == PC(AT_END, 4));

    set_up(); /* a context that leads to itself */
    walk = start_at(PC(AT_SIGNAL, 1), at(2), 0);
    pc = PC(AT_SIGNAL, 1);
    sp = at(2);
    context = (uint8_t *)&stack[2];
    memcpy(context + regs + 8 * REG_RIP, &pc, 8);
    memcpy(context + regs + 8 * REG_RSP, &sp, 8);
    pl_unwind_walk(&walk);
    CHECK(walk.end == PL_WALK_BAD_STACK && walk.count < 20, "%d frames", walk.count);
}

static void test_no_rule(void)
{
    set_up();
    struct pl_walk walk = start_at(PC(AT_BAD, 1), at(0), 0);
    check_walk(&walk, "unsupported", PL_WALK_NO_RULE, 1);
    CHECK(walk.need_registers);
    walk = start_at(BASE + 0x100010, at(0), 0);
    check_walk(&walk, "no rows yet", PL_WALK_NO_RULE, 1);
    CHECK(walk.need_registers);
    walk = start_at(PC(AT_SP, 1), at(0), 0);
    stack[1] = PC(AT_BAD, 5);
    check_walk(&walk, "unsupported further on", PL_WALK_NO_RULE, 2);
    CHECK(walk.need_registers);
    walk = start_at(BASE + 0x900000, at(0), 0);
    check_walk(&walk, "unknown code", PL_WALK_NO_MODULE, 1);
    CHECK(walk.need_registers && walk.unknown_code);

    set_up(); /* a gap, and code made at run time: frame pointers */
    walk = start_at(PC(AT_NONE, 1), at(0), at(4));
    stack[4] = at(8);
    stack[5] = BASE - 0x9000;
    stack[9] = PC(AT_END, 1);
    check_walk(&walk, "frame pointers", PL_WALK_ROOT, 3);
    walk = start_at(BASE - 0x9000, at(8), at(4));
    check_walk(&walk, "frame pointer below sp", PL_WALK_NO_MODULE, 1);
    CHECK(!walk.need_registers && !walk.unknown_code);
    walk = start_at(PC(AT_NONE, 1), at(0), at(4) + 4);
    check_walk(&walk, "frame pointer not aligned", PL_WALK_NO_RULE, 1);
}

static void test_lost_bp(void)
{
    set_up();
    struct pl_walk walk = start_at(PC(AT_LOST, 1), at(0), at(10));
    stack[1] = PC(AT_BP, 3);
    check_walk(&walk, "lost", PL_WALK_LOST_BP, 2);
    walk = start_at(PC(AT_BP, 1), at(0), at(10));
    walk.bp_known = false;
    check_walk(&walk, "not known", PL_WALK_LOST_BP, 1);
    CHECK(walk.need_registers);
}

static void test_torn(void)
{
    const uint64_t wild[] = {0,
                             8,
                             4,
                             UINT64_MAX,
                             UINT64_MAX - 7,
                             UINT64_C(1) << 47,
                             UINT64_C(0x7fffffffe000)};
    set_up();
    for (size_t i = 0; i < sizeof wild / sizeof wild[0]; i++) {
        for (int kind = 0; kind < AT_COUNT; kind++) {
            struct pl_walk walk = start_at(PC(kind, 1), wild[i], wild[i]);
            pl_unwind_walk(&walk);
            CHECK(walk.count >= 1, "kind %d wild %zu", kind, i);
            walk = start_at(PC(kind, 1), at(0), wild[i]);
            pl_unwind_walk(&walk);
            CHECK(walk.count >= 1, "kind %d wild %zu", kind, i);
        }
    }
    /* frames in a circle: the CFA has to grow */
    set_up();
    struct pl_walk walk = start_at(PC(AT_BP, 1), at(0), at(10));
    stack[10] = at(10);
    stack[11] = PC(AT_BP, 1);
    check_walk(&walk, "circle", PL_WALK_BAD_STACK, 2);
    /* the end of the stack in the middle of a frame */
    walk = start_at(PC(AT_SP, 1), at(WORDS - 2), 0);
    stack[WORDS - 1] = PC(AT_SP, 1);
    walk.memory.refills = 0;
    check_walk(&walk, "past the end", PL_WALK_BAD_STACK, 2);
}

static void test_depth(void)
{
    set_up();
    for (unsigned i = 1; i < WORDS; i += 2)
        stack[i] = PC(AT_SP, 1);
    struct pl_walk walk = start_at(PC(AT_SP, 1), at(0), 0);
    walk.max_frames = 100;
    check_walk(&walk, "depth", PL_WALK_DEPTH, 100);
}

/* A stack that is not the thread's own is read through the kernel. */
static void test_window(void)
{
    set_up();
    for (unsigned i = 1; i < WORDS - 2; i += 2)
        stack[i] = PC(AT_SP, 1);
    stack[WORDS - 1] = PC(AT_END, 1);
    struct pl_walk walk = start_at(PC(AT_SP, 1), at(0), 0);
    walk.memory.lo = walk.memory.hi = 0;
    walk.memory.refills = 64;
    check_walk(&walk, "window", PL_WALK_ROOT, WORDS / 2 + 1);
    walk.memory.refills = 2;
    walk.memory.window_lo = walk.memory.window_hi = 0;
    pl_unwind_walk(&walk);
    CHECK(walk.end == PL_WALK_BAD_STACK && walk.count > 50);
}

/* The binary search finds the same row as looking at all of them. */
static void test_search(void)
{
    enum { COUNT = 5000 };
    static struct pl_row many[COUNT];
    static uint32_t index[200];
    uint32_t pc = 100, page_count = 0;
    srand(1);
    for (uint32_t i = 0; i < COUNT; i++) {
        many[i] = (struct pl_row){pc, (int16_t)(i % 1000), PL_ROW_SP, 0};
        pc += 1 + (uint32_t)rand() % 60;
    }
    while ((page_count << PL_ROWS_PAGE_SHIFT) < pc + 1)
        page_count++;
    CHECK(page_count < 199);
    for (uint32_t p = 0; p <= page_count; p++) {
        uint32_t row = 0;
        while (row < COUNT && many[row].pc < p << PL_ROWS_PAGE_SHIFT)
            row++;
        index[p] = row;
    }
    struct pl_code_range range = {.start = BASE,
                                  .end = BASE + pc,
                                  .base = BASE,
                                  .page = index,
                                  .rows = many,
                                  .page_count = page_count};
    uint32_t row = 0, wrong = 0;
    for (uint32_t offset = 0; offset < pc; offset++) {
        while (row + 1 < COUNT && many[row + 1].pc <= offset)
            row++;
        struct pl_row found = pl_code_row(&range, BASE + offset);
        wrong += offset < 100 ? found.kind != PL_ROW_NONE : found.pc != many[row].pc;
    }
    CHECK(wrong == 0, "%u offsets", wrong);
    CHECK(pl_code_row(&range, BASE - 1).kind == PL_ROW_NONE);
    CHECK(pl_code_row(&range, BASE + (page_count << PL_ROWS_PAGE_SHIFT)).kind ==
          PL_ROW_NONE);
}

static void test_maps(void)
{
    static const struct {
        const char *line;
        bool good;
        uint64_t start, end, offset, inode;
        unsigned access;
        const char *path;
    } cases[] = {
        {"55d0c0a00000-55d0c0a01000 r-xp 00001000 fe:01 4711      /bin/a b", true,
         0x55d0c0a00000, 0x55d0c0a01000, 0x1000, 4711, PL_MAP_READ | PL_MAP_EXEC,
         "/bin/a b"},
        {"7f00-7f10 rw-p 00000000 00:00 0 ", true, 0x7f00, 0x7f10, 0, 0,
         PL_MAP_READ | PL_MAP_WRITE, ""},
        {"1000-2000 ---p 00000000 00:00 9 /x (deleted)", true, 0x1000, 0x2000, 0, 9, 0,
         "/x"},
        {"ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0 [vsyscall]", true,
         0xffffffffff600000, 0xffffffffff601000, 0, 0, PL_MAP_EXEC, "[vsyscall]"},
        {"", false, 0, 0, 0, 0, 0, ""},
        {"1000", false, 0, 0, 0, 0, 0, ""},
        {"1000-2000", false, 0, 0, 0, 0, 0, ""},
        {"1000-2000 r-xp", false, 0, 0, 0, 0, 0, ""},
        {"2000-1000 r-xp 00000000 00:00 0 ", false, 0, 0, 0, 0, 0, ""},
        {"zz-2000 r-xp 00000000 00:00 0 ", false, 0, 0, 0, 0, 0, ""},
        {"11111111111111111-2 r-xp 00000000 00:00 0 ", false, 0, 0, 0, 0, 0, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct pl_map map;
        bool good = pl_maps_parse(cases[i].line, (uint32_t)strlen(cases[i].line), &map);
        CHECK(good == cases[i].good, "%s", cases[i].line);
        if (!good || !cases[i].good)
            continue;
        CHECK(map.start == cases[i].start && map.end == cases[i].end &&
                  map.offset == cases[i].offset && map.inode == cases[i].inode &&
                  map.access == cases[i].access && strcmp(map.path, cases[i].path) == 0,
              "%s", cases[i].line);
    }
}

TEST_MAIN({"rows", test_rows}, {"signal_frame", test_signal_frame},
          {"no_rule", test_no_rule}, {"lost_bp", test_lost_bp}, {"torn", test_torn},
          {"depth", test_depth}, {"window", test_window}, {"search", test_search},
          {"maps", test_maps})
