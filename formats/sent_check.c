/* What Relay would say of a profile: the checks are its own, and so are the names of
 * the reasons (docs/API.md lists them). Where it trims, nothing is trimmed here: every
 * sample that was sent is kept. */
#include "formats/android_trace.h"
#include "formats/decimal.h"
#include "formats/sent.h"

#include <stdlib.h>
#include <string.h>

#define NS_PER_S     INT64_C(1000000000)
#define CHUNK_MAX_NS (66 * NS_PER_S)
#define TXN_MAX_NS   (30 * NS_PER_S)
#define LATEST_NS    (INT64_MAX / 4 - 1000 * NS_PER_S) /* what the store can hold */

static bool is(const struct pl_sent *p, uint32_t at, const char *text)
{
    return strcmp(pl_sent_text(p, at), text) == 0;
}

/* ---- what it says about itself ---- */

static bool is_id(const struct pl_sent *p, uint32_t at)
{
    struct pl_id id;
    static const struct pl_id nil;
    return pl_id_parse(pl_sent_text(p, at), &id) && memcmp(&id, &nil, sizeof id);
}

static const char *check_ids(const struct pl_sent *p, const char *item_platform)
{
    const char *platform = pl_sent_text(p, p->platform);
    if (p->bad_ids || !p->has_id || !p->platform)
        return "profiling_invalid_json";
    if (p->kind == PL_SENT_CHUNK && !p->has_profiler_id)
        return "profiling_invalid_json";
    if (*item_platform && strcmp(pl_sent_category(p->kind, platform),
                                 pl_sent_category(p->kind, item_platform)) != 0)
        return "profiling_invalid_profile_type";
    return NULL;
}

static const char *check_version(const struct pl_sent *p)
{
    bool android = is(p, p->platform, "android");
    if (p->kind == PL_SENT_CHUNK)
        return android || is(p, p->version, "2") ? NULL
                                                 : "profiling_platform_not_supported";
    return is(p, p->version, "1") || (android && !p->version)
               ? NULL
               : "profiling_platform_not_supported";
}

static const char *check_transaction(const struct pl_sent *p)
{
    if (p->kind != PL_SENT_WITH_TXN)
        return NULL;
    if (!p->has_transaction)
        return "profiling_no_transaction_associated";
    if (!p->transaction_name || !is_id(p, p->transaction_id) || !is_id(p, p->trace_id))
        return "profiling_invalid_transaction_metadata";
    if (is(p, p->platform, "cocoa") && (!p->os_build || !p->emulator_said ||
                                        !p->locale || !p->manufacturer || !p->model))
        return "profiling_invalid_profile_metadata";
    return NULL;
}

/* ---- indexes ---- */

static const char *check_indexes(const struct pl_sent *p)
{
    if (p->malformed_samples)
        return "profiling_malformed_samples";
    for (size_t i = 0; i < p->sample_count; i++)
        if (p->samples[i].stack >= p->stack_count)
            return "profiling_malformed_samples";
    for (size_t i = 0; i < p->index_count; i++)
        if (p->indexes[i] >= p->frame_count)
            return "profiling_malformed_stacks";
    return NULL;
}

/* ---- times ---- */

static int compare_samples(const void *left, const void *right)
{
    const struct pl_sent_sample *a = left, *b = right;
    if (a->thread != b->thread)
        return a->thread < b->thread ? -1 : 1;
    return (a->at_ns > b->at_ns) - (a->at_ns < b->at_ns);
}

static bool is_sorted(const struct pl_sent *p)
{
    for (size_t i = 1; i < p->sample_count; i++)
        if (compare_samples(&p->samples[i - 1], &p->samples[i]) > 0)
            return false;
    return true;
}

/* By thread, then time; those of one time stay as sent. SDKs send them tick by tick,
 * so counting threads apart leaves next to nothing to sort. */
static const char *sort_samples(struct pl_sent *p)
{
    if (is_sorted(p))
        return NULL;
    size_t *at = calloc(p->thread_count + 1, sizeof *at);
    struct pl_sent_sample *sorted = malloc((p->sample_count + 1) * sizeof *sorted);
    if (!at || !sorted) {
        free(at);
        free(sorted);
        return "profiling_exceed_size_limit";
    }
    for (size_t i = 0; i + 1 < p->thread_count; i++)
        at[i + 1] = at[i] + p->threads[i].samples;
    for (size_t i = 0; i < p->sample_count; i++)
        sorted[at[p->samples[i].thread]++] = p->samples[i];
    free(at);
    free(p->samples);
    p->samples = sorted;
    if (!is_sorted(p))
        qsort(sorted, p->sample_count, sizeof *sorted, compare_samples);
    return NULL;
}

/* v1 counts from its start. */
static const char *find_start(struct pl_sent *p, int64_t received_ns)
{
    const char *text = pl_sent_text(p, p->timestamp);
    if (!p->start_ns && !pl_decimal_rfc3339(text, &p->start_ns) &&
        !pl_decimal_scale(text, strlen(text), 9, &p->start_ns))
        p->start_ns = received_ns > TXN_MAX_NS ? received_ns - TXN_MAX_NS : received_ns;
    return p->start_ns < 0 || p->start_ns > LATEST_NS ? "profiling_invalid_json" : NULL;
}

static const char *check_times(struct pl_sent *p, int64_t received_ns)
{
    int64_t first = INT64_MAX, last = 0;
    bool absolute = p->kind == PL_SENT_CHUNK && !pl_sent_is_traced(p);
    const char *reason = absolute ? NULL : find_start(p, received_ns);
    for (size_t i = 0; i < p->sample_count; i++) {
        first = p->samples[i].at_ns < first ? p->samples[i].at_ns : first;
        last = p->samples[i].at_ns > last ? p->samples[i].at_ns : last;
    }
    if (last > LATEST_NS || first < 0)
        return "profiling_malformed_samples";
    if (!pl_sent_is_traced(p) &&
        last - (absolute ? first : 0) >
            (p->kind == PL_SENT_CHUNK ? CHUNK_MAX_NS : TXN_MAX_NS))
        return "profiling_duration_is_too_long";
    for (size_t i = 0; i < p->sample_count && !absolute; i++)
        p->samples[i].at_ns += p->start_ns;
    for (size_t i = 0; i < p->measurement_count && !absolute; i++)
        if (p->measurements[i].at_ns < p->start_ns) /* android says when */
            p->measurements[i].at_ns += p->start_ns;
    return reason;
}

/* ---- all of it ---- */

static const char *check_samples(struct pl_sent *p, int64_t received_ns)
{
    size_t needed = p->kind == PL_SENT_WITH_TXN && !pl_sent_is_traced(p) ? 2 : 1;
    const char *reason = NULL;
    if (p->sample_count < needed && !p->malformed_samples)
        return "profiling_not_enough_samples";
    reason = check_indexes(p);
    if (!reason)
        reason = check_times(p, received_ns);
    return reason ? reason : sort_samples(p);
}

const char *pl_sent_check_bare(struct pl_sent *p, int64_t received_ns)
{
    const char *reason = check_ids(p, "");
    if (!reason)
        reason = check_version(p);
    return reason ? reason : find_start(p, received_ns);
}

const char *pl_sent_check(struct pl_sent *p, const char *item_platform,
                          int64_t received_ns)
{
    const char *reason = check_ids(p, item_platform);
    if (!reason)
        reason = check_version(p);
    if (!reason)
        reason = check_transaction(p);
    if (!reason && is(p, p->platform, "android") &&
        p->sample_count == p->embedded_samples)
        reason = pl_android_trace(p);
    else if (!reason && pl_sent_is_traced(p)) { /* not looked at elsewhere */
        free(p->trace);
        p->trace = NULL;
        p->trace_len = p->event_count = 0;
    }
    return reason ? reason : check_samples(p, received_ns);
}
