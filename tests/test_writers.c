/* Eight processes write one file while one reads, one checkpoints and one collects what
 * it put, and any of them but the reader is killed at random: what a put acknowledged
 * is there once, whole and with its own stacks, and the file is sound.
 *
 *   test_writers            200 kills
 *   PROFLITE_SOAK=1 …       5,000 */
#include "tests/parts.h"
#include "tests/store_support.h"
#include "tests/test.h"

#include "store/check.h"
#include "store/db.h"
#include "store/retention.h"

#include <signal.h>
#include <sys/mman.h>
#include <time.h>

enum { WRITERS = 8, KILLS = 200, KILLS_SOAK = 5000, MAX_SEQ = 4000 };
enum { CHECKPOINTER = WRITERS, COLLECTOR, ACTORS };

static const int64_t base_ns = INT64_C(1700000000) / 3600 * 3600 * PL_NS_PER_S;

/* Shared by all processes; a writer counts a put only when it returned OK. */
struct ledger {
    _Atomic int acked[WRITERS];
    _Atomic int errors, reads, collected, stop;
    char message[512];
};
static struct ledger *ledger;
static const char *path;

static struct pl_id session_of(int writer)
{
    return (struct pl_id){{(unsigned char)(writer + 1), 9}};
}

/* Part `seq` of a writer: made from its number alone. */
static void make(struct test_part *p, int writer, int seq)
{
    parts_make(p, (uint64_t)(writer * 100000 + seq % 50), session_of(writer),
               base_ns + (seq % 59) * 60 * PL_NS_PER_S, seq % 7 == 0);
    p->part.chunk_id = (struct pl_id){
        {(unsigned char)(writer + 1), (unsigned char)seq, (unsigned char)(seq >> 8)}};
    for (uint32_t i = 0; i < PARTS_FRAMES; i++) /* some shared, some of its own */
        if (i % 3 == 0 && !p->frames[i].function)
            p->frames[i].address += (uint64_t)(seq * WRITERS + writer) << 16;
    for (uint32_t i = 0; i < PARTS_STACKS; i++)
        p->runs[0][i] = (struct pl_sink_run){i, 1, 1, 0};
    p->threads[0].run_count = PARTS_STACKS;
}

static _Noreturn void complain(const char *who, const struct pl_error *err)
{
    if (ledger->errors++ == 0)
        (void)snprintf(ledger->message, sizeof ledger->message, "%s: %.400s", who,
                       err->message);
    _exit(1);
}

static _Noreturn void write_parts(int writer)
{
    static struct test_part p;
    struct pl_error err = {0};
    struct pl_store *store = NULL;
    struct pl_chunk_sink sink;
    if (pl_store_open(path, PL_STORE_CREATE, &store, &err) != PL_OK ||
        pl_store_sink(store, &sink, &err) != PL_OK)
        complain("open", &err);
    struct pl_sink_session session = parts_session(session_of(writer), base_ns);
    if (sink.session_begin(sink.self, &session, &err) != PL_OK)
        complain("begin", &err);
    while (!ledger->stop && ledger->acked[writer] < MAX_SEQ) {
        make(&p, writer, ledger->acked[writer]);
        if (sink.put(sink.self, &p.part, &err) != PL_OK)
            complain("put", &err);
        ledger->acked[writer]++;
    }
    pl_store_close(store);
    _exit(0);
}

/* Each snapshot holds whole puts only. */
static _Noreturn void read_parts(void)
{
    struct pl_error err = {0};
    while (!ledger->stop) {
        struct pl_store *store = NULL;
        sqlite3_stmt *stmt = NULL;
        if (pl_store_open(path, PL_STORE_READ, &store, &err) != PL_OK)
            complain("reader", &err);
        int rc = sqlite3_prepare_v2(
            store->db, "SELECT (SELECT count(*) FROM slot) - 5 * count(*) FROM part",
            -1, &stmt, NULL);
        if (rc == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW &&
            sqlite3_column_int(stmt, 0) != 0) {
            (void)pl_error_set(&err, PL_INPUT, "half a put was seen");
            complain("reader", &err);
        }
        rc = sqlite3_finalize(stmt);
        if (rc != SQLITE_OK) {
            (void)pl_error_set(&err, PL_INPUT, "%s", sqlite3_errstr(rc));
            complain("reader", &err);
        }
        ledger->reads++;
        pl_store_close(store);
    }
    _exit(0);
}

static _Noreturn void checkpoint(void)
{
    struct pl_error err = {0};
    struct pl_store *store = NULL;
    if (pl_store_open(path, PL_STORE_WRITE, &store, &err) != PL_OK)
        complain("checkpoint", &err);
    while (!ledger->stop) {
        if (pl_store_checkpoint(store, &err) != PL_OK)
            complain("checkpoint", &err);
        (void)nanosleep(&(struct timespec){0, 20000000}, NULL);
    }
    pl_store_close(store);
    _exit(0);
}

/* Puts parts of a session of its own, calls them done, and has gc remove them. */
static _Noreturn void collect(void)
{
    static struct test_part p;
    struct pl_error err = {0};
    struct pl_store *store = NULL;
    struct pl_chunk_sink sink;
    struct pl_id id = session_of(COLLECTOR);
    const struct pl_retention old = {.before_ns = base_ns};
    if (pl_store_open(path, PL_STORE_WRITE, &store, &err) != PL_OK ||
        pl_store_sink(store, &sink, &err) != PL_OK)
        complain("collector", &err);
    for (int seq = 0; !ledger->stop; seq++) {
        struct pl_retention_result gone;
        struct pl_sink_session session =
            parts_session(id, base_ns - 86400 * PL_NS_PER_S);
        parts_make(&p, (uint64_t)seq % 50, id,
                   base_ns - (86400 - seq % 59 * 60) * PL_NS_PER_S, false);
        p.part.chunk_id = (struct pl_id){{0xcc, (unsigned char)seq}};
        if (sink.session_begin(sink.self, &session, &err) != PL_OK ||
            sink.put(sink.self, &p.part, &err) != PL_OK ||
            sink.session_end(sink.self, &id, base_ns - 1, PL_SESSION_ENDED, 0, &err) !=
                PL_OK ||
            pl_db_begin_write(store, &err) != PL_OK)
            complain("collector", &err);
        (void)sqlite3_exec(store->db,
                           "UPDATE chunk SET finished = 1, sampled = 0"
                           " WHERE uuid LIKE 'cc%'",
                           NULL, NULL, NULL);
        if (pl_db_commit(store, &err) != PL_OK ||
            pl_store_gc(store, &old, &gone, &err) != PL_OK)
            complain("gc", &err);
        ledger->collected += gone.parts > 0;
    }
    pl_store_close(store);
    _exit(0);
}

static pid_t start(int actor)
{
    pid_t pid = fork();
    if (pid == 0 && actor == CHECKPOINTER)
        checkpoint();
    if (pid == 0 && actor == COLLECTOR)
        collect();
    if (pid == 0)
        write_parts(actor);
    return pid;
}

/* The stacks of thread 0, one sample each, are the part's own. */
static size_t wrong_stacks(sqlite3_stmt *stmt, int writer, int seq)
{
    static struct test_part p;
    char uuid[PL_ID_TEXT], sql[128];
    size_t wrong = 0;
    make(&p, writer, seq);
    pl_id_format(&p.part.chunk_id, uuid);
    (void)snprintf(sql, sizeof sql, "SELECT id FROM chunk WHERE uuid = '%s'", uuid);
    (void)sqlite3_bind_int64(stmt, 1, support_number(path, sql));
    for (uint32_t i = 0; i < PARTS_STACKS; i++) {
        char want[1024] = "0"; /* of a stack without frames */
        for (uint32_t f = 0; f < p.stacks[i].frame_count; f++) {
            size_t len = f ? strlen(want) : 0;
            (void)snprintf(want + len, sizeof want - len, "%s%llx", f ? " " : "",
                           (unsigned long long)p.frames[p.stack_frames[i][f]].address);
        }
        if (sqlite3_step(stmt) != SQLITE_ROW ||
            strcmp((const char *)sqlite3_column_text(stmt, 0), want) != 0)
            wrong++;
    }
    (void)sqlite3_reset(stmt);
    return wrong;
}

static void check_stacks(void)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    size_t wrong = 0;
    CHECK(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK);
    CHECK(sqlite3_prepare_v2(
              db,
              "SELECT (SELECT group_concat(format('%x', address), ' ') FROM"
              " (SELECT r.address FROM stack_frame f JOIN frame_raw r ON r.id = "
              "f.frame_id"
              "  WHERE f.stack_id = r1.stack_id ORDER BY depth))"
              " FROM run r1 JOIN thread t ON t.id = r1.thread_id"
              " WHERE chunk_id = ? AND t.tid = 100"
              " AND t.seq = 0 ORDER BY first_tick",
              -1, &stmt, NULL) == SQLITE_OK,
          "%s", sqlite3_errmsg(db));
    for (int w = 0; w < WRITERS; w++)
        for (int seq = 0; seq < ledger->acked[w]; seq += 1 + ledger->acked[w] / 20)
            wrong += wrong_stacks(stmt, w, seq);
    CHECK(wrong == 0, "%zu stacks are not what was put", wrong);
    (void)sqlite3_finalize(stmt);
    (void)sqlite3_close(db);
}

static void check_ledger(void)
{
    char sql[256];
    for (int w = 0; w < WRITERS; w++) {
        int acked = ledger->acked[w];
        (void)snprintf(
            sql, sizeof sql,
            "SELECT count(*) FROM part p JOIN session s ON s.id = p.session_id"
            " WHERE s.uuid LIKE '0%d09%%'",
            w + 1);
        long long found = support_number(path, sql);
        CHECK(acked > 0, "writer %d put %d", w, acked);
        CHECK(found == acked || found == acked + 1, "writer %d: %lld of %d", w, found,
              acked);
    }
    CHECK(support_number(path, "SELECT count(*) - count(DISTINCT uuid) FROM chunk") ==
          0);
    CHECK(support_number(path, "SELECT count(*) FROM session WHERE start_ns >= "
                               "1699999200000000000") == WRITERS);
    char *text = support_shell(path, "PRAGMA integrity_check");
    CHECK(text && strcmp(text, "ok\n") == 0, "%s", text);
    free(text);
}

static void on_finding(void *self, const char *kind, const char *message)
{
    (void)self;
    CHECK(false, "check: %s: %s", kind, message);
}

static void check_store(void)
{
    const struct pl_check_visitor visitor = {NULL, on_finding};
    struct pl_check_result result;
    struct pl_error err = {0};
    struct pl_store *store = NULL;
    CHECK_OK(pl_store_open(path, PL_STORE_READ, &store, &err), err);
    CHECK_OK(pl_store_check(store, &visitor, &result, &err), err);
    CHECK(result.findings == 0);
    pl_store_close(store);
}

static void test_kill(void)
{
    path = strdup(support_path("shared.db"));
    ledger = mmap(NULL, sizeof *ledger, PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(ledger != MAP_FAILED && path);
    struct pl_error err = {0};
    struct pl_store *store = NULL;
    CHECK_OK(pl_store_open(path, PL_STORE_CREATE, &store, &err), err);
    pl_store_close(store);
    const int wanted = getenv("PROFLITE_SOAK") ? KILLS_SOAK : KILLS;
    pid_t actors[ACTORS], reader = fork();
    if (reader == 0)
        read_parts();
    for (int i = 0; i < ACTORS; i++)
        actors[i] = start(i);
    unsigned dice = 12345;
    int kills = 0, sum = 0;
    for (; kills < wanted && !ledger->errors; kills++) {
        dice = dice * 1103515245 + 12345;
        (void)nanosleep(&(struct timespec){0, 5000000 + (dice >> 8) % 60000000}, NULL);
        int i = (int)(dice >> 16) % ACTORS;
        (void)kill(actors[i], SIGKILL);
        (void)waitpid(actors[i], NULL, 0);
        actors[i] = start(i);
        test_progress(kills + 1, "kills");
    }
    ledger->stop = 1;
    for (int i = 0; i < ACTORS; i++)
        (void)waitpid(actors[i], NULL, 0);
    (void)waitpid(reader, NULL, 0);
    CHECK(ledger->errors == 0, "%s", ledger->message);
    CHECK(kills == wanted && ledger->reads > 10, "%d kills, %d reads", kills,
          ledger->reads);
    CHECK(ledger->collected > 0, "gc removed nothing");
    check_ledger();
    check_stacks();
    check_store();
    for (int w = 0; w < WRITERS; w++)
        sum += ledger->acked[w];
    printf("%d kills, %d puts by %d writers, %d reads, %d collections\n", kills, sum,
           WRITERS, ledger->reads, ledger->collected);
}

TEST_MAIN({"kill", test_kill})
