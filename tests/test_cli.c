/* Text for terminals, tables, rows of SQL, the call tree, and what record looks at
 * before it runs a program. Whole commands are tested in tests/cli/. */
#include "cli/flame.h"
#include "cli/options.h"
#include "cli/rows.h"
#include "cli/table.h"
#include "cli/target.h"
#include "cli/term.h"
#include "tests/test.h"

#include <fcntl.h>
#include <limits.h>
#include <locale.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- terminal text ---- */

static void test_clean(void)
{
    static const struct {
        const char *in, *out;
    } cases[] = {
        {"plain", "plain"},
        {"a\tb\nc\rd", "a b c d"},
        {"\033[31mred\033[0m", "?[31mred?[0m"},
        {"bell\a del\x7f", "bell? del?"},
        {"c1 \xc2\x9b"
         "2J",
         "c1 ?2J"},
        {"bidi \xe2\x80\xae"
         "fdp",
         "bidi ?fdp"},
        {"caf\xc3\xa9 \xe6\xbc\xa2 \xf0\x9f\x94\xa5",
         "caf\xc3\xa9 \xe6\xbc\xa2 \xf0\x9f\x94\xa5"},
        {"bad \xff\xc3 end", "bad \xef\xbf\xbd\xef\xbf\xbd end"},
        {"overlong \xc0\xaf", "overlong \xef\xbf\xbd\xef\xbf\xbd"},
        {"surrogate \xed\xa0\x80.", "surrogate \xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd."},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct pl_buf buf;
        pl_buf_init(&buf, 1000);
        pl_term_clean(&buf, cases[i].in, strlen(cases[i].in));
        CHECK(strcmp(buf.data, cases[i].out) == 0, "%zu: '%s'", i, buf.data);
        pl_buf_deinit(&buf);
    }
}

static void test_duration(void)
{
    static const struct {
        int64_t ns;
        const char *text;
    } cases[] = {
        {0, "0 ns"},
        {999, "999 ns"},
        {1000, "1 us"},
        {1500000, "1.5 ms"},
        {450000000, "450 ms"},
        {1234000000, "1.23 s"},
        {59994000000, "59.99 s"},
        {60000000000, "1 min 00 s"},
        {3599000000000, "59 min 59 s"},
        {7500000000000, "2 h 05 min"},
        {-5, "-"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[PL_TERM_SHORT];
        pl_term_duration(text, cases[i].ns);
        CHECK(strcmp(text, cases[i].text) == 0, "%s, not %s", text, cases[i].text);
    }
}

static void test_numbers(void)
{
    char text[PL_TERM_SHORT];
    pl_term_count(text, 1234567);
    CHECK(strcmp(text, "1,234,567") == 0, "%s", text);
    pl_term_count(text, 999);
    CHECK(strcmp(text, "999") == 0, "%s", text);
    pl_term_count(text, INT64_MIN);
    CHECK(strcmp(text, "-9,223,372,036,854,775,808") == 0, "%s", text);
    pl_term_percent(text, 1, 3);
    CHECK(strcmp(text, "33.3 %") == 0, "%s", text);
    pl_term_percent(text, 1, 0);
    CHECK(strcmp(text, "0.0 %") == 0, "%s", text);
    long n = 7;
    CHECK(pl_options_number("101", 1, 1000, &n) && n == 101);
    static const char *const bad[] = {
        "", "0", "1001", "-1", "+5", " 5", "5x", "0x10", "99999999999999999999"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        CHECK(!pl_options_number(bad[i], 1, 1000, &n) && n == 101, "'%s'", bad[i]);
}

static void test_nearest(void)
{
    static const char *const names[] = {"record", "ls",      "top",   "flame",
                                        "query",  "process", "serve", NULL};
    static const struct {
        const char *word, *name;
    } cases[] = {
        {"recrod", "record"}, {"flmae", "flame"}, {"rec", "record"},
        {"sl", "ls"},         {"qeury", "query"}, {"sevre", "serve"},
        {"proc", "process"},  {"callers", NULL},  {"zzzzzz", NULL},
        {"", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *got = pl_options_nearest(cases[i].word, names);
        bool same = got && cases[i].name ? strcmp(got, cases[i].name) == 0
                                         : got == cases[i].name;
        CHECK(same, "%s: %s", cases[i].word, got ? got : "nothing");
    }
}

/* ---- tables and rows ---- */

/* What `print` writes, in a static buffer. */
static const char *printed(void (*print)(FILE *out))
{
    static char text[1 << 20];
    FILE *out = fmemopen(text, sizeof text, "w");
    text[0] = '\0';
    print(out);
    fclose(out);
    return text;
}

static void print_small_table(FILE *out)
{
    static const struct pl_table_column columns[] = {
        {"id", PL_RIGHT, false}, {"name", PL_LEFT, true}, {"last", PL_LEFT, false}};
    struct pl_table *table = pl_table_new(out, columns, 3);
    pl_table_cell(table, "1");
    pl_table_cell(table, "caf\xc3\xa9");
    pl_table_cell(table, "x");
    pl_table_cellf(table, "%d", 100);
    pl_table_cell(table, "b\033c");
    pl_table_cell(table, "");
    pl_table_free(table);
}

static void print_long_table(FILE *out)
{
    static const struct pl_table_column columns[] = {{"n", PL_RIGHT, false}};
    struct pl_table *table = pl_table_new(out, columns, 1);
    for (int i = 0; i < 3 * PL_TABLE_KEEP; i++)
        pl_table_cellf(table, "%d", i);
    pl_table_free(table);
}

static void test_table(void)
{
    const char *text = printed(print_small_table);
    CHECK(strcmp(text, " id  name  last\n"
                       "  1  caf\xc3\xa9  x\n"
                       "100  b?c   \n") == 0,
          "%s", text);
    text = printed(print_long_table);
    size_t lines = 0;
    for (const char *c = text; *c; c++)
        lines += *c == '\n';
    CHECK(lines == 3 * PL_TABLE_KEEP + 1, "%zu lines", lines);
    CHECK(strstr(text, "\n2999\n"));
}

static enum pl_rows_form rows_form;

static void print_rows(FILE *out)
{
    static const char *const names[] = {"i", "r", "t\"", "b", "n"};
    const struct pl_cell cells[] = {
        {.type = PL_CELL_INT, .integer = 9007199254740993},
        {.type = PL_CELL_REAL, .real = 0.1},
        {.type = PL_CELL_TEXT, .text = "a,\"b\"\n\tc\\\0d", .len = 11},
        {.type = PL_CELL_BLOB, .text = "\x00\xff", .len = 2},
        {.type = PL_CELL_NULL},
    };
    struct pl_rows *rows = pl_rows_new(rows_form, out);
    CHECK(pl_rows_columns(rows, 5, names));
    CHECK(pl_rows_row(rows, 5, cells));
    CHECK(pl_rows_row(rows, 5, cells));
    CHECK(pl_rows_free(rows, true, NULL) == PL_OK);
}

static void test_rows(void)
{
#define OBJECT                                                                         \
    "{\"i\":9007199254740993,\"r\":0.1,\"t\\\"\":\"a,\\\"b\\\"\\n\\tc\\\\\\u0000d\","  \
    "\"b\":\"00ff\",\"n\":null}"
    rows_form = PL_ROWS_JSON;
    const char *text = printed(print_rows);
    CHECK(strcmp(text, "[\n" OBJECT ",\n" OBJECT "\n]\n") == 0, "%s", text);
    rows_form = PL_ROWS_NL;
    text = printed(print_rows);
    CHECK(strcmp(text, OBJECT "\n" OBJECT "\n") == 0, "%s", text);
    rows_form = PL_ROWS_TSV;
    text = printed(print_rows);
    CHECK(strncmp(text, "i\tr\tt\"\tb\tn\n9007199254740993\t0.1\ta,\"b\"\\n\\tc\\\\",
                  50) == 0,
          "%s", text);
    rows_form = PL_ROWS_CSV;
    text = printed(print_rows);
    CHECK(strncmp(text, "i,r,\"t\"\"\",b,n\n9007199254740993,0.1,\"a,\"\"b\"\"\n\tc\\",
                  51) == 0,
          "%s", text);
}

static void print_no_rows(FILE *out)
{
    static const char *const names[] = {"x"};
    struct pl_rows *rows = pl_rows_new(rows_form, out);
    CHECK(pl_rows_columns(rows, 1, names));
    CHECK(pl_rows_free(rows, true, NULL) == PL_OK);
}

static void test_no_rows(void)
{
    static const char *const wanted[] = {[PL_ROWS_TABLE] = "x\n",
                                         [PL_ROWS_CSV] = "x\n",
                                         [PL_ROWS_TSV] = "x\n",
                                         [PL_ROWS_JSON] = "[]\n",
                                         [PL_ROWS_NL] = ""};
    for (rows_form = PL_ROWS_TABLE; rows_form <= PL_ROWS_NL; rows_form++) {
        const char *text = printed(print_no_rows);
        CHECK(strcmp(text, wanted[rows_form]) == 0, "%d: '%s'", rows_form, text);
    }
}

/* ---- the call tree ---- */

static struct pl_function functions[] = {
    {.name = "main", .module = "/bin/x", .file = "x.c", .line = 3, .in_app = 1},
    {.name = "hot\033", .module = "/bin/x", .file = "", .in_app = -1},
    {.name = "warm", .module = "/lib/y", .file = "y.c", .line = 9, .in_app = 0},
};
static struct pl_node nodes[] = {
    {.parent = 0,
     .function = PL_NO_INDEX,
     .depth = 0,
     .total_ns = 1000,
     .total_samples = 100},
    {.parent = 0,
     .function = 0,
     .depth = 1,
     .self_ns = 10,
     .total_ns = 1000,
     .self_samples = 1,
     .total_samples = 100},
    {.parent = 1,
     .function = 1,
     .depth = 2,
     .self_ns = 700,
     .total_ns = 700,
     .self_samples = 70,
     .total_samples = 70},
    {.parent = 1,
     .function = 2,
     .depth = 2,
     .self_ns = 200,
     .total_ns = 250,
     .self_samples = 20,
     .total_samples = 25},
    {.parent = 3,
     .function = 1,
     .depth = 3,
     .inlined = true,
     .self_ns = 50,
     .total_ns = 50,
     .self_samples = 5,
     .total_samples = 5},
    {.parent = 1,
     .function = 2,
     .depth = 2,
     .self_ns = 40,
     .total_ns = 40,
     .self_samples = 4,
     .total_samples = 4},
};
static const struct pl_profile profile = {
    .total_ns = 1000,
    .samples = 100,
    .nodes = nodes,
    .node_count = sizeof nodes / sizeof nodes[0],
    .functions = functions,
    .function_count = sizeof functions / sizeof functions[0],
};
static int64_t min_ns;

static void print_tree_text(FILE *out)
{
    const struct pl_prune_limits limits = {.min_ns = min_ns};
    struct pl_pruned pruned;
    struct pl_error err = {0};
    CHECK_OK(pl_prune(&profile, &limits, &pruned, &err), err);
    CHECK_OK(pl_flame_print_text(&profile, &pruned, 1, out, &err), err);
    pl_pruned_deinit(&pruned);
}

static void test_tree_text(void)
{
    min_ns = 0;
    const char *text = printed(print_tree_text);
    CHECK(strstr(text, "main  x.c:3\n"), "%s", text);
    CHECK(strstr(text, "|- hot?\n"), "%s", text);
    CHECK(strstr(text, "|- warm  y.c:9\n"), "%s", text);
    CHECK(strstr(text, "|  hot? (inlined)\n"), "%s", text);
    CHECK(strstr(text, "`- warm  y.c:9\n"), "%s", text);
    min_ns = 300;
    text = printed(print_tree_text);
    CHECK(strstr(text, "|- hot?\n"), "%s", text);
    CHECK(strstr(text, "29.0 %       290 ns         0 ns  `- ... 2 more\n"), "%s",
          text);
    CHECK(strstr(text, "3 of 6 nodes shown; the others weigh 290 ns together\n"), "%s",
          text);
}

static void print_recursion(FILE *out)
{
    struct pl_node deep[100] = {{.function = PL_NO_INDEX, .total_ns = 1000}};
    for (uint32_t i = 1; i < 100; i++)
        deep[i] = (struct pl_node){.parent = i - 1,
                                   .function = i < 99 ? 2 : 1,
                                   .depth = i,
                                   .self_ns = i < 98 ? 0 : 500,
                                   .total_ns = i < 99 ? 1000 : 500};
    struct pl_profile recursion = profile;
    recursion.nodes = deep;
    recursion.node_count = 100;
    const struct pl_prune_limits limits = {0};
    struct pl_pruned pruned;
    struct pl_error err = {0};
    CHECK_OK(pl_prune(&recursion, &limits, &pruned, &err), err);
    CHECK_OK(pl_flame_print_text(&recursion, &pruned, 1, out, &err), err);
    pl_pruned_deinit(&pruned);
}

static void test_recursion(void)
{
    const char *text = printed(print_recursion);
    CHECK(strstr(text, "500 ns  warm (98 times)  y.c:9\n"), "%s", text);
    CHECK(strstr(text, "500 ns  hot?\n"), "%s", text);
}

/* ---- what record looks at ---- */

static char folder[] = "/tmp/proflite-test-XXXXXX";

static const char *make_file(const char *name, const char *text, mode_t mode)
{
    static char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    if (file) {
        fputs(text, file);
        fclose(file);
    }
    CHECK(chmod(path, mode) == 0);
    return path;
}

static void test_find(void)
{
    char path[PATH_MAX];
    struct pl_error err = {0};
    CHECK(mkdtemp(folder) != NULL);
    CHECK(pl_target_find("sh", path, &err) == 0 && strstr(path, "/sh"), "%s", path);
    CHECK(pl_target_find("no-such-program", path, &err) == 127);
    CHECK(pl_target_find("/no/such/program", path, &err) == 127);
    CHECK(pl_target_find("", path, &err) == 127);
    CHECK(pl_target_find(folder, path, &err) == 126);
    CHECK(pl_target_find(make_file("plain", "x", 0644), path, &err) == 126);
    CHECK(pl_target_find(make_file("run", "x", 0755), path, &err) == 0);
}

static void test_check(void)
{
    struct pl_error err = {0};
    CHECK_OK(pl_target_check("/bin/sh", &err), err);
    CHECK_OK(pl_target_check(make_file("script", "#! /bin/sh -e\n", 0755), &err), err);
    CHECK_OK(pl_target_check(make_file("text", "exit 0\n", 0755), &err), err);
    CHECK_OK(pl_target_check(make_file("empty", "", 0755), &err), err);
    CHECK_OK(pl_target_check(make_file("damaged", "\177ELF", 0755), &err), err);
    CHECK_OK(pl_target_check("/no/such/file", &err), err);
    char self[PATH_MAX + 16];
    snprintf(self, sizeof self, "#!%s/loop\n", folder);
    CHECK_OK(pl_target_check(make_file("loop", self, 0755), &err), err);
    snprintf(self, sizeof self, "cp /bin/true %s/setuid && chmod 4755 %s/setuid",
             folder, folder);
    FILE *shell = popen(self, "r");
    CHECK(shell && pclose(shell) == 0);
    snprintf(self, sizeof self, "%s/setuid", folder);
    CHECK(pl_target_check(self, &err) == PL_UNSUPPORTED);
    CHECK(strstr(err.message, "set-user-ID"), "%s", err.message);
    snprintf(self, sizeof self, "rm -rf %s", folder);
    shell = popen(self, "r");
    CHECK(shell && pclose(shell) == 0);
}

TEST_MAIN({"clean", test_clean}, {"duration", test_duration}, {"numbers", test_numbers},
          {"nearest", test_nearest}, {"table", test_table}, {"rows", test_rows},
          {"no_rows", test_no_rows}, {"tree_text", test_tree_text},
          {"recursion", test_recursion}, {"find", test_find}, {"check", test_check})
