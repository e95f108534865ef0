/* The processing pass over a real store: flags, names, one outcome; run again,
 * killed in the middle, with a worker that crashes or hangs, and redone. */
#include "process/pass.h"
#include "process/worker.h"
#include "process/worker_wire.h"
#include "store/db.h"
#include "store/query.h"
#include "store/symbols.h"
#include "tests/symbols/fixtures.h"
#include "tests/test.h"

#include "base/clock.h"

#include <signal.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

/* Started again as the worker. A file named after the parent tells it to fail. */
__attribute__((constructor)) static void be_worker(int argc, char **argv)
{
    char path[64], mode = 0;
    if (argc != 2 || strcmp(argv[1], PL_WORKER_ARGUMENT) != 0)
        return;
    (void)snprintf(path, sizeof path, "/tmp/test_pass.%d", (int)getppid());
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || read(fd, &mode, 1) != 1)
        _exit(pl_symbols_worker_main(0, 1));
    struct pl_wire_head hello = {PL_WIRE_HELLO, 0}, nonsense = {77, 77};
    if (mode == 's' || write(1, &hello, sizeof hello) != sizeof hello || mode == 'c')
        _exit(3);
    if (mode == 'n' && (read(0, &hello, sizeof hello) != sizeof hello ||
                        write(1, &nonsense, sizeof nonsense) != sizeof nonsense))
        _exit(3);
    for (;;)
        pause();
}

static void set_worker(char mode)
{
    char path[64];
    (void)snprintf(path, sizeof path, "/tmp/test_pass.%d", (int)getpid());
    unlink(path);
    if (!mode)
        return;
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    CHECK(fd >= 0 && write(fd, &mode, 1) == 1);
    close(fd);
}

/* ---- a store with one chunk ---- */

static char folder[64], db[128], module[128], build_id[129];

static void put_module(const char *fixture)
{
    static char bytes[1 << 20];
    FILE *in = fopen(fixture, "re"), *out = fopen(module, "we");
    size_t len = in ? fread(bytes, 1, sizeof bytes, in) : 0;
    CHECK(len && out && fwrite(bytes, 1, len, out) == len);
    if (in)
        fclose(in);
    if (out)
        fclose(out);
}

static struct pl_store *make_store(void)
{
    struct pl_store *store = NULL;
    struct pl_error err = {0};
    (void)snprintf(folder, sizeof folder, "/tmp/test_pass_XXXXXX");
    CHECK(mkdtemp(folder) != NULL);
    (void)snprintf(db, sizeof db, "%s/test.db", folder);
    (void)snprintf(module, sizeof module, "%s/fixture.so", folder);
    put_module(FIXTURE("fixture_c5.so"));
    read_build_id(module, build_id);
    CHECK_OK(pl_store_open(db, PL_STORE_CREATE, &store, &err), err);
    return store;
}

static void remove_store(struct pl_store *store)
{
    static const char *const names[] = {"test.db",        "test.db-wal",  "test.db-shm",
                                        "test.db-lock",   "test.db.lock", "fixture.so",
                                        "test.db-journal"};
    char path[256];
    pl_store_close(store);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    rmdir(folder);
    set_worker(0);
}

static const char *session_include, *session_exclude; /* of the next session */

/* One thread, `chunks` chunks: of each stack equally many samples. */
static void put_stacks(struct pl_store *store, int chunks,
                       const struct pl_sink_frame *frames, uint32_t frame_count,
                       const struct pl_sink_stack *stacks, uint32_t stack_count)
{
    const struct pl_sink_module modules[] = {
        {.path = module, .build_id = build_id},
        {.path = "/nonexistent/lib.so", .build_id = "abcdef0123456789"}};
    struct pl_sink_run runs[4];
    const struct pl_sink_thread thread = {
        .tid = 7, .name = "main", .runs = runs, .run_count = stack_count, .cpu_ns = 5};
    static int64_t ticks[100];
    struct pl_chunk_sink sink;
    struct pl_error err = {0};
    CHECK(stack_count <= 4);
    for (uint32_t i = 0; i < stack_count; i++)
        runs[i] =
            (struct pl_sink_run){.stack = i, .count = 100 / stack_count, .on_cpu = 1};
    struct pl_sink_session session = {.in_app_include = session_include,
                                      .in_app_exclude = session_exclude,
                                      .app = "test",
                                      .platform = "native",
                                      .mode = "wall",
                                      .pid = 7,
                                      .start_ns = 1};
    CHECK_OK(pl_store_sink(store, &sink, &err), err);
    CHECK_OK(pl_id_new(&session.id, &err), err);
    session.recording_id = session.id;
    session.start_ns = INT64_C(1700000000) * PL_NS_PER_S;
    CHECK_OK(sink.session_begin(sink.self, &session, &err), err);
    for (int i = 0; i < chunks; i++) {
        struct pl_sink_part part = {
            .session_id = session.id,
            .start_ns = session.start_ns + i * PL_NS_PER_S,
            .period_ns = 10 * PL_NS_PER_MS,
            .ticks_ns = ticks,
            .tick_count = 100,
            .modules = modules,
            .module_count = 2,
            .frames = frames,
            .frame_count = frame_count,
            .stacks = stacks,
            .stack_count = stack_count,
            .threads = &thread,
            .thread_count = 1,
        };
        part.end_ns = part.start_ns + PL_NS_PER_S;
        for (int t = 0; t < 100; t++)
            ticks[t] = part.start_ns + t * part.period_ns;
        CHECK_OK(pl_id_new(&part.chunk_id, &err), err);
        CHECK_OK(sink.put(sink.self, &part, &err), err);
    }
}

/* One stack: exported (return address) calls what is inlined into outer (leaf),
 * beside a frame of a missing file and one of JIT. */
static void put_chunks(struct pl_store *store, int chunks)
{
    const struct pl_sink_frame frames[] = {
        {.module = PL_NO_INDEX, .function = "[start]", .in_app = -1},
        {.module = 0, .address = symbol_value(module, "mark_after_call"), .in_app = -1},
        {.module = 1, .address = 0x1234, .in_app = -1},
        {.module = PL_NO_INDEX, .address = UINT64_C(0x7f0000001000), .in_app = -1},
        {.module = 0,
         .exact = true,
         .address = symbol_value(module, "mark_inner"),
         .in_app = -1},
    };
    static const uint32_t order[] = {0, 1, 2, 3, 4};
    const struct pl_sink_stack stack = {5, order};
    put_stacks(store, chunks, frames, 5, &stack, 1);
}

/* ---- asking it ---- */

static bool take_columns(void *self, size_t count, const char *const *names)
{
    (void)self;
    (void)names;
    return count > 0;
}

static bool take_row(void *self, size_t count, const struct pl_cell *cells)
{
    char *text = self;
    size_t used = strlen(text);
    for (size_t i = 0; i < count; i++) {
        const char *separator = i ? "|" : used ? "\n" : "";
        int len = cells[i].type == PL_CELL_INT
                      ? snprintf(text + used, 4096 - used, "%s%lld", separator,
                                 (long long)cells[i].integer)
                      : snprintf(text + used, 4096 - used, "%s%s", separator,
                                 cells[i].type == PL_CELL_TEXT ? cells[i].text : "-");
        used += len > 0 ? (size_t)len : 0;
    }
    return used < 4000;
}

/* Rows joined by newlines, cells by bars, NULL as a dash. Static storage. */
static const char *ask(struct pl_store *store, const char *sql)
{
    static char text[4096];
    struct pl_error err = {0};
    const struct pl_sql_consumer consumer = {text, take_columns, take_row};
    text[0] = '\0';
    CHECK_OK(pl_query_sql(store, sql, 0, &consumer, &err), err);
    return text;
}

static void check_answer(struct pl_store *store, const char *sql, const char *expected)
{
    const char *text = ask(store, sql);
    CHECK(strcmp(text, expected) == 0, "%s:\n%s\nnot\n%s", sql, text, expected);
}

static struct pl_pass_counters run_pass(struct pl_store *store,
                                        const struct pl_pass_options *options)
{
    struct pl_pass *pass = NULL;
    struct pl_error err = {0};
    struct pl_pass_counters counters = {0};
    CHECK_OK(pl_pass_open(store, options, &pass, &err), err);
    CHECK_OK(pl_pass_run(pass, &err), err);
    counters = *pl_pass_counters(pass);
    pl_pass_close(pass);
    return counters;
}

static void check_named(struct pl_store *store)
{
    char expected[1024];
    (void)snprintf(expected, sizeof expected,
                   "[start]|-|-|0\nexported|%u|1|0\nlib.so+0x1234|-|-|0\n"
                   "0x7f0000001000|-|-|0\nouter|%u|1|0\nmiddle|%u|1|1\ninner|%u|1|1",
                   line_of("fixture.c", "call"), line_of("fixture.c", "call middle"),
                   line_of("fixture.c", "call inner"), line_of("fixture.c", "inner"));
    check_answer(store,
                 "SELECT function, line, in_app, inlined FROM stack_frame "
                 "WHERE stack_id = (SELECT min(stack_id) FROM sample) ORDER BY depth",
                 expected);
}

static void check_done(struct pl_store *store, int chunks)
{
    char expected[64];
    (void)snprintf(expected, sizeof expected, "%d|%d|0|%d|0", chunks, chunks, chunks);
    check_answer(store,
                 "SELECT count(*), sum(symbolicated), sum(deobfuscated), "
                 "sum(normalized), count(symbolicator_error) FROM chunk",
                 expected);
    (void)snprintf(expected, sizeof expected, "profile_chunk|accepted|-|1|%d", chunks);
    check_answer(store,
                 "SELECT category, outcome, reason, quantity, count(*) FROM outcome "
                 "GROUP BY 1, 2, 3, 4",
                 expected);
    check_answer(store,
                 "SELECT count(*) FROM chunk c WHERE (SELECT count(*) FROM outcome o "
                 "WHERE o.chunk_uuid = c.uuid) <> 1",
                 "0");
}

/* ---- cases ---- */

static void test_names(void)
{
    struct pl_store *store = make_store();
    put_chunks(store, 1);
    struct pl_pass_counters counters = run_pass(store, NULL);
    CHECK(counters.chunks == 1 && counters.outcomes_accepted == 1);
    CHECK(counters.duplicates == 0 && counters.symbolicate_error == 0);
    CHECK(counters.frames_named == 2, "%d", (int)counters.frames_named);
    check_done(store, 1);
    check_named(store);
    check_answer(store,
                 "SELECT status, count(*) FROM frame WHERE status IS NOT NULL "
                 "GROUP BY 1 ORDER BY 1",
                 "missing|1\nsymbolicated|2\nunknown_image|1");
    /* A function's line is its declaration's, whatever the frame's. */
    char expected[64];
    (void)snprintf(expected, sizeof expected, "%u", line_of("fixture.c", "outer"));
    check_answer(store, "SELECT line FROM function WHERE name = 'outer'", expected);
    remove_store(store);
}

static void test_twice(void)
{
    struct pl_store *store = make_store();
    struct pl_error err = {0};
    uint64_t before = 0, after = 0;
    put_chunks(store, 3);
    struct pl_pass_counters counters = run_pass(store, NULL);
    CHECK(counters.chunks == 3 && counters.outcomes_accepted == 3);
    CHECK_OK(pl_store_generation(store, &before, &err), err);
    counters = run_pass(store, NULL);
    CHECK(counters.chunks == 0 && counters.outcomes_accepted == 0);
    CHECK_OK(pl_store_generation(store, &after, &err), err);
    CHECK(before == after, "nothing to see changed");
    check_done(store, 3);
    /* What comes later is processed, with the names already there. */
    put_chunks(store, 1);
    counters = run_pass(store, NULL);
    CHECK(counters.chunks == 1 && counters.frames == 0, "%d", (int)counters.frames);
    check_done(store, 4);
    check_named(store);
    remove_store(store);
}

/* What the session says of its own code wins over what the pass was told. */
static void test_own_code(void)
{
    const struct pl_pass_options options = {
        .normalize = {.in_app_exclude = "nothing", .in_app_include = "outer"}};
    session_exclude = "outer";
    session_include = "no such";
    struct pl_store *store = make_store();
    put_chunks(store, 1);
    session_exclude = session_include = NULL;
    (void)run_pass(store, &options);
    check_answer(
        store, "SELECT in_app FROM stack_frame WHERE function = 'outer' LIMIT 1", "0");
    remove_store(store);
}

static void test_redo(void)
{
    struct pl_store *store = make_store();
    put_chunks(store, 2);
    struct pl_pass_counters counters = run_pass(store, NULL);
    struct pl_pass_options redo = {.redo = true,
                                   .normalize = {.in_app_exclude = "outer"}};
    counters = run_pass(store, &redo);
    CHECK(counters.chunks == 2 && counters.duplicates == 2);
    CHECK(counters.outcomes_accepted == 0);
    check_done(store, 2);
    check_answer(
        store, "SELECT in_app FROM stack_frame WHERE function = 'outer' LIMIT 1", "0");
    redo.normalize.in_app_exclude = NULL;
    counters = run_pass(store, &redo);
    check_named(store);
    /* Names outlive the file they came from. */
    CHECK(unlink(module) == 0);
    (void)counters;
    struct pl_pass_options again = {.redo = true};
    counters = run_pass(store, &again);
    CHECK(counters.chunks == 2 && counters.symbolicate_error == 0);
    (void)snprintf(module, sizeof module, "%s", FIXTURE("fixture_c5.so"));
    check_named(store);
    check_done(store, 2);
    remove_store(store);
}

/* The function that all of a profile is in, by the profile query. */
static void check_profile(struct pl_store *store, const char *name, int8_t in_app)
{
    struct pl_profile profile = {0};
    struct pl_error err = {0};
    const struct pl_selection all = {0};
    CHECK_OK(pl_query_profile(store, &all, PL_METRIC_WALL, &profile, &err), err);
    CHECK(profile.function_count == 1 && profile.node_count == 2, "%u functions",
          (unsigned)profile.function_count);
    CHECK(profile.function_count && strcmp(profile.functions[0].name, name) == 0, "%s",
          profile.function_count ? profile.functions[0].name : "none");
    CHECK(profile.function_count && profile.functions[0].in_app == in_app);
    CHECK(profile.function_count && profile.functions[0].self_ns == profile.total_ns);
    pl_profile_deinit(&profile);
}

/* Every answer agrees on one function with this name. */
static void check_one_function(struct pl_store *store, const char *name,
                               const char *status)
{
    char expected[256];
    (void)snprintf(expected, sizeof expected, "%s|%s|1|3", name, status);
    check_answer(
        store, "SELECT function, status, in_app, count(*) FROM frame GROUP BY 1, 2, 3",
        expected);
    (void)snprintf(expected, sizeof expected, "%s|1|0|0|3", name);
    check_answer(store,
                 "SELECT function, in_app, inlined, depth, count(*) FROM stack_frame "
                 "GROUP BY 1, 2, 3, 4",
                 expected);
    (void)snprintf(expected, sizeof expected, "%s|3", name);
    check_answer(store, "SELECT folded, count(*) FROM stack_folded GROUP BY 1",
                 expected);
    (void)snprintf(expected, sizeof expected, "%s|990000000|990000000|99", name);
    check_answer(store,
                 "SELECT function, self_ns, total_ns, samples FROM function_weight",
                 expected);
    check_profile(store, name, 1);
}

/* Three calls in one function of a stripped file are one function; what is known
 * of it only gets better. */
static void test_stripped(void)
{
    static const char *const marks[] = {"mark_first_call", "mark_second_call",
                                        "mark_third_call"};
    static const uint32_t order[] = {0, 1, 2};
    const struct pl_sink_stack stacks[] = {
        {1, &order[0]}, {1, &order[1]}, {1, &order[2]}};
    struct pl_store *store = make_store();
    struct pl_sink_frame frames[3] = {0};
    struct pl_pass_options redo = {.redo = true};
    char place[64];
    for (size_t i = 0; i < 3; i++)
        frames[i] = (struct pl_sink_frame){
            .module = 0, .address = symbol_value(module, marks[i]), .in_app = -1};
    (void)snprintf(place, sizeof place, "fixture.so+0x%llx",
                   (unsigned long long)symbol_value(module, "repeated"));
    put_module(FIXTURE("fixture_stripped.so"));
    put_stacks(store, 1, frames, 3, stacks, 3);
    struct pl_pass_counters counters = run_pass(store, NULL);
    CHECK(counters.frames == 3 && counters.frames_named == 0);
    check_one_function(store, place, "missing_symbol");
    check_answer(store, "SELECT count(*) FROM stack_frame WHERE line OR file <> ''",
                 "0");

    CHECK(unlink(module) == 0);
    (void)run_pass(store, &redo);
    check_one_function(store, place, "missing_symbol");
    put_module(FIXTURE("fixture_c5.so"));
    counters = run_pass(store, &redo);
    CHECK(counters.frames_named == 3, "%d", (int)counters.frames_named);
    check_one_function(store, "repeated", "symbolicated");
    put_module(FIXTURE("fixture_stripped.so"));
    (void)run_pass(store, &redo);
    check_one_function(store, "repeated", "symbolicated");
    check_done(store, 1);
    remove_store(store);
}

/* A pass killed at any moment leaves what the next one completes. */
static void test_killed(void)
{
    struct pl_store *store = make_store();
    unsigned seed = 7;
    put_chunks(store, 8);
    pl_store_close(store);
    int killed = 0;
    for (int i = 0; i < 40; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            struct pl_pass *pass;
            if (pl_store_open(db, PL_STORE_WRITE, &store, NULL) != PL_OK ||
                pl_pass_open(store, NULL, &pass, NULL) != PL_OK)
                _exit(2);
            _exit(pl_pass_run(pass, NULL) != PL_OK);
        }
        struct timespec nap = {.tv_nsec = rand_r(&seed) % 12000000};
        nanosleep(&nap, NULL);
        kill(pid, SIGKILL);
        int status = 0;
        CHECK(waitpid(pid, &status, 0) == pid);
        killed += WIFSIGNALED(status);
        CHECK(WIFSIGNALED(status) || WEXITSTATUS(status) == 0,
              "the lease of a killed pass is taken over");
        struct pl_error err = {0};
        CHECK_OK(pl_store_open(db, PL_STORE_WRITE, &store, &err), err);
        check_answer(
            store,
            "SELECT count(*) FROM chunk c WHERE (SELECT count(*) FROM outcome o "
            "WHERE o.chunk_uuid = c.uuid) > 1",
            "0");
        pl_store_close(store);
    }
    CHECK(killed > 0);
    struct pl_error err = {0};
    CHECK_OK(pl_store_open(db, PL_STORE_WRITE, &store, &err), err);
    (void)run_pass(store, NULL);
    check_done(store, 8);
    check_named(store);
    check_answer(store, "PRAGMA integrity_check", "ok");
    remove_store(store);
}

/* What is stored of a chunk after each way to fail; a redo makes all good. */
static void test_failing_worker(void)
{
    static const struct {
        const char *name;
        char mode;
        bool timeout;
        const char *state, *message, *module;
    } cases[] = {
        {"no answer", 's', false, "0|1|native_internal_failure|-", "did not start",
         "-"},
        {"it died", 'c', false, "0|1|native_symbolicator_failed|failed", "exit 3",
         "malformed"},
        {"another answer", 'n', false, "0|1|native_internal_failure|invalid_answer",
         "nonsense", "malformed"},
        {"too slow", 'h', true, "0|1|native_symbolicator_timeout|timeout", "too long",
         "timeout"},
        {"the hard limit", 'l', true, "0|1|native_symbolicator_timeout|timeout",
         "time is up", "timeout"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct pl_store *store = make_store();
        bool limit = cases[i].mode == 'l';
        put_chunks(store, 1);
        set_worker(limit ? 'h' : cases[i].mode);
        /* Long enough for a worker to start on a crowded machine, where it does. */
        int enough_ms = cases[i].mode == 's' ? 300 : cases[i].timeout ? 700 : 60000;
        struct pl_pass_options options = {
            .symbols = {.timeout_ms = limit ? 60000 : enough_ms},
            .symbolicate_ms = limit ? enough_ms : 0,
        };
        struct pl_pass_counters counters = run_pass(store, &options);
        CHECK(counters.outcomes_accepted == 1 && counters.outcomes_invalid == 0, "%s",
              cases[i].name);
        CHECK(counters.symbolicate_error == !cases[i].timeout, "%s", cases[i].name);
        CHECK(counters.symbolicate_timeout == cases[i].timeout, "%s", cases[i].name);
        check_answer(store,
                     "SELECT symbolicated, normalized, symbolicator_error, "
                     "symbolicator_status FROM chunk",
                     cases[i].state);
        const char *message = ask(store, "SELECT symbolicator_message FROM chunk");
        CHECK(strstr(message, cases[i].message) ||
                  (limit && strstr(message, "too long")),
              "%s: %s", cases[i].name, message);
        check_answer(store,
                     "SELECT coalesce(status, '-') FROM module "
                     "WHERE path <> '/nonexistent/lib.so'",
                     cases[i].module);
        check_answer(store, "SELECT count(*), sum(outcome = 'accepted') FROM outcome",
                     "1|1");
        check_answer(
            store, "SELECT name, value FROM counter WHERE name LIKE 'symbolicate%'",
            cases[i].timeout ? "symbolicate_timeout|1" : "symbolicate_error|1");
        /* It is not tried over and over, but a redo makes it good. */
        set_worker(0);
        counters = run_pass(store, NULL);
        CHECK(counters.chunks == 0);
        struct pl_pass_options redo = {.redo = true};
        counters = run_pass(store, &redo);
        CHECK(counters.duplicates == 1);
        check_done(store, 1);
        check_named(store);
        remove_store(store);
    }
}

/* Only what a step cannot read rejects: with the step's reason, and one outcome. */
static void test_broken_chunk(void)
{
    struct pl_store *store = make_store();
    sqlite3 *raw = NULL;
    put_chunks(store, 2);
    pl_store_close(store);
    CHECK(sqlite3_open(db, &raw) == SQLITE_OK &&
          sqlite3_exec(raw, "UPDATE slot SET runs = x'BB' WHERE id = 1", NULL, NULL,
                       NULL) == SQLITE_OK);
    (void)sqlite3_close(raw);
    struct pl_error err = {0};
    CHECK_OK(pl_store_open(db, PL_STORE_WRITE, &store, &err), err);
    for (int i = 0; i < 2; i++) {
        struct pl_pass_options options = {.redo = i == 1};
        struct pl_pass_counters counters = run_pass(store, &options);
        CHECK(counters.chunks == 2 && counters.outcomes_invalid == (i == 0));
        check_answer(store,
                     "SELECT c.id, symbolicated, normalized, outcome, reason, quantity "
                     "FROM chunk c JOIN outcome o ON o.chunk_uuid = c.uuid ORDER BY 1",
                     "1|0|0|invalid|profiling_failed_symbolication|1\n"
                     "2|1|1|accepted|-|1");
    }
    check_answer(
        store, "SELECT name, value FROM counter WHERE name LIKE 'outcome%' ORDER BY 1",
        "outcome_duplicates|2\noutcomes{outcome=\"accepted\",reason=\"\"}|1\n"
        "outcomes{outcome=\"invalid\",reason=\"profiling_failed_"
        "symbolication\"}|1");
    remove_store(store);
}

static void test_lease(void)
{
    struct pl_store *store = make_store();
    struct pl_pass *pass = NULL;
    struct pl_error err = {0};
    put_chunks(store, 1);
    CHECK_OK(pl_pass_lease(store, "somebody else", 60000, &err), err);
    CHECK_OK(pl_pass_open(store, NULL, &pass, &err), err);
    CHECK(pl_pass_run(pass, &err) == PL_BUSY);
    check_answer(store, "SELECT count(*) FROM outcome", "0");
    pl_pass_release(store, "somebody else");
    CHECK_OK(pl_pass_run(pass, &err), err);
    check_done(store, 1);
    /* And it gives the lease back. */
    CHECK_OK(pl_pass_lease(store, "somebody else", 1, &err), err);
    /* One taken before the clock was set back ten years, by a process that died. */
    CHECK(sqlite3_exec(store->db,
                       "UPDATE lease SET expires_ns = expires_ns + 315360000000000000",
                       NULL, NULL, NULL) == SQLITE_OK);
    put_chunks(store, 1);
    CHECK_OK(pl_pass_run(pass, &err), err);
    check_done(store, 2);
    pl_pass_close(pass);
    remove_store(store);
}

static void test_stop(void)
{
    struct pl_store *store = make_store();
    static atomic_bool stop = true;
    struct pl_pass_options options = {.stop = &stop};
    put_chunks(store, 3);
    struct pl_pass_counters counters = run_pass(store, &options);
    CHECK(counters.chunks == 1, "one chunk, then the wish to stop counts");
    (void)run_pass(store, NULL);
    check_done(store, 3);
    remove_store(store);
}

TEST_MAIN({"names", test_names}, {"twice", test_twice}, {"own_code", test_own_code},
          {"redo", test_redo}, {"stripped", test_stripped}, {"killed", test_killed},
          {"failing_worker", test_failing_worker}, {"broken_chunk", test_broken_chunk},
          {"lease", test_lease}, {"stop", test_stop})
