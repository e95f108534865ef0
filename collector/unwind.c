#include "collector/unwind.h"

#include "collector/guess.h"
#include "collector/sys.h"

#include <ucontext.h>

/* One step takes (pc, sp, bp) of a frame to those of its caller:
 *
 *      higher   | caller's frame |
 *               +----------------+ <- CFA = caller's sp
 *               | return address |    CFA - 8
 *               | saved bp       |    CFA + 8 * row.bp, where the row says so
 *               | ...            |
 *      lower    +----------------+ <- sp
 *
 * The CFA grows with every step, so a walk ends even when the stack is torn or its
 * frames form a cycle. Only a kernel signal frame may lead elsewhere: the handler
 * may have run on a stack of its own. There are at most MAX_SWITCHES of those. */

#define MAX_SWITCHES 8
#define MAX_GUESSES  32
#define USER_END     (UINT64_C(1) << 47)
#define SIGNAL_WORD(reg)                                                               \
    (offsetof(ucontext_t, uc_mcontext) + offsetof(mcontext_t, gregs) + 8u * (reg))

static bool load_window(struct pl_walk_memory *memory, uint64_t address, uint64_t *word)
{
    memory->memo = NULL; /* which is for what can be loaded again */
    if (address < memory->window_lo || memory->window_hi < 8 ||
        address > memory->window_hi - 8) {
        if (!memory->refills || memory->window_bytes < 8)
            return false;
        memory->refills--;
        long got = pl_sys_read_memory(memory->tid, address, memory->window,
                                      memory->window_bytes);
        if (got < 8) {
            memory->window_lo = memory->window_hi = 0;
            return false;
        }
        memory->window_lo = address;
        memory->window_hi = address + (uint64_t)got;
    }
    __builtin_memcpy(word, memory->window + (address - memory->window_lo), 8);
    return true;
}

static inline bool load(struct pl_walk_memory *memory, uint64_t address, uint64_t *word)
{
    if (address & 7)
        return false;
    if (__builtin_expect(
            address >= memory->lo && memory->hi >= 8 && address <= memory->hi - 8, 1)) {
        *word = *(const volatile uint64_t *)(uintptr_t)address;
        if (memory->memo && !pl_memo_note_load(memory->memo, address, *word))
            memory->memo = NULL;
        return true;
    }
    return load_window(memory, address, word);
}

bool pl_walk_load(struct pl_walk_memory *memory, uint64_t address, uint64_t *word)
{
    return load(memory, address, word);
}

const struct pl_code_range *pl_code_find(const struct pl_code_table *code, uint64_t pc)
{
    uint32_t low = 0, high = (uint32_t)code->count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (code->ranges[middle].start <= pc)
            low = middle + 1;
        else
            high = middle;
    }
    if (!low || pc >= code->ranges[low - 1].end)
        return NULL;
    return &code->ranges[low - 1];
}

struct pl_row pl_code_row(const struct pl_code_range *range, uint64_t pc)
{
    const struct pl_row none = {0, 0, PL_ROW_NONE, 0};
    uint64_t offset = pc - range->base;
    if (pc < range->base || !range->rows)
        return none;
    uint64_t page = offset >> PL_ROWS_PAGE_SHIFT;
    if (page >= range->page_count)
        return none;
    uint32_t low = range->page[page], high = range->page[page + 1];
    while (low < high) { /* the first row after the offset */
        uint32_t middle = low + (high - low) / 2;
        if (range->rows[middle].pc <= offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low ? range->rows[low - 1] : none;
}

/* The row a frame is in. A return address is looked up one byte earlier, as the
 * call may be the last instruction of its function. If no rule covers that, no call
 * may have led here: a kernel signal frame returns into its trampoline, and a stack
 * made by the program begins as if called from the first byte of a function. */
static struct pl_row find_row(const struct pl_code_range *range, struct pl_frame *frame)
{
    struct pl_row row = pl_code_row(range, frame->exact ? frame->pc : frame->pc - 1);
    if (__builtin_expect(row.kind != PL_ROW_NONE || frame->exact, 1))
        return row;
    struct pl_row at = pl_code_row(range, frame->pc);
    if (at.kind == PL_ROW_SIGNAL)
        return at;
    if (at.kind != PL_ROW_NONE && range->base + at.pc == frame->pc)
        row.kind = PL_ROW_END;
    return row;
}

static enum pl_walk_end cut(struct pl_walk *walk, enum pl_walk_end end,
                            bool need_registers)
{
    walk->end = end;
    walk->need_registers = need_registers;
    return end;
}

static bool know_bp(struct pl_walk *walk, struct pl_frame *frame)
{
    if (!frame->bp_known && walk->guess_bp)
        frame->bp_known = pl_guess_bp(walk, frame->pc, frame->sp, &frame->bp);
    return frame->bp_known;
}

/* A frame without rules: compilers at run time, and the code they bring along in
 * their own module, keep frame pointers. Only a record that makes sense is taken: one
 * that leads to the next, or behind a call in code that has other uses for BP. */
static bool step_frame_pointer(struct pl_walk *walk, struct pl_frame *frame)
{
    uint64_t saved, pc;
    if (!know_bp(walk, frame) || frame->bp < frame->sp ||
        !load(&walk->memory, frame->bp, &saved) ||
        !load(&walk->memory, frame->bp + 8, &pc) || pc >= USER_END)
        return false;
    if (saved && (saved <= frame->bp || (saved & 7))) {
        walk->memory.memo = NULL; /* which knows nothing of code */
        if (!pl_guess_is_return(walk, pc))
            return false;
    }
    frame->sp = frame->bp + 16;
    frame->bp = saved;
    frame->pc = pc;
    frame->exact = false;
    return true;
}

/* A place in code without rules; where it goes on says the frame record, or else the
 * looks of the stack. */
static bool step_without_rule(struct pl_walk *walk, struct pl_frame *frame)
{
    if (step_frame_pointer(walk, frame))
        return true;
    walk->memory.memo = NULL;
    if (walk->guesses == MAX_GUESSES)
        return false;
    enum pl_guess guess = pl_guess_caller(walk, frame);
    if (guess == PL_GUESS_LIKELY && !walk->guesses++ && walk->count < walk->max_frames)
        walk->pcs[walk->count++] = PL_PC_GUESSED;
    return guess != PL_GUESS_NONE;
}

static bool step_signal(struct pl_walk *walk, struct pl_frame *frame)
{
    struct pl_frame next = {.exact = true, .bp_known = true};
    walk->memory.memo = NULL; /* in which stack pointers only grow */
    walk->signal_frame = frame->sp;
    if (!load(&walk->memory, frame->sp + SIGNAL_WORD(REG_RIP), &next.pc) ||
        !load(&walk->memory, frame->sp + SIGNAL_WORD(REG_RSP), &next.sp) ||
        !load(&walk->memory, frame->sp + SIGNAL_WORD(REG_RBP), &next.bp)) {
        cut(walk, PL_WALK_BAD_STACK, false);
        return false;
    }
    *frame = next;
    return true;
}

static bool find_cfa(struct pl_walk *walk, struct pl_frame *frame, struct pl_row row,
                     uint64_t *cfa)
{
    uint64_t offset = (uint64_t)(int64_t)row.cfa_offset;
    switch (row.kind) {
    case PL_ROW_SP:
        *cfa = frame->sp + offset;
        return true;
    case PL_ROW_PLT:
        *cfa = frame->sp + 8 + ((frame->pc & 15) >= 11 ? 8 : 0);
        return true;
    case PL_ROW_BP:
    case PL_ROW_BP_DEREF:
        if (!know_bp(walk, frame)) {
            cut(walk, PL_WALK_LOST_BP, true);
            return false;
        }
        *cfa = frame->bp + offset;
        if (row.kind == PL_ROW_BP_DEREF &&
            !load(&walk->memory, frame->bp + offset, cfa)) {
            cut(walk, PL_WALK_BAD_STACK, false);
            return false;
        }
        return true;
    default:
        cut(walk, PL_WALK_NO_RULE, true);
        return false;
    }
}

/* ---- rules that rows have no room for ---- */

static bool read_register(struct pl_walk *walk, struct pl_frame *frame, unsigned number,
                          uint64_t *value)
{
    static const uint8_t places[16] = {
        REG_RAX, REG_RDX, REG_RCX, REG_RBX, REG_RSI, REG_RDI, REG_RBP, REG_RSP,
        REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
    if (number == 7) {
        *value = frame->sp;
        return true;
    }
    if (number == 6) {
        bool known = know_bp(walk, frame);
        *value = frame->bp;
        return known;
    }
    walk->memory.memo = NULL; /* which knows no other register */
    if (!frame->exact || number > 15)
        return false;
    if (walk->signal_frame)
        return load(&walk->memory, walk->signal_frame + SIGNAL_WORD(places[number]),
                    value);
    if (!walk->registers || !(walk->registers_known >> places[number] & 1))
        return false;
    *value = (uint64_t)walk->registers[places[number]];
    return true;
}

/* Why a value is not to be had: memory says no, or a register is not known. */
static enum pl_walk_end find_value(struct pl_walk *walk, struct pl_frame *frame,
                                   const struct pl_wide_value *from, uint64_t cfa,
                                   uint64_t *value)
{
    uint64_t base = cfa;
    if (from->how == PL_WIDE_LOST)
        return PL_WALK_LOST_BP;
    if (from->how != PL_WIDE_CFA && !read_register(walk, frame, from->number, &base))
        return PL_WALK_LOST_BP;
    *value = base + (uint64_t)(int64_t)from->offset;
    if (from->how == PL_WIDE_VALUE || load(&walk->memory, *value, value))
        return PL_WALK_ROOT;
    return PL_WALK_BAD_STACK;
}

static bool step_wide(struct pl_walk *walk, struct pl_frame *frame,
                      const struct pl_code_range *range, struct pl_row row)
{
    struct pl_frame next = {.bp = frame->bp, .bp_known = frame->bp_known};
    uint64_t cfa = 0;
    uint16_t index = (uint16_t)row.cfa_offset;
    if (index >= range->wide_count) {
        cut(walk, PL_WALK_NO_RULE, true);
        return false;
    }
    const struct pl_wide_rule *rule = &range->wide[index];
    enum pl_walk_end end = find_value(walk, frame, &rule->cfa, 0, &cfa);
    cfa += (uint64_t)(int64_t)rule->cfa_add;
    next.sp = cfa;
    if (end == PL_WALK_ROOT)
        end = find_value(walk, frame, &rule->pc, cfa, &next.pc);
    if (end == PL_WALK_ROOT && rule->sp.how != PL_WIDE_SAME)
        end = find_value(walk, frame, &rule->sp, cfa, &next.sp);
    if (end == PL_WALK_ROOT && rule->bp.how != PL_WIDE_SAME) {
        enum pl_walk_end got = find_value(walk, frame, &rule->bp, cfa, &next.bp);
        next.bp_known = got == PL_WALK_ROOT;
    }
    /* A function that has called no other may have SP where it was: in a register. */
    bool grows = next.sp > frame->sp || (next.sp == frame->sp && frame->exact);
    if (end == PL_WALK_ROOT && (!grows || (next.sp & 7)))
        end = PL_WALK_BAD_STACK;
    if (end != PL_WALK_ROOT) {
        cut(walk, end, end == PL_WALK_LOST_BP);
        return false;
    }
    *frame = next;
    return true;
}

static inline bool step_row(struct pl_walk *walk, struct pl_frame *frame,
                            struct pl_row row)
{
    uint64_t cfa;
    if (row.kind == PL_ROW_END) {
        cut(walk, PL_WALK_ROOT, false);
        return false;
    }
    if (!find_cfa(walk, frame, row, &cfa))
        return false;
    if (cfa <= frame->sp || (cfa & 7) || !load(&walk->memory, cfa - 8, &frame->pc)) {
        cut(walk, PL_WALK_BAD_STACK, false);
        return false;
    }
    if (row.bp == PL_ROW_BP_LOST) {
        frame->bp_known = false;
    } else if (row.bp) {
        uint64_t slot = cfa + (uint64_t)(8 * (int64_t)row.bp);
        if (!load(&walk->memory, slot, &frame->bp)) {
            cut(walk, PL_WALK_BAD_STACK, false);
            return false;
        }
        frame->bp_known = true;
    }
    frame->sp = cfa;
    frame->exact = false;
    return true;
}

/* ---- the cache ---- */

static uint64_t cache_key(const struct pl_frame *frame)
{
    return frame->pc << 1 | frame->exact;
}

static unsigned cache_place(uint64_t key)
{
    return (unsigned)(key * UINT64_C(0x9e3779b97f4a7c15) >> 55) % PL_CACHE_ENTRIES;
}

static void open_cache(struct pl_walk *walk)
{
    struct pl_row_cache *cache = walk->cache;
    walk->memory.memo = NULL;
    if (!cache)
        return;
    if (cache->version != walk->code->version) {
        for (unsigned i = 0; i < PL_CACHE_ENTRIES; i++)
            cache->entries[i].key = 0;
        cache->version = walk->code->version;
    }
    if (!walk->guess_bp) { /* a guess reads more than the stack */
        walk->memory.memo = &cache->memo;
        pl_memo_begin(&cache->memo, cache->version);
    }
}

static inline bool find_cached(const struct pl_walk *walk, const struct pl_frame *frame,
                               struct pl_row *row)
{
    uint64_t key = cache_key(frame);
    unsigned place = cache_place(key);
    if (!walk->cache || walk->cache->entries[place].key != key)
        return false;
    *row = walk->cache->entries[place].row;
    return true;
}

static void keep_cached(struct pl_walk *walk, const struct pl_frame *frame,
                        struct pl_row row)
{
    uint64_t key = cache_key(frame);
    unsigned place = cache_place(key);
    if (!walk->cache || row.kind == PL_ROW_NONE || row.kind >= PL_ROW_WIDE)
        return;
    walk->cache->entries[place].key = key;
    walk->cache->entries[place].row = row;
}

/* ---- the walk ---- */

/* The frame's row; false where it has to do without, and `more` says whether it
 * could. */
static bool find_rule(struct pl_walk *walk, struct pl_frame *frame,
                      const struct pl_code_range **range, struct pl_row *row,
                      bool *more)
{
    uint64_t at = frame->exact ? frame->pc : frame->pc - 1;
    if (!*range || at < (*range)->start || at >= (*range)->end)
        *range = pl_code_find(walk->code, at);
    if (!*range) { /* perhaps a library just loaded: it will be known later */
        walk->unknown_code = true;
        cut(walk, PL_WALK_NO_MODULE, true);
        *more = false;
        return false;
    }
    if (!(*range)->in_module) {
        *more = step_without_rule(walk, frame);
        if (!*more)
            cut(walk, PL_WALK_NO_MODULE, false);
        return false;
    }
    *row = find_row(*range, frame);
    if (row->kind == PL_ROW_NONE && (*range)->rows && step_without_rule(walk, frame)) {
        *more = true;
        return false;
    }
    keep_cached(walk, frame, *row);
    return true;
}

/* If the last walk was here and would go on as it did, take over the rest of it. */
static bool go_on_as_before(struct pl_walk *walk, const struct pl_frame *frame)
{
    struct pl_memo *memo = walk->memory.memo;
    if (!pl_memo_meets(memo, frame) ||
        PL_MEMO_FRAMES - memo->at >= walk->max_frames - walk->count ||
        !pl_memo_holds(memo, walk->memory.lo, walk->memory.hi))
        return false;
    walk->count += pl_memo_take(memo, walk->pcs + walk->count);
    cut(walk, memo->end, false);
    pl_memo_keep(memo, walk->code->version, walk->memory.lo, walk->memory.hi);
    return true;
}

static bool step(struct pl_walk *walk, struct pl_frame *frame,
                 const struct pl_code_range **range, unsigned *switches)
{
    struct pl_row row;
    bool more = true;
    if (!find_cached(walk, frame, &row) && !find_rule(walk, frame, range, &row, &more))
        return more;
    if (row.kind == PL_ROW_WIDE) /* never cached: the range is found */
        return step_wide(walk, frame, *range, row);
    if (row.kind != PL_ROW_SIGNAL)
        return step_row(walk, frame, row);
    if ((*switches)++ < MAX_SWITCHES)
        return step_signal(walk, frame);
    cut(walk, PL_WALK_BAD_STACK, false);
    return false;
}

void pl_unwind_walk(struct pl_walk *walk)
{
    struct pl_frame frame = {walk->pc, walk->sp, walk->bp, true, walk->bp_known};
    const struct pl_code_range *range = NULL;
    unsigned switches = 0;
    bool more = true;
    walk->count = 0;
    walk->unknown_code = false;
    walk->signal_frame = 0;
    walk->guesses = 0;
    cut(walk, PL_WALK_DEPTH, false);
    open_cache(walk);
    while (more && walk->count < walk->max_frames) {
        if (!frame.pc && walk->count) {
            cut(walk, PL_WALK_ROOT_ZERO, false);
            break;
        }
        if (walk->memory.memo) {
            if (go_on_as_before(walk, &frame))
                return;
            if (!pl_memo_note(walk->memory.memo, &frame))
                walk->memory.memo = NULL;
        }
        walk->pcs[walk->count++] = pl_memo_recorded(frame.pc, frame.exact);
        more = step(walk, &frame, &range, &switches);
    }
    if (walk->memory.memo &&
        (walk->end == PL_WALK_ROOT || walk->end == PL_WALK_ROOT_ZERO))
        pl_memo_keep_all(walk->memory.memo, walk->code->version, walk->memory.lo,
                         walk->memory.hi, walk->end);
}
