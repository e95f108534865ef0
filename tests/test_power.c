/* The power goes at any operation of a store being made, written, processed, collected
 * and checkpointed, and the disk keeps, drops or tears what was not synced: the file is
 * always sound. What was committed before the last checkpoint is there, and with
 * pl_store_make_durable all that was acknowledged; nothing is there that a later
 * commit needs and an earlier lost.
 *
 *   test_power            300 cuts
 *   PROFLITE_SOAK=1 …     20,000 */
#include "tests/fault_vfs.h"
#include "tests/store_day.h"
#include "tests/store_support.h"
#include "tests/test.h"

#include "store/db.h"

#include <fcntl.h>
#include <sys/mman.h>

#ifdef __SANITIZE_ADDRESS__ /* several times slower; the release run counts */
enum { CUTS = 60 };
#else
enum { CUTS = 300 };
#endif
enum { CUTS_SOAK = 20000, OLD_PARTS = 6, PARTS = 12 };

/* What the child knew when the power went; shared memory, which outlives it. */
struct ledger {
    int put, outcomes; /* acknowledged */
    int put_synced, outcomes_synced;
    bool opened;
    long operations;
};
static struct ledger *ledger;

/* ---- names change on the watched disk, too (--wrap) ---- */

int __real_renameat2(int from_at, const char *from, int to_at, const char *to,
                     unsigned flags);
int __wrap_renameat2(int from_at, const char *from, int to_at, const char *to,
                     unsigned flags);
int __wrap_renameat2(int from_at, const char *from, int to_at, const char *to,
                     unsigned flags)
{
    (void)fault_strikes(FAULT_SYSTEM);
    int rc = __real_renameat2(from_at, from, to_at, to, flags);
    if (rc == 0)
        fault_power_renamed(from, to);
    return rc;
}

int __wrap_fsync(int fd);
int __wrap_fsync(int fd) /* of the folder: the store syncs no file by itself */
{
    (void)fd;
    (void)fault_strikes(FAULT_SYSTEM);
    fault_power_folder_synced();
    return 0;
}

/* ---- the child ---- */

static void must(enum pl_status status, const struct pl_error *err)
{
    if (status == PL_OK)
        return;
    fprintf(stderr, "%s\n", err->message);
    _exit(1);
}

static void note_synced(bool all)
{
    if (!all)
        return;
    ledger->put_synced = ledger->put;
    ledger->outcomes_synced = ledger->outcomes;
}

static _Noreturn void live(const char *path, long at, uint64_t seed, bool durable)
{
    struct day day = {.path = path};
    struct pl_error err = {0};
    fault_power(at, seed);
    must(day_open(&day, &err), &err);
    ledger->opened = true;
    if (durable)
        must(pl_store_make_durable(day.store, &err), &err);
    must(day_begin(&day, &err), &err);
    for (int i = 0; i < PARTS; i++) {
        must(day_put(&day, OLD_PARTS + i, &err), &err);
        ledger->put++;
        note_synced(durable);
        if (i % 4 == 2) {
            must(day_pass(&day, &err), &err);
            ledger->outcomes = ledger->put;
            note_synced(durable);
        }
        if (i % 4 == 3) {
            must(pl_store_checkpoint(day.store, &err), &err);
            note_synced(true);
        }
        if (i == 5)
            must(day_gc(&day, OLD_PARTS, &err), &err);
    }
    must(day_end(&day, &err), &err);
    day_close(&day);
    note_synced(true);
    (void)fault_strikes(FAULT_SYSTEM);
    ledger->operations = fault_end();
    _exit(0);
}

/* ---- what is left ---- */

static void copy_file(const char *from, const char *to)
{
    static char bytes[1 << 22];
    int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    ssize_t len = in < 0 ? -1 : read(in, bytes, sizeof bytes);
    if (len < 0 || out < 0 || write(out, bytes, (size_t)len) != len)
        abort();
    (void)close(in);
    (void)close(out);
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

/* A machine that was off has no shared memory; sometimes the file is there, of any
 * content. */
static void lose_shared_memory(const char *path, uint64_t seed)
{
    char name[300];
    (void)snprintf(name, sizeof name, "%s-shm", path);
    if (seed % 3 == 0) {
        (void)unlink(name);
    } else if (seed % 3 == 1) {
        char junk[32768];
        memset(junk, (int)(seed & 255), sizeof junk);
        int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        if (fd < 0 || write(fd, junk, sizeof junk) != (ssize_t)sizeof junk)
            abort();
        (void)close(fd);
    }
}

static long long number(struct pl_store *store, const char *sql)
{
    sqlite3_stmt *stmt = NULL;
    long long value = -1;
    if (sqlite3_prepare_v2(store->db, sql, -1, &stmt, NULL) == SQLITE_OK &&
        sqlite3_step(stmt) == SQLITE_ROW)
        value = sqlite3_column_int64(stmt, 0);
    (void)sqlite3_finalize(stmt);
    return value;
}

static void check_left(const char *path, bool durable, const char *what)
{
    struct day day = {.path = path};
    struct pl_error err = {0};
    /* writing, at once: what came back is a store like any other */
    enum pl_status status = day_open(&day, &err);
    CHECK(status == PL_OK, "%s: %s", what, err.message);
    if (status != PL_OK)
        return;
    CHECK_OK(day_check(&day, &err), err);
    CHECK(day.findings == 0, "%s: damaged", what);
    long long parts =
        number(day.store, "SELECT count(*) FROM chunk WHERE uuid >= '020006'");
    long long last = number(day.store, "SELECT coalesce(max(id), 0) FROM chunk");
    long long first = number(day.store, "SELECT coalesce(min(id), 1) FROM chunk"
                                        " WHERE uuid >= '020006'");
    long long outcomes =
        number(day.store, "SELECT count(*) FROM outcome WHERE chunk_uuid >= '020006'");
    CHECK(parts >= ledger->put_synced && parts <= ledger->put + 1,
          "%s: %lld parts; %d put, %d of them synced%s", what, parts, ledger->put,
          ledger->put_synced, durable ? ", durable" : "");
    CHECK(outcomes >= ledger->outcomes_synced && outcomes <= ledger->put + 1,
          "%s: %lld outcomes of %d", what, outcomes, ledger->outcomes_synced);
    CHECK(!parts || last - first + 1 == parts, "%s: one in the middle is missing",
          what);
    CHECK_OK(day_begin(&day, &err), err);
    CHECK_OK(day_put(&day, OLD_PARTS + PARTS + 1, &err), err);
    day_close(&day);
}

/* ---- cuts ---- */

static long cut(const char *from, const char *path, long at, uint64_t seed,
                bool durable)
{
    char what[80];
    clean(path);
    if (from)
        copy_file(from, path);
    memset(ledger, 0, sizeof *ledger);
    pid_t pid = fork();
    if (pid == 0)
        live(path, at, seed, durable);
    int status = -1;
    (void)waitpid(pid, &status, 0);
    (void)snprintf(what, sizeof what, "%s, cut at %ld, seed %llu",
                   from ? "store" : "new store", at, (unsigned long long)seed);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == (at ? FAULT_POWER_EXIT : 0),
          "%s: child says %d", what, status);
    lose_shared_memory(path, seed);
    if (access(path, F_OK) == 0)
        check_left(path, durable, what);
    else
        CHECK(!from && !ledger->put_synced, "%s: the file is gone", what);
    return ledger->operations;
}

/* A store with parts of old that gc may take. */
static void make_old(const char *path)
{
    struct day day = {.path = path};
    struct pl_error err = {0};
    CHECK_OK(day_open(&day, &err), err);
    CHECK_OK(day_begin(&day, &err), err);
    for (int i = 0; i < OLD_PARTS; i++)
        CHECK_OK(day_put(&day, i, &err), err);
    CHECK_OK(day_pass(&day, &err), err);
    CHECK_OK(day_end(&day, &err), err);
    day_close(&day);
}

static void test_cuts(void)
{
    const long cuts = getenv("PROFLITE_SOAK") ? CUTS_SOAK : CUTS;
    const char *old = support_path("old.db"), *path = support_path("power.db");
    uint64_t dice = 42;
    ledger = mmap(NULL, sizeof *ledger, PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(ledger != MAP_FAILED);
    make_old(old);
    long lost[2] = {0};
    for (int k = 0; k < 4; k++) { /* with and without a store there, durable or not */
        bool durable = k & 1;
        const char *from = k & 2 ? old : NULL;
        long operations = cut(from, path, 0, 1, durable);
        CHECK(operations > 400, "%ld operations", operations);
        for (long i = 0; i < cuts / 4; i++) {
            dice = dice * UINT64_C(6364136223846793005) + 1442695040888963407;
            long at = 1 + (long)((dice >> 20) % (uint64_t)operations);
            if (!from && i % 2)
                at = 1 + at % 220; /* while it is made */
            (void)cut(from, path, at, dice >> 40, durable);
            lost[durable] += ledger->put - ledger->put_synced;
            test_progress(k * (cuts / 4) + i + 1, "power cuts");
        }
    }
    clean(path);
    CHECK(lost[0] > 0 && lost[1] == 0);
    printf("%ld power cuts; at stake since the last checkpoint: %.1f parts a "
           "cut, durable %.1f\n",
           cuts / 4 * 4, (double)lost[0] / (double)(cuts / 2),
           (double)lost[1] / (double)(cuts / 2));
}

static void setup(void) __attribute__((constructor));
static void setup(void)
{
    fault_install();
}

TEST_MAIN({"cuts", test_cuts})
