/* Unwind rows: what a module's call-frame rules say, compiled to a sorted array
 * that the signal handler can search without a lock, a call or an allocation.
 *
 * A row file is written once by the drain's side (collector/cfi.c), renamed into
 * place and never changed; the profiled process maps it read-only and shared.
 * x86-64 only so far. Signal-safe set: this header is included by unwind.c.
 *
 * File:  struct pl_rows_header | uint32_t page[page_count + 1] | struct
 * pl_row[row_count] page[p] is the index of the first row whose pc >= p <<
 * PL_ROWS_PAGE_SHIFT; page[page_count] is row_count. */
#ifndef PL_COLLECTOR_ROWS_H
#define PL_COLLECTOR_ROWS_H

#include <stdint.h>

#define PL_ROWS_MAGIC      UINT64_C(0x31303053574f5250) /* "PROWS001" */
#define PL_ROWS_PAGE_SHIFT 10

struct pl_rows_header {
    uint64_t magic;
    uint64_t base; /* ELF virtual address that pc offsets count from */
    uint32_t row_count;
    uint32_t page_count;  /* covers [base, base + page_count << shift) */
    uint32_t fde_count;   /* for the curious */
    uint32_t unsupported; /* rows of kind PL_ROW_UNSUPPORTED with code under them */
};

enum pl_row_kind {
    PL_ROW_NONE,        /* no rule here: gap between functions */
    PL_ROW_SP,          /* CFA = SP + offset */
    PL_ROW_BP,          /* CFA = BP + offset */
    PL_ROW_BP_DEREF,    /* CFA = *(BP + offset): stack realigned through DRAP */
    PL_ROW_PLT,         /* CFA = SP + 8 + (PC & 15 >= 11 ? 8 : 0): lazy binding stub */
    PL_ROW_END,         /* return address undefined: outermost frame */
    PL_ROW_SIGNAL,      /* kernel signal frame: registers lie at SP as ucontext_t */
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

_Static_assert(sizeof(struct pl_row) == 8, "rows are packed for the cache");

#endif
