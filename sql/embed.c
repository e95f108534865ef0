/* Build tool: sql/ -> one header and one C file.
 *
 *   embed OUT.h OUT.c FILE.sql...
 *
 * In a file of named statements each `-- name: insert_chunk` starts one, and the
 * header lists them as an X-macro that gives enum and text together. A file
 * named views.sql is one script; files in migrations/ are scripts in the order
 * of their numbers (the order of the command line). */
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_STATEMENTS = 1000, MAX_NAME = 64 };

static char names[MAX_STATEMENTS][MAX_NAME];
static size_t name_count, migration_count;

static _Noreturn void die(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("embed: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(1);
}

static FILE *open_file(const char *path, const char *mode)
{
    FILE *file = fopen(path, mode);
    if (!file)
        die("%s: %s", path, strerror(errno));
    return file;
}

/* One line of SQL as one C string literal. */
static void put_line(FILE *out, const char *line)
{
    fputs("\n    \"", out);
    for (; *line && *line != '\n'; line++) {
        if (*line == '"' || *line == '\\')
            fputc('\\', out);
        fputc(*line, out);
    }
    fputs("\\n\"", out);
}

static void remember_name(const char *path, const char *text)
{
    char *name = names[name_count];
    size_t len = 0;
    while (isspace((unsigned char)*text))
        text++;
    while (islower((unsigned char)text[len]) || isdigit((unsigned char)text[len]) ||
           text[len] == '_')
        len++;
    if (!len || len >= MAX_NAME || text[len + strspn(text + len, " \t\r\n")])
        die("%s: bad statement name: %s", path, text);
    memcpy(name, text, len);
    name[len] = '\0';
    for (size_t i = 0; i < name_count; i++)
        if (strcmp(names[i], name) == 0)
            die("%s: statement %s is named twice", path, name);
    if (++name_count == MAX_STATEMENTS)
        die("%s: too many statements", path);
}

static void embed_statements(FILE *out, const char *path)
{
    static const char mark[] = "-- name:";
    FILE *in = open_file(path, "r");
    char line[4096];
    int open = 0;
    while (fgets(line, sizeof line, in)) {
        if (strncmp(line, mark, sizeof mark - 1) == 0) {
            if (open)
                fputs(";\n", out);
            remember_name(path, line + sizeof mark - 1);
            fprintf(out, "static const char text_%s[] =", names[name_count - 1]);
            put_line(out, line);
            open = 1;
        } else if (open) {
            put_line(out, line);
        }
    }
    if (open)
        fputs(";\n", out);
    fclose(in);
}

static void embed_script(FILE *out, const char *path, const char *variable)
{
    FILE *in = open_file(path, "r");
    char line[4096];
    fprintf(out, "%s =", variable);
    put_line(out, "");
    while (fgets(line, sizeof line, in))
        put_line(out, line);
    fputs(";\n", out);
    fclose(in);
}

static void write_header(FILE *out)
{
    fputs("/* Generated from sql/ by sql/embed.c. */\n"
          "#ifndef PL_SQL_STATEMENTS_H\n#define PL_SQL_STATEMENTS_H\n\n"
          "#include <stddef.h>\n\n#define PL_SQL_LIST(X)",
          out);
    for (size_t i = 0; i < name_count; i++)
        fprintf(out, " \\\n    X(%s)", names[i]);
    fputs("\n\nenum pl_sql {\n", out);
    for (size_t i = 0; i < name_count; i++) {
        fputs("    PL_SQL_", out);
        for (const char *c = names[i]; *c; c++)
            fputc(toupper((unsigned char)*c), out);
        fputs(",\n", out);
    }
    fputs("    PL_SQL_COUNT\n};\n\n"
          "extern const char *const pl_sql_text[PL_SQL_COUNT];\n"
          "extern const char *const pl_sql_name[PL_SQL_COUNT];\n"
          "extern const char *const pl_sql_migrations[]; /* oldest first */\n"
          "extern const size_t pl_sql_migration_count;\n"
          "extern const char pl_sql_views[];\n\n#endif\n",
          out);
}

static void write_tables(FILE *out)
{
    fputs("const char *const pl_sql_text[PL_SQL_COUNT] = {\n", out);
    for (size_t i = 0; i < name_count; i++)
        fprintf(out, "    text_%s,\n", names[i]);
    fputs("};\nconst char *const pl_sql_name[PL_SQL_COUNT] = {\n", out);
    for (size_t i = 0; i < name_count; i++)
        fprintf(out, "    \"%s\",\n", names[i]);
    fputs("};\nconst char *const pl_sql_migrations[] = {\n", out);
    for (size_t i = 0; i < migration_count; i++)
        fprintf(out, "    migration_%zu,\n", i);
    fprintf(out, "};\nconst size_t pl_sql_migration_count = %zu;\n", migration_count);
}

int main(int argc, char **argv)
{
    if (argc < 4)
        die("usage: embed OUT.h OUT.c FILE.sql...");
    FILE *header = open_file(argv[1], "w");
    FILE *source = open_file(argv[2], "w");
    fputs(
        "/* Generated from sql/ by sql/embed.c. */\n#include \"sql/statements.h\"\n\n",
        source);
    for (int i = 3; i < argc; i++) {
        const char *base = strrchr(argv[i], '/');
        base = base ? base + 1 : argv[i];
        if (strstr(argv[i], "/migrations/")) {
            char variable[64];
            snprintf(variable, sizeof variable, "static const char migration_%zu[]",
                     migration_count++);
            embed_script(source, argv[i], variable);
        } else if (strcmp(base, "views.sql") == 0) {
            embed_script(source, argv[i], "const char pl_sql_views[]");
        } else {
            embed_statements(source, argv[i]);
        }
    }
    write_tables(source);
    write_header(header);
    if (ferror(header) || fclose(header) || ferror(source) || fclose(source))
        die("cannot write: %s", strerror(errno));
    return 0;
}
