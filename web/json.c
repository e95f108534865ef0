#include "web/json.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* By hand: a flame graph holds millions of numbers. */
void pl_json_int(struct pl_buf *out, int64_t value)
{
    char digits[24];
    char *at = digits + sizeof digits;
    uint64_t left = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    do
        *--at = (char)('0' + left % 10);
    while (left /= 10);
    if (value < 0)
        *--at = '-';
    pl_buf_append(out, at, (size_t)(digits + sizeof digits - at));
}

void pl_json_string(struct pl_buf *out, const char *text)
{
    if (!text) {
        pl_buf_puts(out, "null");
        return;
    }
    pl_buf_putc(out, '"');
    pl_buf_json_escape(out, text);
    pl_buf_putc(out, '"');
}

static void put_key(struct pl_buf *out, const char *key)
{
    pl_buf_puts(out, ",\"");
    pl_buf_puts(out, key);
    pl_buf_puts(out, "\":");
}

void pl_json_int_field(struct pl_buf *out, const char *key, int64_t value)
{
    put_key(out, key);
    pl_json_int(out, value);
}

/* Not in the locale's way, and never NaN or infinity: JSON has none. */
void pl_json_real(struct pl_buf *out, double value)
{
    char text[40];
    (void)snprintf(text, sizeof text, "%.9g", value);
    for (char *at = text; *at; at++)
        if (*at == ',')
            *at = '.';
    pl_buf_puts(out, isfinite(value) ? text : "null");
}

void pl_json_real_field(struct pl_buf *out, const char *key, double value)
{
    put_key(out, key);
    pl_json_real(out, value);
}

void pl_json_string_field(struct pl_buf *out, const char *key, const char *text)
{
    put_key(out, key);
    pl_json_string(out, text);
}

void pl_json_tristate(struct pl_buf *out, int8_t value)
{
    pl_buf_puts(out, value == 1 ? "1" : value == 0 ? "0" : "null");
}

void pl_json_column(struct pl_buf *out, const char *key, const void *table,
                    size_t count, pl_json_cell *cell)
{
    pl_buf_putc(out, '"');
    pl_buf_puts(out, key);
    pl_buf_puts(out, "\":[");
    for (size_t row = 0; row < count && !out->failed; row++) {
        if (row)
            pl_buf_putc(out, ',');
        cell(out, table, row);
    }
    pl_buf_putc(out, ']');
}
