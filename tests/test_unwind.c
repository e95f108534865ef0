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
    AT_WIDE, /* and the ones after it */
    AT_COUNT = AT_WIDE + 6
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
    {(AT_WIDE + 0) * 0x400, 0, PL_ROW_WIDE, 0},
    {(AT_WIDE + 1) * 0x400, 1, PL_ROW_WIDE, 0},
    {(AT_WIDE + 2) * 0x400, 2, PL_ROW_WIDE, 0},
    {(AT_WIDE + 3) * 0x400, 3, PL_ROW_WIDE, 0},
    {(AT_WIDE + 4) * 0x400, 4, PL_ROW_WIDE, 0},
    {(AT_WIDE + 5) * 0x400, 900, PL_ROW_WIDE, 0},
};
enum { AX = 0, DX = 1, DI = 5, BP = 6, SP = 7, R8 = 8, R9 = 9, R10 = 10 };
#define ABOVE_RETURN                                                                   \
    {                                                                                  \
        .how = PL_WIDE_CFA, .offset = -8                                               \
    }
static const struct pl_wide_rule wide[] = {
    /* realigned: CFA = *(BP - 8), caller's BP at *BP */
    {.cfa = {.how = PL_WIDE_AT, .number = BP, .offset = -8},
     .pc = ABOVE_RETURN,
     .bp = {.how = PL_WIDE_AT, .number = BP}},
    /* a frame of a row's size and more, the CFA kept on the stack: *(SP + 40) + 8 */
    {.cfa = {.how = PL_WIDE_AT, .number = SP, .offset = 40},
     .cfa_add = 8,
     .pc = ABOVE_RETURN},
    /* in the prologue: CFA = R10 */
    {.cfa = {.how = PL_WIDE_VALUE, .number = R10}, .pc = ABOVE_RETURN},
    /* vfork: return address in DI */
    {.cfa = {.how = PL_WIDE_VALUE, .number = SP},
     .pc = {.how = PL_WIDE_VALUE, .number = DI}},
    /* longjmp about to go: all in registers */
    {.cfa = {.how = PL_WIDE_VALUE, .number = DI},
     .pc = {.how = PL_WIDE_VALUE, .number = DX},
     .bp = {.how = PL_WIDE_VALUE, .number = R9},
     .sp = {.how = PL_WIDE_VALUE, .number = R8}},
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
                                             .wide = wide,
                                             .wide_count = sizeof wide / sizeof *wide,
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

static void test_wide(void)
{
    long long registers[NGREG] = {0};
    set_up();
    struct pl_walk walk = start_at(PC(AT_WIDE, 1), at(0), at(10));
    stack[9] = at(30);
    stack[10] = at(40); /* the caller's BP */
    stack[29] = PC(AT_BP, 1);
    stack[41] = PC(AT_END, 1);
    check_walk(&walk, "realigned", PL_WALK_ROOT, 3);

    set_up();
    walk = start_at(PC(AT_WIDE + 1, 1), at(0), 0);
    stack[5] = at(20);
    stack[20] = PC(AT_END, 1);
    check_walk(&walk, "kept CFA", PL_WALK_ROOT, 2);

    set_up();
    walk = start_at(PC(AT_WIDE + 2, 1), at(0), 0);
    registers[REG_R10] = (long long)at(12);
    stack[11] = PC(AT_END, 1);
    check_walk(&walk, "no registers", PL_WALK_LOST_BP, 1);
    CHECK(walk.need_registers);
    walk.registers = registers;
    check_walk(&walk, "register not known", PL_WALK_LOST_BP, 1);
    walk.registers_known = 1u << REG_R10;
    check_walk(&walk, "CFA in R10", PL_WALK_ROOT, 2);
    walk.pc = PC(AT_SP, 1); /* not the leaf's: R10 is another's by now */
    stack[1] = PC(AT_WIDE + 2, 1);
    check_walk(&walk, "further on", PL_WALK_LOST_BP, 2);

    set_up();
    walk = start_at(PC(AT_WIDE + 3, 1), at(0), 0);
    walk.registers = registers;
    walk.registers_known = UINT32_MAX;
    registers[REG_RDI] = (long long)PC(AT_END, 1);
    check_walk(&walk, "return address in DI", PL_WALK_ROOT, 2);
    registers[REG_RDI] = (long long)PC(AT_WIDE + 3, 1);
    check_walk(&walk, "twice", PL_WALK_LOST_BP, 2);

    registers[REG_RDI] = (long long)at(100);
    registers[REG_RDX] = (long long)PC(AT_BP, 3);
    registers[REG_R8] = (long long)at(20);
    registers[REG_R9] = (long long)at(30);
    stack[31] = PC(AT_END, 1);
    walk.pc = PC(AT_WIDE + 4, 1);
    check_walk(&walk, "longjmp", PL_WALK_ROOT, 3);
    registers[REG_R8] = (long long)at(0) - 64;
    check_walk(&walk, "longjmp down", PL_WALK_BAD_STACK, 1);
    walk.pc = PC(AT_WIDE + 5, 1);
    check_walk(&walk, "no such rule", PL_WALK_NO_RULE, 1);
}

/* The registers of what a signal interrupted are on the stack. */
static void test_wide_behind_signal(void)
{
    const size_t regs = offsetof(ucontext_t, uc_mcontext.gregs);
    set_up();
    struct pl_walk walk = start_at(PC(AT_SIGNAL, 1), at(2), 0);
    uint8_t *context = (uint8_t *)&stack[2];
    uint64_t pc = PC(AT_WIDE + 2, 0), sp = at(300), r10 = at(310);
    memcpy(context + regs + 8 * REG_RIP, &pc, 8);
    memcpy(context + regs + 8 * REG_RSP, &sp, 8);
    memcpy(context + regs + 8 * REG_R10, &r10, 8);
    stack[309] = PC(AT_END, 4);
    check_walk(&walk, "registers of a signal frame", PL_WALK_ROOT, 3);
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

/* ---- the last walk taken over ---- */

static unsigned pick(unsigned below)
{
    return (unsigned)rand() % below;
}

/* Mostly return addresses that go on, some frame records, some junk. */
static uint64_t random_word(void)
{
    static const uint8_t kinds[] = {AT_SP, AT_SP,   AT_SP,    AT_SP,   AT_SP,
                                    AT_SP, AT_SAVE, AT_SAVE,  AT_SAVE, AT_BP,
                                    AT_BP, AT_PLT,  AT_DEREF, AT_LOST};
    static const uint8_t rare[] = {AT_END, AT_END,  AT_END,   AT_SIGNAL,
                                   AT_BAD, AT_NONE, AT_DEREF, AT_LOST};
    unsigned what = pick(100);
    if (what < 70)
        return PC(kinds[pick(sizeof kinds)], 1 + pick(16));
    if (what < 80)
        return PC(rare[pick(sizeof rare)], 1 + pick(16));
    if (what < 96)
        return at(pick(WORDS));
    return what < 98 ? 0 : BASE - 0x9000 + pick(0x40000);
}

static bool same_walk(const struct pl_walk *a, const struct pl_walk *b)
{
    return a->count == b->count && a->end == b->end &&
           a->need_registers == b->need_registers &&
           a->unknown_code == b->unknown_code &&
           memcmp(a->pcs, b->pcs, a->count * sizeof *a->pcs) == 0;
}

/* Walks of one thread, on stacks that partly change in between and within bounds that
 * do, give what walks without a memory give. */
static void test_memo(void)
{
    static struct pl_row_cache cache;
    static uint64_t remembered[PL_MAX_FRAMES];
    unsigned walks = 0, different = 0, taken_over = 0, roots = 0;
    struct pl_row other_rows[AT_COUNT];
    memcpy(other_rows, rows, sizeof other_rows);
    other_rows[AT_SP].cfa_offset = 32;
    other_rows[AT_SAVE].bp = 0;
    srand(7);
    set_up();
    code->version = 1;
    for (unsigned i = 0; i < 4000; i++) {
        struct pl_walk starts[4];
        for (unsigned w = 0; w < WORDS; w++)
            stack[w] = random_word();
        for (unsigned s = 0; s < 4; s++)
            starts[s] =
                start_at(PC(pick(AT_COUNT), 1), at(pick(WORDS / 2)), at(pick(WORDS)));
        for (unsigned n = 0; n < 24; n++) {
            struct pl_walk with = starts[pick(4)], without;
            if (pick(2))
                stack[pick(WORDS)] = random_word();
            if (!pick(8)) {
                code->version++;
                code->ranges[1].rows = code->version & 1 ? rows : other_rows;
            }
            if (!pick(6))
                with.memory.hi = at(pick(WORDS));
            if (!pick(6))
                with.memory.lo = at(pick(WORDS));
            if (!pick(6))
                with.max_frames = 1 + pick(40);
            without = with;
            with.cache = &cache;
            with.pcs = remembered;
            pl_unwind_walk(&with);
            pl_unwind_walk(&without);
            walks++;
            different += !same_walk(&with, &without);
            roots += with.end == PL_WALK_ROOT || with.end == PL_WALK_ROOT_ZERO;
            taken_over += with.memory.memo && cache.memo.frame_count < with.count;
        }
    }
    CHECK(different == 0, "%u of %u walks", different, walks);
    CHECK(roots > walks / 20, "%u roots", roots);
    CHECK(taken_over > walks / 50, "%u taken over", taken_over);
}

/* How many frames of a walk were walked, the others being the last walk's. */
static unsigned fresh(struct pl_row_cache *cache, struct pl_walk *walk)
{
    walk->cache = cache;
    pl_unwind_walk(walk);
    return cache->memo.frame_count;
}

static void test_memo_reuse(void)
{
    static struct pl_row_cache cache;
    struct pl_row changed[AT_COUNT];
    set_up();
    memset(&cache, 0, sizeof cache);
    code->version = 1;
    for (unsigned i = 1; i < 200; i += 2)
        stack[i] = PC(AT_SP, 1);
    stack[201] = PC(AT_END, 1);
    struct pl_walk walk = start_at(PC(AT_SP, 3), at(20), 0);
    CHECK(fresh(&cache, &walk) == 92 && walk.count == 92, "%u", walk.count);
    walk = start_at(PC(AT_SP, 3), at(20), 0);
    CHECK(fresh(&cache, &walk) == 0 && walk.count == 92, "nothing has changed");
    walk = start_at(PC(AT_SP, 4), at(10), 0);
    CHECK(fresh(&cache, &walk) == 6 && walk.count == 97, "called five more");
    walk = start_at(PC(AT_SP, 4), at(40), 0);
    CHECK(fresh(&cache, &walk) < 30 && walk.count == 82, "returned from many");
    walk = start_at(PC(AT_SP, 1), at(42), 0);
    fresh(&cache, &walk);
    CHECK(walk.count == 81 && walk.pcs[0] == (PC(AT_SP, 1) | PL_PC_EXACT),
          "returned to what is exact now");

    stack[101] = PC(AT_PLT, 1); /* a return address in the middle: its callee before */
    walk = start_at(PC(AT_SP, 4), at(40), 0);
    unsigned walked = fresh(&cache, &walk);
    CHECK(walk.count < 82 || walked > 30, "%u walked of %u", walked, walk.count);
    stack[101] = PC(AT_SP, 1);
    walk = start_at(PC(AT_SP, 4), at(40), 0);
    fresh(&cache, &walk);
    CHECK(walk.count == 82);

    /* a saved frame pointer is a part of the state */
    set_up();
    stack[1] = at(40); /* of AT_SAVE: CFA - 16 */
    stack[2] = PC(AT_BP, 3);
    stack[41] = PC(AT_END, 1);
    stack[61] = PC(AT_SP, 1);
    stack[63] = PC(AT_END, 2);
    walk = start_at(PC(AT_SAVE, 1), at(0), 0);
    CHECK(fresh(&cache, &walk) == 3 && walk.pcs[2] == PC(AT_END, 1));
    stack[1] = at(60);
    walk = start_at(PC(AT_SAVE, 1), at(0), 0);
    CHECK(fresh(&cache, &walk) >= 2 && walk.count == 4 && walk.pcs[3] == PC(AT_END, 2));

    /* other rows at the same place: the table is another one */
    walk = start_at(PC(AT_SAVE, 1), at(0), at(40));
    fresh(&cache, &walk);
    CHECK(walk.count == 4);
    memcpy(changed, rows, sizeof changed);
    changed[AT_SAVE].bp = 0;
    code->ranges[1].rows = changed;
    code->version++;
    walk = start_at(PC(AT_SAVE, 1), at(0), at(40));
    CHECK(fresh(&cache, &walk) == 3 && walk.count == 3);
    code->ranges[1].rows = rows;

    /* words that may not be loaded any more are not */
    set_up();
    code->version++;
    for (unsigned i = 1; i < 200; i += 2)
        stack[i] = PC(AT_SP, 1);
    stack[201] = PC(AT_END, 1);
    walk = start_at(PC(AT_SP, 3), at(0), 0);
    CHECK(fresh(&cache, &walk) == 102);
    walk = start_at(PC(AT_SP, 3), at(0), 0);
    walk.memory.hi = at(100);
    fresh(&cache, &walk);
    CHECK(walk.count == 102 && walk.memory.refills < 4, "read through the window");
}

/* A frame of four words whose step takes three loads, next to its caller's. */
static void make_frame(uint64_t *frame, uint64_t *caller, uint64_t pc)
{
    frame[1] = (uint64_t)(uintptr_t)&caller[3]; /* its BP */
    frame[2] = (uint64_t)(uintptr_t)caller;     /* the CFA */
    frame[3] = pc;
}

/* Walks of which both do not fit: inner frames come in such number that the room of
 * the last walk is needed for them, and only then lead to where that one was. */
static void test_memo_overrun(void)
{
    enum { INNER = 260, OUTER = 400, JOIN = 10, WORDS_EACH = 4 };
    static uint64_t words[(INNER + OUTER + 1) * WORDS_EACH], found[1024], again[1024];
    static struct pl_row_cache cache;
    struct pl_row changed[AT_COUNT];
    uint64_t *outer = words + INNER * WORDS_EACH;
    for (unsigned loads = 1; loads <= 3; loads += 2) {
        set_up();
        memset(&cache, 0, sizeof cache);
        memcpy(changed, rows, sizeof changed);
        if (loads == 3)
            changed[AT_SP] = (struct pl_row){AT_SP * 0x400, -8, PL_ROW_BP_DEREF, -3};
        else
            changed[AT_SP].cfa_offset = 32;
        code->ranges[1].rows = changed;
        code->version++;
        const unsigned outer_count = loads == 3 ? 300 : OUTER;
        for (unsigned i = 0; i < INNER + outer_count; i++)
            make_frame(words + i * WORDS_EACH, words + (i + 1) * WORDS_EACH,
                       i + 1 < INNER + outer_count ? PC(AT_SP, 1 + i % 7)
                                                   : PC(AT_END, 1));
        struct pl_walk walk = start_at(PC(AT_SP, 9), (uint64_t)(uintptr_t)outer,
                                       (uint64_t)(uintptr_t)&outer[3]);
        walk.memory.lo = (uint64_t)(uintptr_t)words;
        walk.memory.hi = walk.memory.lo + sizeof words;
        walk.max_frames = 1024;
        walk.pcs = found;
        CHECK(fresh(&cache, &walk) == outer_count + 1 && walk.end == PL_WALK_ROOT);
        if (loads == 3) /* leave out the first few of the outer part */
            make_frame(outer - WORDS_EACH, outer + JOIN * WORDS_EACH, PC(AT_SP, 4));
        for (unsigned i = 0; i < 3; i++) {
            struct pl_walk with = walk, without;
            with.sp = (uint64_t)(uintptr_t)words;
            with.bp = (uint64_t)(uintptr_t)&words[3];
            without = with;
            without.cache = NULL;
            without.pcs = again;
            pl_unwind_walk(&with);
            pl_unwind_walk(&without);
            CHECK(same_walk(&with, &without), "%u loads, walk %u", loads, i);
            CHECK(with.count > 500 && with.end == PL_WALK_ROOT);
        }
        code->ranges[1].rows = rows;
    }
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

TEST_MAIN({"rows", test_rows}, {"signal_frame", test_signal_frame}, {"wide", test_wide},
          {"wide_behind_signal", test_wide_behind_signal}, {"no_rule", test_no_rule},
          {"lost_bp", test_lost_bp}, {"torn", test_torn}, {"depth", test_depth},
          {"window", test_window}, {"memo", test_memo}, {"memo_reuse", test_memo_reuse},
          {"memo_overrun", test_memo_overrun}, {"search", test_search},
          {"maps", test_maps})
