/* What the processing pass asks of the store: chunks, lease, names, outcomes. */
#include "store/symbols.h"

#include "store/query.h"
#include "tests/test.h"

#include <stdlib.h>
#include <unistd.h>

#define START_NS  INT64_C(1700000000000000000)
#define PERIOD_NS INT64_C(10000000)
#define TICKS     10

static struct pl_error err;
static char path[64];
static struct pl_store *store;
static struct pl_chunk_sink sink;

static const struct pl_id session_id = {{1}};

static void open_store(void)
{
    snprintf(path, sizeof path, "/tmp/proflite-symbols-XXXXXX");
    int fd = mkstemp(path);
    CHECK(fd >= 0);
    close(fd);
    unlink(path);
    CHECK_OK(pl_store_open(path, PL_STORE_CREATE, &store, &err), err);
    CHECK_OK(pl_store_sink(store, &sink, &err), err);
    const struct pl_sink_session session = {.id = session_id,
                                            .app = "app",
                                            .platform = "native",
                                            .mode = "wall",
                                            .start_ns = START_NS};
    CHECK_OK(sink.session_begin(sink.self, &session, &err), err);
}

static void close_store(void)
{
    static const char *const endings[] = {"", "-wal", "-shm", "-lock"};
    pl_store_close(store);
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        char name[96];
        snprintf(name, sizeof name, "%s%s", path, endings[i]);
        unlink(name);
    }
}

/* Native frames at 0x100 * (first + 0..2) of two modules and one with a name:
 *   source_fn; first; first+1 (leaf, exact)   and   source_fn; other module's */
static void put_part(int chunk, int number, uint64_t first)
{
    int64_t ticks[TICKS];
    int64_t start = START_NS + (chunk * 10 + number) * INT64_C(1000000000);
    const struct pl_sink_module modules[] = {
        {.path = "/opt/app/bin/app", .build_id = "aa11"},
        {.path = "/usr/lib/libx.so.1", .build_id = ""}};
    const struct pl_sink_frame frames[] = {
        {.module = PL_NO_INDEX,
         .function = "source_fn",
         .file = "/proj/src/s.c",
         .line = 7,
         .in_app = -1},
        {.module = 0, .address = 0x100 * first, .in_app = -1},
        {.module = 0, .address = 0x100 * (first + 1), .exact = true, .in_app = -1},
        {.module = 1, .address = 0x100 * (first + 2), .in_app = -1},
    };
    const uint32_t one[] = {0, 1, 2}, two[] = {0, 3};
    const struct pl_sink_stack stacks[] = {{3, one}, {2, two}};
    const struct pl_sink_run runs[] = {{0, 6, 1, 0}, {1, 4, 1, 0}};
    const struct pl_sink_thread thread = {
        .tid = 1, .name = "main", .runs = runs, .run_count = 2, .cpu_ns = 500};
    for (int i = 0; i < TICKS; i++)
        ticks[i] = start + i * PERIOD_NS;
    const struct pl_sink_part part = {
        .session_id = session_id,
        .chunk_id = {{2, (unsigned char)chunk}},
        .start_ns = start,
        .end_ns = start + TICKS * PERIOD_NS,
        .period_ns = PERIOD_NS,
        .ticks_ns = ticks,
        .tick_count = TICKS,
        .modules = modules,
        .module_count = 2,
        .frames = frames,
        .frame_count = 4,
        .stacks = stacks,
        .stack_count = 2,
        .threads = &thread,
        .thread_count = 1,
    };
    CHECK_OK(sink.put(sink.self, &part, &err), err);
}

static struct pl_pending_chunk take(int64_t after_id)
{
    struct pl_pending_chunk chunk = {0};
    size_t count = 0;
    CHECK_OK(pl_pass_next(store, after_id, &chunk, 1, &count, &err), err);
    CHECK(count == 1);
    return chunk;
}

static bool nothing_waits(void)
{
    struct pl_pending_chunk chunk;
    size_t count;
    return pl_pass_next(store, 0, &chunk, 1, &count, &err) == PL_NOT_FOUND;
}

static bool finish_as(int64_t chunk_id, const char *category, const char *outcome,
                      const char *reason)
{
    struct pl_pass_end end = {.chunk_id = chunk_id,
                              .category = category,
                              .outcome = outcome,
                              .reason = reason};
    CHECK_OK(pl_pass_finish(store, &end, 1, NULL, 0, &err), err);
    return end.duplicate;
}

static bool finish(int64_t chunk_id)
{
    return finish_as(chunk_id, "profile_chunk", "accepted", NULL);
}

/* ---- SQL helpers ---- */

static bool no_columns(void *self, size_t count, const char *const *names)
{
    (void)self, (void)count, (void)names;
    return true;
}

static bool keep_text(void *self, size_t count, const struct pl_cell *cells)
{
    char *text = self;
    for (size_t i = 0; i < count; i++) {
        char cell[128] = "NULL";
        if (cells[i].type == PL_CELL_INT)
            snprintf(cell, sizeof cell, "%lld", (long long)cells[i].integer);
        else if (cells[i].type == PL_CELL_TEXT)
            snprintf(cell, sizeof cell, "%.100s", cells[i].text);
        size_t used = strlen(text);
        snprintf(text + used, 512 - used, "%s%s", i ? "," : used ? "|" : "", cell);
    }
    return true;
}

static void check_sql(const char *sql, const char *expected)
{
    char text[512] = "";
    const struct pl_sql_consumer consumer = {text, no_columns, keep_text};
    CHECK_OK(pl_query_sql(store, sql, 0, &consumer, &err), err);
    CHECK(strcmp(text, expected) == 0, "%s: %s", sql, text);
}

static void check_nodes(const char *expected)
{
    struct pl_profile profile = {0};
    const struct pl_selection all = {0};
    char text[512] = "";
    CHECK_OK(pl_query_profile(store, &all, PL_METRIC_WALL, &profile, &err), err);
    for (size_t i = 1; i < profile.node_count; i++) {
        const struct pl_node *node = &profile.nodes[i];
        size_t used = strlen(text);
        snprintf(text + used, sizeof text - used, "%s%u%s%s %lld", i > 1 ? ", " : "",
                 node->depth, node->inlined ? "~" : "",
                 profile.functions[node->function].name,
                 (long long)(node->total_ns / PERIOD_NS));
    }
    CHECK(strcmp(text, expected) == 0, "%s", text);
    pl_profile_deinit(&profile);
}

/* ---- cases ---- */

static void test_chunks_in_order(void)
{
    open_store();
    CHECK(nothing_waits());
    put_part(0, 0, 1);
    put_part(1, 0, 1);
    struct pl_pending_chunk first = take(0), second = take(first.id);
    CHECK(first.id < second.id && first.sampled && !first.symbolicated);
    CHECK(strncmp(first.uuid, "0200", 4) == 0 && strncmp(second.uuid, "0201", 4) == 0);
    CHECK(take(0).id == first.id, "taken, but not done");
    CHECK(!finish(first.id));
    CHECK(take(0).id == second.id, "done ones are passed by");
    CHECK(!finish(second.id) && nothing_waits());
    put_part(1, 1, 5);
    CHECK(take(0).id == second.id, "a part was added: again");
    CHECK(finish(second.id), "but no second outcome");
    check_sql("SELECT project_id, category, outcome, reason, quantity FROM outcome",
              "0,profile_chunk,accepted,NULL,1|0,profile_chunk,accepted,NULL,1");
    check_sql("SELECT name, value FROM counter",
              "outcome_duplicates,1|outcomes{outcome=\"accepted\",reason=\"\"},2");
    struct pl_pass_end gone = {
        .chunk_id = 99, .category = "profile_chunk", .outcome = "accepted"};
    CHECK(pl_pass_finish(store, &gone, 1, NULL, 0, &err) == PL_NOT_FOUND);
    bool duplicate = finish_as(first.id, "profile_duration", "invalid", "why");
    CHECK(!duplicate, "another category is another outcome");
    close_store();
}

static void test_lease(void)
{
    open_store();
    CHECK_OK(pl_pass_lease(store, "a", 60000, &err), err);
    CHECK_OK(pl_pass_lease(store, "a", 60000, &err), err);
    CHECK(pl_pass_lease(store, "b", 60000, &err) == PL_BUSY);
    CHECK(strstr(err.message, "processed by a"), "%s", err.message);
    pl_pass_release(store, "b");
    CHECK(pl_pass_lease(store, "b", 60000, &err) == PL_BUSY, "b cannot release a's");
    pl_pass_release(store, "a");
    CHECK_OK(pl_pass_lease(store, "b", 20, &err), err);
    usleep(30000);
    CHECK_OK(pl_pass_lease(store, "a", 60000, &err), err);
    pl_pass_release(store, "a");
    close_store();
}

/* Module 1 is found, module 2 is not, unless the frames say so. */
static enum pl_status put_names(int64_t chunk_id, const struct pl_named_frame *frames,
                                size_t count, bool symbolicated, const char *error,
                                const char *status, const char *message,
                                struct pl_error *error_out)
{
    struct pl_module_state modules[] = {{1, "found"}, {2, "missing"}};
    for (size_t i = 0; i < count; i++)
        if (strcmp(frames[i].status, "missing_symbol") == 0)
            modules[1].status = "found";
    const struct pl_pass_names names = {
        .frames = frames,
        .count = count,
        .modules = modules,
        .module_count = count ? 2 : 0,
        .only_better = count < 3,
        .done = symbolicated,
        .error = error,
        .status = status,
        .message = message,
    };
    return pl_pass_put_names(store, chunk_id, &names, error_out);
}

static void test_names(void)
{
    struct pl_raw_frame_list raw = {0};
    open_store();
    put_part(0, 0, 1);
    struct pl_pending_chunk chunk = take(0);
    check_nodes("1source_fn 10, 2app+0x100 6, 3app+0x200 6, 2libx.so.1+0x300 4");
    CHECK_OK(pl_pass_raw_frames(store, chunk.id, false, &raw, &err), err);
    CHECK(raw.count == 3);
    CHECK(strcmp(raw.rows[0].module_path, "/opt/app/bin/app") == 0);
    CHECK(strcmp(raw.rows[0].build_id, "aa11") == 0 && raw.rows[0].address == 0x100);
    CHECK(!raw.rows[0].exact && raw.rows[1].exact && raw.rows[1].address == 0x200);
    CHECK(raw.rows[2].module_id != raw.rows[0].module_id && !*raw.rows[2].build_id);

    const struct pl_frame_name outer[] = {
        {"run", "/proj/src/a.c", 10, 12, 1, -1, NULL},
        {"helper", "/proj/src/a.h", 3, 4, 0, -1, NULL}};
    const struct pl_frame_name leaf[] = {{"leaf", "", 0, 0, 0, -1, NULL}};
    const struct pl_named_frame named[] = {
        {raw.rows[0].frame_id, "symbolicated", outer, 2},
        {raw.rows[1].frame_id, "symbolicated", leaf, 1},
        {raw.rows[2].frame_id, "missing", NULL, 0},
    };
    pl_raw_frame_list_deinit(&raw);
    CHECK_OK(put_names(chunk.id, named, 3, true, NULL, "completed", NULL, &err), err);
    check_nodes("1source_fn 10, 2run 6, 3~helper 6, 4leaf 6, 2libx.so.1+0x300 4");
    check_sql("SELECT symbolicated, symbolicator_status, symbolicator_error FROM chunk",
              "1,completed,NULL");
    check_sql("SELECT function, inlined FROM stack_frame WHERE stack_id = 1",
              "source_fn,0|run,0|helper,1|leaf,0");
    check_sql("SELECT status FROM module ORDER BY id", "found|missing");

    CHECK_OK(pl_pass_raw_frames(store, chunk.id, false, &raw, &err), err);
    CHECK(raw.count == 0, "all have a status");
    pl_raw_frame_list_deinit(&raw);
    CHECK_OK(pl_pass_raw_frames(store, chunk.id, true, &raw, &err), err);
    CHECK(raw.count == 3, "a redo asks for all");
    pl_raw_frame_list_deinit(&raw);

    const struct pl_frame_name found[] = {{"late", "l.c", 1, 2, 3, -1, NULL}};
    const struct pl_named_frame again[] = {
        {named[0].frame_id, "symbolicated", leaf, 1},
        {named[2].frame_id, "symbolicated", found, 1},
    };
    const struct pl_frame_name place[] = {{"libx.so.1+0x280", "", 0, 0, 0, -1, NULL}};
    const struct pl_named_frame unnamed = {named[2].frame_id, "missing_symbol", place,
                                           1};
    CHECK_OK(put_names(chunk.id, &unnamed, 1, true, NULL, NULL, NULL, &err), err);
    check_nodes("1source_fn 10, 2run 6, 3~helper 6, 4leaf 6, 2libx.so.1+0x280 4");
    CHECK_OK(pl_pass_raw_frames(store, chunk.id, true, &raw, &err), err);
    CHECK(raw.rows[0].named && raw.rows[1].named && !raw.rows[2].named);
    pl_raw_frame_list_deinit(&raw);
    CHECK_OK(put_names(chunk.id, again, 2, false, "timeout", "failed",
                       "it took \xff too long", &err),
             err);
    check_nodes("1source_fn 10, 2leaf 6, 3leaf 6, 2late 4");
    check_sql("SELECT status FROM module ORDER BY id", "found|found");
    check_sql(
        "SELECT symbolicated, symbolicator_error, symbolicator_message FROM chunk",
        "0,timeout,it took \xef\xbf\xbd too long");
    const struct pl_named_frame unknown = {4711, "symbolicated", leaf, 1};
    CHECK(put_names(chunk.id, &unknown, 1, true, NULL, NULL, NULL, &err) ==
          PL_NOT_FOUND);
    check_sql("SELECT symbolicated FROM chunk", "0");
    close_store();
}

/* A part that arrives while names are looked up must not be marked as done. */
static void test_grown_meanwhile(void)
{
    struct pl_raw_frame_list raw = {0};
    open_store();
    put_part(0, 0, 1);
    struct pl_pending_chunk chunk = take(0);
    CHECK_OK(pl_pass_raw_frames(store, chunk.id, false, &raw, &err), err);
    pl_raw_frame_list_deinit(&raw);
    put_part(0, 1, 5);
    CHECK_OK(put_names(chunk.id, NULL, 0, true, NULL, NULL, NULL, &err), err);
    CHECK_OK(pl_pass_put_normal(store, chunk.id, NULL, 0, false, 90, &err), err);
    CHECK(!finish(chunk.id));
    chunk = take(0);
    CHECK(!chunk.symbolicated && !chunk.normalized);
    CHECK_OK(pl_pass_raw_frames(store, chunk.id, false, &raw, &err), err);
    CHECK(raw.count == 6);
    pl_raw_frame_list_deinit(&raw);
    CHECK(finish(chunk.id) && nothing_waits());
    CHECK_OK(pl_pass_redo_all(store, &err), err);
    chunk = take(0);
    CHECK(!chunk.symbolicated && !chunk.normalized);
    close_store();
}

static struct pl_normal_frame *find(struct pl_normal_frame_list *list,
                                    const char *function)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->rows[i].function, function) == 0)
            return &list->rows[i];
    CHECK(false, "no frame %s", function);
    return &list->rows[0];
}

static void test_normalize(void)
{
    struct pl_raw_frame_list raw = {0};
    struct pl_normal_frame_list list = {0};
    open_store();
    put_part(0, 0, 1);
    struct pl_pending_chunk chunk = take(0);
    CHECK_OK(pl_pass_named_frames(store, chunk.id, &list, &err), err);
    CHECK(list.count == 1, "native frames that nobody looked up are left alone");
    pl_normal_frame_list_deinit(&list);
    CHECK_OK(pl_pass_raw_frames(store, chunk.id, false, &raw, &err), err);
    const struct pl_frame_name outer[] = {
        {"run", "/proj/src/a.c", 10, 12, 1, -1, NULL},
        {"helper", "/usr/include/h.h", 3, 4, 0, -1, NULL}};
    const struct pl_named_frame named[] = {
        {raw.rows[0].frame_id, "symbolicated", outer, 2},
        {raw.rows[1].frame_id, "missing_symbol", NULL, 0},
        {raw.rows[2].frame_id, "missing_symbol", NULL, 0},
    };
    pl_raw_frame_list_deinit(&raw);
    CHECK_OK(put_names(chunk.id, named, 3, true, NULL, NULL, NULL, &err), err);
    CHECK_OK(pl_pass_named_frames(store, chunk.id, &list, &err), err);
    CHECK(list.count == 5);
    struct pl_normal_frame *run = find(&list, "run"), *helper = find(&list, "helper"),
                           *source = find(&list, "source_fn");
    CHECK(run->depth == 0 && helper->depth == 1 && run->in_app == -1);
    CHECK(strcmp(run->module, "/opt/app/bin/app") == 0 && !*source->module);
    CHECK(strcmp(run->file, "/proj/src/a.c") == 0);
    run->file = "src/a.c";
    run->in_app = 1;
    helper->in_app = 0;
    source->file = "src/s.c";
    source->in_app = 1;
    CHECK_OK(
        pl_pass_put_normal(store, chunk.id, list.rows, list.count, false, 90, &err),
        err);
    pl_normal_frame_list_deinit(&list);
    check_sql("SELECT symbolicated, normalized, deobfuscated FROM chunk", "1,1,0");
    check_sql("SELECT function, file, in_app, line FROM stack_frame WHERE stack_id = 1 "
              "AND depth < 3",
              "source_fn,src/s.c,1,7|run,src/a.c,1,12|helper,/usr/include/h.h,0,4");
    CHECK_OK(pl_pass_named_frames(store, chunk.id, &list, &err), err);
    CHECK(list.count == 5 && find(&list, "source_fn")->in_app == 1);
    CHECK_OK(
        pl_pass_put_normal(store, chunk.id, list.rows, list.count, false, 90, &err),
        err);
    pl_normal_frame_list_deinit(&list);
    struct pl_profile profile = {0};
    const struct pl_selection all = {0};
    CHECK_OK(pl_query_profile(store, &all, PL_METRIC_WALL, &profile, &err), err);
    CHECK(strcmp(profile.functions[0].name, "source_fn") == 0);
    CHECK(strcmp(profile.functions[0].file, "src/s.c") == 0);
    CHECK(profile.functions[0].in_app == 1);
    CHECK(profile.functions[1].line == 10, "where it is declared");
    pl_profile_deinit(&profile);
    CHECK(!finish(chunk.id) && nothing_waits());
    close_store();
}

/* How many frames of the chunk are still to be looked at. */
static size_t count_named(int64_t chunk_id)
{
    struct pl_normal_frame_list list = {0};
    CHECK_OK(pl_pass_named_frames(store, chunk_id, &list, &err), err);
    size_t count = list.count;
    pl_normal_frame_list_deinit(&list);
    return count;
}

static size_t count_raw(int64_t chunk_id, bool redo)
{
    struct pl_raw_frame_list raw = {0};
    CHECK_OK(pl_pass_raw_frames(store, chunk_id, redo, &raw, &err), err);
    size_t count = raw.count;
    pl_raw_frame_list_deinit(&raw);
    return count;
}

static void write_elsewhere(void)
{
    struct pl_store *other = NULL;
    CHECK_OK(pl_store_open(path, PL_STORE_WRITE, &other, &err), err);
    CHECK_OK(pl_pass_lease(other, "other", 1, &err), err);
    pl_store_close(other);
}

static void test_settled(void)
{
    open_store();
    put_part(0, 0, 1);
    put_part(1, 0, 1); /* the same stacks */
    struct pl_pending_chunk chunk = take(0), like = take(chunk.id);
    CHECK(count_raw(like.id, false) == 3 && count_named(like.id) == 1);
    CHECK(count_named(chunk.id) == 1);
    CHECK_OK(pl_pass_settle(store, like.id, &err), err);
    CHECK(count_named(chunk.id) == 1, "another chunk was looked at since");
    CHECK_OK(pl_pass_settle(store, chunk.id, &err), err);
    CHECK(count_named(like.id) == 0 && count_raw(like.id, false) == 0);
    CHECK(count_raw(like.id, true) == 3, "a redo sees all");
    put_part(2, 0, 11);
    struct pl_pending_chunk fresh = take(like.id);
    CHECK(count_raw(fresh.id, false) == 3, "others are not settled by it");

    pl_pass_wish(store, 1);
    CHECK(count_named(like.id) == 1, "not by what another session wants");
    CHECK_OK(pl_pass_settle(store, like.id, &err), err);
    pl_pass_wish(store, 1);
    CHECK(count_named(chunk.id) == 0);
    write_elsewhere();
    CHECK(count_named(chunk.id) == 1, "somebody else wrote");

    write_elsewhere();
    CHECK_OK(pl_pass_settle(store, chunk.id, &err), err);
    CHECK(count_named(like.id) == 1, "and since it was looked at");
    CHECK(count_named(chunk.id) == 1);
    CHECK_OK(pl_pass_settle(store, chunk.id, &err), err);
    CHECK(count_named(like.id) == 0);
    CHECK_OK(pl_pass_redo_all(store, &err), err);
    CHECK(count_named(like.id) == 1);
    close_store();
}

TEST_MAIN({"chunks_in_order", test_chunks_in_order}, {"lease", test_lease},
          {"names", test_names}, {"grown_meanwhile", test_grown_meanwhile},
          {"normalize", test_normalize}, {"settled", test_settled})
