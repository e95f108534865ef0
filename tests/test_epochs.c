/* Epochs of the dictionary: trees merge over them to the totals of plain rows, one per
 * sample; what nothing refers to goes, and nothing else, while others write and read,
 * and killed anywhere in the middle. */
#include "tests/store_support.h"
#include "tests/test.h"

#include "store/check.h"
#include "store/db.h"
#include "store/query.h"
#include "store/retention.h"
#include "store/rollup.h"

#include "base/clock.h"

#include <signal.h>
#include <time.h>

enum { STACKS = 12, DEPTH = 6, FRAMES = 16, TICKS = 60, PATH_BYTES = 300 };
enum { EPOCH_STACKS = 40, ROWS_MAX = 40000 };

static const int64_t base_ns = INT64_C(1700000000) / 86400 * 86400 * PL_NS_PER_S;
static const int64_t minute_ns = 60 * PL_NS_PER_S;
static struct pl_error err;

/* ---- parts, and a row per sample ---- */

struct made {
    struct pl_sink_module module;
    struct pl_sink_frame frames[FRAMES];
    struct pl_sink_stack stacks[STACKS];
    struct pl_sink_run runs[TICKS];
    struct pl_sink_thread thread;
    struct pl_sink_label label;
    struct pl_sink_part part;
    uint32_t spelled[STACKS][DEPTH];
    char names[FRAMES][48], path[32], tag[32];
    int64_t ticks[TICKS];
    uint64_t rng;
};

static uint32_t pick(struct made *m, uint32_t below)
{
    m->rng = m->rng * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)((m->rng >> 33) % below);
}

/* Half of the functions are of all times, half of ten minutes of a session. */
static void make_stacks(struct made *m, int session, int minute)
{
    (void)snprintf(m->path, sizeof m->path, "/lib/m%d-%d.so", session, minute / 10);
    m->module = (struct pl_sink_module){.path = m->path};
    for (uint32_t f = 0; f < FRAMES; f++) {
        if (f % 2)
            (void)snprintf(m->names[f], sizeof m->names[f], "f%u", f);
        else
            (void)snprintf(m->names[f], sizeof m->names[f], "g%u-%d-%d", f, session,
                           minute / 10);
        m->frames[f] = (struct pl_sink_frame){.module = f % 2 ? PL_NO_INDEX : 0,
                                              .address = f % 2 ? 0 : 0x1000 + f,
                                              .function = m->names[f],
                                              .in_app = -1};
        if (f == 3) { /* without a name */
            (void)snprintf(m->names[f], sizeof m->names[f], "m%d-%d.so+0x2000", session,
                           minute / 10);
            m->frames[f] = (struct pl_sink_frame){
                .module = 0, .address = 0x2000, .exact = true, .in_app = -1};
        }
    }
    for (uint32_t s = 0; s < STACKS; s++) {
        m->stacks[s] = (struct pl_sink_stack){1 + pick(m, DEPTH), m->spelled[s]};
        for (uint32_t d = 0; d < DEPTH; d++)
            m->spelled[s][d] = pick(m, FRAMES);
    }
}

/* The same for the same numbers. */
static void make(struct made *m, int session, int minute)
{
    uint32_t n = 0, left = TICKS;
    int64_t start = base_ns + minute * minute_ns;
    memset(m, 0, sizeof *m);
    m->rng = (uint64_t)(session * 100003 + minute) * 7919 + 1;
    make_stacks(m, session, minute);
    for (int i = 0; i < TICKS; i++)
        m->ticks[i] = start + i * PL_NS_PER_S / 2;
    while (left) {
        uint32_t count = 1 + pick(m, 6);
        count = count < left ? count : left;
        m->runs[n++] =
            (struct pl_sink_run){.stack = pick(m, STACKS), .count = count, .on_cpu = 1};
        left -= count;
    }
    m->thread = (struct pl_sink_thread){.tid = 7 + minute / 30,
                                        .name = "main",
                                        .runs = m->runs,
                                        .run_count = n,
                                        .cpu_ns = -1};
    (void)snprintf(m->tag, sizeof m->tag, "%d-%d", session, minute);
    m->label = (struct pl_sink_label){0, 0, 5, "trace", m->tag};
    m->part = (struct pl_sink_part){
        .session_id = {{1, (unsigned char)session}},
        .chunk_id = {{2, (unsigned char)session, (unsigned char)(minute >> 8),
                      (unsigned char)minute}},
        .start_ns = start,
        .end_ns = start + TICKS * PL_NS_PER_S / 2,
        .period_ns = PL_NS_PER_S / 2,
        .ticks_ns = m->ticks,
        .tick_count = TICKS,
        .modules = &m->module,
        .module_count = 1,
        .frames = m->frames,
        .frame_count = FRAMES,
        .stacks = m->stacks,
        .stack_count = STACKS,
        .threads = &m->thread,
        .thread_count = 1,
        .labels = &m->label,
        .label_count = 1};
}

struct rows {
    char (*paths)[PATH_BYTES]; /* one per sample */
    size_t count;
};

static void spell(const struct made *m, uint32_t stack, char *to)
{
    size_t at = 0;
    for (uint32_t d = 0; d < m->stacks[stack].frame_count; d++)
        at += (size_t)snprintf(to + at, PATH_BYTES - at, "%s;",
                               m->names[m->spelled[stack][d]]);
}

/* Minutes from..to-1 of a session. */
static void expect(struct rows *rows, int session, int from, int to)
{
    static struct made m;
    if (!rows->paths)
        rows->paths = calloc(ROWS_MAX, PATH_BYTES);
    for (int minute = from; minute < to; minute++) {
        make(&m, session, minute);
        for (size_t r = 0; r < m.thread.run_count; r++)
            for (uint32_t i = 0; i < m.runs[r].count && rows->count < ROWS_MAX; i++)
                spell(&m, m.runs[r].stack, rows->paths[rows->count++]);
    }
}

static int compare_paths(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void path_of(const struct pl_profile *profile, uint32_t node, char *to)
{
    const char *parts[DEPTH + 2];
    size_t count = 0, at = 0;
    for (; node && count < DEPTH + 2; node = profile->nodes[node].parent)
        parts[count++] = profile->functions[profile->nodes[node].function].name;
    to[0] = 0;
    while (count)
        at += (size_t)snprintf(to + at, PATH_BYTES - at, "%s;", parts[--count]);
}

/* How many rows have that path. */
static int64_t count_rows(const struct rows *rows, const char *path)
{
    size_t low = 0, high = rows->count;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (strcmp(rows->paths[mid], path) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    size_t end = low;
    while (end < rows->count && strcmp(rows->paths[end], path) == 0)
        end++;
    return (int64_t)(end - low);
}

/* Every node has the samples of its rows, and all rows are in one. */
static void compare_profile(const struct pl_profile *profile, struct rows *rows)
{
    int64_t sum = 0;
    qsort(rows->paths, rows->count, PATH_BYTES, compare_paths);
    for (uint32_t i = 1; i < profile->node_count; i++) {
        char path[PATH_BYTES];
        path_of(profile, i, path);
        int64_t want = count_rows(rows, path);
        sum += profile->nodes[i].self_samples;
        if (profile->nodes[i].self_samples != want)
            CHECK(false, "%s: %lld, not %lld", path,
                  (long long)profile->nodes[i].self_samples, (long long)want);
    }
    CHECK(sum == (int64_t)rows->count && profile->samples == sum, "%lld of %zu",
          (long long)sum, rows->count);
    CHECK(profile->total_ns == sum * (PL_NS_PER_S / 2));
}

/* Frees the rows. 0: all sessions. */
static void check_rows(struct pl_store *store, int64_t session, struct rows *rows)
{
    const struct pl_selection selection = {.sessions = &session,
                                           .session_count = session ? 1 : 0};
    struct pl_profile profile = {0};
    CHECK_OK(pl_query_profile(store, &selection, PL_METRIC_WALL, &profile, &err), err);
    compare_profile(&profile, rows);
    pl_profile_deinit(&profile);
    free(rows->paths);
    *rows = (struct rows){0};
}

/* ---- the store ---- */

static struct pl_store *open_store(const char *path, enum pl_store_mode mode)
{
    struct pl_store *store = NULL;
    CHECK_OK(pl_store_open(path, mode, &store, &err), err);
    if (store)
        store->epoch_stacks = EPOCH_STACKS;
    return store;
}

static struct pl_chunk_sink begin(struct pl_store *store, int session)
{
    struct pl_chunk_sink sink;
    struct pl_sink_session row = {.id = {{1, (unsigned char)session}},
                                  .app = "test",
                                  .mode = "wall",
                                  .start_ns = base_ns};
    CHECK_OK(pl_store_sink(store, &sink, &err), err);
    CHECK_OK(sink.session_begin(sink.self, &row, &err), err);
    return sink;
}

static void put(struct pl_store *store, int session, int from, int to)
{
    static struct made m;
    struct pl_chunk_sink sink = begin(store, session);
    for (int minute = from; minute < to; minute++) {
        make(&m, session, minute);
        CHECK_OK(sink.put(sink.self, &m.part, &err), err);
    }
}

/* As the pass leaves it. */
static void process(struct pl_store *store)
{
    CHECK_OK(pl_db_begin_write(store, &err), err);
    CHECK(sqlite3_exec(store->db,
                       "UPDATE chunk SET finished = 1;"
                       "INSERT OR IGNORE INTO outcome (chunk_uuid, category, outcome, "
                       "ts_ns) SELECT uuid, 'profile_chunk', 'accepted', 0 FROM chunk",
                       NULL, NULL, NULL) == SQLITE_OK,
          "%s", sqlite3_errmsg(store->db));
    CHECK_OK(pl_db_commit(store, &err), err);
}

/* And session 1 has ended. */
static void end(struct pl_store *store)
{
    static const char ended[] = "UPDATE session SET state = 'ended' WHERE id = 1";
    CHECK(sqlite3_exec(store->db, ended, NULL, NULL, NULL) == SQLITE_OK);
    process(store);
}

static struct pl_retention_result gc(struct pl_store *store, int minute,
                                     int hours_minute, bool dry_run)
{
    int64_t before = base_ns + minute * minute_ns;
    int64_t hours = base_ns + hours_minute * minute_ns;
    struct pl_retention retention = {before, hours, hours, 0, dry_run};
    struct pl_retention_result result = {0};
    CHECK_OK(pl_store_gc(store, &retention, &result, &err), err);
    return result;
}

static void on_finding(void *self, const char *kind, const char *message)
{
    (void)self;
    CHECK(false, "%s: %s", kind, message);
}

static void check_sound(const char *path)
{
    struct pl_check_visitor visitor = {NULL, on_finding};
    struct pl_check_result result;
    struct pl_store *store = open_store(path, PL_STORE_READ);
    CHECK_OK(pl_store_check(store, &visitor, &result, &err), err);
    CHECK(result.findings == 0);
    pl_store_close(store);
}

static long long number(const char *path, const char *sql)
{
    return support_number(path, sql);
}

/* ---- cases ---- */

/* Two writers in turn, epochs of a few stacks: the answers are those of the rows. */
static void test_merge(void)
{
    const char *path = support_path("merge.db");
    struct rows rows = {0};
    struct pl_store *a = open_store(path, PL_STORE_CREATE);
    struct pl_store *b = open_store(path, PL_STORE_CREATE);
    for (int minute = 0; minute < 150; minute++) { /* two hours are summed up */
        put(minute % 3 ? a : b, 1, minute, minute + 1);
        put(minute % 2 ? a : b, 2, minute, minute + 1);
    }
    CHECK(number(path, "SELECT count(*) FROM dict_epoch") > 20);
    CHECK(number(path, "SELECT count(*) FROM rolled WHERE state = 1") > 0);
    for (int session = 1; session <= 2; session++) {
        expect(&rows, session, 0, 150);
        check_rows(a, session, &rows);
    }
    expect(&rows, 1, 0, 150);
    expect(&rows, 2, 0, 150);
    check_rows(b, 0, &rows);
    pl_store_close(a);
    pl_store_close(b);
    check_sound(path);
}

/* A week, too, begins an epoch, but not one that has no stacks yet. */
static void test_age(void)
{
    const char *path = support_path("age.db");
    struct pl_store *store = open_store(path, PL_STORE_CREATE);
    static const char age[] = "UPDATE dict_epoch SET created_ns = 1";
    store->epoch_stacks = 0;
    CHECK(sqlite3_exec(store->db, age, NULL, NULL, NULL) == SQLITE_OK);
    put(store, 1, 0, 2);
    CHECK(number(path, "SELECT count(*) FROM dict_epoch") == 2);
    put(store, 1, 2, 4);
    CHECK(number(path, "SELECT count(*) FROM dict_epoch") == 2);
    CHECK(number(path, "SELECT max(first_part_id) FROM dict_epoch") == 2);
    pl_store_close(store);
    check_sound(path);
}

/* Samples go, their sums hold the stacks; sums go, and with them all of it. */
static void test_sums(void)
{
    const char *path = support_path("sums.db");
    struct rows rows = {0};
    struct pl_store *store = open_store(path, PL_STORE_CREATE);
    put(store, 1, 0, 120);
    put(store, 2, 180, 186);
    end(store);
    long long stacks = number(path, "SELECT count(*) FROM stack");
    struct pl_retention_result did = gc(store, 130, 0, false);
    CHECK(did.parts == 120 && did.stacks == 0 && did.frames == 0);
    CHECK(number(path, "SELECT count(*) FROM stack") == stacks);
    expect(&rows, 1, 0, 120);
    expect(&rows, 2, 180, 186);
    check_rows(store, 0, &rows);
    check_sound(path);
    struct pl_retention_result would = gc(store, 130, 130, true);
    did = gc(store, 130, 130, false);
    CHECK(did.stacks > stacks / 2 && would.stacks == did.stacks);
    CHECK(did.epochs > 10 && did.frames > 80 && did.functions < did.frames);
    CHECK(did.modules == 12, "%lld", (long long)did.modules);
    CHECK(number(path, "SELECT count(*) FROM stack") == stacks - did.stacks);
    CHECK(number(path, "SELECT count(*) FROM module") == 1);
    CHECK(number(path, "SELECT count(*) FROM tag") == 6);
    CHECK(number(path, "SELECT count(*) FROM meta WHERE key = 'sweep'") == 0);
    expect(&rows, 2, 180, 186);
    check_rows(store, 0, &rows);
    check_sound(path);
    put(store, 2, 186, 200); /* with what is remembered of before */
    expect(&rows, 2, 180, 200);
    check_rows(store, 0, &rows);
    pl_store_close(store);
    check_sound(path);
}

/* When all is gone, so is the newest epoch, and the file gets shorter. */
static void test_all(void)
{
    const char *path = support_path("all.db");
    struct rows rows = {0};
    struct pl_store *store = open_store(path, PL_STORE_CREATE);
    put(store, 1, 0, 300);
    end(store);
    long long pages = number(path, "PRAGMA page_count");
    struct pl_retention_result did = gc(store, 400, 400, false);
    CHECK(did.parts == 300 && did.sessions == 1 && did.stacks > 1000);
    CHECK(number(path, "SELECT (SELECT count(*) FROM stack) + (SELECT count(*) FROM "
                       "frame_raw) + (SELECT count(*) FROM function) + (SELECT "
                       "count(*) FROM module) + (SELECT count(*) FROM tag)") == 0);
    CHECK(number(path, "SELECT count(*) FROM dict_epoch") == 1);
    CHECK(number(path, "PRAGMA page_count") < pages * 7 / 10, "%lld of %lld",
          number(path, "PRAGMA page_count"), pages);
    put(store, 2, 0, 20); /* ids of parts begin anew */
    expect(&rows, 2, 0, 20);
    check_rows(store, 0, &rows);
    did = gc(store, 0, 0, false);
    CHECK(did.stacks == 0, "none of these may go");
    pl_store_close(store);
    check_sound(path);
}

/* A frame that a writer remembers, of no stack yet, goes: it is looked up again. */
static void test_remembered(void)
{
    static struct made m;
    const char *path = support_path("remembered.db");
    struct pl_store *writer = open_store(path, PL_STORE_CREATE);
    put(writer, 1, 0, 5);
    end(writer);
    writer->epoch_stacks = 1;
    struct pl_chunk_sink sink = begin(writer, 2);
    make(&m, 2, 100);
    for (uint32_t i = 0; i < STACKS * DEPTH; i++)
        if (m.spelled[i / DEPTH][i % DEPTH] == 3)
            m.spelled[i / DEPTH][i % DEPTH] = 1;
    CHECK_OK(sink.put(sink.self, &m.part, &err), err);
    writer->epoch_stacks = 0;
    struct pl_store *store = open_store(path, PL_STORE_WRITE);
    store->epoch_stacks = 0;
    struct pl_retention_result did = gc(store, 50, 50, false);
    CHECK(did.stacks > 0 && did.frames > 0 && did.modules == 1);
    CHECK(number(path, "SELECT count(*) FROM frame_raw WHERE address = 8192") == 0);
    put(store, 3, 101, 102); /* others get the ids that are free */
    put(writer, 2, 101, 109);
    struct rows rows = {0};
    expect(&rows, 3, 101, 102);
    check_rows(store, 3, &rows);
    pl_store_close(store);
    pl_store_close(writer);
    CHECK(number(path, "SELECT count(*) FROM frame_raw WHERE address = 8192") == 2);
    check_sound(path);
}

/* A put between the snapshot in which they are unused and their deletion. */
static int put_meanwhile(unsigned what, void *writer, void *stmt, void *ns)
{
    static int minute = 5;
    (void)what;
    (void)ns;
    const char *sql = sqlite3_sql(stmt);
    static const char *const lasts[] = {"coalesce(max(id), 0) FROM frame_raw",
                                        "coalesce(max(id), 0) FROM function",
                                        "coalesce(max(id), 0) FROM module"};
    for (int i = 0; i < 3 && sql; i++)
        if (strstr(sql, lasts[i]) && minute == 5 + i) {
            minute++;
            put(writer, 2, 4 + i, 5 + i);
            put(writer, 1, 4 + i, 5 + i);
        }
    return 0;
}

static void test_between(void)
{
    const char *path = support_path("between.db");
    struct rows rows = {0};
    struct pl_store *writer = open_store(path, PL_STORE_CREATE);
    writer->epoch_stacks = 0;
    put(writer, 1, 0, 4);
    put(writer, 2, 0, 4);
    end(writer);
    CHECK(sqlite3_exec(writer->db, "UPDATE session SET state = 'ended'", NULL, NULL,
                       NULL) == SQLITE_OK);
    struct pl_store *store = open_store(path, PL_STORE_WRITE);
    (void)sqlite3_trace_v2(store->db, SQLITE_TRACE_PROFILE, put_meanwhile, writer);
    struct pl_retention_result did = gc(store, 100, 100, false);
    CHECK(did.stacks > 0);
    (void)sqlite3_trace_v2(store->db, 0, NULL, NULL);
    expect(&rows, 1, 4, 7);
    expect(&rows, 2, 4, 7);
    check_rows(store, 0, &rows);
    pl_store_close(store);
    pl_store_close(writer);
    check_sound(path);
}

/* While the pass holds its lease frames stay, and the next run takes them. */
static void test_lease(void)
{
    const char *path = support_path("lease.db");
    struct pl_store *store = open_store(path, PL_STORE_CREATE);
    put(store, 1, 0, 30);
    end(store);
    CHECK(sqlite3_exec(store->db,
                       "INSERT INTO lease VALUES ('pass', 'me', "
                       "(unixepoch() + 60) * 1000000000)",
                       NULL, NULL, NULL) == SQLITE_OK);
    struct pl_retention_result did = gc(store, 100, 100, false);
    CHECK(did.stacks > 100 && did.frames == 0);
    check_sound(path);
    CHECK(sqlite3_exec(store->db, "DELETE FROM lease", NULL, NULL, NULL) == SQLITE_OK);
    did = gc(store, 100, 100, false);
    CHECK(did.stacks == 0 && did.frames == (FRAMES / 2 + 1) * 3 + FRAMES / 2 - 1 &&
          did.modules == 3);
    pl_store_close(store);
    check_sound(path);
}

/* ---- many processes ---- */

enum { WRITERS = 3, MINUTES = 150, KEPT = 8 };

static _Noreturn void leave(void)
{
    _exit(test_failures ? 1 : 0);
}

static pid_t start_writer(const char *path, int session)
{
    pid_t pid = fork();
    if (pid)
        return pid;
    test_failures = 0; /* those of this process */
    struct pl_store *store = open_store(path, PL_STORE_WRITE);
    for (int minute = 1; minute < MINUTES; minute++) {
        put(store, session, minute, minute + 1);
        (void)nanosleep(&(struct timespec){0, 3000000}, NULL);
    }
    pl_store_close(store);
    leave();
}

/* Minutes first..last of the session are there, and none is missing in between. */
static bool find_minutes(struct pl_store *store, int session, int range[static 2])
{
    sqlite3_stmt *stmt = NULL;
    char sql[256];
    (void)snprintf(sql, sizeof sql,
                   "SELECT min(start_ns), max(start_ns), count(*) FROM part WHERE "
                   "session_id = (SELECT id FROM session WHERE uuid GLOB '01%02d*')",
                   session);
    bool row = sqlite3_prepare_v2(store->db, sql, -1, &stmt, NULL) == SQLITE_OK &&
               sqlite3_step(stmt) == SQLITE_ROW && sqlite3_column_int(stmt, 2);
    for (int i = 0; i < 2 && row; i++)
        range[i] = (int)((sqlite3_column_int64(stmt, i) - base_ns) / minute_ns);
    CHECK(!row || sqlite3_column_int(stmt, 2) == range[1] - range[0] + 1);
    sqlite3_finalize(stmt);
    return row;
}

/* While the same parts are there before and after, the answer is theirs. */
static bool check_session(struct pl_store *store, int session)
{
    struct rows rows = {0};
    int range[2], after[2];
    if (!find_minutes(store, session, range))
        return false;
    expect(&rows, session, range[0], range[1] + 1);
    struct pl_profile profile = {0};
    const int64_t id = session;
    const struct pl_selection selection = {.sessions = &id, .session_count = 1};
    CHECK_OK(pl_query_profile(store, &selection, PL_METRIC_WALL, &profile, &err), err);
    bool same =
        find_minutes(store, session, after) && memcmp(range, after, sizeof range) == 0;
    if (same)
        compare_profile(&profile, &rows);
    pl_profile_deinit(&profile);
    free(rows.paths);
    return same;
}

static pid_t start_reader(const char *path)
{
    pid_t pid = fork();
    if (pid)
        return pid;
    test_failures = 0; /* those of this process */
    struct pl_store *store = open_store(path, PL_STORE_READ);
    int same = 0;
    for (int i = 0; same < 60 && i < 100000 && !test_failures; i++)
        same += check_session(store, 1 + i % WRITERS);
    CHECK(same == 60, "%d", same);
    pl_store_close(store);
    leave();
}

/* All but the last minutes of the session that is behind. */
static int64_t collect_old(struct pl_store *store)
{
    int oldest = MINUTES, range[2];
    for (int w = 1; w <= WRITERS; w++)
        if (!find_minutes(store, w, range))
            return 0;
        else if (range[1] < oldest)
            oldest = range[1];
    process(store);
    int64_t before = oldest > KEPT ? oldest - KEPT : 0;
    return gc(store, (int)before, (int)before, false).stacks;
}

static pid_t start_collector(const char *path)
{
    pid_t pid = fork();
    if (pid)
        return pid;
    test_failures = 0; /* those of this process */
    struct pl_store *store = open_store(path, PL_STORE_WRITE);
    for (;;) {
        (void)collect_old(store);
        if (test_failures)
            leave();
    }
}

static void check_exit(pid_t pid, const char *who)
{
    int status = -1;
    CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
              WEXITSTATUS(status) == 0,
          "%s failed", who);
}

static void kill_collector(pid_t pid)
{
    int how = 0;
    (void)kill(pid, SIGKILL);
    CHECK(waitpid(pid, &how, 0) == pid && WIFSIGNALED(how), "gc failed by itself");
}

static void start_sessions(const char *path, pid_t writers[static WRITERS])
{
    struct pl_store *store = open_store(path, PL_STORE_CREATE);
    for (int w = 0; w < WRITERS; w++) /* so that their ids are known */
        put(store, 1 + w, 0, 1);
    pl_store_close(store);
    for (int w = 0; w < WRITERS; w++)
        writers[w] = start_writer(path, 1 + w);
}

static void drop_lease(struct pl_store *store)
{
    CHECK(sqlite3_exec(store->db, "DELETE FROM lease WHERE owner GLOB 'gc.*'", NULL,
                       NULL, NULL) == SQLITE_OK);
}

/* All is there that should be, and little else. */
static void check_end(const char *path)
{
    struct pl_store *store = open_store(path, PL_STORE_WRITE);
    drop_lease(store);
    (void)collect_old(store);
    for (int w = 1; w <= WRITERS; w++)
        CHECK(check_session(store, w));
    pl_store_close(store);
    check_sound(path);
    CHECK(number(path, "SELECT min(first_stack_id) FROM dict_epoch") > 100);
    CHECK(number(path, "SELECT count(*) FROM module WHERE path GLOB '*-0.so'") == 0);
    CHECK(number(path, "SELECT count(*) FROM meta WHERE key = 'sweep'") == 0);
}

static void test_together(void)
{
    const char *path = support_path("together.db");
    pid_t writers[WRITERS];
    start_sessions(path, writers);
    pid_t reader = start_reader(path), collector = start_collector(path);
    for (int w = 0; w < WRITERS; w++)
        check_exit(writers[w], "a writer");
    check_exit(reader, "the reader");
    kill_collector(collector);
    CHECK(number(path, "SELECT min(first_stack_id) FROM dict_epoch") > 100,
          "collected meanwhile");
    check_end(path);
}

static void test_kill(void)
{
    const char *path = support_path("kill.db");
    pid_t writers[WRITERS];
    int status = 0, kills = 0;
    start_sessions(path, writers);
    while (waitpid(writers[0], &status, WNOHANG) == 0) {
        pid_t collector = start_collector(path);
        (void)nanosleep(&(struct timespec){0, 8000000 + kills % 9 * 7000000}, NULL);
        kill_collector(collector);
        if (++kills % 6 == 0)
            check_sound(path);
        struct pl_store *store = open_store(path, PL_STORE_WRITE);
        drop_lease(store);
        pl_store_close(store);
    }
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0, "a writer failed");
    CHECK(kills > 3, "%d", kills);
    for (int w = 1; w < WRITERS; w++)
        check_exit(writers[w], "a writer");
    check_end(path);
}

TEST_MAIN({"merge", test_merge}, {"age", test_age}, {"sums", test_sums},
          {"all", test_all}, {"remembered", test_remembered}, {"between", test_between},
          {"lease", test_lease}, {"together", test_together}, {"kill", test_kill})
