/* Writing JSON into a buffer: for answers too large to build as objects first.
 * Callers write the structure; these write values. */
#ifndef PL_WEB_JSON_H
#define PL_WEB_JSON_H

#include "base/buf.h"

void pl_json_int(struct pl_buf *out, int64_t value);
void pl_json_string(struct pl_buf *out, const char *text); /* NULL: null */

/* A share, a probability: nine digits. */
void pl_json_real(struct pl_buf *out, double value);

/* `,"key":value`; `key` is one of ours: plain. */
void pl_json_int_field(struct pl_buf *out, const char *key, int64_t value);
void pl_json_real_field(struct pl_buf *out, const char *key, double value);
void pl_json_string_field(struct pl_buf *out, const char *key, const char *text);

/* 1, 0 and, for -1, null. */
void pl_json_tristate(struct pl_buf *out, int8_t value);

/* `"key":[cell 0,cell 1,...]`: one column of a table of `count` rows. */
typedef void pl_json_cell(struct pl_buf *out, const void *table, size_t row);
void pl_json_column(struct pl_buf *out, const char *key, const void *table,
                    size_t count, pl_json_cell *cell);

#endif
