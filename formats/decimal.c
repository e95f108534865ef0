#include "formats/decimal.h"

#include "base/id.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SAFE_DIGITS 18 /* whatever they are, they fit */

static bool is_digit(char c)
{
    return (unsigned char)(c - '0') < 10;
}

/* Digits of text[at, end) behind those of `*value`, of which there are `*count`.
 * Returns where they end; SIZE_MAX if they do not fit. */
static size_t take_digits(const char *text, size_t at, size_t end, int64_t *value,
                          int *count)
{
    int64_t sum = *value;
    int known = *count;
    for (; at < end && is_digit(text[at]) && known < SAFE_DIGITS; at++, known++)
        sum = sum * 10 + (text[at] - '0');
    for (; at < end && is_digit(text[at]); at++, known++)
        if (__builtin_mul_overflow(sum, INT64_C(10), &sum) ||
            __builtin_add_overflow(sum, (int64_t)(text[at] - '0'), &sum))
            return SIZE_MAX;
    *value = sum;
    *count = known;
    return at;
}

static bool shift(int64_t *value, int digits)
{
    int64_t factor = 1;
    for (; digits; digits--)
        factor *= 10;
    return !__builtin_mul_overflow(*value, factor, value);
}

/* "1.7953e9" is rare: by way of a double. */
static bool scale_float(const char *text, size_t len, int digits, int64_t *value_out)
{
    char copy[64];
    if (len >= sizeof copy)
        return false;
    memcpy(copy, text, len);
    copy[len] = '\0';
    char *end;
    double value = strtod(copy, &end) * pow(10, digits);
    if (*end || !isfinite(value) || value < 0 || value >= 9.2e18)
        return false;
    *value_out = (int64_t)(value + .5);
    return true;
}

bool pl_decimal_scale(const char *text, size_t len, int digits, int64_t *value_out)
{
    int64_t value = 0;
    int count = 0, missing = digits;
    bool up = false;
    size_t at = take_digits(text, 0, len, &value, &count);
    if (!at || at == SIZE_MAX)
        return false;
    if (at < len && text[at] == '.') {
        size_t from = at + 1, end = from + (size_t)digits;
        at = take_digits(text, from, end < len ? end : len, &value, &count);
        if (at == SIZE_MAX)
            return false;
        missing -= (int)(at - from);
        up = at == end && at < len && is_digit(text[at]) && text[at] >= '5';
        while (at < len && is_digit(text[at]))
            at++;
    }
    if (at < len)
        return (text[at] | 32) == 'e' && scale_float(text, len, digits, value_out);
    if (!shift(&value, missing) ||
        (up && __builtin_add_overflow(value, INT64_C(1), &value)))
        return false;
    *value_out = value;
    return true;
}

/* "Z", "+02:00", or nothing. */
static bool parse_offset(const char *text, int64_t *seconds_out)
{
    int hours, minutes, len = 0;
    *seconds_out = 0;
    if (!*text || strcmp(text, "Z") == 0 || strcmp(text, "z") == 0)
        return true;
    if ((*text != '+' && *text != '-') ||
        sscanf(text + 1, "%2d:%2d%n", &hours, &minutes, &len) != 2 || text[1 + len])
        return false;
    *seconds_out = (*text == '-' ? -1 : 1) * (hours * INT64_C(3600) + minutes * 60);
    return true;
}

bool pl_decimal_rfc3339(const char *text, int64_t *ns_out)
{
    struct tm tm = {0};
    int len = 0;
    int64_t fraction = 0, offset;
    char t;
    if (sscanf(text, "%4d-%2d-%2d%c%2d:%2d:%2d%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday,
               &t, &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &len) != 7 ||
        !len || !strchr("Tt ", t) || tm.tm_year < 1970 || tm.tm_year > 2200 ||
        tm.tm_mon < 1 || tm.tm_mon > 12)
        return false;
    text += len;
    if (*text == '.') {
        char digits[32] = "0";
        size_t count = strspn(text + 1, "0123456789");
        if (!count || count > 28)
            return false;
        memcpy(digits + 1, text, count + 1);
        if (!pl_decimal_scale(digits, count + 2, 9, &fraction))
            return false;
        text += count + 1;
    }
    if (!parse_offset(text, &offset))
        return false;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    *ns_out = ((int64_t)timegm(&tm) - offset) * INT64_C(1000000000) + fraction;
    return *ns_out >= 0;
}

bool pl_decimal_u64(const char *text, size_t len, bool hex, uint64_t *value_out)
{
    uint64_t value = 0, base = hex ? 16 : 10;
    if (len > 2 && text[0] == '0' && (text[1] | 32) == 'x') {
        base = 16;
        text += 2;
        len -= 2;
    }
    if (!len || len > 20)
        return false;
    for (size_t i = 0; i < len; i++) {
        int digit = pl_hex_value(text[i]);
        if (digit < 0 || (uint64_t)digit >= base ||
            __builtin_mul_overflow(value, base, &value) ||
            __builtin_add_overflow(value, (uint64_t)digit, &value))
            return false;
    }
    *value_out = value;
    return true;
}
