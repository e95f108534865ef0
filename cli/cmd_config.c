/* config: every option of a recording, its value, and where it came from. */
#include "cli/options.h"
#include "cli/table.h"
#include "collector/settings.h"

#include <stdlib.h>
#include <string.h>

enum { OPT_ORIGIN };

static const struct pl_option options[] = {
    [OPT_ORIGIN] = {"show-origin", 0, NULL, "say where each value comes from"},
    {NULL, 0, NULL, NULL},
};

/* "PROFLITE_HZ", "/home/me/.config/proflite/config:3" or "default". */
static void put_origin(struct pl_buf *buf, const struct pl_settings *settings,
                       enum pl_setting setting)
{
    const struct pl_setting_value *value = &settings->values[setting];
    if (value->origin == PL_ORIGIN_ENVIRONMENT)
        pl_buf_puts(buf, pl_setting_variable(setting));
    else if (value->origin == PL_ORIGIN_FILE)
        pl_buf_printf(buf, "%s:%u", settings->config_path, value->line);
    else
        pl_buf_puts(buf, value->origin == PL_ORIGIN_CALLER ? "--db" : "default");
}

static void put_row(struct pl_table *table, const struct pl_settings *settings,
                    enum pl_setting setting, bool origin)
{
    struct pl_buf buf;
    const char *value = settings->values[setting].text;
    pl_buf_init(&buf, 8192);
    put_origin(&buf, settings, setting);
    pl_table_cell(table, pl_setting_name(setting));
    pl_table_cell(table, value ? value : "-");
    if (origin)
        pl_table_cell(table, buf.data ? buf.data : "-");
    pl_buf_deinit(&buf);
}

static enum pl_status print_table(const struct pl_settings *settings, bool origin,
                                  struct pl_error *err)
{
    static const struct pl_table_column columns[] = {{"option", PL_LEFT, false},
                                                     {"value", PL_LEFT, false},
                                                     {"origin", PL_LEFT, true}};
    struct pl_table *table = pl_table_new(stdout, columns, origin ? 3 : 2);
    if (!table)
        return pl_error_set(err, PL_NOMEM, "out of memory for the table");
    for (unsigned i = 0; i < PL_SETTING_COUNT; i++)
        put_row(table, settings, (enum pl_setting)i, origin);
    pl_table_free(table);
    return PL_OK;
}

static void put_text(struct pl_buf *buf, const char *name, const char *value)
{
    pl_buf_printf(buf, "\"%s\":", name);
    if (!value) {
        pl_buf_puts(buf, "null");
        return;
    }
    pl_buf_putc(buf, '"');
    pl_buf_json_escape(buf, value);
    pl_buf_putc(buf, '"');
}

static enum pl_status print_json(const struct pl_settings *settings,
                                 struct pl_error *err)
{
    struct pl_buf buf, origin;
    pl_buf_init(&buf, PL_CLI_DOCUMENT_BYTES);
    pl_buf_init(&origin, 8192);
    pl_buf_puts(&buf, "{\"schema\":1,");
    put_text(&buf, "config", settings->config_path);
    pl_buf_puts(&buf, ",\"options\":[");
    for (unsigned i = 0; i < PL_SETTING_COUNT; i++) {
        pl_buf_clear(&origin);
        put_origin(&origin, settings, (enum pl_setting)i);
        pl_buf_puts(&buf, i ? ",{" : "{");
        put_text(&buf, "name", pl_setting_name((enum pl_setting)i));
        pl_buf_putc(&buf, ',');
        put_text(&buf, "value", settings->values[i].text);
        pl_buf_putc(&buf, ',');
        put_text(&buf, "origin", origin.data);
        pl_buf_putc(&buf, '}');
    }
    pl_buf_puts(&buf, "]}\n");
    pl_buf_deinit(&origin);
    return pl_cli_print_document(&buf, err);
}

static int show(struct pl_cli *cli, bool origin)
{
    const proflite_options none = PROFLITE_OPTIONS_INIT;
    proflite_options given = none;
    struct pl_settings settings;
    struct pl_error err = {0};
    char why[256];
    given.db = cli->db;
    if (pl_settings_init(&settings, &given, false, why, sizeof why) != PROFLITE_OK) {
        (void)pl_error_set(&err, PL_USAGE, "%s", why);
        return pl_cli_fail(&err);
    }
    enum pl_status status =
        cli->json ? print_json(&settings, &err) : print_table(&settings, origin, &err);
    pl_settings_deinit(&settings);
    return status ? pl_cli_fail(&err) : PL_EXIT_OK;
}

static int run(struct pl_cli *cli, int argc, char **argv)
{
    struct pl_options parser;
    bool origin = false;
    int option;
    pl_options_init(&parser, cli, &pl_cmd_config, argc, argv);
    while ((option = pl_options_next(&parser)) == OPT_ORIGIN)
        origin = true;
    bool go = option == PL_OPTIONS_END && pl_options_no_operands(&parser);
    int exit_code = go ? show(cli, origin) : parser.exit_code;
    pl_options_deinit(&parser);
    return exit_code;
}

const struct pl_command pl_cmd_config = {
    .name = "config",
    .synopsis = "[OPTIONS]",
    .summary = "Every option of a recording, its value and where it came from",
    .details =
        "An option is what the program or the command line says, else the variable\n"
        "PROFLITE_<OPTION>, else the line `option = value` of the config file\n"
        "($XDG_CONFIG_HOME/proflite/config, else ~/.config/proflite/config), else its\n"
        "default. Programs that link libproflite may set each for themselves; what\n"
        "each means is in proflite.h. `record` uses db, app, release, environment,\n"
        "dist, hz, mode, max_overhead, durability and those of in_app.",
    .examples = "proflite config --show-origin\n"
                "proflite config --json\n",
    .options = options,
    .json = true,
    .run = run,
};
