/* Bytes of call-frame information, read in bounds. Inside of cfi.c; see there. */
#ifndef PL_COLLECTOR_CFI_BYTES_H
#define PL_COLLECTOR_CFI_BYTES_H

#include <stdbool.h>
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

#endif
