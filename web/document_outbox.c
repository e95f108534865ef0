#include "web/document_outbox.h"

#include "web/json.h"

#include <inttypes.h>
#include <string.h>

#define DEAD "dead:"

static int64_t count_of(const struct pl_outbox_state *state, const char *name)
{
    for (size_t i = 0; i < state->count_count; i++)
        if (strcmp(state->counts[i].name, name) == 0)
            return state->counts[i].value;
    return 0;
}

/* The reason, where the count is of dead ones. */
static const char *dead_reason(const struct pl_outbox_count *count)
{
    bool dead = strncmp(count->name, DEAD, strlen(DEAD)) == 0;
    return dead ? count->name + strlen(DEAD) : NULL;
}

/* ---- JSON ---- */

static void put_dead(struct pl_buf *out, const struct pl_outbox_state *state)
{
    const char *comma = "";
    pl_buf_puts(out, ",\"dead\":{");
    for (size_t i = 0; i < state->count_count; i++) {
        const char *reason = dead_reason(&state->counts[i]);
        if (!reason)
            continue;
        pl_buf_puts(out, comma);
        pl_json_string(out, reason);
        pl_buf_putc(out, ':');
        pl_json_int(out, state->counts[i].value);
        comma = ",";
    }
    pl_buf_putc(out, '}');
}

static void put_limits(struct pl_buf *out, const struct pl_outbox_state *state)
{
    pl_buf_puts(out, ",\"limits\":[");
    for (size_t i = 0; i < state->limit_count; i++) {
        const struct pl_outbox_limited *limit = &state->limits[i];
        pl_buf_puts(out, i ? ",{\"category\":" : "{\"category\":");
        pl_json_string(out, limit->category[0] ? limit->category : NULL);
        pl_json_int_field(out, "until_ns", limit->until_ns);
        pl_json_string_field(out, "reason", limit->reason[0] ? limit->reason : NULL);
        pl_buf_putc(out, '}');
    }
    pl_buf_putc(out, ']');
}

void pl_json_outbox_field(struct pl_buf *out, const char *key,
                          const struct pl_outbox_state_list *list)
{
    pl_buf_printf(out, ",\"%s\":[", key);
    for (size_t i = 0; i < list->count; i++) {
        const struct pl_outbox_state *state = &list->rows[i];
        pl_buf_printf(out, "%s{\"id\":%" PRId64, i ? "," : "", state->id);
        pl_json_string_field(out, "target", state->name);
        pl_json_int_field(out, "waiting", state->waiting);
        pl_json_int_field(out, "waiting_bytes", state->waiting_bytes);
        pl_json_int_field(out, "oldest_ns", state->oldest_ns);
        pl_json_int_field(out, "sent", count_of(state, "sent"));
        pl_json_int_field(out, "sent_bytes", count_of(state, "sent_bytes"));
        pl_json_int_field(out, "retries", count_of(state, "retries"));
        pl_json_int_field(out, "limited", count_of(state, "limited"));
        put_dead(out, state);
        pl_buf_puts(out, state->paused ? ",\"paused\":true" : ",\"paused\":false");
        pl_json_string_field(out, "trouble", state->trouble[0] ? state->trouble : NULL);
        pl_json_int_field(out, "next_try_ns", state->next_try_ns);
        put_limits(out, state);
        pl_buf_putc(out, '}');
    }
    pl_buf_putc(out, ']');
}

/* ---- Prometheus: who asks is not known, so targets are numbers ---- */

static void put_label(struct pl_buf *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            pl_buf_putc(out, '\\');
        pl_buf_putc(out, *text >= ' ' ? *text : '?');
    }
}

static void put_line(struct pl_buf *out, const char *name,
                     const struct pl_outbox_state *state, int64_t value)
{
    pl_buf_printf(out, "proflite_forward_%s{target=\"%" PRId64 "\"} %" PRId64 "\n",
                  name, state->id, value);
}

static void put_head(struct pl_buf *out, const char *name, const char *type,
                     const char *help)
{
    pl_buf_printf(out, "# HELP proflite_forward_%s %s\n# TYPE proflite_forward_%s %s\n",
                  name, help, name, type);
}

static void put_counters(struct pl_buf *out, const struct pl_outbox_state_list *list)
{
    static const struct {
        const char *metric, *count, *help;
    } counters[] = {
        {"sent_total", "sent", "What the upstream took."},
        {"sent_bytes_total", "sent_bytes", "Bytes of it."},
        {"retries_total", "retries", "Tries that are to be made again."},
        {"limited_total", "limited", "What waits because of a rate limit."},
    };
    for (size_t c = 0; c < sizeof counters / sizeof counters[0]; c++) {
        put_head(out, counters[c].metric, "counter", counters[c].help);
        for (size_t i = 0; i < list->count; i++)
            put_line(out, counters[c].metric, &list->rows[i],
                     count_of(&list->rows[i], counters[c].count));
    }
}

static void put_dead_counters(struct pl_buf *out,
                              const struct pl_outbox_state_list *list)
{
    put_head(out, "dead_total", "counter", "What was given up, by reason.");
    for (size_t i = 0; i < list->count; i++) {
        const struct pl_outbox_state *state = &list->rows[i];
        for (size_t c = 0; c < state->count_count; c++) {
            const char *reason = dead_reason(&state->counts[c]);
            if (!reason)
                continue;
            pl_buf_printf(
                out, "proflite_forward_dead_total{target=\"%" PRId64 "\",reason=\"",
                state->id);
            put_label(out, reason);
            pl_buf_printf(out, "\"} %" PRId64 "\n", state->counts[c].value);
        }
    }
}

void pl_outbox_metrics(struct pl_buf *out, const struct pl_outbox_state_list *list)
{
    put_counters(out, list);
    put_dead_counters(out, list);
    put_head(out, "waiting", "gauge", "What is still to be sent.");
    for (size_t i = 0; i < list->count; i++)
        put_line(out, "waiting", &list->rows[i], list->rows[i].waiting);
    put_head(out, "waiting_bytes", "gauge", "Bytes of it.");
    for (size_t i = 0; i < list->count; i++)
        put_line(out, "waiting_bytes", &list->rows[i], list->rows[i].waiting_bytes);
    put_head(out, "paused", "gauge", "1: nothing is sent for now.");
    for (size_t i = 0; i < list->count; i++)
        put_line(out, "paused", &list->rows[i], list->rows[i].paused);
}
