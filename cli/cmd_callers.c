/* callers: who calls a function, and what it calls. */
#include "cli/flame.h"
#include "cli/select.h"
#include "cli/term.h"
#include "store/query_sandwich.h"
#include "web/document_views.h"

#include <stdlib.h>
#include <string.h>

#define DEFAULT_MIN_PERCENT 1

enum { OPT_METRIC, OPT_MIN_PERCENT, OPT_TRANSFORM };

static const struct pl_option options[] = {
    [OPT_METRIC] = {"metric", 0, "wall|cpu", "elapsed time (default) or CPU time"},
    [OPT_MIN_PERCENT] = {"min-percent", 0, "P",
                         "hide what weighs less of the function (1; 0 with --json)"},
    [OPT_TRANSFORM] = {"transform", 't', "HOW",
                       "change the tree first (see below); may come again"},
    {NULL, 0, NULL, NULL},
};

struct callers {
    enum pl_metric metric;
    double min_percent; /* < 0: not given */
    struct pl_transform_list transforms;
};

static int set_option(void *self, int option, const char *value)
{
    struct callers *callers = self;
    char *end = NULL;
    switch (option) {
    case OPT_TRANSFORM:
        return pl_select_transform(&pl_cmd_callers, &callers->transforms, value);
    case OPT_MIN_PERCENT:
        callers->min_percent = strtod(value, &end);
        if (end != value && !*end && callers->min_percent >= 0 &&
            callers->min_percent <= 100)
            return PL_EXIT_OK;
        return pl_cli_usage(&pl_cmd_callers, "--min-percent is 0 to 100, not '%s'",
                            value);
    default:
        if (pl_select_metric(value, &callers->metric))
            return PL_EXIT_OK;
        return pl_cli_usage(&pl_cmd_callers, "--metric is wall or cpu, not '%s'",
                            value);
    }
}

static enum pl_status print_tree(const char *title, const struct pl_profile *profile,
                                 int64_t min_ns, struct pl_error *err)
{
    const struct pl_prune_limits limits = {.min_ns = min_ns};
    struct pl_pruned pruned;
    enum pl_status status = pl_prune(profile, &limits, &pruned, err);
    if (status)
        return status;
    bool bold = pl_term_colour(stdout);
    printf("\n%s%s%s\n", bold ? PL_BOLD : "", title, bold ? PL_RESET : "");
    status = pl_flame_print_text(profile, &pruned, min_ns, stdout, err);
    pl_pruned_deinit(&pruned);
    return status;
}

static enum pl_status print_text(const struct pl_sandwich *sandwich,
                                 const char *function, double percent,
                                 struct pl_error *err)
{
    char total[PL_TERM_SHORT], self[PL_TERM_SHORT], share[PL_TERM_SHORT];
    struct pl_buf name;
    int64_t min_ns = (int64_t)((double)sandwich->callers.total_ns * percent / 100);
    pl_buf_init(&name, 1u << 16);
    pl_term_clean(&name, function, strlen(function));
    pl_term_duration(total, sandwich->callers.total_ns);
    pl_term_duration(self, sandwich->self.ns);
    pl_term_percent(share, sandwich->callers.total_ns, sandwich->whole.ns);
    printf("%s: %s in total (%s of the selection), %s in itself\n",
           name.data ? name.data : "", total, share, self);
    pl_buf_deinit(&name);
    enum pl_status status = print_tree("Callers (each below what it calls)",
                                       &sandwich->callers, min_ns, err);
    if (!status)
        status = print_tree("Callees", &sandwich->callees, min_ns, err);
    return status;
}

static enum pl_status print_json(const struct pl_sandwich *sandwich,
                                 const char *function, double percent,
                                 struct pl_error *err)
{
    struct pl_buf buf;
    int64_t min_ns = (int64_t)((double)sandwich->callers.total_ns * percent / 100);
    pl_buf_init(&buf, PL_CLI_DOCUMENT_BYTES);
    enum pl_status status = pl_json_sandwich(&buf, sandwich, function, min_ns, err);
    if (!status)
        return pl_cli_print_document(&buf, err);
    pl_buf_deinit(&buf);
    return status;
}

static int run(struct pl_cli *cli, int argc, char **argv)
{
    struct callers callers = {.min_percent = -1};
    struct pl_select select = {.takes_operands = true};
    struct pl_sandwich sandwich = {0};
    struct pl_error err = {0};
    enum pl_status status = PL_OK;
    int exit_code = PL_EXIT_OK;
    if (!pl_select_open(&select, cli, &pl_cmd_callers, argc, argv, set_option, &callers,
                        &exit_code))
        goto out;
    if (argc - select.options.first_operand != 1) {
        exit_code = pl_cli_usage(&pl_cmd_callers, "name one function");
        goto out;
    }
    const char *function = argv[select.options.first_operand];
    status = pl_query_sandwich(select.store, &select.selection, callers.metric,
                               &callers.transforms, function, &sandwich, &err);
    if (status)
        goto out;
    if (!sandwich.callers.samples)
        exit_code = pl_select_nothing(&select, "samples with that function");
    double percent = callers.min_percent;
    if (cli->json)
        status = print_json(&sandwich, function, percent < 0 ? 0 : percent, &err);
    else if (sandwich.callers.samples)
        status = print_text(&sandwich, function,
                            percent < 0 ? DEFAULT_MIN_PERCENT : percent, &err);
out:
    if (status)
        exit_code = pl_cli_fail(&err);
    pl_sandwich_deinit(&sandwich);
    pl_transform_list_deinit(&callers.transforms);
    pl_select_close(&select);
    return exit_code;
}

const struct pl_command pl_cmd_callers = {
    .name = "callers",
    .synopsis = "[OPTIONS] FUNCTION",
    .summary = "Who calls a function, and what it calls",
    .details = "Two trees: up from the function and down from it. Both weigh what the\n"
               "function does in total; of a recursion the outermost call "
               "counts.\n\n" PL_SELECT_TRANSFORMS,
    .examples = "proflite callers malloc\n"
                "proflite callers --session 3 --metric cpu 'std::sort'\n",
    .options = options,
    .selects = true,
    .json = true,
    .run = run,
};
