/* Where symbols are looked for, in order, by project; and what a server did not have.
 */
#ifndef PL_STORE_SYMBOL_SOURCES_H
#define PL_STORE_SYMBOL_SOURCES_H

#include "store/store.h"

struct pl_symbol_source {
    const char *kind;  /* "uploaded", "folder", "build-id", "debuginfod" */
    const char *place; /* absolute path, or URL; "" for uploaded */
};

struct pl_symbol_source_list {
    struct pl_symbol_source *rows;
    size_t count;
    bool is_own; /* of the project itself: not project 0's, and not the usual ones */
    void *owned;
};
void pl_symbol_source_list_deinit(struct pl_symbol_source_list *list);

/* The project's, else those of project 0, else the usual: uploaded, then the build-id
 * folder `usual_root`. */
PL_MUST_CHECK enum pl_status
pl_symbol_sources_get(struct pl_store *store, int64_t project_id,
                      const char *usual_root, struct pl_symbol_source_list *list_out,
                      struct pl_error *err);

/* In place of what the project had; none: the usual ones again. What servers did not
 * have is forgotten: they are asked anew. */
PL_MUST_CHECK enum pl_status pl_symbol_sources_set(struct pl_store *store,
                                                   int64_t project_id,
                                                   const struct pl_symbol_source *rows,
                                                   size_t count, struct pl_error *err);

/* Did the server say, not long ago, that it does not have this file? */
PL_MUST_CHECK enum pl_status pl_symbol_miss_known(struct pl_store *store,
                                                  const char *url, const char *build_id,
                                                  bool *known_out,
                                                  struct pl_error *err);
PL_MUST_CHECK enum pl_status pl_symbol_miss_add(struct pl_store *store, const char *url,
                                                const char *build_id, int64_t until_ns,
                                                struct pl_error *err);

#endif
