#include "base/debug_id.h"

#include "base/id.h"

#include <string.h>

#define BYTES 16

static void format(const unsigned char bytes[static BYTES],
                   char out[static PL_DEBUG_ID_TEXT])
{
    char hex[2 * BYTES + 1];
    size_t to = 0;
    pl_hex_format(bytes, BYTES, hex);
    for (size_t i = 0; i < 2 * BYTES; i++) {
        if (i == 8 || i == 12 || i == 16 || i == 20)
            out[to++] = '-';
        out[to++] = hex[i];
    }
    out[to] = '\0';
}

/* The three fields of a GUID are little-endian numbers. */
static void swap_fields(unsigned char bytes[static BYTES])
{
    static const unsigned char order[BYTES] = {3, 2, 1,  0,  5,  4,  7,  6,
                                               8, 9, 10, 11, 12, 13, 14, 15};
    unsigned char from[BYTES];
    memcpy(from, bytes, BYTES);
    for (size_t i = 0; i < BYTES; i++)
        bytes[i] = from[order[i]];
}

/* Up to `most` bytes of hex digits, dashes skipped. Returns the digits read. */
static size_t read_hex(const char *text, unsigned char *bytes, size_t most)
{
    size_t digits = 0;
    for (; *text && digits < 2 * most; text++) {
        if (*text == '-')
            continue;
        int value = pl_hex_value(*text);
        if (value < 0)
            break;
        bytes[digits / 2] = (unsigned char)(bytes[digits / 2] << 4 | value);
        digits++;
    }
    return digits;
}

bool pl_debug_id_parse(const char *text, char out[static PL_DEBUG_ID_TEXT])
{
    unsigned char bytes[BYTES] = {0};
    out[0] = '\0';
    if (!text || read_hex(text, bytes, BYTES) != 2 * BYTES)
        return false;
    format(bytes, out);
    return true;
}

bool pl_debug_id_of_build_id(const char *build_id, char out[static PL_DEBUG_ID_TEXT])
{
    unsigned char bytes[BYTES] = {0};
    char clean[PL_BUILD_ID_TEXT];
    out[0] = '\0';
    if (!pl_build_id_parse(build_id, clean))
        return false;
    (void)read_hex(clean, bytes, BYTES);
    swap_fields(bytes);
    format(bytes, out);
    return true;
}

void pl_debug_id_build_prefix(const char *debug_id, char out[static PL_DEBUG_ID_PREFIX])
{
    unsigned char bytes[BYTES] = {0};
    (void)read_hex(debug_id, bytes, BYTES);
    swap_fields(bytes);
    pl_hex_format(bytes, BYTES, out);
}

bool pl_build_id_parse(const char *text, char out[static PL_BUILD_ID_TEXT])
{
    size_t len = text ? strnlen(text, PL_BUILD_ID_TEXT) : 0;
    out[0] = '\0';
    if (!len || len % 2 || len >= PL_BUILD_ID_TEXT)
        return false;
    for (size_t i = 0; i < len; i++) {
        int value = pl_hex_value(text[i]);
        if (value < 0) {
            out[0] = '\0';
            return false;
        }
        out[i] = "0123456789abcdef"[value];
    }
    out[len] = '\0';
    return true;
}
