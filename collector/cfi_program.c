#include "collector/cfi_program.h"

#include <stdlib.h>
#include <string.h>

#define MAX_ROWS       (16u << 20) /* 128 MiB; the largest programs have 2-3 million */
#define MAX_REMEMBERED 32

/* DWARF numbers of x86-64 registers */
enum { REG_BP = 6, REG_SP = 7, REG_RA = 16 };

enum {
    CFA_NOP = 0x00,
    CFA_SET_LOC = 0x01,
    CFA_ADVANCE_LOC1 = 0x02,
    CFA_ADVANCE_LOC2 = 0x03,
    CFA_ADVANCE_LOC4 = 0x04,
    CFA_OFFSET_EXTENDED = 0x05,
    CFA_RESTORE_EXTENDED = 0x06,
    CFA_UNDEFINED = 0x07,
    CFA_SAME_VALUE = 0x08,
    CFA_REGISTER = 0x09,
    CFA_REMEMBER_STATE = 0x0a,
    CFA_RESTORE_STATE = 0x0b,
    CFA_DEF_CFA = 0x0c,
    CFA_DEF_CFA_REGISTER = 0x0d,
    CFA_DEF_CFA_OFFSET = 0x0e,
    CFA_DEF_CFA_EXPRESSION = 0x0f,
    CFA_EXPRESSION = 0x10,
    CFA_OFFSET_EXTENDED_SF = 0x11,
    CFA_DEF_CFA_SF = 0x12,
    CFA_DEF_CFA_OFFSET_SF = 0x13,
    CFA_VAL_OFFSET = 0x14,
    CFA_VAL_OFFSET_SF = 0x15,
    CFA_VAL_EXPRESSION = 0x16,
    CFA_GNU_ARGS_SIZE = 0x2e,
    CFA_GNU_NEGATIVE_OFFSET = 0x2f,
    /* with the operand in the low six bits */
    CFA_ADVANCE_LOC = 0x40,
    CFA_OFFSET = 0x80,
    CFA_RESTORE = 0xc0,
};

/* ---- bytes ---- */

uint64_t pl_cfi_get(struct pl_cfi_bytes *b, unsigned bytes)
{
    uint64_t value = 0;
    if ((size_t)(b->end - b->at) < bytes) {
        b->bad = true;
        b->at = b->end;
        return 0;
    }
    memcpy(&value, b->at, bytes); /* little-endian, as x86-64 is */
    b->at += bytes;
    b->vaddr += bytes;
    return value;
}

uint64_t pl_cfi_uleb(struct pl_cfi_bytes *b)
{
    uint64_t value = 0, byte;
    unsigned shift = 0;
    do {
        byte = pl_cfi_get(b, 1);
        if (shift < 64)
            value |= (byte & 0x7f) << shift;
        shift += 7;
    } while (byte & 0x80 && !b->bad);
    return value;
}

int64_t pl_cfi_sleb(struct pl_cfi_bytes *b)
{
    uint64_t value = 0, byte;
    unsigned shift = 0;
    do {
        byte = pl_cfi_get(b, 1);
        if (shift < 64)
            value |= (byte & 0x7f) << shift;
        shift += 7;
    } while (byte & 0x80 && !b->bad);
    if (shift < 64 && byte & 0x40)
        value |= UINT64_MAX << shift;
    return (int64_t)value;
}

struct pl_cfi_bytes pl_cfi_slice(struct pl_cfi_bytes *b, uint64_t bytes)
{
    struct pl_cfi_bytes slice = *b;
    if (bytes > (uint64_t)(b->end - b->at)) {
        b->bad = slice.bad = true;
        bytes = 0;
        b->at = b->end;
    }
    slice.end = slice.at + bytes;
    if (!b->bad) {
        b->at += bytes;
        b->vaddr += bytes;
    }
    return slice;
}

uint64_t pl_cfi_pointer(struct pl_cfi_bytes *b, uint8_t encoding)
{
    uint64_t here = b->vaddr, value = 0;
    switch (encoding & 0x0f) {
    case 0x00: /* absptr */
    case 0x04: /* udata8 */
    case 0x0c: /* sdata8 */
        value = pl_cfi_get(b, 8);
        break;
    case 0x01:
        value = pl_cfi_uleb(b);
        break;
    case 0x02:
        value = pl_cfi_get(b, 2);
        break;
    case 0x03:
        value = pl_cfi_get(b, 4);
        break;
    case 0x09:
        value = (uint64_t)pl_cfi_sleb(b);
        break;
    case 0x0a:
        value = (uint64_t)(int64_t)(int16_t)pl_cfi_get(b, 2);
        break;
    case 0x0b:
        value = (uint64_t)(int64_t)(int32_t)pl_cfi_get(b, 4);
        break;
    default:
        b->bad = true;
    }
    switch (encoding & 0xf0) {
    case 0x00: /* absolute */
        return value;
    case 0x10: /* pc-relative */
        return here + value;
    default: /* text-, data-, function-relative, aligned, indirect */
        b->bad = true;
        return 0;
    }
}

/* ---- rows ---- */

static bool same_rule(const struct pl_row *a, const struct pl_row *b)
{
    return a->kind == b->kind && a->cfa_offset == b->cfa_offset && a->bp == b->bp;
}

void pl_cfi_add_row(struct pl_cfi_builder *builder, uint64_t pc, struct pl_row row)
{
    uint64_t offset = pc - builder->base;
    if (offset > UINT32_MAX)
        return;
    row.pc = (uint32_t)offset;
    if (builder->count && builder->rows[builder->count - 1].pc == row.pc)
        builder->count--;
    if (builder->count && same_rule(&builder->rows[builder->count - 1], &row))
        return;
    if (builder->count == builder->capacity) {
        size_t capacity = builder->capacity ? 2 * builder->capacity : 1024;
        struct pl_row *rows = NULL;
        if (capacity <= MAX_ROWS)
            rows = realloc(builder->rows, capacity * sizeof *rows);
        if (!rows) {
            builder->failed = true;
            return;
        }
        builder->rows = rows;
        builder->capacity = capacity;
    }
    builder->rows[builder->count++] = row;
}

static int8_t bp_slot(const struct pl_cfi_register *bp)
{
    if (bp->saved == PL_SAVED_SAME)
        return 0;
    if (bp->saved == PL_SAVED_AT && bp->offset % 8 == 0 && bp->offset < 0 &&
        bp->offset >= 8 * INT8_MIN)
        return (int8_t)(bp->offset / 8);
    return PL_ROW_BP_LOST;
}

static struct pl_row row_of(const struct pl_cfi_state *s, bool signal_frame)
{
    struct pl_row row = {.kind = PL_ROW_UNSUPPORTED};
    const int64_t ucontext_sp = 160; /* offset of RSP in the kernel's ucontext_t */
    if (signal_frame) {
        if (s->cfa == PL_CFA_SP_DEREF && s->cfa_offset == ucontext_sp)
            row.kind = PL_ROW_SIGNAL;
        return row;
    }
    if (s->ra.saved == PL_SAVED_UNDEFINED) {
        row.kind = PL_ROW_END;
        return row;
    }
    if (s->ra.saved != PL_SAVED_AT || s->ra.offset != -8 || s->cfa_offset > INT16_MAX ||
        s->cfa_offset < INT16_MIN)
        return row;
    if (s->cfa == PL_CFA_REGISTER && s->cfa_register == REG_SP)
        row.kind = PL_ROW_SP;
    else if (s->cfa == PL_CFA_REGISTER && s->cfa_register == REG_BP)
        row.kind = PL_ROW_BP;
    else if (s->cfa == PL_CFA_BP_DEREF)
        row.kind = PL_ROW_BP_DEREF;
    else
        return row;
    row.cfa_offset = (int16_t)s->cfa_offset;
    row.bp = bp_slot(&s->bp);
    return row;
}

/* A lazy-binding section: one rule by the position within each 16-byte stub. The
 * usual one has a kind of its own; the others become two rows a stub. */
static void add_plt_rows(struct pl_cfi_builder *builder, uint64_t start, uint64_t end,
                         int64_t pushed_from)
{
    if (pushed_from == 11) {
        pl_cfi_add_row(builder, start, (struct pl_row){.kind = PL_ROW_PLT});
        return;
    }
    for (uint64_t pc = start;
         pc < end && pc - builder->base <= UINT32_MAX && !builder->failed;) {
        uint64_t stub = pc & ~UINT64_C(15);
        bool pushed = (int64_t)(pc - stub) >= pushed_from;
        struct pl_row row = {.kind = PL_ROW_SP, .cfa_offset = pushed ? 16 : 8};
        pl_cfi_add_row(builder, pc, row);
        pc = pushed ? stub + 16 : stub + (uint64_t)pushed_from;
    }
}

/* ---- the machine ---- */

struct machine {
    const struct pl_cfi_cie *cie;
    struct pl_cfi_state state;
    struct pl_cfi_state remembered[MAX_REMEMBERED];
    unsigned remembered_count;
    uint64_t pc, end;
    struct pl_cfi_builder *builder; /* NULL: a CIE's instructions, no rows */
};

static void emit(const struct machine *m, uint64_t end)
{
    if (!m->builder || m->pc >= end)
        return;
    if (m->state.cfa == PL_CFA_PLT && m->state.ra.saved == PL_SAVED_AT &&
        m->state.ra.offset == -8)
        add_plt_rows(m->builder, m->pc, end, m->state.cfa_offset);
    else
        pl_cfi_add_row(m->builder, m->pc, row_of(&m->state, m->cie->signal_frame));
}

static bool advance_to(struct machine *m, uint64_t pc)
{
    if (pc < m->pc)
        return false;
    if (pc > m->end)
        pc = m->end;
    emit(m, pc);
    m->pc = pc;
    return true;
}

static bool advance_by(struct machine *m, uint64_t units)
{
    uint64_t bytes;
    if (__builtin_mul_overflow(units, m->cie->code_align, &bytes) ||
        bytes > UINT64_MAX - m->pc)
        return advance_to(m, m->end);
    return advance_to(m, m->pc + bytes);
}

static void set_register(struct machine *m, uint64_t number, enum pl_cfi_saved saved,
                         int64_t offset)
{
    struct pl_cfi_register rule = {saved, offset};
    if (number == REG_BP)
        m->state.bp = rule;
    else if (number == REG_RA)
        m->state.ra = rule;
}

static void restore_register(struct machine *m, uint64_t number)
{
    if (number == REG_BP)
        m->state.bp = m->cie->initial.bp;
    else if (number == REG_RA)
        m->state.ra = m->cie->initial.ra;
}

/* a * b, or a value no row can hold */
static int64_t scaled(int64_t a, int64_t b)
{
    int64_t product;
    return __builtin_mul_overflow(a, b, &product) ? INT64_MAX : product;
}

static void set_cfa(struct machine *m, uint64_t number, int64_t offset)
{
    m->state.cfa = PL_CFA_REGISTER;
    m->state.cfa_register = number;
    m->state.cfa_offset = offset;
}

/* The few expressions that compilers and linkers write for a CFA. */
static void set_cfa_expression(struct machine *m, struct pl_cfi_bytes e)
{
    enum { OP_BREG6 = 0x76, OP_BREG7 = 0x77, OP_DEREF = 0x06, OP_LIT0 = 0x30 };
    /* (rip & 15) >= N ? 8 : 0, added to the sum so far; N is byte 4 - OP_LIT0 */
    static const uint8_t plt[] = {0x80, 0x00, 0x3f, 0x1a, 0, 0x2a, 0x33, 0x24, 0x22};
    m->state.cfa = PL_CFA_OTHER;
    m->state.cfa_offset = 0;
    uint8_t op = (uint8_t)pl_cfi_get(&e, 1);
    int64_t offset = pl_cfi_sleb(&e);
    if (e.bad || (op != OP_BREG6 && op != OP_BREG7))
        return;
    size_t rest = (size_t)(e.end - e.at);
    if (rest == 0) {
        set_cfa(m, op == OP_BREG6 ? REG_BP : REG_SP, offset);
    } else if (rest == 1 && e.at[0] == OP_DEREF) {
        m->state.cfa = op == OP_BREG6 ? PL_CFA_BP_DEREF : PL_CFA_SP_DEREF;
        m->state.cfa_offset = offset;
    } else if (op == OP_BREG7 && offset == 8 && rest == sizeof plt &&
               memcmp(e.at, plt, 4) == 0 && memcmp(e.at + 5, plt + 5, 4) == 0 &&
               e.at[4] > OP_LIT0 && e.at[4] < OP_LIT0 + 16) {
        m->state.cfa = PL_CFA_PLT;
        m->state.cfa_offset = e.at[4] - OP_LIT0;
    }
}

/* Instructions on one register other than the CFA. */
static bool run_register(struct machine *m, uint8_t op, struct pl_cfi_bytes *b)
{
    int64_t data = m->cie->data_align;
    uint64_t number = pl_cfi_uleb(b);
    switch (op) {
    case CFA_OFFSET_EXTENDED:
        set_register(m, number, PL_SAVED_AT, scaled((int64_t)pl_cfi_uleb(b), data));
        return true;
    case CFA_OFFSET_EXTENDED_SF:
        set_register(m, number, PL_SAVED_AT, scaled(pl_cfi_sleb(b), data));
        return true;
    case CFA_GNU_NEGATIVE_OFFSET:
        set_register(m, number, PL_SAVED_AT,
                     scaled(scaled((int64_t)pl_cfi_uleb(b), data), -1));
        return true;
    case CFA_RESTORE_EXTENDED:
        restore_register(m, number);
        return true;
    case CFA_UNDEFINED:
        set_register(m, number, PL_SAVED_UNDEFINED, 0);
        return true;
    case CFA_SAME_VALUE:
        set_register(m, number, PL_SAVED_SAME, 0);
        return true;
    case CFA_EXPRESSION:
    case CFA_VAL_EXPRESSION:
        (void)pl_cfi_slice(b, pl_cfi_uleb(b));
        set_register(m, number, PL_SAVED_OTHER, 0);
        return true;
    case CFA_REGISTER:
    case CFA_VAL_OFFSET:
    case CFA_VAL_OFFSET_SF: /* signed or not, a LEB of the same length */
        (void)pl_cfi_uleb(b);
        set_register(m, number, PL_SAVED_OTHER, 0);
        return true;
    default:
        return false;
    }
}

static bool run_cfa(struct machine *m, uint8_t op, struct pl_cfi_bytes *b)
{
    uint64_t number;
    switch (op) {
    case CFA_DEF_CFA:
        number = pl_cfi_uleb(b);
        set_cfa(m, number, (int64_t)pl_cfi_uleb(b));
        return true;
    case CFA_DEF_CFA_SF:
        number = pl_cfi_uleb(b);
        set_cfa(m, number, scaled(pl_cfi_sleb(b), m->cie->data_align));
        return true;
    case CFA_DEF_CFA_REGISTER:
        number = pl_cfi_uleb(b);
        if (m->state.cfa == PL_CFA_REGISTER)
            m->state.cfa_register = number;
        return true;
    case CFA_DEF_CFA_OFFSET:
        number = pl_cfi_uleb(b);
        if (m->state.cfa == PL_CFA_REGISTER)
            m->state.cfa_offset = (int64_t)number;
        return true;
    case CFA_DEF_CFA_OFFSET_SF:
        number = (uint64_t)scaled(pl_cfi_sleb(b), m->cie->data_align);
        if (m->state.cfa == PL_CFA_REGISTER)
            m->state.cfa_offset = (int64_t)number;
        return true;
    case CFA_DEF_CFA_EXPRESSION:
        set_cfa_expression(m, pl_cfi_slice(b, pl_cfi_uleb(b)));
        return true;
    default:
        return run_register(m, op, b);
    }
}

static bool remember(struct machine *m)
{
    if (m->remembered_count == MAX_REMEMBERED)
        return false;
    m->remembered[m->remembered_count++] = m->state;
    return true;
}

static bool recall(struct machine *m)
{
    if (!m->remembered_count)
        return false;
    m->state = m->remembered[--m->remembered_count];
    return true;
}

static bool run_one(struct machine *m, struct pl_cfi_bytes *b)
{
    uint8_t op = (uint8_t)pl_cfi_get(b, 1), low = op & 0x3f;
    switch (op & 0xc0) {
    case CFA_ADVANCE_LOC:
        return advance_by(m, low);
    case CFA_OFFSET:
        set_register(m, low, PL_SAVED_AT,
                     scaled((int64_t)pl_cfi_uleb(b), m->cie->data_align));
        return true;
    case CFA_RESTORE:
        restore_register(m, low);
        return true;
    }
    switch (op) {
    case CFA_NOP:
        return true;
    case CFA_SET_LOC: {
        uint64_t pc = pl_cfi_pointer(b, m->cie->pointer_encoding);
        return !b->bad && advance_to(m, pc);
    }
    case CFA_ADVANCE_LOC1:
        return advance_by(m, pl_cfi_get(b, 1));
    case CFA_ADVANCE_LOC2:
        return advance_by(m, pl_cfi_get(b, 2));
    case CFA_ADVANCE_LOC4:
        return advance_by(m, pl_cfi_get(b, 4));
    case CFA_REMEMBER_STATE:
        return remember(m);
    case CFA_RESTORE_STATE:
        return recall(m);
    case CFA_GNU_ARGS_SIZE:
        (void)pl_cfi_uleb(b);
        return true;
    default:
        return run_cfa(m, op, b);
    }
}

/* False at the first instruction that makes no sense. */
static bool run(struct machine *m, struct pl_cfi_bytes b)
{
    while (b.at < b.end && (!m->builder || m->pc < m->end))
        if (!run_one(m, &b) || b.bad)
            return false;
    return true;
}

bool pl_cfi_run_initial(struct pl_cfi_cie *cie)
{
    struct machine m = {.cie = cie};
    m.state.ra.saved = PL_SAVED_OTHER; /* until an instruction says otherwise */
    cie->initial = m.state;
    if (!run(&m, cie->instructions))
        return false;
    cie->initial = m.state;
    return true;
}

void pl_cfi_run(const struct pl_cfi_cie *cie, struct pl_cfi_bytes instructions,
                uint64_t start, uint64_t end, struct pl_cfi_builder *builder)
{
    struct machine m = {.cie = cie, .pc = start, .end = end, .builder = builder};
    m.state = cie->initial;
    if (!run(&m, instructions))
        m.state.cfa = PL_CFA_OTHER, m.state.ra.saved = PL_SAVED_OTHER;
    emit(&m, end);
}
