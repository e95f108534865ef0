/* export: a selection's profile as a file of another tool's. */
#include "cli/select.h"
#include "web/export.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { OPT_FORMAT, OPT_OUTPUT, OPT_METRIC, OPT_TRANSFORM };

static const struct pl_option options[] = {
    [OPT_FORMAT] = {"format", 'f', "FORMAT", PL_FORMAT_NAMES},
    [OPT_OUTPUT] = {"output", 'o', "FILE", "where to; - is stdout"},
    [OPT_METRIC] = {"metric", 0, "wall|cpu", "elapsed time (default) or CPU time"},
    [OPT_TRANSFORM] = {"transform", 't', "HOW",
                       "change the tree (see below); may come again"},
    {NULL, 0, NULL, NULL},
};

struct command {
    const char *output;
    struct pl_export export;
    struct pl_transform_list transforms;
};

static int set_option(void *self, int option, const char *value)
{
    struct command *command = self;
    switch (option) {
    case OPT_FORMAT:
        command->export.format = pl_format_named(value);
        if (command->export.format)
            return PL_EXIT_OK;
        return pl_cli_usage(&pl_cmd_export, "--format is " PL_FORMAT_NAMES ", not '%s'",
                            value);
    case OPT_OUTPUT:
        command->output = value;
        return PL_EXIT_OK;
    case OPT_METRIC:
        if (pl_select_metric(value, &command->export.metric))
            return PL_EXIT_OK;
        return pl_cli_usage(&pl_cmd_export, "--metric is wall or cpu, not '%s'", value);
    default:
        return pl_select_transform(&pl_cmd_export, &command->transforms, value);
    }
}

/* What the options leave open; not 0 is the exit code of a usage error. */
static int complete(struct command *command)
{
    if (!command->output)
        return pl_cli_usage(&pl_cmd_export, "where to? -o FILE, or -o - for stdout");
    if (!command->export.format)
        command->export.format = pl_format_of_file(command->output);
    if (!command->export.format)
        return pl_cli_usage(&pl_cmd_export, "--format is missing: " PL_FORMAT_NAMES);
    if (command->export.format->binary && strcmp(command->output, "-") == 0 &&
        isatty(STDOUT_FILENO))
        return pl_cli_usage(&pl_cmd_export, "%s is nothing for a terminal; -o FILE",
                            command->export.format->name);
    command->export.unit = command->export.format->unit;
    command->export.transforms = &command->transforms;
    return PL_EXIT_OK;
}

static int run(struct pl_cli *cli, int argc, char **argv)
{
    struct command command = {0};
    struct pl_select select = {0};
    struct pl_profile profile = {0};
    struct pl_error err = {0};
    enum pl_status status = PL_OK;
    int exit_code = PL_EXIT_OK;
    if (!pl_select_read(&select, cli, &pl_cmd_export, argc, argv, set_option, &command,
                        &exit_code))
        goto out;
    exit_code = complete(&command);
    if (exit_code)
        goto out;
    status = pl_cli_open(cli, PL_STORE_READ, &select.store, &err);
    if (!status)
        status = pl_export_query(&command.export, select.store, &select.selection,
                                 &profile, &err);
    if (!status && !profile.samples)
        exit_code = pl_select_nothing(&select, "samples");
    else if (!status)
        status = pl_export_save(&command.export, select.store, &profile, command.output,
                                &err);
out:
    if (status)
        exit_code = pl_cli_fail(&err);
    pl_profile_deinit(&profile);
    pl_transform_list_deinit(&command.transforms);
    pl_select_close(&select);
    return exit_code;
}

const struct pl_command pl_cmd_export = {
    .name = "export",
    .synopsis = "[--format FORMAT] -o FILE [OPTIONS]",
    .summary = "A profile as a file of another tool's",
    .details =
        "Without --format, FILE tells it: x.folded, x.svg, x.html, x.speedscope.json, "
        "x.pb.gz\n"
        "(pprof) or x.firefox.json. Files always hold "
        "everything.\n\n" PL_SELECT_TRANSFORMS,
    .examples = "proflite export -f pprof -o profile.pb.gz\n"
                "proflite export -o graph.html --session 3\n"
                "proflite export -f firefox -o - --from -1h > last-hour.json\n"
                "proflite export -f folded -o - | flamegraph.pl > flame.svg\n",
    .options = options,
    .selects = true,
    .run = run,
};
