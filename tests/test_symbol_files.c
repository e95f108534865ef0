/* Files that bring names: kept in the store in pieces, found by what they are called,
 * handed to the symbol worker as descriptors; and where symbols are looked for. */
#include "process/symbol_places.h"
#include "process/symbolicate.h"
#include "process/worker.h"
#include "store/check.h"
#include "store/symbol_files.h"
#include "store/symbol_sources.h"
#include "tests/store_support.h"
#include "tests/symbols/asking.h"
#include "tests/symbols/fixtures.h"
#include "tests/test.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#define STRIPPED FIXTURE("fixture_stripped.so")
#define FULL     FIXTURE("fixture_c5.so")
#define DEBUG    FIXTURE("fixture_symbols.debug")

__attribute__((constructor)) static void be_worker(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], PL_WORKER_ARGUMENT) == 0)
        _exit(pl_symbols_worker_main(0, 1));
}

static struct pl_store *open_store(void)
{
    static unsigned number;
    char name[32];
    struct pl_store *store = NULL;
    struct pl_error err = {0};
    (void)snprintf(name, sizeof name, "%u.db", number++);
    CHECK_OK(pl_store_open(support_path(name), PL_STORE_CREATE, &store, &err), err);
    return store;
}

/* A descriptor with `len` bytes that compress a little. */
static int make_file(size_t len, unsigned seed)
{
    int fd = memfd_create("test", MFD_CLOEXEC);
    char *bytes = malloc(len + 1);
    for (size_t i = 0; i < len; i++)
        bytes[i] = (char)(rand_r(&seed) & 0x3f);
    CHECK(fd >= 0 && write(fd, bytes, len) == (ssize_t)len);
    free(bytes);
    return fd;
}

static bool is_same(int left, int right)
{
    char a[4096], b[4096];
    for (off_t at = 0;; at += (off_t)sizeof a) {
        ssize_t got = pread(left, a, sizeof a, at),
                other = pread(right, b, sizeof b, at);
        if (got != other || (got > 0 && memcmp(a, b, (size_t)got) != 0))
            return false;
        if (got <= 0)
            return got == 0;
    }
}

static struct pl_symbol_file elf_file(const char *content, const char *build_id)
{
    static char debug_id[PL_DEBUG_ID_TEXT];
    CHECK(pl_debug_id_of_build_id(build_id, debug_id));
    return (struct pl_symbol_file){.kind = "elf",
                                   .debug_id = debug_id,
                                   .build_id = build_id,
                                   .content = content,
                                   .name = "lib.so.debug",
                                   .origin = "",
                                   .has_debug = true};
}

/* ---- servers ---- */

static struct {
    int asked, last_ms, takes_ms;
    enum pl_status answer;
} server;

static enum pl_status ask_server(const char *url, int64_t most_bytes, int timeout_ms,
                                 int fd, struct pl_error *err)
{
    CHECK(strstr(url, "/buildid/") && most_bytes > 0 && timeout_ms > 0 && fd >= 0);
    int ms = server.takes_ms < timeout_ms ? server.takes_ms : timeout_ms;
    server.asked++;
    server.last_ms = timeout_ms;
    (void)nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000L}, NULL);
    return pl_error_set(err, server.answer, "told to");
}

static enum pl_fetched fetch(struct pl_places *places, struct pl_symbolizer *symbolizer,
                             int number)
{
    char build_id[41];
    struct pl_error err = {0};
    enum pl_fetched fetched = PL_FETCHED_FILE;
    (void)snprintf(build_id, sizeof build_id, "%040d", number);
    CHECK_OK(pl_places_fetch(places, symbolizer, 0, build_id, &fetched, &err), err);
    return fetched;
}

/* A server that is slow takes the time of a run, once; then nobody waits for it. What
 * it does not have, and that it is in trouble, is remembered. */
static void test_slow_server(void)
{
    const struct pl_symbol_source source = {"debuginfod", "http://127.0.0.1:1/"};
    const struct pl_places_options options = {
        .fetch = {.get = ask_server, .budget_ms = 200}};
    struct pl_store *store = open_store();
    struct pl_symbolizer *symbolizer = NULL;
    struct pl_places *places = NULL;
    struct pl_error err = {0};
    CHECK_OK(pl_symbol_sources_set(store, 0, &source, 1, &err), err);
    CHECK_OK(pl_symbolizer_open(NULL, &symbolizer, &err), err);
    CHECK_OK(pl_places_open(store, &options, &places, &err), err);
    server.takes_ms = 150;
    server.answer = PL_BUSY;
    CHECK(fetch(places, symbolizer, 1) == PL_FETCHED_LATE && server.last_ms == 200);
    CHECK(fetch(places, symbolizer, 2) == PL_FETCHED_LATE && server.last_ms <= 50);
    CHECK(fetch(places, symbolizer, 3) == PL_FETCHED_LATE && server.asked == 2,
          "the time is used up: %d", server.asked);
    pl_places_close(places);
    CHECK_OK(pl_places_open(store, &options, &places, &err), err);
    CHECK(fetch(places, symbolizer, 1) == PL_FETCHED_NOTHING && server.asked == 2,
          "it was too slow not long ago");
    server.takes_ms = 0;
    server.answer = PL_NOT_FOUND;
    CHECK(fetch(places, symbolizer, 3) == PL_FETCHED_NOTHING && server.asked == 3,
          "nobody has asked for that one");
    CHECK(fetch(places, symbolizer, 3) == PL_FETCHED_NOTHING && server.asked == 3);
    pl_symbolizer_limit(symbolizer, 1);
    CHECK(fetch(places, symbolizer, 4) == PL_FETCHED_LATE && server.asked == 3,
          "the pass has no time left");
    pl_symbolizer_limit(symbolizer, 0);
    CHECK_OK(pl_symbol_sources_set(store, 0, &source, 1, &err), err);
    CHECK(fetch(places, symbolizer, 1) == PL_FETCHED_NOTHING && server.asked == 4,
          "sources set anew are asked anew");
    pl_places_close(places);
    pl_symbolizer_close(symbolizer);
    pl_store_close(store);
}

static void test_round_trip(void)
{
    static const size_t sizes[] = {1, 4096, 1 << 20, (1 << 20) + 1, 9 << 20};
    struct pl_store *store = open_store();
    struct pl_error err = {0};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        char content[40];
        int64_t id = 0, again = 0;
        int back = -1;
        bool known = true;
        (void)snprintf(content, sizeof content, "%032zu", i);
        struct pl_symbol_file file = elf_file(content, "00112233445566778899");
        int fd = make_file(sizes[i], (unsigned)i);
        CHECK_OK(pl_symbol_file_add(store, &file, fd, &id, &known, &err), err);
        CHECK(!known && id > 0);
        CHECK_OK(pl_symbol_file_add(store, &file, fd, &again, &known, &err), err);
        CHECK(known && again == id);
        CHECK_OK(pl_symbol_file_open(store, id, &back, &err), err);
        CHECK(is_same(fd, back), "%zu bytes", sizes[i]);
        CHECK(write(back, "x", 1) < 0, "it is sealed");
        close(back);
        close(fd);
    }
    struct pl_symbol_file_list list;
    CHECK_OK(pl_symbol_files_list(store, &list, &err), err);
    CHECK(list.count == sizeof sizes / sizeof sizes[0], "%zu", list.count);
    for (size_t i = 0; i < list.count; i++)
        CHECK(list.rows[i].bytes == (int64_t)sizes[i] && list.rows[i].stored_bytes > 0);
    int64_t first = list.count ? list.rows[0].id : 0;
    pl_symbol_file_list_deinit(&list);
    CHECK_OK(pl_symbol_file_remove(store, first, &err), err);
    CHECK(pl_symbol_file_remove(store, first, &err) == PL_NOT_FOUND);
    int fd = -1;
    CHECK(pl_symbol_file_open(store, first, &fd, &err) == PL_NOT_FOUND);
    pl_store_close(store);
}

static void add_small(struct pl_store *store, struct pl_symbol_file file)
{
    int64_t id;
    bool known;
    struct pl_error err = {0};
    int fd = make_file(100, 1);
    CHECK_OK(pl_symbol_file_add(store, &file, fd, &id, &known, &err), err);
    close(fd);
}

static void test_find(void)
{
    static const char build_id[] = "0123456789abcdef0123456789abcdef01234567";
    struct pl_store *store = open_store();
    struct pl_error err = {0};
    struct pl_symbol_file file = elf_file("a", build_id);
    file.has_debug = false;
    add_small(store, file);
    file = elf_file("b", build_id);
    add_small(store, file);
    file = elf_file("c", build_id);
    file.project_id = 7;
    file.has_debug = false;
    add_small(store, file);
    file = elf_file("d", build_id);
    file.kind = "sourcemap";
    add_small(store, file);
    const struct {
        int64_t project;
        const char *kind, *debug_id, *build_id, *found;
    } cases[] = {
        {0, "elf", "", build_id, "ba"},
        {7, "elf", "", build_id, "cba"},
        {7, "elf", "67452301-ab89-efcd-0123-456789abcdef", "", "cba"},
        {8, "elf", "67452301-ab89-efcd-0123-456789abcdef", build_id, "ba"},
        {8, "sourcemap", "67452301-ab89-efcd-0123-456789abcdef", "", "d"},
        {8, "elf", "", "", ""},
        {8, "proguard", "", build_id, ""},
        {8, "elf", "", "0123456789abcdef0123456789abcdef", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct pl_symbol_file_list list;
        char found[8] = "";
        CHECK_OK(pl_symbol_files_find(store, cases[i].project, cases[i].kind,
                                      cases[i].debug_id, cases[i].build_id, &list,
                                      &err),
                 err);
        for (size_t j = 0; j < list.count && j < 7; j++)
            found[j] = list.rows[j].content[0];
        CHECK(strcmp(found, cases[i].found) == 0, "case %zu: %s", i, found);
        pl_symbol_file_list_deinit(&list);
    }
    pl_store_close(store);
}

static enum pl_status open_path(void *self, int64_t id, int *fd_out,
                                struct pl_error *err)
{
    (void)id;
    *fd_out = open(self, O_RDONLY | O_CLOEXEC);
    return *fd_out >= 0 ? PL_OK : pl_error_set(err, PL_IO, "cannot open");
}

/* What the worker says of a file; why not, in `kind`. */
static void identify(struct pl_symbolizer *symbolizer, const char *path, char kind[64],
                     char debug_id[64])
{
    const struct pl_symbol_place place = {.kind = PL_PLACE_FILE,
                                          .text = "",
                                          .open = open_path,
                                          .self = (char *)(uintptr_t)path};
    const struct pl_lookup_key key = {0};
    const struct pl_symbol_question question = {.kind = PL_LOOKUP_IDENTIFY,
                                                .path = path,
                                                .build_id = "",
                                                .places = &place,
                                                .place_count = 1,
                                                .keys = &key,
                                                .key_count = 1};
    struct pl_resolved resolved;
    struct pl_error err = {0};
    kind[0] = debug_id[0] = '\0';
    CHECK_OK(pl_symbolizer_ask(symbolizer, &question, &resolved, &err), err);
    CHECK(resolved.failure == PL_SYMBOLIZER_OK && resolved.frame_count == 1, "%s",
          resolved.message);
    for (size_t i = 0; resolved.frame_count && i < resolved.frames[0].name_count; i++) {
        const struct pl_resolved_name *fact = &resolved.frames[0].names[i];
        if (strcmp(fact->function, "kind") == 0)
            (void)snprintf(kind, 64, "%s", fact->file);
        if (strcmp(fact->function, "debug_id") == 0)
            (void)snprintf(debug_id, 64, "%s", fact->file);
    }
    if (!kind[0])
        (void)snprintf(kind, 64, "%.63s", resolved.message);
    pl_resolved_deinit(&resolved);
}

static void test_identify(void)
{
#define ID "3d5be0ca-97ee-4dd0-b2f5-0a4b45b1d7c7"
    static const struct {
        const char *text, *kind, *debug_id;
    } cases[] = {
        {"{\"version\":3,\"sources\":[\"a\\\"}\"],\"mappings\":\"AA\",\"debugId\":\"" ID
         "\"}",
         "sourcemap", ID},
        {")]}'\n { \"debug_id\" : \"3D5BE0CA97EE4DD0B2F50A4B45B1D7C7\" , "
         "\"version\" : 3, \"sections\": [{\"debug_id\": 1}] }",
         "sourcemap", ID},
        {"{\"version\":3,\"mappings\":\"\"}", "sourcemap", ""},
        {"{\"version\":2,\"mappings\":\"\"}",
         "no ELF file, source map, minified code or ProGuard mapping", ""},
        {"{\"version\":3,\"mappings\":\"",
         "no ELF file, source map, minified code or ProGuard mapping", ""},
        {"var a=1;\n//# sourceMappingURL=a.map\n//# debugId=" ID "\n", "minified", ID},
        {"var a=1;\n//# sourceMappingURL=a.map",
         "minified code without a debug id (//# debugId=)", ""},
        {"# compiler: R8\n\ncom.example.Shop -> a.b:\n    int x -> a\n", "proguard",
         "2d030593-c170-52d9-95c9-574cc91ebcf8"},
        {"hello\n", "no ELF file, source map, minified code or ProGuard mapping", ""},
        {"\177ELF", "a damaged ELF file", ""},
    };
    struct pl_symbolizer *symbolizer = NULL;
    struct pl_error err = {0};
    char kind[64], debug_id[64];
    CHECK_OK(pl_symbolizer_open(NULL, &symbolizer, &err), err);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char path[] = "/tmp/test_symbol_files.XXXXXX";
        int fd = mkstemp(path);
        CHECK(fd >= 0 && write(fd, cases[i].text, strlen(cases[i].text)) > 0);
        identify(symbolizer, path, kind, debug_id);
        CHECK(strcmp(kind, cases[i].kind) == 0, "case %zu: %s", i, kind);
        CHECK(strcmp(debug_id, cases[i].debug_id) == 0, "case %zu: %s", i, debug_id);
        close(fd);
        unlink(path);
    }
    char build_id[129], expected[PL_DEBUG_ID_TEXT];
    read_build_id(FULL, build_id);
    CHECK(pl_debug_id_of_build_id(build_id, expected));
    identify(symbolizer, DEBUG, kind, debug_id);
    CHECK(strcmp(kind, "elf") == 0 && strcmp(debug_id, expected) == 0, "%s", debug_id);
    pl_symbolizer_close(symbolizer);
}

static size_t names_of(struct pl_symbolizer *symbolizer, struct pl_store *store,
                       const char *path, const char *build_id, const char *debug_id)
{
    struct pl_raw_frame frame = {.frame_id = 1,
                                 .module_id = 1,
                                 .module_path = path,
                                 .build_id = build_id,
                                 .debug_id = debug_id,
                                 .address = symbol_value(FULL, "mark_inner"),
                                 .exact = true};
    struct pl_raw_frame_list list = {.rows = &frame, .count = 1};
    struct pl_symbolicated result = {0};
    struct pl_places *places = NULL;
    struct pl_error err = {0};
    CHECK_OK(pl_places_open(store, NULL, &places, &err), err);
    CHECK_OK(pl_symbolicate(symbolizer, places, 3, &list, false, &result, &err), err);
    size_t count = result.count ? result.frames[0].name_count : 0;
    if (count && strcmp(result.frames[0].status, "symbolicated") != 0)
        count = 0;
    pl_symbolicated_deinit(&result);
    pl_places_close(places);
    return count;
}

/* A stripped module gets its names once the debug file is there, by either id; twice,
 * from a worker that has it open and from one that has not. */
static void test_uploaded_debug_file(void)
{
    struct pl_store *store = open_store();
    struct pl_symbolizer *symbolizer = NULL;
    struct pl_error err = {0};
    char build_id[129], prefix[PL_DEBUG_ID_PREFIX];
    int64_t id;
    bool known;
    read_build_id(FULL, build_id);
    struct pl_symbol_file file = elf_file("x", build_id);
    pl_debug_id_build_prefix(file.debug_id, prefix);
    CHECK(strncmp(prefix, build_id, 32) == 0, "%s", prefix);
    CHECK_OK(pl_symbolizer_open(NULL, &symbolizer, &err), err);
    CHECK(names_of(symbolizer, store, STRIPPED, build_id, "") < 3);
    int fd = open(DEBUG, O_RDONLY | O_CLOEXEC);
    CHECK_OK(pl_symbol_file_add(store, &file, fd, &id, &known, &err), err);
    close(fd);
    CHECK(names_of(symbolizer, store, STRIPPED, build_id, "") == 3);
    CHECK(names_of(symbolizer, store, STRIPPED, build_id, "") == 3);
    CHECK(names_of(symbolizer, store, "/gone/lib.so", prefix, file.debug_id) == 3);
    CHECK(names_of(symbolizer, store, "", prefix, file.debug_id) == 3);
    const struct pl_symbol_source none = {"build-id", "/nonexistent"};
    CHECK_OK(pl_symbol_sources_set(store, 3, &none, 1, &err), err);
    CHECK(names_of(symbolizer, store, STRIPPED, build_id, "") < 3);
    CHECK_OK(pl_symbol_sources_set(store, 3, NULL, 0, &err), err);
    CHECK(names_of(symbolizer, store, STRIPPED, build_id, "") == 3);
    CHECK_OK(pl_symbol_file_remove(store, id, &err), err);
    CHECK(names_of(symbolizer, store, STRIPPED, build_id, "") < 3);
    pl_symbolizer_close(symbolizer);
    pl_store_close(store);
}

/* Debian's own sqlite3 as the one who damages. */
static bool damage(const char *db, const char *sql)
{
    pid_t pid = fork();
    int status = 1;
    if (pid == 0) {
        (void)execlp("sqlite3", "sqlite3", "-batch", db, sql, (char *)NULL);
        _exit(127);
    }
    return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

static void count_finding(void *self, const char *kind, const char *message)
{
    (void)kind;
    printf("%s\n", message);
    ++*(int *)self;
}

/* What is lost of a file is told, and never half of it given. */
static void test_damaged(void)
{
    static const struct {
        const char *sql;
        int findings;
    } cases[] = {
        {"SELECT 1", 0},
        {"DELETE FROM symbol_piece WHERE number = 1", 1},
        {"DELETE FROM symbol_file", 3},
        {"UPDATE symbol_piece SET data = x'00' WHERE number = 2", 0},
        {"UPDATE symbol_file SET bytes = 1", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct pl_store *store = open_store();
        struct pl_symbol_file file = elf_file("x", "00112233445566778899");
        struct pl_check_result result = {0};
        struct pl_error err = {0};
        int64_t id = 0;
        bool known;
        int fd = make_file((2 << 20) + 5, 3), back = -1, findings = 0;
        struct pl_check_visitor visitor = {&findings, count_finding};
        CHECK_OK(pl_symbol_file_add(store, &file, fd, &id, &known, &err), err);
        CHECK(damage(pl_store_path(store), cases[i].sql), "%s", cases[i].sql);
        CHECK_OK(pl_store_check(store, &visitor, &result, &err), err);
        CHECK(findings == cases[i].findings, "case %zu: %d", i, findings);
        enum pl_status status = pl_symbol_file_open(store, id, &back, &err);
        CHECK((status == PL_OK) == (i == 0), "case %zu: %s", i, pl_status_name(status));
        if (back >= 0)
            close(back);
        close(fd);
        pl_store_close(store);
    }
}

static void test_misses(void)
{
    struct pl_store *store = open_store();
    struct pl_error err = {0};
    bool known = true;
    const char *url = "https://debuginfod.example/";
    CHECK_OK(pl_symbol_miss_known(store, url, "abcd", &known, &err), err);
    CHECK(!known);
    CHECK_OK(pl_symbol_miss_add(store, url, "abcd", INT64_MAX, &err), err);
    CHECK_OK(pl_symbol_miss_add(store, url, "ef01", 1, &err), err);
    CHECK_OK(pl_symbol_miss_known(store, url, "abcd", &known, &err), err);
    CHECK(known);
    CHECK_OK(pl_symbol_miss_known(store, url, "ef01", &known, &err), err);
    CHECK(!known, "that was long ago");
    CHECK_OK(pl_symbol_sources_set(store, 0, NULL, 0, &err), err);
    CHECK_OK(pl_symbol_miss_known(store, url, "abcd", &known, &err), err);
    CHECK(!known, "asked anew");
    pl_store_close(store);
}

TEST_MAIN({"slow_server", test_slow_server}, {"round trip", test_round_trip},
          {"find", test_find}, {"identify", test_identify},
          {"uploaded debug file", test_uploaded_debug_file}, {"damaged", test_damaged},
          {"misses", test_misses})
