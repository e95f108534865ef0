/* Selection parameters (see selection.h). Values come from a command line or a
 * URL: hostile. Nothing here touches the store. */
#include "store/selection.h"

#include "base/clock.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ID_LIST_LIMIT 100000 /* ids one selection may name */
#define LABEL_LIMIT   1000   /* labels */

void pl_selection_args_init(struct pl_selection_args *args, int64_t now_ns)
{
    *args = (struct pl_selection_args){.now_ns = now_ns};
}

static void drop_labels(struct pl_selection_args *args)
{
    for (size_t i = 0; i < args->label_count; i++)
        free((char *)(uintptr_t)args->labels[i].key); /* the value is behind it */
    free(args->labels);
    args->labels = NULL;
    args->label_count = 0;
}

void pl_selection_args_deinit(struct pl_selection_args *args)
{
    free(args->app);
    free(args->release);
    free(args->environment);
    free(args->thread_name);
    free(args->function);
    free(args->sessions);
    free(args->threads);
    drop_labels(args);
    *args = (struct pl_selection_args){0};
}

/* ---- times ---- */

static enum pl_status bad_time(const char *text, struct pl_error *err)
{
    return pl_error_set(err, PL_USAGE,
                        "'%.60s' is no time: use -1h, @SECONDS, Unix nanoseconds or "
                        "2026-08-01T12:30:05Z",
                        text);
}

/* Decimal digits at *text into *value_out; moves *text past them. */
static bool read_digits(const char **text, int64_t *value_out)
{
    int64_t value = 0;
    const char *s = *text;
    if (*s < '0' || *s > '9')
        return false;
    for (; *s >= '0' && *s <= '9'; s++)
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, *s - '0', &value))
            return false;
    *text = s;
    *value_out = value;
    return true;
}

/* ".25" at *text as nanoseconds; nothing there is 0. Digits past ns are cut. */
static bool read_fraction(const char **text, int64_t *ns_out)
{
    *ns_out = 0;
    if (**text != '.')
        return true;
    const char *s = *text + 1;
    if (*s < '0' || *s > '9')
        return false;
    int64_t unit = PL_NS_PER_S / 10;
    for (; *s >= '0' && *s <= '9'; s++, unit /= 10)
        *ns_out += (*s - '0') * unit;
    *text = s;
    return true;
}

static bool read_unit(const char **text, int64_t *unit_ns_out)
{
    static const struct {
        const char *name;
        int64_t ns;
    } units[] = {
        {"ns", 1},
        {"us", PL_NS_PER_US},
        {"ms", PL_NS_PER_MS},
        {"s", PL_NS_PER_S},
        {"m", 60 * PL_NS_PER_S},
        {"h", 3600 * PL_NS_PER_S},
        {"d", 86400 * PL_NS_PER_S},
        {"w", 7 * 86400 * PL_NS_PER_S},
    };
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        size_t len = strlen(units[i].name);
        if (strncmp(*text, units[i].name, len) == 0) {
            *text += len;
            *unit_ns_out = units[i].ns;
            return true;
        }
    }
    return false;
}

/* "1h30m" (the minus is gone) as a length. */
static bool read_duration(const char *text, int64_t *ns_out)
{
    int64_t sum = 0, count, unit;
    do {
        if (!read_digits(&text, &count) || !read_unit(&text, &unit) ||
            __builtin_mul_overflow(count, unit, &count) ||
            __builtin_add_overflow(sum, count, &sum))
            return false;
    } while (*text);
    *ns_out = sum;
    return true;
}

static bool read_field(const char **text, size_t digits, int low, int high, int *out)
{
    int value = 0;
    for (size_t i = 0; i < digits; i++, (*text)++) {
        if (**text < '0' || **text > '9')
            return false;
        value = value * 10 + (**text - '0');
    }
    *out = value;
    return value >= low && value <= high;
}

/* Move past `c` if it is next. */
static bool skip(const char **text, char c)
{
    if (**text != c)
        return false;
    ++*text;
    return true;
}

/* The part of a calendar time after the date; `fraction_ns` of the second. */
static bool read_clock(const char **text, struct tm *tm, int64_t *fraction_ns)
{
    if (!skip(text, 'T') && !skip(text, ' '))
        return false;
    if (!read_field(text, 2, 0, 23, &tm->tm_hour) || !skip(text, ':') ||
        !read_field(text, 2, 0, 59, &tm->tm_min))
        return false;
    if (!skip(text, ':'))
        return true;
    return read_field(text, 2, 0, 59, &tm->tm_sec) && read_fraction(text, fraction_ns);
}

static bool read_calendar(const char *text, int64_t *time_ns_out)
{
    struct tm tm = {.tm_isdst = -1};
    int64_t fraction_ns = 0;
    if (!read_field(&text, 4, 1970, 2200, &tm.tm_year) || !skip(&text, '-') ||
        !read_field(&text, 2, 1, 12, &tm.tm_mon) || !skip(&text, '-') ||
        !read_field(&text, 2, 1, 31, &tm.tm_mday))
        return false;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    if (*text && *text != 'Z' && !read_clock(&text, &tm, &fraction_ns))
        return false;
    bool utc = skip(&text, 'Z');
    if (*text)
        return false;
    int day = tm.tm_mday;
    time_t seconds = utc ? timegm(&tm) : mktime(&tm);
    if (seconds < 0 || tm.tm_mday != day) /* 31 April would become 1 May */
        return false;
    *time_ns_out = (int64_t)seconds * PL_NS_PER_S + fraction_ns;
    return true;
}

static bool read_seconds(const char *text, int64_t *time_ns_out)
{
    int64_t seconds, fraction_ns;
    return read_digits(&text, &seconds) && read_fraction(&text, &fraction_ns) &&
           !*text && !__builtin_mul_overflow(seconds, PL_NS_PER_S, time_ns_out) &&
           !__builtin_add_overflow(*time_ns_out, fraction_ns, time_ns_out);
}

enum pl_status pl_time_parse(const char *text, int64_t now_ns, int64_t *time_ns_out,
                             struct pl_error *err)
{
    int64_t time_ns = 0;
    bool ok;
    if (strcmp(text, "now") == 0) {
        time_ns = now_ns;
        ok = true;
    } else if (text[0] == '-') {
        ok = read_duration(text + 1, &time_ns) &&
             !__builtin_sub_overflow(now_ns, time_ns, &time_ns);
    } else if (text[0] == '@') {
        ok = read_seconds(text + 1, &time_ns);
    } else if (strchr(text, '-')) {
        ok = read_calendar(text, &time_ns);
    } else {
        const char *s = text;
        ok = read_digits(&s, &time_ns) && !*s;
    }
    if (!ok)
        return bad_time(text, err);
    *time_ns_out = time_ns;
    return PL_OK;
}

/* ---- keys ---- */

static enum pl_status out_of_memory(struct pl_error *err)
{
    return pl_error_set(err, PL_NOMEM, "out of memory reading the selection");
}

static enum pl_status set_text(char **field, const char *value, struct pl_error *err)
{
    char *copy = NULL;
    if (*value && !(copy = strdup(value)))
        return out_of_memory(err);
    free(*field);
    *field = copy;
    return PL_OK;
}

/* "from" and "to": 0 means open, so a time before 1970 means the first ns. */
static enum pl_status set_time(struct pl_selection_args *args, int64_t *field,
                               const char *value, struct pl_error *err)
{
    int64_t time_ns = 0;
    if (*value) {
        enum pl_status status = pl_time_parse(value, args->now_ns, &time_ns, err);
        if (status != PL_OK)
            return status;
        if (time_ns < 1)
            time_ns = value[0] == '-' ? 1 : 0;
    }
    *field = time_ns;
    args->uses_now |= value[0] == '-' || value[0] == 'n';
    return PL_OK;
}

static enum pl_status add_id(int64_t **ids, size_t *count, int64_t id,
                             struct pl_error *err)
{
    if (*count >= ID_LIST_LIMIT)
        return pl_error_set(err, PL_USAGE, "more than %d ids in one selection",
                            ID_LIST_LIMIT);
    if ((*count & (*count - 1)) == 0) { /* a power of two is full */
        size_t room = *count ? *count * 2 : 1;
        int64_t *grown = realloc(*ids, room * sizeof **ids);
        if (!grown)
            return out_of_memory(err);
        *ids = grown;
    }
    (*ids)[(*count)++] = id;
    return PL_OK;
}

/* Every id of a comma list, or USAGE with nothing said yet. */
static enum pl_status set_ids(int64_t **ids, size_t *count, const char *key,
                              const char *value, struct pl_error *err)
{
    if (!*value)
        *count = 0;
    for (const char *s = value; *s;) {
        int64_t id;
        if (!read_digits(&s, &id) || (*s && *s != ',') || (*s == ',' && !s[1]))
            return pl_error_set(err, PL_USAGE,
                                "%s takes ids or a comma list of ids, not '%.60s'", key,
                                value);
        s += *s == ',';
        enum pl_status status = add_id(ids, count, id, err);
        if (status != PL_OK)
            return status;
    }
    return PL_OK;
}

static enum pl_status set_thread(struct pl_selection_args *args, const char *value,
                                 struct pl_error *err)
{
    if (value[strspn(value, "0123456789,")])
        return set_text(&args->thread_name, value, err);
    return set_ids(&args->threads, &args->thread_count, "thread", value, err);
}

/* "key=value" or "key"; both texts in one piece of memory. */
static enum pl_status add_label(struct pl_selection_args *args, const char *value,
                                struct pl_error *err)
{
    if (!*value) {
        drop_labels(args);
        return PL_OK;
    }
    if (*value == '=')
        return pl_error_set(err, PL_USAGE, "label takes key=value or key, not '%.60s'",
                            value);
    if (args->label_count >= LABEL_LIMIT)
        return pl_error_set(err, PL_USAGE, "more than %d labels in one selection",
                            LABEL_LIMIT);
    struct pl_label *grown =
        realloc(args->labels, (args->label_count + 1) * sizeof *grown);
    if (!grown)
        return out_of_memory(err);
    args->labels = grown;
    char *key = strdup(value);
    if (!key)
        return out_of_memory(err);
    char *equals = strchr(key, '=');
    if (equals)
        *equals++ = '\0';
    args->labels[args->label_count++] = (struct pl_label){key, equals};
    return PL_OK;
}

static enum pl_status set_metric(struct pl_selection_args *args, const char *value,
                                 struct pl_error *err)
{
    if (!*value || strcmp(value, "wall") == 0)
        args->metric = PL_METRIC_WALL;
    else if (strcmp(value, "cpu") == 0)
        args->metric = PL_METRIC_CPU;
    else
        return pl_error_set(err, PL_USAGE, "metric is wall or cpu, not '%.60s'", value);
    return PL_OK;
}

enum key {
    KEY_APP,
    KEY_RELEASE,
    KEY_ENV,
    KEY_SESSION,
    KEY_THREAD,
    KEY_THREAD_NAME,
    KEY_FROM,
    KEY_TO,
    KEY_FUNCTION,
    KEY_LABEL,
    KEY_METRIC,
    KEY_NONE,
};

static enum key find_key(const char *key)
{
    static const struct {
        const char *name;
        enum key key;
    } keys[] = {
        {"app", KEY_APP},         {"release", KEY_RELEASE},
        {"env", KEY_ENV},         {"environment", KEY_ENV},
        {"session", KEY_SESSION}, {"thread", KEY_THREAD},
        {"from", KEY_FROM},       {"thread_name", KEY_THREAD_NAME},
        {"to", KEY_TO},           {"function", KEY_FUNCTION},
        {"metric", KEY_METRIC},   {"label", KEY_LABEL},
    };
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        if (strcmp(key, keys[i].name) == 0)
            return keys[i].key;
    return KEY_NONE;
}

bool pl_selection_is_key(const char *key)
{
    return find_key(key) != KEY_NONE;
}

enum pl_status pl_selection_set(struct pl_selection_args *args, const char *key,
                                const char *value, struct pl_error *err)
{
    switch (find_key(key)) {
    case KEY_APP:
        return set_text(&args->app, value, err);
    case KEY_RELEASE:
        return set_text(&args->release, value, err);
    case KEY_ENV:
        return set_text(&args->environment, value, err);
    case KEY_SESSION:
        return set_ids(&args->sessions, &args->session_count, "session", value, err);
    case KEY_THREAD:
        return set_thread(args, value, err);
    case KEY_THREAD_NAME:
        return set_text(&args->thread_name, value, err);
    case KEY_FROM:
        return set_time(args, &args->from_ns, value, err);
    case KEY_TO:
        return set_time(args, &args->to_ns, value, err);
    case KEY_FUNCTION:
        return set_text(&args->function, value, err);
    case KEY_LABEL:
        return add_label(args, value, err);
    case KEY_METRIC:
        return set_metric(args, value, err);
    case KEY_NONE:
        break;
    }
    return pl_error_set(err, PL_NOT_FOUND, "'%.60s' is no selection", key);
}

enum pl_status pl_selection_get(const struct pl_selection_args *args,
                                struct pl_selection *selection_out,
                                struct pl_error *err)
{
    if (args->from_ns && args->to_ns && args->from_ns >= args->to_ns)
        return pl_error_set(err, PL_USAGE,
                            "the selection ends (%lld) before it starts (%lld)",
                            (long long)args->to_ns, (long long)args->from_ns);
    *selection_out = (struct pl_selection){
        .app = args->app,
        .release = args->release,
        .environment = args->environment,
        .sessions = args->sessions,
        .session_count = args->session_count,
        .threads = args->threads,
        .thread_count = args->thread_count,
        .thread_name = args->thread_name,
        .from_ns = args->from_ns,
        .to_ns = args->to_ns,
        .function = args->function,
        .labels = args->labels,
        .label_count = args->label_count,
    };
    return PL_OK;
}
