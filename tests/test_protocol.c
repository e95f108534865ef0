/* The checkpoint protocol: nothing is written to database or log but under the lock
 * file's lock; while a checkpoint stands still in the middle, nobody commits, and
 * nothing is lost when it goes on (SQLite before 3.51.3 loses commits there without);
 * and a reader who keeps a snapshot lets the log grow only so far. */
#include "tests/fault_vfs.h"
#include "tests/store_day.h"
#include "tests/store_support.h"
#include "tests/test.h"

#include "store/db.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <time.h>

static char db_path[300], log_path[310], lock_path[310];
static long writes, unlocked;

static void set_paths(const char *name)
{
    (void)snprintf(db_path, sizeof db_path, "%s", support_path(name));
    (void)snprintf(log_path, sizeof log_path, "%s-wal", db_path);
    (void)snprintf(lock_path, sizeof lock_path, "%s-lock", db_path);
}

static bool lock_is_held(void)
{
    int fd = open(lock_path, O_RDWR | O_CLOEXEC);
    bool held = fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) != 0;
    if (fd >= 0)
        (void)close(fd);
    return held;
}

/* ---- every write is under the lock ---- */

static void assert_locked(const char *path)
{
    if (strcmp(path, db_path) != 0 && strcmp(path, log_path) != 0)
        return; /* a new store on its way, known to nobody */
    writes++;
    unlocked += !lock_is_held();
}

static void test_locked(void)
{
    struct day day = {.path = db_path};
    struct pl_error err = {0};
    set_paths("locked.db");
    fault_on_write(assert_locked);
    CHECK_OK(day_open(&day, &err), err);
    CHECK_OK(day_begin(&day, &err), err);
    for (int i = 0; i < 150; i++)
        CHECK_OK(day_put(&day, i, &err), err);
    CHECK_OK(day_pass(&day, &err), err);
    CHECK_OK(day_end(&day, &err), err);
    CHECK_OK(day_gc(&day, 30, &err), err);
    CHECK_OK(pl_store_checkpoint(day.store, &err), err);
    CHECK_OK(day_check(&day, &err), err);
    day_close(&day);
    fault_on_write(NULL);
    CHECK(writes > 1000 && unlocked == 0, "%ld writes, %ld without the lock", writes,
          unlocked);
    CHECK(!lock_is_held());
}

/* ---- a checkpoint that stands still ---- */

static int reached[2], go_on[2];

static void stand_still(const char *path)
{
    char byte = 1;
    if (strcmp(path, db_path) != 0)
        return;
    fault_on_write(NULL);
    if (write(reached[1], &byte, 1) != 1 || read(go_on[0], &byte, 1) != 1)
        _exit(9);
}

/* Puts part 1, then folds the log back and stops at the first page of the file. */
static _Noreturn void checkpoint_slowly(void)
{
    struct day day = {.path = db_path};
    struct pl_error err = {0};
    if (day_open(&day, &err) != PL_OK || day_put(&day, 1, &err) != PL_OK)
        _exit(1);
    fault_on_write(stand_still);
    if (pl_store_checkpoint(day.store, &err) != PL_OK)
        _exit(2);
    day_close(&day);
    _exit(0);
}

static _Noreturn void put_one(int seq)
{
    struct day day = {.path = db_path};
    struct pl_error err = {0};
    if (day_open(&day, &err) != PL_OK || day_put(&day, seq, &err) != PL_OK)
        _exit(1);
    day_close(&day);
    _exit(0);
}

static pid_t start(void (*run)(void), int seq)
{
    pid_t pid = fork();
    if (pid == 0 && run)
        run();
    if (pid == 0)
        put_one(seq);
    return pid;
}

static void check_child(pid_t pid)
{
    int status = -1;
    (void)waitpid(pid, &status, 0);
    CHECK(status == 0, "child says %x", status);
}

static long long count_parts(void)
{
    return support_number(db_path, "SELECT count(*) FROM part");
}

static void test_still(void)
{
    struct day day = {.path = db_path};
    struct pl_error err = {0};
    char byte = 1;
    set_paths("still.db");
    CHECK_OK(day_open(&day, &err), err);
    CHECK_OK(day_begin(&day, &err), err);
    CHECK_OK(day_put(&day, 0, &err), err);
    day_close(&day);
    CHECK(pipe(reached) == 0 && pipe(go_on) == 0);
    pid_t slow = start(checkpoint_slowly, 0);
    CHECK(read(reached[0], &byte, 1) == 1);
    CHECK(lock_is_held(), "the checkpointer holds the lock");
    pid_t writers[3];
    for (int i = 0; i < 3; i++)
        writers[i] = start(NULL, 2 + i);
    for (int i = 0; i < 30; i++) { /* reading goes on; commits wait */
        CHECK(count_parts() == 2, "somebody committed during a checkpoint");
        (void)nanosleep(&(struct timespec){0, 10000000}, NULL);
    }
    CHECK(write(go_on[1], &byte, 1) == 1);
    check_child(slow);
    for (int i = 0; i < 3; i++)
        check_child(writers[i]);
    CHECK(count_parts() == 5, "%lld parts", count_parts());
    CHECK_OK(day_open(&day, &err), err);
    CHECK_OK(day_check(&day, &err), err);
    CHECK(day.findings == 0);
    day_close(&day);
    for (int i = 0; i < 2; i++) {
        (void)close(reached[i]);
        (void)close(go_on[i]);
    }
}

/* A checkpointer killed where it stands: the lock goes with it, the log is whole. */
static void test_killed(void)
{
    struct day day = {.path = db_path};
    struct pl_error err = {0};
    char byte = 1;
    int status = 0;
    set_paths("killed.db");
    CHECK_OK(day_open(&day, &err), err);
    CHECK_OK(day_begin(&day, &err), err);
    day_close(&day);
    CHECK(pipe(reached) == 0 && pipe(go_on) == 0);
    pid_t slow = start(checkpoint_slowly, 0);
    CHECK(read(reached[0], &byte, 1) == 1 && kill(slow, SIGKILL) == 0);
    CHECK(waitpid(slow, &status, 0) == slow && WIFSIGNALED(status));
    CHECK(!lock_is_held());
    check_child(start(NULL, 2));
    CHECK(count_parts() == 2, "%lld parts", count_parts());
}

/* ---- a log held back ---- */

enum { SATURATING = 4 };

enum { WAIT, GO, STOP };

static _Noreturn void saturate(int writer, const _Atomic int *state)
{
    struct day day = {.path = db_path};
    struct pl_error err = {0};
    while (*state == WAIT)
        (void)nanosleep(&(struct timespec){0, 1000000}, NULL);
    if (day_open(&day, &err) != PL_OK)
        _exit(1);
    for (int seq = writer; *state == GO; seq += SATURATING) {
        enum pl_status status = PL_BUSY; /* the others may get all the turns */
        while (status == PL_BUSY && *state == GO)
            status = day_put(&day, seq, &err);
        if (status != PL_OK && status != PL_BUSY)
            _exit(2);
    }
    pl_store_close(day.store);
    _exit(0);
}

static void test_held_back(void)
{
    const int seconds = getenv("PROFLITE_SOAK") ? 60 : 4;
    struct day day = {.path = db_path};
    struct pl_store *reader = NULL;
    struct pl_error err = {0};
    struct stat file;
    uint64_t generation;
    off_t most = 0;
    pid_t writers[SATURATING];
    _Atomic int *state = mmap(NULL, sizeof *state, PROT_READ | PROT_WRITE,
                              MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(state != MAP_FAILED);
    set_paths("held.db");
    for (int i = 0; i < SATURATING; i++) { /* no handle goes over a fork */
        writers[i] = fork();
        if (writers[i] == 0)
            saturate(i, state);
    }
    CHECK_OK(day_open(&day, &err), err);
    CHECK_OK(day_begin(&day, &err), err);
    CHECK_OK(pl_store_open(db_path, PL_STORE_READ, &reader, &err), err);
    CHECK_OK(pl_db_begin_read(reader, &err), err);
    CHECK_OK(pl_store_generation(reader, &generation, &err), err);
    *state = GO;
    for (int i = 0; i < seconds * 50; i++) {
        (void)nanosleep(&(struct timespec){0, 20000000}, NULL);
        if (stat(log_path, &file) == 0 && file.st_size > most)
            most = file.st_size;
    }
    pl_db_end_read(reader);
    *state = STOP;
    for (int i = 0; i < SATURATING; i++)
        check_child(writers[i]);
    CHECK(most <= 64 << 20, "the log reached %lld", (long long)most);
    CHECK_OK(pl_store_checkpoint(day.store, &err), err);
    CHECK(stat(log_path, &file) == 0 && file.st_size == 0, "then %lld",
          (long long)file.st_size);
    printf("%d writers without a pause, a reader of %d s: %lld parts, log %.1f MiB\n",
           SATURATING, seconds, count_parts(), (double)most / 1048576);
    pl_store_close(reader);
    day_close(&day);
}

static void setup(void) __attribute__((constructor));
static void setup(void)
{
    fault_install();
}

TEST_MAIN({"locked", test_locked}, {"still", test_still}, {"killed", test_killed},
          {"held_back", test_held_back})
