/* A function that keeps a frame pointer has a frame record somewhere above SP:
 *
 *      bp -> | caller's bp    |
 *            | return address |   behind the call that led to this function
 *
 * but between SP and BP lie its locals, where old records of functions that returned
 * long ago may be left over. The code before a return address tells them apart: a
 * direct call names the function it leads to. So:
 *   1. the first record whose call leads to this very function; else
 *   2. the first one whose call does not say (through a pointer or a linkage stub)
 *      and that does not return into this function itself, which would be the
 *      left-over of something it called. */
#include "collector/guess.h"

#include "collector/sys.h"

#define WORDS     512 /* how far up the stack to look */
#define BACK_ROWS 24u /* rows between the start of a function and a place in it */
#define LOOKS     12u /* at code, when looking for a caller: a system call each */
#define LONGEST   (32u * 1024) /* function without rules */
#define PROLOGUES 4u

enum call { CALL_NONE, CALL_UNKNOWN, CALL_DIRECT };

/* Is there a call instruction before `pc`, in one of the forms compilers make? */
static enum call call_before(const struct pl_walk *walk, uint64_t pc, uint64_t *target)
{
    const struct pl_code_range *range = pl_code_find(walk->code, pc - 1);
    uint8_t code[8];
    if (!range || pc - range->start < sizeof code ||
        pl_sys_read_memory(walk->memory.tid, pc - sizeof code, code, sizeof code) !=
            sizeof code)
        return CALL_NONE;
    if (code[3] == 0xe8) { /* call rel32 */
        int32_t distance;
        __builtin_memcpy(&distance, code + 4, sizeof distance);
        *target = pc + (uint64_t)(int64_t)distance;
        return CALL_DIRECT;
    }
    for (unsigned bytes = 2; bytes <= 7; bytes++) { /* call r/m: ff /2 */
        if (code[8 - bytes] == 0xff && (code[9 - bytes] & 0x38) == 0x10)
            return CALL_UNKNOWN;
    }
    return CALL_NONE;
}

/* Where functions begin that `pc` may be in: rows that say "CFA = SP + 8", nearest
 * first. (A row after an epilogue says so, too.) */
struct starts {
    uint64_t at[BACK_ROWS];
    unsigned count;
};

static void find_starts(const struct pl_walk *walk, uint64_t pc, struct starts *starts)
{
    const struct pl_code_range *range = pl_code_find(walk->code, pc);
    starts->count = 0;
    for (unsigned i = 0; range && i < BACK_ROWS && pc > range->base; i++) {
        struct pl_row row = pl_code_row(range, pc);
        if (row.kind == PL_ROW_NONE)
            return;
        if (row.kind == PL_ROW_SP && row.cfa_offset == 8 && !row.bp)
            starts->at[starts->count++] = range->base + row.pc;
        pc = range->base + row.pc - 1;
    }
}

static bool is_start(const struct starts *starts, uint64_t target)
{
    for (unsigned i = 0; i < starts->count; i++) {
        if (starts->at[i] == target)
            return true;
    }
    return false;
}

/* Does the call's target have a frame rule of its own (so that it is no stub)? */
static bool is_function(const struct pl_walk *walk, uint64_t target)
{
    const struct pl_code_range *range = pl_code_find(walk->code, target);
    struct pl_row row = {0, 0, PL_ROW_NONE, 0};
    if (range)
        row = pl_code_row(range, target);
    return row.kind == PL_ROW_SP;
}

static bool returns_into(const struct pl_walk *walk, uint64_t pc,
                         const struct starts *starts)
{
    struct starts other;
    find_starts(walk, pc - 1, &other);
    return other.count && starts->count &&
           other.at[other.count - 1] == starts->at[starts->count - 1];
}

/* ---- code without rules ---- */

bool pl_guess_is_return(const struct pl_walk *walk, uint64_t pc)
{
    uint64_t target;
    const struct pl_code_range *range = pl_code_find(walk->code, pc - 1);
    if (!range || !range->rows)
        return false;
    struct pl_row row = pl_code_row(range, pc - 1);
    return row.kind != PL_ROW_NONE && row.kind != PL_ROW_SIGNAL &&
           call_before(walk, pc, &target) != CALL_NONE;
}

static bool may_hold_calls(const struct pl_walk *walk, uint64_t pc)
{
    const struct pl_code_range *range = pl_code_find(walk->code, pc - 1);
    return range && (!range->in_module ||
                     (range->rows && pl_code_row(range, pc - 1).kind != PL_ROW_NONE));
}

enum pl_guess pl_guess_caller(struct pl_walk *walk, struct pl_frame *frame)
{
    const struct pl_code_range *here = pl_code_find(walk->code, frame->pc);
    unsigned looks = LOOKS;
    for (unsigned i = 0; i < WORDS && looks; i++) {
        uint64_t word, target = 0, sp = frame->sp + 8 * (uint64_t)i;
        if (!pl_walk_load(&walk->memory, sp, &word))
            break;
        if (word >> 47 || !may_hold_calls(walk, word))
            continue;
        looks--;
        enum call call = call_before(walk, word, &target);
        if (call == CALL_NONE)
            continue;
        bool ours = call == CALL_DIRECT && here && target >= here->start &&
                    target <= frame->pc && frame->pc - target < LONGEST &&
                    pl_code_row(here, target).kind == PL_ROW_NONE;
        /* BP is the caller's unless this function uses it for itself. */
        frame->bp_known &= i == 0 || frame->bp > sp;
        frame->pc = word;
        frame->sp = sp + 8;
        frame->exact = false;
        return ours || i == 0 ? PL_GUESS_SURE : PL_GUESS_LIKELY;
    }
    return PL_GUESS_NONE;
}

/* How far above the BP of its function SP lies after this prologue, up to where it
 * has been read: push %rbp; mov %rsp,%rbp; pushes; sub $n,%rsp. 0: it is none. */
static uint32_t frame_bytes(const uint8_t *code, size_t count)
{
    uint32_t bytes = 0, more = 0;
    size_t i = 4;
    if (count < 24 || code[0] != 0x55 || code[1] != 0x48 || code[2] != 0x89 ||
        code[3] != 0xe5)
        return 0;
    while (i + 8 < count) {
        if (code[i] >= 0x50 && code[i] <= 0x57)
            i++;
        else if (code[i] == 0x41 && code[i + 1] >= 0x50 && code[i + 1] <= 0x57)
            i += 2;
        else
            break;
        bytes += 8;
    }
    if (code[i] == 0x48 && code[i + 1] == 0x83 && code[i + 2] == 0xec) {
        more = code[i + 3];
    } else if (code[i] == 0x48 && code[i + 1] == 0x81 && code[i + 2] == 0xec) {
        __builtin_memcpy(&more, code + i + 3, sizeof more);
    }
    return more % 8 || more > LONGEST ? 0 : bytes + more;
}

/* The nearest prologues before `pc` tell where BP is, if there is a frame record. */
static bool guess_by_prologue(struct pl_walk *walk, uint64_t pc, uint64_t sp,
                              uint64_t *bp_out)
{
    const struct pl_code_range *range = pl_code_find(walk->code, pc - 1);
    uint8_t code[1024 + 24];
    unsigned found = 0;
    for (uint64_t end = pc; range && found < PROLOGUES && pc - end < LONGEST;) {
        uint64_t start = end - range->start > 1024 ? end - 1024 : range->start;
        long got = pl_sys_read_memory(walk->memory.tid, start, code, sizeof code);
        if (start == end || got < (long)(end - start))
            return false;
        for (uint64_t at = end; at-- > start && found < PROLOGUES;) {
            uint32_t bytes =
                frame_bytes(code + (at - start), (size_t)got - (at - start));
            uint64_t bp = sp + bytes, saved, back;
            found += bytes != 0;
            if (bytes && pl_walk_load(&walk->memory, bp, &saved) &&
                pl_walk_load(&walk->memory, bp + 8, &back) && !(back >> 47) &&
                call_before(walk, back, &(uint64_t){0}) != CALL_NONE) {
                *bp_out = bp;
                return true;
            }
        }
        end = start;
    }
    return false;
}

static bool has_rule(const struct pl_walk *walk, uint64_t pc)
{
    const struct pl_code_range *range = pl_code_find(walk->code, pc - 1);
    return range && pl_code_row(range, pc - 1).kind != PL_ROW_NONE;
}

bool pl_guess_bp(struct pl_walk *walk, uint64_t pc, uint64_t sp, uint64_t *bp_out)
{
    struct starts starts;
    uint64_t possible = 0, target = 0, word;
    if (!has_rule(walk, pc))
        return guess_by_prologue(walk, pc, sp, bp_out);
    find_starts(walk, pc, &starts);
    for (unsigned i = 1; i < WORDS; i++) {
        if (!pl_walk_load(&walk->memory, sp + 8 * i, &word))
            break;
        enum call call = call_before(walk, word, &target);
        if (call == CALL_NONE)
            continue;
        if (call == CALL_DIRECT && is_start(&starts, target)) {
            *bp_out = sp + 8 * (i - 1);
            return true;
        }
        if (!possible && (call == CALL_UNKNOWN || !is_function(walk, target)) &&
            !returns_into(walk, word, &starts))
            possible = sp + 8 * (i - 1);
    }
    *bp_out = possible;
    return possible != 0;
}
