/* Text for people: names made harmless, widths, durations, counts, colours. */
#ifndef PL_CLI_TERM_H
#define PL_CLI_TERM_H

#include "base/buf.h"
#include "store/query.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Append `len` bytes of `text` for a terminal: control characters (C0, DEL, C1,
 * direction overrides) become '?', bytes that are not UTF-8 U+FFFD. Tabs and line
 * ends become spaces. */
void pl_term_clean(struct pl_buf *buf, const char *text, size_t len);

/* Columns `text` (clean UTF-8) takes on a terminal. */
size_t pl_term_width(const char *text);

/* Bytes of `text` that fit into `columns`. */
size_t pl_term_fit(const char *text, size_t columns);

/* Sizes big enough for what the functions below write. */
#define PL_TERM_SHORT 32

/* "1.23 s", "45.6 ms", "2 min 05 s", "3 h 12 min". */
void pl_term_duration(char out[static PL_TERM_SHORT], int64_t ns);

/* "1,994". */
void pl_term_count(char out[static PL_TERM_SHORT], int64_t n);

/* "12.3 %" of `whole`; "0.0 %" when there is no whole. */
void pl_term_percent(char out[static PL_TERM_SHORT], int64_t part, int64_t whole);

/* Local time, "2026-08-01 12:30:05"; "-" for 0. */
void pl_term_time(char out[static PL_TERM_SHORT], int64_t unix_ns);

/* What a function is called whose source gave it no name: "(no name)". */
const char *pl_term_name(const char *function);

/* "1 thread", "2 threads": the noun with an s unless n is 1. */
const char *pl_term_plural(int64_t n);

/* "12.3 s wall time, 1,994 samples, 0 lost" */
void pl_term_profile_header(FILE *out, const struct pl_profile *profile);

/* Whether `out` is a terminal that wants colour (NO_COLOR, TERM=dumb). */
bool pl_term_colour(FILE *out);

/* Columns of the terminal `out` goes to; 0: not a terminal. */
size_t pl_term_columns(FILE *out);

/* Whether the locale can show box-drawing characters. */
bool pl_term_unicode(void);

#define PL_BOLD  "\033[1m"
#define PL_DIM   "\033[2m"
#define PL_RESET "\033[0m"

#endif
