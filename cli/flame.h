/* A profile as a call tree, printed for a terminal. As JSON it is web/document's. */
#ifndef PL_CLI_FLAME_H
#define PL_CLI_FLAME_H

#include "store/query.h"
#include "web/prune.h"

#include <stdio.h>

/* What is left of `profile` in `pruned`; a rest of hidden children that weighs less
 * than `cut_ns` gets no line. Errors  NOMEM. */
PL_MUST_CHECK enum pl_status pl_flame_print_text(const struct pl_profile *profile,
                                                 const struct pl_pruned *pruned,
                                                 int64_t cut_ns, FILE *out,
                                                 struct pl_error *err);

#endif
