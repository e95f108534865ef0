/* flame: the call tree in the terminal, as a drawing, folded, or as JSON. */
#include "cli/flame.h"
#include "cli/select.h"
#include "cli/term.h"
#include "formats/folded.h"
#include "formats/speedscope.h"
#include "formats/svg.h"
#include "web/document.h"
#include "web/flame_tree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_MIN_PERCENT 0.5

enum {
    OPT_OUTPUT,
    OPT_UNIT,
    OPT_METRIC,
    OPT_MIN_PERCENT,
    OPT_DEPTH,
    OPT_TRANSFORM,
    OPT_INVERT
};

static const struct pl_option options[] = {
    [OPT_OUTPUT] =
        {"output", 'o', "FILE",
         "x.svg draws, x.folded folds, x.speedscope.json is for speedscope; - "
         "folds to stdout"},
    [OPT_UNIT] = {"unit", 0, "samples|ns", "values of folded stacks (samples)"},
    [OPT_METRIC] = {"metric", 0, "wall|cpu", "elapsed time (default) or CPU time"},
    [OPT_MIN_PERCENT] = {"min-percent", 0, "P",
                         "hide what weighs less (.5 in the terminal, 0 with --json)"},
    [OPT_DEPTH] = {"depth", 0, "N", "hide what is called deeper"},
    [OPT_TRANSFORM] = {"transform", 't', "HOW",
                       "change the tree (see below); may come again"},
    [OPT_INVERT] = {"invert", 0, NULL, "leaves first, their callers below them"},
    {NULL, 0, NULL, NULL},
};

typedef enum pl_status writer(const struct pl_tree *tree, FILE *out,
                              struct pl_error *err);

struct flame {
    const char *output; /* NULL: the tree on stdout */
    writer *write;
    enum pl_tree_unit unit;
    bool unit_given;
    enum pl_metric metric;
    double min_percent; /* < 0: not given */
    long depth;
    struct pl_transform_list transforms;
};

static bool ends_with(const char *text, const char *end)
{
    size_t len = strlen(text), end_len = strlen(end);
    return len > end_len && strcmp(text + len - end_len, end) == 0;
}

static int set_output(struct flame *flame, const char *value)
{
    flame->output = value;
    if (strcmp(value, "-") == 0 || ends_with(value, ".folded"))
        flame->write = pl_folded_write;
    else if (ends_with(value, ".svg"))
        flame->write = pl_svg_write;
    else if (ends_with(value, ".speedscope.json"))
        flame->write = pl_speedscope_write;
    else if (ends_with(value, ".html"))
        return pl_cli_usage(&pl_cmd_flame,
                            "this version writes no HTML; take %.*s.svg, which any "
                            "browser opens",
                            (int)(strlen(value) - strlen(".html")), value);
    else
        return pl_cli_usage(
            &pl_cmd_flame, "-o wants x.svg, x.folded, x.speedscope.json or -, not '%s'",
            value);
    return PL_EXIT_OK;
}

static int set_min_percent(struct flame *flame, const char *value)
{
    char *end = NULL;
    double percent = strtod(value, &end);
    if (end == value || *end || !(percent >= 0 && percent <= 100))
        return pl_cli_usage(&pl_cmd_flame, "--min-percent is 0 to 100, not '%s'",
                            value);
    flame->min_percent = percent;
    return PL_EXIT_OK;
}

static int set_option(void *self, int option, const char *value)
{
    struct flame *flame = self;
    switch (option) {
    case OPT_OUTPUT:
        return set_output(flame, value);
    case OPT_UNIT:
        flame->unit_given = true;
        flame->unit = strcmp(value, "ns") == 0 ? PL_TREE_NS : PL_TREE_SAMPLES;
        if (flame->unit == PL_TREE_NS || strcmp(value, "samples") == 0)
            return PL_EXIT_OK;
        return pl_cli_usage(&pl_cmd_flame, "--unit is samples or ns, not '%s'", value);
    case OPT_METRIC:
        if (pl_select_metric(value, &flame->metric))
            return PL_EXIT_OK;
        return pl_cli_usage(&pl_cmd_flame, "--metric is wall or cpu, not '%s'", value);
    case OPT_MIN_PERCENT:
        return set_min_percent(flame, value);
    case OPT_TRANSFORM:
        return pl_select_transform(&pl_cmd_flame, &flame->transforms, value);
    case OPT_INVERT:
        return pl_select_transform(&pl_cmd_flame, &flame->transforms, "invert");
    default:
        if (pl_options_number(value, 1, 1000000, &flame->depth))
            return PL_EXIT_OK;
        return pl_cli_usage(&pl_cmd_flame, "--depth is a number above 0, not '%s'",
                            value);
    }
}

/* ---- output ---- */

static enum pl_status print_json(const struct pl_profile *profile,
                                 const struct pl_pruned *pruned, struct pl_error *err)
{
    struct pl_buf buf;
    pl_buf_init(&buf, PL_CLI_DOCUMENT_BYTES);
    pl_json_flamegraph(&buf, profile, pruned);
    return pl_cli_print_document(&buf, err);
}

static enum pl_status print_tree(const struct flame *flame, bool json,
                                 const struct pl_profile *profile, struct pl_error *err)
{
    struct pl_pruned pruned;
    double percent = flame->min_percent;
    if (percent < 0)
        percent = json ? 0 : DEFAULT_MIN_PERCENT;
    double least = (double)profile->total_ns * percent / 100;
    struct pl_prune_limits limits = {.min_ns = (int64_t)least,
                                     .max_depth = (uint32_t)flame->depth};
    limits.min_ns += (double)limits.min_ns < least; /* rounded up */
    enum pl_status status = pl_prune(profile, &limits, &pruned, err);
    if (status)
        return status;
    status = json ? print_json(profile, &pruned, err)
                  : pl_flame_print_text(profile, &pruned, limits.min_ns, stdout, err);
    pl_pruned_deinit(&pruned);
    return status;
}

static enum pl_status write_tree(const struct flame *flame, const struct pl_tree *tree,
                                 struct pl_error *err)
{
    if (strcmp(flame->output, "-") == 0)
        return flame->write(tree, stdout, err);
    FILE *out = fopen(flame->output, "we");
    if (!out)
        return pl_error_set(err, PL_IO, "cannot write %s: %s", flame->output,
                            strerror(errno));
    enum pl_status status = flame->write(tree, out, err);
    if (fclose(out) != 0 && !status)
        status = pl_error_set(err, PL_IO, "cannot write %s: %s", flame->output,
                              strerror(errno));
    return status;
}

static enum pl_status write_file(const struct flame *flame,
                                 const struct pl_profile *profile, struct pl_error *err)
{
    char title[128];
    struct pl_flame_tree flame_tree;
    enum pl_tree_unit unit = PL_TREE_SAMPLES;
    if (flame->unit_given)
        unit = flame->unit;
    else if (flame->write != pl_folded_write)
        unit = PL_TREE_NS;
    snprintf(title, sizeof title, "%s time",
             flame->metric == PL_METRIC_CPU ? "CPU" : "Wall");
    enum pl_status status = pl_flame_tree_init(&flame_tree, profile, unit, title, err);
    if (!status)
        status = write_tree(flame, &flame_tree.tree, err);
    pl_flame_tree_deinit(&flame_tree);
    return status;
}

static int run(struct pl_cli *cli, int argc, char **argv)
{
    struct flame flame = {.min_percent = -1, .unit = PL_TREE_SAMPLES};
    struct pl_select select = {0};
    struct pl_profile profile = {0};
    struct pl_error err = {0};
    enum pl_status status = PL_OK;
    int exit_code = PL_EXIT_OK;
    if (!pl_select_open(&select, cli, &pl_cmd_flame, argc, argv, set_option, &flame,
                        &exit_code))
        goto out;
    if (cli->json && flame.output) {
        exit_code = pl_cli_usage(&pl_cmd_flame, "--json and -o exclude each other");
        goto out;
    }
    status = pl_query_transformed(select.store, &select.selection, flame.metric,
                                  &flame.transforms, &profile, &err);
    if (status)
        goto out;
    if (!profile.samples)
        exit_code = pl_select_nothing(&select, "samples");
    if (cli->json)
        status = print_tree(&flame, true, &profile, &err);
    else if (profile.samples && flame.output)
        status = write_file(&flame, &profile, &err);
    else if (profile.samples)
        status = print_tree(&flame, false, &profile, &err);
out:
    if (status)
        exit_code = pl_cli_fail(&err);
    pl_profile_deinit(&profile);
    pl_transform_list_deinit(&flame.transforms);
    pl_select_close(&select);
    return exit_code;
}

const struct pl_command pl_cmd_flame = {
    .name = "flame",
    .synopsis = "[OPTIONS]",
    .summary = "The call tree: in the terminal, or as a flame graph in a file",
    .details =
        "Of a node hidden by --min-percent or --depth all below it is hidden, too;\n"
        "what is hidden is counted. Files always hold "
        "everything.\n\n" PL_SELECT_TRANSFORMS,
    .examples = "proflite flame --session 3 --min-percent 2\n"
                "proflite flame --invert --from -1h\n"
                "proflite flame -t focus:main -t hide:memcpy -t recursion\n"
                "proflite flame -o flame.svg\n"
                "proflite flame -o - | flamegraph.pl > flame.svg\n",
    .options = options,
    .selects = true,
    .json = true,
    .run = run,
};
