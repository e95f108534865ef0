/* Guesses: stacks through code without rules, made by hand. The code is bytes in an
 * array of our own, which the guesses read through the kernel. */
#include "collector/unwind.h"

#include "tests/test.h"

#include <stdlib.h>
#include <unistd.h>

/* The text: a function with a rule, one without, the program's start, and a page that
 * belongs to no module. */
enum { RULED = 0x000, BARE = 0x400, START = 0x800, MADE = 0x1000, TEXT = 0x2000 };
#define WORDS 256u

static uint8_t text[TEXT] __attribute__((aligned(4096)));
static uint64_t stack[WORDS], pcs[PL_MAX_FRAMES];
static struct pl_code_table *code;
static const struct pl_row rows[] = {{RULED, 16, PL_ROW_SP, 0},
                                     {BARE, 0, PL_ROW_NONE, 0},
                                     {START, 0, PL_ROW_END, 0},
                                     {START + 0x100, 0, PL_ROW_NONE, 0}};
static const uint32_t pages[] = {0, 1, 2, 4, 4};

static uint64_t in(uint32_t offset)
{
    return (uint64_t)(uintptr_t)text + offset;
}

static uint64_t at(unsigned word)
{
    return (uint64_t)(uintptr_t)stack + 8u * word;
}

static void set_up(void)
{
    memset(text, 0x90, sizeof text);
    memset(stack, 0, sizeof stack);
    if (!code)
        code = malloc(sizeof *code + 2 * sizeof code->ranges[0]);
    code->count = 2;
    code->version = 1;
    code->ranges[0] = (struct pl_code_range){.start = in(0),
                                             .end = in(MADE),
                                             .base = in(0),
                                             .page = pages,
                                             .rows = rows,
                                             .page_count = 4,
                                             .in_module = true};
    code->ranges[1] = (struct pl_code_range){.start = in(MADE), .end = in(TEXT)};
}

static void put_call(uint32_t before, uint32_t target)
{
    int32_t distance = (int32_t)target - (int32_t)before;
    text[before - 5] = 0xe8;
    memcpy(text + before - 4, &distance, sizeof distance);
}

static void put_call_through_register(uint32_t before)
{
    text[before - 2] = 0xff;
    text[before - 1] = 0xd0;
}

static struct pl_walk walk_from(uint32_t pc, unsigned sp, uint64_t bp)
{
    return (struct pl_walk){.code = code,
                            .memory = {.lo = at(0), .hi = at(WORDS), .tid = getpid()},
                            .pc = in(pc),
                            .sp = at(sp),
                            .bp = bp,
                            .bp_known = true,
                            .max_frames = PL_MAX_FRAMES,
                            .pcs = pcs};
}

static void check(struct pl_walk *walk, const char *name, enum pl_walk_end end,
                  unsigned count)
{
    pl_unwind_walk(walk);
    CHECK(walk->end == end, "%s: ended by %d", name, walk->end);
    CHECK(walk->count == count, "%s: %u frames", name, walk->count);
}

/* A leaf in assembly that pushed nothing: its return address is on top. */
static void test_bare_leaf(void)
{
    set_up();
    put_call(RULED + 0x20, BARE);
    put_call(START + 0x20, RULED);
    stack[0] = in(RULED + 0x20);
    stack[2] = in(START + 0x20);
    struct pl_walk walk = walk_from(BARE + 0x30, 0, 7);
    check(&walk, "called", PL_WALK_ROOT, 3);
    CHECK(pcs[1] == in(RULED + 0x20) && pcs[2] == in(START + 0x20), "not flagged");
    put_call_through_register(RULED + 0x20);
    text[RULED + 0x20 - 5] = 0x90;
    check(&walk, "called through a pointer", PL_WALK_ROOT, 3);
    text[RULED + 0x20 - 2] = 0x90;
    check(&walk, "no call before it, but further up", PL_WALK_ROOT, 3);
    CHECK(pcs[1] == PL_PC_GUESSED && pcs[2] == in(START + 0x20));
}

/* One that pushed registers: a pointer to code among them is no return address. */
static void test_bare_pushes(void)
{
    set_up();
    put_call(RULED + 0x20, BARE);
    put_call(START + 0x20, RULED);
    stack[0] = 1234;
    stack[1] = in(RULED + 0x60);
    stack[2] = in(RULED + 0x20);
    stack[4] = in(START + 0x20);
    struct pl_walk walk = walk_from(BARE + 0x30, 0, 7);
    check(&walk, "called directly", PL_WALK_ROOT, 3);
    CHECK(pcs[1] == in(RULED + 0x20));
    text[RULED + 0x20 - 5] = 0x90;
    put_call_through_register(RULED + 0x20);
    check(&walk, "through a pointer", PL_WALK_ROOT, 4);
    CHECK(pcs[1] == PL_PC_GUESSED && pcs[2] == in(RULED + 0x20), "flagged");
    walk.max_frames = 1;
    check(&walk, "no room", PL_WALK_DEPTH, 1);
    walk.max_frames = 2;
    check(&walk, "room for the flag", PL_WALK_DEPTH, 2);
}

static void test_nothing(void)
{
    set_up();
    struct pl_walk walk = walk_from(BARE + 0x30, 0, 7);
    check(&walk, "empty stack", PL_WALK_NO_RULE, 1);
    walk = walk_from(MADE + 0x30, 0, 7);
    check(&walk, "empty stack of made code", PL_WALK_NO_MODULE, 1);
    for (unsigned i = 0; i < WORDS; i++)
        stack[i] = in(RULED + 0x60);
    check(&walk, "pointers only", PL_WALK_NO_MODULE, 1);
    put_call(RULED + 0x60, BARE);
    check(&walk, "the same return address over and over", PL_WALK_BAD_STACK, 129);
    walk = walk_from(BARE, WORDS, 7);
    check(&walk, "outside the stack", PL_WALK_NO_RULE, 1);
}

/* Code made at run time with a frame pointer, called from code that has another use
 * for BP: what it saved leads nowhere. */
static void test_made_code(void)
{
    set_up();
    put_call(MADE + 0x50, MADE + 0x100);
    put_call_through_register(RULED + 0x20);
    put_call(START + 0x20, RULED);
    stack[4] = at(8); /* inner frame record */
    stack[5] = in(MADE + 0x50);
    stack[8] = 0x1234567; /* outer one */
    stack[9] = in(RULED + 0x20);
    stack[11] = in(START + 0x20);
    struct pl_walk walk = walk_from(MADE + 0x130, 0, at(4));
    check(&walk, "entered", PL_WALK_ROOT, 4);
    CHECK(pcs[1] == in(MADE + 0x50) && pcs[2] == in(RULED + 0x20), "not flagged");
    text[RULED + 0x20 - 2] = 0x90;
    check(&walk, "not behind a call", PL_WALK_ROOT, 4);
    CHECK(pcs[2] == PL_PC_GUESSED && pcs[3] == in(START + 0x20), "flagged");
}

/* A blocked thread, of which BP is not known: the prologue says where it must be. */
static void test_prologue(void)
{
    static const uint8_t prologue[] = {0x55, 0x48, 0x89, 0xe5, 0x41, 0x57,
                                       0x53, 0x48, 0x83, 0xec, 0x18};
    set_up();
    memcpy(text + BARE + 0x100, prologue, sizeof prologue);
    put_call_through_register(BARE + 0x200);
    put_call(START + 0x20, BARE + 0x100);
    stack[0] = in(BARE + 0x200); /* into a function with a rule, one word */
    stack[1] = in(BARE + 0x200);
    stack[2 + 3 + 2] = 0; /* the record: behind 0x18 bytes and two registers */
    stack[2 + 3 + 2 + 1] = in(START + 0x20);
    struct pl_walk walk = walk_from(RULED + 0x10, 0, 0);
    walk.bp_known = false;
    walk.guess_bp = true;
    check(&walk, "found", PL_WALK_ROOT, 3);
    CHECK(pcs[1] == in(BARE + 0x200) && pcs[2] == in(START + 0x20));
    text[BARE + 0x100] = 0x90;
    check(&walk, "no prologue, but a call to here", PL_WALK_ROOT, 3);
    text[START + 0x20 - 5] = 0x90;
    put_call_through_register(START + 0x20);
    check(&walk, "by its looks", PL_WALK_ROOT, 4);
    CHECK(pcs[2] == PL_PC_GUESSED);
}

/* Whatever is on the stack and in the code, a walk ends. */
static void test_any(void)
{
    uint64_t state = 88172645463325252u;
    set_up();
    for (int round = 0; round < 20000; round++) {
        for (unsigned i = 0; i < WORDS; i++) {
            state ^= state << 13, state ^= state >> 7, state ^= state << 17;
            stack[i] = i % 3 ? in((uint32_t)(state >> 20) % (TEXT + 64))
                             : at((unsigned)(state >> 20) % (WORDS + 8));
        }
        for (unsigned i = 0; i < 64; i++) {
            state ^= state << 13, state ^= state >> 7, state ^= state << 17;
            uint32_t where = 8 + (uint32_t)(state >> 30) % (TEXT - 16);
            if (i % 2)
                put_call(where, (uint32_t)state % TEXT);
            else
                put_call_through_register(where);
        }
        struct pl_walk walk =
            walk_from((uint32_t)(state >> 13) % TEXT, 3, stack[(state >> 5) % WORDS]);
        walk.guess_bp = walk.bp_known = round % 2;
        pl_unwind_walk(&walk);
        CHECK(walk.count >= 1 && walk.count <= PL_MAX_FRAMES);
    }
}

TEST_MAIN({"bare_leaf", test_bare_leaf}, {"bare_pushes", test_bare_pushes},
          {"nothing", test_nothing}, {"made_code", test_made_code},
          {"prologue", test_prologue}, {"any", test_any})
