#include "tests/test.h"

#include "store/codec.h"

#include <stdint.h>
#include <stdlib.h>

static uint64_t rng = 42;
static uint64_t next_random(void)
{
    rng = rng * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return rng >> 24;
}

static void test_numbers(void)
{
    static const int64_t values[] = {
        0, 1, 9, 10, 99, 999999999, -1, -123456789, INT64_MAX, -INT64_MAX, 100, 1000};
    const size_t count = sizeof values / sizeof *values;
    struct pl_nibbles nibbles = {0};
    for (size_t i = 0; i < count; i++)
        pl_nibbles_number(&nibbles, values[i]);
    size_t len = pl_nibbles_finish(&nibbles);
    CHECK(!nibbles.failed);
    struct pl_digits digits;
    int64_t value = 0;
    pl_digits_init(&digits, nibbles.bytes, len);
    for (size_t i = 0; i < count; i++) {
        CHECK(pl_digits_next(&digits, &value), "value %zu", i);
        CHECK(value == values[i], "value %zu is %lld", i, (long long)value);
    }
    CHECK(!pl_digits_next(&digits, &value) && !digits.damaged);
    pl_nibbles_deinit(&nibbles);
}

static void test_runs(void)
{
    enum { RUNS = 5000 };
    static struct pl_run runs[RUNS];
    struct pl_nibbles nibbles = {0};
    for (size_t i = 0; i < RUNS; i++) {
        uint32_t stack = (uint32_t)(next_random() % 7 ? next_random() % 40000 : 0);
        uint32_t count =
            1 + (uint32_t)(next_random() % (next_random() % 2 ? 7 : 70000));
        if (i == 0)
            stack = PL_STACK_ID_LIMIT - 1;
        if (i == 1)
            count = UINT32_MAX;
        runs[i] = (struct pl_run){stack, count, stack && next_random() % 2};
        pl_nibbles_run(&nibbles, runs[i]);
    }
    size_t len = pl_nibbles_finish(&nibbles);
    struct pl_digits digits;
    struct pl_run run;
    pl_digits_init(&digits, nibbles.bytes, len);
    size_t bad = 0;
    for (size_t i = 0; i < RUNS; i++)
        bad += !pl_runs_next(&digits, &run) || run.stack != runs[i].stack ||
               run.count != runs[i].count || run.off_cpu != runs[i].off_cpu;
    CHECK(bad == 0, "%zu runs differ", bad);
    CHECK(!pl_runs_next(&digits, &run) && !digits.damaged);
    pl_nibbles_deinit(&nibbles);
}

static void test_documented_bytes(void)
{
    static const struct {
        struct pl_run run;
        const char *bytes;
        size_t len;
    } cases[] = {
        {{12, 1, false}, "\x12\xaa", 2}, {{12, 2, false}, "\x12\xca", 2},
        {{7, 5, true}, "\xb7\xfa", 2},   {{7, 6, true}, "\xb6\x00\x00\x00\x00\x7a", 6},
        {{0, 1, false}, "\x0a", 1},      {{0, 3, true}, "\x0d", 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct pl_nibbles nibbles = {0};
        pl_nibbles_run(&nibbles, cases[i].run);
        size_t len = pl_nibbles_finish(&nibbles);
        CHECK(len == cases[i].len && memcmp(nibbles.bytes, cases[i].bytes, len) == 0,
              "case %zu", i);
        pl_nibbles_deinit(&nibbles);
    }
}

/* The example of docs/FORMAT.md. */
static void test_documented_example(void)
{
    static const unsigned char bytes[] = {0x12, 0xcb, 0x7a, 0x60, 0x00, 0x00,
                                          0x00, 0x05, 0xa0, 0xd9, 0xaa};
    static const struct pl_run want[] = {
        {12, 2, false}, {7, 1, true}, {5, 6, false}, {0, 3, false}, {9, 1, false}};
    struct pl_digits digits;
    struct pl_run run;
    pl_digits_init(&digits, bytes, sizeof bytes);
    for (size_t i = 0; i < 5; i++)
        CHECK(pl_runs_next(&digits, &run) && run.stack == want[i].stack &&
                  run.count == want[i].count && run.off_cpu == want[i].off_cpu,
              "run %zu", i);
    CHECK(!pl_runs_next(&digits, &run) && !digits.damaged);
}

/* Bytes nobody here wrote end in a number or in `damaged`, within the blob. */
static void test_damage(void)
{
    static const struct {
        const char *bytes;
        size_t len;
        int numbers;
        bool damaged;
    } cases[] = {
        {"", 0, 0, false},
        {"\xaa", 1, 0, true}, /* two ends without digits */
        {"\x1a", 1, 1, false},
        {"\x12", 1, 0, true},     /* no end */
        {"\xbb\x1a", 2, 0, true}, /* two signs */
        {"\x1b\x1a", 2, 0, true}, /* sign inside */
        {"\xba", 1, 0, true},     /* sign without digits */
        {"\x99\x99\x99\x99\x99\x99\x99\x99\x99\x99\x9a", 11, 0, true}, /* overflow */
        {"\x1a\x2f", 2, 1, true}, /* repeat in a plain list */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct pl_digits digits;
        int64_t value;
        int numbers = 0;
        char *exact = malloc(cases[i].len + 1); /* for the sanitizer's fences */
        memcpy(exact, cases[i].bytes, cases[i].len);
        pl_digits_init(&digits, exact, cases[i].len);
        while (pl_digits_next(&digits, &value))
            numbers++;
        CHECK(numbers == cases[i].numbers && digits.damaged == cases[i].damaged,
              "case %zu: %d numbers, damaged %d", i, numbers, digits.damaged);
        free(exact);
    }
    for (int round = 0; round < 20000; round++) {
        size_t len = next_random() % 24;
        unsigned char *bytes = malloc(len + !len);
        for (size_t i = 0; i < len; i++)
            bytes[i] = (unsigned char)next_random();
        struct pl_digits digits;
        struct pl_run run;
        size_t runs = 0;
        pl_digits_init(&digits, bytes, len);
        while (pl_runs_next(&digits, &run))
            runs++;
        if (runs > 2 * len)
            CHECK(0, "more runs than nibbles");
        free(bytes);
    }
}

static void check_ticks(const char *name, const int64_t *times, size_t count,
                        int64_t period, unsigned width)
{
    struct pl_tick_plan plan;
    struct pl_ticks ticks;
    struct pl_error err = {0};
    CHECK_OK(pl_ticks_plan(times, count, period, &plan, &err), err);
    CHECK(plan.width == width, "%s: width %u", name, plan.width);
    unsigned char *bytes = malloc(count * plan.width + 1);
    pl_ticks_encode(&plan, times, count, bytes);
    CHECK(pl_ticks_init(&ticks, bytes, count * plan.width, plan.width, plan.origin_ns,
                        plan.period_ns, plan.unit_ns));
    size_t bad = 0;
    for (size_t i = 0; i < count; i++) {
        if (times[i] == INT64_MIN) {
            bad += !pl_ticks_missed(&ticks, i);
            continue;
        }
        int64_t off = pl_ticks_at(&ticks, i) - times[i];
        bad += off < 0 || off >= 1000 || pl_ticks_missed(&ticks, i);
    }
    CHECK(bad == 0, "%s: %zu ticks off by 1 us or more", name, bad);
    CHECK(pl_ticks_at(&ticks, count + 5) >= plan.origin_ns);
    free(bytes);
}

static void test_ticks(void)
{
    static int64_t times[6000];
    const int64_t start = INT64_C(1700000000123456789), period = 9900990;
    for (size_t i = 0; i < 6000; i++)
        times[i] = start + (int64_t)i * period + (int64_t)(next_random() % 3000000);
    check_ticks("jitter", times, 6000, period, 2);
    times[0] = times[17] = times[5999] = INT64_MIN;
    check_ticks("missed", times, 6000, period, 2);
    times[100] += 8000000;
    check_ticks("late", times, 6000, period, 4);
    for (size_t i = 0; i < 600; i++)
        times[i] = start + (int64_t)i * 100000000 + (int64_t)(next_random() % 90000000);
    check_ticks("10 Hz", times, 600, 100000000, 4);
    check_ticks("one", times, 1, period, 2);

    struct pl_tick_plan plan;
    struct pl_ticks ticks;
    times[1] = times[0] + INT64_C(100000000000);
    CHECK(pl_ticks_plan(times, 2, period, &plan, NULL) == PL_INPUT);
    times[0] = INT64_MIN + 1, times[1] = INT64_MAX;
    CHECK(pl_ticks_plan(times, 2, period, &plan, NULL) == PL_INPUT);
    CHECK(!pl_ticks_init(&ticks, "abc", 3, 2, 0, 1, 1));
    CHECK(!pl_ticks_init(&ticks, "abc", 3, 3, 0, 1, 1));
    CHECK(!pl_ticks_init(&ticks, "ab", 2, 2, INT64_MAX, 1, 1));
    CHECK(!pl_ticks_init(&ticks, "ab", 2, 2, 0, INT64_MAX, 1));
    CHECK(!pl_ticks_init(&ticks, "ab", 2, 2, 0, 1, INT64_MAX));
    CHECK(pl_ticks_init(&ticks, "\xab\xcd", 2, 2, 5, 1, 1));
    CHECK(pl_ticks_at(&ticks, 0) == 5); /* no digits: the grid */
}

static void test_weights(void)
{
    static const struct {
        int64_t values[4];
        size_t width;
        int64_t unit;
    } cases[] = {
        {{100, 200, 0, 9900}, 1, 100}, {{1, 200, 0, 9900}, 2, 1},
        {{-100, 300, 0, 0}, 1, 100},   {{-1, INT64_MAX, 5, -INT64_MAX}, 10, 1},
        {{0, 0, 0, 0}, 1, 100},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct pl_weight_plan plan;
        struct pl_weights weights;
        unsigned char bytes[40];
        pl_weights_plan(cases[i].values, 4, 100, &plan);
        CHECK(plan.width == cases[i].width && plan.unit == cases[i].unit,
              "case %zu: width %zu unit %lld", i, plan.width, (long long)plan.unit);
        pl_weights_encode(&plan, cases[i].values, 4, bytes);
        CHECK(pl_weights_init(&weights, bytes, 4 * plan.width, 4, plan.unit));
        for (size_t r = 0; r < 4; r++)
            CHECK(pl_weights_at(&weights, r) == cases[i].values[r], "case %zu run %zu",
                  i, r);
        CHECK(pl_weights_at(&weights, 4) == 0);
    }
    struct pl_weights weights;
    CHECK(!pl_weights_init(&weights, "abc", 3, 2, 1));
    CHECK(!pl_weights_init(&weights, "", 0, 0, 1));
    CHECK(!pl_weights_init(&weights, "abcdefghijk", 11, 1, 1));
    CHECK(pl_weights_init(&weights, "\x99\x99\x99\x99\x99\x99\x99\x99\x99\x99", 10, 1,
                          9));
    CHECK(pl_weights_at(&weights, 0) == 0); /* beyond int64 */
}

/* Many at once are what they are one by one, whatever the bytes. */
static void check_plain(const void *bytes, size_t len, size_t most)
{
    struct pl_digits one, many;
    int64_t value, other = 0;
    uint32_t values[20];
    size_t count = 0, at = 0;
    pl_digits_init(&one, bytes, len);
    pl_digits_init(&many, bytes, len);
    while (pl_digits_next(&one, &value)) {
        if (at == count) {
            at = 0;
            count = pl_digits_plain(&many, values, most);
        }
        bool ok = count || pl_digits_next(&many, &other);
        if (!ok || value != (count ? (int64_t)values[at] : other))
            CHECK(0, "%lld of %zu bytes", (long long)value, len);
        at += count != 0;
    }
    if (at != count || pl_digits_next(&many, &other) || one.damaged != many.damaged)
        CHECK(0, "the end of %zu bytes", len);
}

static void test_plain(void)
{
    for (int round = 0; round < 20000; round++) {
        struct pl_nibbles nibbles = {0};
        unsigned char bytes[24];
        size_t count = next_random() % 30, most = 1 + next_random() % 20;
        for (size_t i = 0; i < count; i++) {
            uint64_t bits = next_random() % 100 < 97 ? next_random() % 28 : 40;
            int64_t value = (int64_t)(next_random() & ((UINT64_C(1) << bits) - 1));
            pl_nibbles_number(&nibbles, next_random() % 50 ? value : -value);
        }
        size_t len = pl_nibbles_finish(&nibbles);
        char *exact = malloc(len + !len); /* for the sanitizer's fences */
        if (len)
            memcpy(exact, nibbles.bytes, len);
        check_plain(exact, len, most);
        free(exact);
        pl_nibbles_deinit(&nibbles);
        for (size_t i = 0; i < sizeof bytes; i++)
            bytes[i] = (unsigned char)next_random();
        check_plain(bytes, next_random() % sizeof bytes, most);
    }
    CHECK(true);
}

/* Entries of 1..6 numbers of 1..19 digits, one after the other, and cut anywhere. */
static void test_fields(void)
{
    enum { ENTRIES = 3000, FIELDS = 6 };
    static int64_t entries[ENTRIES][FIELDS];
    static size_t counts[ENTRIES];
    struct pl_nibbles nibbles = {0};
    for (size_t i = 0; i < ENTRIES; i++) {
        counts[i] = 1 + next_random() % FIELDS;
        for (size_t f = 0; f < counts[i]; f++)
            entries[i][f] = INT64_MAX >> next_random() % 63;
        pl_nibbles_fields(&nibbles, entries[i], counts[i]);
    }
    size_t len = pl_nibbles_finish(&nibbles), count = 0, bad = 0;
    struct pl_digits digits;
    int64_t fields[FIELDS];
    pl_digits_init(&digits, nibbles.bytes, len);
    for (size_t i = 0; i < ENTRIES; i++)
        bad += !pl_digits_fields(&digits, fields, FIELDS, &count) ||
               count != counts[i] || memcmp(fields, entries[i], 8 * count) != 0;
    CHECK(bad == 0, "%zu entries differ", bad);
    CHECK(!pl_digits_fields(&digits, fields, FIELDS, &count) && !digits.damaged);
    for (size_t cut = 0; cut < 200; cut++) {
        size_t got = 0;
        pl_digits_init(&digits, nibbles.bytes, cut);
        while (pl_digits_fields(&digits, fields, FIELDS, &count))
            bad += count != counts[got] || memcmp(fields, entries[got], 8 * count) != 0,
                got++;
        CHECK(bad == 0 && got < ENTRIES, "cut after %zu", cut);
    }
    pl_nibbles_deinit(&nibbles);
}

TEST_MAIN({"numbers", test_numbers}, {"runs", test_runs},
          {"documented_bytes", test_documented_bytes},
          {"documented_example", test_documented_example}, {"damage", test_damage},
          {"ticks", test_ticks}, {"weights", test_weights}, {"plain", test_plain},
          {"fields", test_fields})
