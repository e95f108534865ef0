#include "collector/cfi_program.h"

#include <stdlib.h>
#include <string.h>

#define MAX_REMEMBERED 32

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
    if (m->builder && m->pc < end)
        pl_cfi_add_state(m->builder, m->pc, end, &m->state, m->cie->signal_frame);
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

/* Of the registers that rows tell about; NULL for others. */
static struct pl_cfi_register *register_of(struct pl_cfi_state *state, uint64_t number)
{
    switch (number) {
    case PL_REG_BP:
        return &state->bp;
    case PL_REG_SP:
        return &state->sp;
    case PL_REG_RA:
        return &state->ra;
    default:
        return NULL;
    }
}

static void set_register(struct machine *m, uint64_t number, enum pl_cfi_saved saved,
                         uint64_t other, int64_t offset)
{
    struct pl_cfi_register *rule = register_of(&m->state, number);
    if (rule)
        *rule = (struct pl_cfi_register){saved, other, offset};
}

static void restore_register(struct machine *m, uint64_t number)
{
    struct pl_cfi_register *rule = register_of(&m->state, number);
    struct pl_cfi_state initial = m->cie->initial;
    if (rule)
        *rule = *register_of(&initial, number);
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
    m->state.cfa_add = 0;
}

enum {
    OP_DEREF = 0x06,
    OP_CONST1U = 0x08,
    OP_CONST1S = 0x09,
    OP_CONST2U = 0x0a,
    OP_CONST2S = 0x0b,
    OP_CONST4U = 0x0c,
    OP_CONST4S = 0x0d,
    OP_MINUS = 0x1c,
    OP_PLUS = 0x22,
    OP_PLUS_CONSTANT = 0x23,
    OP_LIT0 = 0x30,
    OP_BREG0 = 0x70,
};

/* An operand put on top, or false: then `e` has not moved. */
static bool read_constant(struct pl_cfi_bytes *e, int64_t *value)
{
    static const uint8_t bytes[] = {1, 1, 2, 2, 4, 4};
    if (e->at == e->end)
        return false;
    uint8_t op = *e->at;
    bool literal = op >= OP_LIT0 && op < OP_LIT0 + 32;
    if (!literal && (op < OP_CONST1U || op > OP_CONST4S))
        return false;
    (void)pl_cfi_get(e, 1);
    *value = op - OP_LIT0;
    if (literal)
        return true;
    unsigned unused = 8u * (8u - bytes[op - OP_CONST1U]);
    uint64_t raw = pl_cfi_get(e, bytes[op - OP_CONST1U]) << unused;
    *value = (op & 1) ? (int64_t)raw >> unused : (int64_t)(raw >> unused);
    return true;
}

/* The sums that follow, if there are any: constants added or taken away. */
static bool read_sum(struct pl_cfi_bytes *e, int64_t *sum)
{
    *sum = 0;
    while (e->at < e->end && *e->at != OP_DEREF) {
        int64_t value = 0;
        if (read_constant(e, &value)) {
            uint8_t op = (uint8_t)pl_cfi_get(e, 1);
            if (op != OP_PLUS && op != OP_MINUS)
                return false;
            value = op == OP_MINUS ? -value : value;
        } else if (pl_cfi_get(e, 1) == OP_PLUS_CONSTANT) {
            value = (int64_t)(pl_cfi_uleb(e) & INT64_MAX);
        } else {
            return false;
        }
        if (e->bad || __builtin_add_overflow(*sum, value, sum))
            return false;
    }
    return !e->bad;
}

/* register + offset, the beginning of all expressions rows can say. */
static bool read_base(struct pl_cfi_bytes *e, uint64_t *number, int64_t *offset)
{
    int64_t sum;
    uint64_t op = pl_cfi_get(e, 1);
    if (op < OP_BREG0 || op > OP_BREG0 + 15)
        return false;
    *number = op - OP_BREG0;
    *offset = pl_cfi_sleb(e);
    return !e->bad && read_sum(e, &sum) &&
           !__builtin_add_overflow(*offset, sum, offset);
}

/* The rule of a lazy-binding section, (rip & 15) >= N ? 8 : 0 added to SP + 8; the
 * constant N is a literal. 0: it is another one. */
static int64_t linkage_stub(const struct pl_cfi_bytes *e)
{
    static const uint8_t plt[] = {OP_BREG0 + 7, 8,    0x80, 0x00, 0x3f, 0x1a, 0,
                                  0x2a,         0x33, 0x24, 0x22};
    if ((size_t)(e->end - e->at) != sizeof plt || memcmp(e->at, plt, 6) != 0 ||
        memcmp(e->at + 7, plt + 7, 4) != 0 || e->at[6] <= OP_LIT0 ||
        e->at[6] >= OP_LIT0 + 16)
        return 0;
    return e->at[6] - OP_LIT0;
}

static void set_cfa_expression(struct machine *m, struct pl_cfi_bytes e)
{
    struct pl_cfi_state *s = &m->state;
    s->cfa = PL_CFA_OTHER;
    s->cfa_add = 0;
    s->cfa_offset = linkage_stub(&e);
    if (s->cfa_offset)
        s->cfa = PL_CFA_PLT;
    else if (!read_base(&e, &s->cfa_register, &s->cfa_offset))
        return;
    else if (e.at == e.end)
        s->cfa = PL_CFA_REGISTER;
    else if (pl_cfi_get(&e, 1) == OP_DEREF && read_sum(&e, &s->cfa_add) &&
             e.at == e.end)
        s->cfa = PL_CFA_DEREF;
}

/* Where, or what, the register is. */
static void set_register_expression(struct machine *m, uint64_t number, bool is_value,
                                    struct pl_cfi_bytes e)
{
    uint64_t base = 0;
    int64_t offset = 0;
    enum pl_cfi_saved saved = is_value ? PL_SAVED_IN : PL_SAVED_AT_OTHER;
    if (!read_base(&e, &base, &offset))
        saved = PL_SAVED_OTHER;
    else if (is_value && e.end - e.at == 1 && *e.at == OP_DEREF)
        saved = PL_SAVED_AT_OTHER;
    else if (e.at != e.end)
        saved = PL_SAVED_OTHER;
    set_register(m, number, saved, base, offset);
}

/* Instructions on one register other than the CFA. */
static bool run_register(struct machine *m, uint8_t op, struct pl_cfi_bytes *b)
{
    int64_t data = m->cie->data_align;
    uint64_t number = pl_cfi_uleb(b);
    switch (op) {
    case CFA_OFFSET_EXTENDED:
        set_register(m, number, PL_SAVED_AT, 0, scaled((int64_t)pl_cfi_uleb(b), data));
        return true;
    case CFA_OFFSET_EXTENDED_SF:
        set_register(m, number, PL_SAVED_AT, 0, scaled(pl_cfi_sleb(b), data));
        return true;
    case CFA_GNU_NEGATIVE_OFFSET:
        set_register(m, number, PL_SAVED_AT, 0,
                     scaled(scaled((int64_t)pl_cfi_uleb(b), data), -1));
        return true;
    case CFA_RESTORE_EXTENDED:
        restore_register(m, number);
        return true;
    case CFA_UNDEFINED:
        set_register(m, number, PL_SAVED_UNDEFINED, 0, 0);
        return true;
    case CFA_SAME_VALUE:
        set_register(m, number, PL_SAVED_SAME, 0, 0);
        return true;
    case CFA_EXPRESSION:
    case CFA_VAL_EXPRESSION:
        set_register_expression(m, number, op == CFA_VAL_EXPRESSION,
                                pl_cfi_slice(b, pl_cfi_uleb(b)));
        return true;
    case CFA_REGISTER:
        set_register(m, number, PL_SAVED_IN, pl_cfi_uleb(b), 0);
        return true;
    case CFA_VAL_OFFSET:
    case CFA_VAL_OFFSET_SF: /* signed or not, a LEB of the same length */
        (void)pl_cfi_uleb(b);
        set_register(m, number, PL_SAVED_OTHER, 0, 0);
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
        set_register(m, low, PL_SAVED_AT, 0,
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
