/* Files that bring names, kept in the store itself: debug files, source maps, mappings.
 * What is in them is read in the symbol worker (process/worker.h) only.
 *
 * A file is written by pieces of 1 MiB in transactions of some MiB each, so that other
 * writers come in between; until the last one is in, nobody sees it. One that was given
 * up (a kill, a full disk) goes with the next that is added. */
#ifndef PL_STORE_SYMBOL_FILES_H
#define PL_STORE_SYMBOL_FILES_H

#include "base/debug_id.h"
#include "store/store.h"

#define PL_SYMBOL_FILE_MAX (UINT64_C(4) << 30) /* bytes of one file */
#define PL_SYMBOL_PIECE_BYTES                                                          \
    ((size_t)1 << 20) /* of it in one row, before it is packed */

struct pl_symbol_file {
    int64_t id;
    int64_t project_id;   /* 0: for all */
    const char *kind;     /* "elf", "sourcemap", "minified", "proguard" */
    const char *debug_id; /* as base/debug_id.h; "" none */
    const char *build_id; /* hex; "" none */
    const char *content;  /* a hash of the contents, 32 hex digits */
    const char *name;     /* of the file it was, without folders */
    const char *origin;   /* "": added by somebody; else the URL it was fetched from */
    int64_t bytes;
    int64_t stored_bytes; /* compressed; in pl_symbol_files_list only */
    bool has_debug;       /* elf: there is DWARF in it */
    int64_t added_ns;
};

struct pl_symbol_file_list {
    struct pl_symbol_file *rows;
    size_t count;
    void *owned;
};
void pl_symbol_file_list_deinit(struct pl_symbol_file_list *list);

/* Keep what `fd` holds from its beginning. `file`: all but id, bytes, stored_bytes and
 * added_ns. One that is there already (contents, kind, debug id, project) is not added
 * again: its id, and *known_out.
 * Errors  INPUT empty or over PL_SYMBOL_FILE_MAX; IO; BUSY; NOMEM. */
PL_MUST_CHECK enum pl_status pl_symbol_file_add(struct pl_store *store,
                                                const struct pl_symbol_file *file,
                                                int fd, int64_t *id_out,
                                                bool *known_out, struct pl_error *err);

PL_MUST_CHECK enum pl_status pl_symbol_files_list(struct pl_store *store,
                                                  struct pl_symbol_file_list *list_out,
                                                  struct pl_error *err);

/* Files of that kind for the project or for all, by either id ("": not by that). The
 * best first: the project's own, with debug information, the newest. At most 16. */
PL_MUST_CHECK enum pl_status
pl_symbol_files_find(struct pl_store *store, int64_t project_id, const char *kind,
                     const char *debug_id, const char *build_id,
                     struct pl_symbol_file_list *list_out, struct pl_error *err);

/* Its contents in a sealed memfd, read from the beginning.
 * Ownership  caller closes.  Errors  NOT_FOUND gone meanwhile; INPUT damaged; IO. */
PL_MUST_CHECK enum pl_status pl_symbol_file_open(struct pl_store *store, int64_t id,
                                                 int *fd_out, struct pl_error *err);

/* Errors  NOT_FOUND. */
PL_MUST_CHECK enum pl_status pl_symbol_file_remove(struct pl_store *store, int64_t id,
                                                   struct pl_error *err);

#endif
