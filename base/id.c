#include "base/id.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

enum pl_status pl_id_new(struct pl_id *id_out, struct pl_error *err)
{
    ssize_t got;
    do
        got = getrandom(id_out->bytes, PL_ID_BYTES, 0);
    while (got < 0 && errno == EINTR);
    if (got != PL_ID_BYTES)
        return pl_error_set(err, PL_IO, "cannot get random bytes: %s", strerror(errno));
    id_out->bytes[6] = (unsigned char)((id_out->bytes[6] & 0x0f) | 0x40);
    id_out->bytes[8] = (unsigned char)((id_out->bytes[8] & 0x3f) | 0x80);
    return PL_OK;
}

void pl_hex_format(const void *bytes, size_t len, char *text_out)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *b = bytes;
    for (size_t i = 0; i < len; i++) {
        text_out[2 * i] = digits[b[i] >> 4];
        text_out[2 * i + 1] = digits[b[i] & 15];
    }
    text_out[2 * len] = '\0';
}

void pl_id_format(const struct pl_id *id, char text_out[static PL_ID_TEXT])
{
    pl_hex_format(id->bytes, PL_ID_BYTES, text_out);
}

int pl_hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool pl_id_parse(const char *text, struct pl_id *id_out)
{
    struct pl_id id = {{0}};
    size_t n = 0;
    for (; *text; text++) {
        if (*text == '-' && n > 0 && n < 2 * PL_ID_BYTES)
            continue;
        int d = pl_hex_value(*text);
        if (d < 0 || n >= 2 * PL_ID_BYTES)
            return false;
        id.bytes[n / 2] = (unsigned char)(id.bytes[n / 2] << 4 | d);
        n++;
    }
    if (n != 2 * PL_ID_BYTES)
        return false;
    *id_out = id;
    return true;
}
