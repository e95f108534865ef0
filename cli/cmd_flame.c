/* flame: the call tree in the terminal, as a drawing, folded, or as JSON. */
#include "cli/flame.h"
#include "cli/select.h"
#include "cli/term.h"
#include "web/document.h"
#include "web/export.h"

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
    [OPT_OUTPUT] = {"output", 'o', "FILE",
                    "x.svg, .html, .folded or as `export` has; - folds to stdout"},
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

struct flame {
    const char *output; /* NULL: the tree on stdout */
    struct pl_export export;
    bool unit_given;
    double min_percent; /* < 0: not given */
    long depth;
    struct pl_transform_list transforms;
};

static int set_output(struct flame *flame, const char *value)
{
    flame->output = value;
    flame->export.format =
        strcmp(value, "-") == 0 ? pl_format_named("folded") : pl_format_of_file(value);
    if (flame->export.format)
        return PL_EXIT_OK;
    return pl_cli_usage(&pl_cmd_flame,
                        "-o wants x.svg, x.html, x.folded, x.speedscope.json, x.pb.gz, "
                        "x.firefox.json or -, "
                        "not '%s'",
                        value);
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
        flame->export.unit = strcmp(value, "ns") == 0 ? PL_TREE_NS : PL_TREE_SAMPLES;
        if (flame->export.unit == PL_TREE_NS || strcmp(value, "samples") == 0)
            return PL_EXIT_OK;
        return pl_cli_usage(&pl_cmd_flame, "--unit is samples or ns, not '%s'", value);
    case OPT_METRIC:
        if (pl_select_metric(value, &flame->export.metric))
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

static enum pl_status query(struct flame *flame, const struct pl_select *select,
                            struct pl_profile *profile_out, struct pl_error *err)
{
    if (!flame->output)
        return pl_query_transformed(select->store, &select->selection,
                                    flame->export.metric, &flame->transforms,
                                    profile_out, err);
    if (!flame->unit_given)
        flame->export.unit = flame->export.format->unit;
    flame->export.transforms = &flame->transforms;
    return pl_export_query(&flame->export, select->store, &select->selection,
                           profile_out, err);
}

static int run(struct pl_cli *cli, int argc, char **argv)
{
    struct flame flame = {.min_percent = -1};
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
    status = query(&flame, &select, &profile, &err);
    if (status)
        goto out;
    if (!profile.samples)
        exit_code = pl_select_nothing(&select, "samples");
    if (cli->json)
        status = print_tree(&flame, true, &profile, &err);
    else if (profile.samples && flame.output)
        status =
            pl_export_save(&flame.export, select.store, &profile, flame.output, &err);
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
