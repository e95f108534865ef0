#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void pl_buf_init(struct pl_buf *buf, size_t limit)
{
    *buf = (struct pl_buf){.limit = limit};
}

void pl_buf_deinit(struct pl_buf *buf)
{
    free(buf->data);
    *buf = (struct pl_buf){0};
}

void pl_buf_clear(struct pl_buf *buf)
{
    buf->len = 0;
    buf->failed = false;
    if (buf->data)
        buf->data[0] = '\0';
}

/* Make room for `more` bytes and a NUL. */
static bool reserve(struct pl_buf *buf, size_t more)
{
    if (buf->failed)
        return false;
    if (more > buf->limit || buf->len > buf->limit - more) {
        buf->failed = true;
        return false;
    }
    size_t need = buf->len + more + 1;
    if (need <= buf->cap)
        return true;
    size_t cap = buf->cap ? buf->cap : 256;
    while (cap < need)
        cap = cap > SIZE_MAX / 2 ? need : cap * 2;
    char *data = realloc(buf->data, cap);
    if (!data) {
        buf->failed = true;
        return false;
    }
    buf->data = data;
    buf->cap = cap;
    return true;
}

void pl_buf_append(struct pl_buf *buf, const void *bytes, size_t len)
{
    if (!reserve(buf, len))
        return;
    if (len)
        memcpy(buf->data + buf->len, bytes, len);
    buf->len += len;
    buf->data[buf->len] = '\0';
}

void pl_buf_puts(struct pl_buf *buf, const char *text)
{
    pl_buf_append(buf, text, strlen(text));
}

void pl_buf_putc(struct pl_buf *buf, char c)
{
    pl_buf_append(buf, &c, 1);
}

void pl_buf_printf(struct pl_buf *buf, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (len < 0)
        buf->failed = true;
    else if (reserve(buf, (size_t)len)) {
        (void)vsnprintf(buf->data + buf->len, (size_t)len + 1, format, again);
        buf->len += (size_t)len;
    }
    va_end(again);
}

/* Length of the valid UTF-8 sequence at `s`, 0 if there is none. */
static size_t utf8_len(const unsigned char *s)
{
    if (s[0] < 0x80)
        return 1;
    size_t len = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
    if (s[0] < 0xc2 || s[0] > 0xf4)
        return 0;
    for (size_t i = 1; i < len; i++)
        if ((s[i] & 0xc0) != 0x80) /* also stops at the NUL */
            return 0;
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
        (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
        return 0;
    return len;
}

static const char replacement[] = "\xef\xbf\xbd";

void pl_buf_json_escape(struct pl_buf *buf, const char *text)
{
    const unsigned char *s = (const unsigned char *)text;
    while (*s) {
        size_t len = utf8_len(s);
        if (!len) {
            pl_buf_puts(buf, replacement);
            s++;
            continue;
        }
        if (*s == '"' || *s == '\\') {
            pl_buf_putc(buf, '\\');
            pl_buf_putc(buf, (char)*s);
        } else if (*s == '\n') {
            pl_buf_puts(buf, "\\n");
        } else if (*s == '\t') {
            pl_buf_puts(buf, "\\t");
        } else if (*s < 0x20 || *s == 0x7f) {
            pl_buf_printf(buf, "\\u%04x", *s);
        } else {
            pl_buf_append(buf, s, len);
        }
        s += len;
    }
}

void pl_buf_xml_escape(struct pl_buf *buf, const char *text)
{
    const unsigned char *s = (const unsigned char *)text;
    while (*s) {
        size_t len = utf8_len(s);
        if (!len || (*s < 0x20 && *s != '\n' && *s != '\t')) {
            pl_buf_puts(buf, replacement);
            s++;
            continue;
        }
        switch (*s) {
        case '&':
            pl_buf_puts(buf, "&amp;");
            break;
        case '<':
            pl_buf_puts(buf, "&lt;");
            break;
        case '>':
            pl_buf_puts(buf, "&gt;");
            break;
        case '"':
            pl_buf_puts(buf, "&quot;");
            break;
        case '\'':
            pl_buf_puts(buf, "&#39;");
            break;
        default:
            pl_buf_append(buf, s, len);
        }
        s += len;
    }
}

void pl_buf_utf8(struct pl_buf *buf, const char *text)
{
    const unsigned char *s = (const unsigned char *)text;
    while (*s) {
        size_t len = utf8_len(s);
        if (len)
            pl_buf_append(buf, s, len);
        else
            pl_buf_puts(buf, replacement);
        s += len ? len : 1;
    }
}

char *pl_buf_take(struct pl_buf *buf, size_t *len_out)
{
    char *data = NULL;
    if (!buf->failed && reserve(buf, 0)) {
        data = buf->data;
        data[buf->len] = '\0';
        if (len_out)
            *len_out = buf->len;
        buf->data = NULL;
    }
    pl_buf_deinit(buf);
    return data;
}
