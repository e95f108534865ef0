/* What a connection keeps of the dictionary does not show: it answers as one that was
 * just opened does, whatever others did to the file in between. */
#include "tests/parts.h"
#include "tests/store_support.h"
#include "tests/test.h"

#include "store/db.h"
#include "store/kept_stacks.h"
#include "store/retention.h"

static struct pl_error err;
static struct test_part part;
static const struct pl_id session_id = {{1}};
static const int64_t base_ns = INT64_C(1700000000) / 86400 * 86400 * PL_NS_PER_S;
static const int64_t part_ns = 60 * PL_NS_PER_S;

static void run_sql(const char *path, const char *sql)
{
    sqlite3 *db = NULL;
    char *message = NULL;
    CHECK(sqlite3_open(path, &db) == SQLITE_OK);
    CHECK(sqlite3_exec(db, sql, NULL, NULL, &message) == SQLITE_OK, "%s", message);
    sqlite3_free(message);
    (void)sqlite3_close(db);
}

/* `vague`: frames of one function do not agree on in_app. */
static void put(const char *path, uint64_t seed, int minute, bool vague)
{
    struct pl_store *store = NULL;
    struct pl_chunk_sink sink;
    const struct pl_sink_session session = parts_session(session_id, base_ns);
    CHECK_OK(pl_store_open(path, PL_STORE_CREATE, &store, &err), err);
    CHECK_OK(pl_store_sink(store, &sink, &err), err);
    CHECK_OK(sink.session_begin(sink.self, &session, &err), err);
    parts_make(&part, seed, session_id, base_ns + minute * part_ns, false);
    for (size_t i = 0; i < PARTS_FRAMES && !vague; i++)
        part.frames[i].in_app = -1;
    CHECK_OK(sink.put(sink.self, &part.part, &err), err);
    pl_store_close(store);
}

/* ---- what is asked ---- */

static const int64_t threads[] = {1, 3};
static const struct pl_selection selections[] = {
    {0},
    {.threads = threads, .thread_count = 1},
    {.from_ns = INT64_C(1700000000) / 86400 * 86400 * PL_NS_PER_S + 7 * PL_NS_PER_S},
    {.function = "named"},
    {.function = "inner"},
    {.function = "libc.so.6+0x1060"},
    {.threads = threads + 1, .thread_count = 1, .function = "outer"},
};
enum { SELECTIONS = sizeof selections / sizeof selections[0] };

static void print_profile(const struct pl_profile *p, struct pl_buf *text)
{
    pl_buf_printf(text, "%lld %lld %zu\n", (long long)p->total_ns,
                  (long long)p->samples, p->node_count);
    for (size_t i = 0; i < p->node_count; i++) {
        const struct pl_node *n = &p->nodes[i];
        pl_buf_printf(text, "%u %u %u %d %lld %lld %lld %lld", n->parent, n->function,
                      n->depth, n->inlined, (long long)n->self_ns,
                      (long long)n->total_ns, (long long)n->self_samples,
                      (long long)n->total_samples);
        for (uint32_t c = 0; p->node_split && c < p->columns; c++)
            pl_buf_printf(text, " %lld/%g",
                          (long long)p->node_split[i * p->columns + c].self.ns,
                          p->node_split[i * p->columns + c].total.squares);
        pl_buf_putc(text, '\n');
    }
    for (size_t i = 0; i < p->function_count; i++) {
        const struct pl_function *f = &p->functions[i];
        pl_buf_printf(text, "%s %s %s %u %d %lld %lld\n", f->name, f->module, f->file,
                      f->line, f->in_app, (long long)f->self_ns,
                      (long long)f->total_ns);
    }
}

/* All answers, as one text; the caller frees it. */
static char *ask(struct pl_store *store)
{
    struct pl_buf text;
    pl_buf_init(&text, 1 << 28);
    for (size_t i = 0; i < SELECTIONS; i++) {
        struct pl_profile profile = {0};
        const struct pl_selection *pair[] = {&selections[i],
                                             &selections[(i + 1) % SELECTIONS]};
        enum pl_metric metric = i % 2 ? PL_METRIC_CPU : PL_METRIC_WALL;
        CHECK_OK(pl_query_profile(store, &selections[i], metric, &profile, &err), err);
        print_profile(&profile, &text);
        pl_profile_deinit(&profile);
        CHECK_OK(pl_query_profiles(store, pair, 2, metric, &profile, &err), err);
        print_profile(&profile, &text);
        pl_profile_deinit(&profile);
    }
    CHECK(!text.failed);
    return pl_buf_take(&text, NULL);
}

static char *ask_anew(const char *path)
{
    struct pl_store *store = NULL;
    struct pl_buf text;
    pl_buf_init(&text, 1 << 28);
    for (size_t i = 0; i < SELECTIONS; i++) /* a first question keeps nothing */
        for (int both = 0; both < 2; both++) {
            struct pl_profile profile = {0};
            const struct pl_selection *pair[] = {&selections[i],
                                                 &selections[(i + 1) % SELECTIONS]};
            enum pl_metric metric = i % 2 ? PL_METRIC_CPU : PL_METRIC_WALL;
            CHECK_OK(pl_store_open(path, PL_STORE_READ, &store, &err), err);
            CHECK_OK(pl_query_profiles(store, pair, (uint32_t)(1 + both), metric,
                                       &profile, &err),
                     err);
            CHECK(!pl_kept_stacks_has(store));
            print_profile(&profile, &text);
            pl_profile_deinit(&profile);
            pl_store_close(store);
        }
    return pl_buf_take(&text, NULL);
}

/* ---- what others do meanwhile ---- */

static void change_nothing(const char *path)
{
    (void)path;
}

static void agree_on_in_app(const char *path)
{
    run_sql(path, "UPDATE frame_raw SET in_app = -1");
}

static void put_more(const char *path)
{
    put(path, 2, 1, false);
}

/* Calls of `inner` by `outer` are inlined in some places and not in others. */
static void name_frames(const char *path)
{
    run_sql(path,
            "INSERT INTO function (name, file) VALUES ('outer', 'o.c'), ('inner', '');"
            "INSERT INTO frame_name (frame_id, depth, function_id, line, status)"
            " SELECT f.id, 0, (SELECT id FROM function WHERE name ="
            "   CASE f.id % 3 WHEN 2 THEN 'inner' ELSE 'outer' END), f.id, 'found'"
            " FROM frame_raw f WHERE f.function_id = 0;"
            "INSERT INTO frame_name (frame_id, depth, function_id, line, status)"
            " SELECT f.id, 1, (SELECT id FROM function WHERE name = 'inner'), f.id,"
            "   'found' FROM frame_raw f WHERE f.function_id = 0 AND f.id % 3 = 1");
}

static void rename_one(const char *path)
{
    run_sql(path, "UPDATE function SET name = 'within' WHERE name = 'inner'");
}

/* Frames that do not show at the root and at the leaf. */
static void trim_some(const char *path)
{
    run_sql(path, "UPDATE frame_name SET trim = 1 + frame_id % 2 WHERE depth = 0"
                  " AND frame_id % 5 = 0");
}

static void delete_the_first(const char *path)
{
    struct pl_store *store = NULL;
    const struct pl_retention first = {.before_ns = base_ns + part_ns,
                                       .hours_before_ns = base_ns + part_ns,
                                       .days_before_ns = base_ns + part_ns};
    struct pl_retention_result gone = {0};
    run_sql(path, "UPDATE chunk SET finished = 1; UPDATE session SET state = 'ended'");
    CHECK_OK(pl_store_open(path, PL_STORE_WRITE, &store, &err), err);
    CHECK_OK(pl_store_gc(store, &first, &gone, &err), err);
    CHECK(gone.samples > 0);
    pl_store_close(store);
}

/* Another file at the name, with the same ids for other stacks. */
static void replace(const char *path)
{
    static const char *const sides[] = {"-wal", "-shm", "-lock"};
    const char *other = support_path("other.db");
    put(other, 77, 0, false);
    for (size_t i = 0; i < 3; i++) {
        char side[300];
        (void)snprintf(side, sizeof side, "%s%s", path, sides[i]);
        (void)unlink(side);
    }
    CHECK(rename(other, path) == 0);
}

static const struct {
    const char *name;
    void (*change)(const char *path);
    bool kept;
} steps[] = {
    {"functions of several in_app", change_nothing, false},
    {"of one each", agree_on_in_app, true},
    {"nothing changed", change_nothing, true},
    {"more stacks", put_more, true},
    {"inlined here and called there", name_frames, true},
    {"another name", rename_one, true},
    {"trimmed", trim_some, true},
    {"old stacks deleted", delete_the_first, true},
    {"another file", replace, true},
};

static void test_others_change_it(void)
{
    const char *path = support_path("kept.db");
    struct pl_store *reader = NULL;
    put(path, 1, 0, true);
    CHECK_OK(pl_store_open(path, PL_STORE_READ, &reader, &err), err);
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        steps[i].change(path);
        char *want = ask_anew(path);
        for (int again = 0; again < 2; again++) {
            char *got = ask(reader);
            CHECK(want && got && !strcmp(want, got), "%s, %d", steps[i].name, again);
            free(got);
        }
        CHECK(pl_kept_stacks_has(reader) == steps[i].kept, "%s", steps[i].name);
        free(want);
    }
    pl_store_close(reader);
}

/* A stack nobody asks about is damaged: questions about others are answered. */
static void test_damage_elsewhere(void)
{
    const char *path = support_path("damaged.db");
    struct pl_store *reader = NULL;
    put(path, 1, 0, false);
    run_sql(path, "INSERT INTO stack (id, parent, keep, frames)"
                  " SELECT max(id) + 1, max(id) + 9, 3, x'1A' FROM stack");
    CHECK_OK(pl_store_open(path, PL_STORE_READ, &reader, &err), err);
    char *want = ask_anew(path), *got = ask(reader);
    CHECK(want && got && !strcmp(want, got));
    CHECK(!pl_kept_stacks_has(reader));
    free(want);
    free(got);
    pl_store_close(reader);
}

/* A connection that may write keeps nothing: its own changes would not show. */
static void test_writers_keep_nothing(void)
{
    const char *path = support_path("writer.db");
    struct pl_store *store = NULL;
    put(path, 1, 0, false);
    CHECK_OK(pl_store_open(path, PL_STORE_WRITE, &store, &err), err);
    free(ask(store));
    CHECK(!pl_kept_stacks_has(store));
    pl_store_close(store);
}

TEST_MAIN({"others_change_it", test_others_change_it},
          {"damage_elsewhere", test_damage_elsewhere},
          {"writers_keep_nothing", test_writers_keep_nothing})
