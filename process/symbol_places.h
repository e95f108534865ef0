/* Where the files of a module are looked for: the project's symbol sources
 * (store/symbol_sources.h), made into places for a question to the symbol worker. */
#ifndef PL_PROCESS_SYMBOL_PLACES_H
#define PL_PROCESS_SYMBOL_PLACES_H

#include "process/symbol_fetch.h"
#include "process/symbolizer.h"
#include "store/store.h"

#define PL_DEBUG_ROOT "/usr/lib/debug"

struct pl_places_options {
    const char *debug_root; /* of the usual sources; NULL: PL_DEBUG_ROOT */
    struct pl_fetch_options fetch;
};

/* Knows the sources of the projects it was asked for; open one for each run. */
struct pl_places;

/* Ownership  borrows `store` (NULL: no uploads, the usual sources) and options until
 * close.  Threads  those of the store.  Errors  NOMEM. */
PL_MUST_CHECK enum pl_status pl_places_open(struct pl_store *store,
                                            const struct pl_places_options *options,
                                            struct pl_places **places_out,
                                            struct pl_error *err);
void pl_places_close(struct pl_places *places); /* NULL is fine */

struct pl_place_list {
    struct pl_symbol_place rows[PL_SYMBOL_PLACES];
    size_t count;
    void *owned;
};

/* Of an ELF module, in order: its own path, then what the project's sources say. Of the
 * other kinds the uploaded files (`file_kind` as in store/symbol_files.h), best first,
 * if the project has uploads among its sources. `debug_id`, `build_id`: "" unknown.
 * Ownership  caller deinits; valid until the next one is asked for, and `places`
 * closed. Errors  of the store; NOMEM. */
PL_MUST_CHECK enum pl_status pl_places_find(struct pl_places *places,
                                            int64_t project_id, const char *file_kind,
                                            const char *debug_id, const char *build_id,
                                            struct pl_place_list *list_out,
                                            struct pl_error *err);
/* Ask the debuginfod servers among the project's sources for a module's debug file, in
 * their order. PL_FETCHED_FILE: places are to be found anew.
 * Errors  of the store; NOMEM. */
PL_MUST_CHECK enum pl_status pl_places_fetch(struct pl_places *places,
                                             struct pl_symbolizer *symbolizer,
                                             int64_t project_id, const char *build_id,
                                             enum pl_fetched *fetched_out,
                                             struct pl_error *err);
void pl_place_list_deinit(struct pl_place_list *list);

#endif
