/* Address ranges that point at something: filled in any order, sorted once, then
 * searched. Ranges come from files, so they may overlap or nest: a search gives
 * the one that starts last among those that cover the address. */
#ifndef PL_PROCESS_RANGES_H
#define PL_PROCESS_RANGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pl_range {
    uint64_t lo, hi; /* [lo, hi) */
    uint32_t item;
};

struct pl_ranges {
    struct pl_range *rows;
    size_t count, cap;
};

void pl_ranges_deinit(struct pl_ranges *ranges);

/* Empty ranges, and those at address 0 (where linkers leave the debug
 * information of code they dropped), are passed over. False: out of memory. */
bool pl_ranges_add(struct pl_ranges *ranges, uint64_t lo, uint64_t hi, uint32_t item);
void pl_ranges_sort(struct pl_ranges *ranges);
bool pl_ranges_find(const struct pl_ranges *ranges, uint64_t address,
                    uint32_t *item_out);

#endif
