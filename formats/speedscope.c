#include "formats/speedscope.h"

#include "base/buf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NAME_LIMIT ((size_t)1 << 20) /* bytes of one name, escaped */

static bool put_text(FILE *out, const char *text)
{
    struct pl_buf escaped;
    pl_buf_init(&escaped, NAME_LIMIT);
    pl_buf_json_escape(&escaped, text);
    bool ok = !escaped.failed;
    (void)fprintf(out, "\"%.*s\"", (int)escaped.len, escaped.len ? escaped.data : "");
    pl_buf_deinit(&escaped);
    return ok;
}

static bool put_frames(const struct pl_tree *tree, FILE *out)
{
    bool ok = true;
    (void)fputs("\"shared\":{\"frames\":[", out);
    for (size_t i = 0; ok && i < tree->name_count; i++) {
        (void)fputs(i ? ",\n{\"name\":" : "\n{\"name\":", out);
        ok = put_text(out, *tree->names[i] ? tree->names[i] : "[unknown]");
        (void)fputc('}', out);
    }
    (void)fputs("]}", out);
    return ok;
}

/* The path to each node that has weight of its own; `path` holds one. */
static void put_stacks(const struct pl_tree *tree, const uint32_t *depths,
                       uint32_t *path, FILE *out)
{
    bool first = true;
    for (size_t i = 0; i < tree->node_count; i++) {
        if (i)
            path[depths[i] - 1] = tree->nodes[i].name;
        if (!tree->nodes[i].self)
            continue;
        (void)fputs(first ? "\n[" : ",\n[", out);
        for (uint32_t depth = 0; depth < depths[i]; depth++)
            (void)fprintf(out, depth ? ",%u" : "%u", path[depth]);
        (void)fputc(']', out);
        first = false;
    }
}

static void put_weights(const struct pl_tree *tree, FILE *out)
{
    bool first = true;
    for (size_t i = 0; i < tree->node_count; i++) {
        if (!tree->nodes[i].self)
            continue;
        (void)fprintf(out, first ? "%lld" : ",%lld", (long long)tree->nodes[i].self);
        first = false;
    }
}

enum pl_status pl_speedscope_write(const struct pl_tree *tree, FILE *out,
                                   struct pl_error *err)
{
    uint32_t *depths = NULL, deepest = 0, *path = NULL;
    enum pl_status status = pl_tree_depths(tree, &depths, &deepest, err);
    if (status != PL_OK)
        return status;
    path = calloc((size_t)deepest + 1, sizeof *path);
    if (!path) {
        status = pl_error_set(err, PL_NOMEM, "out of memory for stacks");
        goto out;
    }
    (void)fputs("{\"$schema\":\"https://www.speedscope.app/file-format-schema.json\","
                "\"exporter\":\"proflite\",",
                out);
    bool ok = put_frames(tree, out);
    (void)fputs(",\"profiles\":[{\"type\":\"sampled\",\"name\":", out);
    ok = ok && put_text(out, tree->title ? tree->title : "");
    (void)fprintf(out, ",\"unit\":\"%s\",\"startValue\":0,\"endValue\":%lld,",
                  tree->unit == PL_TREE_NS ? "nanoseconds" : "none",
                  (long long)(tree->node_count ? tree->nodes[0].total : 0));
    (void)fputs("\"samples\":[", out);
    put_stacks(tree, depths, path, out);
    (void)fputs("],\"weights\":[", out);
    put_weights(tree, out);
    (void)fputs("]}]}\n", out);
    if (!ok)
        status = pl_error_set(err, PL_NOMEM, "out of memory for a name");
    else if (fflush(out) != 0 || ferror(out))
        status =
            pl_error_set(err, PL_IO, "cannot write the profile: %s", strerror(errno));
out:
    free(path);
    free(depths);
    return status;
}
