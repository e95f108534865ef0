#include "collector/settings.h"

#include <ctype.h>
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define MAX_HZ     1000
#define DEFAULT_HZ 101

/* What is being filled, and where to say what is wrong with it. */
struct reading {
    struct pl_settings *settings;
    bool secure;
    char *why;
    size_t why_bytes;
};

static int refuse(const struct reading *reading, int result, const char *what,
                  const char *value)
{
    (void)snprintf(reading->why, reading->why_bytes, "%s%s%.100s", what,
                   value ? ": " : "", value ? value : "");
    return result;
}

static const char *environment(const struct reading *reading, const char *name)
{
    const char *value = reading->secure ? NULL : getenv(name);
    return value && *value ? value : NULL;
}

/* Without blanks at either end; NULL for nothing at all. */
static char *trimmed(const char *text)
{
    if (!text)
        return NULL;
    while (isspace((unsigned char)*text))
        text++;
    size_t len = strlen(text);
    while (len && isspace((unsigned char)text[len - 1]))
        len--;
    return len ? strndup(text, len) : NULL;
}

/* The caller's word, blank or not, else the environment's. */
static char *text_option(const struct reading *reading, const char *given,
                         const char *name)
{
    return trimmed(given ? given : environment(reading, name));
}

/* ---- store ---- */

static char *join(const char *folder, const char *file)
{
    size_t bytes = strlen(folder) + strlen(file) + 2;
    char *path = malloc(bytes);
    if (path)
        (void)snprintf(path, bytes, "%s/%s", folder, file);
    return path;
}

/* The program may change its folder later; the store stays where it was meant. */
static char *absolute(const char *path)
{
    if (path[0] == '/')
        return strdup(path);
    char *folder = getcwd(NULL, 0);
    char *joined = folder ? join(folder, path) : NULL;
    free(folder);
    return joined;
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

static int read_db(const struct reading *reading, const char *given)
{
    if (!given)
        given = environment(reading, "PROFLITE_DB");
    if (given && *given)
        reading->settings->db = absolute(given);
    else if (reading->secure)
        return refuse(reading, PROFLITE_UNSUPPORTED,
                      "a set-user-ID program must name its store itself (db)", NULL);
    else
        reading->settings->db = default_db(reading);
    if (!reading->settings->db)
        return refuse(reading, PROFLITE_IO, "no place for the store: set PROFLITE_DB",
                      NULL);
    return PROFLITE_OK;
}

/* ---- numbers and words ---- */

static int read_hz(const struct reading *reading, unsigned given)
{
    const char *text = environment(reading, "PROFLITE_HZ");
    reading->settings->hz = given ? given : DEFAULT_HZ;
    if (!given && text) {
        char *end;
        errno = 0;
        unsigned long value = strtoul(text, &end, 10);
        if (errno || *end || !isdigit((unsigned char)*text) || value > MAX_HZ)
            return refuse(reading, PROFLITE_INVALID, "PROFLITE_HZ must be 1 to 1000",
                          text);
        reading->settings->hz = (unsigned)value;
    }
    if (reading->settings->hz < 1 || reading->settings->hz > MAX_HZ)
        return refuse(reading, PROFLITE_INVALID, "hz must be 1 to 1000", NULL);
    return PROFLITE_OK;
}

static int read_mode(const struct reading *reading, int given)
{
    const char *text = environment(reading, "PROFLITE_MODE");
    if (given != PROFLITE_MODE_DEFAULT && given != PROFLITE_MODE_WALL &&
        given != PROFLITE_MODE_CPU)
        return refuse(reading, PROFLITE_INVALID, "unknown mode", NULL);
    reading->settings->cpu_mode = given == PROFLITE_MODE_CPU;
    if (given != PROFLITE_MODE_DEFAULT || !text)
        return PROFLITE_OK;
    reading->settings->cpu_mode = strcmp(text, "cpu") == 0;
    if (strcmp(text, "cpu") != 0 && strcmp(text, "wall") != 0)
        return refuse(reading, PROFLITE_INVALID, "PROFLITE_MODE must be wall or cpu",
                      text);
    return PROFLITE_OK;
}

static int read_rate(const struct reading *reading, double given)
{
    const char *text = environment(reading, "PROFLITE_SESSION_SAMPLE_RATE");
    double rate = given;
    if (given < 0)
        rate = 1.0;
    if (given < 0 && text) {
        char *end;
        rate = strtod(text, &end);
        if (end == text || *end)
            rate = -1;
    }
    if (!(rate >= 0 && rate <= 1)) /* also what is no number */
        return refuse(reading, PROFLITE_INVALID, "session_sample_rate must be 0 to 1",
                      given < 0 ? text : NULL);
    reading->settings->session_sample_rate = rate;
    return PROFLITE_OK;
}

/* ---- all of it ---- */

/* A caller built against an older header has a shorter struct; one against a
 * newer may have asked for what this library does not know. */
static int copy_options(const struct reading *reading, const proflite_options *given,
                        proflite_options *options_out)
{
    static const proflite_options unset = PROFLITE_OPTIONS_INIT;
    *options_out = unset;
    if (!given)
        return PROFLITE_OK;
    if (given->size < offsetof(proflite_options, app) || given->size > 4096)
        return refuse(reading, PROFLITE_INVALID,
                      "options.size is wrong: start from PROFLITE_OPTIONS_INIT", NULL);
    size_t size = given->size < sizeof unset ? given->size : sizeof unset;
    const char *rest = (const char *)given + size;
    for (size_t i = size; i < given->size; i++, rest++)
        if (*rest)
            return refuse(reading, PROFLITE_INVALID,
                          "an option of a newer proflite is set", NULL);
    memcpy(options_out, given, size);
    return PROFLITE_OK;
}

int pl_settings_init(struct pl_settings *settings_out, const proflite_options *given,
                     bool secure, char *why, size_t why_bytes)
{
    struct pl_settings settings = {0};
    struct reading reading = {&settings, secure, why, why_bytes};
    proflite_options options;
    int result = copy_options(&reading, given, &options);
    if (result == PROFLITE_OK)
        result = read_hz(&reading, options.hz);
    if (result == PROFLITE_OK)
        result = read_mode(&reading, (int)options.mode);
    if (result == PROFLITE_OK)
        result = read_rate(&reading, options.session_sample_rate);
    if (result == PROFLITE_OK)
        result = read_db(&reading, options.db);
    if (result != PROFLITE_OK) {
        pl_settings_deinit(&settings);
        return result;
    }
    settings.app = text_option(&reading, options.app, "PROFLITE_APP");
    settings.release = text_option(&reading, options.release, "PROFLITE_RELEASE");
    settings.environment =
        text_option(&reading, options.environment, "PROFLITE_ENVIRONMENT");
    settings.dist = text_option(&reading, options.dist, "PROFLITE_DIST");
    *settings_out = settings;
    return PROFLITE_OK;
}

void pl_settings_deinit(struct pl_settings *settings)
{
    free(settings->db);
    free(settings->app);
    free(settings->release);
    free(settings->environment);
    free(settings->dist);
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
