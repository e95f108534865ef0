/* A selection's profile in a format of another tool's: for the API and the CLI. */
#ifndef PL_WEB_EXPORT_H
#define PL_WEB_EXPORT_H

#include "formats/format.h"
#include "store/query_transform.h"

struct pl_export {
    const struct pl_format *format;
    const struct pl_transform_list *transforms;
    enum pl_metric metric;
    enum pl_tree_unit unit; /* as the format's, if nobody chooses */
};

/* The profile as the format wants it. Errors  as pl_query_transformed. */
PL_MUST_CHECK enum pl_status pl_export_query(const struct pl_export *export,
                                             struct pl_store *store,
                                             const struct pl_selection *selection,
                                             struct pl_profile *profile_out,
                                             struct pl_error *err);

/* `store` is asked for what the profile does not tell.  Errors  IO, also of `out`;
 * NOMEM. */
PL_MUST_CHECK enum pl_status pl_export_write(const struct pl_export *export,
                                             struct pl_store *store,
                                             const struct pl_profile *profile,
                                             FILE *out, struct pl_error *err);

/* The same, to the file at `path`; "-" is stdout. */
PL_MUST_CHECK enum pl_status pl_export_save(const struct pl_export *export,
                                            struct pl_store *store,
                                            const struct pl_profile *profile,
                                            const char *path, struct pl_error *err);

#endif
