/* Source maps by hand: what is refused, names of functions, roots, sections. Real ones
 * are compared with another reader's by tests/sources/test_maps.js. */
#include "process/source_map.h"

#include "tests/test.h"

static struct pl_source_map *open_map(const char *json)
{
    struct pl_source_map *map = NULL;
    struct pl_error err = {0};
    CHECK_OK(pl_source_map_open(json, strlen(json), &map, &err), err);
    return map;
}

static void refuses(void)
{
    static const char *const cases[] = {
        "",
        "{",
        "[]",
        "3",
        "{}",
        "{\"version\":3,\"sources\":[],\"names\":[]}",
        "{\"version\":2,\"sources\":[],\"mappings\":\"\"}",
        "{\"version\":\"three\",\"sources\":[],\"mappings\":\"\"}",
        "{\"version\":3,\"sources\":[\"a\"],\"mappings\":\"A!AA\"}",
        "{\"version\":3,\"sources\":[\"a\"],\"mappings\":\"AAA\"}",
        "{\"version\":3,\"sources\":[\"a\"],\"mappings\":\"AAAAAA\"}",
        "{\"version\":3,\"sources\":[\"a\"],\"mappings\":\"gggggggggA\"}",
        "{\"version\":3,\"sources\":[\"a\"],\"mappings\":\"g\"}",
        "{\"version\":3,\"sources\":[\"a\"],\"mappings\":\"D\"}",
        "{\"version\":3,\"sources\":[\"a\"],\"mappings\":\"A\"} x",
        "{\"sections\":[],\"mappings\":\"A\"}",
        "{\"mappings\":\"A\",\"sections\":[]}",
        "{\"sources\":[\"a\"],\"sources\":[\"b\"],\"mappings\":\"A\"}",
        "{\"sections\":[{\"offset\":{\"line\":1,\"column\":0},\"map\":{\"mappings\":"
        "\"\"}},"
        "{\"offset\":{\"line\":0,\"column\":9},\"map\":{\"mappings\":\"\"}}]}",
        "{\"sections\":[{\"offset\":{\"line\":4294967295,\"column\":0},"
        "\"map\":{\"mappings\":\"\"}}]}",
        "{\"sections\":[{\"map\":{\"sections\":[]}}]}",
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct pl_source_map *map = NULL;
        struct pl_error err = {0};
        enum pl_status status =
            pl_source_map_open(cases[i], strlen(cases[i]), &map, &err);
        CHECK(status == PL_INPUT && !map && *err.message, "%s", cases[i]);
        pl_source_map_close(map);
    }
}

static void nests(void)
{
    char deep[400] = "{\"mappings\":\"\",\"x\":";
    size_t len = strlen(deep);
    memset(deep + len, '[', 200);
    struct pl_source_map *map = NULL;
    struct pl_error err = {0};
    CHECK(pl_source_map_open(deep, len + 200, &map, &err) == PL_INPUT);
    CHECK(strstr(err.message, "deeply") != NULL, "%s", err.message);
}

static const char *source_at(const struct pl_source_map *map, uint32_t line,
                             uint32_t column)
{
    struct pl_source_position at;
    if (!pl_source_map_find(map, line, column, &at))
        return "none";
    return at.source ? at.source : "unmapped";
}

static void takes(void)
{
    struct pl_source_map *map =
        open_map("\xef\xbb\xbf)]}'\n{\"mappings\":\"AAAA,C,C\\u0041AA\",\"x\":[[{}]],"
                 "\"sources\":[\"a.js\",{\"no\":1},7],\"sourceRoot\":\"src\","
                 "\"debugId\":\"ab\"}");
    CHECK(strcmp(source_at(map, 0, 0), "src/a.js") == 0);
    CHECK(strcmp(source_at(map, 0, 1), "unmapped") == 0);
    CHECK(strcmp(source_at(map, 0, 99), "src/a.js") == 0);
    CHECK(strcmp(source_at(map, 1, 0), "none") == 0, "past the end");
    CHECK(strcmp(source_at(map, UINT32_MAX, UINT32_MAX), "none") == 0);
    CHECK(strcmp(pl_source_map_debug_id(map), "ab") == 0);
    pl_source_map_close(map);
}

static void roots(void)
{
    static const struct {
        const char *root, *source, *wanted;
    } cases[] = {
        {"", "a.js", "a.js"},
        {"/src", "a.js", "/src/a.js"},
        {"/src/", "../a.js", "/src/../a.js"},
        {"/src", "/a.js", "/a.js"},
        {"webpack:///", "./a.js", "webpack:///./a.js"},
        {"/src", "webpack:///a.js", "webpack:///a.js"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char json[400];
        snprintf(json, sizeof json,
                 "{\"sources\":[\"%s\"],\"mappings\":\"AAAA\",\"sourceRoot\":\"%s\"}",
                 cases[i].source, cases[i].root);
        struct pl_source_map *map = open_map(json);
        CHECK(strcmp(source_at(map, 0, 0), cases[i].wanted) == 0, "%s: %s",
              cases[i].root, source_at(map, 0, 0));
        pl_source_map_close(map);
    }
}

/* Two sections, the offset of the second after its map, a third that is empty. */
static void sections(void)
{
    struct pl_source_map *map =
        open_map("{\"version\":3,\"sections\":["
                 "{\"offset\":{\"line\":0,\"column\":0},"
                 "\"map\":{\"sources\":[\"a\"],\"mappings\":\"AAAA;AACA,UAAA;AACA\"}},"
                 "{\"map\":{\"sources\":[\"b\"],\"mappings\":\"AAAA\"},"
                 "\"offset\":{\"line\":1,\"column\":5}},"
                 "{\"offset\":{\"line\":9,\"column\":0}}]}");
    CHECK(strcmp(source_at(map, 0, 3), "a") == 0);
    CHECK(strcmp(source_at(map, 1, 4), "a") == 0);
    CHECK(strcmp(source_at(map, 1, 5), "b") == 0);
    CHECK(strcmp(source_at(map, 1, 99), "b") == 0, "what the second covers is its own");
    CHECK(strcmp(source_at(map, 2, 0), "none") == 0);
    pl_source_map_close(map);
}

/* "function n(e){}", of which n is total and e is item; then "t=e=>1;e", of which only
 * the item was renamed. Of engines' own positions: tests/sources/test_maps.js. */
static void functions(void)
{
    struct pl_source_map *map =
        open_map("{\"sources\":[\"a\"],\"names\":[\"total\",\"item\"],"
                 "\"mappings\":\"AAAA,SAASA,EAAEC,IAAI,EAAEA,IAAIA\"}");
    const struct {
        uint32_t column;
        const char *minified, *wanted;
    } cases[] = {
        {10, "n", "total"},        /* behind its name */
        {10, "Cart.n", "total"},   /* as engines qualify it */
        {10, "get n", "total"},    /* and say what it is */
        {11, "<anonymous>", NULL}, /* begins at a parameter, */
        {11, "anonymous", NULL},   /* as another SDK says */
        {11, "", NULL},            /* and yet another */
        {17, "t", NULL},           /* has kept its name: the parameter is not it */
        {21, "xy", "item"},        /* of which nothing is known */
        {24, "xy", "item"},        /* covered, not begun */
        {21, "discount", NULL},    /* a name that nobody made shorter */
        {0, "(idle)", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *name =
            pl_source_map_function(map, 0, cases[i].column, cases[i].minified);
        CHECK(cases[i].wanted ? name && strcmp(name, cases[i].wanted) == 0 : !name,
              "%u %s: %s", cases[i].column, cases[i].minified, name ? name : "NULL");
    }
    CHECK(pl_source_map_function(map, 9, 0, "t") == NULL);
    pl_source_map_close(map);
}

TEST_MAIN({"refuses", refuses}, {"nests", nests}, {"takes", takes}, {"roots", roots},
          {"sections", sections}, {"functions", functions})
