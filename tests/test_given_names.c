/* Names of frames that came with names: where sources are, what is kept when a file is
 * missing, broken, too large or its reader too slow. Through the store and the pass:
 * tests/sources/test_names.py. */
#include "process/given_names.h"
#include "process/worker.h"
#include "store/symbol_files.h"
#include "tests/store_support.h"
#include "tests/test.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

__attribute__((constructor)) static void be_worker(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], PL_WORKER_ARGUMENT) == 0)
        _exit(pl_symbols_worker_main(0, 1));
}

#define MAP_ID     "11111111-2222-4333-8444-555555555555"
#define MAPPING_ID "66666666-7777-4888-8999-aaaaaaaaaaaa"

static struct pl_store *store;

static void open_store(void)
{
    static unsigned number;
    char name[32];
    struct pl_error err = {0};
    (void)snprintf(name, sizeof name, "%u.db", number++);
    CHECK_OK(pl_store_open(support_path(name), PL_STORE_CREATE, &store, &err), err);
}

static void add_file(const char *kind, const char *debug_id, const void *bytes,
                     size_t len)
{
    struct pl_error err = {0};
    int64_t id;
    bool known;
    int fd = memfd_create("test", MFD_CLOEXEC);
    CHECK(fd >= 0 && write(fd, bytes, len) == (ssize_t)len);
    const struct pl_symbol_file file = {.kind = kind,
                                        .debug_id = debug_id,
                                        .build_id = "",
                                        .content = "0123456789abcdef0123456789abcdef",
                                        .name = "file",
                                        .origin = ""};
    CHECK_OK(pl_symbol_file_add(store, &file, fd, &id, &known, &err), err);
    close(fd);
}

/* The caller deinits. */
static struct pl_symbolicated name(const struct pl_symbolizer_options *options,
                                   struct pl_given_frame *frames, size_t count,
                                   bool only_better)
{
    struct pl_symbolizer *symbolizer = NULL;
    struct pl_places *places = NULL;
    struct pl_symbolicated result = {0};
    struct pl_error err = {0};
    const struct pl_places_options none = {0};
    const struct pl_given_frame_list list = {.rows = frames, .count = count};
    CHECK_OK(pl_symbolizer_open(options, &symbolizer, &err), err);
    CHECK_OK(pl_places_open(store, &none, &places, &err), err);
    CHECK_OK(pl_given_names(symbolizer, places, 0, &list, only_better, &result, &err),
             err);
    pl_places_close(places);
    pl_symbolizer_close(symbolizer);
    return result;
}

static struct pl_given_frame script(int64_t module, const char *path)
{
    return (struct pl_given_frame){.frame_id = 7,
                                   .module_id = module,
                                   .module_path = path,
                                   .debug_id = MAP_ID,
                                   .function = "n",
                                   .class_name = "",
                                   .file = path,
                                   .platform = "node",
                                   .line = 1,
                                   .column = 11,
                                   .in_app = -1};
}

static struct pl_given_frame method(int64_t module, const char *function)
{
    return (struct pl_given_frame){.frame_id = 8,
                                   .module_id = module,
                                   .module_path = module ? "mapping.txt" : "",
                                   .debug_id = module ? MAPPING_ID : "",
                                   .function = function,
                                   .class_name = "",
                                   .file = "SourceFile",
                                   .platform = "android",
                                   .in_app = 1};
}

/* Maps say where a source is as seen from their bundle. */
static void places(void)
{
    static const struct {
        const char *bundle, *source, *wanted;
    } cases[] = {
        {"/app/dist/out.js", "../src/a.js", "/app/src/a.js"},
        {"/app/dist/out.js", "a.js", "/app/dist/a.js"},
        {"/app/dist/out.js", "../../../../a.js", "/a.js"},
        {"/app/dist/out.js", "/src/a.js", "/src/a.js"},
        {"/out.js", "a.js", "/a.js"},
        {"out.js", "src/a.js", "src/a.js"},
        {"/app/dist/out.js", "webpack://x/./a.js", "webpack://x/./a.js"},
        {"app:///dist/out.js", "../src/a.js", "app:///src/a.js"},
        {"file:///app/out.mjs", "src/a.js", "file:///app/src/a.js"},
        {"https://x.example/s/out.js", "../a.js", "https://x.example/a.js"},
        {"https://x.example/out.js", "../../a.js", "https://x.example/a.js"},
        {"https://x.example", "a.js", "https://x.example/a.js"},
        {"node:internal", "a.js", "a.js"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char json[300];
        open_store();
        (void)snprintf(json, sizeof json,
                       "{\"sources\":[\"%s\"],\"names\":[\"total\"],"
                       "\"mappings\":\"AAAA,SAASA,EAAE\"}",
                       cases[i].source);
        add_file("sourcemap", MAP_ID, json, strlen(json));
        struct pl_given_frame frame = script(1, cases[i].bundle);
        struct pl_symbolicated result = name(NULL, &frame, 1, false);
        CHECK(result.complete && result.count == 1 && result.module_count == 1);
        const struct pl_frame_name *got = result.frames[0].names;
        CHECK(strcmp(result.frames[0].status, "symbolicated") == 0, "%s",
              result.frames[0].status);
        CHECK(got->file && strcmp(got->file, cases[i].wanted) == 0, "%s %s: %s",
              cases[i].bundle, cases[i].source, got->file);
        CHECK(strcmp(got->function, "total") == 0 && !*got->module && got->line == 1);
        pl_symbolicated_deinit(&result);
        pl_store_close(store);
    }
}

/* What happens to two frames of each kind when their files cannot be had. */
static void check_kept(const struct pl_symbolizer_options *options, const char *what,
                       const char *script_status, const char *method_status)
{
    struct pl_given_frame frames[] = {method(0, "a.b.c(I)V"), script(1, "/app/out.js"),
                                      method(2, "a.b.c([JLa/b;)I"), method(2, "a.b.d")};
    struct pl_symbolicated result = name(options, frames, 4, false);
    CHECK(result.count == 4 && result.complete == !*result.message, "%s: %zu", what,
          result.count);
    const char *statuses[] = {"missing", script_status, method_status, method_status};
    const char *names[] = {"a.b.c(int)", NULL, "a.b.c(long[], a.b): int", NULL};
    for (size_t i = 0; i < result.count && i < 4; i++) {
        const struct pl_named_frame *got = &result.frames[i];
        CHECK(strcmp(got->status, statuses[i]) == 0, "%s, %zu: %s", what, i,
              got->status);
        CHECK(got->name_count == 1 && !got->names->function == !names[i] &&
                  (!names[i] || strcmp(got->names->function, names[i]) == 0),
              "%s, %zu: %s", what, i, got->names->function);
    }
    pl_symbolicated_deinit(&result);
    frames[1].named = frames[2].named = frames[3].named = frames[0].named = true;
    result = name(options, frames, 4, true);
    CHECK(result.count == 0, "%s: %zu would lose their names", what, result.count);
    pl_symbolicated_deinit(&result);
}

static void kept(void)
{
    open_store();
    check_kept(NULL, "nothing there", "missing_sourcemap", "missing");
    add_file("sourcemap", MAP_ID, "{\"version\":3}", 13);
    add_file("proguard", MAPPING_ID, "nothing\n", 8);
    check_kept(NULL, "malformed", "malformed_sourcemap", "malformed");
    pl_store_close(store);
}

/* A map of which the reader needs 80 MiB, under a limit of 40 beside the file. */
static void limits(void)
{
    const size_t len = (size_t)8 << 20;
    const char head[] = "{\"sources\":[\"a\"],\"mappings\":\"";
    char *json = malloc(len);
    memcpy(json, head, sizeof head - 1);
    for (size_t i = sizeof head - 1; i < len - 2; i++)
        json[i] = i % 2 ? 'A' : ',';
    memcpy(json + len - 2, "\"}", 2);
    open_store();
    add_file("sourcemap", MAP_ID, json, len);
    struct pl_given_frame frame = script(1, "/app/out.js");
    struct pl_symbolicated result = name(NULL, &frame, 1, false);
    CHECK(strcmp(result.frames[0].status, "invalid_location") == 0, "%s",
          result.frames[0].status);
    pl_symbolicated_deinit(&result);
#ifndef __SANITIZE_ADDRESS__
    const struct pl_symbolizer_options small = {.memory_bytes = (uint64_t)40 << 20};
    result = name(&small, &frame, 1, false);
    CHECK(result.count == 1 &&
              strcmp(result.frames[0].status, "malformed_sourcemap") == 0,
          "%s", result.count ? result.frames[0].status : "left out");
    pl_symbolicated_deinit(&result);
#endif
    const struct pl_symbolizer_options hurried = {.timeout_ms = 1};
    result = name(&hurried, &frame, 1, false);
    CHECK(result.count == 0 && !result.complete, "asked for again");
    pl_symbolicated_deinit(&result);
    pl_store_close(store);
    free(json);
}

TEST_MAIN({"places", places}, {"kept", kept}, {"limits", limits})
