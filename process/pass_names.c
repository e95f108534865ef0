/* Steps of the pass that find names. */
#include "process/pass_steps.h"

#include "base/clock.h"
#include "base/log.h"
#include "process/given_names.h"
#include "process/symbolicate.h"

#include <stdlib.h>
#include <string.h>

#define SYMBOLICATE_MS (15 * 60 * 1000)

/* ---- symbolicate ---- */

static void count_symbolicated(struct pl_pass *pass,
                               const struct pl_symbolicated *result)
{
    if (result->timed_out)
        pass->counters.symbolicate_timeout++;
    else if (!result->complete)
        pass->counters.symbolicate_error++;
    if (!result->complete)
        pl_log(PL_LOG_WARN, "process", "symbolication incomplete: %s", result->message);
    pass->counters.frames += result->count;
    for (size_t i = 0; i < result->count; i++)
        pass->counters.frames_named +=
            strcmp(result->frames[i].status, "symbolicated") == 0 ||
            strcmp(result->frames[i].status, "deobfuscated") == 0;
}

/* Frames that their source named. Ownership  caller deinits `result_out` if OK. */
static enum pl_status name_given(struct pl_pass *pass,
                                 const struct pl_pending_chunk *chunk, bool only_named,
                                 struct pl_symbolicated *result_out,
                                 struct pl_error *err)
{
    struct pl_given_frame_list given = {0};
    enum pl_status status =
        pl_pass_given_frames(pass->store, chunk->id, only_named, &given, err);
    if (status == PL_OK && given.count)
        status = pl_pass_flush(pass, err);
    if (status == PL_OK)
        status = pl_given_names(pass->symbolizer, pass->places, chunk->project_id,
                                &given, only_named, result_out, err);
    if (status == PL_OK)
        count_symbolicated(pass, result_out);
    pl_given_frame_list_deinit(&given);
    return status;
}

/* What `more` found goes into `result`, which is the one to deinit; `more` lives on. */
static enum pl_status join(struct pl_symbolicated *result,
                           const struct pl_symbolicated *more, struct pl_error *err)
{
    size_t count = result->count + more->count;
    struct pl_named_frame *frames =
        realloc(result->frames, (count + 1) * sizeof frames[0]);
    if (!frames)
        return pl_error_set(err, PL_NOMEM, "out of memory");
    for (size_t i = 0; i < more->count; i++)
        frames[result->count + i] = more->frames[i];
    result->frames = frames;
    result->count = count;
    struct pl_module_state *modules =
        realloc(result->modules,
                (result->module_count + more->module_count + 1) * sizeof modules[0]);
    if (!modules)
        return pl_error_set(err, PL_NOMEM, "out of memory");
    for (size_t i = 0; i < more->module_count; i++)
        modules[result->module_count++] = more->modules[i];
    result->modules = modules;
    if (result->complete && !more->complete) {
        result->complete = false;
        result->error = more->error;
        result->status = more->status;
        memcpy(result->message, more->message, sizeof result->message);
    }
    return PL_OK;
}

/* One round over the chunk's frames. `only_named`: those that have a status too,
 * of which only what was found now is written. */
static enum pl_status name_frames(struct pl_pass *pass,
                                  const struct pl_pending_chunk *chunk, bool only_named,
                                  bool *complete_out, struct pl_error *err)
{
    struct pl_raw_frame_list raw = {0};
    struct pl_symbolicated result = {0}, given = {0};
    enum pl_status status =
        pl_pass_raw_frames(pass->store, chunk->id, only_named, &raw, err);
    if (status == PL_OK && raw.count)
        status = pl_pass_flush(pass, err);
    if (status == PL_OK)
        status = pl_symbolicate(pass->symbolizer, pass->places, chunk->project_id, &raw,
                                only_named, &result, err);
    if (status == PL_OK)
        count_symbolicated(pass, &result);
    if (status == PL_OK)
        status = name_given(pass, chunk, only_named, &given, err);
    if (status == PL_OK)
        status = join(&result, &given, err);
    if (status == PL_OK) {
        *complete_out = result.complete;
        const struct pl_pass_names names = {
            .frames = result.frames,
            .count = result.count,
            .modules = result.modules,
            .module_count = result.module_count,
            .only_better = only_named,
            .done = result.complete,
            .error = result.error,
            .status = result.status,
            .message = result.complete ? NULL : result.message,
        };
        status = pl_pass_put_names(pass->store, chunk->id, &names, err);
    }
    pl_symbolicated_deinit(&given);
    pl_symbolicated_deinit(&result);
    pl_raw_frame_list_deinit(&raw);
    return status;
}

static bool is_own(const struct pl_pending_chunk *chunk)
{
    return strcmp(chunk->format, "proflite") == 0;
}

static bool should_symbolicate(const struct pl_pending_chunk *chunk)
{
    static const char *const platforms[] = {"cocoa", "rust", "native", "javascript",
                                            "node"};
    for (size_t i = 0; i < sizeof platforms / sizeof platforms[0]; i++)
        if (strcmp(chunk->platform, platforms[i]) == 0)
            return true;
    return is_own(chunk);
}

/* Nothing to do it with is no failure: whoever sends it again, with images, or redoes
 * it once there are some, has the flag still unset. */
static bool can_symbolicate(struct pl_pass *pass, const struct pl_pending_chunk *chunk)
{
    if (chunk->debug_meta == PL_DEBUG_META_MISSING)
        pass->counters.missing_keys_debug_meta++;
    else if (!chunk->has_profile)
        pass->counters.missing_keys_profile++;
    return chunk->debug_meta != PL_DEBUG_META_MISSING && chunk->has_profile;
}

enum pl_status pl_pass_symbolicate(struct pl_pass *pass, struct pl_pending_chunk *chunk,
                                   struct pl_error *err)
{
    int64_t from_ns = pl_clock_mono_ns();
    bool complete = false;
    if (!should_symbolicate(chunk) || !can_symbolicate(pass, chunk))
        return PL_OK;
    if (chunk->debug_meta == PL_DEBUG_META_NO_IMAGES)
        return pl_error_set(err, PL_INPUT, "debug_meta has no images");
    int ms = pass->options.symbolicate_ms;
    pl_symbolizer_limit(pass->symbolizer,
                        from_ns + (ms ? ms : SYMBOLICATE_MS) * PL_NS_PER_MS);
    enum pl_status status = name_frames(pass, chunk, false, &complete, err);
    if (status == PL_OK && pass->options.redo && complete)
        status = name_frames(pass, chunk, true, &complete, err);
    chunk->symbolicated = status == PL_OK && complete;
    pass->counters.symbolicate_ns += (uint64_t)(pl_clock_mono_ns() - from_ns);
    pass->counters.symbolicate_runs++;
    return status;
}

/* ---- deobfuscate ---- */

bool pl_pass_should_deobfuscate(const struct pl_pending_chunk *chunk)
{
    return strcmp(chunk->platform, "android") == 0 ||
           strcmp(chunk->platform, "java") == 0;
}

static enum pl_status name_obfuscated(struct pl_pass *pass,
                                      const struct pl_pending_chunk *chunk,
                                      bool only_named, bool *done_out,
                                      struct pl_error *err)
{
    struct pl_symbolicated result = {0};
    enum pl_status status = name_given(pass, chunk, only_named, &result, err);
    if (status == PL_OK) {
        *done_out = !result.timed_out;
        const struct pl_pass_names names = {
            .frames = result.frames,
            .count = result.count,
            .modules = result.modules,
            .module_count = result.module_count,
            .only_better = only_named,
            .is_deobfuscation = true,
            .done = *done_out,
        };
        status = pl_pass_put_names(pass->store, chunk->id, &names, err);
    }
    pl_symbolicated_deinit(&result);
    return status;
}

/* A mapping that cannot be read is no failure of the chunk: signatures are put into
 * words all the same. Frames of JavaScript that came along are named as well. */
enum pl_status pl_pass_deobfuscate(struct pl_pass *pass, struct pl_pending_chunk *chunk,
                                   struct pl_error *err)
{
    int64_t from_ns = pl_clock_mono_ns();
    enum pl_status status =
        name_obfuscated(pass, chunk, false, &chunk->deobfuscated, err);
    if (status == PL_OK && pass->options.redo && chunk->deobfuscated)
        status = name_obfuscated(pass, chunk, true, &chunk->deobfuscated, err);
    pass->counters.deobfuscate_ns += (uint64_t)(pl_clock_mono_ns() - from_ns);
    pass->counters.deobfuscate_runs++;
    return status;
}
