#include "process/ranges.h"

#include <stdlib.h>

/* How far back a search looks for a range that starts earlier and reaches over
 * its successors. Real tables hardly overlap; hostile ones must not cost time. */
#define MAX_STEPS_BACK 64

void pl_ranges_deinit(struct pl_ranges *ranges)
{
    free(ranges->rows);
    *ranges = (struct pl_ranges){0};
}

bool pl_ranges_add(struct pl_ranges *ranges, uint64_t lo, uint64_t hi, uint32_t item)
{
    if (lo == 0 || lo >= hi)
        return true;
    if (ranges->count == ranges->cap) {
        size_t cap = ranges->cap ? ranges->cap * 2 : 32;
        struct pl_range *rows = realloc(ranges->rows, cap * sizeof rows[0]);
        if (!rows)
            return false;
        ranges->rows = rows;
        ranges->cap = cap;
    }
    ranges->rows[ranges->count++] = (struct pl_range){lo, hi, item};
    return true;
}

/* By start; of equal starts the narrower last, so that a search finds it. */
static int compare(const void *left, const void *right)
{
    const struct pl_range *a = left, *b = right;
    if (a->lo != b->lo)
        return a->lo < b->lo ? -1 : 1;
    if (a->hi != b->hi)
        return a->hi > b->hi ? -1 : 1;
    return a->item < b->item ? -1 : a->item > b->item;
}

void pl_ranges_sort(struct pl_ranges *ranges)
{
    if (ranges->count)
        qsort(ranges->rows, ranges->count, sizeof ranges->rows[0], compare);
}

bool pl_ranges_find(const struct pl_ranges *ranges, uint64_t address,
                    uint32_t *item_out)
{
    size_t lo = 0, hi = ranges->count;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (ranges->rows[mid].lo <= address)
            lo = mid + 1;
        else
            hi = mid;
    }
    for (size_t back = 0; back < MAX_STEPS_BACK && lo > 0; back++, lo--) {
        if (address < ranges->rows[lo - 1].hi) {
            *item_out = ranges->rows[lo - 1].item;
            return true;
        }
    }
    return false;
}
