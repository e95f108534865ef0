/* Strings of a document, each kept once, and a budget for all that parsing keeps: a
 * short body can ask for a lot of memory, and gets what its limit says. */
#ifndef PL_FORMATS_STRINGS_H
#define PL_FORMATS_STRINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pl_budget {
    size_t used, limit; /* bytes */
    bool exceeded;      /* or out of memory */
};

/* Make room for one more of `size` bytes in `*array`. False: over the budget. */
bool pl_budget_grow(struct pl_budget *budget, void **array, size_t count, size_t *cap,
                    size_t size);

struct pl_strings {
    struct pl_budget *budget;
    char *bytes; /* each string with a NUL; offset 0 is "" */
    size_t len, cap;
    uint32_t *table; /* offset + 1; 0 empty */
    size_t table_size, count;
};

void pl_strings_init(struct pl_strings *strings, struct pl_budget *budget);
void pl_strings_deinit(struct pl_strings *strings);

/* Offset of the string; bytes from a NUL on are dropped. 0 also when the budget is
 * exceeded, which its owner looks at in the end. */
uint32_t pl_strings_add(struct pl_strings *strings, const char *text, size_t len);

/* Valid until the next add. */
const char *pl_strings_get(const struct pl_strings *strings, uint32_t at);

#endif
