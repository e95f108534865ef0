/* Labels of one session's open chunk: key and value pairs, and the sets of them that
 * a thread had at one time, each kept once.
 *
 * Ids of pairs count from 0; those of sets from 1, and 0 is the empty set. Valid until
 * the table is emptied. */
#ifndef PL_COLLECTOR_DRAIN_LABELS_H
#define PL_COLLECTOR_DRAIN_LABELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PL_LABEL_SET_PAIRS 128u /* most of a set; a thread's block has less room */

/* Byte strings, each once. */
struct pl_blob {
    uint64_t hash;
    size_t first;
    uint32_t bytes;
};

struct pl_blobs {
    struct pl_blob *list;
    size_t count, capacity;
    uint32_t *index; /* open addressing: blob + 1 */
    size_t slots;
    unsigned char *text;
    size_t text_bytes, text_capacity;
};

struct pl_label_sets {
    struct pl_blobs pairs; /* key, NUL, value, NUL */
    struct pl_blobs sets;  /* uint32_t ids of pairs, ascending, each once */
};

/* Ticks of one thread with one set: places in its slot. */
struct pl_label_run {
    uint32_t first, count, set;
};

void pl_label_sets_deinit(struct pl_label_sets *sets);
size_t pl_label_sets_bytes(const struct pl_label_sets *sets);

/* The set that the text of a PL_REC_LABELS spells. 0 also for what makes no sense, and
 * when memory is short. */
uint32_t pl_label_sets_add(struct pl_label_sets *sets, const char *text, size_t bytes);

/* A pair, or a set of pairs there are, as another table had them. False: it makes no
 * sense, or memory is short. */
bool pl_label_sets_put_pair(struct pl_label_sets *sets, const char *text, size_t bytes,
                            uint32_t *id_out);
bool pl_label_sets_put_set(struct pl_label_sets *sets, const uint32_t *pairs,
                           size_t count, uint32_t *id_out);

/* A set of another table in this one. */
uint32_t pl_label_sets_move(struct pl_label_sets *to, const struct pl_label_sets *from,
                            uint32_t set);

/* The pairs of a set; and what a pair says, borrowed until the table grows. */
size_t pl_label_set_pairs(const struct pl_label_sets *sets, uint32_t set,
                          const uint32_t **pairs_out);
void pl_label_pair(const struct pl_label_sets *sets, uint32_t pair,
                   const char **key_out, const char **value_out);

#endif
