/* forward --dry-run: every request that would go, a line each, and as files. */
#ifndef PL_CLI_FORWARD_PREVIEW_H
#define PL_CLI_FORWARD_PREVIEW_H

#include "cli/cli.h"
#include "formats/redact.h"

#include <stdatomic.h>

struct pl_forward_preview {
    const char *to;     /* a DSN */
    const char *output; /* folder for the files, made if need be; NULL: none */
    const struct pl_redact *redact;
    bool received; /* also what arrived */
    const atomic_bool *stop;
};

/* Nothing is written to the store.  Errors  IO; as the store's. */
PL_MUST_CHECK enum pl_status
pl_cli_forward_preview(struct pl_cli *cli, const struct pl_forward_preview *options,
                       struct pl_error *err);

#endif
