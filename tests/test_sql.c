/* Statements and views: every statement prepares and scans no table unless it
 * says so; every view, read by the plain sqlite3 shell, shows what the codec
 * decodes from the same tables. */
#include "tests/parts.h"
#include "tests/store_support.h"
#include "tests/test.h"

#include "store/codec.h"
#include "store/db.h"

static const int64_t base_ns = INT64_C(1700000000) / 3600 * 3600 * PL_NS_PER_S;
static const char *store_path; /* of the filled store */

static struct test_part part;

/* Names as the pass would put them: frame 2 with two calls inlined into it, frame
 * 3 looked up in vain. */
static const char names_sql[] =
    "INSERT INTO function (id, name, module_id, file, line) VALUES"
    " (101, 'outer', 1, 'a.c', 10), (102, 'middle', 1, 'a.h', 5),"
    " (103, 'inner;x', 1, 'b.h', 7);"
    "INSERT INTO frame_name (frame_id, depth, function_id, line, column, in_app, "
    "status)"
    " VALUES (2, 0, 101, 12, 0, 1, 'symbolicated'), (2, 1, 102, 6, 3, 0, "
    "'symbolicated'),"
    " (2, 2, 103, 8, 0, -1, 'symbolicated'), (3, 0, 0, 0, 0, -1, 'missing_symbol');";

static void fill(void)
{
    if (store_path)
        return;
    static char path[256];
    (void)snprintf(path, sizeof path, "%s", support_path("filled.db"));
    store_path = path;
    struct pl_error err = {0};
    struct pl_store *store = NULL;
    struct pl_chunk_sink sink = {0};
    CHECK_OK(pl_store_open(path, PL_STORE_CREATE, &store, &err), err);
    CHECK_OK(pl_store_sink(store, &sink, &err), err);
    for (int s = 1; s <= 2; s++) {
        struct pl_id id = {{(unsigned char)s}};
        struct pl_sink_session session = parts_session(id, base_ns);
        CHECK_OK(sink.session_begin(sink.self, &session, &err), err);
        for (int i = 0; i < 3; i++) {
            parts_make(&part, (uint64_t)(10 * s + i), id,
                       base_ns + (59 + i) * 60 * PL_NS_PER_S + 777, i == 1);
            CHECK_OK(sink.put(sink.self, &part.part, &err), err);
        }
    }
    CHECK_OK(pl_db_begin_write(store, &err), err);
    CHECK(sqlite3_exec(store->db, names_sql, NULL, NULL, NULL) == SQLITE_OK, "%s",
          sqlite3_errmsg(store->db));
    CHECK_OK(pl_db_commit(store, &err), err);
    pl_store_close(store);
}

static sqlite3 *reader(void)
{
    sqlite3 *db = NULL;
    fill();
    CHECK(sqlite3_open_v2(store_path, &db, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK);
    return db;
}

static sqlite3_stmt *prepare(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *stmt = NULL;
    CHECK(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK, "%s\n%s",
          sqlite3_errmsg(db), sql);
    return stmt;
}

/* ---- statements ---- */

static bool is_table_scan(const char *detail)
{
    return strncmp(detail, "SCAN ", 5) == 0 && !strstr(detail, "VIRTUAL TABLE") &&
           !strstr(detail, "CONSTANT ROW") && !strstr(detail, "(subquery");
}

static void check_plan(sqlite3 *db, const char *name, const char *text)
{
    char *explain = sqlite3_mprintf("EXPLAIN QUERY PLAN %s", text);
    sqlite3_stmt *stmt = prepare(db, explain);
    while (stmt && sqlite3_step(stmt) == SQLITE_ROW) {
        const char *detail = (const char *)sqlite3_column_text(stmt, 3);
        CHECK(!is_table_scan(detail) || strstr(text, "/*scan*/"), "%s: %s", name,
              detail);
    }
    (void)sqlite3_finalize(stmt);
    sqlite3_free(explain);
}

static void test_statements(void)
{
    sqlite3 *db = NULL;
    fill();
    CHECK(sqlite3_open(store_path, &db) == SQLITE_OK);
    CHECK(PL_SQL_COUNT > 20);
    for (size_t i = 0; i < PL_SQL_COUNT; i++) {
        sqlite3_stmt *stmt = NULL;
        const char *tail = NULL;
        int rc = sqlite3_prepare_v2(db, pl_sql_text[i], -1, &stmt, &tail);
        CHECK(rc == SQLITE_OK && stmt, "%s: %s", pl_sql_name[i], sqlite3_errmsg(db));
        sqlite3_stmt *second = NULL;
        CHECK(sqlite3_prepare_v2(db, tail, -1, &second, NULL) == SQLITE_OK && !second,
              "%s holds two statements", pl_sql_name[i]);
        bool begins = strstr(pl_sql_text[i], "BEGIN") != NULL;
        if (rc == SQLITE_OK && !begins && sqlite3_column_count(stmt) + 1 > 0)
            check_plan(db, pl_sql_name[i], pl_sql_text[i]);
        (void)sqlite3_finalize(stmt);
    }
    (void)sqlite3_close(db);
}

/* A filter on the chunk's times reaches the index through the window view. */
static void test_push_down(void)
{
    static const char *const queries[] = {
        "SELECT sum(weight_ns) FROM sample WHERE chunk_start_ns < 9 AND chunk_end_ns > "
        "5",
        "SELECT * FROM run WHERE chunk_start_ns < 9 AND chunk_end_ns > 5",
        "SELECT * FROM run_weight WHERE chunk_start_ns < 9 AND chunk_end_ns > 5",
        "SELECT count(*) FROM sample WHERE session_id = 3",
    };
    sqlite3 *db = reader();
    for (size_t i = 0; i < sizeof queries / sizeof *queries; i++) {
        char *explain = sqlite3_mprintf("EXPLAIN QUERY PLAN %s", queries[i]);
        sqlite3_stmt *stmt = prepare(db, explain);
        bool indexed = false;
        while (sqlite3_step(stmt) == SQLITE_ROW)
            indexed |= strstr((const char *)sqlite3_column_text(stmt, 3),
                              "SEARCH p USING INDEX part_") != NULL;
        CHECK(indexed, "%s", queries[i]);
        (void)sqlite3_finalize(stmt);
        sqlite3_free(explain);
    }
    (void)sqlite3_close(db);
}

/* ---- sample ---- */

static void print_slot(sqlite3_stmt *row, struct pl_buf *out)
{
    struct pl_ticks ticks;
    struct pl_weights weights;
    struct pl_digits digits;
    struct pl_run run;
    int own = sqlite3_column_bytes(row, 12) > 0 ? 12 : 9;
    bool weighted = sqlite3_column_type(row, 13) != SQLITE_NULL;
    int64_t period = sqlite3_column_int64(row, 6);
    CHECK(pl_ticks_init(
        &ticks, sqlite3_column_blob(row, own), (size_t)sqlite3_column_bytes(row, own),
        own == 12 ? 4 : sqlite3_column_int64(row, 8), sqlite3_column_int64(row, 5),
        period, sqlite3_column_int64(row, 7)));
    if (weighted)
        CHECK(pl_weights_init(&weights, sqlite3_column_blob(row, 13),
                              (size_t)sqlite3_column_bytes(row, 13),
                              (size_t)sqlite3_column_int64(row, 14),
                              sqlite3_column_int64(row, 15)));
    pl_digits_init(&digits, sqlite3_column_blob(row, 11),
                   (size_t)sqlite3_column_bytes(row, 11));
    size_t tick = 0;
    for (size_t r = 0; pl_runs_next(&digits, &run); r++)
        for (uint32_t i = 0; i < run.count; i++, tick++) {
            if (!run.stack)
                continue;
            pl_buf_printf(out, "%lld|", (long long)pl_ticks_at(&ticks, tick));
            for (int c = 0; c < 5; c++) /* chunk, its bounds, session, thread */
                pl_buf_printf(out, "%s|", (const char *)sqlite3_column_text(row, c));
            pl_buf_printf(out, "%u|%lld|%s\n", run.stack,
                          (long long)(weighted ? pl_weights_at(&weights, r) : period),
                          !sqlite3_column_int(row, 10) ? ""
                          : run.off_cpu                ? "0"
                                                       : "1");
        }
    CHECK(!digits.damaged);
}

static void test_sample(void)
{
    sqlite3 *db = reader();
    struct pl_buf want;
    pl_buf_init(&want, 1 << 28);
    sqlite3_stmt *row = prepare(
        db, "SELECT p.chunk_id, p.start_ns, p.end_ns, p.session_id, s.thread_id,"
            " p.origin_ns, p.period_ns, p.unit_ns, p.tick_width, p.ticks, s.cpu_known,"
            " s.runs, s.ticks, s.weights, s.nruns, s.weight_unit"
            " FROM part p JOIN slot s ON s.part_id = p.id ORDER BY p.id, s.thread_id");
    while (sqlite3_step(row) == SQLITE_ROW)
        print_slot(row, &want);
    (void)sqlite3_finalize(row);
    (void)sqlite3_close(db);
    char *got = support_shell(
        store_path, "SELECT ts_ns, chunk_id, chunk_start_ns, chunk_end_ns, session_id,"
                    " thread_id, stack_id, weight_ns, on_cpu FROM sample"
                    " ORDER BY part_id, thread_id, tick");
    CHECK(want.len > 1000000, "%zu bytes", want.len);
    CHECK(got && !want.failed && strcmp(got, want.data) == 0);
    free(got);
    pl_buf_deinit(&want);
    CHECK(support_number(store_path,
                         "SELECT count(*) FROM slot s JOIN"
                         " (SELECT part_id, thread_id, count(*) n, sum(weight_ns) w,"
                         "  total(on_cpu) o FROM sample GROUP BY 1, 2) v"
                         " USING (part_id, thread_id)"
                         " WHERE s.n = v.n AND s.weight = v.w AND s.n_on = v.o") ==
          support_number(store_path, "SELECT count(*) FROM slot"));
    CHECK(support_number(store_path, "SELECT sum(n * weight) = (SELECT sum(weight_ns)"
                                     " FROM sample) FROM run_weight") == 1);
}

/* ---- stacks ---- */

/* Frame ids of a stack by following its parents, written anew for the check. */
static size_t decode_stack(sqlite3 *db, int64_t id, int64_t *frames)
{
    sqlite3_stmt *row =
        prepare(db, "SELECT parent, keep, frames FROM stack WHERE id=?");
    (void)sqlite3_bind_int64(row, 1, id);
    CHECK(sqlite3_step(row) == SQLITE_ROW);
    int64_t parent = sqlite3_column_int64(row, 0);
    size_t count = (size_t)sqlite3_column_int64(row, 1);
    if (parent)
        CHECK(decode_stack(db, parent, frames) >= count);
    struct pl_digits digits;
    pl_digits_init(&digits, sqlite3_column_blob(row, 2),
                   (size_t)sqlite3_column_bytes(row, 2));
    while (pl_digits_next(&digits, &frames[count]))
        count++;
    CHECK(!digits.damaged);
    (void)sqlite3_finalize(row);
    return count;
}

static void append_name(struct pl_buf *out, const char *name)
{
    if (out->len && out->data[out->len - 1] != '|')
        pl_buf_putc(out, ';');
    for (; *name; name++)
        pl_buf_putc(out, *name == ';' ? ':' : *name);
}

/* The names of one frame, outermost first. */
static void append_frame(sqlite3 *db, struct pl_buf *out, int64_t id)
{
    if (id == 2) {
        append_name(out, "outer");
        append_name(out, "middle");
        append_name(out, "inner;x");
        return;
    }
    sqlite3_stmt *row =
        prepare(db, "SELECT m.path, r.address, f.name FROM frame_raw r"
                    " LEFT JOIN module m ON m.id = r.module_id"
                    " LEFT JOIN function f ON f.id = r.function_id WHERE r.id = ?");
    (void)sqlite3_bind_int64(row, 1, id);
    CHECK(sqlite3_step(row) == SQLITE_ROW);
    const char *path = (const char *)sqlite3_column_text(row, 0);
    const char *name = (const char *)sqlite3_column_text(row, 2);
    char text[300];
    const char *slash = path ? strrchr(path, '/') : NULL;
    (void)snprintf(text, sizeof text, "%s%s0x%llx",
                   slash  ? slash + 1
                   : path ? path
                          : "",
                   path ? "+" : "", (unsigned long long)sqlite3_column_int64(row, 1));
    append_name(out, name ? name : text);
    (void)sqlite3_finalize(row);
}

static void test_folded(void)
{
    sqlite3 *db = reader();
    static int64_t frames[100000];
    char *got = support_shell(store_path, "SELECT stack_id || '|' || folded"
                                          " FROM stack_folded ORDER BY stack_id");
    long long count = support_number(store_path, "SELECT count(*) FROM stack");
    CHECK(count > 100);
    const char *at = got ? got : "";
    for (long long id = 1; id <= count; id++) {
        struct pl_buf want;
        pl_buf_init(&want, 1 << 20);
        pl_buf_printf(&want, "%lld|", id);
        size_t n = decode_stack(db, id, frames);
        for (size_t i = 0; i < n; i++)
            append_frame(db, &want, frames[i]);
        pl_buf_putc(&want, '\n');
        CHECK(strncmp(at, want.data, want.len) == 0, "%s is not %.300s", want.data, at);
        at = strchr(at, '\n') ? strchr(at, '\n') + 1 : "";
        pl_buf_deinit(&want);
    }
    free(got);
    (void)sqlite3_close(db);
}

/* Texts the shell prints for small questions about the views. */
static void test_views(void)
{
    static const struct {
        const char *sql, *want;
    } cases[] = {
        {"SELECT function, file, line, column, in_app, status, module FROM frame"
         " WHERE id IN (2, 3) ORDER BY id",
         "outer|a.c|12||1|symbolicated|/usr/lib/libc.so.6\n"
         "bad.so+0x1020|||||missing_symbol|/opt/\xef\xbf\xbd\xef\xbf\xbd/bad.so\n"},
        {"SELECT function, file, line, platform, in_app FROM frame WHERE "
         "platform<>'native'"
         " ORDER BY id LIMIT 1",
         "bad \xef\xbf\xbd(;\xef\xbf\xbdname|main.py|9|python|\n"},
        {"SELECT group_concat(function || inlined, ' ') FROM (SELECT * FROM stack_frame"
         " WHERE frame_id = 2 AND stack_id = (SELECT min(stack_id) FROM stack_frame "
         "WHERE"
         " frame_id = 2) ORDER BY depth LIMIT 3)",
         "outer0 middle1 inner;x1\n"},
        {"SELECT count(*) FROM stack_frame f JOIN stack_frame g ON g.stack_id = "
         "f.stack_id"
         " AND g.depth = f.depth - 1 WHERE f.depth > 0 AND f.stack_id < 20",
         NULL},
        /* all weight is somewhere: self sums to the whole, per thread and hour */
        {"SELECT (SELECT sum(self_ns) FROM function_weight) ="
         " (SELECT sum(weight_ns) FROM sample)",
         "1\n"},
        {"SELECT count(DISTINCT hour_ns) FROM function_weight", "2\n"},
        {"SELECT max(total_ns > (SELECT sum(weight_ns) FROM sample s WHERE"
         " s.thread_id = f.thread_id)) FROM function_weight f",
         "0\n"},
        {"SELECT min(total_ns >= self_ns) FROM function_weight", "1\n"},
        {"SELECT count(*), min(first_tick), max(n) FROM label WHERE key = 'tenant'",
         "6|10|20\n"},
        {"SELECT count(*) FROM live_run", "0\n"},
        {"SELECT min(chunk_start_ns <= ts_ns AND ts_ns < chunk_end_ns) FROM sample",
         "1\n"},
        {"SELECT count(*) FROM (SELECT s.id FROM session s JOIN part p ON"
         " p.session_id = s.id GROUP BY 1 HAVING sum(p.bytes) > 10000)",
         "2\n"},
    };
    fill();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *got = support_shell(store_path, cases[i].sql);
        CHECK(got && (!cases[i].want || strcmp(got, cases[i].want) == 0),
              "%s\ngives %s", cases[i].sql, got);
        free(got);
    }
}

/* Every column the documentation promises is there. */
static void test_contract(void)
{
    static const char *const queries[] = {
        "SELECT project_id, public_key, secret_key, use_case FROM project_key",
        "SELECT id, uuid, project_id, recording_id, parent_id, app, release, "
        "environment,"
        " dist, host, pid, platform, mode, start_ns, end_ns, state, exit_status"
        " FROM session",
        "SELECT id, session_id, tid, name FROM thread",
        "SELECT id, uuid, event_id, session_id, project_id, platform, format, source,"
        " start_ns, end_ns, received_ns, sampled, symbolicated, deobfuscated, "
        "normalized,"
        " symbolicator_error, symbolicator_status, symbolicator_message FROM chunk",
        "SELECT ts_ns, chunk_id, chunk_start_ns, chunk_end_ns, session_id, thread_id,"
        " stack_id, weight_ns, on_cpu FROM sample",
        "SELECT stack_id, depth, frame_id, function, file, line, module, in_app, "
        "inlined"
        " FROM stack_frame",
        "SELECT stack_id, folded FROM stack_folded",
        "SELECT id, module_id, address, function, file, line, column, platform, status"
        " FROM frame",
        "SELECT id, path, build_id, debug_id, status FROM module",
        "SELECT session_id, thread_id, hour_ns, function, module, self_ns, total_ns,"
        " samples FROM function_weight",
        "SELECT chunk_id, thread_id, first_tick, n, key, value FROM label",
        "SELECT chunk_uuid, project_id, org_id, key_id, category, outcome, reason,"
        " quantity, ts_ns FROM outcome",
        "SELECT session_id, chunk_id, thread_id, reason, count FROM loss",
    };
    sqlite3 *db = reader();
    for (size_t i = 0; i < sizeof queries / sizeof *queries; i++)
        (void)sqlite3_finalize(prepare(db, queries[i]));
    (void)sqlite3_close(db);
}

TEST_MAIN({"statements", test_statements}, {"push_down", test_push_down},
          {"sample", test_sample}, {"folded", test_folded}, {"views", test_views},
          {"contract", test_contract})
