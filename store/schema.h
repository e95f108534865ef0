/* Schema: a file's tables and views must be the ones this format has, text for text.
 * A table that is a view of endless recursion, or a view that shows something else,
 * would otherwise be asked like ours; and a build of before this format was settled may
 * have written the same number. What people added beside them is let be. */
#ifndef PL_STORE_SCHEMA_H
#define PL_STORE_SCHEMA_H

#include "base/error.h"

struct pl_store;

/* For a store of this program's own version.
 * Errors  INPUT one is missing or another; NOMEM. */
PL_MUST_CHECK enum pl_status pl_schema_check(struct pl_store *store,
                                             struct pl_error *err);

#endif
