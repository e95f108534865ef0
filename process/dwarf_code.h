/* The code of a unit by address: its functions, and the calls inlined into them. Part
 * of symbols_dwarf.c.
 *
 * Built as far as questions need it and kept:
 *   unit     ──▶ ranges of its functions      (when an address first falls into it)
 *   function ──▶ ranges of inlined calls      (likewise)
 * The file is hostile: depth is bounded here, time and memory by the worker. */
#ifndef PL_PROCESS_DWARF_CODE_H
#define PL_PROCESS_DWARF_CODE_H

#include "process/ranges.h"

#include <elfutils/libdw.h>
#include <stdbool.h>
#include <stdint.h>

#define PL_DWARF_NONE UINT32_MAX

/* A call that was inlined, and where it was called from. */
struct pl_dwarf_inlined {
    Dwarf_Die die;
    uint32_t parent; /* the call it lies in, or PL_DWARF_NONE: the function itself */
    uint32_t depth;
    uint32_t call_file, call_line, call_column;
};

struct pl_dwarf_function {
    Dwarf_Die die;
    struct pl_dwarf_inlined *inlined;
    size_t inlined_count, inlined_cap;
    struct pl_ranges ranges; /* item: index into inlined */
    bool loaded;
};

struct pl_dwarf_unit {
    Dwarf_Die die;  /* with ranges and lines */
    Dwarf_Die tree; /* with functions: the split unit's DIE, else the same */
    struct pl_dwarf_function *functions;
    size_t function_count, function_cap;
    struct pl_ranges ranges; /* item: index into functions */
    bool loaded, deep;
};

/* Frees what was built; the DIEs stay. */
void pl_dwarf_unit_deinit(struct pl_dwarf_unit *unit);

/* The function at `address`; NULL: none is known. Valid until the next question. */
struct pl_dwarf_function *pl_dwarf_function_at(struct pl_dwarf_unit *unit,
                                               uint64_t address);

/* The innermost inlined call at `address`, an index into `inlined`, or PL_DWARF_NONE.
 */
uint32_t pl_dwarf_inlined_at(struct pl_dwarf_function *function, uint64_t address);

/* Room for one more row of a growing array: `rows_ptr` is the address of its pointer.
 */
bool pl_dwarf_reserve(void *rows_ptr, size_t row_bytes, size_t count, size_t *cap);

/* All that `die` covers. False: out of memory. */
bool pl_dwarf_add_ranges(struct pl_ranges *ranges, Dwarf_Die *die, uint32_t item);

#endif
