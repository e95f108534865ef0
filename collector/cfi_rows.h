/* Rows under construction: from the state of a call-frame program to the row, or the
 * wide rule, that says the same. Inside of cfi.c; see there. */
#ifndef PL_COLLECTOR_CFI_ROWS_H
#define PL_COLLECTOR_CFI_ROWS_H

#include "collector/rows.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* DWARF numbers of x86-64 registers */
enum { PL_REG_BP = 6, PL_REG_SP = 7, PL_REG_RA = 16 };

enum pl_cfi_cfa {
    PL_CFA_OTHER,    /* nothing rows can say */
    PL_CFA_REGISTER, /* register + offset */
    PL_CFA_DEREF,    /* *(register + offset) + add */
    PL_CFA_PLT,      /* SP + 8, or + 16 from byte `offset` of each 16-byte stub on */
};

enum pl_cfi_saved {
    PL_SAVED_SAME,     /* unchanged (SP: the CFA) */
    PL_SAVED_AT,       /* at CFA + offset */
    PL_SAVED_AT_OTHER, /* at register + offset */
    PL_SAVED_IN,       /* it is register + offset */
    PL_SAVED_UNDEFINED,
    PL_SAVED_OTHER, /* nothing rows can say */
};

struct pl_cfi_register {
    enum pl_cfi_saved saved;
    uint64_t number; /* of the register of AT_OTHER and IN */
    int64_t offset;
};

struct pl_cfi_state {
    enum pl_cfi_cfa cfa;
    uint64_t cfa_register;
    int64_t cfa_offset, cfa_add;
    struct pl_cfi_register bp, ra, sp;
};

/* Ascending by pc. */
struct pl_cfi_builder {
    struct pl_row *rows;
    size_t count, capacity;
    struct pl_wide_rule *wide;
    size_t wide_count, wide_capacity;
    uint64_t base;
    bool failed; /* out of memory, or more rows than any real module has */
};

/* From `pc` (>= all before) on, `row` holds. Equal neighbours merge. */
void pl_cfi_add_row(struct pl_cfi_builder *builder, uint64_t pc, struct pl_row row);

/* From `pc` up to `end` the state holds. */
void pl_cfi_add_state(struct pl_cfi_builder *builder, uint64_t pc, uint64_t end,
                      const struct pl_cfi_state *state, bool signal_frame);

#endif
