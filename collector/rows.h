/* Unwind rows: what a module's call-frame rules say, compiled to a sorted array
 * that the signal handler can search without a lock, a call or an allocation.
 *
 * A row file is written once by the drain's side (collector/cfi.c), renamed into
 * place and never changed; the profiled process maps it read-only and shared.
 * x86-64 only so far. Signal-safe set: this header is included by unwind.c.
 *
 * File:  struct pl_rows_header | uint32_t page[page_count + 1] |
 *        struct pl_row[row_count] | struct pl_wide_rule[wide_count]
 * page[p] is the index of the first row whose pc >= p << PL_ROWS_PAGE_SHIFT;
 * page[page_count] is row_count. */
#ifndef PL_COLLECTOR_ROWS_H
#define PL_COLLECTOR_ROWS_H

#include <stdint.h>

#define PL_ROWS_MAGIC      UINT64_C(0x32303053574f5250) /* "PROWS002" */
#define PL_ROWS_PAGE_SHIFT 10

struct pl_rows_header {
    uint64_t magic;
    uint64_t base; /* ELF virtual address that pc offsets count from */
    uint32_t row_count;
    uint32_t page_count;  /* covers [base, base + page_count << shift) */
    uint32_t fde_count;   /* for the curious */
    uint32_t unsupported; /* rows of kind PL_ROW_UNSUPPORTED with code under them */
    uint32_t wide_count;
    uint32_t check; /* sum over what follows, for files kept (rowkeep.h) */
};

enum pl_row_kind {
    PL_ROW_NONE,        /* no rule here: gap between functions */
    PL_ROW_SP,          /* CFA = SP + offset */
    PL_ROW_BP,          /* CFA = BP + offset */
    PL_ROW_BP_DEREF,    /* CFA = *(BP + offset): stack realigned through DRAP */
    PL_ROW_PLT,         /* CFA = SP + 8 + (PC & 15 >= 11 ? 8 : 0): lazy binding stub */
    PL_ROW_END,         /* return address undefined: outermost frame */
    PL_ROW_SIGNAL,      /* kernel signal frame: registers lie at SP as ucontext_t */
    PL_ROW_WIDE,        /* see the wide rule of index (uint16_t)cfa_offset */
    PL_ROW_UNSUPPORTED, /* a rule rows cannot express: hand over to libunwind */
};

/* Valid from `pc` up to the next row's pc. The return address is at CFA-8. */
struct pl_row {
    uint32_t pc;        /* offset from header.base */
    int16_t cfa_offset; /* bytes */
    uint8_t kind;       /* enum pl_row_kind */
    int8_t bp;          /* caller's BP: 0 unchanged, else at CFA + 8*bp (negative);
                           PL_ROW_BP_LOST: not recoverable from here */
};
#define PL_ROW_BP_LOST INT8_C(127)

/* What is too rare or too large for a row: offsets beyond its fields, registers other
 * than SP and BP, stacks realigned or switched. Each of the four values the caller
 * goes on with is found in a way of its own. */
enum pl_wide_how {
    PL_WIDE_SAME,  /* BP: unchanged; SP: the CFA */
    PL_WIDE_CFA,   /* saved at CFA + offset */
    PL_WIDE_AT,    /* saved at register + offset */
    PL_WIDE_VALUE, /* register + offset itself */
    PL_WIDE_LOST,
};

struct pl_wide_value {
    int32_t offset;
    uint8_t how;    /* enum pl_wide_how */
    uint8_t number; /* the register's, as DWARF counts: 6 is BP, 7 SP; below 16 */
    uint8_t spare[2];
};

struct pl_wide_rule {
    struct pl_wide_value cfa; /* AT or VALUE */
    int32_t cfa_add;          /* to what was found */
    struct pl_wide_value pc, bp, sp;
};

_Static_assert(sizeof(struct pl_wide_rule) == 36, "the file's layout");
_Static_assert(sizeof(struct pl_row) == 8, "rows are packed for the cache");

/* Size of the file that the header is of. */
static inline uint64_t pl_rows_bytes(const struct pl_rows_header *header)
{
    return sizeof *header + 4 * ((uint64_t)header->page_count + 1) +
           sizeof(struct pl_row) * (uint64_t)header->row_count +
           sizeof(struct pl_wide_rule) * (uint64_t)header->wide_count;
}

/* Can a file with this content, aligned to 8, be searched without leaving it? */
static inline _Bool pl_rows_valid(const void *file, uint64_t bytes)
{
    const struct pl_rows_header *rows = file;
    if (bytes < sizeof *rows || rows->magic != PL_ROWS_MAGIC ||
        bytes != pl_rows_bytes(rows))
        return 0;
    const uint32_t *page = (const void *)(rows + 1);
    for (uint32_t i = 0; i < rows->page_count; i++) {
        if (page[i] > page[i + 1])
            return 0;
    }
    return page[rows->page_count] == rows->row_count;
}

#endif
