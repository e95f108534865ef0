/* diff: what changed between two selections, and how sure that is. */
#include "cli/select.h"
#include "cli/table.h"
#include "cli/term.h"
#include "store/query_diff.h"
#include "web/document_views.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TTY_LIMIT  30
#define SURE       .05
#define TREE_BOXES 20000 /* of the tree in a document */

enum { OPT_LIMIT, OPT_SORT, OPT_METRIC, OPT_TRANSFORM, OPT_ALL };

static const struct pl_option options[] = {
    [OPT_LIMIT] = {"limit", 'n', "N", "how many; 0: all (30 on a terminal, else all)"},
    [OPT_SORT] = {"sort", 0, "self|total",
                  "by change in the function itself (default) or with its callees"},
    [OPT_METRIC] = {"metric", 0, "wall|cpu", "elapsed time (default) or CPU time"},
    [OPT_TRANSFORM] = {"transform", 't', "HOW",
                       "change both trees first (see below); may come again"},
    [OPT_ALL] = {"all", 0, NULL, "also changes that may be chance (q above .05)"},
    {NULL, 0, NULL, NULL},
};

struct diff {
    long limit; /* -1: not given */
    bool by_total, all;
    enum pl_metric metric;
    struct pl_transform_list transforms;
};

/* One side: an own selection, and an own store if its first word is a file. */
struct side {
    struct pl_selection_args args;
    struct pl_selection selection;
    struct pl_store *store; /* NULL: the command's */
};

static int set_option(void *self, int option, const char *value)
{
    struct diff *diff = self;
    switch (option) {
    case OPT_LIMIT:
        if (pl_options_number(value, 0, 1000000000, &diff->limit))
            return PL_EXIT_OK;
        return pl_cli_usage(&pl_cmd_diff, "--limit is a number, not '%s'", value);
    case OPT_SORT:
        diff->by_total = strcmp(value, "total") == 0;
        if (diff->by_total || strcmp(value, "self") == 0)
            return PL_EXIT_OK;
        return pl_cli_usage(&pl_cmd_diff, "--sort is self or total, not '%s'", value);
    case OPT_TRANSFORM:
        return pl_select_transform(&pl_cmd_diff, &diff->transforms, value);
    case OPT_ALL:
        diff->all = true;
        return PL_EXIT_OK;
    default:
        if (pl_select_metric(value, &diff->metric))
            return PL_EXIT_OK;
        return pl_cli_usage(&pl_cmd_diff, "--metric is wall or cpu, not '%s'", value);
    }
}

/* ---- sides ---- */

/* Length of the first word if that is a file's name: it has a slash or ends in .db. */
static size_t file_name(const char *text)
{
    size_t len = strcspn(text, " \t");
    bool ends = len > 3 && strncmp(text + len - 3, ".db", 3) == 0;
    bool selects = text[strcspn(text, ":=/")] == ':' || text[0] == '@';
    return len && !selects && (ends || memchr(text, '/', len)) ? len : 0;
}

/* What the command line selects for both sides, then what the side adds. Errors of
 * the text are said.  The exit code. */
static int read_side(struct side *side, const struct pl_select *select,
                     const char *text)
{
    struct pl_error err = {0};
    size_t file = file_name(text);
    enum pl_status status =
        pl_selection_args_copy(&side->args, &select->options.selection, &err);
    if (status == PL_OK && file) {
        char *path = strndup(text, file);
        status = path ? pl_store_open(path, PL_STORE_READ, &side->store, &err)
                      : pl_error_set(&err, PL_NOMEM, "out of memory");
        free(path);
    }
    if (status != PL_OK)
        return pl_cli_fail(&err);
    status = pl_selection_parse(&side->args, text + file, &err);
    if (status == PL_OK)
        status = pl_selection_get(&side->args, &side->selection, &err);
    return status == PL_OK ? PL_EXIT_OK : pl_cli_usage(&pl_cmd_diff, "%s", err.message);
}

static void close_side(struct side *side)
{
    pl_selection_args_deinit(&side->args);
    pl_store_close(side->store);
}

/* ---- output ---- */

static void print_header(const struct pl_diff *diff)
{
    char text[2][PL_TERM_SHORT], samples[2][PL_TERM_SHORT];
    const struct pl_amount *sides[] = {&diff->a, &diff->b};
    for (int i = 0; i < 2; i++) {
        pl_term_duration(text[i], sides[i]->ns);
        pl_term_count(samples[i], sides[i]->samples);
        printf("%c: %s %s time, %s samples\n", 'A' + i, text[i],
               diff->profile.metric == PL_METRIC_CPU ? "CPU" : "wall", samples[i]);
    }
}

static void print_row(struct pl_table *table, const struct pl_diff *diff, uint32_t i,
                      bool by_total)
{
    const struct pl_function *f = &diff->profile.functions[i];
    const struct pl_split *split = &diff->profile.function_split[2 * (size_t)i];
    const struct pl_change *change = by_total ? &diff->total[i] : &diff->self[i];
    const struct pl_amount *a = by_total ? &split[0].total : &split[0].self;
    const struct pl_amount *b = by_total ? &split[1].total : &split[1].self;
    const char *slash = strrchr(f->module, '/');
    char text[PL_TERM_SHORT];
    pl_table_cellf(table, "%+.2f %%", 100 * (change->share_b - change->share_a));
    pl_term_percent(text, a->ns, diff->a.ns);
    pl_table_cell(table, text);
    pl_term_percent(text, b->ns, diff->b.ns);
    pl_table_cell(table, text);
    pl_term_duration(text, a->ns);
    pl_table_cell(table, text);
    pl_term_duration(text, b->ns);
    pl_table_cell(table, text);
    pl_table_cellf(table, change->q < .0001 ? "<.0001" : "%.4f", change->q);
    pl_table_cell(table, !split[0].total.samples   ? "new"
                         : !split[1].total.samples ? "gone"
                                                   : "");
    pl_table_cell(table, pl_term_name(f->name));
    pl_table_cell(table, slash ? slash + 1 : f->module);
}

static bool shows(const struct diff *options_given, const struct pl_change *change)
{
    bool differs =
        change->share_a < change->share_b || change->share_a > change->share_b;
    return differs && (options_given->all || change->q <= SURE);
}

static enum pl_status print_table(const struct diff *given, const struct pl_diff *diff,
                                  struct pl_error *err)
{
    static const struct pl_table_column columns[] = {
        {"change", PL_RIGHT, false},  {"share A", PL_RIGHT, false},
        {"share B", PL_RIGHT, false}, {"A", PL_RIGHT, false},
        {"B", PL_RIGHT, false},       {"q", PL_RIGHT, false},
        {"", PL_LEFT, false},         {"function", PL_LEFT, true},
        {"module", PL_LEFT, true},
    };
    const struct pl_change *changes = given->by_total ? diff->total : diff->self;
    uint32_t *order = pl_diff_order(diff, given->by_total);
    size_t found = 0, shown = 0, most = given->limit > 0 ? (size_t)given->limit : 0;
    if (!order)
        return pl_error_set(err, PL_NOMEM, "out of memory for the table");
    if (given->limit < 0 && pl_term_columns(stdout))
        most = TTY_LIMIT;
    for (size_t i = 0; i < diff->profile.function_count; i++)
        if (shows(given, &changes[order[i]]))
            order[found++] = order[i];
    print_header(diff);
    if (!found)
        printf("no change that is surely more than chance; --all shows every one\n");
    struct pl_table *table =
        found ? pl_table_new(stdout, columns, sizeof columns / sizeof columns[0])
              : NULL;
    for (; table && shown < found && (!most || shown < most); shown++)
        print_row(table, diff, order[shown], given->by_total);
    pl_table_free(table);
    if (table && shown < found)
        printf("and %zu more; --limit 0 shows all\n", found - shown);
    free(order);
    return found && !table ? pl_error_set(err, PL_NOMEM, "out of memory for the table")
                           : PL_OK;
}

static enum pl_status print_json(const struct diff *given, const struct pl_diff *diff,
                                 struct pl_error *err)
{
    const struct pl_prune_limits limits = {.max_nodes = TREE_BOXES};
    size_t count = given->limit > 0 ? (size_t)given->limit : SIZE_MAX;
    struct pl_pruned pruned;
    struct pl_buf buf;
    enum pl_status status = pl_prune(&diff->profile, &limits, &pruned, err);
    if (status)
        return status;
    pl_buf_init(&buf, PL_CLI_DOCUMENT_BYTES);
    status = pl_json_diff(&buf, diff, count, &pruned, err);
    if (!status)
        status = pl_cli_print_document(&buf, err);
    else
        pl_buf_deinit(&buf);
    pl_pruned_deinit(&pruned);
    return status;
}

/* ---- the command ---- */

static enum pl_status compare(const struct diff *given, struct pl_store *store,
                              const struct side *a, const struct side *b,
                              struct pl_diff *diff, struct pl_error *err)
{
    struct pl_profile pair = {0};
    enum pl_status status = pl_query_pair(a->store ? a->store : store, &a->selection,
                                          b->store ? b->store : store, &b->selection,
                                          given->metric, &pair, err);
    if (!status)
        status = pl_profile_transform_all(&pair, &given->transforms, err);
    if (!status)
        status = pl_diff_take(&pair, diff, err);
    pl_profile_deinit(&pair);
    return status;
}

static int run(struct pl_cli *cli, int argc, char **argv)
{
    struct diff given = {.limit = -1};
    struct pl_select select = {.takes_operands = true};
    struct side a = {.store = NULL}, b = {.store = NULL};
    struct pl_diff diff = {0};
    struct pl_error err = {0};
    enum pl_status status = PL_OK;
    int exit_code = PL_EXIT_OK;
    if (!pl_select_read(&select, cli, &pl_cmd_diff, argc, argv, set_option, &given,
                        &exit_code))
        goto out;
    int first = select.options.first_operand;
    bool splits = pl_transform_list_splits(&given.transforms);
    if (argc - first != 2 || splits) {
        exit_code = pl_cli_usage(&pl_cmd_diff,
                                 splits ? "a diff has no --transform threads or labels"
                                        : "name two selections");
        goto out;
    }
    exit_code = read_side(&a, &select, argv[first]);
    if (!exit_code)
        exit_code = read_side(&b, &select, argv[first + 1]);
    if (exit_code)
        goto out;
    if (!a.store || !b.store)
        status = pl_cli_open(cli, PL_STORE_READ, &select.store, &err);
    if (!status)
        status = compare(&given, select.store, &a, &b, &diff, &err);
    if (status)
        goto out;
    if (!diff.a.samples || !diff.b.samples) {
        pl_cli_say("no samples in %s", diff.a.samples   ? "B"
                                       : diff.b.samples ? "A"
                                                        : "A or B");
        exit_code = PL_EXIT_NOT_FOUND;
    }
    if (cli->json)
        status = print_json(&given, &diff, &err);
    else if (!exit_code)
        status = print_table(&given, &diff, &err);
out:
    if (status)
        exit_code = pl_cli_fail(&err);
    pl_diff_deinit(&diff);
    close_side(&a);
    close_side(&b);
    pl_transform_list_deinit(&given.transforms);
    pl_select_close(&select);
    return exit_code;
}

const struct pl_command pl_cmd_diff = {
    .name = "diff",
    .synopsis = "[OPTIONS] A B",
    .summary = "What changed between two selections",
    .details =
        "A and B are words in one argument each: session ids (3 or 3,4), a time range\n"
        "(@-2h..-1h), KEY:VALUE with app, release, env, thread, label, function, from\n"
        "or to (release:1.2, label:tenant=acme), or all. A first word that is a "
        "file's\n"
        "name (it has a / or ends in .db) is another store. What the options below\n"
        "select goes for both.\n\n"
        "Shares are of each side's whole, so sides may differ in length. q is how\n"
        "likely a change is chance, corrected for the number of functions looked at;\n"
        "only changes with q up to .05 are listed. Runs of equal samples count as "
        "one.\n"
        "\n" PL_SELECT_TRANSFORMS,
    .examples = "proflite diff 3 4\n"
                "proflite diff release:1.1 release:1.2 --app checkout\n"
                "proflite diff '@-2h..-1h' '@-1h..' --sort total\n"
                "proflite diff old.db 'new.db label:tenant=acme' --json\n",
    .options = options,
    .selects = true,
    .json = true,
    .run = run,
};
