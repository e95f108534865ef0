/* Where options come from: program, environment, config file, default. */
#include "base/config.h"
#include "collector/settings.h"
#include "tests/test.h"

#include <locale.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char home[64], path[128];
static struct pl_settings settings;
static char why[256];

static void begin(const char *config)
{
    (void)snprintf(home, sizeof home, "/tmp/test_settings_XXXXXX");
    CHECK(mkdtemp(home) != NULL);
    setenv("XDG_CONFIG_HOME", home, 1);
    (void)snprintf(path, sizeof path, "%s/proflite", home);
    CHECK(mkdir(path, 0700) == 0);
    (void)snprintf(path, sizeof path, "%s/proflite/config", home);
    FILE *file = config ? fopen(path, "w") : NULL;
    if (file) {
        (void)fputs(config, file);
        (void)fclose(file);
    }
}

static void end(void)
{
    unlink(path);
    *strrchr(path, '/') = '\0';
    CHECK(rmdir(path) == 0 && rmdir(home) == 0);
    unsetenv("XDG_CONFIG_HOME");
}

static int read_with(const proflite_options *options, bool secure)
{
    pl_settings_deinit(&settings);
    why[0] = '\0';
    return pl_settings_init(&settings, options, secure, why, sizeof why);
}

static void check_value(enum pl_setting setting, const char *text,
                        enum pl_origin origin, unsigned line)
{
    const struct pl_setting_value *value = &settings.values[setting];
    CHECK(!text == !value->text && (!text || strcmp(value->text, text) == 0), "%s: %s",
          pl_setting_name(setting), value->text ? value->text : "none");
    CHECK(value->origin == origin && value->line == line, "%s: %d, line %u",
          pl_setting_name(setting), (int)value->origin, value->line);
}

static void test_order(void)
{
    const proflite_options none = PROFLITE_OPTIONS_INIT;
    proflite_options options = none;
    begin("# a comment\n\n  hz = 50\napp=from the file  \nmode = cpu\r\n"
          "release = old\nrelease = new\nunknown = fine\n"
          "session_sample_rate = 0.25\ndurability = full\nauto_start = yes\n");
    CHECK(read_with(NULL, false) == PROFLITE_OK, "%s", why);
    check_value(PL_SETTING_hz, "50", PL_ORIGIN_FILE, 3);
    check_value(PL_SETTING_app, "from the file", PL_ORIGIN_FILE, 4);
    check_value(PL_SETTING_release, "new", PL_ORIGIN_FILE, 7);
    check_value(PL_SETTING_lifecycle, "manual", PL_ORIGIN_DEFAULT, 0);
    CHECK(settings.hz == 50 && settings.cpu_mode && settings.full_durability);
    CHECK(settings.auto_start && settings.session_sample_rate == 0.25);
    setenv("PROFLITE_HZ", "60", 1);
    setenv("PROFLITE_APP", "", 1); /* says nothing */
    CHECK(read_with(NULL, false) == PROFLITE_OK, "%s", why);
    check_value(PL_SETTING_hz, "60", PL_ORIGIN_ENVIRONMENT, 0);
    check_value(PL_SETTING_app, "from the file", PL_ORIGIN_FILE, 4);
    options.hz = 70;
    options.app = " mine ";
    options.release = "  "; /* none, whatever others say */
    options.lifecycle = PROFLITE_LIFECYCLE_TRACE;
    options.mode = PROFLITE_MODE_WALL;
    options.max_overhead = 0.02;
    options.auto_start = 0;
    CHECK(read_with(&options, false) == PROFLITE_OK, "%s", why);
    check_value(PL_SETTING_hz, "70", PL_ORIGIN_CALLER, 0);
    check_value(PL_SETTING_app, "mine", PL_ORIGIN_CALLER, 0);
    check_value(PL_SETTING_release, NULL, PL_ORIGIN_CALLER, 0);
    CHECK(settings.trace && !settings.cpu_mode && !settings.auto_start);
    CHECK(settings.max_overhead == 0.02);
    unsetenv("PROFLITE_HZ");
    unsetenv("PROFLITE_APP");
    end();
}

/* A set-user-ID program has nothing but its own word. */
static void test_secure(void)
{
    proflite_options options = PROFLITE_OPTIONS_INIT;
    begin("hz = 50\nnonsense\n");
    setenv("PROFLITE_HZ", "fast", 1);
    CHECK(read_with(NULL, true) == PROFLITE_UNSUPPORTED);
    options.db = "/tmp/x.db";
    CHECK(read_with(&options, true) == PROFLITE_OK, "%s", why);
    CHECK(settings.hz == 101 && settings.config_path == NULL);
    unsetenv("PROFLITE_HZ");
    end();
}

static void test_wrong(void)
{
    static const struct {
        const char *config, *expected;
    } cases[] = {
        {"hz = fast", "config:1: hz must be 1 to 1000: fast"},
        {"\nhz = 0", "config:2: hz must be"},
        {"mode = both", "mode must be wall or cpu: both"},
        {"lifecycle = trance", "lifecycle must be manual or trace: trance"},
        {"durability = some", "durability must be normal or full"},
        {"session_sample_rate = 1,5", "must be 0 to 1: 1,5"},
        {"max_overhead = nan", "must be 0 to 1: nan"},
        {"auto_start = perhaps", "auto_start must be 0 or 1: perhaps"},
        {"just words", "config:1: not `key = value`: just words"},
        {"= value", "not `key = value`"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        begin(cases[i].config);
        CHECK(read_with(NULL, false) == PROFLITE_INVALID, "case %zu", i);
        CHECK(strstr(why, cases[i].expected) != NULL, "case %zu: %s", i, why);
        end();
    }
    proflite_options options = PROFLITE_OPTIONS_INIT;
    options.lifecycle = (enum proflite_lifecycle)9;
    CHECK(read_with(&options, false) == PROFLITE_INVALID);
    CHECK(strstr(why, "lifecycle must be manual or trace: unknown") != NULL, "%s", why);
}

static void test_files(void)
{
    char big[70000];
    begin(NULL);
    CHECK(read_with(NULL, false) == PROFLITE_OK); /* none is fine */
    CHECK(mkdir(path, 0700) == 0);
    CHECK(read_with(NULL, false) == PROFLITE_INVALID);
    rmdir(path);
    CHECK(mkfifo(path, 0600) == 0); /* must not block */
    CHECK(read_with(NULL, false) == PROFLITE_INVALID);
    end();
    memset(big, '#', sizeof big);
    big[sizeof big - 1] = '\0';
    begin(big);
    CHECK(read_with(NULL, false) == PROFLITE_INVALID);
    end();
    setenv("XDG_CONFIG_HOME", "relative", 1);
    setenv("HOME", "/nonexistent", 1);
    CHECK(read_with(NULL, false) == PROFLITE_OK);
    CHECK(strcmp(settings.config_path, "/nonexistent/.config/proflite/config") == 0);
    unsetenv("XDG_CONFIG_HOME");
}

/* 0.5 stays 0.5 where the comma is the point. */
static void test_locale(void)
{
    proflite_options options = PROFLITE_OPTIONS_INIT;
    options.session_sample_rate = 0.5;
    (void)setlocale(LC_ALL, "de_DE.UTF-8"); /* if it is installed */
    CHECK(read_with(&options, false) == PROFLITE_OK, "%s", why);
    CHECK(settings.session_sample_rate == 0.5);
    setenv("PROFLITE_MAX_OVERHEAD", "0.125", 1);
    CHECK(read_with(&options, false) == PROFLITE_OK, "%s", why);
    CHECK(settings.max_overhead == 0.125);
    unsetenv("PROFLITE_MAX_OVERHEAD");
    (void)setlocale(LC_ALL, "C");
    pl_settings_deinit(&settings);
}

TEST_MAIN({"order", test_order}, {"secure", test_secure}, {"wrong", test_wrong},
          {"files", test_files}, {"locale", test_locale})
