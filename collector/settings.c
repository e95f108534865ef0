/* Every option is a text first, wherever it comes from, and is read by one function:
 * what a program, the environment and the file may say is the same. */
#include "collector/settings.h"

#include "base/config.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <locale.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define MAX_HZ 1000

enum kind { TEXT, PATH, NUMBER, SHARE, WORD, SWITCH };

struct description {
    const char *name, *variable, *fallback; /* fallback NULL: none */
    enum kind kind;
    size_t at;                /* in proflite_options */
    const char *const *words; /* by the number the caller gives */
    const char *expected;
};

static const char *const modes[] = {"", "wall", "cpu", NULL};
static const char *const lifecycles[] = {"", "manual", "trace", NULL};
static const char *const durabilities[] = {"", "normal", "full", NULL};

#define FIELD(field, variable, fallback, kind, words, expected)                        \
    [PL_SETTING_##                                                                     \
        field] = {#field, variable, fallback, kind, offsetof(proflite_options, field), \
                  words,  expected}

static const struct description descriptions[PL_SETTING_COUNT] = {
    FIELD(db, "PROFLITE_DB", NULL, PATH, NULL, NULL),
    FIELD(app, "PROFLITE_APP", NULL, TEXT, NULL, NULL),
    FIELD(release, "PROFLITE_RELEASE", NULL, TEXT, NULL, NULL),
    FIELD(environment, "PROFLITE_ENVIRONMENT", NULL, TEXT, NULL, NULL),
    FIELD(dist, "PROFLITE_DIST", NULL, TEXT, NULL, NULL),
    FIELD(hz, "PROFLITE_HZ", "101", NUMBER, NULL, "1 to 1000"),
    FIELD(mode, "PROFLITE_MODE", "wall", WORD, modes, "wall or cpu"),
    FIELD(session_sample_rate, "PROFLITE_SESSION_SAMPLE_RATE", "1", SHARE, NULL,
          "0 to 1"),
    FIELD(lifecycle, "PROFLITE_LIFECYCLE", "manual", WORD, lifecycles,
          "manual or trace"),
    FIELD(auto_start, "PROFLITE_AUTO_START", "0", SWITCH, NULL, "0 or 1"),
    FIELD(max_overhead, "PROFLITE_MAX_OVERHEAD", "0", SHARE, NULL, "0 to 1"),
    FIELD(in_app_include, "PROFLITE_IN_APP_INCLUDE", NULL, TEXT, NULL, NULL),
    FIELD(in_app_exclude, "PROFLITE_IN_APP_EXCLUDE", NULL, TEXT, NULL, NULL),
    FIELD(project_root, "PROFLITE_PROJECT_ROOT", NULL, PATH, NULL, NULL),
    FIELD(durability, "PROFLITE_DURABILITY", "normal", WORD, durabilities,
          "normal or full"),
    FIELD(control, "PROFLITE_CONTROL", NULL, PATH, NULL, NULL),
};

const char *pl_setting_name(enum pl_setting setting)
{
    return descriptions[setting].name;
}

const char *pl_setting_variable(enum pl_setting setting)
{
    return descriptions[setting].variable;
}

/* What is being filled, and where to say what is wrong with it. */
struct reading {
    struct pl_settings *settings;
    proflite_options given;
    struct pl_config config;
    bool secure;
    char *why;
    size_t why_bytes;
};

static int refuse(const struct reading *reading, int result, const char *why)
{
    (void)snprintf(reading->why, reading->why_bytes, "%s", why);
    return result;
}

/* ---- where a text comes from ---- */

static const char *environment(const struct reading *reading, const char *name)
{
    const char *value = reading->secure ? NULL : getenv(name);
    return value && *value ? value : NULL;
}

/* Without blanks at either end; NULL for nothing at all, or no memory. */
static char *trimmed(const char *text)
{
    while (isspace((unsigned char)*text))
        text++;
    size_t length = strlen(text);
    while (length && isspace((unsigned char)text[length - 1]))
        length--;
    return length ? strndup(text, length) : NULL;
}

static const char *word_of(const struct description *d, unsigned number)
{
    for (unsigned i = 0; d->words[i]; i++)
        if (i == number)
            return d->words[i];
    return "unknown";
}

/* What the caller set, as a text in `room`, or its own; NULL: nothing. */
static const char *given_text(const struct reading *reading,
                              const struct description *d, char *room, size_t size)
{
    const char *field = (const char *)&reading->given + d->at;
    const char *text = NULL;
    double share;
    unsigned number;
    int flag;
    switch (d->kind) {
    case TEXT:
    case PATH:
        memcpy(&text, field, sizeof text);
        return text;
    case SHARE:
        memcpy(&share, field, sizeof share);
        (void)snprintf(room, size, "%.17g", share);
        return share < 0 ? NULL : room;
    case NUMBER:
        memcpy(&number, field, sizeof number);
        (void)snprintf(room, size, "%u", number);
        return number ? room : NULL;
    case WORD:
        memcpy(&number, field, sizeof number);
        return number ? word_of(d, number) : NULL;
    case SWITCH:
        memcpy(&flag, field, sizeof flag);
        (void)snprintf(room, size, "%d", flag);
        return flag < 0 ? NULL : room;
    }
    return NULL;
}

/* The first of them that says something. A blank text of the caller's is its word: it
 * wants none. */
static void find_value(struct reading *reading, enum pl_setting setting)
{
    const struct description *d = &descriptions[setting];
    struct pl_setting_value *value = &reading->settings->values[setting];
    char room[64];
    const char *text = given_text(reading, d, room, sizeof room);
    const struct pl_config_entry *entry;
    value->origin = PL_ORIGIN_CALLER;
    if (!text && (text = environment(reading, d->variable)))
        value->origin = PL_ORIGIN_ENVIRONMENT;
    if (!text && (entry = pl_config_find(&reading->config, d->name)) && *entry->value) {
        text = entry->value;
        value->origin = PL_ORIGIN_FILE;
        value->line = entry->line;
    }
    if (!text) {
        text = d->fallback;
        value->origin = PL_ORIGIN_DEFAULT;
    }
    value->text = text ? trimmed(text) : NULL;
}

/* ---- reading texts ---- */

static int invalid(const struct reading *reading, enum pl_setting setting)
{
    const struct description *d = &descriptions[setting];
    const struct pl_setting_value *value = &reading->settings->values[setting];
    char why[256];
    if (value->origin == PL_ORIGIN_FILE)
        (void)snprintf(why, sizeof why, "%.100s:%u: %s must be %s: %.60s",
                       reading->config.path, value->line, d->name, d->expected,
                       value->text);
    else
        (void)snprintf(why, sizeof why, "%s must be %s: %.60s",
                       value->origin == PL_ORIGIN_ENVIRONMENT ? d->variable : d->name,
                       d->expected, value->text ? value->text : "");
    return refuse(reading, PROFLITE_INVALID, why);
}

static bool read_number(const char *text, unsigned *number_out)
{
    char *end;
    errno = 0;
    unsigned long value = strtoul(text, &end, 10);
    *number_out = (unsigned)value;
    return !errno && !*end && isdigit((unsigned char)*text) && value <= MAX_HZ;
}

static bool read_share(const char *text, double *share_out)
{
    char *end;
    *share_out = strtod(text, &end);
    return end != text && !*end && *share_out >= 0 && *share_out <= 1; /* no NaN */
}

static bool read_word(const struct description *d, const char *text, unsigned *word_out)
{
    for (unsigned i = 1; d->words[i]; i++)
        if (strcmp(d->words[i], text) == 0) {
            *word_out = i;
            return true;
        }
    return false;
}

static bool read_switch(const char *text, bool *on_out)
{
    static const char *const words[] = {"0",   "1",  "no",    "yes",
                                        "off", "on", "false", "true"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strcmp(words[i], text) == 0) {
            *on_out = i % 2;
            return true;
        }
    return false;
}

static int read_values(struct reading *reading)
{
    struct pl_settings *s = reading->settings;
    struct pl_setting_value *values = s->values;
    unsigned mode = 0, lifecycle = 0, durability = 0;
#define CHECK(setting, condition)                                                      \
    if (!values[PL_SETTING_##setting].text || !(condition))                            \
    return invalid(reading, PL_SETTING_##setting)
#define TEXT_OF(setting) values[PL_SETTING_##setting].text
    CHECK(hz, read_number(TEXT_OF(hz), &s->hz) && s->hz >= 1);
    CHECK(mode, read_word(&descriptions[PL_SETTING_mode], TEXT_OF(mode), &mode));
    CHECK(session_sample_rate,
          read_share(TEXT_OF(session_sample_rate), &s->session_sample_rate));
    CHECK(lifecycle, read_word(&descriptions[PL_SETTING_lifecycle], TEXT_OF(lifecycle),
                               &lifecycle));
    CHECK(auto_start, read_switch(TEXT_OF(auto_start), &s->auto_start));
    CHECK(max_overhead, read_share(TEXT_OF(max_overhead), &s->max_overhead));
    CHECK(durability, read_word(&descriptions[PL_SETTING_durability],
                                TEXT_OF(durability), &durability));
#undef TEXT_OF
#undef CHECK
    s->cpu_mode = mode == PROFLITE_MODE_CPU;
    s->trace = lifecycle == PROFLITE_LIFECYCLE_TRACE;
    s->full_durability = durability == PROFLITE_DURABILITY_FULL;
    return PROFLITE_OK;
}

/* ---- paths ---- */

static char *join(const char *folder, const char *file)
{
    size_t bytes = strlen(folder) + strlen(file) + 2;
    char *path = malloc(bytes);
    if (path)
        (void)snprintf(path, bytes, "%s/%s", folder, file);
    return path;
}

/* The program may change its folder later; paths stay where they were meant. */
static char *absolute(const char *path)
{
    if (path[0] == '/')
        return strdup(path);
    char folder[PATH_MAX];
    return getcwd(folder, sizeof folder) ? join(folder, path) : NULL;
}

static char *default_db(const struct reading *reading)
{
    const char *data = environment(reading, "XDG_DATA_HOME");
    const char *home = environment(reading, "HOME");
    char text[4096];
    struct passwd user, *found = NULL;
    if (data && data[0] == '/')
        return join(data, "proflite/proflite.db");
    if (home && home[0] == '/')
        return join(home, ".local/share/proflite/proflite.db");
    if (getpwuid_r(geteuid(), &user, text, sizeof text, &found) == 0 && found)
        return join(found->pw_dir, ".local/share/proflite/proflite.db");
    return NULL;
}

static int read_paths(struct reading *reading)
{
    struct pl_settings *s = reading->settings;
    struct pl_setting_value *db = &s->values[PL_SETTING_db];
    if (!db->text && reading->secure)
        return refuse(reading, PROFLITE_UNSUPPORTED,
                      "a set-user-ID program must name its store itself (db)");
    if (!db->text)
        db->origin = PL_ORIGIN_DEFAULT;
    if (!db->text)
        db->text = default_db(reading);
    for (unsigned i = 0; i < PL_SETTING_COUNT; i++) {
        struct pl_setting_value *value = &s->values[i];
        if (descriptions[i].kind != PATH || !value->text)
            continue;
        char *path = absolute(value->text);
        free(value->text);
        value->text = path;
        if (!path)
            return refuse(reading, PROFLITE_IO, "cannot tell the current folder");
    }
    if (!db->text)
        return refuse(reading, PROFLITE_IO, "no place for the store: set PROFLITE_DB");
    return PROFLITE_OK;
}

/* ---- all of it ---- */

/* A caller built against an older header has a shorter struct; one against a
 * newer may have asked for what this library does not know. */
static int copy_options(struct reading *reading, const proflite_options *given)
{
    static const proflite_options unset = PROFLITE_OPTIONS_INIT;
    reading->given = unset;
    if (!given)
        return PROFLITE_OK;
    if (given->size < offsetof(proflite_options, app) || given->size > 4096)
        return refuse(reading, PROFLITE_INVALID,
                      "options.size is wrong: start from PROFLITE_OPTIONS_INIT");
    size_t size = given->size < sizeof unset ? given->size : sizeof unset;
    const char *rest = (const char *)given + size;
    for (size_t i = size; i < given->size; i++, rest++)
        if (*rest)
            return refuse(reading, PROFLITE_INVALID,
                          "an option of a newer proflite is set");
    memcpy(&reading->given, given, size);
    return PROFLITE_OK;
}

static int read_config(struct reading *reading)
{
    struct pl_error err = {0};
    if (reading->secure || pl_config_read(&reading->config, &err) == PL_OK)
        return PROFLITE_OK;
    return refuse(reading, err.status == PL_INPUT ? PROFLITE_INVALID : PROFLITE_IO,
                  err.message);
}

/* The texts are the values' own; these are other names for them. */
static void name_texts(struct pl_settings *s)
{
    s->db = s->values[PL_SETTING_db].text;
    s->app = s->values[PL_SETTING_app].text;
    s->release = s->values[PL_SETTING_release].text;
    s->environment = s->values[PL_SETTING_environment].text;
    s->dist = s->values[PL_SETTING_dist].text;
    s->in_app_include = s->values[PL_SETTING_in_app_include].text;
    s->in_app_exclude = s->values[PL_SETTING_in_app_exclude].text;
    s->project_root = s->values[PL_SETTING_project_root].text;
    s->control = s->values[PL_SETTING_control].text;
}

static int read_all(struct pl_settings *settings_out, const proflite_options *given,
                    bool secure, char *why, size_t why_bytes)
{
    struct pl_settings settings = {0};
    struct reading reading = {
        .settings = &settings, .secure = secure, .why = why, .why_bytes = why_bytes};
    int result = copy_options(&reading, given);
    if (result == PROFLITE_OK)
        result = read_config(&reading);
    for (unsigned i = 0; result == PROFLITE_OK && i < PL_SETTING_COUNT; i++)
        find_value(&reading, (enum pl_setting)i);
    if (result == PROFLITE_OK)
        result = read_values(&reading);
    if (result == PROFLITE_OK)
        result = read_paths(&reading);
    settings.config_path = reading.config.path;
    reading.config.path = NULL;
    pl_config_deinit(&reading.config);
    if (result != PROFLITE_OK) {
        pl_settings_deinit(&settings);
        return result;
    }
    name_texts(&settings);
    *settings_out = settings;
    return PROFLITE_OK;
}

/* Numbers read the same whatever the program's locale. */
int pl_settings_init(struct pl_settings *settings_out, const proflite_options *given,
                     bool secure, char *why, size_t why_bytes)
{
    locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0), before = (locale_t)0;
    if (plain)
        before = uselocale(plain);
    int result = read_all(settings_out, given, secure, why, why_bytes);
    if (plain) {
        (void)uselocale(before);
        freelocale(plain);
    }
    return result;
}

void pl_settings_deinit(struct pl_settings *settings)
{
    for (unsigned i = 0; i < PL_SETTING_COUNT; i++)
        free(settings->values[i].text);
    free(settings->config_path);
    *settings = (struct pl_settings){0};
}

bool pl_settings_draw(const struct pl_settings *settings)
{
    uint32_t random = 0;
    if (settings->session_sample_rate >= 1)
        return true;
    if (getrandom(&random, sizeof random, 0) != (ssize_t)sizeof random)
        return false;
    return random < settings->session_sample_rate * 4294967296.0;
}
