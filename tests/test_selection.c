/* store/selection: flags and URL parameters become a struct pl_selection. */
#include "store/selection.h"

#include "base/clock.h"

#include "test.h"

#include <stdlib.h>

#define NOW INT64_C(1700000000000000000)

static void test_times(void)
{
    static const struct {
        const char *text;
        int64_t ns;
    } cases[] = {
        {"1700000000123456789", INT64_C(1700000000123456789)},
        {"now", NOW},
        {"-1h", NOW - 3600 * PL_NS_PER_S},
        {"-1h30m", NOW - 5400 * PL_NS_PER_S},
        {"-250ms", NOW - 250 * PL_NS_PER_MS},
        {"-7us", NOW - 7000},
        {"-1ns", NOW - 1},
        {"-2w", NOW - 14 * 86400 * PL_NS_PER_S},
        {"@1700000000", NOW},
        {"@1.5", 1500000000},
        {"@1.0000000019", 1000000001},
        {"2023-11-14T22:13:20Z", NOW},
        {"2023-11-14 22:13:20.25Z", NOW + 250 * PL_NS_PER_MS},
        {"2023-11-14Z", INT64_C(1699920000) * PL_NS_PER_S},
        {"2024-02-29Z", INT64_C(1709164800) * PL_NS_PER_S},
        /* TZ is set below: an hour east of UTC, no summer time */
        {"2023-11-14T23:13:20", NOW},
        {"2023-11-14T23:13", NOW - 20 * PL_NS_PER_S},
    };
    setenv("TZ", "XXX-1", 1);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct pl_error err = {0};
        int64_t ns = -1;
        CHECK_OK(pl_time_parse(cases[i].text, NOW, &ns, &err), err);
        CHECK(ns == cases[i].ns, "%s gave %lld", cases[i].text, (long long)ns);
    }
}

static void test_bad_times(void)
{
    static const char *const cases[] = {
        "",
        "-",
        "-1",
        "-h",
        "-1x",
        "-1h ",
        "1h",
        "--1h",
        "-1h-1m",
        "99999999999999999999",
        "@",
        "@-1",
        "@1.",
        "@1e9",
        "-99999999999999999w",
        "12 ",
        "tomorrow",
        "2023-02-30",
        "2023-13-01",
        "2023-11-14T25:00",
        "2023-1-4",
        "2023-11-14T",
        "2023-11-14T10:00:60",
        "2023-11-14T10:00:00+01:00",
        "0x10",
        "1.7e18",
        "nan",
        "@99999999999999999",
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct pl_error err = {0};
        int64_t ns = -1;
        CHECK(pl_time_parse(cases[i], NOW, &ns, &err) == PL_USAGE, "'%s' gave %lld",
              cases[i], (long long)ns);
        CHECK(ns == -1);
        CHECK(strlen(err.message) > 20);
    }
}

static void test_keys(void)
{
    static const char *const pairs[][2] = {
        {"app", "old"},     {"app", "checkout"},     {"release", "1.2"},
        {"env", "staging"}, {"environment", "prod"}, {"session", "3,5"},
        {"session", "7"},   {"thread", "11"},        {"thread", "worker 3"},
        {"from", "-1h"},    {"to", "now"},           {"function", "main"},
        {"metric", "cpu"},
    };
    struct pl_selection_args args;
    struct pl_selection selection;
    struct pl_error err = {0};
    pl_selection_args_init(&args, NOW);
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        CHECK(pl_selection_is_key(pairs[i][0]));
        CHECK_OK(pl_selection_set(&args, pairs[i][0], pairs[i][1], &err), err);
    }
    CHECK_OK(pl_selection_get(&args, &selection, &err), err);
    CHECK(strcmp(selection.app, "checkout") == 0);
    CHECK(strcmp(selection.release, "1.2") == 0);
    CHECK(strcmp(selection.environment, "prod") == 0);
    CHECK(selection.session_count == 3 && selection.sessions[0] == 3 &&
          selection.sessions[1] == 5 && selection.sessions[2] == 7);
    CHECK(selection.thread_count == 1 && selection.threads[0] == 11);
    CHECK(strcmp(selection.thread_name, "worker 3") == 0);
    CHECK(selection.from_ns == NOW - 3600 * PL_NS_PER_S && selection.to_ns == NOW);
    CHECK(strcmp(selection.function, "main") == 0);
    CHECK(args.metric == PL_METRIC_CPU && args.uses_now);
    /* empty values take keys back */
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++)
        CHECK_OK(pl_selection_set(&args, pairs[i][0], "", &err), err);
    CHECK_OK(pl_selection_set(&args, "thread_name", "", &err), err);
    CHECK_OK(pl_selection_get(&args, &selection, &err), err);
    CHECK(!selection.app && !selection.release && !selection.environment);
    CHECK(!selection.session_count && !selection.thread_count);
    CHECK(!selection.thread_name && !selection.function);
    CHECK(!selection.from_ns && !selection.to_ns && args.metric == PL_METRIC_WALL);
    pl_selection_args_deinit(&args);
}

static void test_bad_values(void)
{
    static const struct {
        const char *key, *value;
        enum pl_status status;
    } cases[] = {
        {"nonsense", "1", PL_NOT_FOUND}, {"App", "x", PL_NOT_FOUND},
        {"", "", PL_NOT_FOUND},          {"session", "abc", PL_USAGE},
        {"session", "1,", PL_USAGE},     {"session", ",1", PL_USAGE},
        {"session", "1,,2", PL_USAGE},   {"session", "-1", PL_USAGE},
        {"session", "1 OR 1", PL_USAGE}, {"session", "99999999999999999999", PL_USAGE},
        {"thread", "1,", PL_USAGE},      {"metric", "heap", PL_USAGE},
        {"from", "yesterday", PL_USAGE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct pl_selection_args args;
        struct pl_error err = {0};
        pl_selection_args_init(&args, NOW);
        CHECK(pl_selection_set(&args, cases[i].key, cases[i].value, &err) ==
                  cases[i].status,
              "%s=%s", cases[i].key, cases[i].value);
        CHECK(err.message[0]);
        pl_selection_args_deinit(&args);
    }
}

static void test_range(void)
{
    struct pl_selection_args args;
    struct pl_selection selection;
    struct pl_error err = {0};
    pl_selection_args_init(&args, NOW);
    CHECK_OK(pl_selection_set(&args, "from", "2000", &err), err);
    CHECK_OK(pl_selection_set(&args, "to", "2000", &err), err);
    CHECK(pl_selection_get(&args, &selection, &err) == PL_USAGE);
    CHECK_OK(pl_selection_set(&args, "to", "2001", &err), err);
    CHECK_OK(pl_selection_get(&args, &selection, &err), err);
    CHECK(!args.uses_now);
    /* further back than 1970 is "from the beginning", not "open backwards" */
    CHECK_OK(pl_selection_set(&args, "to", "-5000w", &err), err);
    CHECK(args.to_ns == 1);
    pl_selection_args_deinit(&args);
}

/* Many ids: the list grows, and ends. */
static void test_id_limit(void)
{
    struct pl_selection_args args;
    struct pl_error err = {0};
    pl_selection_args_init(&args, NOW);
    enum pl_status status = PL_OK;
    for (int i = 0; i < 100000 && status == PL_OK; i++)
        status = pl_selection_set(&args, "session", "42", &err);
    CHECK(status == PL_OK && args.session_count == 100000);
    CHECK(pl_selection_set(&args, "session", "43", &err) == PL_USAGE);
    CHECK(args.session_count == 100000 && args.sessions[99999] == 42);
    pl_selection_args_deinit(&args);
}

/* What one line of words says, printed. */
static void print_selection(const struct pl_selection_args *args, char *text,
                            size_t size)
{
    size_t used = (size_t)snprintf(
        text, size, "app=%s release=%s sessions=", args->app ? args->app : "",
        args->release ? args->release : "");
    for (size_t i = 0; i < args->session_count; i++)
        used += (size_t)snprintf(text + used, size - used, "%lld,",
                                 (long long)args->sessions[i]);
    used += (size_t)snprintf(text + used, size - used, " labels=");
    for (size_t i = 0; i < args->label_count; i++)
        used +=
            (size_t)snprintf(text + used, size - used, "%s~%s,", args->labels[i].key,
                             args->labels[i].value ? args->labels[i].value : "*");
    snprintf(text + used, size - used, " %lld..%lld", (long long)args->from_ns,
             (long long)args->to_ns);
}

static void test_lines(void)
{
    static const struct {
        const char *line, *want; /* NULL: refused */
    } cases[] = {
        {"", "app= release= sessions= labels= 0..0"},
        {" all ", "app= release= sessions= labels= 0..0"},
        {"3,4 5", "app= release= sessions=3,4,5, labels= 0..0"},
        {"@1000..2000", "app= release= sessions= labels= 1000..2000"},
        {"@..2000", "app= release= sessions= labels= 0..2000"},
        {"@1000..", "app= release= sessions= labels= 1000..0"},
        {"app:a release=1:2", "app=a release=1:2 sessions= labels= 0..0"},
        {"label:tenant=acme label=span",
         "app= release= sessions= labels=tenant~acme,span~*, "
         "0..0"},
        {"app:\"my app\" 7", "app=my app release= sessions=7, labels= 0..0"},
        {"app:\"a \\\"b\\\" \\\\\"", "app=a \"b\" \\ release= sessions= labels= 0..0"},
        {"app:\"open end", "app=open end release= sessions= labels= 0..0"},
        {"nonsense", NULL},
        {"@1000", NULL},
        {"@1000..x", NULL},
        {"color:red", NULL},
        {"3,,4", NULL},
        {"label:=x", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct pl_selection_args args, copy;
        struct pl_error err = {0};
        char text[256], again[256];
        pl_selection_args_init(&args, NOW);
        enum pl_status status = pl_selection_parse(&args, cases[i].line, &err);
        CHECK(status == (cases[i].want ? PL_OK : PL_USAGE), "%s: %s", cases[i].line,
              err.message);
        if (cases[i].want) {
            print_selection(&args, text, sizeof text);
            CHECK(strcmp(text, cases[i].want) == 0, "%s", text);
            CHECK_OK(pl_selection_args_copy(&copy, &args, &err), err);
            print_selection(&copy, again, sizeof again);
            CHECK(strcmp(text, again) == 0, "%s", again);
            pl_selection_args_deinit(&copy);
        }
        pl_selection_args_deinit(&args);
    }
}

TEST_MAIN({"times", test_times}, {"bad_times", test_bad_times}, {"keys", test_keys},
          {"bad_values", test_bad_values}, {"range", test_range},
          {"id_limit", test_id_limit}, {"lines", test_lines})
