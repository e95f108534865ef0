#include "process/pass_steps.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "store/rollup.h"

#include <stdlib.h>
#include <string.h>

/* Renewed before each step, if it is not young. A step that takes longer may be
 * overtaken by another process: then both do it, with the same result. */
#define LEASE_MS 60000
#define YOUNG_MS 10000

/* How long a chunk done with may wait for others. */
#define BATCH_MS 100

/* Requests taken in before chunks are looked at again. */
#define INTAKE_MOST 256

#define RETENTION_DAYS 90

/* The last part of an hour comes so much later. */
#define ROLLUP_GRACE_S 150

enum pl_status pl_pass_open(struct pl_store *store,
                            const struct pl_pass_options *options,
                            struct pl_pass **pass_out, struct pl_error *err)
{
    static const struct pl_pass_options defaults = {0};
    struct pl_pass *pass = calloc(1, sizeof *pass);
    if (!pass)
        return pl_error_set(err, PL_NOMEM, "out of memory");
    pass->store = store;
    pass->options = options ? *options : defaults;
    enum pl_status status =
        pl_symbolizer_open(&pass->options.symbols, &pass->symbolizer, err);
    if (status != PL_OK) {
        pl_pass_close(pass);
        return status;
    }
    pl_lease_owner(pass->owner);
    *pass_out = pass;
    return PL_OK;
}

void pl_pass_close(struct pl_pass *pass)
{
    if (!pass)
        return;
    pl_symbolizer_close(pass->symbolizer);
    free(pass);
}

const struct pl_pass_counters *pl_pass_counters(const struct pl_pass *pass)
{
    return &pass->counters;
}

static bool stopped(const struct pl_pass *pass)
{
    return pass->options.stop && atomic_load(pass->options.stop);
}

static enum pl_status renew_lease(struct pl_pass *pass, struct pl_error *err)
{
    int64_t now_ns = pl_clock_mono_ns();
    if (pass->leased_ns && now_ns - pass->leased_ns < YOUNG_MS * PL_NS_PER_MS)
        return PL_OK;
    enum pl_status status = pl_pass_lease(pass->store, pass->owner, LEASE_MS, err);
    pass->leased_ns = status == PL_OK ? now_ns : 0;
    return status;
}

/* The first one takes over from an owner that was killed. */
static enum pl_status take_lease(struct pl_pass *pass, struct pl_error *err)
{
    char holder[PL_LEASE_OWNER_BYTES];
    enum pl_status status = renew_lease(pass, err);
    if (status != PL_BUSY ||
        pl_pass_lease_holder(pass->store, holder, sizeof holder, NULL) != PL_OK ||
        !pl_lease_owner_is_dead(holder))
        return status;
    pl_pass_release(pass->store, holder);
    return renew_lease(pass, err);
}

/* ---- done with ---- */

static int retention_days(const struct pl_pass *pass)
{
    return pass->options.retention_days ? pass->options.retention_days : RETENTION_DAYS;
}

enum pl_status pl_pass_flush(struct pl_pass *pass, struct pl_error *err)
{
    struct pl_count counts[PL_PASS_COUNTS_MAX];
    if (!pass->end_count)
        return PL_OK;
    size_t count = pl_pass_counts(&pass->counted, &pass->counters, counts);
    enum pl_status status =
        pl_pass_finish(pass->store, pass->ends, pass->end_count, counts, count, err);
    for (size_t i = 0; i < pass->end_count && status == PL_OK; i++) {
        const struct pl_pass_end *end = &pass->ends[i];
        pass->counters.duplicates += end->duplicate;
        pass->counters.outcomes_invalid += !end->duplicate && end->reason;
        pass->counters.outcomes_accepted += !end->duplicate && !end->reason;
    }
    if (status == PL_OK)
        pass->counted = pass->counters;
    pass->end_count = 0; /* after an error they are taken again */
    return status;
}

static enum pl_status finish(struct pl_pass *pass, const struct pl_pending_chunk *chunk,
                             const char *outcome, const char *reason, bool normalized,
                             struct pl_error *err)
{
    int64_t now_ns = pl_clock_mono_ns();
    if (!pass->end_count)
        pass->first_end_ns = now_ns;
    pass->ends[pass->end_count++] = (struct pl_pass_end){
        .chunk_id = chunk->id,
        .category = chunk->category,
        .outcome = outcome,
        .reason = reason,
        .normalized = normalized,
        .deobfuscated = chunk->deobfuscated,
        .retention_days = retention_days(pass),
    };
    return pass->end_count == PL_PASS_BATCH ||
                   now_ns - pass->first_end_ns > BATCH_MS * PL_NS_PER_MS
               ? pl_pass_flush(pass, err)
               : PL_OK;
}

/* ---- normalize ---- */

/* Only what is to be changed stays in `rows`; frames are shared by chunks, so that is
 * mostly nothing. Returns how many. */
static size_t keep_changed(const struct pl_normal_frame_list *before,
                           struct pl_normal_frame *rows)
{
    size_t kept = 0;
    for (size_t i = 0; i < before->count; i++) {
        const struct pl_normal_frame *old = &before->rows[i];
        if (old->in_app != rows[i].in_app || strcmp(old->file, rows[i].file) != 0)
            rows[kept++] = rows[i];
    }
    return kept;
}

static uint64_t wishes_of(const struct pl_own_code *own)
{
    const char *const texts[] = {own->include, own->exclude, own->project_root};
    uint64_t hash = 0;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        hash = pl_hash_mix(
            hash, texts[i] ? pl_hash_bytes(texts[i], strlen(texts[i]) + 1) : 0);
    return hash;
}

/* *done_out: everything is as it should be, but for the chunk's flags. */
static enum pl_status normalize(struct pl_pass *pass,
                                const struct pl_pending_chunk *chunk, bool *done_out,
                                struct pl_error *err)
{
    int64_t from_ns = pl_clock_mono_ns();
    struct pl_normal_frame_list frames = {0};
    struct pl_normalized result = {0};
    struct pl_own_code own = {0};
    enum pl_status status = pl_pass_own_code(pass->store, chunk->id, &own, err);
    if (status == PL_OK) {
        pl_pass_wish(pass->store, wishes_of(&own));
        status = pl_pass_named_frames(pass->store, chunk->id, &frames, err);
    }
    const struct pl_normalize_options *all = &pass->options.normalize;
    const struct pl_normalize_options options = {
        .in_app_include = own.include ? own.include : all->in_app_include,
        .in_app_exclude = own.exclude ? own.exclude : all->in_app_exclude,
        .project_root = own.project_root ? own.project_root : all->project_root,
    };
    if (status == PL_OK)
        status = pl_normalize(&options, &frames, &result, err);
    size_t changed = status == PL_OK ? keep_changed(&frames, result.rows) : 0;
    if (changed)
        status = pl_pass_put_normal(pass->store, chunk->id, result.rows, changed,
                                    chunk->deobfuscated, retention_days(pass), err);
    *done_out = !changed;
    pass->counters.frames_normalized += result.count;
    pl_own_code_deinit(&own);
    pl_normalized_deinit(&result);
    pl_normal_frame_list_deinit(&frames);
    pass->counters.normalize_ns += (uint64_t)(pl_clock_mono_ns() - from_ns);
    pass->counters.normalize_runs++;
    return status;
}

/* ---- one chunk ---- */

/* Data that a step cannot read is the chunk's fault and ends it; anything else
 * (a full disk, no memory) is not, and the chunk waits for the next run. */
static enum pl_status reject_if_broken(struct pl_pass *pass,
                                       const struct pl_pending_chunk *chunk,
                                       enum pl_status status, const char *reason,
                                       bool *rejected_out, struct pl_error *err)
{
    *rejected_out = status == PL_INPUT;
    if (status != PL_INPUT)
        return status;
    pl_log(PL_LOG_WARN, "process", "chunk %lld: %s", (long long)chunk->id,
           err ? err->message : reason);
    return finish(pass, chunk, "invalid", reason, false, err);
}

static enum pl_status run_chunk(struct pl_pass *pass, struct pl_pending_chunk *chunk,
                                struct pl_error *err)
{
    enum pl_status status = PL_OK;
    bool rejected = false, set_flags = false, was_named = chunk->symbolicated;
    pass->counters.chunks++;
    if (!chunk->sampled) {
        pass->counters.unsampled_profiles++;
        return PL_OK; /* nothing more is made of it, and it has no outcome */
    }
    if (!chunk->symbolicated) {
        status = pl_pass_symbolicate(pass, chunk, err);
        status = reject_if_broken(pass, chunk, status, "profiling_failed_symbolication",
                                  &rejected, err);
        if (status == PL_OK)
            status = renew_lease(pass, err);
    }
    if (status == PL_OK && !rejected && pl_pass_should_deobfuscate(chunk) &&
        !chunk->deobfuscated) {
        status = pl_pass_deobfuscate(pass, chunk, err);
        status = reject_if_broken(pass, chunk, status, "profiling_failed_deobfuscation",
                                  &rejected, err);
        if (status == PL_OK)
            status = renew_lease(pass, err);
    }
    if (status == PL_OK && !rejected && (!chunk->normalized || !was_named)) {
        status = normalize(pass, chunk, &set_flags, err);
        status = reject_if_broken(pass, chunk, status, "profiling_failed_normalization",
                                  &rejected, err);
    }
    if (status == PL_OK && !rejected && chunk->symbolicated && !pass->options.redo)
        status = pl_pass_settle(pass->store, chunk->id, err);
    if (status == PL_OK && !rejected)
        status = finish(pass, chunk, "accepted", NULL, set_flags, err);
    return status;
}

/* Some of what waits outside; *more_out: there may be more. */
static enum pl_status take_in(struct pl_pass *pass, bool *more_out,
                              struct pl_error *err)
{
    enum pl_status status = PL_OK;
    *more_out = false;
    for (int i = 0; pass->options.intake && i < INTAKE_MOST && !stopped(pass); i++) {
        status = renew_lease(pass, err);
        if (status == PL_OK)
            status = pass->options.intake(pass->options.intake_self, err);
        if (status != PL_OK)
            return status == PL_NOT_FOUND ? PL_OK : status;
        *more_out = true;
    }
    return PL_OK;
}

static enum pl_status run_batch(struct pl_pass *pass, struct pl_pending_chunk *chunks,
                                size_t count, struct pl_error *err)
{
    enum pl_status status = PL_OK;
    for (size_t i = 0; i < count && status == PL_OK && (!i || !stopped(pass)); i++) {
        status = renew_lease(pass, err);
        if (status == PL_OK)
            status = run_chunk(pass, &chunks[i], err);
        if (status == PL_OK && pass->options.progress)
            pass->options.progress(pass->options.progress_self, pass->counters.chunks);
    }
    /* Those before one that failed are done with all the same. */
    enum pl_status flushed = pl_pass_flush(pass, status == PL_OK ? err : NULL);
    return status == PL_OK ? flushed : status;
}

static enum pl_status run_all(struct pl_pass *pass, int64_t *after_id,
                              struct pl_error *err)
{
    struct pl_pending_chunk chunks[PL_PASS_BATCH];
    size_t count = 0;
    enum pl_status status = PL_OK;
    do {
        status = renew_lease(pass, err);
        if (status == PL_OK)
            status = pl_pass_next(pass->store, *after_id, chunks, PL_PASS_BATCH, &count,
                                  err);
        if (status == PL_OK)
            status = run_batch(pass, chunks, count, err);
        if (status != PL_OK)
            return status == PL_NOT_FOUND ? PL_OK : status;
        *after_id = chunks[count - 1].id;
    } while (!stopped(pass));
    return PL_OK;
}

/* By turns, so that a flood of requests does not keep chunks waiting. */
static enum pl_status run_rounds(struct pl_pass *pass, struct pl_error *err)
{
    int64_t after_id = 0;
    bool more = true;
    enum pl_status status = PL_OK;
    while (more && status == PL_OK) {
        status = take_in(pass, &more, err);
        if (status == PL_OK)
            status = run_all(pass, &after_id, err);
        more = more && !stopped(pass);
    }
    return status;
}

/* Hours that nobody writes to any more; most are summed up by their writer. */
static enum pl_status sum_up(struct pl_pass *pass, struct pl_error *err)
{
    const struct pl_rollup_options options = {.before_ns = pl_clock_wall_ns() -
                                                           ROLLUP_GRACE_S * PL_NS_PER_S,
                                              .stop = pass->options.stop};
    return pl_rollup_run(pass->store, &options, err);
}

enum pl_status pl_pass_run(struct pl_pass *pass, struct pl_error *err)
{
    enum pl_status status = take_lease(pass, err);
    if (status != PL_OK)
        return status;
    status = pl_places_open(pass->store, &pass->options.places, &pass->places, err);
    if (status == PL_OK && pass->options.redo)
        status = pl_pass_redo_all(pass->store, err);
    if (status == PL_OK)
        status = run_rounds(pass, err);
    if (status == PL_OK)
        status = sum_up(pass, err);
    pl_pass_release(pass->store, pass->owner);
    pass->leased_ns = 0;
    pl_places_close(pass->places);
    pass->places = NULL;
    return status;
}
