/* Numbers and times as documents write them, to integers without a float between. */
#ifndef PL_FORMATS_DECIMAL_H
#define PL_FORMATS_DECIMAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* "1795345189.3353858" with `digits` 9: nanoseconds. What is finer is rounded.
 * False: not a number, negative, or past 64 bits. */
bool pl_decimal_scale(const char *text, size_t len, int digits, int64_t *value_out);

/* "2026-11-22T10:58:39.759801Z", also with an offset or a space for the T: Unix
 * nanoseconds. */
bool pl_decimal_rfc3339(const char *text, int64_t *ns_out);

/* "0x1f", "1f" with `hex`, or decimal digits. */
bool pl_decimal_u64(const char *text, size_t len, bool hex, uint64_t *value_out);

#endif
