/* CFI: compile a module's .eh_frame to unwind rows (rows.h).
 *
 * The compiler runs every function's call-frame program once, outside the
 * profiled threads, and writes down what matters for x86-64: the CFA rule, where
 * the caller's BP is saved, whether the frame is the outermost. What rows cannot
 * say becomes PL_ROW_UNSUPPORTED. Input is hostile: no bytes make it crash, hang
 * or use memory without bound. */
#ifndef PL_COLLECTOR_CFI_H
#define PL_COLLECTOR_CFI_H

#include "base/error.h"
#include "collector/elf_image.h"
#include "collector/rows.h"

struct pl_cfi_rows {
    struct pl_rows_header header;
    uint32_t *pages; /* header.page_count + 1 */
    struct pl_row *rows;
    struct pl_wide_rule *wide; /* header.wide_count; NULL: none */
};

/* Ownership  caller deinits rows_out, also after an error (then it is empty).
 * Errors  NOT_FOUND no call-frame information; INPUT nothing usable in it; NOMEM.
 * Threads  any. */
PL_MUST_CHECK enum pl_status pl_cfi_compile(const struct pl_elf_image *elf,
                                            struct pl_cfi_rows *rows_out,
                                            struct pl_error *err);
void pl_cfi_rows_deinit(struct pl_cfi_rows *rows);

/* The row for an ELF virtual address; kind PL_ROW_NONE where there is none. */
struct pl_row pl_cfi_rows_find(const struct pl_cfi_rows *rows, uint64_t vaddr);

#endif
