/* The graph on screen as a file of another tool's. */
#include "formats/folded.h"
#include "formats/speedscope.h"
#include "formats/svg.h"
#include "store/query_transform.h"
#include "web/api.h"
#include "web/flame_tree.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct format {
    const char *name, *type;
    enum pl_status (*write)(const struct pl_tree *tree, FILE *out,
                            struct pl_error *err);
    enum pl_tree_unit unit;
} formats[] = {
    {"folded", "text/plain; charset=utf-8", pl_folded_write, PL_TREE_SAMPLES},
    {"svg", "image/svg+xml", pl_svg_write, PL_TREE_NS},
    {"speedscope", "application/json; charset=utf-8", pl_speedscope_write, PL_TREE_NS},
};

static const struct format *find_format(const char *name)
{
    for (size_t i = 0; name && i < sizeof formats / sizeof formats[0]; i++)
        if (strcmp(name, formats[i].name) == 0)
            return &formats[i];
    return NULL;
}

static enum pl_status write_out(const struct format *format, const struct pl_tree *tree,
                                struct pl_buf *out, struct pl_error *err)
{
    char *text = NULL;
    size_t len = 0;
    FILE *file = open_memstream(&text, &len);
    if (!file)
        return pl_error_set(err, PL_NOMEM, "out of memory for the file");
    enum pl_status status = format->write(tree, file, err);
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
    const struct format *format = find_format(call->params->format);
    struct pl_profile profile;
    struct pl_flame_tree tree;
    if (!format)
        return pl_error_set(err, PL_USAGE, "format is folded, svg or speedscope");
    enum pl_metric metric = call->params->selection.metric;
    enum pl_status status = pl_query_transformed(
        store, &call->selection, metric, &call->params->transforms, &profile, err);
    if (status != PL_OK)
        return status;
    status =
        pl_flame_tree_init(&tree, &profile, format->unit,
                           metric == PL_METRIC_CPU ? "CPU time" : "Wall time", err);
    if (status == PL_OK)
        status = write_out(format, &tree.tree, out, err);
    pl_flame_tree_deinit(&tree);
    pl_profile_deinit(&profile);
    *call->type_out = format->type;
    return status;
}
