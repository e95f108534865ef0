/* check: a sound store has no findings, also while it is written; every kind of
 * damage, made by hand one at a time, is found and named. */
#include "tests/store_day.h"
#include "tests/store_support.h"
#include "tests/test.h"

#include "store/check.h"
#include "store/db.h"

#include <stdatomic.h>
#include <signal.h>

static const int64_t base_ns = INT64_C(1700000000) / 3600 * 3600 * PL_NS_PER_S;
static struct test_part part;
static struct pl_error err;

/* support_path's own storage does not last. */
static const char *kept_path(const char *name)
{
    static char paths[4][256];
    static size_t count;
    char *path = paths[count++ % 4];
    (void)snprintf(path, sizeof paths[0], "%s", support_path(name));
    return path;
}

/* What was found, one "kind: message" a line. */
struct found {
    char text[16384];
    struct pl_check_result result;
};

static void on_finding(void *self, const char *kind, const char *message)
{
    struct found *found = self;
    size_t len = strlen(found->text);
    (void)snprintf(found->text + len, sizeof found->text - len, "%s: %s\n", kind,
                   message);
}

static void check_store(const char *path, struct found *found)
{
    struct pl_check_visitor visitor = {found, on_finding};
    struct pl_store *store = NULL;
    memset(found, 0, sizeof *found);
    CHECK_OK(pl_store_open(path, PL_STORE_READ, &store, &err), err);
    CHECK_OK(pl_store_check(store, &visitor, &found->result, &err), err);
    pl_store_close(store);
}

static void fill(const char *path)
{
    struct pl_store *store = NULL;
    struct pl_chunk_sink sink;
    CHECK_OK(pl_store_open(path, PL_STORE_CREATE, &store, &err), err);
    CHECK_OK(pl_store_sink(store, &sink, &err), err);
    for (int s = 1; s <= 2; s++) {
        struct pl_id id = {{(unsigned char)s}};
        struct pl_sink_session session = parts_session(id, base_ns);
        CHECK_OK(sink.session_begin(sink.self, &session, &err), err);
        for (int i = 0; i < 3; i++) {
            parts_make(&part, (uint64_t)(10 * s + i), id,
                       base_ns + i * 60 * PL_NS_PER_S, i == 1);
            CHECK_OK(sink.put(sink.self, &part.part, &err), err);
        }
    }
    pl_store_close(store);
}

/* A copy of the filled store, damaged by `sql`. */
static const char *damaged_copy(const char *from, const char *sql)
{
    const char *path = support_path("damaged.db");
    struct pl_buf buf;
    sqlite3 *db = NULL;
    char *message = NULL;
    (void)unlink(path);
    pl_buf_init(&buf, 4096);
    pl_buf_printf(&buf, "VACUUM INTO '%s'", path);
    CHECK(sqlite3_open(from, &db) == SQLITE_OK);
    CHECK(sqlite3_exec(db, buf.data, NULL, NULL, NULL) == SQLITE_OK);
    (void)sqlite3_close(db);
    pl_buf_deinit(&buf);
    CHECK(sqlite3_open(path, &db) == SQLITE_OK);
    CHECK(sqlite3_exec(db, sql, NULL, NULL, &message) == SQLITE_OK, "%s: %s", sql,
          message);
    CHECK(sqlite3_total_changes(db) > 0, "nothing changed: %s", sql);
    sqlite3_free(message);
    (void)sqlite3_close(db);
    return path;
}

static void test_sound(void)
{
    const char *path = kept_path("sound.db");
    struct found found;
    fill(path);
    check_store(path, &found);
    CHECK(found.result.findings == 0, "%s", found.text);
    CHECK(found.result.sessions == 2 && found.result.parts == 6 &&
          found.result.chunks == 6 && found.result.slots == 30);
    CHECK(found.result.samples == support_number(path, "SELECT sum(n) FROM slot"));
    CHECK(found.result.stacks == support_number(path, "SELECT count(*) FROM stack"));
    CHECK(found.result.frames ==
          support_number(path, "SELECT count(*) FROM frame_raw"));
}

static void test_damage(void)
{
    static const struct {
        const char *sql, *says;
    } cases[] = {
        {"DELETE FROM session WHERE id = 2", "reference: chunk 4: no session 2"},
        {"DELETE FROM thread WHERE id = 1", "no thread 1"},
        {"DELETE FROM chunk WHERE id = 1", "reference: part 1: no chunk 1"},
        {"UPDATE part SET session_id = 2 WHERE id = 1",
         "part 1: of session 2, its chunk 1 of session 1"},
        {"UPDATE slot SET thread_id = 8 WHERE id = 1", "its thread 8 of session 2"},
        {"UPDATE slot SET part_id = 99 WHERE id = 1", "slot 1: no part 99"},
        {"UPDATE label_span SET tag_id = 99 WHERE id = 1", "label 1: no tag 99"},
        {"UPDATE loss SET part_id = 99 WHERE id = 1", "loss 1: no part 99"},
        {"UPDATE loss SET count = -1 WHERE id = 1", "loss 1: -1 samples"},
        {"INSERT INTO rollup VALUES (3600, 1, 1, 99, 0, 0, 0, 0, 0, x'')",
         "rollup 1 of 3600 s: no thread 99 of session 1"},
        {"DELETE FROM session WHERE id = 2", "s: no session 2"},
        {"UPDATE frame_raw SET module_id = 99 WHERE id = 1", "frame 1: no module 99"},
        {"INSERT INTO frame_name VALUES (99999, 0, 0, 0, 0, 0, 'x', 0)",
         "name of frame 99999: no frame"},
        {"INSERT INTO function (name, module_id) VALUES ('f', 99)", "no module 99"},
        {"INSERT INTO outbox (target_id, kind, chunk_id) VALUES (1, 'chunk', 99)",
         "outbox 1"},
        {"UPDATE part SET end_ns = end_ns + 3600000000000 WHERE id = 1",
         "time: part 1: it lasts"},
        {"UPDATE part SET end_ns = end_ns + 5000000000 WHERE id = 1",
         "time: part 1: outside its chunk 1"},
        {"UPDATE part SET start_ns = start_ns + 3570000000000, "
         "end_ns = end_ns + 3570000000000 WHERE id = 1;"
         "UPDATE chunk SET end_ns = end_ns + 3570000000000 WHERE id = 1",
         "time: part 1: it crosses an hour"},
        {"UPDATE session SET end_ns = start_ns - 1 WHERE id = 1", "time: session 1"},
        {"UPDATE stack SET parent = id WHERE id = 5", "stack: stack 5 (parent 5"},
        {"UPDATE stack SET keep = 99999 WHERE id = 5", "stack: stack 5 (parent"},
        {"UPDATE stack SET frames = x'99999A' WHERE id = 5",
         "stack: stack 5: no frame 99999"},
        {"UPDATE stack SET frames = x'BBBB' WHERE id = 5",
         "stack: stack 5: its frames make no sense"},
        {"DELETE FROM stack WHERE id = 3", "a sample of a stack that is not there"},
        {"INSERT INTO stack VALUES (2000000000, 0, 0, x'1A')", "no such id can be"},
        {"INSERT INTO dict_epoch VALUES (2, 30, 1000, 0);"
         "UPDATE stack SET parent = 1, keep = 0 WHERE id = 31",
         "its parent 1 is of an older generation"},
        {"INSERT INTO dict_epoch VALUES (2, 30, 1, 0)",
         "a sample of a stack of an older generation"},
        {"UPDATE dict_epoch SET first_stack_id = 5",
         "stack 4: of a generation that is gone"},
        {"UPDATE part SET tick_count = tick_count - 1 WHERE id = 1",
         "ticks: part 1: its ticks make no sense"},
        {"UPDATE part SET tick_width = 3 WHERE id = 1", "ticks: part 1"},
        {"UPDATE part SET ticks = CAST(x'ABCD' || substr(ticks, 3) AS BLOB) WHERE id = "
         "1",
         "ticks: part 1: its ticks are no digits"},
        {"UPDATE part SET origin_ns = origin_ns - 9000000000 WHERE id = 1",
         "ticks: part 1: a tick lies outside it"},
        {"UPDATE part SET ticks = CAST(substr(ticks, 1, 4) || substr(ticks, -4) || "
         "substr(ticks, 9) AS BLOB) WHERE id = 2",
         "ticks: part 2: its ticks go backwards"},
        {"UPDATE slot SET runs = x'BBBB' WHERE id = 1",
         "slot 1 of part 1: its runs make no sense"},
        {"UPDATE slot SET nruns = nruns + 1 WHERE id = 1",
         "slot 1 of part 1: not as many runs"},
        {"UPDATE slot SET n = n + 1 WHERE id = 1",
         "slot 1 of part 1: not as many samples as it says (n)"},
        {"UPDATE slot SET n_on = n_on - 1 WHERE id = 1", "(n_on)"},
        {"UPDATE slot SET weight = weight - 1 WHERE id = 1", "(weight)"},
        {"UPDATE slot SET cpu_ns = 9000000000000 WHERE id = 1", "(cpu_ns)"},
        {"UPDATE slot SET cpu_ns = -1 WHERE id = 1", "(cpu_ns)"},
        {"UPDATE slot SET weights = x'00' WHERE weights IS NOT NULL",
         "its weights make no sense"},
        {"UPDATE slot SET ticks = substr(ticks, 5) WHERE ticks IS NOT NULL",
         "more samples than times"},
        {"UPDATE chunk SET finished = 1 WHERE id = 2",
         "outcome: chunk 2: done and without an outcome"},
    };
    const char *path = kept_path("whole.db");
    struct found found;
    fill(path);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        check_store(damaged_copy(path, cases[i].sql), &found);
        CHECK(found.result.findings > 0 && strstr(found.text, cases[i].says),
              "%s: found %s", cases[i].sql, found.text);
    }
}

/* Tables and views that are not the format's are refused before one is asked. */
static void test_schema(void)
{
    static const struct {
        const char *sql, *says;
    } cases[] = {
        {"DROP VIEW run_weight; CREATE VIEW run_weight AS SELECT 1 AS chunk_id, 1 AS n,"
         " 1 AS weight; UPDATE meta SET value = value + 1",
         "its run_weight is not"},
        {"DROP TABLE label_span; UPDATE meta SET value = value + 1",
         "its label_span is not"},
        {"DROP TABLE loss; CREATE VIEW loss AS WITH RECURSIVE r(id) AS (SELECT 1 UNION "
         "ALL SELECT id + 1 FROM r) SELECT id FROM r; UPDATE meta SET value = value + "
         "1",
         "its loss is not"},
        {"DROP INDEX part_time; UPDATE meta SET value = value + 1",
         "its part_time is not"},
        {"ALTER TABLE slot DROP COLUMN cpu_ns; UPDATE meta SET value = value + 1",
         "its slot is not"},
        {"ALTER TABLE chunk ADD COLUMN weather TEXT; UPDATE meta SET value = value + 1",
         "its chunk is not"},
        {"CREATE VIEW a_own AS SELECT 1; CREATE TABLE z_own (x); CREATE INDEX own_i ON "
         "slot(n); UPDATE meta SET value = value + 1",
         NULL},
    };
    const char *path = kept_path("schema.db");
    fill(path);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct pl_store *store = NULL;
        enum pl_status status = pl_store_open(damaged_copy(path, cases[i].sql),
                                              PL_STORE_READ, &store, &err);
        CHECK(status == (cases[i].says ? PL_INPUT : PL_OK), "%s", cases[i].sql);
        CHECK(!cases[i].says || strstr(err.message, cases[i].says), "%s", err.message);
        CHECK(!cases[i].says || strstr(err.message, "another build"), "%s",
              err.message);
        pl_store_close(store);
    }
}

/* Each column of each table with rows is set wrong in one row, a value after the other,
 * until check or SQLite's rules notice. What is left is free: nothing in the file says
 * what it should be. */
static const char free_columns[] =
    /* texts and numbers of the outside world */
    " chunk.device_class  chunk.event_id  chunk.format  chunk.platform  chunk.source "
    " chunk.symbolicator_error  chunk.symbolicator_message  chunk.symbolicator_status "
    " dict_epoch.created_ns  frame_name.status  frame_raw.address  frame_raw.platform "
    " function.file  function.name  loss.reason  module.build_id  module.debug_id "
    " module.kind  module.status  outcome.key_id  outcome.org_id  outcome.reason "
    " session.app  session.dist  session.environment  session.host  session.mode "
    " session.in_app_exclude  session.in_app_include  session.project_root "
    " session.parent_id  session.platform  session.recording_id  session.release "
    " session.uuid  slot.unit  thread.name "
    /* numbers nothing refers to */
    " dict_epoch.id  label_span.id  loss.id  outcome.id  slot.id "
    /* of a slot without weights */
    " slot.weight_unit ";

static bool is_noticed(const char *path, const char *table, const char *column,
                       const char *value, bool keyed)
{
    struct found found;
    struct pl_buf sql;
    const char *copy = support_path("column.db");
    sqlite3 *db = NULL;
    (void)unlink(copy);
    pl_buf_init(&sql, 4096);
    pl_buf_printf(&sql, "VACUUM INTO '%s'", copy);
    CHECK(sqlite3_open(path, &db) == SQLITE_OK &&
          sqlite3_exec(db, sql.data, NULL, NULL, NULL) == SQLITE_OK);
    (void)sqlite3_close(db);
    pl_buf_clear(&sql);
    pl_buf_printf(&sql, "UPDATE OR IGNORE \"%s\" SET \"%s\" = %s", table, column,
                  value);
    if (!keyed)
        pl_buf_printf(&sql, " WHERE rowid = (SELECT max(rowid) FROM \"%s\")", table);
    CHECK(sqlite3_open(copy, &db) == SQLITE_OK);
    bool done = sqlite3_exec(db, sql.data, NULL, NULL, NULL) == SQLITE_OK &&
                sqlite3_total_changes(db) > 0;
    (void)sqlite3_close(db);
    pl_buf_deinit(&sql);
    struct pl_check_visitor visitor = {&found, on_finding};
    struct pl_store *store = NULL;
    memset(&found, 0, sizeof found);
    enum pl_status status =
        done ? pl_store_open(copy, PL_STORE_READ, &store, &err) : PL_INPUT;
    if (status == PL_OK)
        status = pl_store_check(store, &visitor, &found.result, &err);
    pl_store_close(store);
    return done && (status != PL_OK || found.result.findings > 0);
}

static void test_columns(void)
{
    static const char *const values[] = {
        "-7", "1000003", "4611686018427387904", "0", "NULL", "'?'", "x'BB'", "x'9A'"};
    struct day day = {.path = kept_path("columns.db")};
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    int columns = 0, noticed = 0;
    CHECK_OK(day_open(&day, &err), err);
    CHECK_OK(day_begin(&day, &err), err);
    for (int i = 0; i < 2; i++)
        CHECK_OK(day_put(&day, i, &err), err);
    CHECK_OK(day_pass(&day, &err), err);
    CHECK_OK(day_end(&day, &err), err);
    day_close(&day);
    CHECK(sqlite3_open(day.path, &db) == SQLITE_OK &&
          sqlite3_prepare_v2(db,
                             "SELECT t.name, c.name, t.wr FROM pragma_table_list t, "
                             "pragma_table_info(t.name) c WHERE t.type = 'table' AND "
                             "t.name IN ('session', 'thread', 'chunk', 'part', 'slot', "
                             "'loss', 'label_span', 'module', 'function', 'frame_raw', "
                             "'frame_name', 'stack', 'dict_epoch', 'outcome') "
                             "ORDER BY 1, 2",
                             -1, &stmt, NULL) == SQLITE_OK);
    while (sqlite3_step(stmt) == SQLITE_ROW) {
        const char *table = (const char *)sqlite3_column_text(stmt, 0);
        const char *column = (const char *)sqlite3_column_text(stmt, 1);
        char name[100];
        bool found = false;
        (void)snprintf(name, sizeof name, " %s.%s ", table, column);
        for (size_t i = 0; i < sizeof values / sizeof values[0] && !found; i++)
            found = is_noticed(day.path, table, column, values[i],
                               sqlite3_column_int(stmt, 2) != 0);
        columns++;
        noticed += found;
        CHECK(found || strstr(free_columns, name), "%snot noticed", name);
        CHECK(!found || !strstr(free_columns, name), "%sis noticed", name);
    }
    (void)sqlite3_finalize(stmt);
    (void)sqlite3_close(db);
    printf("%d columns, %d noticed\n", columns, noticed);
}

/* A page of the file overwritten, one after the other: never a crash, and what
 * SQLite itself notices is told. */
static void test_pages(void)
{
    const char *from = kept_path("pages.db");
    char *whole;
    struct found found;
    struct stat st;
    int told = 0, pages = 0;
    fill(from);
    FILE *file = fopen(from, "rb");
    CHECK(file && fstat(fileno(file), &st) == 0 && st.st_size > 100000);
    whole = malloc((size_t)st.st_size);
    CHECK(whole && fread(whole, 1, (size_t)st.st_size, file) == (size_t)st.st_size);
    (void)fclose(file);
    for (off_t at = 8192; at < st.st_size; at += 7 * 4096, pages++) {
        const char *path = support_path("page.db");
        struct pl_check_visitor visitor = {&found, on_finding};
        struct pl_store *store = NULL;
        file = fopen(path, "wb");
        memset(&found, 0, sizeof found);
        (void)fwrite(whole, 1, (size_t)st.st_size, file);
        (void)fseek(file, at, SEEK_SET);
        for (int i = 0; i < 4096; i++)
            (void)fputc(i * 37 + 11, file);
        (void)fclose(file);
        enum pl_status status = pl_store_open(path, PL_STORE_READ, &store, &err);
        if (status == PL_OK)
            status = pl_store_check(store, &visitor, &found.result, &err);
        pl_store_close(store);
        CHECK(status == PL_OK || status == PL_INPUT, "%s", err.message);
        told += status == PL_INPUT || found.result.findings > 0;
    }
    free(whole);
    CHECK(pages > 5 && told == pages, "%d of %d", told, pages);
}

/* While a writer puts parts, every snapshot is sound. */
static void test_live(void)
{
    const char *path = kept_path("live.db");
    struct found found;
    fill(path);
    pid_t writer = fork();
    if (writer == 0) {
        struct pl_store *store = NULL;
        struct pl_chunk_sink sink;
        struct pl_id id = {{1}};
        if (pl_store_open(path, PL_STORE_WRITE, &store, &err) ||
            pl_store_sink(store, &sink, &err))
            _exit(1);
        for (int i = 3; i < 2000; i++) {
            parts_make(&part, (uint64_t)i, id, base_ns + i % 59 * 60 * PL_NS_PER_S,
                       i % 5 == 0);
            if (sink.put(sink.self, &part.part, &err))
                _exit(1);
        }
        _exit(0);
    }
    int64_t parts = 0;
    for (int i = 0; i < 8 || (parts <= 6 && i < 1000); i++) {
        check_store(path, &found);
        CHECK(found.result.findings == 0, "%s", found.text);
        CHECK(found.result.parts >= parts);
        parts = found.result.parts;
    }
    CHECK(parts > 6, "%lld parts", (long long)parts);
    (void)kill(writer, SIGKILL);
    (void)waitpid(writer, NULL, 0);
    check_store(path, &found);
    CHECK(found.result.findings == 0, "%s", found.text);
}

TEST_MAIN({"sound", test_sound}, {"damage", test_damage}, {"schema", test_schema},
          {"columns", test_columns}, {"pages", test_pages}, {"live", test_live})
