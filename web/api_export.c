/* The graph on screen as a file of another tool's. */
#include "web/api.h"
#include "web/export.h"

#include <stdio.h>
#include <stdlib.h>

static enum pl_status write_out(const struct pl_export *export, struct pl_store *store,
                                const struct pl_profile *profile, struct pl_buf *out,
                                struct pl_error *err)
{
    char *text = NULL;
    size_t len = 0;
    FILE *file = open_memstream(&text, &len);
    if (!file)
        return pl_error_set(err, PL_NOMEM, "out of memory for the file");
    enum pl_status status = pl_export_write(export, store, profile, file, err);
    if (fclose(file) != 0 && status == PL_OK)
        status = pl_error_set(err, PL_NOMEM, "out of memory for the file");
    if (status == PL_OK)
        pl_buf_append(out, text, len);
    free(text);
    return status;
}

enum pl_status pl_api_export(struct pl_store *store, const struct pl_api_call *call,
                             struct pl_buf *out, struct pl_error *err)
{
    struct pl_export export = {.format = pl_format_named(call->params->format),
                               .transforms = &call->params->transforms,
                               .metric = call->params->selection.metric};
    struct pl_profile profile = {0};
    if (!export.format)
        return pl_error_set(err, PL_USAGE, "format is " PL_FORMAT_NAMES);
    export.unit = export.format->unit;
    enum pl_status status =
        pl_export_query(&export, store, &call->selection, &profile, err);
    if (status == PL_OK)
        status = write_out(&export, store, &profile, out, err);
    pl_profile_deinit(&profile);
    *call->type_out = export.format->type;
    return status;
}
