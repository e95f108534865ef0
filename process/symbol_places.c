#include "process/symbol_places.h"

#include "base/debug_id.h"
#include "store/symbol_files.h"
#include "store/symbol_sources.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUDGET_MS 30000 /* of all downloads of a run */

struct pl_places {
    struct pl_store *store;
    const char *debug_root;
    int64_t project_id; /* whose sources are loaded; -1 none */
    struct pl_symbol_source_list sources;
    struct pl_fetch_options fetch;
    int64_t left_ms; /* for downloads */
};

/* Names of contents, for the worker to know a file again. */
struct texts {
    struct pl_symbol_file_list files;
    char names[PL_SYMBOL_PLACES][64];
};

enum pl_status pl_places_open(struct pl_store *store,
                              const struct pl_places_options *options,
                              struct pl_places **places_out, struct pl_error *err)
{
    struct pl_places *places = calloc(1, sizeof *places);
    if (!places)
        return pl_error_set(err, PL_NOMEM, "out of memory");
    places->store = store;
    places->project_id = -1;
    places->debug_root =
        options && options->debug_root ? options->debug_root : PL_DEBUG_ROOT;
    if (options)
        places->fetch = options->fetch;
    places->left_ms = places->fetch.budget_ms ? places->fetch.budget_ms : BUDGET_MS;
    *places_out = places;
    return PL_OK;
}

void pl_places_close(struct pl_places *places)
{
    if (!places)
        return;
    pl_symbol_source_list_deinit(&places->sources);
    free(places);
}

void pl_place_list_deinit(struct pl_place_list *list)
{
    struct texts *texts = list->owned;
    if (texts)
        pl_symbol_file_list_deinit(&texts->files);
    free(texts);
    *list = (struct pl_place_list){.count = 0};
}

static enum pl_status load_sources(struct pl_places *places, int64_t project_id,
                                   struct pl_error *err)
{
    if (places->project_id == project_id)
        return PL_OK;
    pl_symbol_source_list_deinit(&places->sources);
    places->project_id = -1;
    enum pl_status status = pl_symbol_sources_get(
        places->store, project_id, places->debug_root, &places->sources, err);
    if (status == PL_OK)
        places->project_id = project_id;
    return status;
}

static struct pl_symbol_place *add(struct pl_place_list *list, enum pl_place_kind kind,
                                   const char *text)
{
    if (list->count == PL_SYMBOL_PLACES)
        return NULL;
    list->rows[list->count] = (struct pl_symbol_place){.kind = kind, .text = text};
    return &list->rows[list->count++];
}

static enum pl_status open_upload(void *self, int64_t id, int *fd_out,
                                  struct pl_error *err)
{
    return pl_symbol_file_open(self, id, fd_out, err);
}

/* Files of the store: those that people added, or that came from the server `origin`.
 */
static void add_files(struct pl_places *places, const char *origin,
                      struct pl_place_list *list)
{
    struct texts *texts = list->owned;
    for (size_t i = 0; i < texts->files.count; i++) {
        const struct pl_symbol_file *file = &texts->files.rows[i];
        char *name = texts->names[list->count % PL_SYMBOL_PLACES];
        if (strcmp(file->origin, origin) != 0)
            continue;
        struct pl_symbol_place *place = add(list, PL_PLACE_FILE, name);
        if (!place)
            break;
        (void)snprintf(name, sizeof texts->names[0], "%.63s", file->content);
        place->open = open_upload;
        place->self = places->store;
        place->id = file->id;
    }
}

static void add_source(struct pl_places *places, const struct pl_symbol_source *source,
                       bool is_elf, struct pl_place_list *list)
{
    if (strcmp(source->kind, "uploaded") == 0)
        add_files(places, "", list);
    else if (is_elf && strcmp(source->kind, "folder") == 0)
        (void)add(list, PL_PLACE_FOLDER, source->place);
    else if (is_elf && strcmp(source->kind, "build-id") == 0)
        (void)add(list, PL_PLACE_BUILD_ID, source->place);
    else if (is_elf && strcmp(source->kind, "debuginfod") == 0)
        add_files(places, source->place, list);
}

static enum pl_status find_in_store(struct pl_places *places, int64_t project_id,
                                    const char *file_kind, const char *debug_id,
                                    const char *build_id, struct pl_place_list *list,
                                    struct pl_error *err)
{
    struct texts *texts = list->owned;
    enum pl_status status = load_sources(places, project_id, err);
    if (status == PL_OK)
        status = pl_symbol_files_find(places->store, project_id, file_kind, debug_id,
                                      build_id, &texts->files, err);
    for (size_t i = 0; i < places->sources.count && status == PL_OK; i++)
        add_source(places, &places->sources.rows[i], strcmp(file_kind, "elf") == 0,
                   list);
    return status;
}

enum pl_status pl_places_find(struct pl_places *places, int64_t project_id,
                              const char *file_kind, const char *debug_id,
                              const char *build_id, struct pl_place_list *list_out,
                              struct pl_error *err)
{
    struct pl_place_list list = {.owned = calloc(1, sizeof(struct texts))};
    enum pl_status status = PL_OK;
    if (!list.owned)
        return pl_error_set(err, PL_NOMEM, "out of memory");
    if (strcmp(file_kind, "elf") == 0)
        (void)add(&list, PL_PLACE_PATH, "");
    if (places->store)
        status = find_in_store(places, project_id, file_kind, debug_id, build_id, &list,
                               err);
    else
        (void)add(&list, PL_PLACE_BUILD_ID, places->debug_root);
    if (status == PL_OK)
        *list_out = list;
    else
        pl_place_list_deinit(&list);
    return status;
}

enum pl_status pl_places_fetch(struct pl_places *places,
                               struct pl_symbolizer *symbolizer, int64_t project_id,
                               const char *build_id, enum pl_fetched *fetched_out,
                               struct pl_error *err)
{
    char clean[PL_BUILD_ID_TEXT];
    *fetched_out = PL_FETCHED_NOTHING;
    /* Of 16 bytes it may be the beginning of another: see pl_debug_id_build_prefix. */
    if (!places->store || !places->fetch.get || !pl_build_id_parse(build_id, clean) ||
        strlen(clean) < PL_DEBUG_ID_PREFIX)
        return PL_OK;
    enum pl_status status = load_sources(places, project_id, err);
    for (size_t i = 0; i < places->sources.count && status == PL_OK; i++) {
        const struct pl_symbol_source *source = &places->sources.rows[i];
        enum pl_fetched fetched = PL_FETCHED_NOTHING;
        if (strcmp(source->kind, "debuginfod") != 0)
            continue;
        status = pl_symbol_fetch(places->store, symbolizer, &places->fetch,
                                 source->place, clean, &places->left_ms, &fetched, err);
        if (fetched != PL_FETCHED_NOTHING)
            *fetched_out = fetched;
        if (fetched == PL_FETCHED_FILE)
            break;
    }
    return status;
}
