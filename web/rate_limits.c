#include "web/rate_limits.h"

#include "formats/sent.h"

#include <stdlib.h>
#include <string.h>

#define LONGEST_S (30 * 24 * 3600)

static void copy(char *to, size_t room, const char *text, size_t len)
{
    while (len && *text == ' ') {
        text++;
        len--;
    }
    while (len && text[len - 1] == ' ')
        len--;
    if (len >= room)
        len = room - 1;
    memcpy(to, text, len);
    to[len] = '\0';
}

static int64_t seconds_of(const char *text, size_t len)
{
    char number[24], *end;
    copy(number, sizeof number, text, len);
    double seconds = strtod(number, &end);
    if (end == number || *end || !(seconds >= 0))
        return PL_RATE_LIMIT_S;
    return seconds > LONGEST_S ? LONGEST_S
                               : (int64_t)seconds + (seconds > (int64_t)seconds);
}

/* Durations are what chunks are charged by: a limit of them is one of chunks. */
static void rename_duration(char category[static 64])
{
    if (strcmp(category, "profile_duration") == 0)
        copy(category, 64, "profile_chunk", 13);
    else if (strcmp(category, "profile_duration_ui") == 0)
        copy(category, 64, "profile_chunk_ui", 16);
}

/* One limit, up to `end`: fields between colons. */
static size_t parse_one(const char *text, const char *end, struct pl_rate_limit *list,
                        size_t count)
{
    const char *fields[5] = {text};
    int field_count = 1;
    for (const char *at = text; at < end && field_count < 5; at++)
        if (*at == ':')
            fields[field_count++] = at + 1;
    for (int i = field_count; i < 5; i++)
        fields[i] = end + 1;
    struct pl_rate_limit limit = {
        .seconds = seconds_of(fields[0], (size_t)(fields[1] - 1 - fields[0]))};
    if (field_count > 3)
        copy(limit.reason, sizeof limit.reason, fields[3],
             (size_t)(fields[4] - 1 - fields[3]));
    const char *at = field_count > 1 ? fields[1] : end;
    const char *stop = field_count > 1 ? fields[2] - 1 : end;
    do {
        const char *semicolon = memchr(at, ';', (size_t)(stop - at));
        const char *until = semicolon ? semicolon : stop;
        copy(limit.category, sizeof limit.category, at, (size_t)(until - at));
        rename_duration(limit.category);
        if (count < PL_RATE_LIMITS_MOST)
            list[count++] = limit;
        at = until + 1;
    } while (at <= stop);
    return count;
}

size_t pl_rate_limits_parse(const char *text,
                            struct pl_rate_limit list_out[static PL_RATE_LIMITS_MOST])
{
    size_t count = 0;
    while (*text) {
        const char *end = text + strcspn(text, ",");
        if (strspn(text, " ") < (size_t)(end - text))
            count = parse_one(text, end, list_out, count);
        text = end + (*end == ',');
    }
    return count;
}

const char *pl_rate_limit_category(const char *item_type, const char *platform)
{
    static const char *const categories[][2] = {
        {"event", "error"},
        {"transaction", "transaction"},
        {"security", "security"},
        {"attachment", "attachment"},
        {"session", "session"},
        {"sessions", "session"},
        {"profile", "profile"},
        {"replay_event", "replay"},
        {"replay_recording", "replay"},
        {"replay_video", "replay"},
        {"check_in", "monitor"},
        {"feedback", "feedback"},
        {"user_report", "error"},
        {"span", "span"},
        {"otel_span", "span"},
        {"log", "log_item"},
        {"trace_metric", "trace_metric"},
        {"statsd", "metric_bucket"},
        {"metric_buckets", "metric_bucket"},
        {"client_report", "internal"},
    };
    if (strcmp(item_type, "profile_chunk") == 0)
        return pl_sent_category(PL_SENT_CHUNK, platform);
    for (size_t i = 0; i < sizeof categories / sizeof categories[0]; i++)
        if (strcmp(categories[i][0], item_type) == 0)
            return categories[i][1];
    return "default";
}
