/* A growing byte buffer with a mandatory limit.
 *
 * Appending past the limit or out of memory marks the buffer failed and
 * changes nothing more: callers append freely and check once at the end. */
#ifndef PL_BASE_BUF_H
#define PL_BASE_BUF_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pl_buf {
    char *data; /* NUL-terminated whenever not NULL; the NUL is not counted */
    size_t len;
    size_t cap;
    size_t limit; /* most bytes it may ever hold */
    bool failed;  /* an append did not fit or memory ran out */
};

/* Caller's storage; `limit` in bytes. Free with pl_buf_deinit. */
void pl_buf_init(struct pl_buf *buf, size_t limit);
void pl_buf_deinit(struct pl_buf *buf);

/* Drop the contents, keep the memory, forgive a failure. */
void pl_buf_clear(struct pl_buf *buf);

void pl_buf_append(struct pl_buf *buf, const void *bytes, size_t len);
void pl_buf_puts(struct pl_buf *buf, const char *text);
void pl_buf_putc(struct pl_buf *buf, char c);
void pl_buf_printf(struct pl_buf *buf, const char *format, ...) PL_PRINTF(2, 3);

/* Append `text` as the inside of a JSON string: escapes ", \ and control
 * bytes; bytes that are not UTF-8 become U+FFFD. */
void pl_buf_json_escape(struct pl_buf *buf, const char *text);

/* Append `text` with & < > " ' escaped for HTML, SVG and XML; control bytes
 * that XML forbids and bytes that are not UTF-8 become U+FFFD. */
void pl_buf_xml_escape(struct pl_buf *buf, const char *text);

/* Append `text`; bytes that are not UTF-8 become U+FFFD. */
void pl_buf_utf8(struct pl_buf *buf, const char *text);

/* Give the bytes away: caller frees with free(). NULL if the buffer failed. */
char *pl_buf_take(struct pl_buf *buf, size_t *len_out);

#endif
