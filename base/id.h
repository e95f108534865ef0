/* 128-bit random identifiers, written as 32 lower-case hex digits
 * (Sentry's form: a UUID v4 without dashes). */
#ifndef PL_BASE_ID_H
#define PL_BASE_ID_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PL_ID_BYTES 16
#define PL_ID_TEXT  33 /* 32 digits and a NUL */

struct pl_id {
    unsigned char bytes[PL_ID_BYTES];
};

/* A fresh random id (version and variant bits of UUID v4 set).
 * Errors  IO when the kernel gives no randomness. */
PL_MUST_CHECK enum pl_status pl_id_new(struct pl_id *id_out, struct pl_error *err);

void pl_id_format(const struct pl_id *id, char text_out[static PL_ID_TEXT]);

/* Accepts 32 hex digits, dashes anywhere between; false otherwise. */
PL_MUST_CHECK bool pl_id_parse(const char *text, struct pl_id *id_out);

/* `len` bytes as 2*len lower-case hex digits and a NUL. */
void pl_hex_format(const void *bytes, size_t len, char *text_out);

/* Of one hex digit; -1: it is none. */
int pl_hex_value(char c);

#endif
