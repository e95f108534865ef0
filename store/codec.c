#include "store/codec.h"

#include "base/clock.h"

#include <stdlib.h>
#include <string.h>

enum { END = 0xa, MINUS = 0xb, BETWEEN = 0xb, TIMES_2 = 0xc };

/* ---- numbers and runs ---- */

void pl_digits_init(struct pl_digits *digits, const void *blob, size_t len)
{
    *digits = (struct pl_digits){.bytes = blob, .end = 2 * len};
}

static unsigned nibble(const struct pl_digits *digits, size_t at)
{
    unsigned byte = digits->bytes[at / 2];
    return at & 1 ? byte & 15 : byte >> 4;
}

/* Digits, then the nibble that ended them. False at the end or when damaged. A
 * lone A is padding and may stand at the end only. */
static bool next_number(struct pl_digits *digits, uint64_t *value_out, bool *minus_out,
                        unsigned *end_out)
{
    size_t at = digits->at, end = digits->end;
    uint64_t value = 0;
    bool minus = false;
    size_t first = at;
    if (at < end && nibble(digits, at) == MINUS) {
        minus = true;
        first = ++at;
    }
    for (; at < end; at++) {
        unsigned n = nibble(digits, at);
        if (n < 10) {
            if (value > ((uint64_t)INT64_MAX - n) / 10)
                break;
            value = value * 10 + n;
            continue;
        }
        if (at == first || n == MINUS)
            break;
        digits->at = at + 1;
        *value_out = value;
        *minus_out = minus;
        *end_out = n;
        return true;
    }
    bool padding = !minus && at == first && at + 1 >= end;
    if (!padding || (at < end && nibble(digits, at) != END))
        digits->damaged = true;
    digits->at = end;
    return false;
}

bool pl_digits_next(struct pl_digits *digits, int64_t *value_out)
{
    uint64_t value;
    bool minus;
    unsigned end;
    if (!next_number(digits, &value, &minus, &end))
        return false;
    if (end != END) {
        digits->damaged = true;
        digits->at = digits->end;
        return false;
    }
    *value_out = minus ? -(int64_t)value : (int64_t)value;
    return true;
}

/* The nibbles from `at` on, high one first; behind the end, zeros. */
static uint64_t load_word(const struct pl_digits *digits, size_t at)
{
    size_t from = at / 2, len = digits->end / 2;
    uint64_t word = 0;
    if (from + sizeof word <= len) {
        memcpy(&word, digits->bytes + from, sizeof word);
        word = __builtin_bswap64(word);
    } else {
        for (size_t i = from; i < len; i++)
            word |= (uint64_t)digits->bytes[i] << (56 - 8 * (i - from));
    }
    return word << (at & 1 ? 4 : 0);
}

size_t pl_digits_plain(struct pl_digits *digits, uint32_t *values, size_t most)
{
    size_t count = 0;
    while (count < most) {
        uint64_t word = load_word(digits, digits->at);
        uint64_t ends = pl_word_ends(word);
        size_t before = count;
        while (ends && count < most) {
            unsigned bits = (unsigned)__builtin_clzll(ends); /* 4 * digits */
            if (!bits || bits > 32 || (word >> (60 - bits) & 15) != END)
                return count;
            values[count++] = pl_word_value((uint32_t)(word >> (64 - bits)));
            word <<= bits + 4;
            ends <<= bits + 4;
            digits->at += bits / 4 + 1;
        }
        if (count == before)
            return count;
    }
    return count;
}

static bool give_up(struct pl_digits *digits, bool damaged)
{
    digits->damaged = damaged;
    digits->at = digits->end;
    return false;
}

/* The next entry, if its numbers have at most fifteen digits and it does not come last:
 * words of nibbles at a time. How many fields; 0: it is for fields_slowly. */
static size_t fields_fast(struct pl_digits *digits, int64_t *fields, size_t most)
{
    size_t at = digits->at, count = 0;
    while (at + 18 <= digits->end) {
        uint64_t word = load_word(digits, at);
        uint64_t ends = pl_word_ends(word);
        if (!ends)
            return 0;
        while (ends) {
            unsigned bits = (unsigned)__builtin_clzll(ends); /* 4 * digits */
            if (!bits || count == most)
                return 0;
            unsigned end = (unsigned)(word >> (60 - bits)) & 15;
            uint64_t number = word >> (64 - bits);
            uint64_t value = pl_word_value((uint32_t)number);
            if (bits > 32)
                value += UINT64_C(100000000) * pl_word_value((uint32_t)(number >> 32));
            fields[count++] = (int64_t)value;
            at += bits / 4 + 1;
            if (end == END) {
                digits->at = at;
                return count;
            }
            if (end != BETWEEN || bits == 60)
                return 0;
            word <<= bits + 4;
            ends <<= bits + 4;
        }
    }
    return 0;
}

static bool fields_slowly(struct pl_digits *digits, int64_t *fields, size_t most,
                          size_t *count_out)
{
    size_t at = digits->at, end = digits->end, first = at, count = 0;
    uint64_t value = 0;
    for (; at < end; at++) {
        unsigned n = nibble(digits, at);
        if (n < 10) {
            if (value > ((uint64_t)INT64_MAX - n) / 10)
                return give_up(digits, true);
            value = value * 10 + n;
            continue;
        }
        if (at == first && !count && n == END && at + 1 == end)
            return give_up(digits, false); /* padding */
        if (at == first || n > BETWEEN || count == most)
            return give_up(digits, true);
        fields[count++] = (int64_t)value;
        first = at + 1;
        value = 0;
        if (n == END) {
            digits->at = at + 1;
            *count_out = count;
            return true;
        }
    }
    return give_up(digits, at != digits->at);
}

bool pl_digits_fields(struct pl_digits *digits, int64_t *fields, size_t most,
                      size_t *count_out)
{
    *count_out = fields_fast(digits, fields, most);
    return *count_out || fields_slowly(digits, fields, most, count_out);
}

bool pl_runs_next(struct pl_digits *digits, struct pl_run *run_out)
{
    uint64_t value;
    bool minus;
    unsigned end;
    if (!next_number(digits, &value, &minus, &end))
        return false;
    uint64_t count = value / PL_RUN_UNIT;
    if (end != END && count == 0)
        count = end - TIMES_2 + 2;
    else if (end != END || count > UINT32_MAX) {
        digits->damaged = true;
        digits->at = digits->end;
        return false;
    }
    *run_out = (struct pl_run){.stack = (uint32_t)(value % PL_RUN_UNIT),
                               .count = count ? (uint32_t)count : 1,
                               .off_cpu = minus};
    return true;
}

void pl_nibbles_deinit(struct pl_nibbles *nibbles)
{
    free(nibbles->bytes);
    *nibbles = (struct pl_nibbles){0};
}

void pl_nibbles_clear(struct pl_nibbles *nibbles)
{
    nibbles->count = 0;
    nibbles->failed = false;
}

/* Room for `more` nibbles. */
static bool reserve(struct pl_nibbles *nibbles, size_t more)
{
    size_t need = (nibbles->count + more) / 2 + 1;
    if (need <= nibbles->cap)
        return !nibbles->failed;
    size_t cap = nibbles->cap ? 2 * nibbles->cap : 256;
    unsigned char *bytes = nibbles->failed ? NULL : realloc(nibbles->bytes, cap);
    if (!bytes) {
        nibbles->failed = true;
        return false;
    }
    nibbles->bytes = bytes;
    nibbles->cap = cap;
    return true;
}

static void put(struct pl_nibbles *nibbles, unsigned n)
{
    unsigned char *byte = nibbles->bytes + nibbles->count / 2;
    if (nibbles->count++ & 1)
        *byte = (unsigned char)(*byte | n);
    else
        *byte = (unsigned char)(n << 4);
}

enum { MAX_NUMBER = 24 }; /* nibbles of a number with its sign and end */

static void put_long(struct pl_nibbles *nibbles, bool minus, uint64_t value,
                     unsigned end)
{
    unsigned char digits[20];
    size_t len = 0;
    do
        digits[len++] = (unsigned char)(value % 10);
    while (value /= 10);
    if (minus)
        put(nibbles, MINUS);
    while (len)
        put(nibbles, digits[--len]);
    put(nibbles, end);
}

/* A value below 10^8 as eight digits, one per nibble: quotients by 100 and 10 of all
 * groups at once. */
static uint32_t to_digits(uint32_t value)
{
    uint64_t by_4 = (uint64_t)(value / 10000) << 32 | value % 10000;
    uint64_t hundreds = by_4 * 5243 >> 19 & UINT64_C(0x0000007f0000007f);
    uint64_t by_2 = hundreds << 16 | (by_4 - hundreds * 100);
    uint64_t tens = by_2 * 103 >> 10 & UINT64_C(0x000f000f000f000f);
    uint64_t pairs = tens << 4 | (by_2 - tens * 10);
    pairs = (pairs | pairs >> 8) & UINT64_C(0x0000ffff0000ffff);
    return (uint32_t)(pairs | pairs >> 16);
}

/* Most numbers: at most sign, eight digits and end, written as one word. There is room
 * for more (reserve). */
static void put_number(struct pl_nibbles *nibbles, bool minus, uint64_t value,
                       unsigned end)
{
    if (!reserve(nibbles, MAX_NUMBER))
        return;
    if (value >= 100000000) {
        put_long(nibbles, minus, value, end);
        return;
    }
    uint32_t digits = to_digits((uint32_t)value);
    unsigned len = (35 - (unsigned)__builtin_clz(digits | 1)) / 4;
    uint64_t word = (uint64_t)digits << 4 | end;
    if (minus)
        word |= (uint64_t)MINUS << (4 * len + 4);
    len += 1 + minus;
    unsigned char *to = nibbles->bytes + nibbles->count / 2;
    word <<= 64 - 4 * len;
    if (nibbles->count & 1)
        word = word >> 4 | (uint64_t)(*to & 0xf0) << 56;
    word = __builtin_bswap64(word);
    memcpy(to, &word, sizeof word);
    nibbles->count += len;
}

void pl_nibbles_number(struct pl_nibbles *nibbles, int64_t value)
{
    uint64_t size = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    put_number(nibbles, value < 0, size, END);
}

void pl_nibbles_fields(struct pl_nibbles *nibbles, const int64_t *fields, size_t count)
{
    for (size_t i = 0; i < count; i++)
        put_number(nibbles, false, (uint64_t)fields[i], i + 1 < count ? BETWEEN : END);
}

void pl_nibbles_run(struct pl_nibbles *nibbles, struct pl_run run)
{
    bool minus = run.off_cpu && run.stack;
    if (run.count <= 5)
        put_number(nibbles, minus, run.stack,
                   run.count == 1 ? END : TIMES_2 + run.count - 2);
    else
        put_number(nibbles, minus, run.count * (uint64_t)PL_RUN_UNIT + run.stack, END);
}

size_t pl_nibbles_finish(struct pl_nibbles *nibbles)
{
    if (nibbles->count & 1 && reserve(nibbles, 1))
        put(nibbles, END);
    return nibbles->count / 2;
}

/* ---- fixed groups of digits ---- */

/* -1: not digits. */
static int64_t read_group(const unsigned char *bytes, size_t width)
{
    int64_t value = 0;
    if (width <= 4) {
        uint32_t digits = 0;
        for (size_t i = 0; i < width; i++)
            digits = digits << 8 | bytes[i];
        return pl_word_ends(digits) ? -1 : (int64_t)pl_word_value(digits);
    }
    for (size_t i = 0; i < width; i++) {
        unsigned high = bytes[i] >> 4, low = bytes[i] & 15;
        if (high > 9 || low > 9)
            return -1;
        value = value * 100 + high * 10 + low;
    }
    return value;
}

static void write_group(unsigned char *bytes, size_t width, uint64_t value)
{
    if (width == 4 && value < 100000000) {
        uint32_t digits = __builtin_bswap32(to_digits((uint32_t)value));
        memcpy(bytes, &digits, sizeof digits);
        return;
    }
    for (size_t i = width; i-- > 0; value /= 100)
        bytes[i] = (unsigned char)(value / 10 % 10 << 4 | value % 10);
}

/* ---- ticks ---- */

enum { GRID_MAX = 9999, ABSOLUTE_MAX = 99999999 };

bool pl_ticks_init(struct pl_ticks *ticks, const void *blob, size_t len, int64_t width,
                   int64_t origin_ns, int64_t period_ns, int64_t unit_ns)
{
    const int64_t sane_ns = INT64_MAX / 4;
    if ((width != 2 && width != 4) || len % (size_t)width || origin_ns > sane_ns ||
        origin_ns < -sane_ns || period_ns < 0 || unit_ns <= 0 ||
        unit_ns > sane_ns / ABSOLUTE_MAX || (len && !blob))
        return false;
    size_t count = len / (size_t)width;
    if (count && period_ns > sane_ns / (int64_t)count)
        return false;
    *ticks = (struct pl_ticks){.bytes = blob,
                               .count = count,
                               .width = (unsigned)width,
                               .origin_ns = origin_ns,
                               .period_ns = period_ns,
                               .unit_ns = unit_ns};
    return true;
}

int64_t pl_ticks_at(const struct pl_ticks *ticks, size_t index)
{
    size_t last = index < ticks->count ? index : ticks->count;
    int64_t grid_ns = ticks->origin_ns + (int64_t)last * ticks->period_ns;
    if (index >= ticks->count)
        return grid_ns;
    int64_t v = read_group(ticks->bytes + index * ticks->width, ticks->width);
    if (v < 0)
        return grid_ns;
    return ticks->width == 2 ? grid_ns + (v - PL_TICK_BIAS) * ticks->unit_ns
                             : ticks->origin_ns + v * ticks->unit_ns;
}

bool pl_ticks_missed(const struct pl_ticks *ticks, size_t index)
{
    return index >= ticks->count || ticks->bytes[index * ticks->width] == 0xff;
}

enum { TICK_UNIT_NS = 1000 };

/* Lowest and highest distance of the times from a grid starting at `from_ns`. */
static bool spread(const int64_t *times_ns, size_t count, int64_t from_ns,
                   int64_t step_ns, int64_t *low_out, int64_t *high_out)
{
    bool any = false;
    for (size_t i = 0; i < count; i++) {
        int64_t off, grid;
        if (times_ns[i] == INT64_MIN)
            continue;
        if (__builtin_mul_overflow((int64_t)i, step_ns, &grid) ||
            __builtin_sub_overflow(times_ns[i], from_ns, &off) ||
            __builtin_sub_overflow(off, grid, &off))
            return false;
        if (!any || off < *low_out)
            *low_out = off;
        if (!any || off > *high_out)
            *high_out = off;
        any = true;
    }
    return true;
}

enum pl_status pl_ticks_plan(const int64_t *times_ns, size_t count, int64_t period_ns,
                             struct pl_tick_plan *plan_out, struct pl_error *err)
{
    int64_t first = 0, low = 0, high = 0;
    for (size_t i = 0; i < count && !first; i++)
        first = times_ns[i] == INT64_MIN ? 0 : times_ns[i];
    *plan_out = (struct pl_tick_plan){.period_ns = period_ns, .unit_ns = TICK_UNIT_NS};
    if (spread(times_ns, count, first, period_ns, &low, &high) &&
        (high - low) / TICK_UNIT_NS < GRID_MAX - 2) {
        plan_out->width = 2;
        plan_out->origin_ns = first + (high + low) / 2;
        return PL_OK;
    }
    low = high = 0;
    if (!spread(times_ns, count, first, 0, &low, &high) ||
        (uint64_t)high - (uint64_t)low >= ABSOLUTE_MAX * (uint64_t)TICK_UNIT_NS)
        return pl_error_set(err, PL_INPUT, "times of a part lie over 99 s apart");
    plan_out->width = 4;
    plan_out->origin_ns = first + low;
    return PL_OK;
}

void pl_ticks_encode(const struct pl_tick_plan *plan, const int64_t *times_ns,
                     size_t count, unsigned char *bytes_out)
{
    const int64_t up = plan->unit_ns - 1; /* never before the true time */
    for (size_t i = 0; i < count; i++, bytes_out += plan->width) {
        if (times_ns[i] == INT64_MIN) {
            memset(bytes_out, 0xff, plan->width);
            continue;
        }
        int64_t off = times_ns[i] - plan->origin_ns, bias = 0, max = ABSOLUTE_MAX;
        if (plan->width == 2) {
            off -= (int64_t)i * plan->period_ns;
            bias = PL_TICK_BIAS;
            max = GRID_MAX;
        }
        int64_t v = (off + bias * plan->unit_ns + up) / plan->unit_ns;
        v = v < 0 ? 0 : v > max ? max : v;
        write_group(bytes_out, plan->width, (uint64_t)v);
    }
}

/* ---- weights ---- */

enum { MAX_WEIGHT_WIDTH = 10 }; /* bytes: 20 digits, the first for the sign */

bool pl_weights_init(struct pl_weights *weights, const void *blob, size_t len,
                     size_t run_count, int64_t unit)
{
    size_t width = run_count ? len / run_count : 0;
    if (!width || width > MAX_WEIGHT_WIDTH || len % run_count || !blob)
        return false;
    *weights = (struct pl_weights){
        .bytes = blob, .count = run_count, .width = width, .unit = unit};
    return true;
}

int64_t pl_weights_at(const struct pl_weights *weights, size_t run)
{
    if (run >= weights->count)
        return 0;
    unsigned char group[MAX_WEIGHT_WIDTH];
    const unsigned char *bytes = weights->bytes + run * weights->width;
    int64_t value = weights->width <= 4 ? read_group(bytes, weights->width) : -1;
    int64_t result;
    if (value >= 0)
        return __builtin_mul_overflow(value, weights->unit, &result) ? 0 : result;
    memcpy(group, bytes, weights->width);
    bool minus = group[0] >> 4 == MINUS;
    if (minus)
        group[0] &= 15;
    value = 0;
    for (size_t i = 0; i < 2 * weights->width; i++) {
        int digit = i & 1 ? group[i / 2] & 15 : group[i / 2] >> 4;
        if (digit > 9 || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, digit, &value))
            return 0;
    }
    if (__builtin_mul_overflow(minus ? -value : value, weights->unit, &result))
        return 0;
    return result;
}

void pl_weights_plan(const int64_t *weights, size_t count, int64_t period_ns,
                     struct pl_weight_plan *plan_out)
{
    bool multiples = period_ns > 0;
    bool minus = false;
    for (size_t i = 0; i < count; i++) {
        multiples = multiples && weights[i] % period_ns == 0;
        minus = minus || weights[i] < 0;
    }
    int64_t unit = multiples ? period_ns : 1;
    uint64_t most = 0;
    for (size_t i = 0; i < count; i++) {
        int64_t v = weights[i] / unit;
        uint64_t size = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
        most = size > most ? size : most;
    }
    size_t digits = minus;
    do
        digits++;
    while (most /= 10);
    *plan_out = (struct pl_weight_plan){.width = (digits + 1) / 2, .unit = unit};
}

void pl_weights_encode(const struct pl_weight_plan *plan, const int64_t *weights,
                       size_t count, unsigned char *bytes_out)
{
    for (size_t i = 0; i < count; i++, bytes_out += plan->width) {
        int64_t v = weights[i] / plan->unit;
        write_group(bytes_out, plan->width, v < 0 ? 0 - (uint64_t)v : (uint64_t)v);
        if (v < 0)
            bytes_out[0] = (unsigned char)(bytes_out[0] | MINUS << 4);
    }
}
