/* doctor: what works here, what does not, and what to do about it. */
#include "cli/doctor.h"
#include "cli/options.h"
#include "cli/term.h"
#include "web/json.h"

#include <stdarg.h>
#include <string.h>

static const char *const verdicts[] = {"ok", "note", "bad"};

enum { INDENT = 24, WIDTH = 96 };

/* Lines of whole words, all but the first indented. */
static void print_wrapped(const char *text)
{
    struct pl_buf clean;
    pl_buf_init(&clean, 1u << 16);
    pl_term_clean(&clean, text, strlen(text));
    pl_buf_puts(&clean, "");
    size_t column = INDENT;
    for (const char *word = clean.failed ? "" : clean.data; *word;) {
        size_t len = strcspn(word, " ");
        if (column > INDENT && column + 1 + len > WIDTH) {
            printf("\n%*s", INDENT, "");
            column = INDENT;
        }
        printf("%s%.*s", column > INDENT ? " " : "", (int)len, word);
        column += len + (column > INDENT);
        word += len + (word[len] == ' ');
    }
    putchar('\n');
    pl_buf_deinit(&clean);
}

static void print_text(struct pl_doctor *doctor, enum pl_verdict verdict,
                       const char *name, const char *fix, const char *text)
{
    if (doctor->headed != doctor->area)
        printf("%s%s\n", doctor->headed ? "\n" : "", doctor->area);
    doctor->headed = doctor->area;
    printf("  %-5s %-16s", verdicts[verdict], name);
    print_wrapped(text);
    if (fix) {
        printf("%*s", INDENT, "");
        print_wrapped(fix);
    }
}

static void put_json(struct pl_doctor *doctor, enum pl_verdict verdict,
                     const char *name, const char *fix, const char *text)
{
    struct pl_buf *buf = &doctor->checks;
    pl_buf_puts(buf, buf->len ? ",{\"area\":" : "{\"area\":");
    pl_json_string(buf, doctor->area);
    pl_json_string_field(buf, "name", name);
    pl_json_string_field(buf, "verdict", verdicts[verdict]);
    pl_json_string_field(buf, "text", text);
    pl_json_string_field(buf, "fix", fix);
    pl_buf_putc(buf, '}');
}

void pl_doctor_say(struct pl_doctor *doctor, enum pl_verdict verdict, const char *name,
                   const char *fix, const char *format, ...)
{
    char text[8192];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    doctor->notes += verdict == PL_VERDICT_NOTE;
    doctor->bad += verdict == PL_VERDICT_BAD;
    (doctor->cli->json ? put_json : print_text)(doctor, verdict, name, fix, text);
}

static enum pl_status print_json(struct pl_doctor *doctor, struct pl_error *err)
{
    struct pl_buf buf;
    pl_buf_init(&buf, PL_CLI_DOCUMENT_BYTES);
    pl_buf_printf(&buf, "{\"schema\":1,\"ok\":%s", doctor->bad ? "false" : "true");
    pl_json_int_field(&buf, "notes", doctor->notes);
    pl_json_int_field(&buf, "bad", doctor->bad);
    pl_buf_puts(&buf, ",\"checks\":[");
    pl_buf_append(&buf, doctor->checks.data, doctor->checks.len);
    pl_buf_puts(&buf, "]}");
    return pl_cli_print_document(&buf, err);
}

static int examine(struct pl_cli *cli)
{
    struct pl_doctor doctor = {.cli = cli};
    struct pl_error err = {0};
    enum pl_status status = PL_OK;
    pl_buf_init(&doctor.checks, 1u << 20);
    pl_doctor_libraries(&doctor);
    pl_doctor_recording(&doctor);
    pl_doctor_store(&doctor);
    if (cli->json)
        status = print_json(&doctor, &err);
    else
        printf("\n%s: %u thing%s bad, %u worth knowing\n",
               doctor.bad ? "not all works here" : "all works here", doctor.bad,
               pl_term_plural(doctor.bad), doctor.notes);
    pl_buf_deinit(&doctor.checks);
    if (status)
        return pl_cli_fail(&err);
    return pl_status_exit_code(doctor.bad ? PL_PARTIAL : PL_OK);
}

static int run(struct pl_cli *cli, int argc, char **argv)
{
    struct pl_options parser;
    pl_options_init(&parser, cli, &pl_cmd_doctor, argc, argv);
    int option = pl_options_next(&parser);
    bool go = option == PL_OPTIONS_END && pl_options_no_operands(&parser);
    int exit_code = go ? examine(cli) : parser.exit_code;
    pl_options_deinit(&parser);
    return exit_code;
}

static const struct pl_option options[] = {{NULL, 0, NULL, NULL}};

const struct pl_command pl_cmd_doctor = {
    .name = "doctor",
    .synopsis = "[OPTIONS]",
    .summary = "What works here, what does not, and what to do about it",
    .details =
        "Versions of libraries and what is known against them; a shell recorded for\n"
        "a moment; the store's place, file, disk and owner; where names come from.\n"
        "Writes nothing to the store. Exit code 5: something does not work.",
    .examples = "proflite doctor\n"
                "proflite doctor --json --db /var/lib/app/proflite.db\n",
    .options = options,
    .json = true,
    .run = run,
};
