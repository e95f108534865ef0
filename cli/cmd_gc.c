/* gc: retention by age and size. */
#include "base/clock.h"
#include "cli/options.h"
#include "cli/term.h"
#include "store/retention.h"
#include "web/json.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { OPT_KEEP, OPT_KEEP_HOURS, OPT_KEEP_DAYS, OPT_MAX_SIZE, OPT_DRY_RUN };

static const struct pl_option options[] = {
    [OPT_KEEP] = {"keep", 0, "TIME", "remove samples older than this: 7d, 36h, 1h30m"},
    [OPT_KEEP_HOURS] = {"keep-hours", 0, "TIME",
                        "keep sums per hour, stack and thread so long: 30d"},
    [OPT_KEEP_DAYS] = {"keep-days", 0, "TIME", "keep sums per day so long: 365d"},
    [OPT_MAX_SIZE] = {"max-size", 0, "BYTES",
                      "remove the oldest until what is used fits: 2G, 500M"},
    [OPT_DRY_RUN] = {"dry-run", 0, NULL, "only say what would go"},
    {NULL, 0, NULL, NULL},
};

/* "7d" is what "-7d" is for --from. */
static bool parse_keep(const char *text, int64_t *before_out)
{
    char past[64];
    int64_t now_ns = pl_clock_wall_ns();
    if (!isdigit((unsigned char)*text) || strlen(text) > sizeof past - 2)
        return false;
    (void)snprintf(past, sizeof past, "-%s", text);
    return pl_time_parse(past, now_ns, before_out, NULL) == PL_OK;
}

/* Whole bytes, or K, M, G, T of 1024 each. */
static bool parse_size(const char *text, int64_t *bytes_out)
{
    static const char units[] = "KMGT";
    char *end;
    if (!isdigit((unsigned char)*text))
        return false;
    unsigned long long value = strtoull(text, &end, 10);
    const char *unit = *end ? strchr(units, toupper((unsigned char)*end)) : NULL;
    if (*end && (!unit || end[1]))
        return false;
    int shift = unit ? 10 * (int)(unit - units + 1) : 0;
    if (!value || value > (unsigned long long)INT64_MAX >> shift)
        return false;
    *bytes_out = (int64_t)(value << shift);
    return true;
}

static enum pl_status print_json(const struct pl_retention *retention,
                                 const struct pl_retention_result *result,
                                 struct pl_error *err)
{
    struct pl_buf buf;
    pl_buf_init(&buf, PL_CLI_DOCUMENT_BYTES);
    pl_buf_printf(&buf, "{\"schema\":1,\"dry_run\":%s,\"fits\":%s",
                  retention->dry_run ? "true" : "false",
                  result->fits ? "true" : "false");
    pl_json_int_field(&buf, "parts", result->parts);
    pl_json_int_field(&buf, "slots", result->slots);
    pl_json_int_field(&buf, "samples", result->samples);
    pl_json_int_field(&buf, "hours", result->hours);
    pl_json_int_field(&buf, "days", result->days);
    if (!retention->dry_run) {
        pl_json_int_field(&buf, "chunks", result->chunks);
        pl_json_int_field(&buf, "sessions", result->sessions);
        pl_json_int_field(&buf, "threads", result->threads);
        pl_json_int_field(&buf, "epochs", result->epochs);
        pl_json_int_field(&buf, "frames", result->frames);
        pl_json_int_field(&buf, "functions", result->functions);
        pl_json_int_field(&buf, "modules", result->modules);
        pl_json_int_field(&buf, "tags", result->tags);
    }
    pl_json_int_field(&buf, "stacks", result->stacks);
    pl_json_int_field(&buf, "symbol_files", result->symbol_files);
    pl_json_int_field(&buf, "symbol_bytes", result->symbol_bytes);
    pl_json_int_field(&buf, "bytes", result->bytes);
    pl_json_int_field(&buf, "used_bytes", result->used_bytes);
    pl_json_int_field(&buf, "file_bytes", result->file_bytes);
    pl_json_int_field(&buf, "waiting", result->waiting);
    pl_buf_putc(&buf, '}');
    return pl_cli_print_document(&buf, err);
}

static void print_text(const struct pl_retention *retention,
                       const struct pl_retention_result *result)
{
    char bytes[PL_TERM_SHORT], samples[PL_TERM_SHORT], used[PL_TERM_SHORT];
    pl_term_count(bytes, result->bytes);
    pl_term_count(samples, result->samples);
    pl_term_count(used, result->used_bytes);
    printf("%s%s bytes: %s samples in %" PRId64 " part%s",
           retention->dry_run ? "would free about " : "freed ", bytes, samples,
           result->parts, pl_term_plural(result->parts));
    if (!retention->dry_run)
        printf(", %" PRId64 " chunk%s, %" PRId64 " session%s", result->chunks,
               pl_term_plural(result->chunks), result->sessions,
               pl_term_plural(result->sessions));
    if (result->hours || result->days)
        printf(", sums of %" PRId64 " hour%s and %" PRId64 " day%s", result->hours,
               pl_term_plural(result->hours), result->days,
               pl_term_plural(result->days));
    if (result->stacks)
        printf(", %" PRId64 " stack%s", result->stacks, pl_term_plural(result->stacks));
    if (result->frames || result->functions || result->modules || result->tags)
        printf(", %" PRId64 " frame%s, %" PRId64 " function%s, %" PRId64
               " module%s, %" PRId64 " tag%s",
               result->frames, pl_term_plural(result->frames), result->functions,
               pl_term_plural(result->functions), result->modules,
               pl_term_plural(result->modules), result->tags,
               pl_term_plural(result->tags));
    if (result->symbol_files)
        printf(", %" PRId64 " fetched symbol file%s", result->symbol_files,
               pl_term_plural(result->symbol_files));
    printf("; %s bytes used\n", used);
}

static int report(const struct pl_cli *cli, const struct pl_retention *retention,
                  const struct pl_retention_result *result)
{
    struct pl_error err = {0};
    char most[PL_TERM_SHORT];
    if (!cli->json)
        print_text(retention, result);
    else if (print_json(retention, result, &err))
        return pl_cli_fail(&err);
    if (result->waiting)
        pl_cli_say(
            "gc: %" PRId64 " part%s stay until processed; run proflite%s process",
            result->waiting, pl_term_plural(result->waiting), pl_cli_db_flag(cli));
    if (result->fits)
        return PL_EXIT_OK;
    pl_term_count(most, retention->max_bytes);
    pl_cli_say("gc: what is left takes more than %s bytes: stacks in use and what is "
               "still being written stay",
               most);
    if (result->symbol_bytes) {
        pl_term_count(most, result->symbol_bytes);
        pl_cli_say("gc: %s bytes are symbol files; proflite%s symbols ls, symbols rm",
                   most, pl_cli_db_flag(cli));
    }
    return pl_status_exit_code(PL_PARTIAL);
}

static int collect(struct pl_cli *cli, const struct pl_retention *retention)
{
    struct pl_retention_result result;
    struct pl_store *store = NULL;
    struct pl_error err = {0};
    enum pl_status status = pl_cli_open(
        cli, retention->dry_run ? PL_STORE_READ : PL_STORE_WRITE, &store, &err);
    if (!status)
        status = pl_store_gc(store, retention, &result, &err);
    if (!status && !retention->dry_run)
        status = pl_store_checkpoint(store, &err);
    int exit_code = status ? pl_cli_fail(&err) : report(cli, retention, &result);
    pl_store_close(store);
    return exit_code;
}

static bool take_option(struct pl_options *parser, int option,
                        struct pl_retention *retention)
{
    if (option == OPT_DRY_RUN) {
        retention->dry_run = true;
        return true;
    }
    int64_t *before[] = {[OPT_KEEP] = &retention->before_ns,
                         [OPT_KEEP_HOURS] = &retention->hours_before_ns,
                         [OPT_KEEP_DAYS] = &retention->days_before_ns};
    if (option == OPT_MAX_SIZE ? parse_size(parser->value, &retention->max_bytes)
                               : parse_keep(parser->value, before[option]))
        return true;
    parser->exit_code =
        option == OPT_MAX_SIZE
            ? pl_cli_usage(&pl_cmd_gc, "--max-size takes bytes like 2G, not '%s'",
                           parser->value)
            : pl_cli_usage(&pl_cmd_gc, "--%s takes a time like 7d, not '%s'",
                           options[option].name, parser->value);
    return false;
}

static int run(struct pl_cli *cli, int argc, char **argv)
{
    struct pl_retention retention = {.before_ns = INT64_MIN,
                                     .hours_before_ns = INT64_MAX,
                                     .days_before_ns = INT64_MAX};
    struct pl_options parser;
    int option;
    bool go = true;
    pl_options_init(&parser, cli, &pl_cmd_gc, argc, argv);
    while (go && (option = pl_options_next(&parser)) >= 0)
        go = take_option(&parser, option, &retention);
    go = go && option == PL_OPTIONS_END && pl_options_no_operands(&parser);
    if (go && retention.before_ns == INT64_MIN && !retention.max_bytes) {
        parser.exit_code =
            pl_cli_usage(&pl_cmd_gc, "nothing to go by; give --keep or --max-size");
        go = false;
    }
    int exit_code = go ? collect(cli, &retention) : parser.exit_code;
    pl_options_deinit(&parser);
    return exit_code;
}

const struct pl_command pl_cmd_gc = {
    .name = "gc",
    .synopsis = "--keep TIME and/or --max-size BYTES [OPTIONS]",
    .summary = "Remove the oldest samples, by age and by size",
    .details =
        "Whole parts go (a minute of a process), with their losses and labels, then\n"
        "sessions and threads left without any. Outcomes stay, and so does what is\n"
        "not processed yet or a live session is writing. Stacks go a generation at a\n"
        "time (a week, or a million of them) when no sample and no sum has one of it,\n"
        "then their frames, functions, modules and tags. Others may write meanwhile.\n"
        "Of symbol files --max-size first removes those a debuginfod server gave;\n"
        "those that were added stay (proflite symbols rm).\n"
        "With --keep-hours or --keep-days what the samples added up to stays longer\n"
        "than they do: graphs and tables of whole hours or days answer from it.\n"
        "With --dry-run stacks are estimated, by age alone.\n"
        "Exit code 5: --max-size is not reached.",
    .examples = "proflite gc --keep 7d --max-size 2G\n"
                "proflite gc --keep 7d --keep-hours 30d --keep-days 365d\n"
                "proflite gc --keep 36h --dry-run --json\n",
    .options = options,
    .json = true,
    .run = run,
};
