/* Projects and keys: who may send to this store (web/ingest.c), and DSNs to print
 * (cli/cmd_dsn.c). Project numbers are those of DSNs, from 1. */
#ifndef PL_STORE_KEYS_H
#define PL_STORE_KEYS_H

#include "store/store.h"

#define PL_KEY_TEXT 33 /* 32 hex digits and a NUL */

struct pl_project_key {
    int64_t id;
    char public_key[PL_KEY_TEXT];
    char secret_key[PL_KEY_TEXT]; /* "": none was made */
};

/* The key of `project_id` for `use_case` ("user", "profiling"): the one of lowest id;
 * made, with its project, if there is none, and with a secret if `secret`. Eight
 * racing callers get one key.  Errors  USAGE no such project number; as any write. */
PL_MUST_CHECK enum pl_status pl_key_get(struct pl_store *store, int64_t project_id,
                                        const char *use_case, bool secret,
                                        struct pl_project_key *key_out,
                                        struct pl_error *err);

/* Id of the key; NOT_FOUND: the project knows no such key. */
PL_MUST_CHECK enum pl_status pl_key_find(struct pl_store *store, int64_t project_id,
                                         const char *public_key, int64_t *id_out,
                                         struct pl_error *err);

/* The same, made if it is not there. `public_key` is 32 hex digits. */
PL_MUST_CHECK enum pl_status pl_key_admit(struct pl_store *store, int64_t project_id,
                                          const char *public_key, int64_t *id_out,
                                          struct pl_error *err);

/* What its sessions will be called; a new project is "project-<number>". */
PL_MUST_CHECK enum pl_status pl_project_rename(struct pl_store *store,
                                               int64_t project_id, const char *name,
                                               struct pl_error *err);

#endif
