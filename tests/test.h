/* The whole test harness: a table of functions, checks that report and go on.
 *
 *   static void test_roundtrip(void) { CHECK(x == y, "case %s", name); }
 *   TEST_MAIN({"roundtrip", test_roundtrip})
 *
 * Run with names as arguments to run only those. Exit 1 if any check failed. */
#ifndef PL_TESTS_TEST_H
#define PL_TESTS_TEST_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int test_failures, test_checks;

/* CHECK(condition) or CHECK(condition, "format", ...). */
#define CHECK(...) CHECK_(__VA_ARGS__, "%s", "")
#define CHECK_(condition, ...)                                                         \
    do {                                                                               \
        test_checks++;                                                                 \
        if (!(condition)) {                                                            \
            test_failures++;                                                           \
            fprintf(stderr, "%s:%d: %s is false: ", __FILE__, __LINE__, #condition);   \
            fprintf(stderr, __VA_ARGS__);                                              \
            fputc('\n', stderr);                                                       \
        }                                                                              \
    } while (0)

/* Check that a call returned PL_OK, showing the error if not. */
#define CHECK_OK(call, err)                                                            \
    do {                                                                               \
        enum pl_status test_status_ = (call);                                          \
        CHECK(test_status_ == PL_OK, "%s: %s", pl_status_name(test_status_),           \
              (err).message);                                                          \
    } while (0)

/* For tests that sample: $SEED, or 0, the same each time. Print it before anything can
 * crash. */
static inline long test_seed(void)
{
    const char *given = getenv("SEED");
    return given ? strtol(given, NULL, 10) & 0xffff : 0;
}

/* Long runs say now and then how far they are: who stops one knows what was done. */
static inline void test_progress(long done, const char *what)
{
    if (done % 250 == 0 && getenv("PROFLITE_SOAK")) {
        printf("%ld %s, %d failed\n", done, what, test_failures);
        (void)fflush(stdout);
    }
}

struct test_case {
    const char *name;
    void (*run)(void);
};

#define TEST_MAIN(...)                                                                 \
    int main(int argc, char **argv)                                                    \
    {                                                                                  \
        static const struct test_case cases[] = {__VA_ARGS__};                         \
        int ran = 0;                                                                   \
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {                  \
            int wanted = argc < 2;                                                     \
            for (int a = 1; a < argc; a++)                                             \
                wanted |= strcmp(argv[a], cases[i].name) == 0;                         \
            if (!wanted)                                                               \
                continue;                                                              \
            ran++;                                                                     \
            cases[i].run();                                                            \
        }                                                                              \
        printf("%d cases, %d checks, %d failed\n", ran, test_checks, test_failures);   \
        return test_failures || !ran || !test_checks;                                  \
    }

#endif
