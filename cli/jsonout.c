#include "cli/jsonout.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

void pl_cli_json_comma(struct pl_buf *buf)
{
    char last = buf->len ? buf->data[buf->len - 1] : '{';
    if (last != '{' && last != '[' && last != ':')
        pl_buf_putc(buf, ',');
}

void pl_cli_json_key(struct pl_buf *buf, const char *key)
{
    pl_cli_json_comma(buf);
    pl_buf_putc(buf, '"');
    pl_buf_json_escape(buf, key);
    pl_buf_puts(buf, "\":");
}

void pl_cli_json_text(struct pl_buf *buf, const char *key, const char *text)
{
    pl_cli_json_key(buf, key);
    if (!text) {
        pl_buf_puts(buf, "null");
        return;
    }
    pl_buf_putc(buf, '"');
    pl_buf_json_escape(buf, text);
    pl_buf_putc(buf, '"');
}

void pl_cli_json_int(struct pl_buf *buf, const char *key, int64_t value)
{
    pl_cli_json_key(buf, key);
    pl_buf_printf(buf, "%" PRId64, value);
}

enum pl_status pl_cli_json_flush(struct pl_buf *buf, FILE *out, struct pl_error *err)
{
    if (buf->failed)
        return pl_error_set(err, PL_NOMEM, "out of memory for the output");
    if (buf->len && fwrite(buf->data, 1, buf->len, out) != buf->len)
        return pl_error_set(err, PL_IO, "cannot write the output: %s", strerror(errno));
    pl_buf_clear(buf);
    return PL_OK;
}
