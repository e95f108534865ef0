/* Things numbered in the order they come, for formats that keep them in tables. What
 * does not fit into the budget has number 0, and the budget's owner looks in the end.
 */
#ifndef PL_FORMATS_NUMBERING_H
#define PL_FORMATS_NUMBERING_H

#include "base/buf.h"
#include "formats/strings.h"

/* Keys of four numbers, from 1. All zero is an empty one. */
struct pl_key {
    uint32_t part[4];
};

struct pl_numbering {
    struct pl_key *keys; /* of number i: keys[i - 1] */
    size_t count, cap;
    uint32_t *slots; /* number, 0 empty; their count is a power of two */
    size_t slot_count;
};

uint32_t pl_number(struct pl_numbering *in, struct pl_budget *budget,
                   struct pl_key key);
void pl_numbering_deinit(struct pl_numbering *in);

/* Texts as UTF-8; 0 is "". */
struct pl_texts {
    struct pl_budget *budget;
    struct pl_strings strings;
    struct pl_numbering offsets; /* in `strings` */
    struct pl_buf scratch;
};

void pl_texts_init(struct pl_texts *texts, struct pl_budget *budget);
void pl_texts_deinit(struct pl_texts *texts);

/* Its number; NULL is "". */
uint32_t pl_texts_add(struct pl_texts *texts, const char *text);

/* With "" at 0. */
size_t pl_texts_count(const struct pl_texts *texts);

/* Valid until the next add. */
char *pl_texts_get(const struct pl_texts *texts, size_t number);

#endif
