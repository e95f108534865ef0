/* Call-frame programs: the byte code of one CIE or FDE, run into rows.
 * Inside of cfi.c; see there. */
#ifndef PL_COLLECTOR_CFI_PROGRAM_H
#define PL_COLLECTOR_CFI_PROGRAM_H

#include "collector/rows.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A cursor over hostile bytes: reading past the end gives 0 and sets `bad`. */
struct pl_cfi_bytes {
    const uint8_t *at, *end;
    uint64_t vaddr; /* virtual address of `at` */
    bool bad;
};

uint64_t pl_cfi_get(struct pl_cfi_bytes *b, unsigned bytes); /* 1, 2, 4 or 8 */
uint64_t pl_cfi_uleb(struct pl_cfi_bytes *b);
int64_t pl_cfi_sleb(struct pl_cfi_bytes *b);
/* The next `bytes` as a cursor of their own. */
struct pl_cfi_bytes pl_cfi_slice(struct pl_cfi_bytes *b, uint64_t bytes);
/* A pointer as DW_EH_PE_* says; sets bad for encodings no x86-64 linker writes. */
uint64_t pl_cfi_pointer(struct pl_cfi_bytes *b, uint8_t encoding);

/* Rows under construction, ascending by pc. */
struct pl_cfi_builder {
    struct pl_row *rows;
    size_t count, capacity;
    uint64_t base;
    bool failed; /* out of memory, or more rows than any real module has */
};

/* From `pc` (>= all before) on, `row` holds. Equal neighbours merge. */
void pl_cfi_add_row(struct pl_cfi_builder *builder, uint64_t pc, struct pl_row row);

enum pl_cfi_cfa {
    PL_CFA_OTHER, /* nothing rows can say */
    PL_CFA_REGISTER,
    PL_CFA_PLT,      /* SP + 8, or + 16 from byte `offset` of each 16-byte stub on */
    PL_CFA_BP_DEREF, /* *(BP + offset) */
    PL_CFA_SP_DEREF, /* *(SP + offset): kernel signal frame */
};

enum pl_cfi_saved {
    PL_SAVED_SAME, /* unchanged */
    PL_SAVED_AT,   /* at CFA + offset */
    PL_SAVED_UNDEFINED,
    PL_SAVED_OTHER,
};

struct pl_cfi_register {
    enum pl_cfi_saved saved;
    int64_t offset;
};

struct pl_cfi_state {
    enum pl_cfi_cfa cfa;
    uint64_t cfa_register;
    int64_t cfa_offset;
    struct pl_cfi_register bp, ra;
};

struct pl_cfi_cie {
    uint64_t code_align;
    int64_t data_align;
    uint8_t pointer_encoding;
    bool has_augmentation_data;
    bool signal_frame;
    struct pl_cfi_bytes instructions;
    struct pl_cfi_state initial; /* after the CIE's instructions */
};

/* Run cie->instructions into cie->initial; false if they make no sense. */
bool pl_cfi_run_initial(struct pl_cfi_cie *cie);

/* Run an FDE's instructions over [start, end) and add its rows. */
void pl_cfi_run(const struct pl_cfi_cie *cie, struct pl_cfi_bytes instructions,
                uint64_t start, uint64_t end, struct pl_cfi_builder *builder);

#endif
