/* Small helpers to print JSON objects onto a buffer. */
#ifndef PL_CLI_JSONOUT_H
#define PL_CLI_JSONOUT_H

#include "base/buf.h"

#include <stdio.h>

/* ,"key":"text" or ,"key":null; no comma right after a { or [. */
void pl_cli_json_text(struct pl_buf *buf, const char *key, const char *text);
void pl_cli_json_int(struct pl_buf *buf, const char *key, int64_t value);
/* ,"key": and the value is the caller's. */
void pl_cli_json_key(struct pl_buf *buf, const char *key);
/* A comma unless at the start of an object or array. */
void pl_cli_json_comma(struct pl_buf *buf);

/* Write the buffer and empty it. IO, or NOMEM when it had failed. */
PL_MUST_CHECK enum pl_status pl_cli_json_flush(struct pl_buf *buf, FILE *out,
                                               struct pl_error *err);

#endif
