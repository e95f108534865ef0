/* The way up: a store of 1.00 is brought to 1.02 by two migrations of the test's own.
 * The power goes at every operation on the way; processes race; what a program may do
 * with a version that is not its own. */
#include "tests/fault_vfs.h"
#include "tests/store_day.h"
#include "tests/store_support.h"
#include "tests/test.h"

#include "store/db.h"

static const char *const later[] = {
    "CREATE TABLE added (id INTEGER PRIMARY KEY, n INTEGER NOT NULL) STRICT;"
    "INSERT INTO added SELECT id, n FROM slot;",
    "ALTER TABLE session ADD COLUMN weather TEXT;"
    "UPDATE session SET weather = 'rain';"
    "DELETE FROM added WHERE id % 2;",
};
/* True of a file of 1.00, 1.01 and 1.02. */
static const char *const facts[] = {
    "SELECT count(*) = 0 FROM sqlite_schema WHERE name = 'added'",
    "SELECT (SELECT count(*) FROM added) = (SELECT count(*) FROM slot) AND "
    "NOT EXISTS (SELECT 1 FROM pragma_table_info('session') WHERE name = 'weather')",
    "SELECT (SELECT count(*) FROM added) = (SELECT sum(id % 2 = 0) FROM slot) AND "
    "(SELECT weather FROM session) = 'rain'",
};
static const char *const suffixes[] = {"", "-wal", "-shm", "-journal", "-lock"};

static void make_old(const char *path)
{
    struct day day = {.path = path};
    struct pl_error err = {0};
    pl_db_add_migrations(NULL, 0);
    CHECK_OK(day_open(&day, &err), err);
    CHECK_OK(day_begin(&day, &err), err);
    for (int i = 0; i < 3; i++)
        CHECK_OK(day_put(&day, i, &err), err);
    pl_store_close(day.store);
    CHECK(support_number(path, "PRAGMA user_version") == 100);
}

static void copy(const char *from, const char *to)
{
    char command[700];
    for (size_t i = 0; i < 5; i++) {
        (void)snprintf(command, sizeof command, "%s%s", to, suffixes[i]);
        (void)unlink(command);
    }
    (void)snprintf(command, sizeof command, "VACUUM INTO '%s'", to);
    free(support_shell(from, command));
}

static int64_t ask(struct pl_store *store, const char *sql)
{
    sqlite3_stmt *stmt = NULL;
    int64_t value = -1;
    if (sqlite3_prepare_v2(store->db, sql, -1, &stmt, NULL) == SQLITE_OK &&
        sqlite3_step(stmt) == SQLITE_ROW)
        value = sqlite3_column_int64(stmt, 0);
    (void)sqlite3_finalize(stmt);
    return value;
}

/* Opened as 1.02: it is all of that. */
static void check_new(const char *path, const char *what)
{
    struct pl_error err = {0};
    struct pl_store *store = NULL;
    struct day day = {.path = path};
    CHECK_OK(pl_store_open(path, PL_STORE_WRITE, &store, &err), err);
    if (!store)
        return;
    day.store = store;
    CHECK(ask(store, "PRAGMA user_version") == 102 && ask(store, facts[2]) == 1, "%s",
          what);
    CHECK(ask(store, "SELECT count(*) FROM part") == 3, "%s", what);
    CHECK_OK(day_check(&day, &err), err);
    CHECK(day.findings == 0, "%s", what);
    pl_store_close(store);
}

/* One version or the next, whole. */
static void check_between(const char *path, const char *what)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    int version = -1;
    bool holds = false;
    CHECK(sqlite3_open(path, &db) == SQLITE_OK);
    CHECK(pl_db_read_version(db, &version) == SQLITE_OK, "%s", what);
    if (version >= 100 && version <= 102 &&
        sqlite3_prepare_v2(db, facts[version - 100], -1, &stmt, NULL) == SQLITE_OK)
        holds = sqlite3_step(stmt) == SQLITE_ROW && sqlite3_column_int(stmt, 0);
    (void)sqlite3_finalize(stmt);
    (void)sqlite3_close(db);
    CHECK(holds, "%s: version %d is not whole", what, version);
}

static void test_power(void)
{
    const char *old = support_path("old.db"), *path = support_path("cut.db");
    int finished = 0, versions[3] = {0};
    make_old(old);
    pl_db_add_migrations(later, 2);
    for (long at = 1; !finished && at < 2000; at++) {
        char what[40];
        int status = 0;
        (void)snprintf(what, sizeof what, "cut at %ld", at);
        copy(old, path);
        pid_t pid = fork();
        if (pid == 0) {
            struct pl_store *store = NULL;
            fault_install();
            fault_power(at, (uint64_t)at * 77);
            _exit(pl_store_open(path, PL_STORE_WRITE, &store, NULL) != PL_OK);
        }
        (void)waitpid(pid, &status, 0);
        finished = WIFEXITED(status) && WEXITSTATUS(status) == 0;
        CHECK(finished ||
                  (WIFEXITED(status) && WEXITSTATUS(status) == FAULT_POWER_EXIT),
              "%s: %d", what, status);
        check_between(path, what);
        versions[support_number(path, "PRAGMA user_version") % 100 % 3]++;
        if (at % 4 == 0 || finished)
            check_new(path, what);
    }
    CHECK(finished && versions[0] > 0, "%d, %d and %d", versions[0], versions[1],
          versions[2]);
}

/* Killed, not cut off from the disk: what was committed is there. */
static void test_killed(void)
{
    const char *old = support_path("old.db"), *path = support_path("killed.db");
    make_old(old);
    pl_db_add_migrations(later, 2);
    for (unsigned i = 0; i < 40; i++) {
        copy(old, path);
        pid_t pid = fork();
        if (pid == 0) {
            struct pl_store *store = NULL;
            (void)ualarm(200 + i * 150, 0);
            _exit(pl_store_open(path, PL_STORE_WRITE, &store, NULL) != PL_OK);
        }
        int status = 0;
        (void)waitpid(pid, &status, 0);
        check_between(path, "killed");
        check_new(path, "after a kill");
    }
}

/* Several at once bring it up, each step once. */
static void test_race(void)
{
    const char *old = support_path("old.db"), *path = support_path("race.db");
    make_old(old);
    pl_db_add_migrations(later, 2);
    for (int round = 0; round < 5; round++) {
        pid_t pids[6];
        copy(old, path);
        for (int i = 0; i < 6; i++) {
            pids[i] = fork();
            if (pids[i] == 0) {
                struct pl_error err = {0};
                struct pl_store *store = NULL;
                if (pl_store_open(path, PL_STORE_WRITE, &store, &err) == PL_OK)
                    _exit(0);
                fprintf(stderr, "%s\n", err.message);
                _exit(1);
            }
        }
        for (int i = 0; i < 6; i++) {
            int status = 0;
            (void)waitpid(pids[i], &status, 0);
            CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0, "one of six failed");
        }
        check_new(path, "after a race");
    }
}

/* A migration that fails changes nothing; older and newer programs. */
static void test_versions(void)
{
    static const char *const broken[] = {"CREATE TABLE half (x); SELECT nonsense"};
    const char *path = support_path("versions.db");
    struct pl_error err = {0};
    struct pl_store *store = NULL;
    struct pl_chunk_sink sink;
    make_old(path);
    pl_db_add_migrations(broken, 1);
    CHECK(pl_store_open(path, PL_STORE_WRITE, &store, &err) == PL_INPUT ||
          strstr(err.message, "migrate"));
    check_between(path, "a broken migration");
    pl_db_add_migrations(later, 2);
    CHECK(pl_store_open(path, PL_STORE_READ, &store, &err) == PL_INPUT &&
              strstr(err.message, "older format 1.00"),
          "%s", err.message);
    check_new(path, "versions");
    pl_db_add_migrations(NULL, 0); /* 1.00 meets 1.02: it reads */
    CHECK_OK(pl_store_open(path, PL_STORE_WRITE, &store, &err), err);
    CHECK(ask(store, "SELECT count(*) FROM sample") > 0);
    CHECK(pl_store_sink(store, &sink, &err) == PL_INPUT);
    CHECK(pl_db_begin_write(store, &err) == PL_INPUT && strstr(err.message, "newer"));
    pl_store_close(store);
    CHECK(support_number(path, "PRAGMA user_version") == 102);
}

TEST_MAIN({"power", test_power}, {"killed", test_killed}, {"race", test_race},
          {"versions", test_versions})
