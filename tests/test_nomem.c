/* Every allocation of a store's day fails once: ours by --wrap, SQLite's by
 * SQLITE_CONFIG_MALLOC; and so does every look at a file of it (stat). The step says so
 * and nothing else: no crash, no leak, no lock left, nothing half done, nothing lost of
 * what was put before; the same step succeeds when there is memory.
 *
 * Nor is there a row without its texts, or a store without a connection.
 *
 *   test_nomem            each of ours and each look, every 67th of SQLite's from
 *                         SEED on; under AddressSanitizer, which is slower, a third
 *                         of the allocations
 *   PROFLITE_SOAK=1 …     all */
#include "tests/fault_vfs.h"
#include "tests/store_day.h"
#include "tests/store_support.h"
#include "tests/test.h"

#include "store/db.h"
#include "store/query_spread.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>

#ifdef __SANITIZE_ADDRESS__
enum { STRIDE = 3 };
#else
enum { STRIDE = 1 };
#endif

/* ---- allocations ---- */

static struct {
    long at, seen; /* `at` fails; 0: none */
    long live;     /* not freed */
    bool hit;
} ours, sqlites, looks;
static bool for_ever; /* and all after it */

static bool fails(long at, long *seen, bool *hit)
{
    if (++*seen != at && !(for_ever && at && *seen > at))
        return false;
    *hit = true;
    return true;
}

void *__real_malloc(size_t len);
void *__real_calloc(size_t count, size_t len);
void *__real_realloc(void *old, size_t len);
char *__real_strdup(const char *text);
void __real_free(void *bytes);
char *__real_realpath(const char *path, char *out);
int __real_stat(const char *path, struct stat *out);
int __wrap_stat(const char *path, struct stat *out);
void *__wrap_malloc(size_t len);
void *__wrap_calloc(size_t count, size_t len);
void *__wrap_realloc(void *old, size_t len);
char *__wrap_strdup(const char *text);
void __wrap_free(void *bytes);
char *__wrap_realpath(const char *path, char *out);

static void *count_in(void *bytes)
{
    ours.live += bytes != NULL;
    return bytes;
}

void *__wrap_malloc(size_t len)
{
    return fails(ours.at, &ours.seen, &ours.hit) ? NULL : count_in(__real_malloc(len));
}
void *__wrap_calloc(size_t count, size_t len)
{
    return fails(ours.at, &ours.seen, &ours.hit) ? NULL
                                                 : count_in(__real_calloc(count, len));
}
void *__wrap_realloc(void *old, size_t len)
{
    if (fails(ours.at, &ours.seen, &ours.hit))
        return NULL;
    void *bytes = __real_realloc(old, len);
    ours.live += !old && bytes;
    return bytes;
}
char *__wrap_strdup(const char *text)
{
    return fails(ours.at, &ours.seen, &ours.hit) ? NULL : count_in(__real_strdup(text));
}
char *__wrap_realpath(const char *path, char *out)
{
    char *real = __real_realpath(path, out);
    return out ? real : count_in(real);
}
void __wrap_free(void *bytes)
{
    ours.live -= bytes != NULL;
    __real_free(bytes);
}

int __wrap_stat(const char *path, struct stat *out)
{
    if (!fails(looks.at, &looks.seen, &looks.hit))
        return __real_stat(path, out);
    errno = EACCES;
    return -1;
}

static sqlite3_mem_methods below;

static void *sqlite_malloc(int len)
{
    void *bytes =
        fails(sqlites.at, &sqlites.seen, &sqlites.hit) ? NULL : below.xMalloc(len);
    sqlites.live += bytes != NULL;
    return bytes;
}
static void sqlite_free(void *bytes)
{
    sqlites.live -= bytes != NULL;
    below.xFree(bytes);
}
static void *sqlite_realloc(void *old, int len)
{
    return fails(sqlites.at, &sqlites.seen, &sqlites.hit) ? NULL
                                                          : below.xRealloc(old, len);
}

static void setup(void) __attribute__((constructor));
static void setup(void)
{
    sqlite3_mem_methods own;
    if (sqlite3_config(SQLITE_CONFIG_GETMALLOC, &below) != SQLITE_OK)
        abort();
    own = below;
    own.xMalloc = sqlite_malloc;
    own.xRealloc = sqlite_realloc;
    own.xFree = sqlite_free;
    if (sqlite3_config(SQLITE_CONFIG_MALLOC, &own) != SQLITE_OK ||
        sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0) != SQLITE_OK)
        abort();
    fault_install();
}

/* ---- the day ---- */

static enum pl_status put_0(struct day *day, struct pl_error *err)
{
    return day_put(day, 0, err);
}
static enum pl_status put_1(struct day *day, struct pl_error *err)
{
    return day_put(day, 1, err);
}
static enum pl_status gc(struct day *day, struct pl_error *err)
{
    return day_gc(day, 1, err);
}
static enum pl_status timeline(struct day *day, struct pl_error *err)
{
    static const struct pl_selection all;
    struct pl_timeline line = {0};
    struct pl_session_list sessions = {0};
    struct pl_thread_list threads = {0};
    struct pl_code_times times = {0};
    struct pl_profile sliced = {0}, labelled = {0};
    enum pl_status status = pl_query_timeline(day->store, &all, 50, &line, err);
    if (status == PL_OK)
        status = pl_query_code_times(day->store, &all, 50, &times, err);
    if (status == PL_OK)
        status =
            pl_query_slices(day->store, &all, PL_METRIC_WALL, 8, 100, &sliced, err);
    if (status == PL_OK)
        status = pl_query_sessions(day->store, &all, &sessions, err);
    if (status == PL_OK)
        status = pl_query_threads(day->store, &all, &threads, err);
    if (status == PL_OK)
        status = pl_query_profile_labels(day->store, &all, PL_METRIC_WALL, "tenant",
                                         &labelled, err);
    pl_profile_deinit(&labelled);
    pl_timeline_deinit(&line);
    pl_code_times_deinit(&times);
    pl_profile_deinit(&sliced);
    pl_session_list_deinit(&sessions);
    pl_thread_list_deinit(&threads);
    return status;
}

static const struct step {
    const char *name;
    enum pl_status (*run)(struct day *day, struct pl_error *err);
    int parts; /* in the file after it; -1: not looked at */
} steps[] = {{"open", day_open, 0},   {"begin", day_begin, 0}, {"put 0", put_0, 1},
             {"put 1", put_1, 2},     {"pass", day_pass, 2},   {"query", day_query, 2},
             {"lists", timeline, 2},  {"end", day_end, 2},     {"gc", gc, -1},
             {"check", day_check, -1}};
enum { STEPS = sizeof steps / sizeof steps[0] };

static void clean(const char *path)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", "-lock"};
    for (size_t i = 0; i < 4; i++) {
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
    bool is_free = fd < 0 || flock(fd, LOCK_EX | LOCK_NB) == 0;
    if (fd >= 0)
        (void)close(fd);
    return is_free;
}

/* Parts in the file; nothing of this fails or is counted. */
static int64_t count_parts(const struct day *day)
{
    const long our_at = ours.at, sqlite_at = sqlites.at, look_at = looks.at;
    const long our_seen = ours.seen, sqlite_seen = sqlites.seen, seen = looks.seen;
    sqlite3_stmt *stmt = NULL;
    int64_t count = -1;
    ours.at = sqlites.at = looks.at = 0;
    if (sqlite3_prepare_v2(day->store->db, "SELECT count(*) FROM part", -1, &stmt,
                           NULL) == SQLITE_OK &&
        sqlite3_step(stmt) == SQLITE_ROW)
        count = sqlite3_column_int64(stmt, 0);
    (void)sqlite3_finalize(stmt);
    ours.at = our_at;
    sqlites.at = sqlite_at;
    looks.at = look_at;
    ours.seen = our_seen;
    sqlites.seen = sqlite_seen;
    looks.seen = seen;
    return count;
}

/* The n-th allocation of ours or of SQLite's, or the n-th look, fails; true: there was
 * one. */
static bool run_day(const char *path, long our_at, long sqlite_at, long look_at)
{
    struct day day = {.path = path};
    char what[64];
    bool hit = false;
    long our_live = ours.live, sqlite_live = sqlites.live;
    (void)snprintf(what, sizeof what, "%s %ld", look_at ? "look" : "allocation",
                   our_at + sqlite_at + look_at);
    ours.at = our_at;
    sqlites.at = sqlite_at;
    looks.at = look_at;
    ours.seen = sqlites.seen = looks.seen = 0;
    ours.hit = sqlites.hit = looks.hit = false;
    for (size_t i = 0; i < STEPS; i++) {
        struct pl_error err = {0};
        enum pl_status status = steps[i].run(&day, &err);
        hit = hit || ours.hit || sqlites.hit || looks.hit;
        CHECK(status == PL_OK || (hit && *err.message), "%s: %s: %s", what,
              steps[i].name, err.message);
        CHECK(lock_is_free(path), "%s: %s left the lock", what, steps[i].name);
        if (status != PL_OK) {
            CHECK(status == PL_NOMEM || status == PL_IO || status == PL_BUSY,
                  "%s: %s: %s", what, steps[i].name, err.message);
            status = steps[i].run(&day, &err); /* now there is memory */
            CHECK(status == PL_OK, "%s: %s again: %s", what, steps[i].name,
                  err.message);
        }
        if (status != PL_OK)
            break;
        if (steps[i].parts >= 0)
            CHECK(count_parts(&day) == steps[i].parts, "%s: %d parts after %s", what,
                  (int)count_parts(&day), steps[i].name);
    }
    CHECK(day.findings == 0, "%s: check found something", what);
    day_close(&day);
    CHECK((!our_at && !sqlite_at && !look_at) ||
              (our_live == ours.live && sqlite_live == sqlites.live),
          "%s: %ld and %ld leak", what, ours.live - our_live,
          sqlites.live - sqlite_live);
    ours.at = sqlites.at = looks.at = 0;
    clean(path);
    return hit;
}

static void test_each(void)
{
    const bool soak = getenv("PROFLITE_SOAK") != NULL;
    const long seed = test_seed(), stride = soak ? 1 : STRIDE;
    const long step = soak ? 1 : 67 * STRIDE;
    const char *path = support_path("nomem.db");
    long our_count = 0, sqlite_count = 0, look_count = 0;
    printf("SEED=%ld\n", seed);
    (void)fflush(stdout);
    (void)run_day(path, 0, 0, 0); /* what is kept for good is made here */
    for (long at = 1 + seed % stride; run_day(path, at, 0, 0); at += stride)
        test_progress(++our_count, "allocations of ours");
    for (long at = 1 + seed % step; run_day(path, 0, at, 0); at += step)
        test_progress(++sqlite_count, "allocations of SQLite's");
    for (long at = 1; run_day(path, 0, 0, at); at++)
        look_count++;
    CHECK(our_count > 100 && sqlite_count > 100 && look_count > 20, "%ld, %ld, %ld",
          our_count, sqlite_count, look_count);
    printf("%ld allocations of ours, %ld of SQLite's and %ld looks failed\n", our_count,
           sqlite_count, look_count);
}

static void fail_from(long at)
{
    sqlites.at = at;
    sqlites.seen = 0;
    sqlites.hit = false;
    for_ever = at != 0;
}

/* A row is there with its texts or not at all: of one longer than a page SQLite may
 * make a copy when it is asked for. */
static void test_texts(void)
{
    struct day day = {.path = support_path("texts.db")};
    struct pl_error err = {0};
    long wrong = 0, failed = 0;
    CHECK_OK(day_open(&day, &err), err);
    CHECK(sqlite3_exec(day.store->db,
                       "WITH t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t LIMIT 16) "
                       "INSERT INTO tag (id, key, value) "
                       "SELECT n, 'key', printf('%.*c', 5000 + n, 'v') FROM t",
                       NULL, NULL, NULL) == SQLITE_OK);
    for (int id = 1; id <= 16; id++) {
        bool hit = true;
        for (long at = 1; hit; at++) {
            struct pl_stmt *stmt = NULL;
            bool row = false;
            CHECK_OK(pl_stmt_get(day.store, PL_SQL_QUERY_TAG, &stmt, &err), err);
            pl_stmt_int(stmt, ":id", id);
            fail_from(at);
            enum pl_status status = pl_stmt_row(stmt, &row, &err);
            wrong += row && strlen(pl_stmt_column_text(stmt, 1)) != 5000 + (size_t)id;
            hit = sqlites.hit;
            fail_from(0);
            CHECK(status == PL_OK || (hit && status == PL_NOMEM), "%s",
                  pl_status_name(status));
            failed += status != PL_OK;
            pl_stmt_reset(stmt);
        }
    }
    CHECK(wrong == 0 && failed > 20, "%ld wrong texts, %ld failed", wrong, failed);
    day_close(&day);
}

/* The file goes, and there is no memory to open another: a put says so, and the next
 * with memory goes on. */
static void test_connect(void)
{
    const char *path = support_path("connect.db");
    bool hit = true;
    long failed = 0;
    for (long at = 1; hit; at += at < 30 ? 1 : 193) {
        struct day day = {.path = path};
        struct pl_error err = {0};
        long live = sqlites.live;
        CHECK_OK(day_open(&day, &err), err);
        CHECK_OK(day_begin(&day, &err), err);
        CHECK_OK(day_put(&day, 0, &err), err);
        CHECK(unlink(path) == 0);
        fail_from(at);
        CHECK(day_put(&day, 1, &err) != PL_OK); /* which is when it is seen */
        hit = sqlites.hit;
        failed += hit;
        fail_from(0);
        enum pl_status status = day_put(&day, 1, &err);
        if (status == PL_IO) /* of the file that went */
            status = day_put(&day, 1, &err);
        CHECK(status == PL_OK && count_parts(&day) > 0, "from allocation %ld: %s", at,
              err.message);
        CHECK(lock_is_free(path));
        day_close(&day);
        CHECK(at == 1 || live == sqlites.live, "from allocation %ld: %ld left", at,
              sqlites.live - live);
        clean(path);
    }
    CHECK(failed > 30, "%ld", failed);
}

TEST_MAIN({"each", test_each}, {"texts", test_texts}, {"connect", test_connect})
