/* SQL for people: what it answers, and what it refuses. */
#include "store/query.h"
#include "tests/test.h"

#include "base/clock.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static struct pl_error err;
static char path[64], copy[96];
static struct pl_store *store;

/* Column names and cells as text: "a,b|1,2|". */
struct output {
    char text[512];
    size_t rows, stop_after;
};

static void put(struct output *output, const char *text)
{
    strncat(output->text, text, sizeof output->text - strlen(output->text) - 1);
}

static bool columns(void *self, size_t count, const char *const *names)
{
    for (size_t i = 0; i < count; i++) {
        put(self, i ? "," : "");
        put(self, names[i]);
    }
    put(self, "|");
    return true;
}

static bool row(void *self, size_t count, const struct pl_cell *cells)
{
    struct output *output = self;
    char text[64];
    for (size_t i = 0; i < count; i++) {
        const struct pl_cell *cell = &cells[i];
        switch (cell->type) {
        case PL_CELL_NULL:
            snprintf(text, sizeof text, "NULL");
            break;
        case PL_CELL_INT:
            snprintf(text, sizeof text, "%lld", (long long)cell->integer);
            break;
        case PL_CELL_REAL:
            snprintf(text, sizeof text, "%.2f", cell->real);
            break;
        default:
            snprintf(text, sizeof text, "%s:%zu:%.*s",
                     cell->type == PL_CELL_TEXT ? "t" : "b", cell->len, (int)cell->len,
                     cell->text);
        }
        put(output, i ? "," : "");
        put(output, text);
    }
    put(output, "|");
    return ++output->rows != output->stop_after;
}

static void open_store(enum pl_store_mode mode)
{
    struct pl_store *made = NULL;
    snprintf(path, sizeof path, "/tmp/proflite-sql-XXXXXX");
    int fd = mkstemp(path);
    CHECK(fd >= 0);
    close(fd);
    unlink(path);
    snprintf(copy, sizeof copy, "%s-copy", path);
    CHECK_OK(pl_store_open(path, PL_STORE_CREATE, &made, &err), err);
    pl_store_close(made);
    CHECK_OK(pl_store_open(path, mode, &store, &err), err);
}

static void close_store(void)
{
    static const char *const endings[] = {"", "-wal", "-shm", "-lock", "-copy"};
    pl_store_close(store);
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        char name[96];
        snprintf(name, sizeof name, "%s%s", path, endings[i]);
        unlink(name);
    }
}

static enum pl_status ask(const char *sql, int timeout_ms, struct output *output)
{
    const struct pl_sql_consumer consumer = {output, columns, row};
    return pl_query_sql(store, sql, timeout_ms, &consumer, &err);
}

static const struct {
    const char *sql, *output;
} answered[] = {
    {"SELECT 1", "1|1|"},
    {"SELECT 1 AS a, 2.5 AS b, NULL AS c, 'x''y' AS d, x'6162' AS e",
     "a,b,c,d,e|1,2.50,NULL,t:3:x'y,b:2:ab|"},
    {"SELECT '' AS t, x'' AS b", "t,b|t:0:,b:0:|"},
    {"  ;; SELECT 1 ; -- and no more\n /* really */ ;", "1|1|"},
    {"SELECT id FROM session", "id|"},
    {"VALUES (1), (2)", "column1|1|2|"},
    {"WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c LIMIT 3) "
     "SELECT sum(i) AS s FROM c",
     "s|6|"},
    {"SELECT name FROM pragma_table_info('tag') LIMIT 1", "name|t:2:id|"},
    {"PRAGMA user_version", NULL},
    {"PRAGMA table_info(tag)", NULL},
    {"EXPLAIN QUERY PLAN SELECT * FROM session", NULL},
    {"EXPLAIN SELECT 1", NULL},
    {"SELECT count(*) FROM sample", "count(*)|0|"},
    {"SELECT value FROM json_each('[7]')", "value|7|"},
};

static void test_answered(void)
{
    open_store(PL_STORE_READ);
    for (size_t i = 0; i < sizeof answered / sizeof answered[0]; i++) {
        struct output output = {0};
        CHECK_OK(ask(answered[i].sql, 1000, &output), err);
        CHECK(!answered[i].output || strcmp(output.text, answered[i].output) == 0,
              "%s: %s", answered[i].sql, output.text);
        CHECK(strchr(output.text, '|'), "%s: names first", answered[i].sql);
    }
    close_store();
}

static const struct {
    const char *sql, *message; /* a part of it */
} refused[] = {
    {"", "no SQL"},
    {"  \n", "no SQL"},
    {";", "no SQL"},
    {"-- nothing", "no SQL"},
    {"SELECT", "incomplete"},
    {"SELEKT 1", "syntax error"},
    {"SELECT * FROM nowhere", "no such table"},
    {"SELECT absent FROM session", "no such column"},
    {"SELECT 1; SELECT 2", "more than one"},
    {"SELECT 1; garbage", "more than one"},
    {"SELECT 1; DROP TABLE session", "more than one"},
    {"INSERT INTO counter VALUES ('a', 1)", "only reading"},
    {"UPDATE session SET app = 'x'", "only reading"},
    {"DELETE FROM session", "only reading"},
    {"UPDATE sqlite_master SET sql = ''", ""},
    {"DELETE FROM sqlite_master", ""},
    {"EXPLAIN DELETE FROM session", "only reading"},
    {"DROP TABLE session", "only reading"},
    {"CREATE TABLE t (a)", "only reading"},
    {"CREATE TEMP TABLE t (a)", "only reading"},
    {"CREATE VIRTUAL TABLE t USING fts5(a)", "only reading"},
    {"ALTER TABLE session ADD COLUMN x", "only reading"},
    {"VACUUM", "only reading"},
    {"VACUUM INTO '/tmp/never'", "only reading"},
    {"ATTACH '/tmp/never' AS other", "only reading"},
    {"DETACH main", "only reading"},
    {"BEGIN", "only reading"},
    {"SAVEPOINT a", "only reading"},
    {"ROLLBACK", "only reading"},
    {"REINDEX", "only reading"},
    {"ANALYZE", "only reading"},
    {"PRAGMA journal_mode = DELETE", "only reading"},
    {"PRAGMA user_version = 7", "only reading"},
    {"PRAGMA writable_schema = 1", "only reading"},
    {"PRAGMA query_only = 0", "only reading"},
    {"PRAGMA wal_checkpoint", "only reading"},
    {"PRAGMA temp_store_directory = '/tmp'", "only reading"},
    {"SELECT load_extension('/tmp/never.so')", ""},
    {"SELECT writefile('/tmp/never', 'x')", "no such function"},
};

static void check_refused(void)
{
    struct stat st;
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        struct output output = {0};
        enum pl_status status = ask(refused[i].sql, 1000, &output);
        CHECK(status == PL_INPUT, "%s: %s", refused[i].sql, pl_status_name(status));
        CHECK(strstr(err.message, refused[i].message), "%s: %s", refused[i].sql,
              err.message);
        CHECK(!output.rows);
    }
    char sql[160];
    struct output output = {0};
    snprintf(sql, sizeof sql, "VACUUM INTO '%s'", copy);
    CHECK(ask(sql, 0, &output) == PL_INPUT && stat(copy, &st) != 0);
    snprintf(sql, sizeof sql, "ATTACH '%s' AS other", copy);
    CHECK(ask(sql, 0, &output) == PL_INPUT && stat(copy, &st) != 0);
    CHECK_OK(ask("SELECT count(*) FROM counter", 0, &output), err);
}

static void test_refused(void)
{
    open_store(PL_STORE_READ);
    check_refused();
    close_store();
    open_store(PL_STORE_WRITE); /* the same where writing would be possible */
    check_refused();
    close_store();
}

static void test_stops(void)
{
    struct output output = {.stop_after = 2};
    open_store(PL_STORE_READ);
    CHECK_OK(ask("VALUES (1), (2), (3)", 0, &output), err);
    CHECK(output.rows == 2, "the consumer may stop");
    int64_t from_ns = pl_clock_mono_ns();
    output = (struct output){0};
    CHECK(ask("WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c) "
              "SELECT sum(i) FROM c",
              50, &output) == PL_INPUT);
    CHECK(strstr(err.message, "50 ms"), "%s", err.message);
    CHECK(pl_clock_mono_ns() - from_ns < 5 * PL_NS_PER_S);
    output = (struct output){0};
    CHECK_OK(ask("SELECT 1", 50, &output), err);
    CHECK(strcmp(output.text, "1|1|") == 0, "the store is usable afterwards");
    close_store();
}

TEST_MAIN({"answered", test_answered}, {"refused", test_refused}, {"stops", test_stops})
