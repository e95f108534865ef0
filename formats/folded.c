#include "formats/folded.h"

#include "base/buf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PATH_LIMIT ((size_t)64 << 20) /* bytes of one folded stack */

static void append_name(struct pl_buf *path, const char *name)
{
    if (!*name)
        name = "[unknown]";
    for (const char *s = name; *s; s++) {
        unsigned char c = (unsigned char)*s;
        pl_buf_putc(path, c == ';' ? ':' : c < 0x20 || c == 0x7f ? ' ' : *s);
    }
}

/* Keep one path and, for each depth, where its names end: the next node cuts the
 * path back to its parent's end. */
static enum pl_status write_nodes(const struct pl_tree *tree, const uint32_t *depths,
                                  size_t *ends, FILE *out, struct pl_error *err)
{
    struct pl_buf path;
    pl_buf_init(&path, PATH_LIMIT);
    for (size_t i = 1; i < tree->node_count && !path.failed; i++) {
        const struct pl_tree_node *node = &tree->nodes[i];
        path.len = ends[depths[i] - 1];
        if (path.len)
            pl_buf_putc(&path, ';');
        append_name(&path, tree->names[node->name]);
        ends[depths[i]] = path.len;
        if (node->self && !path.failed)
            (void)fprintf(out, "%.*s %lld\n", (int)path.len, path.data,
                          (long long)node->self);
    }
    bool failed = path.failed;
    pl_buf_deinit(&path);
    return failed ? pl_error_set(err, PL_NOMEM, "out of memory for a folded stack")
                  : PL_OK;
}

enum pl_status pl_folded_write(const struct pl_tree *tree, FILE *out,
                               struct pl_error *err)
{
    uint32_t *depths = NULL, deepest = 0;
    size_t *ends = NULL;
    enum pl_status status = pl_tree_depths(tree, &depths, &deepest, err);
    if (status != PL_OK)
        return status;
    ends = calloc((size_t)deepest + 1, sizeof *ends);
    if (!ends) {
        status = pl_error_set(err, PL_NOMEM, "out of memory for folded stacks");
        goto out;
    }
    /* weight of the root itself: samples without a single frame */
    if (tree->node_count && tree->nodes[0].self)
        (void)fprintf(out, "[no stack] %lld\n", (long long)tree->nodes[0].self);
    status = write_nodes(tree, depths, ends, out, err);
    if (status == PL_OK && (fflush(out) != 0 || ferror(out)))
        status =
            pl_error_set(err, PL_IO, "cannot write folded stacks: %s", strerror(errno));
out:
    free(ends);
    free(depths);
    return status;
}
