#include "cli/help.h"

#include <string.h>

const struct pl_option pl_global_options[] = {
    {"db", 0, "FILE", "the store (else $PROFLITE_DB, else the one in XDG_DATA_HOME)"},
    {"json", 0, NULL, "machine-readable output"},
    {"help", 'h', NULL, "this text"},
    {"version", 0, NULL, "print the version"},
    {NULL, 0, NULL, NULL},
};

const struct pl_option pl_selection_options[] = {
    {"app", 0, "NAME", "only this application"},
    {"session", 0, "ID", "only this session, or a comma list of them"},
    {"from", 0, "TIME", "from then on: 2026-08-01T12:30, @SECONDS or -1h"},
    {"to", 0, "TIME", "until then"},
    {"thread", 0, "NAME", "only threads of this name, or row ids"},
    {"release", 0, "NAME", "only this release"},
    {"env", 0, "NAME", "only this environment"},
    {"label", 0, "KEY=VALUE", "only samples with this label (KEY: any value of it)"},
    {"function", 0, "NAME", "only stacks with this function in them"},
    {NULL, 0, NULL, NULL},
};

#define LEFT_COLUMN 24

static void print_option(FILE *out, const struct pl_option *option)
{
    char left[64], letter[8] = "    ";
    if (option->letter)
        snprintf(letter, sizeof letter, "-%c, ", option->letter);
    snprintf(left, sizeof left, "%s--%s%s%s", letter, option->name,
             option->value ? " " : "", option->value ? option->value : "");
    if (strlen(left) < LEFT_COLUMN)
        fprintf(out, "  %-*s%s\n", LEFT_COLUMN, left, option->help);
    else
        fprintf(out, "  %s\n  %-*s%s\n", left, LEFT_COLUMN, "", option->help);
}

static void print_options(FILE *out, const char *title, const struct pl_option *options)
{
    if (!options || !options->name)
        return;
    fprintf(out, "\n%s\n", title);
    for (const struct pl_option *o = options; o->name; o++)
        print_option(out, o);
}

static void print_examples(FILE *out, const char *examples)
{
    fputs("\nExamples\n", out);
    for (const char *line = examples; *line;) {
        size_t len = strcspn(line, "\n");
        fprintf(out, "  %.*s\n", (int)len, line);
        line += len + (line[len] == '\n');
    }
}

void pl_help_command(FILE *out, const struct pl_command *command)
{
    fprintf(out, "proflite %s %s\n%s\n", command->name, command->synopsis,
            command->summary);
    if (command->details)
        fprintf(out, "\n%s\n", command->details);
    print_options(out, "Options", command->options);
    if (command->selects)
        print_options(out, "What to look at (nothing given: the whole store)",
                      pl_selection_options);
    fputs("\nEverywhere\n", out);
    for (const struct pl_option *o = pl_global_options; o->name; o++)
        if (command->json || strcmp(o->name, "json") != 0)
            print_option(out, o);
    print_examples(out, command->examples);
}

void pl_help_all(FILE *out, const struct pl_command *const *commands)
{
    fputs("proflite COMMAND [OPTIONS]\n"
          "A flight recorder for where a program's time goes.\n\nCommands\n",
          out);
    for (; *commands; commands++)
        if (!(*commands)->hidden)
            fprintf(out, "  %-10s%s\n", (*commands)->name, (*commands)->summary);
    print_options(out, "Options, before or after the command", pl_global_options);
    print_examples(out, "proflite record -- ./my-program --its-option\n"
                        "proflite top\n"
                        "proflite flame -o flame.svg\n"
                        "proflite serve --open\n");
    fputs(
        "\nExit codes: 0 ok, 1 nothing found, 2 usage, 3 bad input, 4 I/O, 5 partial.\n"
        "`proflite COMMAND -h` tells more.\n",
        out);
}

void pl_help_version(FILE *out, bool json)
{
    if (json)
        fputs("{\"schema\":1,\"version\":\"" PL_VERSION "\"}\n", out);
    else
        fputs("proflite " PL_VERSION "\n", out);
}
