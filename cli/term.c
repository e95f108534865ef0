#include "cli/term.h"

#include "base/clock.h"

#include <inttypes.h>
#include <langinfo.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>

/* Decode one UTF-8 character of `len` bytes at most. Its length, or 0. */
static size_t decode(const unsigned char *s, size_t len, uint32_t *code_out)
{
    if (!len)
        return 0;
    if (s[0] < 0x80) {
        *code_out = s[0];
        return 1;
    }
    size_t n = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
    if (s[0] < 0xc2 || s[0] > 0xf4 || n > len)
        return 0;
    uint32_t code = s[0] & (0xffu >> (n + 1));
    for (size_t i = 1; i < n; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (s[i] & 0x3f);
    }
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    if (code < least[n] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
        return 0;
    *code_out = code;
    return n;
}

/* Characters that move the cursor, ring, or turn the text around. */
static bool is_control(uint32_t code)
{
    return code < 0x20 || (code >= 0x7f && code < 0xa0) ||
           (code >= 0x200e && code <= 0x200f) || (code >= 0x2028 && code <= 0x202e) ||
           (code >= 0x2066 && code <= 0x2069) || code == 0xfeff;
}

void pl_term_clean(struct pl_buf *buf, const char *text, size_t len)
{
    const unsigned char *s = (const unsigned char *)text;
    for (size_t i = 0; i < len;) {
        uint32_t code = 0;
        size_t n = decode(s + i, len - i, &code);
        if (!n) {
            pl_buf_puts(buf, "\xef\xbf\xbd");
            n = 1;
        } else if (code == '\t' || code == '\n' || code == '\r') {
            pl_buf_putc(buf, ' ');
        } else if (is_control(code)) {
            pl_buf_putc(buf, '?');
        } else {
            pl_buf_append(buf, s + i, n);
        }
        i += n;
    }
}

static size_t char_width(uint32_t code)
{
    if (code < 0x80)
        return 1;
    int width = wcwidth((wchar_t)code);
    return width < 0 ? 1 : (size_t)width;
}

size_t pl_term_fit(const char *text, size_t columns)
{
    const unsigned char *s = (const unsigned char *)text;
    size_t len = strlen(text), at = 0, used = 0;
    while (at < len) {
        uint32_t code = '?';
        size_t n = decode(s + at, len - at, &code);
        size_t width = char_width(code);
        if (used + width > columns)
            break;
        used += width;
        at += n ? n : 1;
    }
    return at;
}

size_t pl_term_width(const char *text)
{
    const unsigned char *s = (const unsigned char *)text;
    size_t len = strlen(text), used = 0;
    for (size_t at = 0; at < len;) {
        uint32_t code = '?';
        size_t n = decode(s + at, len - at, &code);
        used += char_width(code);
        at += n ? n : 1;
    }
    return used;
}

void pl_term_duration(char out[static PL_TERM_SHORT], int64_t ns)
{
    double s = (double)ns / 1e9;
    int64_t whole = ns / PL_NS_PER_S;
    if (ns < 0)
        snprintf(out, PL_TERM_SHORT, "-");
    else if (ns < PL_NS_PER_US)
        snprintf(out, PL_TERM_SHORT, "%" PRId64 " ns", ns);
    else if (ns < PL_NS_PER_MS)
        snprintf(out, PL_TERM_SHORT, "%.0f us", s * 1e6);
    else if (ns < PL_NS_PER_S)
        snprintf(out, PL_TERM_SHORT, "%.*f ms", s < 0.1 ? 1 : 0, s * 1e3);
    else if (whole < 60)
        snprintf(out, PL_TERM_SHORT, "%.2f s", s);
    else if (whole < 3600)
        snprintf(out, PL_TERM_SHORT, "%" PRId64 " min %02" PRId64 " s", whole / 60,
                 whole % 60);
    else
        snprintf(out, PL_TERM_SHORT, "%" PRId64 " h %02" PRId64 " min", whole / 3600,
                 whole / 60 % 60);
}

void pl_term_count(char out[static PL_TERM_SHORT], int64_t n)
{
    char digits[PL_TERM_SHORT];
    int len = snprintf(digits, sizeof digits, "%" PRId64, n);
    int at = 0;
    for (int i = 0; i < len; i++) {
        out[at++] = digits[i];
        int left = len - 1 - i;
        if (left && left % 3 == 0 && digits[i] != '-')
            out[at++] = ',';
    }
    out[at] = '\0';
}

void pl_term_percent(char out[static PL_TERM_SHORT], int64_t part, int64_t whole)
{
    double share = whole > 0 ? 100.0 * (double)part / (double)whole : 0.0;
    snprintf(out, PL_TERM_SHORT, "%.1f %%", share);
}

void pl_term_time(char out[static PL_TERM_SHORT], int64_t unix_ns)
{
    time_t seconds = (time_t)(unix_ns / PL_NS_PER_S);
    struct tm tm;
    if (unix_ns == 0 || !localtime_r(&seconds, &tm) ||
        !strftime(out, PL_TERM_SHORT, "%Y-%m-%d %H:%M:%S", &tm))
        snprintf(out, PL_TERM_SHORT, "-");
}

const char *pl_term_name(const char *function)
{
    return function[0] ? function : "(no name)";
}

const char *pl_term_plural(int64_t n)
{
    return n == 1 ? "" : "s";
}

void pl_term_profile_header(FILE *out, const struct pl_profile *profile)
{
    char total[PL_TERM_SHORT], samples[PL_TERM_SHORT], lost[PL_TERM_SHORT];
    pl_term_duration(total, profile->total_ns);
    pl_term_count(samples, profile->samples);
    pl_term_count(lost, profile->lost);
    fprintf(out, "%s %s time, %s sample%s, %s lost\n", total,
            profile->metric == PL_METRIC_CPU ? "CPU" : "wall", samples,
            pl_term_plural(profile->samples), lost);
}

bool pl_term_colour(FILE *out)
{
    const char *no_color = getenv("NO_COLOR");
    const char *term = getenv("TERM");
    return isatty(fileno(out)) && !(no_color && no_color[0]) && term &&
           strcmp(term, "dumb") != 0;
}

size_t pl_term_columns(FILE *out)
{
    struct winsize size;
    if (!isatty(fileno(out)))
        return 0;
    if (ioctl(fileno(out), TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col;
    return 80;
}

bool pl_term_unicode(void)
{
    return strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}
