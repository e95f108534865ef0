#include "cli/options.h"

#include "base/clock.h"
#include "cli/help.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* getopt values: above any letter, by table. */
enum { GLOBAL = 0x1000, SELECTION = 0x2000, OWN = 0x3000, TABLE_MASK = 0xf000 };

static void add_table(struct pl_options *o, const struct pl_option *table, int base,
                      size_t *count)
{
    for (int i = 0; table && table[i].name && *count + 1 < PL_OPTIONS_MAX; i++) {
        o->longs[(*count)++] = (struct option){
            .name = table[i].name,
            .has_arg = table[i].value ? required_argument : no_argument,
            .val = base + i,
        };
        if (!table[i].letter)
            continue;
        char *end = o->shorts + strlen(o->shorts);
        *end++ = table[i].letter;
        if (table[i].value)
            *end++ = ':';
        *end = '\0';
    }
}

void pl_options_init(struct pl_options *options, struct pl_cli *cli,
                     const struct pl_command *command, int argc, char **argv)
{
    *options =
        (struct pl_options){.cli = cli, .command = command, .argc = argc, .argv = argv};
    bool leads = !command || command->leads_command;
    memcpy(options->shorts, leads ? "+:" : ":", leads ? 3 : 2);
    size_t count = 0;
    if (command)
        add_table(options, command->options, OWN, &count);
    if (command && command->selects)
        add_table(options, pl_selection_options, SELECTION, &count);
    add_table(options, pl_global_options, GLOBAL, &count);
    pl_selection_args_init(&options->selection, pl_clock_wall_ns());
    optind = 0; /* glibc: start over */
    opterr = 0;
}

void pl_options_deinit(struct pl_options *options)
{
    pl_selection_args_deinit(&options->selection);
}

static int done(struct pl_options *o, int exit_code)
{
    o->exit_code = exit_code;
    return PL_OPTIONS_DONE;
}

static int set_global(struct pl_options *o, int index)
{
    const char *name = pl_global_options[index].name;
    if (strcmp(name, "db") == 0) {
        if (!optarg[0])
            return done(o, pl_cli_usage(o->command, "--db wants a file name"));
        o->cli->db = optarg;
    } else if (strcmp(name, "json") == 0) {
        o->cli->json = true;
    } else if (strcmp(name, "version") == 0) {
        o->version = true;
    } else {
        if (o->command)
            pl_help_command(stdout, o->command);
        else
            pl_help_all(stdout, o->cli->commands);
        return done(o, PL_EXIT_OK);
    }
    return 0;
}

static int set_selection(struct pl_options *o, int index)
{
    struct pl_error err = {0};
    if (!optarg[0]) /* a variable that is not set, most likely: not everything */
        return done(o, pl_cli_usage(o->command, "--%s wants a value (%s)",
                                    pl_selection_options[index].name,
                                    pl_selection_options[index].value));
    if (pl_selection_set(&o->selection, pl_selection_options[index].name, optarg, &err))
        return done(o, pl_cli_usage(o->command, "%s", err.message));
    return 0;
}

/* The value getopt knows the letter by, as an index into a table. */
static int find_letter(const struct pl_options *o, int letter)
{
    const struct pl_option *own = o->command ? o->command->options : NULL;
    for (int i = 0; own && own[i].name; i++)
        if (own[i].letter == letter)
            return OWN + i;
    for (int i = 0; pl_global_options[i].name; i++)
        if (pl_global_options[i].letter == letter)
            return GLOBAL + i;
    return -1;
}

/* Smallest number of changes of one letter, and swaps, between two short words. */
static size_t edit_distance(const char *a, const char *b)
{
    enum { MAX = 32 };
    size_t n = strlen(a), m = strlen(b), d[MAX + 1][MAX + 1];
    if (n > MAX || m > MAX)
        return MAX;
    for (size_t i = 0; i <= n; i++)
        for (size_t j = 0; j <= m; j++) {
            if (!i || !j) {
                d[i][j] = i + j;
                continue;
            }
            size_t best = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
            if (d[i - 1][j] + 1 < best)
                best = d[i - 1][j] + 1;
            if (d[i][j - 1] + 1 < best)
                best = d[i][j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                d[i - 2][j - 2] + 1 < best)
                best = d[i - 2][j - 2] + 1;
            d[i][j] = best;
        }
    return d[n][m];
}

const char *pl_options_nearest(const char *word, const char *const *names)
{
    const char *nearest = NULL;
    size_t len = strlen(word), least = len < 4 ? 2 : 3; /* distances below this */
    for (; *names; names++) {
        size_t distance = edit_distance(word, *names);
        bool longer = len > 1 && strncmp(word, *names, len) == 0;
        if (longer && distance >= least)
            distance = least - 1; /* the beginning of a name is near, too */
        if (distance < least) {
            least = distance;
            nearest = *names;
        }
    }
    return nearest;
}

static int unknown_option(struct pl_options *o)
{
    const char *names[PL_OPTIONS_MAX + 1] = {NULL};
    char word[64];
    const char *given = o->argv[optind > 1 ? optind - 1 : 1];
    if (optopt > 0 && optopt < 256)
        return done(o, pl_cli_usage(o->command, "no such option: -%c", optopt));
    if (optopt)
        return done(o, pl_cli_usage(o->command, "%s takes no value", given));
    snprintf(word, sizeof word, "%.*s", (int)strcspn(given + 2, "="), given + 2);
    for (size_t i = 0; o->longs[i].name; i++)
        names[i] = o->longs[i].name;
    const char *nearest = pl_options_nearest(word, names);
    if (nearest)
        return done(o,
                    pl_cli_usage(o->command, "no such option: --%s; did you mean --%s?",
                                 word, nearest));
    return done(o, pl_cli_usage(o->command, "no such option: --%s", word));
}

static int missing_value(struct pl_options *o)
{
    int val = optopt < 256 ? find_letter(o, optopt) : optopt;
    const struct pl_option *table = pl_selection_options;
    if ((val & TABLE_MASK) == OWN)
        table = o->command->options;
    else if ((val & TABLE_MASK) == GLOBAL)
        table = pl_global_options;
    const struct pl_option *option = &table[val & ~TABLE_MASK];
    return done(o, pl_cli_usage(o->command, "--%s wants a value (%s)", option->name,
                                option->value));
}

/* All options are read: does what was given make sense for the command? */
static int finish(struct pl_options *o)
{
    o->first_operand = optind;
    if (o->version) {
        pl_help_version(stdout, o->cli->json);
        return done(o, PL_EXIT_OK);
    }
    if (o->command && o->cli->json && !o->command->json)
        return done(o, pl_cli_usage(o->command, "has no --json"));
    return PL_OPTIONS_END;
}

int pl_options_next(struct pl_options *o)
{
    for (;;) {
        int val = getopt_long(o->argc, o->argv, o->shorts, o->longs, NULL);
        if (val == -1)
            return finish(o);
        if (val == '?')
            return unknown_option(o);
        if (val == ':')
            return missing_value(o);
        if (val < 256)
            val = find_letter(o, val);
        int index = val & ~TABLE_MASK, result = 0;
        o->value = optarg;
        if ((val & TABLE_MASK) == OWN)
            return index;
        if ((val & TABLE_MASK) == SELECTION)
            result = set_selection(o, index);
        else
            result = set_global(o, index);
        if (result)
            return result;
    }
}

bool pl_options_no_operands(struct pl_options *o)
{
    if (o->first_operand >= o->argc)
        return true;
    (void)done(o, pl_cli_usage(o->command, "takes no argument, but got '%s'",
                               o->argv[o->first_operand]));
    return false;
}

bool pl_options_number(const char *text, long low, long high, long *out)
{
    char *end = NULL;
    errno = 0;
    if (text[0] < '0' || text[0] > '9')
        return false;
    long value = strtol(text, &end, 10);
    if (errno || *end || value < low || value > high)
        return false;
    *out = value;
    return true;
}
