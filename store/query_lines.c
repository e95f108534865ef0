/* Lines: what the lines of a function, or of a file, weigh.
 *
 * Aggregated with a function per line, each node has a line. A line's total counts a
 * stack once, however often the line is on it. */
#include "store/arena.h"
#include "store/query.h"

#include <stdlib.h>
#include <string.h>

struct lines {
    const struct pl_profile *profile;
    uint32_t *row_of; /* function -> row; PL_NO_INDEX: not asked for */
    struct pl_line_row *rows;
    uint32_t *open; /* per row: how often it is on the current path */
    size_t count;
};

static int compare_places(const struct pl_function *a, const struct pl_function *b)
{
    int order = strcmp(a->file, b->file);
    if (!order)
        order = (a->line > b->line) - (a->line < b->line);
    return order;
}

struct wanted {
    const struct pl_function *function;
    uint32_t index;
};

static int compare_wanted(const void *left, const void *right)
{
    return compare_places(((const struct wanted *)left)->function,
                          ((const struct wanted *)right)->function);
}

/* A row for each different place, by file and line. */
static bool make_rows(struct lines *lines, const char *function, const char *file)
{
    const struct pl_profile *profile = lines->profile;
    struct wanted *wanted = calloc(profile->function_count + 1, sizeof *wanted);
    size_t count = 0;
    if (!wanted)
        return false;
    for (size_t i = 0; i < profile->function_count; i++) {
        const struct pl_function *f = &profile->functions[i];
        lines->row_of[i] = PL_NO_INDEX;
        if (file ? strcmp(f->file, file) == 0 : strcmp(f->name, function) == 0)
            wanted[count++] = (struct wanted){f, (uint32_t)i};
    }
    if (count)
        qsort(wanted, count, sizeof *wanted, compare_wanted);
    for (size_t i = 0; i < count; i++) {
        const struct pl_function *f = wanted[i].function;
        if (!i || compare_places(wanted[i - 1].function, f))
            lines->rows[lines->count++] =
                (struct pl_line_row){.file = f->file, .line = f->line};
        lines->row_of[wanted[i].index] = (uint32_t)lines->count - 1;
    }
    free(wanted);
    return true;
}

static uint32_t row_at(const struct lines *lines, size_t node)
{
    return node ? lines->row_of[lines->profile->nodes[node].function] : PL_NO_INDEX;
}

/* Nodes come in pre-order: leaving one means the next is not below it. */
static void add_up(struct lines *lines, uint32_t *path)
{
    const struct pl_node *nodes = lines->profile->nodes;
    uint32_t depth = 0;
    for (size_t i = 1; i < lines->profile->node_count; i++) {
        for (; depth >= nodes[i].depth; depth--)
            if (path[depth] != PL_NO_INDEX)
                lines->open[path[depth]]--;
        uint32_t row = row_at(lines, i);
        path[++depth] = row;
        if (row == PL_NO_INDEX)
            continue;
        lines->rows[row].self_ns += nodes[i].self_ns;
        lines->rows[row].self_samples += nodes[i].self_samples;
        if (!lines->open[row]++) {
            lines->rows[row].total_ns += nodes[i].total_ns;
            lines->rows[row].total_samples += nodes[i].total_samples;
        }
    }
}

static enum pl_status find_lines(struct pl_profile *profile, const char *function,
                                 const char *file, struct pl_line_list *list,
                                 struct pl_error *err)
{
    struct lines lines = {.profile = profile};
    uint32_t deepest = 0;
    for (size_t i = 0; i < profile->node_count; i++)
        if (profile->nodes[i].depth > deepest)
            deepest = profile->nodes[i].depth;
    uint32_t *path = calloc((size_t)deepest + 2, sizeof *path);
    lines.row_of = calloc(profile->function_count + 1, sizeof *lines.row_of);
    lines.rows = calloc(profile->function_count + 1, sizeof *lines.rows);
    lines.open = calloc(profile->function_count + 1, sizeof *lines.open);
    enum pl_status status = PL_OK;
    if (path)
        path[0] = PL_NO_INDEX;
    if (path && lines.row_of && lines.rows && lines.open &&
        make_rows(&lines, function, file)) {
        add_up(&lines, path);
        *list = (struct pl_line_list){lines.rows, lines.count, profile->total_ns,
                                      profile->samples, profile->owned};
        lines.rows = NULL;
        profile->owned = NULL;
    } else {
        status = pl_error_set(err, PL_NOMEM, "out of memory for lines");
    }
    free(path);
    free(lines.row_of);
    free(lines.rows);
    free(lines.open);
    return status;
}

enum pl_status pl_query_lines(struct pl_store *store,
                              const struct pl_selection *selection,
                              enum pl_metric metric, const char *file,
                              struct pl_line_list *list_out, struct pl_error *err)
{
    struct pl_profile profile = {0};
    if (!file && !selection->function)
        return pl_error_set(err, PL_USAGE, "lines of what? name a function or a file");
    enum pl_status status =
        pl_query_profile_lines(store, selection, metric, &profile, err);
    if (status == PL_OK)
        status = find_lines(&profile, selection->function, file, list_out, err);
    pl_profile_deinit(&profile);
    return status;
}

void pl_line_list_deinit(struct pl_line_list *list)
{
    free(list->rows);
    pl_arena_free(list->owned);
    *list = (struct pl_line_list){0};
}
