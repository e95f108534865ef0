/* Codec: the blobs of part, slot and stack (docs/FORMAT.md).
 *
 * Numbers are decimal digits, one per nibble, high nibble first, because a bare
 * SQLite shell can read those: hex() prints them. Nibble A ends a number, B before
 * one is a minus sign (in rollups it parts the fields of an entry), C..F end a run and
 * mean x2..x5; a blob is padded with A.
 * Decoders take bytes of a file, which are hostile: they never read past the
 * blob, and give up with `damaged` set. No allocation here but in pl_nibbles. */
#ifndef PL_STORE_CODEC_H
#define PL_STORE_CODEC_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PL_RUN_UNIT       INT64_C(1000000000) /* count*PL_RUN_UNIT + id */
#define PL_STACK_ID_LIMIT 1000000000          /* ids are below */
#define PL_TICK_BIAS      5000

/* ---- decoding ---- */

struct pl_digits {
    const unsigned char *bytes;
    size_t at, end; /* in nibbles */
    bool damaged;
};

/* `blob` may be NULL when `len` is 0. Borrowed until the last call. */
void pl_digits_init(struct pl_digits *digits, const void *blob, size_t len);

/* The next number of a list (frame ids of a stack); false at the end
 * or, with `damaged`, when the bytes make no sense. */
bool pl_digits_next(struct pl_digits *digits, int64_t *value_out);

/* Up to `most` numbers at once, as far as they are plain: what follows is for
 * pl_digits_next.  Returns how many. */
size_t pl_digits_plain(struct pl_digits *digits, uint32_t *values, size_t most);

/* ---- words of 16 nibbles ---- */

/* The bit above which each nibble A..F of the word ends. */
static inline uint64_t pl_word_ends(uint64_t word)
{
    return word & (word << 1 | word << 2) & UINT64_C(0x8888888888888888);
}

/* Up to eight digits, one per nibble, to binary. */
static inline uint32_t pl_word_value(uint32_t digits)
{
    uint32_t v = (digits >> 4 & 0x0f0f0f0f) * 10 + (digits & 0x0f0f0f0f);
    v = (v >> 8 & 0x00ff00ff) * 100 + (v & 0x00ff00ff);
    return (v >> 16) * 10000 + (v & 0xffff);
}

/* The next entry of a list of entries (rollup.sums): numbers >= 0 with B between
 * them; as above. More than `most` of them are damage. */
bool pl_digits_fields(struct pl_digits *digits, int64_t *fields, size_t most,
                      size_t *count_out);

struct pl_run {
    uint32_t stack; /* 0: no sample at these ticks */
    uint32_t count; /* at least 1 */
    bool off_cpu;   /* the minus sign; means something if slot.cpu_known */
};

/* The next run of slot.runs; as above. */
bool pl_runs_next(struct pl_digits *digits, struct pl_run *run_out);

/* Times of a part's ticks or a slot's own (width 4). */
struct pl_ticks {
    const unsigned char *bytes;
    size_t count;
    unsigned width;
    int64_t origin_ns, period_ns, unit_ns;
};

/* False: the blob's length is not count*width, width not 2 or 4, or the
 * numbers would leave the range of int64. */
PL_MUST_CHECK bool pl_ticks_init(struct pl_ticks *ticks, const void *blob, size_t len,
                                 int64_t width, int64_t origin_ns, int64_t period_ns,
                                 int64_t unit_ns);

/* Unix ns of tick `index`; past the end (a damaged slot), at a missed tick and
 * at nibbles that are no digits: what the grid says. */
int64_t pl_ticks_at(const struct pl_ticks *ticks, size_t index);
bool pl_ticks_missed(const struct pl_ticks *ticks, size_t index);

struct pl_weights {
    const unsigned char *bytes;
    size_t count; /* one per run */
    size_t width; /* bytes of each */
    int64_t unit;
};

/* False: the length is no multiple of run_count, or a number too wide. */
PL_MUST_CHECK bool pl_weights_init(struct pl_weights *weights, const void *blob,
                                   size_t len, size_t run_count, int64_t unit);

/* What one sample of the run weighs (ns, or the slot's unit); 0 past the end. */
int64_t pl_weights_at(const struct pl_weights *weights, size_t run);

/* ---- encoding ---- */

/* A growing row of nibbles. Out of memory marks it failed; check once. */
struct pl_nibbles {
    unsigned char *bytes; /* owned */
    size_t count;         /* nibbles */
    size_t cap;           /* bytes */
    bool failed;
};

void pl_nibbles_deinit(struct pl_nibbles *nibbles);
void pl_nibbles_clear(struct pl_nibbles *nibbles);
void pl_nibbles_number(struct pl_nibbles *nibbles, int64_t value);
void pl_nibbles_fields(struct pl_nibbles *nibbles, const int64_t *fields, size_t count);
void pl_nibbles_run(struct pl_nibbles *nibbles, struct pl_run run);

/* Pad to whole bytes; the blob is bytes[0 .. result-1]. */
size_t pl_nibbles_finish(struct pl_nibbles *nibbles);

/* How `count` times (Unix, INT64_MIN: missed) are best stored: width 2 around a
 * grid of period_ns if every time lies within reach of it, else width 4. */
struct pl_tick_plan {
    unsigned width;
    int64_t origin_ns, period_ns, unit_ns;
};
/* INPUT: the times span more than 99 s, so no width holds them. */
PL_MUST_CHECK enum pl_status pl_ticks_plan(const int64_t *times_ns, size_t count,
                                           int64_t period_ns,
                                           struct pl_tick_plan *plan_out,
                                           struct pl_error *err);
/* Writes count*plan->width bytes. Stored times are the true ones rounded up to the
 * unit, so that no sample comes to lie before its part. */
void pl_ticks_encode(const struct pl_tick_plan *plan, const int64_t *times_ns,
                     size_t count, unsigned char *bytes_out);

/* Width and unit for a list of weights: the unit is the period if all are
 * multiples of it, else 1. */
struct pl_weight_plan {
    size_t width;
    int64_t unit;
};
void pl_weights_plan(const int64_t *weights, size_t count, int64_t period_ns,
                     struct pl_weight_plan *plan_out);
/* Writes count*plan->width bytes. */
void pl_weights_encode(const struct pl_weight_plan *plan, const int64_t *weights,
                       size_t count, unsigned char *bytes_out);

#endif
