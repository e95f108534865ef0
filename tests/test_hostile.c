/* Hostile files: a store mutated in its bytes, pages, log or values, seed by seed, is
 * opened, queried, checked, written to and collected. Whatever that answers, nothing
 * crashes and nothing takes 5 s.
 *
 *   test_hostile                  2,000 mutants: 600 of them under AddressSanitizer,
 * the others in the build without PROFLITE_SOAK=1 …             100,000 SEED=n
 * test_hostile           that one alone, in this process */
#include "tests/fault_vfs.h"
#include "tests/store_day.h"
#include "tests/store_support.h"
#include "tests/test.h"

#include "store/db.h"
#include "store/query_spread.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/time.h>

#ifdef __SANITIZE_ADDRESS__
enum { FIRST = 1, MUTANTS = 600 };
#else
enum { FIRST = 601, MUTANTS = 1400 };
#endif
enum { MUTANTS_SOAK = 100000, BATCH = 25, LIMIT_S = 5 };
enum { PAGE = 4096, MOST = 4 << 20 };

static unsigned char whole[MOST], log_bytes[MOST], mutant[MOST];
static size_t whole_len, log_len;
static uint64_t dice;

static uint32_t roll(uint32_t below)
{
    dice = dice * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(((dice >> 33) * below) >> 31);
}

static size_t read_file(const char *path, unsigned char *bytes)
{
    int fd = open(path, O_RDONLY);
    ssize_t len = fd < 0 ? 0 : read(fd, bytes, MOST);
    if (fd >= 0)
        (void)close(fd);
    return len < 0 ? 0 : (size_t)len;
}

static void write_file(const char *path, const unsigned char *bytes, size_t len)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || write(fd, bytes, len) != (ssize_t)len)
        abort();
    (void)close(fd);
}

/* ---- mutations ---- */

/* Of a page's first bytes: its kind, cell count, cell offsets. */
static void spoil_page_head(unsigned char *bytes, size_t len)
{
    size_t page = roll((uint32_t)(len / PAGE)), at = page * PAGE + (page ? 0 : 100);
    for (uint32_t n = 1 + roll(4); n; n--)
        bytes[at + roll(24)] = (unsigned char)roll(256);
}

/* "SQLite format 3", page size and what names the file as ours stay. */
static void spoil_file_head(unsigned char *bytes)
{
    for (uint32_t n = 1 + roll(4); n; n--) {
        uint32_t at = 18 + roll(82);
        if (at < 60 || at >= 72)
            bytes[at] = (unsigned char)(roll(2) ? roll(256) : roll(2) * 255);
    }
}

static size_t mutate_bytes(unsigned char *bytes, size_t len)
{
    size_t pages = len / PAGE;
    switch (roll(6)) {
    case 0:
        for (uint32_t n = 1 + roll(8); n; n--)
            bytes[100 + roll((uint32_t)len - 100)] ^= (unsigned char)(1u << roll(8));
        return len;
    case 1: {
        size_t run = 8 + roll(1024), at = 100 + roll((uint32_t)(len - run - 100));
        for (size_t i = 0; i < run; i++)
            bytes[at + i] = (unsigned char)roll(256);
        return len;
    }
    case 2:
        memcpy(bytes + PAGE * (1 + roll((uint32_t)pages - 1)),
               bytes + PAGE * (1 + roll((uint32_t)pages - 1)), PAGE);
        return len;
    case 3:
        for (uint32_t n = 1 + roll(3); n; n--)
            spoil_page_head(bytes, len);
        return len;
    case 4:
        spoil_file_head(bytes);
        return len;
    default:
        return PAGE * (2 + roll((uint32_t)pages - 2));
    }
}

static const char *const columns[] = {
    "session.start_ns",
    "session.end_ns",
    "session.app",
    "thread.session_id",
    "thread.tid",
    "thread.name",
    "chunk.session_id",
    "chunk.start_ns",
    "chunk.end_ns",
    "chunk.finished",
    "part.chunk_id",
    "part.session_id",
    "part.start_ns",
    "part.end_ns",
    "part.period_ns",
    "part.origin_ns",
    "part.unit_ns",
    "part.tick_width",
    "part.tick_count",
    "part.ticks",
    "slot.part_id",
    "slot.thread_id",
    "slot.n",
    "slot.n_on",
    "slot.cpu_known",
    "slot.cpu_ns",
    "slot.weight",
    "slot.nruns",
    "slot.runs",
    "slot.ticks",
    "slot.weights",
    "slot.weight_unit",
    "stack.parent",
    "stack.keep",
    "stack.frames",
    "frame_raw.module_id",
    "frame_raw.address",
    "frame_raw.function_id",
    "function.module_id",
    "function.name",
    "frame_name.function_id",
    "frame_name.depth",
    "frame_name.trim",
    "module.path",
    "module.name",
    "loss.count",
    "loss.part_id",
    "label_span.n",
    "label_span.first_tick",
    "label_span.tag_id",
    "rollup.stacks",
    "rollup.counts",
    "rollup.wall",
    "rollup.n",
    "dict_epoch.first_stack_id",
    "meta.value",
    "stack.id",
    "slot.id",
    "part.id",
};

/* A value as SQL, of any kind: STRICT tables refuse the wrong ones. */
static void roll_value(char *out, size_t room)
{
    static const char *const numbers[] = {"0",
                                          "-1",
                                          "1",
                                          "9223372036854775807",
                                          "-9223372036854775808",
                                          "2147483648",
                                          "4294967295",
                                          "1000000000",
                                          "999999999",
                                          "1e300",
                                          "''",
                                          "x''",
                                          "NULL"};
    const uint32_t count = sizeof numbers / sizeof numbers[0];
    uint32_t kind = roll(count + 3);
    if (kind < count) {
        (void)snprintf(out, room, "%s", numbers[kind]);
    } else if (kind == count) {
        (void)snprintf(out, room, "zeroblob(%u)", roll(3000000));
    } else {
        static const char nibbles[] = "0123456789ABCDEFAAAAAAAC";
        size_t len = 2 * (1 + roll(200)), at = 2;
        (void)snprintf(out, room, "x'");
        for (; at < len + 2; at++)
            out[at] = nibbles[roll(sizeof nibbles - 1)];
        (void)snprintf(out + at, room - at, "'");
    }
}

static void mutate_values(const char *path)
{
    sqlite3 *db = NULL;
    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK)
        abort();
    (void)sqlite3_exec(db, "PRAGMA synchronous = OFF", NULL, NULL, NULL);
    for (uint32_t n = 1 + roll(4), done = 0; done < n;) {
        char table[40], value[600], sql[1400];
        const char *column = columns[roll(sizeof columns / sizeof columns[0])];
        const char *dot = strchr(column, '.');
        (void)snprintf(table, sizeof table, "%.*s", (int)(dot - column), column);
        roll_value(value, sizeof value);
        bool keyed = strcmp(table, "meta") == 0 || strcmp(table, "frame_name") == 0;
        (void)snprintf(
            sql, sizeof sql, "UPDATE OR IGNORE %s SET %s = %s %s", table, dot + 1,
            value, keyed || roll(4) == 0 ? "" : "WHERE rowid % 7 = abs(random()) % 7");
        int before = sqlite3_total_changes(db);
        (void)sqlite3_exec(db, sql, NULL, NULL, NULL);
        done += sqlite3_total_changes(db) > before || roll(8) == 0;
    }
    (void)sqlite3_close(db);
}

/* 4 of 8 mutate the file, 3 its values, 1 the log of a store that was not closed. */
static void make_mutant(const char *path, uint64_t seed)
{
    char log_path[300], index_path[300];
    (void)snprintf(log_path, sizeof log_path, "%s-wal", path);
    (void)snprintf(index_path, sizeof index_path, "%s-shm", path);
    (void)unlink(log_path);
    (void)unlink(index_path);
    dice = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    uint32_t kind = roll(8);
    memcpy(mutant, whole, whole_len);
    size_t len = kind < 4 ? mutate_bytes(mutant, whole_len) : whole_len;
    write_file(path, mutant, len);
    if (kind >= 4 && kind < 7)
        mutate_values(path);
    if (kind == 7) {
        memcpy(mutant, log_bytes, log_len);
        for (uint32_t n = 1 + roll(4); n; n--)
            mutant[roll(4) ? roll((uint32_t)log_len) : roll(64)] =
                (unsigned char)roll(256);
        write_file(log_path, mutant, roll(8) ? log_len : roll((uint32_t)log_len));
    }
}

/* ---- what is asked of it ---- */

static void quiet(void *self, const char *kind, const char *message)
{
    (void)self;
    (void)kind;
    (void)message;
}

static void ask(struct pl_store *store)
{
    static const int64_t first_thread = 1;
    static const struct pl_selection selections[] = {
        {0},
        {.from_ns = DAY_NS + 1, .to_ns = DAY_NS + 90 * PL_NS_PER_S},
        {.function = "outer"},
        {.threads = &first_thread, .thread_count = 1}};
    const struct pl_check_visitor visitor = {NULL, quiet};
    struct pl_check_result found;
    struct pl_error err;
    for (size_t i = 0; i < sizeof selections / sizeof selections[0]; i++)
        for (int metric = 0; metric < 2; metric++) {
            struct pl_profile profile = {0};
            (void)!pl_query_profile(store, &selections[i], (enum pl_metric)metric,
                                    &profile, &err);
            pl_profile_deinit(&profile);
        }
    struct pl_session_list sessions = {0};
    struct pl_thread_list threads = {0};
    struct pl_timeline timeline = {0};
    struct pl_code_times times = {0};
    struct pl_profile sliced = {0};
    (void)!pl_query_sessions(store, &selections[0], &sessions, &err);
    (void)!pl_query_threads(store, &selections[0], &threads, &err);
    (void)!pl_query_timeline(store, &selections[0], 50, &timeline, &err);
    (void)!pl_query_code_times(store, &selections[0], 50, &times, &err);
    (void)!pl_query_slices(store, &selections[0], PL_METRIC_CPU, 8, 100, &sliced, &err);
    (void)!pl_store_check(store, &visitor, &found, &err);
    pl_session_list_deinit(&sessions);
    pl_thread_list_deinit(&threads);
    pl_timeline_deinit(&timeline);
    pl_code_times_deinit(&times);
    pl_profile_deinit(&sliced);
}

static bool use(const char *path, bool twice)
{
    struct day day = {.path = path};
    struct pl_error err;
    struct pl_store *store = NULL;
    bool opened = pl_store_open(path, PL_STORE_READ, &store, &err) == PL_OK;
    if (opened)
        ask(store);
    pl_store_close(store);
    if (day_open(&day, &err) == PL_OK) {
        (void)!day_put(&day, 3, &err);
        (void)!day_pass(&day, &err);
        (void)!day_gc(&day, 2, &err);
        (void)!pl_store_checkpoint(day.store, &err);
        if (twice)
            ask(day.store);
    }
    day_close(&day);
    return opened;
}

/* ---- batches, each in a process of its own ---- */

static void set_alarm(int seconds)
{
    const struct itimerval limit = {.it_value.tv_sec = seconds};
    (void)setitimer(ITIMER_VIRTUAL, &limit, NULL); /* of this process's own time */
}

/* Exit: 0, or 128 + how many were opened; `*at` says which one it is at. */
static _Noreturn void run_batch(const char *path, uint64_t first, uint64_t *at,
                                long *opened)
{
    (void)freopen("/dev/null", "w", stderr);
    for (uint64_t seed = first; seed < first + BATCH; seed++) {
        *at = seed;
        set_alarm(LIMIT_S);
        make_mutant(path, seed);
        *opened += use(path, seed % 8 == 0);
    }
    _exit(0);
}

static void make_original(const char *path)
{
    struct day day = {.path = path};
    struct pl_error err = {0};
    char log_path[300];
    (void)snprintf(log_path, sizeof log_path, "%s-wal", path);
    CHECK_OK(day_open(&day, &err), err);
    CHECK_OK(day_begin(&day, &err), err);
    CHECK_OK(day_put(&day, 0, &err), err);
    CHECK_OK(day_pass(&day, &err), err);
    CHECK_OK(pl_store_checkpoint(day.store, &err), err);
    whole_len = read_file(path, whole);
    CHECK_OK(day_put(&day, 1, &err), err);
    log_len = read_file(log_path, log_bytes);
    day_close(&day);
    CHECK(whole_len > 20 * PAGE && log_len > 5 * PAGE);
}

static void test_mutants(void)
{
    const uint64_t count = getenv("PROFLITE_SOAK") ? MUTANTS_SOAK : MUTANTS;
    const char *one = getenv("SEED"), *path = support_path("mutant.db");
    uint64_t *at =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    long *opened = (long *)(void *)(at + 1);
    CHECK(at != MAP_FAILED);
    fault_install(); /* for its syncs, which take no time */
    make_original(support_path("original.db"));
    if (one) {
        make_mutant(path, strtoull(one, NULL, 10));
        CHECK(use(path, true) || true);
        return;
    }
    for (uint64_t first = FIRST; first < FIRST + count; first += BATCH) {
        int status = 0;
        pid_t pid = fork();
        if (pid == 0)
            run_batch(path, first, at, opened);
        (void)waitpid(pid, &status, 0);
        CHECK(status == 0, "mutant %llu: %s %d (SEED=%llu test_hostile)",
              (unsigned long long)*at, WIFSIGNALED(status) ? "signal" : "exit",
              WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status),
              (unsigned long long)*at);
        test_progress((long)(first - FIRST + BATCH), "mutants");
    }
    CHECK(*opened > (long)count / 4, "only %ld could be opened", *opened);
    printf("%llu mutants, %ld opened\n", (unsigned long long)count, *opened);
}

TEST_MAIN({"mutants", test_mutants})
