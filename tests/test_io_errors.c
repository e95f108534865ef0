/* Every operation on the disk fails in turn, once or from then on, through opening,
 * creation, put, pass, retention, check, query and close. A step that failed says so
 * and has no effect; what was acknowledged stays; when the disk works again the same
 * steps succeed on the same handle, and the file is sound.
 *
 *   test_io_errors            each operation in one way; under AddressSanitizer, which
 *                             is several times slower, every fourth from SEED on
 *   PROFLITE_SOAK=1 …         all of them with every error */
#include "tests/fault_vfs.h"
#include "tests/store_day.h"
#include "tests/store_support.h"
#include "tests/test.h"

#include "store/db.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>

#ifdef __SANITIZE_ADDRESS__
enum { STRIDE = 4 };
#else
enum { STRIDE = 1 };
#endif

static const int errors[] = {EIO, ENOSPC, EFBIG, EROFS};

/* ---- calls the store makes beside SQLite (--wrap) ---- */

#define WRAP(type, failed, name, parameters, arguments)                                \
    type __real_##name parameters;                                                     \
    type __wrap_##name parameters;                                                     \
    type __wrap_##name parameters                                                      \
    {                                                                                  \
        return fault_strikes(FAULT_SYSTEM) ? failed : __real_##name arguments;         \
    }

int __real_flock(int fd, int operation);
int __wrap_flock(int fd, int operation);
int __wrap_flock(int fd, int operation) /* letting go does not fail */
{
    bool fails = operation != LOCK_UN && fault_strikes(FAULT_SYSTEM);
    return fails ? -1 : __real_flock(fd, operation);
}

WRAP(int, -1, mkdir, (const char *path, mode_t mode), (path, mode))
WRAP(int, -1, mkostemp, (char *name, int flags), (name, flags))
WRAP(int, -1, renameat2,
     (int from_at, const char *from, int to_at, const char *to, unsigned flags),
     (from_at, from, to_at, to, flags))
WRAP(int, -1, fsync, (int fd), (fd))
WRAP(char *, NULL, realpath, (const char *path, char *out), (path, out))

/* ---- steps ---- */

static enum pl_status step_put_0(struct day *day, struct pl_error *err)
{
    return day_put(day, 0, err);
}
static enum pl_status step_put_1(struct day *day, struct pl_error *err)
{
    return day_put(day, 1, err);
}
static enum pl_status step_put_2(struct day *day, struct pl_error *err)
{
    return day_put(day, 2, err);
}
static enum pl_status step_gc(struct day *day, struct pl_error *err)
{
    return day_gc(day, 2, err); /* parts 0 and 1 */
}
static enum pl_status step_checkpoint(struct day *day, struct pl_error *err)
{
    return pl_store_checkpoint(day->store, err);
}

/* `fact` is 1 once it is done, 0 until then; NULL: nothing to see of it. */
static const struct step {
    const char *name;
    enum pl_status (*run)(struct day *day, struct pl_error *err);
    const char *fact;
} steps[] = {
    {"open", day_open, NULL},
    {"begin", day_begin, "SELECT count(*) FROM session"},
    {"put 0", step_put_0, "SELECT count(*) FROM chunk WHERE uuid LIKE '020000%'"},
    {"put 1", step_put_1, "SELECT count(*) FROM chunk WHERE uuid LIKE '020001%'"},
    {"checkpoint", step_checkpoint, NULL},
    {"pass", day_pass, NULL},
    {"put 2", step_put_2, "SELECT count(*) FROM chunk WHERE uuid LIKE '020002%'"},
    {"query", day_query, NULL},
    {"end", day_end, "SELECT count(*) FROM session WHERE state = 'ended'"},
    {"gc", step_gc, NULL},
    {"check", day_check, NULL},
};
enum { STEPS = sizeof steps / sizeof steps[0] };

/* By the real VFS; -1: it cannot be read. */
static long long look(const char *path, const char *sql)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    long long value = -1;
    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, "unix") == SQLITE_OK &&
        sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK &&
        sqlite3_step(stmt) == SQLITE_ROW)
        value = sqlite3_column_int64(stmt, 0);
    (void)sqlite3_finalize(stmt);
    (void)sqlite3_close(db);
    return value;
}

static bool is_sound(const char *path)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    bool sound =
        sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, "unix") == SQLITE_OK &&
        sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &stmt, NULL) ==
            SQLITE_OK &&
        sqlite3_step(stmt) == SQLITE_ROW &&
        strcmp((const char *)sqlite3_column_text(stmt, 0), "ok") == 0;
    (void)sqlite3_finalize(stmt);
    (void)sqlite3_close(db);
    return sound;
}

/* What a failing creation left in the folder, but for the lock file. */
static int left_behind(const char *path)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", "-journal"};
    int left = 0;
    for (size_t i = 0; i < 4; i++) {
        char name[300];
        (void)snprintf(name, sizeof name, "%s%s", path, suffixes[i]);
        left += access(name, F_OK) == 0;
    }
    return left;
}

static void clean(const char *path)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", "-journal", "-lock"};
    for (size_t i = 0; i < 5; i++) {
        char name[300];
        (void)snprintf(name, sizeof name, "%s%s", path, suffixes[i]);
        (void)unlink(name);
    }
}

static bool lock_is_free(const char *path)
{
    char name[300];
    (void)snprintf(name, sizeof name, "%s-lock", path);
    int fd = open(name, O_RDWR);
    bool is_free = fd < 0 || __real_flock(fd, LOCK_EX | LOCK_NB) == 0;
    if (fd >= 0)
        (void)close(fd);
    return is_free;
}

/* ---- one day with one fault ---- */

struct outcome {
    long operations;
    int failed_steps;
};

static struct outcome run_day(const char *path, struct fault_plan plan)
{
    struct day day = {.path = path};
    struct outcome outcome = {0};
    bool done[STEPS] = {0};
    char what[80];
    (void)snprintf(what, sizeof what, "operation %ld%s, %s", plan.at,
                   plan.for_ever ? " and on" : "", strerrorname_np(plan.error));
    fault_begin(plan);
    for (size_t i = 0; i < STEPS; i++) {
        struct pl_error err = {0};
        if (i && !day.store)
            continue;
        enum pl_status status = steps[i].run(&day, &err);
        done[i] = status == PL_OK;
        outcome.failed_steps += !done[i];
        CHECK(done[i] || (*err.message && !strchr(err.message, '\n')), "%s: %s: %d",
              what, steps[i].name, status);
        if (steps[i].fact && day.store) {
            long long fact = look(path, steps[i].fact);
            CHECK(fact == done[i], "%s: %s said %s, seen is %lld (%s)", what,
                  steps[i].name, done[i] ? "done" : err.message, fact,
                  fault_name(fault_last()));
        }
        if (i == 0 && !done[0] && !day.store)
            CHECK(left_behind(path) == 0 ||
                      look(path, "SELECT count(*) FROM session") == 0,
                  "%s: half a store was left", what);
    }
    outcome.operations = fault_end();
    CHECK(lock_is_free(path), "%s: the lock is held", what);
    day.findings = 0;                    /* a page that cannot be read is one */
    for (size_t i = 0; i < STEPS; i++) { /* the disk works again */
        struct pl_error err = {0};
        enum pl_status status = steps[i].run(&day, &err);
        CHECK(status == PL_OK, "%s: %s again: %s (was %s)", what, steps[i].name,
              err.message, fault_name(fault_last()));
    }
    CHECK(day.findings == 0, "%s: check found something", what);
    day_close(&day);
    CHECK(is_sound(path), "%s: the file is damaged", what);
    CHECK(look(path, "SELECT count(*) FROM chunk") == 1 &&
              look(path, "SELECT count(*) FROM outcome") >= 2 &&
              look(path, "SELECT count(*) FROM session WHERE state = 'ended'") == 1,
          "%s: something is missing: %lld chunks, %lld outcomes, %lld ended", what,
          look(path, "SELECT count(*) FROM chunk"),
          look(path, "SELECT count(*) FROM outcome"),
          look(path, "SELECT count(*) FROM session WHERE state = 'ended'"));
    clean(path);
    return outcome;
}

static void test_each_operation(void)
{
    const bool soak = getenv("PROFLITE_SOAK") != NULL;
    const char *path = support_path("day.db");
    const long stride = soak ? 1 : STRIDE, seed = test_seed();
    printf("SEED=%ld\n", seed);
    (void)fflush(stdout);
    long operations = run_day(path, (struct fault_plan){.error = EIO}).operations;
    long runs = 0, struck = 0;
    CHECK(operations > 200, "%ld operations", operations);
    for (int op = 0; op < FAULT_OP_COUNT; op++)
        CHECK(fault_count(op) > 0 || op == FAULT_HINT, "no %s was tried",
              fault_name(op));
    for (long at = 1 + seed % stride; at <= operations; at += stride)
        for (size_t e = 0; e < 4; e++)
            for (int for_ever = 0; for_ever < 2; for_ever++) {
                size_t nth = (size_t)(at / stride);
                bool sampled = (nth + e) % 4 == 0 && nth / 4 % 2 == (size_t)for_ever;
                if (!soak && !sampled)
                    continue;
                struct outcome outcome =
                    run_day(path, (struct fault_plan){at, for_ever, errors[e]});
                test_progress(++runs, "days with a fault");
                struck += outcome.failed_steps > 0;
            }
    CHECK(struck > runs / 3, "%ld of %ld", struck, runs);
    printf("%ld operations, %ld days with a fault, %ld of them failed a step\n",
           operations, runs, struck);
}

static void setup(void) __attribute__((constructor));
static void setup(void)
{
    fault_install();
}

TEST_MAIN({"each_operation", test_each_operation})
