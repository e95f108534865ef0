/* formats/: what a call tree is written as, with names that bite. */
#include "formats/firefox.h"
#include "formats/folded.h"
#include "formats/format.h"
#include "formats/html.h"
#include "formats/pprof.h"
#include "formats/pprof.pb-c.h"
#include "formats/svg.h"

#include "test.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zlib.h>

static const char *const names[] = {
    "main",
    "a;b\nc",
    "<script>alert(1)</script>",
    "x]]>&\"'\x01\xff\xef\xbf\xbf",
    "",
    "std::vector<std::pair<int, std::string>, std::allocator<...>>::push_back",
};

/* all 100: main 90 (self 10: a;b 50 (self 5: <script> 45), x 30), unnamed 7;
 * 3 have no frame at all */
static const struct pl_tree_node nodes[] = {
    {0, PL_TREE_NO_NAME, 3, 100},
    {0, 0, 10, 90},
    {1, 1, 5, 50},
    {2, 2, 45, 45},
    {1, 3, 30, 30},
    {0, 4, 7, 7},
};

static const struct pl_tree tree = {
    .title = "demo <&> \"x\"",
    .unit = PL_TREE_SAMPLES,
    .names = names,
    .name_count = sizeof names / sizeof names[0],
    .nodes = nodes,
    .node_count = sizeof nodes / sizeof nodes[0],
};

typedef enum pl_status writer(const struct pl_tree *, FILE *, struct pl_error *);

/* What `write` makes of the tree; caller frees. */
static char *text_of(writer *write, const struct pl_tree *from, enum pl_status wanted)
{
    char *text = NULL;
    size_t len = 0;
    struct pl_error err = {0};
    FILE *out = open_memstream(&text, &len);
    CHECK(write(from, out, &err) == wanted, "%s", err.message);
    fclose(out);
    return text;
}

static void test_folded(void)
{
    char *text = text_of(pl_folded_write, &tree, PL_OK);
    CHECK(strcmp(text, "[no stack] 3\n"
                       "main 10\n"
                       "main;a:b c 5\n"
                       "main;a:b c;<script>alert(1)</script> 45\n"
                       "main;x]]>&\"' \xff\xef\xbf\xbf 30\n"
                       "[unknown] 7\n") == 0,
          "%s", text);
    free(text);
}

/* Sum of folded weights is the root, also for a deep and a wide tree. */
static void test_folded_sum(void)
{
    enum { DEPTH = 5000 };
    struct pl_tree_node *deep = calloc(DEPTH + 1, sizeof *deep);
    for (uint32_t i = 0; i <= DEPTH; i++)
        deep[i] = (struct pl_tree_node){i ? i - 1 : 0, i ? 0 : PL_TREE_NO_NAME, i,
                                        (int64_t)(DEPTH + i) * (DEPTH - i + 1) / 2};
    struct pl_tree from = tree;
    from.nodes = deep;
    from.node_count = DEPTH + 1;
    char *text = text_of(pl_folded_write, &from, PL_OK);
    long long sum = 0;
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
        sum += atoll(strrchr(line, ' ') + 1);
    CHECK(sum == deep[0].total, "%lld of %lld", sum, (long long)deep[0].total);
    free(text);
    text = text_of(pl_svg_write, &from, PL_OK);
    CHECK(strstr(text, "data-d=\"4000\"") != NULL);
    free(text);
    free(deep);
}

static void test_empty(void)
{
    struct pl_tree from = {.title = NULL};
    char *text = text_of(pl_folded_write, &from, PL_OK);
    CHECK(text[0] == '\0');
    free(text);
    text = text_of(pl_svg_write, &from, PL_OK);
    CHECK(strstr(text, "no samples") && strstr(text, "</svg>"));
    free(text);
}

/* Shapes that are no tree are refused by every writer before a byte is out. */
static void test_damaged(void)
{
    static const struct {
        const char *name;
        size_t node;
        struct pl_tree_node with;
    } cases[] = {
        {"root with a name", 0, {0, 0, 3, 100}},
        {"root with a parent", 0, {1, PL_TREE_NO_NAME, 3, 100}},
        {"parent after child", 1, {2, 0, 10, 90}},
        {"own parent", 2, {2, 1, 5, 50}},
        {"subtree torn", 5, {3, 4, 7, 7}},
        {"not contiguous", 4, {3, 3, 30, 30}},
        {"no such name", 3, {2, 99, 45, 45}},
        {"nameless", 3, {2, PL_TREE_NO_NAME, 45, 45}},
        {"negative", 3, {2, 2, -1, 45}},
        {"self over total", 3, {2, 2, 46, 45}},
        {"child over parent", 3, {2, 2, 45, 51}},
        {"children over parent", 5, {0, 4, 8, 8}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct pl_tree_node bad[sizeof nodes / sizeof nodes[0]];
        struct pl_tree from = tree;
        memcpy(bad, nodes, sizeof nodes);
        bad[cases[i].node] = cases[i].with;
        from.nodes = bad;
        if (strcmp(cases[i].name, "subtree torn") == 0)
            bad[4] = (struct pl_tree_node){0, 3, 0, 0}; /* closes node 3 for good */
        for (size_t f = 0; f < pl_format_count; f++) {
            char *text = text_of(pl_formats[f].write, &from, PL_INPUT);
            CHECK(!text[0], "%s: %s", pl_formats[f].name, cases[i].name);
            free(text);
        }
    }
}

static void test_write_error(void)
{
    struct pl_error err = {0};
    for (size_t f = 0; f < pl_format_count; f++) {
        FILE *full = fopen("/dev/full", "w");
        if (!full)
            return;
        CHECK(pl_formats[f].write(&tree, full, &err) == PL_IO);
        CHECK(strstr(err.message, "No space") != NULL, "%s", err.message);
        fclose(full);
    }
}

static size_t count(const char *text, const char *part)
{
    size_t n = 0;
    for (const char *s = text; (s = strstr(s, part)); s += strlen(part))
        n++;
    return n;
}

static void test_svg(void)
{
    char *text = text_of(pl_svg_write, &tree, PL_OK);
    CHECK(count(text, "<g class=\"f\"") == 6);
    CHECK(count(text, "<script") == 1, "only our own script");
    CHECK(count(text, "</script>") == 1);
    CHECK(count(text, "]]>") == 1, "only our own section's end");
    CHECK(strstr(text, "<title>demo &lt;&amp;&gt; &quot;x&quot;</title>") != NULL);
    CHECK(strstr(text, "<title>&lt;script&gt;alert(1)&lt;/script&gt; (45 samples, "
                       "45.00%)</title>") != NULL);
    CHECK(strstr(text, "data-x=\"0\" data-w=\"100\" data-d=\"0\"") != NULL);
    CHECK(strstr(text, "data-x=\"50\" data-w=\"30\" data-d=\"2\"") != NULL);
    CHECK(strstr(text, "data-x=\"90\" data-w=\"7\" data-d=\"1\"") != NULL);
    CHECK(!strstr(text, "http://www.w3.org/1999/xlink") && !strstr(text, "https:"));
    CHECK(!strstr(text, "\x01") && !strstr(text, "\xff"));
    free(text);
}

/* A hundred thousand slivers: counted, not drawn. */
static void test_svg_slivers(void)
{
    enum { COUNT = 100000 };
    struct pl_tree_node *wide = calloc(COUNT + 1, sizeof *wide);
    wide[0] = (struct pl_tree_node){0, PL_TREE_NO_NAME, 0, 2 * COUNT - 1};
    wide[1] = (struct pl_tree_node){0, 0, COUNT, COUNT};
    for (uint32_t i = 2; i <= COUNT; i++)
        wide[i] = (struct pl_tree_node){0, i % 6, 1, 1};
    struct pl_tree from = tree;
    from.nodes = wide;
    from.node_count = COUNT + 1;
    from.unit = PL_TREE_NS;
    from.lost = 12;
    char *text = text_of(pl_svg_write, &from, PL_OK);
    CHECK(count(text, "<g class=\"f\"") == 2);
    CHECK(strstr(text, "200 \xc2\xb5s in all; 99999 boxes narrower than 0.1 px are not "
                       "drawn; samples lost: 12") != NULL);
    free(text);
    free(wide);
}

/* An XML parser's word on it, where there is one. */
static void test_svg_well_formed(void)
{
    char path[] = "/tmp/proflite-svg-XXXXXX";
    struct pl_error err = {0};
    int fd = mkstemp(path);
    FILE *out = fdopen(fd, "w");
    CHECK_OK(pl_svg_write(&tree, out, &err), err);
    fclose(out);
    pid_t child = fork();
    if (child == 0) {
        execlp("xmllint", "xmllint", "--noout", "--nonet", path, (char *)NULL);
        _exit(127);
    }
    int status = 0;
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status));
    if (WEXITSTATUS(status) == 127)
        puts("no xmllint here: well-formedness not checked");
    else
        CHECK(WEXITSTATUS(status) == 0);
    unlink(path);
}

/* ---- HTML ---- */

/* Names that would end a script, a title or a comment, or start an image. */
static void test_html(void)
{
    static const char *const hostile[] = {
        "</script><img src=x onerror=alert(1)>",
        "</title><script>alert(2)</script>",
        "]]><svg onload=alert(3)>",
        "\" onmouseover=\"alert(4)",
        "<!-- <script> &lt;img onerror=alert(5)&gt;",
        "",
    };
    struct pl_tree from = tree;
    from.names = hostile;
    from.title = "</title><img onerror=alert(6)>";
    static const struct {
        writer *write;
        size_t titles; /* of the page, the drawing, and each box */
    } cases[] = {{pl_svg_write, 7}, {pl_html_write, 8}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *text = text_of(cases[i].write, &from, PL_OK);
        CHECK(count(text, "<script") == 1 && count(text, "</script>") == 1);
        CHECK(count(text, "<title>") == cases[i].titles);
        CHECK(count(text, "</title>") == cases[i].titles);
        CHECK(count(text, "<svg") == 1 && count(text, "]]>") == 1);
        CHECK(!strstr(text, "<img") && !strstr(text, "<!--"));
        CHECK(!strstr(text, "\" onmouseover"));
        CHECK(strstr(text, "&amp;lt;img onerror=alert(5)&amp;gt;"));
        free(text);
    }
    char *page = text_of(pl_html_write, &from, PL_OK);
    CHECK(strncmp(page, "<!DOCTYPE html>\n", 16) == 0 && !strstr(page, "<?xml"));
    CHECK(strstr(page, "default-src 'none'") && !strstr(page, "https:"));
    CHECK(strcmp(page + strlen(page) - 16, "</body>\n</html>\n") == 0);
    free(page);
}

/* ---- pprof ---- */

static const struct pl_tree_place places[] = {
    {"/bin/app", "beef", "main.c", 7},
    {"/bin/app", "beef", "a.c", 20},
    {"/lib/x.so", "", "x.c", 3},
    {"/lib/x.so", "", "", 0},
    {"", "", "", 0},
    {"/bin/app", "beef", "v.h", 1},
};
static const int64_t samples[] = {1, 2, 1, 9, 6, 1};
static const bool inlined[] = {false, false, true, true, false, false};

/* The profile in the file; freed by pprof__profile__free_unpacked. */
static Pprof__Profile *pprof_of(const struct pl_tree *from)
{
    char *file = NULL;
    size_t len = 0;
    struct pl_error err = {0};
    FILE *out = open_memstream(&file, &len);
    CHECK_OK(pl_pprof_write(from, out, &err), err);
    fclose(out);
    size_t room = (size_t)64 << 20;
    unsigned char *plain = malloc(room);
    z_stream z = {.next_in = (unsigned char *)file,
                  .avail_in = (unsigned)len,
                  .next_out = plain,
                  .avail_out = (unsigned)room};
    CHECK(inflateInit2(&z, 15 + 16) == Z_OK && inflate(&z, Z_FINISH) == Z_STREAM_END);
    CHECK(z.avail_in == 0, "bytes after the end");
    Pprof__Profile *profile = pprof__profile__unpack(NULL, z.total_out, plain);
    CHECK(profile != NULL, "not a profile");
    inflateEnd(&z);
    free(plain);
    free(file);
    return profile;
}

static const Pprof__Function *function_of(const Pprof__Profile *profile,
                                          uint64_t location, size_t line)
{
    CHECK(location >= 1 && location <= profile->n_location, "no such location");
    const Pprof__Location *at = profile->location[location - 1];
    CHECK(at->id == location && line < at->n_line);
    uint64_t function = at->line[line]->function_id;
    CHECK(function >= 1 && function <= profile->n_function, "no such function");
    return profile->function[function - 1];
}

static const char *name_of(const Pprof__Profile *profile, uint64_t location,
                           size_t line)
{
    return profile->string_table[function_of(profile, location, line)->name];
}

static void test_pprof(void)
{
    struct pl_tree from = tree;
    from.unit = PL_TREE_NS;
    from.metric = "cpu";
    from.places = places;
    from.samples = samples;
    from.inlined = inlined;
    from.from_ns = 1000;
    from.to_ns = 1500;
    from.lost = 4;
    Pprof__Profile *profile = pprof_of(&from);
    char **texts = profile->string_table;
    CHECK(profile->n_string_table > 1 && !texts[0][0], "the first text is empty");
    CHECK(profile->n_sample_type == 2);
    CHECK(strcmp(texts[profile->sample_type[0]->type], "samples") == 0);
    CHECK(strcmp(texts[profile->sample_type[0]->unit], "count") == 0);
    CHECK(strcmp(texts[profile->sample_type[1]->type], "cpu") == 0);
    CHECK(strcmp(texts[profile->sample_type[1]->unit], "nanoseconds") == 0);
    CHECK(profile->time_nanos == 1000 && profile->duration_nanos == 500);
    CHECK(profile->period == 5 &&
          profile->period_type->type == profile->sample_type[1]->type);
    CHECK(profile->n_comment == 2);
    CHECK(strcmp(texts[profile->comment[1]], "samples lost: 4") == 0);
    int64_t sums[2] = {0};
    for (size_t i = 0; i < profile->n_sample; i++)
        for (size_t v = 0; v < 2; v++)
            sums[v] += profile->sample[i]->value[v];
    CHECK(profile->n_sample == 6 && sums[0] == 20 && sums[1] == 100, "%lld %lld",
          (long long)sums[0], (long long)sums[1]);

    CHECK(strcmp(name_of(profile, profile->sample[0]->location_id[0], 0),
                 "[no stack]") == 0);
    /* <script> is inlined into a;b, and that into main: one location, three lines */
    const Pprof__Sample *deep = profile->sample[3];
    const Pprof__Location *at = profile->location[deep->location_id[0] - 1];
    CHECK(deep->n_location_id == 1 && at->n_line == 3 && deep->value[1] == 45);
    CHECK(strcmp(name_of(profile, at->id, 0), names[2]) == 0 && at->line[0]->line == 3);
    CHECK(strcmp(name_of(profile, at->id, 1), names[1]) == 0);
    CHECK(strcmp(name_of(profile, at->id, 2), "main") == 0 && at->line[2]->line == 7);
    /* x was called by main */
    const Pprof__Sample *called = profile->sample[4];
    CHECK(called->n_location_id == 2);
    CHECK(strcmp(name_of(profile, called->location_id[1], 0), "main") == 0);
    CHECK(strcmp(name_of(profile, called->location_id[0], 0),
                 "x]]>&\"'\x01\xef\xbf\xbd\xef\xbf\xbf") == 0,
          "names are UTF-8");
    const Pprof__Function *main_ = function_of(profile, called->location_id[1], 0);
    CHECK(main_->start_line == 7 && strcmp(texts[main_->filename], "main.c") == 0);
    const Pprof__Location *caller = profile->location[called->location_id[1] - 1];
    const Pprof__Mapping *module = profile->mapping[caller->mapping_id - 1];
    CHECK(profile->n_mapping == 2 && module->id == caller->mapping_id);
    CHECK(strcmp(texts[module->filename], "/bin/app") == 0);
    CHECK(strcmp(texts[module->build_id], "beef") == 0);
    CHECK(profile->location[profile->sample[5]->location_id[0] - 1]->mapping_id == 0);
    pprof__profile__free_unpacked(profile, NULL);
}

/* Samples on a CPU that took none of its time are samples all the same. */
static void test_pprof_without_time(void)
{
    static const struct pl_tree_node light[] = {
        {0, PL_TREE_NO_NAME, 0, 87},
        {0, 0, 7, 87},
        {1, 1, 5, 50},
        {2, 2, 45, 45},
        {1, 3, 30, 30},
        {0, 4, 0, 0},
    };
    struct pl_tree from = tree;
    int64_t sum = 0;
    from.unit = PL_TREE_NS;
    from.nodes = light;
    from.samples = samples;
    Pprof__Profile *profile = pprof_of(&from);
    for (size_t i = 0; i < profile->n_sample; i++)
        sum += profile->sample[i]->value[0];
    CHECK(profile->n_sample == 6 && sum == 20, "%zu: %lld", profile->n_sample,
          (long long)sum);
    CHECK(profile->sample[5]->value[1] == 0);
    pprof__profile__free_unpacked(profile, NULL);
}

/* Lines of one function are one function; without more than the tree there is still
 * a profile. */
static void test_pprof_little(void)
{
    static const char *const same[] = {"f", "f", "f", "f", "f", "f"};
    static const struct pl_tree_place lines[] = {
        {"/bin/app", "", "f.c", 1}, {"/bin/app", "", "f.c", 2},
        {"/bin/app", "", "f.c", 3}, {"/bin/app", "", "f.c", 4},
        {"/bin/app", "", "f.c", 4}, {"/bin/app", "", "f.c", 5},
    };
    struct pl_tree from = tree;
    from.names = same;
    from.places = lines;
    from.sampled_lines = true;
    Pprof__Profile *profile = pprof_of(&from);
    CHECK(profile->n_function == 2 && profile->n_location == 5, "%zu %zu",
          profile->n_function, profile->n_location);
    CHECK(profile->function[1]->start_line == 0);
    CHECK(profile->n_sample_type == 1 && profile->sample[3]->value[0] == 45);
    pprof__profile__free_unpacked(profile, NULL);
    from = (struct pl_tree){.title = NULL};
    profile = pprof_of(&from);
    CHECK(profile->n_sample == 0 && profile->n_sample_type == 1);
    pprof__profile__free_unpacked(profile, NULL);
}

/* ---- Firefox ---- */

static cJSON *firefox_of(const struct pl_tree *from)
{
    char *text = text_of(pl_firefox_write, from, PL_OK);
    cJSON *json = cJSON_Parse(text);
    CHECK(json != NULL, "%s", text);
    free(text);
    return json;
}

static int at(const cJSON *table, const char *column, int row)
{
    const cJSON *item = cJSON_GetArrayItem(cJSON_GetObjectItem(table, column), row);
    return cJSON_IsNumber(item) ? item->valueint : -1;
}

/* Every column of a table is as long as it says. */
static void check_table(const cJSON *thread, const char *name)
{
    const cJSON *table = cJSON_GetObjectItem(thread, name), *column;
    int length = cJSON_GetObjectItem(table, "length")->valueint;
    cJSON_ArrayForEach(column, table)
    {
        if (cJSON_IsArray(column))
            CHECK(cJSON_GetArraySize(column) == length, "%s.%s", name, column->string);
    }
}

/* Weight of the thread; its stacks lead to the root, each prefix before its stack. */
static double check_thread(const cJSON *thread)
{
    static const char *const tables[] = {"samples",   "stackTable",    "frameTable",
                                         "funcTable", "resourceTable", "markers"};
    double sum = 0;
    const cJSON *weight;
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++)
        check_table(thread, tables[i]);
    const cJSON *samples_ = cJSON_GetObjectItem(thread, "samples");
    const cJSON *stacks = cJSON_GetObjectItem(thread, "stackTable");
    int stack_count = cJSON_GetObjectItem(stacks, "length")->valueint;
    int texts = cJSON_GetArraySize(cJSON_GetObjectItem(thread, "stringArray"));
    const cJSON *functions = cJSON_GetObjectItem(thread, "funcTable");
    int function_count = cJSON_GetObjectItem(functions, "length")->valueint;
    for (int i = 0; i < cJSON_GetObjectItem(samples_, "length")->valueint; i++)
        CHECK(at(samples_, "stack", i) >= 0 && at(samples_, "stack", i) < stack_count);
    for (int i = 0; i < stack_count; i++) {
        CHECK(at(stacks, "prefix", i) < i);
        CHECK(at(stacks, "frame", i) >= 0 && at(stacks, "frame", i) < function_count);
    }
    for (int i = 0; i < function_count; i++)
        CHECK(at(functions, "name", i) > 0 && at(functions, "name", i) < texts);
    cJSON_ArrayForEach(weight, cJSON_GetObjectItem(samples_, "weight")) sum +=
        weight->valuedouble;
    return sum;
}

static const char *text_at(const cJSON *thread, int number)
{
    return cJSON_GetStringValue(
        cJSON_GetArrayItem(cJSON_GetObjectItem(thread, "stringArray"), number));
}

static void test_firefox(void)
{
    struct pl_tree from = tree;
    from.places = places;
    from.lost = 4;
    cJSON *json = firefox_of(&from);
    const cJSON *threads = cJSON_GetObjectItem(json, "threads");
    const cJSON *thread = cJSON_GetArrayItem(threads, 0);
    CHECK(cJSON_GetArraySize(threads) == 1 && check_thread(thread) == 100);
    CHECK(strcmp(cJSON_GetObjectItem(thread, "name")->valuestring, tree.title) == 0);
    const cJSON *stacks = cJSON_GetObjectItem(thread, "stackTable");
    const cJSON *functions = cJSON_GetObjectItem(thread, "funcTable");
    /* node 3: <script> in a;b in main */
    int function = at(stacks, "frame", 2);
    CHECK(at(stacks, "prefix", 2) == 1 && at(stacks, "prefix", 1) == 0);
    CHECK(at(stacks, "prefix", 0) == -1 && at(stacks, "prefix", 3) == 0);
    CHECK(strcmp(text_at(thread, at(functions, "name", function)), names[2]) == 0);
    CHECK(strcmp(text_at(thread, at(functions, "fileName", function)), "x.c") == 0);
    CHECK(at(functions, "lineNumber", function) == 3);
    const cJSON *resources = cJSON_GetObjectItem(thread, "resourceTable");
    CHECK(cJSON_GetObjectItem(resources, "length")->valueint == 2);
    CHECK(strcmp(text_at(thread,
                         at(resources, "name", at(functions, "resource", function))),
                 "/lib/x.so") == 0);
    /* the root's own samples come first, on a stack of their own */
    int stackless =
        at(stacks, "frame", at(cJSON_GetObjectItem(thread, "samples"), "stack", 0));
    CHECK(strcmp(text_at(thread, at(functions, "name", stackless)), "[no stack]") == 0);
    cJSON_Delete(json);
}

/* Nanoseconds are exact milliseconds; a thread of a tree by threads is one here. */
static void test_firefox_threads(void)
{
    static const char *const by[] = {"worker", "io </script>", "f", "g"};
    static const struct pl_tree_node two[] = {
        {0, PL_TREE_NO_NAME, 0, 5000123},
        {0, 0, 7, 4000007},
        {1, 2, 4000000, 4000000},
        {0, 1, 0, 1000116},
        {3, 3, 16, 1000116},
        {4, 2, 1000100, 1000100},
    };
    struct pl_tree from = {.title = "all",
                           .unit = PL_TREE_NS,
                           .names = by,
                           .name_count = 4,
                           .nodes = two,
                           .node_count = 6,
                           .threads = true};
    cJSON *json = firefox_of(&from);
    const cJSON *threads = cJSON_GetObjectItem(json, "threads");
    CHECK(cJSON_GetArraySize(threads) == 2);
    const cJSON *first = cJSON_GetArrayItem(threads, 0);
    const cJSON *second = cJSON_GetArrayItem(threads, 1);
    CHECK(strcmp(cJSON_GetObjectItem(second, "name")->valuestring, by[1]) == 0);
    CHECK(fabs(check_thread(first) - 4.000007) < 1e-9);
    CHECK(fabs(check_thread(second) - 1.000116) < 1e-9);
    CHECK(cJSON_IsTrue(cJSON_GetObjectItem(first, "isMainThread")));
    CHECK(cJSON_IsFalse(cJSON_GetObjectItem(second, "isMainThread")));
    cJSON_Delete(json);
    from.threads = false;
    json = firefox_of(&from);
    threads = cJSON_GetObjectItem(json, "threads");
    CHECK(cJSON_GetArraySize(threads) == 1);
    CHECK(fabs(check_thread(cJSON_GetArrayItem(threads, 0)) - 5.000123) < 1e-9);
    cJSON_Delete(json);
    from = (struct pl_tree){.title = NULL};
    json = firefox_of(&from);
    CHECK(check_thread(cJSON_GetArrayItem(cJSON_GetObjectItem(json, "threads"), 0)) ==
          0);
    cJSON_Delete(json);
}

TEST_MAIN({"folded", test_folded}, {"folded_sum", test_folded_sum},
          {"empty", test_empty}, {"damaged", test_damaged},
          {"write_error", test_write_error}, {"svg", test_svg},
          {"svg_slivers", test_svg_slivers}, {"svg_well_formed", test_svg_well_formed},
          {"html", test_html}, {"pprof", test_pprof}, {"firefox", test_firefox},
          {"firefox_threads", test_firefox_threads},
          {"pprof_little", test_pprof_little},
          {"pprof_without_time", test_pprof_without_time})
