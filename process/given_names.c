#include "process/given_names.h"

#include "base/debug_id.h"
#include "process/given_java.h"
#include "process/paths.h"

#include <stdlib.h>
#include <string.h>

struct work {
    struct pl_symbolizer *symbolizer;
    struct pl_places *places;
    int64_t project_id;
    bool only_better;
    struct pl_arena *arena; /* of all texts and rows */
    struct pl_symbolicated *result;
};

static enum pl_status out_of_memory(struct pl_error *err)
{
    return pl_error_set(err, PL_NOMEM, "out of memory");
}

static bool is_java(const struct pl_given_frame *frame)
{
    return strcmp(frame->platform, "android") == 0 ||
           strcmp(frame->platform, "java") == 0;
}

/* One frame's result. With `better` false it is left out of a redo. */
static void add(struct work *work, const struct pl_given_frame *frame,
                const char *status, const struct pl_frame_name *names, size_t count,
                bool better)
{
    if (work->only_better && !better)
        return;
    struct pl_symbolicated *result = work->result;
    result->frames[result->count++] = (struct pl_named_frame){
        .frame_id = frame->frame_id,
        .status = status,
        .names = names,
        .name_count = count,
    };
}

static bool to_be_asked_again(const struct pl_resolved *resolved)
{
    return resolved->failure == PL_SYMBOLIZER_TIMEOUT ||
           resolved->failure == PL_SYMBOLIZER_NO_START;
}

/* Its file could be read. */
static bool was_found(const struct pl_resolved *resolved)
{
    return resolved->failure == PL_SYMBOLIZER_OK && resolved->module == PL_MODULE_FOUND;
}

static bool is_malformed(const struct pl_resolved *resolved)
{
    return resolved->failure != PL_SYMBOLIZER_OK ||
           resolved->module == PL_MODULE_MALFORMED;
}

static enum pl_status ask(const struct work *work, const struct pl_given_frame *frame,
                          enum pl_lookup_kind kind, const struct pl_lookup_key *keys,
                          size_t count, struct pl_resolved *resolved_out,
                          struct pl_error *err)
{
    char debug_id[PL_DEBUG_ID_TEXT];
    struct pl_place_list places = {.count = 0};
    (void)pl_debug_id_parse(frame->debug_id, debug_id);
    enum pl_status status =
        pl_places_find(work->places, work->project_id,
                       kind == PL_LOOKUP_PROGUARD ? "proguard" : "sourcemap", debug_id,
                       "", &places, err);
    const struct pl_symbol_question question = {
        .kind = kind,
        .path = frame->module_path,
        .build_id = debug_id,
        .places = places.rows,
        .place_count = places.count,
        .keys = keys,
        .key_count = count,
    };
    if (status == PL_OK)
        status = pl_symbolizer_ask(work->symbolizer, &question, resolved_out, err);
    if (status == PL_OK)
        (void)pl_symbolicated_note(work->result, frame->module_id, frame->module_path,
                                   resolved_out);
    pl_place_list_deinit(&places);
    return status;
}

/* ---- JavaScript ---- */

static bool has_scheme(const char *path)
{
    size_t word = strcspn(path, ":/");
    return word && path[word] == ':';
}

/* Where a source is: maps say it as seen from their bundle. */
static const char *place_source(struct work *work, const char *bundle,
                                const char *source)
{
    if (*source == '/' || has_scheme(source))
        return pl_arena_text(work->arena, source);
    const char *root = has_scheme(bundle) ? strstr(bundle, "://") : bundle;
    if (!root)
        return pl_arena_text(work->arena, source);
    root += root == bundle ? 0 : 3;
    if (root != bundle && *root != '/') /* the host */
        root += strcspn(root, "/");
    size_t before = (size_t)(root - bundle);
    const char *slash = strrchr(root, '/');
    char *folder = slash ? strndup(root, (size_t)(slash - root) + 1)
                         : strdup(root == bundle ? "" : "/");
    char *path = folder ? pl_path_join(folder, source) : NULL;
    char *text = path ? pl_arena_alloc(work->arena, before + strlen(path) + 1) : NULL;
    if (text) {
        memcpy(text, bundle, before);
        memcpy(text + before, path, strlen(path) + 1);
    }
    free(folder);
    free(path);
    return text;
}

static const char *javascript_status(const struct pl_given_frame *frame,
                                     const struct pl_resolved *resolved, bool found)
{
    if (is_malformed(resolved))
        return "malformed_sourcemap";
    if (!was_found(resolved))
        return "missing_sourcemap";
    if (found)
        return "symbolicated";
    return frame->column ? "invalid_location" : "no_column";
}

/* Where engines say a function is, it begins. */
static bool add_javascript(struct work *work, const struct pl_given_frame *frame,
                           const struct pl_resolved *resolved,
                           const struct pl_resolved_frame *found)
{
    const struct pl_resolved_name *name = found->name_count ? found->names : NULL;
    struct pl_frame_name *row = pl_arena_alloc(work->arena, sizeof *row);
    if (!row)
        return false;
    *row = (struct pl_frame_name){
        .line = frame->line, .column = frame->column, .in_app = frame->in_app};
    if (name) {
        row->function = pl_arena_text(work->arena, *name->function ? name->function
                                                                   : frame->function);
        row->file = place_source(work, frame->module_path, name->file);
        row->module = "";
        row->decl_line = row->line = name->line;
        row->column = name->column;
        if (!row->function || !row->file)
            return false;
    }
    add(work, frame, javascript_status(frame, resolved, name), row, 1,
        name || (!frame->named && was_found(resolved)));
    return true;
}

static enum pl_status name_javascript(struct work *work,
                                      const struct pl_given_frame *frames, size_t count,
                                      struct pl_resolved *resolved,
                                      struct pl_error *err)
{
    static const struct pl_resolved_frame nothing = {0};
    struct pl_lookup_key *keys = pl_arena_array(work->arena, count, sizeof keys[0]);
    if (!keys)
        return out_of_memory(err);
    for (size_t i = 0; i < count; i++)
        keys[i] = (struct pl_lookup_key){.line = frames[i].line,
                                         .column = frames[i].column,
                                         .function = frames[i].function};
    enum pl_status status =
        ask(work, frames, PL_LOOKUP_SOURCE_MAP, keys, count, resolved, err);
    if (status != PL_OK || to_be_asked_again(resolved))
        return status;
    for (size_t i = 0; i < count; i++)
        if (!add_javascript(work, &frames[i], resolved,
                            i < resolved->frame_count ? &resolved->frames[i]
                                                      : &nothing))
            return out_of_memory(err);
    return PL_OK;
}

/* ---- Android ---- */

static bool add_words(struct work *work, const struct pl_given_frame *frame,
                      const struct pl_java_method *method,
                      const struct pl_resolved *resolved)
{
    bool changed;
    const char *status =
        frame->module_id && is_malformed(resolved) ? "malformed" : "missing";
    const struct pl_frame_name *name =
        pl_java_words(work->arena, frame, method, &changed);
    if (name && (changed || frame->module_id))
        add(work, frame, status, name, 1, !frame->named);
    return name;
}

static bool add_java(struct work *work, const struct pl_given_frame *frame,
                     const struct pl_java_method *method,
                     const struct pl_resolved *resolved,
                     const struct pl_resolved_frame *found)
{
    if (!found->name_count)
        return add_words(work, frame, method, resolved);
    const struct pl_frame_name *names =
        pl_java_names(work->arena, frame, method, found->names, found->name_count);
    if (!names)
        return false;
    bool same_class = strcmp(found->names[0].module, method->class_name) == 0;
    add(work, frame,
        !found->anonymous ? "deobfuscated"
        : same_class      ? "missing"
                          : "partial",
        names, found->name_count, !found->anonymous || !frame->named);
    return true;
}

/* Frames of one build, or of none that is known. */
static enum pl_status name_java(struct work *work, const struct pl_given_frame *frames,
                                size_t count, struct pl_resolved *resolved,
                                struct pl_error *err)
{
    static const struct pl_resolved_frame nothing = {0};
    struct pl_java_method *methods =
        pl_arena_array(work->arena, count, sizeof methods[0]);
    struct pl_lookup_key *keys = pl_arena_array(work->arena, count, sizeof keys[0]);
    enum pl_status status = PL_OK;
    bool ok = methods && keys;
    for (size_t i = 0; i < count && ok; i++) {
        ok = pl_java_method(work->arena, &frames[i], &methods[i]);
        keys[i] = (struct pl_lookup_key){.module = methods[i].class_name,
                                         .function = methods[i].name,
                                         .file = methods[i].signature,
                                         .line = frames[i].line};
    }
    if (ok && frames->module_id)
        status = ask(work, frames, PL_LOOKUP_PROGUARD, keys, count, resolved, err);
    else
        resolved->module = PL_MODULE_MISSING;
    if (status != PL_OK || to_be_asked_again(resolved))
        return status;
    for (size_t i = 0; i < count && ok; i++)
        ok = add_java(work, &frames[i], &methods[i], resolved,
                      i < resolved->frame_count ? &resolved->frames[i] : &nothing);
    return ok ? PL_OK : out_of_memory(err);
}

/* ---- all of them ---- */

static void release(void *owned)
{
    pl_arena_free(owned);
}

static enum pl_status name_all(struct work *work,
                               const struct pl_given_frame_list *given,
                               struct pl_error *err)
{
    enum pl_status status = PL_OK;
    for (size_t from = 0, to; status == PL_OK && from < given->count; from = to) {
        const struct pl_given_frame *first = &given->rows[from];
        struct pl_resolved resolved = {0};
        for (to = from + 1; to < given->count; to++)
            if (given->rows[to].module_id != first->module_id ||
                is_java(&given->rows[to]) != is_java(first))
                break;
        status = is_java(first)
                     ? name_java(work, first, to - from, &resolved, err)
                     : name_javascript(work, first, to - from, &resolved, err);
        pl_resolved_deinit(&resolved);
    }
    return status;
}

enum pl_status pl_given_names(struct pl_symbolizer *symbolizer,
                              struct pl_places *places, int64_t project_id,
                              const struct pl_given_frame_list *given, bool only_better,
                              struct pl_symbolicated *result_out, struct pl_error *err)
{
    struct pl_symbolicated result = {.complete = true, .release = release};
    result.owned = pl_arena_new();
    result.frames = calloc(given->count + 1, sizeof result.frames[0]);
    result.modules = calloc(given->count + 1, sizeof result.modules[0]);
    struct work work = {.symbolizer = symbolizer,
                        .places = places,
                        .project_id = project_id,
                        .only_better = only_better,
                        .arena = result.owned,
                        .result = &result};
    enum pl_status status = result.owned && result.frames && result.modules
                                ? name_all(&work, given, err)
                                : out_of_memory(err);
    if (status == PL_OK)
        *result_out = result;
    else
        pl_symbolicated_deinit(&result);
    return status;
}
