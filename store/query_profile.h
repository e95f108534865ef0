/* Inside query_*.c: a profile split by thread or label. */
#ifndef PL_STORE_QUERY_PROFILE_H
#define PL_STORE_QUERY_PROFILE_H

#include "store/query_weights.h"

/* As pl_query_profile, with columns.count columns. */
PL_MUST_CHECK enum pl_status
pl_query_profile_split(struct pl_store *store, const struct pl_selection *selection,
                       enum pl_metric metric, const struct pl_thread_columns *columns,
                       struct pl_profile *profile_out, struct pl_error *err);

/* Of a split profile one whose first level are the columns, as boxes of these names and
 * that file.  Errors  NOMEM. */
PL_MUST_CHECK enum pl_status pl_profile_first_level(const struct pl_profile *from,
                                                    const char *const *names,
                                                    uint32_t count, const char *file,
                                                    struct pl_profile *profile_out,
                                                    struct pl_error *err);

#endif
