/* Change points: found where they are, and not where there is only noise. */
#include "store/change_point.h"
#include "tests/test.h"

#include <math.h>
#include <stdint.h>

#define LONGEST 400
#define MOST    20

static struct pl_error err;
static uint64_t state = 99;

static double uniform(void)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (double)(state >> 11) / 9007199254740992.0;
}

static double normal(void)
{
    return sqrt(-2 * log(uniform() + 1e-300)) * cos(6.283185307179586 * uniform());
}

/* Noise of three kinds, all of mean 0 and standard deviation 1. */
static double noise(int kind)
{
    if (kind == 0)
        return normal();
    if (kind == 1)
        return -log(uniform() + 1e-300) - 1;                                /* skewed */
    return uniform() < .05 ? 4.36 * (uniform() < .5 ? -1 : 1) * 1.0256 : 0; /* rare */
}

/* Without a change one is found in no more than ALPHA of all series, whatever their
 * length and kind: counted over 6000 of them. */
static void test_noise(void)
{
    static const size_t lengths[] = {8, 30, 100};
    int series = 0, wrong = 0;
    for (int round = 0; round < 2000; round++)
        for (size_t l = 0; l < 3; l++, series++) {
            double values[LONGEST], weights[LONGEST];
            struct pl_change_point points[MOST];
            size_t found = 0;
            for (size_t i = 0; i < lengths[l]; i++) {
                values[i] = .2 + .02 * noise(round % 3);
                weights[i] = 1000 + 500 * uniform();
            }
            CHECK_OK(pl_change_points(values, weights, lengths[l], points, MOST, &found,
                                      &err),
                     err);
            wrong += found > 0;
        }
    /* Expected 30, standard deviation 5.5. */
    CHECK(wrong <= 30 + 4 * 6, "%d of %d series", wrong, series);
    CHECK(wrong > 0, "a test that never errs is no test");
}

/* A step of two standard deviations in 60 values is found, at its place. */
static void test_steps(void)
{
    int found_it = 0, near = 0;
    for (int round = 0; round < 300; round++) {
        double values[60], weights[60];
        struct pl_change_point points[MOST];
        size_t found = 0, at = 10 + (size_t)(uniform() * 40);
        for (size_t i = 0; i < 60; i++) {
            values[i] = .3 + .02 * noise(round % 2) + (i >= at ? .04 : 0);
            weights[i] = 1000;
        }
        CHECK_OK(pl_change_points(values, weights, 60, points, MOST, &found, &err),
                 err);
        found_it += found > 0;
        for (size_t i = 0; i < found; i++)
            if (points[i].at + 3 >= at && points[i].at <= at + 3) {
                near++;
                CHECK(points[i].after > points[i].before);
                break;
            }
    }
    CHECK(found_it > 285, "%d of 300", found_it);
    CHECK(near > 255, "%d of 300 within three values", near);
}

static void test_cases(void)
{
    static const struct {
        const char *name;
        double values[24];
        size_t count;
        const char *want;
    } cases[] = {
        {"nothing", {0}, 0, ""},
        {"few", {1, 1, 5, 5}, 4, ""},
        {"all the same", {3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3}, 12, ""},
        {"a step", {1, 2, 1, 2, 1, 2, 1, 8, 9, 8, 9, 8, 9, 8}, 14, "7 1.4>8.4 "},
        {"there and back",
         {1, 2, 1, 2, 1, 2, 1, 2, 9, 8, 9, 8, 9, 8, 9, 8, 2, 1, 2, 1, 2, 1, 2, 1},
         24,
         "8 1.5>8.5 16 8.5>1.5 "},
        {"one spike", {1, 2, 1, 2, 1, 2, 90, 1, 2, 1, 2, 1, 2, 1}, 14, ""},
        {"a gap is no value",
         {1, 2, 1, 2, 1, -1, 2, 1, -1, 8, 9, 8, 9, 8, 9, 8},
         16,
         "9 1.4>8.4 "},
    };
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        struct pl_change_point points[MOST];
        double weights[24];
        char text[128] = "";
        size_t found = 0, used = 0;
        for (size_t i = 0; i < cases[c].count; i++)
            weights[i] = cases[c].values[i] < 0 ? 0 : 10;
        CHECK_OK(pl_change_points(cases[c].values, weights, cases[c].count, points,
                                  MOST, &found, &err),
                 err);
        for (size_t i = 0; i < found; i++)
            used += (size_t)snprintf(text + used, sizeof text - used, "%zu %.1f>%.1f ",
                                     points[i].at, points[i].before, points[i].after);
        CHECK(strcmp(text, cases[c].want) == 0, "%s: %s", cases[c].name, text);
    }
}

TEST_MAIN({"noise", test_noise}, {"steps", test_steps}, {"cases", test_cases})
