#include "collector/cfi_rows.h"

#include <stdlib.h>
#include <string.h>

#define MAX_ROWS  (16u << 20) /* 128 MiB; the largest programs have 2-3 million */
#define MAX_WIDE  65536u
#define LOOK_BACK 64u /* for a wide rule like the one wanted */

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

static bool fits(int64_t value, int64_t least, int64_t most)
{
    return value >= least && value <= most;
}

static bool to_wide(const struct pl_cfi_register *from, struct pl_wide_value *to)
{
    static const uint8_t hows[] = {
        [PL_SAVED_SAME] = PL_WIDE_SAME,      [PL_SAVED_AT] = PL_WIDE_CFA,
        [PL_SAVED_AT_OTHER] = PL_WIDE_AT,    [PL_SAVED_IN] = PL_WIDE_VALUE,
        [PL_SAVED_UNDEFINED] = PL_WIDE_LOST, [PL_SAVED_OTHER] = PL_WIDE_LOST};
    *to = (struct pl_wide_value){.how = hows[from->saved]};
    if (to->how == PL_WIDE_SAME || to->how == PL_WIDE_LOST)
        return true;
    to->offset = (int32_t)from->offset;
    to->number = (uint8_t)from->number;
    return from->number < PL_REG_RA && fits(from->offset, INT32_MIN, INT32_MAX);
}

static bool wide_rule(const struct pl_cfi_state *s, struct pl_wide_rule *rule)
{
    *rule = (struct pl_wide_rule){.cfa_add = (int32_t)s->cfa_add};
    struct pl_cfi_register cfa = {.saved = s->cfa == PL_CFA_DEREF ? PL_SAVED_AT_OTHER
                                                                  : PL_SAVED_IN,
                                  .number = s->cfa_register,
                                  .offset = s->cfa_offset};
    if ((s->cfa != PL_CFA_REGISTER && s->cfa != PL_CFA_DEREF) ||
        !fits(s->cfa_add, INT32_MIN, INT32_MAX) || !to_wide(&cfa, &rule->cfa) ||
        !to_wide(&s->ra, &rule->pc) || !to_wide(&s->sp, &rule->sp))
        return false;
    if (!to_wide(&s->bp, &rule->bp))
        rule->bp = (struct pl_wide_value){.how = PL_WIDE_LOST};
    return rule->pc.how != PL_WIDE_SAME && rule->pc.how != PL_WIDE_LOST &&
           rule->sp.how != PL_WIDE_LOST;
}

/* The row that refers to a wide rule, which there may be already. */
static struct pl_row wide_row(struct pl_cfi_builder *b, const struct pl_cfi_state *s)
{
    struct pl_row row = {.kind = PL_ROW_UNSUPPORTED};
    struct pl_wide_rule rule;
    if (!wide_rule(s, &rule))
        return row;
    size_t at = b->wide_count;
    for (size_t back = 1; back <= LOOK_BACK && back <= b->wide_count; back++)
        if (memcmp(&b->wide[b->wide_count - back], &rule, sizeof rule) == 0)
            at = b->wide_count - back;
    if (at == MAX_WIDE)
        return row;
    if (at == b->wide_capacity) {
        size_t capacity = b->wide_capacity ? 2 * b->wide_capacity : 64;
        struct pl_wide_rule *wide = realloc(b->wide, capacity * sizeof *wide);
        if (!wide) {
            b->failed = true;
            return row;
        }
        b->wide = wide;
        b->wide_capacity = capacity;
    }
    if (at == b->wide_count)
        b->wide[b->wide_count++] = rule;
    row.kind = PL_ROW_WIDE;
    row.cfa_offset = (int16_t)(uint16_t)at;
    return row;
}

/* Where BP is, if a row can say it: 0 unchanged, else as in struct pl_row. */
static bool bp_slot(const struct pl_cfi_register *bp, int8_t *slot)
{
    *slot = 0;
    if (bp->saved == PL_SAVED_SAME)
        return true;
    *slot = bp->saved == PL_SAVED_AT ? (int8_t)(bp->offset / 8) : PL_ROW_BP_LOST;
    if (bp->saved == PL_SAVED_AT)
        return bp->offset % 8 == 0 && fits(bp->offset, 8 * INT8_MIN, -8);
    return bp->saved == PL_SAVED_UNDEFINED || bp->saved == PL_SAVED_OTHER;
}

static struct pl_row row_of(struct pl_cfi_builder *builder,
                            const struct pl_cfi_state *s, bool signal_frame)
{
    struct pl_row row = {.kind = PL_ROW_UNSUPPORTED};
    const int64_t ucontext_sp = 160; /* offset of RSP in the kernel's ucontext_t */
    if (signal_frame) {
        if (s->cfa == PL_CFA_DEREF && s->cfa_register == PL_REG_SP &&
            s->cfa_offset == ucontext_sp && !s->cfa_add)
            row.kind = PL_ROW_SIGNAL;
        return row;
    }
    if (s->ra.saved == PL_SAVED_UNDEFINED) {
        row.kind = PL_ROW_END;
        return row;
    }
    bool by_sp = s->cfa == PL_CFA_REGISTER && s->cfa_register == PL_REG_SP;
    bool by_bp = s->cfa == PL_CFA_REGISTER && s->cfa_register == PL_REG_BP;
    bool deref = s->cfa == PL_CFA_DEREF && s->cfa_register == PL_REG_BP && !s->cfa_add;
    if (!(by_sp || by_bp || deref) || s->sp.saved != PL_SAVED_SAME ||
        s->ra.saved != PL_SAVED_AT || s->ra.offset != -8 ||
        !fits(s->cfa_offset, INT16_MIN, INT16_MAX) || !bp_slot(&s->bp, &row.bp))
        return wide_row(builder, s);
    row.kind = by_sp ? PL_ROW_SP : by_bp ? PL_ROW_BP : PL_ROW_BP_DEREF;
    row.cfa_offset = (int16_t)s->cfa_offset;
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

void pl_cfi_add_state(struct pl_cfi_builder *builder, uint64_t pc, uint64_t end,
                      const struct pl_cfi_state *state, bool signal_frame)
{
    if (state->cfa == PL_CFA_PLT && state->ra.saved == PL_SAVED_AT &&
        state->ra.offset == -8)
        add_plt_rows(builder, pc, end, state->cfa_offset);
    else
        pl_cfi_add_row(builder, pc, row_of(builder, state, signal_frame));
}
