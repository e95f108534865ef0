#include "process/symbolicate.h"

#include "process/symbols.h"

#include <elfutils/libdwfl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct symbolicate {
    struct pl_symbolizer *symbolizer;
    struct pl_places *places;
    int64_t project_id;
    bool only_better;
};

/* What the named frames point into. */
struct keep {
    struct pl_resolved *resolved; /* one for each module asked */
    size_t resolved_count;
    struct pl_frame_name **names; /* one array for each module */
};

static void release(void *owned)
{
    struct keep *keep = owned;
    for (size_t i = 0; i < keep->resolved_count; i++) {
        pl_resolved_deinit(&keep->resolved[i]);
        free(keep->names[i]);
    }
    free(keep->resolved);
    free(keep->names);
    free(keep);
}

void pl_symbolicated_deinit(struct pl_symbolicated *result)
{
    if (result->owned)
        result->release(result->owned);
    free(result->frames);
    free(result->modules);
    *result = (struct pl_symbolicated){0};
}

static size_t count_modules(const struct pl_raw_frame_list *raw)
{
    size_t modules = 0;
    for (size_t i = 0; i < raw->count; i++)
        modules += i == 0 || raw->rows[i].module_id != raw->rows[i - 1].module_id;
    return modules;
}

/* A return address is the instruction after the call: the call itself lies before
 * it, and may be in another line, inlined function or even function. */
static uint64_t lookup_address(const struct pl_raw_frame *frame)
{
    return frame->exact || frame->address == 0 ? frame->address : frame->address - 1;
}

static const char *module_status(const struct pl_resolved *resolved)
{
    static const char *const names[] = {
        [PL_MODULE_FOUND] = "found",
        [PL_MODULE_UNKNOWN] = "unknown_image",
        [PL_MODULE_MISSING] = "missing",
        [PL_MODULE_MALFORMED] = "malformed",
        [PL_MODULE_UNSUPPORTED] = "unsupported",
        [PL_MODULE_FETCHING_FAILED] = "fetching_failed",
        [PL_MODULE_TIMEOUT] = "timeout",
    };
    if (resolved->failure == PL_SYMBOLIZER_CRASHED ||
        resolved->failure == PL_SYMBOLIZER_NONSENSE)
        return "malformed";
    return resolved->failure == PL_SYMBOLIZER_TIMEOUT ? "timeout"
                                                      : names[resolved->module];
}

/* Frames know fewer reasons than modules. */
static const char *frame_status(const struct pl_resolved *resolved, bool named)
{
    if (resolved->failure == PL_SYMBOLIZER_CRASHED ||
        resolved->failure == PL_SYMBOLIZER_NONSENSE)
        return "malformed";
    if (resolved->module == PL_MODULE_FOUND)
        return named ? "symbolicated" : "missing_symbol";
    return resolved->module >= PL_MODULE_UNSUPPORTED ? "missing"
                                                     : module_status(resolved);
}

static void note_failure(struct pl_symbolicated *result, const char *path,
                         const struct pl_resolved *resolved)
{
    if (resolved->failure == PL_SYMBOLIZER_OK)
        return;
    result->complete = false;
    if (resolved->failure == PL_SYMBOLIZER_TIMEOUT)
        result->timed_out = true;
    if (result->error)
        return;
    switch (resolved->failure) {
    case PL_SYMBOLIZER_TIMEOUT:
        result->error = "native_symbolicator_timeout";
        result->status = "timeout";
        break;
    case PL_SYMBOLIZER_CRASHED:
        result->error = "native_symbolicator_failed";
        result->status = "failed";
        break;
    case PL_SYMBOLIZER_NONSENSE:
        result->error = "native_internal_failure";
        result->status = "invalid_answer";
        break;
    default: /* no answer, so no status */
        result->error = "native_internal_failure";
        break;
    }
    (void)snprintf(result->message, sizeof result->message, "%s: %s", path,
                   resolved->message);
}

const char *pl_symbolicated_note(struct pl_symbolicated *result, int64_t module_id,
                                 const char *path, const struct pl_resolved *resolved)
{
    note_failure(result, path, resolved);
    if (resolved->failure != PL_SYMBOLIZER_NO_START)
        result->modules[result->module_count++] =
            (struct pl_module_state){module_id, module_status(resolved)};
    return module_status(resolved);
}

static struct pl_frame_name *copy_names(const struct pl_resolved *resolved)
{
    size_t total = 0, at = 0;
    for (size_t i = 0; i < resolved->frame_count; i++)
        total += resolved->frames[i].name_count;
    struct pl_frame_name *names = calloc(total ? total : 1, sizeof names[0]);
    for (size_t i = 0; names && i < resolved->frame_count; i++)
        for (size_t j = 0; j < resolved->frames[i].name_count; j++) {
            const struct pl_resolved_name *name = &resolved->frames[i].names[j];
            names[at++] = (struct pl_frame_name){
                .function = name->function,
                .file = name->file,
                .decl_line = name->decl_line,
                .line = name->line,
                .column = name->column,
                .in_app = -1, /* for normalization to say */
            };
        }
    return names;
}

static void add_frames(struct pl_symbolicated *result, const struct pl_raw_frame *raw,
                       size_t count, const struct pl_resolved *resolved,
                       const struct pl_frame_name *names, bool only_better)
{
    bool again = resolved->failure == PL_SYMBOLIZER_TIMEOUT ||
                 resolved->failure == PL_SYMBOLIZER_NO_START;
    for (size_t i = 0; i < count && !again; i++) {
        struct pl_resolved_frame found = {0};
        if (i < resolved->frame_count)
            found = resolved->frames[i];
        bool named = found.name_count && !found.anonymous;
        bool better = named || (found.anonymous && !raw[i].named);
        if (better || !only_better)
            result->frames[result->count++] = (struct pl_named_frame){
                .frame_id = raw[i].frame_id,
                .status = frame_status(resolved, named),
                .names = names,
                .name_count = found.name_count,
            };
        names += found.name_count;
    }
}

/* Without asking the worker: what a client says must not make us read what is not
 * surely the file it means, and only ELF is read: no map of code made at run time,
 * whose id is a session's. */
static bool is_settled(const struct symbolicate *work, const struct pl_raw_frame *raw,
                       struct pl_resolved *resolved)
{
    if (raw->kind && *raw->kind && strcmp(raw->kind, "elf") != 0)
        resolved->module = PL_MODULE_UNSUPPORTED;
    else if (work->project_id &&
             (!(raw->build_id && *raw->build_id) ||
              (raw->module_path && pl_perfmap_is(raw->module_path))))
        resolved->module = PL_MODULE_UNKNOWN;
    else
        return false;
    return true;
}

/* One module's frames, looked up in what is here. */
static enum pl_status ask_once(const struct symbolicate *work,
                               const struct pl_raw_frame *raw, size_t count,
                               struct pl_resolved *resolved_out, struct pl_error *err)
{
    struct pl_place_list places = {.count = 0};
    struct pl_symbol_question question = {
        .kind = PL_LOOKUP_ELF,
        .path = raw->module_path ? raw->module_path : "",
        .build_id = raw->build_id ? raw->build_id : "",
        .key_count = count,
    };
    struct pl_lookup_key *keys = calloc(count, sizeof keys[0]);
    if (!keys)
        return pl_error_set(err, PL_NOMEM, "out of memory");
    for (size_t i = 0; i < count; i++)
        keys[i].address = lookup_address(&raw[i]);
    question.keys = keys;
    enum pl_status status = pl_places_find(work->places, work->project_id, "elf",
                                           raw->debug_id ? raw->debug_id : "",
                                           question.build_id, &places, err);
    question.places = places.rows;
    question.place_count = places.count;
    if (status == PL_OK)
        status = pl_symbolizer_ask(work->symbolizer, &question, resolved_out, err);
    pl_place_list_deinit(&places);
    free(keys);
    return status;
}

/* One module's frames, looked up where the project's sources say: the network last, and
 * only for what nothing else has. */
static enum pl_status ask(const struct symbolicate *work,
                          const struct pl_raw_frame *raw, size_t count,
                          struct pl_resolved *resolved, struct pl_error *err)
{
    enum pl_fetched fetched = PL_FETCHED_NOTHING;
    enum pl_status status = ask_once(work, raw, count, resolved, err);
    if (status != PL_OK || resolved->failure != PL_SYMBOLIZER_OK ||
        !resolved->lacks_debug)
        return status;
    status = pl_places_fetch(work->places, work->symbolizer, work->project_id,
                             raw->build_id ? raw->build_id : "", &fetched, err);
    if (status == PL_OK && fetched == PL_FETCHED_FILE) {
        pl_resolved_deinit(resolved);
        return ask_once(work, raw, count, resolved, err);
    }
    if (resolved->module == PL_MODULE_MISSING && fetched != PL_FETCHED_NOTHING)
        resolved->module =
            fetched == PL_FETCHED_LATE ? PL_MODULE_TIMEOUT : PL_MODULE_FETCHING_FAILED;
    return status;
}

/* `raw` are `count` frames of one module. */
static enum pl_status name_module(const struct symbolicate *work,
                                  const struct pl_raw_frame *raw, size_t count,
                                  struct pl_symbolicated *result, struct pl_error *err)
{
    struct keep *keep = result->owned;
    struct pl_resolved *resolved = &keep->resolved[keep->resolved_count];
    enum pl_status status = PL_OK;
    if (!is_settled(work, raw, resolved))
        status = ask(work, raw, count, resolved, err);
    if (status != PL_OK)
        return status;
    struct pl_frame_name *names = copy_names(resolved);
    keep->names[keep->resolved_count++] = names;
    if (!names)
        return pl_error_set(err, PL_NOMEM, "out of memory");
    (void)pl_symbolicated_note(result, raw->module_id,
                               raw->module_path ? raw->module_path : "", resolved);
    add_frames(result, raw, count, resolved, names, work->only_better);
    return PL_OK;
}

static bool prepare(struct pl_symbolicated *result, const struct pl_raw_frame_list *raw)
{
    size_t modules = count_modules(raw);
    struct keep *keep = calloc(1, sizeof *keep);
    result->owned = keep;
    result->release = release;
    result->complete = true;
    if (!keep)
        return false;
    keep->resolved = calloc(modules ? modules : 1, sizeof keep->resolved[0]);
    keep->names = calloc(modules ? modules : 1, sizeof keep->names[0]);
    result->frames = calloc(raw->count ? raw->count : 1, sizeof result->frames[0]);
    result->modules = calloc(modules ? modules : 1, sizeof result->modules[0]);
    return keep->resolved && keep->names && result->frames && result->modules;
}

enum pl_status pl_symbolicate(struct pl_symbolizer *symbolizer,
                              struct pl_places *places, int64_t project_id,
                              const struct pl_raw_frame_list *raw, bool only_better,
                              struct pl_symbolicated *result_out, struct pl_error *err)
{
    const struct symbolicate work = {symbolizer, places, project_id, only_better};
    struct pl_symbolicated result = {0};
    enum pl_status status = PL_OK;
    if (!prepare(&result, raw))
        status = pl_error_set(err, PL_NOMEM, "out of memory");
    for (size_t from = 0, to; status == PL_OK && from < raw->count; from = to) {
        for (to = from + 1; to < raw->count; to++)
            if (raw->rows[to].module_id != raw->rows[from].module_id)
                break;
        status = name_module(&work, &raw->rows[from], to - from, &result, err);
    }
    if (status != PL_OK) {
        pl_symbolicated_deinit(&result);
        return status;
    }
    *result_out = result;
    return PL_OK;
}

const char *pl_symbolicate_libdw_version(void)
{
    return dwfl_version(NULL);
}
