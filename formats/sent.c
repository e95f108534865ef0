#include "formats/sent.h"

#include "base/hash.h"
#include "formats/decimal.h"

#include <stdlib.h>
#include <string.h>

void pl_sent_init(struct pl_sent *profile, enum pl_sent_kind kind, size_t limit)
{
    *profile = (struct pl_sent){
        .kind = kind, .budget.limit = limit, .from_task = kind == PL_SENT_TASK};
    pl_strings_init(&profile->strings, &profile->budget);
}

void pl_sent_forget(struct pl_sent *profile)
{
    free(profile->frames);
    free(profile->indexes);
    free(profile->stacks);
    free(profile->samples);
    profile->frames = NULL;
    profile->indexes = NULL;
    profile->stacks = NULL;
    profile->samples = NULL;
}

void pl_sent_deinit(struct pl_sent *profile)
{
    pl_strings_deinit(&profile->strings);
    pl_sent_forget(profile);
    free(profile->threads);
    free(profile->images);
    free(profile->measurements);
    free(profile->trace);
    free(profile->methods);
    free(profile->events);
    *profile = (struct pl_sent){0};
}

void pl_sent_settle(struct pl_sent *profile)
{
    if (profile->kind != PL_SENT_TASK)
        return;
    profile->kind = profile->has_profiler_id ? PL_SENT_CHUNK : PL_SENT_WITH_TXN;
    if (profile->kind == PL_SENT_CHUNK)
        return;
    profile->id = profile->event_id;
    profile->has_id = profile->has_event_id;
}

bool pl_sent_is_bare(const struct pl_sent *profile)
{
    return !profile->sample_count && !profile->stack_count && !profile->frame_count &&
           !profile->trace && !profile->malformed_samples &&
           !profile->has_other_profile;
}

const char *pl_sent_text(const struct pl_sent *profile, uint32_t at)
{
    return pl_strings_get(&profile->strings, at);
}

/* Ids are numbers as text nearly always; others get a number of their own. */
static int64_t tid_of(const char *id)
{
    uint64_t tid;
    if (pl_decimal_u64(id, strlen(id), false, &tid) && tid <= INT64_MAX)
        return (int64_t)tid;
    return (int64_t)(pl_hash_bytes(id, strlen(id)) >> 2);
}

static bool add_thread(struct pl_sent *profile, uint32_t id)
{
    void *threads = profile->threads;
    bool room = profile->thread_count < PL_SENT_THREADS &&
                pl_budget_grow(&profile->budget, &threads, profile->thread_count,
                               &profile->thread_cap, sizeof *profile->threads);
    profile->threads = threads;
    profile->budget.exceeded = !room;
    if (room)
        profile->threads[profile->thread_count++] =
            (struct pl_sent_thread){.id = id, .tid = tid_of(pl_sent_text(profile, id))};
    return room;
}

/* Ticks list the same threads in the same order, mostly: the one that came after the
 * last one. */
static uint32_t expected_thread(const struct pl_sent *profile, const char *id,
                                size_t len)
{
    if (profile->last_thread >= profile->thread_count)
        return UINT32_MAX;
    uint32_t thread = profile->threads[profile->last_thread].after;
    const char *known = pl_sent_text(profile, profile->threads[thread].id);
    return strlen(known) == len && memcmp(known, id, len) == 0 ? thread : UINT32_MAX;
}

static uint32_t find_thread(struct pl_sent *profile, const char *id, size_t len)
{
    uint32_t text = pl_strings_add(&profile->strings, id, len);
    uint16_t *at = &profile->thread_at[pl_hash_mix(1, text) % PL_SENT_THREADS];
    if (*at < profile->thread_count && profile->threads[*at].id == text)
        return *at;
    size_t i = 0;
    while (i < profile->thread_count && profile->threads[i].id != text)
        i++;
    if (i == profile->thread_count && !add_thread(profile, text))
        return UINT32_MAX;
    *at = (uint16_t)i;
    return (uint32_t)i;
}

uint32_t pl_sent_thread(struct pl_sent *profile, const char *id, size_t len)
{
    uint32_t thread = expected_thread(profile, id, len);
    if (thread == UINT32_MAX)
        thread = find_thread(profile, id, len);
    if (thread == UINT32_MAX)
        return thread;
    if (profile->last_thread < profile->thread_count)
        profile->threads[profile->last_thread].after = thread;
    profile->last_thread = thread;
    return thread;
}

static bool is_ui(const char *platform)
{
    return strcmp(platform, "cocoa") == 0 || strcmp(platform, "android") == 0 ||
           strcmp(platform, "javascript") == 0;
}

const char *pl_sent_category(enum pl_sent_kind kind, const char *platform)
{
    if (kind == PL_SENT_WITH_TXN)
        return "profile";
    return is_ui(platform) ? "profile_chunk_ui" : "profile_chunk";
}

const char *pl_sent_format(const struct pl_sent *profile)
{
    bool traced = pl_sent_is_traced(profile);
    if (profile->kind == PL_SENT_WITH_TXN)
        return traced ? "legacy" : "sample_v1";
    return traced ? "android_chunk" : "sample_v2";
}
