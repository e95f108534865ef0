#include "cli/select.h"

#include <string.h>

bool pl_select_read(struct pl_select *select, struct pl_cli *cli,
                    const struct pl_command *command, int argc, char **argv,
                    int (*set)(void *self, int option, const char *value), void *self,
                    int *exit_code)
{
    struct pl_error err = {0};
    int option;
    pl_options_init(&select->options, cli, command, argc, argv);
    *exit_code = PL_EXIT_OK;
    while ((option = pl_options_next(&select->options)) >= 0) {
        *exit_code = set(self, option, select->options.value);
        if (*exit_code)
            return false;
    }
    *exit_code = select->options.exit_code;
    if (option == PL_OPTIONS_DONE)
        return false;
    if (!select->takes_operands && !pl_options_no_operands(&select->options)) {
        *exit_code = select->options.exit_code;
        return false;
    }
    if (pl_selection_get(&select->options.selection, &select->selection, &err)) {
        *exit_code = pl_cli_usage(command, "%s", err.message);
        return false;
    }
    pl_cli_salvage(cli);
    return true;
}

bool pl_select_open(struct pl_select *select, struct pl_cli *cli,
                    const struct pl_command *command, int argc, char **argv,
                    int (*set)(void *self, int option, const char *value), void *self,
                    int *exit_code)
{
    struct pl_error err = {0};
    if (!pl_select_read(select, cli, command, argc, argv, set, self, exit_code))
        return false;
    if (pl_cli_open(cli, PL_STORE_READ, &select->store, &err)) {
        *exit_code = pl_cli_fail(&err);
        return false;
    }
    return true;
}

void pl_select_close(struct pl_select *select)
{
    pl_store_close(select->store);
    pl_options_deinit(&select->options);
}

bool pl_select_metric(const char *text, enum pl_metric *metric_out)
{
    *metric_out = strcmp(text, "cpu") == 0 ? PL_METRIC_CPU : PL_METRIC_WALL;
    return *metric_out == PL_METRIC_CPU || strcmp(text, "wall") == 0;
}

int pl_select_transform(const struct pl_command *command,
                        struct pl_transform_list *list, const char *text)
{
    struct pl_error err = {0};
    if (pl_transform_list_add(list, text, &err) == PL_OK)
        return PL_EXIT_OK;
    return pl_cli_usage(command, "%s", err.message);
}

static bool selects_something(const struct pl_selection *s)
{
    return s->app || s->release || s->environment || s->session_count ||
           s->thread_count || s->thread_name || s->from_ns || s->to_ns || s->function ||
           s->label_count;
}

int pl_select_nothing(const struct pl_select *select, const char *what)
{
    const char *path = pl_store_path(select->store);
    if (selects_something(&select->selection))
        pl_cli_say("no %s in %s match; `proflite%s ls` shows what is there", what, path,
                   pl_cli_db_flag(select->options.cli));
    else
        pl_cli_say("no %s yet in %s; record one: proflite%s record -- CMD", what, path,
                   pl_cli_db_flag(select->options.cli));
    return PL_EXIT_NOT_FOUND;
}
