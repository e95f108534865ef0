/* Retention: what remains answers as if the rest had never been, whatever goes by age
 * or size, while another process writes, and killed anywhere in the middle. */
#include "tests/parts.h"
#include "tests/store_support.h"
#include "tests/test.h"

#include "store/check.h"
#include "store/db.h"
#include "store/query.h"
#include "store/retention.h"
#include "store/symbol_files.h"

#include <signal.h>
#include <time.h>

enum { SESSIONS = 2, PARTS = 12 };

static const int64_t base_ns = INT64_C(1700000000) / 3600 * 3600 * PL_NS_PER_S;
static const int64_t minute_ns = 60 * PL_NS_PER_S;
static struct test_part part;
static struct pl_error err;

/* support_path's own storage does not last. */
static const char *kept_path(const char *name)
{
    static char paths[8][256];
    static size_t count;
    char *path = paths[count++ % 8];
    (void)snprintf(path, sizeof paths[0], "%s", support_path(name));
    return path;
}

static struct pl_store *open_store(const char *path, enum pl_store_mode mode)
{
    struct pl_store *store = NULL;
    CHECK_OK(pl_store_open(path, mode, &store, &err), err);
    return store;
}

/* Parts `from`..PARTS-1 of each session, a minute apart; all but the last session end,
 * and the pass has seen every chunk. */
static void fill(const char *path, int from)
{
    struct pl_store *store = open_store(path, PL_STORE_CREATE);
    struct pl_chunk_sink sink;
    CHECK_OK(pl_store_sink(store, &sink, &err), err);
    for (int s = 0; s < SESSIONS; s++) {
        struct pl_id id = {{(unsigned char)(s + 1)}};
        struct pl_sink_session session = parts_session(id, base_ns);
        CHECK_OK(sink.session_begin(sink.self, &session, &err), err);
        for (int i = from; i < PARTS; i++) {
            parts_make(&part, (uint64_t)(100 * s + i), id, base_ns + i * minute_ns,
                       i % 4 == 1);
            part.part.chunk_id = (struct pl_id){
                {(unsigned char)(s + 1), (unsigned char)(i / 3 + 1)}}; /* of 3 parts */
            CHECK_OK(sink.put(sink.self, &part.part, &err), err);
        }
        if (s + 1 < SESSIONS)
            CHECK_OK(sink.session_end(sink.self, &id, base_ns + PARTS * minute_ns,
                                      PL_SESSION_ENDED, 0, &err),
                     err);
    }
    CHECK(sqlite3_exec(store->db,
                       "UPDATE chunk SET finished = 1;"
                       "INSERT OR IGNORE INTO outcome (chunk_uuid, category, outcome, "
                       "ts_ns) SELECT uuid, 'profile_chunk', 'accepted', 0 FROM chunk",
                       NULL, NULL, NULL) == SQLITE_OK);
    pl_store_close(store);
}

static struct pl_retention_result gc(const char *path, int64_t before_ns,
                                     int64_t max_bytes, bool dry_run)
{
    struct pl_retention retention = {before_ns, before_ns, before_ns, max_bytes,
                                     dry_run};
    struct pl_retention_result result;
    struct pl_store *store = open_store(path, dry_run ? PL_STORE_READ : PL_STORE_WRITE);
    CHECK_OK(pl_store_gc(store, &retention, &result, &err), err);
    pl_store_close(store);
    return result;
}

static void on_finding(void *self, const char *kind, const char *message)
{
    (void)self;
    CHECK(false, "%s: %s", kind, message);
}

static struct pl_check_result check_sound(const char *path)
{
    struct pl_check_visitor visitor = {NULL, on_finding};
    struct pl_check_result result;
    struct pl_store *store = open_store(path, PL_STORE_READ);
    CHECK_OK(pl_store_check(store, &visitor, &result, &err), err);
    CHECK(result.findings == 0);
    pl_store_close(store);
    return result;
}

/* Both stores give the same profile, node by node. */
static void check_same(const char *path, const char *want)
{
    for (int m = 0; m < 2; m++) {
        enum pl_metric metric = m ? PL_METRIC_CPU : PL_METRIC_WALL;
        const struct pl_selection all = {0};
        struct pl_profile a, b;
        struct pl_store *left = open_store(path, PL_STORE_READ);
        struct pl_store *right = open_store(want, PL_STORE_READ);
        CHECK_OK(pl_query_profile(left, &all, metric, &a, &err), err);
        CHECK_OK(pl_query_profile(right, &all, metric, &b, &err), err);
        CHECK(a.total_ns == b.total_ns && a.samples == b.samples && a.lost == b.lost &&
                  a.from_ns == b.from_ns && a.to_ns == b.to_ns,
              "%lld ns, not %lld", (long long)a.total_ns, (long long)b.total_ns);
        CHECK(a.samples > 0 && a.node_count == b.node_count);
        for (size_t i = 0; i < a.node_count && i < b.node_count; i++)
            if (a.nodes[i].total_ns != b.nodes[i].total_ns ||
                a.nodes[i].self_samples != b.nodes[i].self_samples)
                CHECK(false, "node %zu differs", i);
        pl_profile_deinit(&a);
        pl_profile_deinit(&b);
        pl_store_close(left);
        pl_store_close(right);
    }
}

static void test_age(void)
{
    const char *path = kept_path("age.db"), *want = kept_path("want.db");
    fill(path, 0);
    fill(want, 5); /* five parts end before minute five and a bit */
    int64_t before = base_ns + 5 * minute_ns + PL_NS_PER_S;
    struct pl_retention_result would = gc(path, before, 0, true);
    CHECK(would.parts == 5 * SESSIONS && would.chunks == 0 && would.bytes > 0);
    int64_t samples = support_number(path, "SELECT sum(n) FROM slot");
    struct pl_retention_result did = gc(path, before, 0, false);
    CHECK(did.parts == would.parts && did.samples == would.samples &&
          did.slots == would.slots && did.fits && did.bytes > 0 && !did.waiting);
    CHECK(did.chunks == SESSIONS, "the first of three parts: %lld",
          (long long)did.chunks);
    CHECK(support_number(path, "SELECT sum(n) FROM slot") == samples - did.samples);
    CHECK(check_sound(path).parts == 7 * SESSIONS);
    check_same(path, want);
    did = gc(path, before, 0, false);
    CHECK(did.parts == 0 && did.sessions == 0 && did.bytes == 0, "nothing twice");
}

/* All but the live session's chunk; the ended session goes, and its threads. */
static void test_all(void)
{
    const char *path = kept_path("all.db");
    fill(path, 0);
    struct pl_store *store = open_store(path, PL_STORE_WRITE);
    CHECK(sqlite3_exec(store->db,
                       "INSERT INTO tag (key, value) SELECT 'trace', id FROM part;"
                       "INSERT INTO label_span (part_id, thread_id, first_tick, n, "
                       "tag_id) SELECT p.id, s.thread_id, 0, 1, t.id FROM part p JOIN "
                       "tag t ON t.key = 'trace' AND t.value = p.id JOIN slot s ON "
                       "s.part_id = p.id GROUP BY p.id",
                       NULL, NULL, NULL) == SQLITE_OK);
    pl_store_close(store);
    struct pl_retention_result did = gc(path, INT64_MAX, 0, false);
    CHECK(did.parts == SESSIONS * PARTS - 3 && did.sessions == 1 && did.threads >= 5);
    struct pl_check_result left = check_sound(path);
    CHECK(left.parts == 3 && left.chunks == 1 && left.sessions == 1);
    CHECK(support_number(path, "SELECT count(*) FROM outcome") == 8, "outcomes stay");
    CHECK(support_number(path, "SELECT count(*) FROM label_span") == 9);
    CHECK(support_number(path, "SELECT count(*) FROM tag WHERE key = 'trace'") == 3);
    CHECK(support_number(path, "SELECT count(*) FROM tag") == 5);
    CHECK(support_number(path, "SELECT count(*) FROM loss") == 6);
    CHECK(support_number(path, "PRAGMA freelist_count") * 5 <=
          support_number(path, "PRAGMA page_count"));
}

static void test_size(void)
{
    const char *path = kept_path("size.db");
    fill(path, 0);
    struct pl_retention_result now = gc(path, INT64_MIN, 1, true);
    CHECK(!now.fits && now.parts == SESSIONS * PARTS - 3);
    int64_t used = now.used_bytes + now.bytes, most = used - used / 4;
    struct pl_retention_result did = gc(path, INT64_MIN, most, false);
    CHECK(did.fits && did.used_bytes <= most && did.used_bytes > most - used / 6,
          "%lld of %lld", (long long)did.used_bytes, (long long)most);
    CHECK(did.parts > 0 && did.parts < SESSIONS * PARTS / 2);
    CHECK(support_number(path, "SELECT count(*) FROM part WHERE start_ns <"
                               " (SELECT max(start_ns) FROM part) - 660000000000") == 0,
          "the oldest went first");
    (void)check_sound(path);
    did = gc(path, INT64_MIN, 1, false);
    CHECK(!did.fits && check_sound(path).parts == 3);
}

/* Symbol files that were fetched go before samples; those somebody added stay. */
static void test_symbol_files(void)
{
    enum { EACH = 1 << 20 };
    const char *path = kept_path("symbols.db");
    fill(path, 0);
    int64_t used = gc(path, INT64_MIN, 0, true).used_bytes;
    struct pl_store *store = open_store(path, PL_STORE_WRITE);
    FILE *file = tmpfile();
    CHECK(file);
    srandom(1);
    for (int i = 0; file && i < EACH; i++) /* does not compress */
        (void)fputc((int)(random() >> 8) & 255, file);
    CHECK(file && fflush(file) == 0);
    static const char *const origins[] = {"", "http://one/", "http://two/"};
    for (int i = 0; file && i < 3; i++) {
        char id[PL_DEBUG_ID_TEXT], content[33];
        int64_t row;
        bool known;
        (void)snprintf(id, sizeof id, "3d5be0ca-97ee-4dd0-b2f5-0a4b45b1d7c%d", i);
        (void)snprintf(content, sizeof content, "%032d", i);
        const struct pl_symbol_file symbols = {.kind = "elf",
                                               .debug_id = id,
                                               .build_id = "",
                                               .content = content,
                                               .name = "f.debug",
                                               .origin = origins[i]};
        CHECK_OK(pl_symbol_file_add(store, &symbols, fileno(file), &row, &known, &err),
                 err);
    }
    if (file)
        (void)fclose(file);
    pl_store_close(store);
    int64_t most = used + 3 * EACH / 2;
    struct pl_retention_result would = gc(path, INT64_MIN, most + EACH, true);
    CHECK(would.symbol_files == 1 && !would.parts && would.fits, "%lld",
          (long long)would.symbol_files);
    struct pl_retention_result did = gc(path, INT64_MIN, most + EACH, false);
    CHECK(did.symbol_files == 1 && !did.parts && did.fits && did.bytes >= EACH);
    CHECK(did.symbol_bytes > 2 * EACH && did.symbol_bytes < 2 * EACH + EACH / 2);
    CHECK(support_number(
              path, "SELECT count(*) FROM symbol_file WHERE origin = 'http://one/'") ==
              0,
          "the oldest went first");
    did = gc(path, INT64_MIN, most, false);
    CHECK(did.symbol_files == 1 && !did.parts && did.fits);
    did = gc(path, INT64_MIN, EACH / 2, false);
    CHECK(!did.symbol_files && did.parts && !did.fits && did.symbol_bytes > EACH);
    CHECK(support_number(path, "SELECT count(*) FROM symbol_file") == 1);
    (void)check_sound(path);
}

/* What the pass has not seen, or an upstream is to get, stays. */
static void test_waiting(void)
{
    const char *path = kept_path("waiting.db");
    fill(path, 0);
    struct pl_store *store = open_store(path, PL_STORE_WRITE);
    CHECK(sqlite3_exec(store->db,
                       "UPDATE chunk SET finished = 0 WHERE id = 1;"
                       "INSERT INTO outbox_target (id, name, created_ns) "
                       "VALUES (1, 'up', 1);"
                       "INSERT INTO outbox (target_id, kind, chunk_id, state) "
                       "VALUES (1, 'chunk', 2, 'waiting'), (1, 'chunk', 3, 'sent')",
                       NULL, NULL, NULL) == SQLITE_OK);
    pl_store_close(store);
    struct pl_retention_result did = gc(path, INT64_MAX, 0, false);
    CHECK(did.waiting == 3 && check_sound(path).parts == 9);
    CHECK(support_number(path, "SELECT count(*) FROM outbox") == 1);
}

static _Noreturn void write_on(const char *path)
{
    struct pl_store *store = NULL;
    struct pl_chunk_sink sink;
    struct pl_id id = {{SESSIONS}};
    if (pl_store_open(path, PL_STORE_WRITE, &store, &err) ||
        pl_store_sink(store, &sink, &err))
        _exit(1);
    for (int i = 0; i < 400; i++) {
        parts_make(&part, (uint64_t)i + 1000, id,
                   base_ns + (1 + i / 50) * 60 * minute_ns + i % 50 * minute_ns, false);
        if (sink.put(sink.self, &part.part, &err))
            _exit(1);
    }
    pl_store_close(store);
    _exit(0);
}

/* gc is killed again and again while a writer puts; the last one is let through. */
static void test_kill(void)
{
    const char *path = kept_path("kill.db");
    int status = -1, kills = 0;
    fill(path, 0);
    pid_t writer = fork();
    if (writer == 0)
        write_on(path);
    while (waitpid(writer, &status, WNOHANG) == 0) {
        pid_t collector = fork();
        if (collector == 0) {
            int64_t before = base_ns + 6 * minute_ns;
            struct pl_retention retention = {before, before, before, 0, false};
            struct pl_retention_result result;
            struct pl_store *store = NULL;
            if (pl_store_open(path, PL_STORE_WRITE, &store, &err) != PL_OK)
                _exit(1);
            /* each time a little more */
            while (pl_store_gc(store, &retention, &result, &err) == PL_OK)
                retention.before_ns += 10 * minute_ns;
            _exit(1);
        }
        (void)nanosleep(&(struct timespec){0, 20000000 + kills % 7 * 9000000}, NULL);
        (void)kill(collector, SIGKILL);
        int how = 0;
        (void)waitpid(collector, &how, 0);
        CHECK(WIFSIGNALED(how), "gc failed by itself");
        kills++;
        if (kills % 8 == 0)
            (void)check_sound(path);
    }
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the writer failed");
    CHECK(kills > 3, "%d kills", kills);
    (void)check_sound(path);
    (void)gc(path, base_ns + 60 * minute_ns, 0, false);
    (void)check_sound(path);
    /* The writer's chunks are unprocessed: all of them are there. */
    CHECK(support_number(
              path,
              "SELECT count(*) FROM part WHERE session_id = 2"
              " AND start_ns >= (SELECT min(start_ns) FROM session) + 3600000000000") ==
          400);
}

TEST_MAIN({"age", test_age}, {"all", test_all}, {"size", test_size},
          {"symbol_files", test_symbol_files}, {"waiting", test_waiting},
          {"kill", test_kill})
