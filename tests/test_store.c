/* The store's file from outside: what opening refuses, what a put leaves, and
 * that each sample put comes back with its stack, time, weight and CPU state. */
#include "tests/parts.h"
#include "tests/store_support.h"
#include "tests/test.h"

#include "store/db.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/resource.h>

static const int64_t base_ns = INT64_C(1700000000) / 3600 * 3600 * PL_NS_PER_S;

static struct pl_store *must_open(const char *path, enum pl_store_mode mode)
{
    struct pl_error err = {0};
    struct pl_store *store = NULL;
    CHECK_OK(pl_store_open(path, mode, &store, &err), err);
    if (!store)
        exit(1);
    return store;
}

static struct pl_id id_of(int n)
{
    return (struct pl_id){{(unsigned char)n, 7, 7}};
}

/* ---- opening ---- */

static void write_file(const char *path, const void *bytes, size_t len)
{
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(bytes, 1, len, file) != len || fclose(file) != 0)
        abort();
}

static char *read_all(const char *path, size_t *len_out)
{
    FILE *file = fopen(path, "rb");
    char *bytes = calloc(1, 1 << 22);
    *len_out = file && bytes ? fread(bytes, 1, 1 << 22, file) : 0;
    if (file)
        (void)fclose(file);
    return bytes;
}

/* Refused with `status`, and a line naming the file; the file stays as it was
 * and nothing appears beside it. */
static void check_refused(const char *path, enum pl_status status, const char *word)
{
    static const enum pl_store_mode modes[] = {PL_STORE_READ, PL_STORE_WRITE,
                                               PL_STORE_CREATE};
    for (size_t i = 0; i < 3; i++) {
        struct pl_error err = {0};
        struct pl_store *store = NULL;
        size_t before_len, after_len;
        char *before = read_all(path, &before_len);
        enum pl_status got = pl_store_open(path, modes[i], &store, &err);
        CHECK(got == status && !store, "%s mode %zu: %s: %s", path, i,
              pl_status_name(got), err.message);
        CHECK(strstr(err.message, path) && strstr(err.message, word), "%s",
              err.message);
        CHECK(!strchr(err.message, '\n'));
        char *after = read_all(path, &after_len);
        CHECK(before_len == after_len && memcmp(before, after, after_len) == 0, "%s",
              path);
        free(before);
        free(after);
        static const char *const sides[] = {"-lock", "-wal", "-shm", "-journal"};
        for (size_t s = 0; s < 4; s++) {
            char side[300];
            (void)snprintf(side, sizeof side, "%s%s", path, sides[s]);
            CHECK(access(side, F_OK) != 0, "%s was made", side);
        }
    }
}

static void make_database(const char *path, const char *sql)
{
    sqlite3 *db = NULL;
    CHECK(sqlite3_open(path, &db) == SQLITE_OK);
    CHECK(sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK, "%s",
          sqlite3_errmsg(db));
    (void)sqlite3_close(db);
}

static void test_refusals(void)
{
    check_refused(support_path("."), PL_IO, "folder");
    const char *path = support_path("text");
    write_file(path,
               "hello, I am a text file, and a rather long one at that.\n"
               "hello, I am a text file, and a rather long one at that.\n",
               112);
    check_refused(path, PL_INPUT, "not an SQLite file");
    write_file(path = support_path("empty"), "", 0);
    check_refused(path, PL_INPUT, "empty");
    write_file(path = support_path("short"), "SQLite format 3", 16);
    check_refused(path, PL_INPUT, "another program");
    make_database(path = support_path("foreign"), "CREATE TABLE t(x)");
    check_refused(path, PL_INPUT, "another program");
    make_database(path = support_path("newer"),
                  "PRAGMA application_id=0x50464C54; PRAGMA user_version=200;"
                  "CREATE TABLE t(x)");
    check_refused(path, PL_INPUT, "2.00");
    path = support_path("fifo");
    CHECK(mkfifo(path, 0600) == 0);
    struct pl_error err = {0};
    struct pl_store *store = NULL;
    CHECK(pl_store_open(path, PL_STORE_CREATE, &store, &err) == PL_INPUT);
    const char *link = support_path("link");
    CHECK(symlink("foreign", link) == 0);
    check_refused(link, PL_INPUT, "symbolic link");
    CHECK(pl_store_open("", PL_STORE_CREATE, &store, &err) == PL_INPUT);
    CHECK(pl_store_open(support_path("text/x.db"), PL_STORE_CREATE, &store, &err) ==
              PL_IO,
          "%s", err.message);
}

/* What others put beside a store, or make of its name, is neither followed nor written
 * to, and holds nobody up. */
static void test_planted(void)
{
    static const char *const suffixes[] = {"-wal", "-shm", "-journal", "-lock"};
    static const char secret[] = "someone else's, longer than a page of nothing";
    const char *path = support_path("planted.db"), *victim = support_path("victim");
    struct pl_error err = {0};
    pl_store_close(must_open(path, PL_STORE_CREATE));
    for (size_t i = 0; i < 4; i++)
        for (int kind = 0; kind < 4; kind++)
            for (int mode = PL_STORE_READ; mode <= PL_STORE_CREATE; mode++) {
                char side[300];
                struct pl_store *store = NULL;
                (void)snprintf(side, sizeof side, "%s%s", path, suffixes[i]);
                (void)unlink(side);
                write_file(victim, secret, sizeof secret);
                CHECK((kind == 0   ? symlink(victim, side)
                       : kind == 1 ? link(victim, side)
                       : kind == 2 ? mkfifo(side, 0600)
                                   : mkdir(side, 0700)) == 0);
                enum pl_status status =
                    pl_store_open(path, (enum pl_store_mode)mode, &store, &err);
                CHECK(status == PL_INPUT && strstr(err.message, suffixes[i]),
                      "%s of kind %d: %s", suffixes[i], kind, err.message);
                pl_store_close(store);
                size_t len;
                char *now = read_all(victim, &len);
                CHECK(len == sizeof secret && memcmp(now, secret, len) == 0);
                free(now);
                CHECK(remove(side) == 0);
            }
    const char *second = support_path("second.db");
    CHECK(link(path, second) == 0);
    for (int i = 0; i < 2; i++) {
        struct pl_store *store = NULL;
        CHECK(pl_store_open(i ? path : second, PL_STORE_CREATE, &store, &err) ==
                  PL_INPUT &&
              strstr(err.message, "second name"));
        pl_store_close(must_open(i ? path : second, PL_STORE_READ));
    }
    CHECK(unlink(second) == 0);
    pl_store_close(must_open(path, PL_STORE_WRITE));
}

static void test_missing(void)
{
    struct pl_error err = {0};
    struct pl_store *store = NULL;
    const char *path = support_path("nothing/here.db");
    CHECK(pl_store_open(path, PL_STORE_READ, &store, &err) == PL_NOT_FOUND);
    CHECK(pl_store_open(path, PL_STORE_WRITE, &store, &err) == PL_NOT_FOUND);
    CHECK(access(support_path("nothing"), F_OK) != 0);
}

static void test_create(void)
{
    static const mode_t masks[] = {0, 022, 0777};
    for (size_t i = 0; i < 3; i++) {
        char name[64];
        struct stat file, folder, lock;
        (void)snprintf(name, sizeof name, "new%zu/deep/p.db", i);
        mode_t old = umask(masks[i]);
        struct pl_store *store = must_open(support_path(name), PL_STORE_CREATE);
        struct pl_error err = {0};
        CHECK_OK(pl_db_begin_write(store, &err), err);
        CHECK_OK(pl_db_commit(store, &err), err);
        umask(old);
        CHECK(stat(support_path(name), &file) == 0 && (file.st_mode & 07777) == 0600);
        *strrchr(name, '/') = '\0';
        CHECK(stat(support_path(name), &folder) == 0 &&
              (folder.st_mode & 07777) == 0700);
        char lock_path[300];
        (void)snprintf(lock_path, sizeof lock_path, "%s-lock", pl_store_path(store));
        CHECK(stat(lock_path, &lock) == 0 && (lock.st_mode & 07777) == 0600);
        pl_store_close(store);
    }
    char *listing = support_shell(support_path("new0/deep/p.db"),
                                  "PRAGMA application_id; PRAGMA user_version;"
                                  "PRAGMA page_size; PRAGMA auto_vacuum;"
                                  "PRAGMA journal_mode; PRAGMA integrity_check");
    CHECK(listing && strcmp(listing, "1346784340\n100\n2048\n2\nwal\nok\n") == 0, "%s",
          listing);
    free(listing);
}

/* Two that start at once end up with one store. */
static void test_create_race(void)
{
    const char *path = support_path("race.db");
    pid_t pids[4];
    for (int i = 0; i < 4; i++) {
        pids[i] = fork();
        if (pids[i] == 0) {
            struct pl_store *store = NULL;
            _exit(pl_store_open(path, PL_STORE_CREATE, &store, NULL) != PL_OK);
        }
    }
    for (int i = 0; i < 4; i++) {
        int status = 1;
        (void)waitpid(pids[i], &status, 0);
        CHECK(status == 0);
    }
    pl_store_close(must_open(path, PL_STORE_READ));
}

static void test_truncated(void)
{
    const char *path = support_path("cut.db");
    struct pl_error err = {0};
    pl_store_close(must_open(path, PL_STORE_CREATE));
    struct stat file;
    CHECK(stat(path, &file) == 0 && truncate(path, file.st_size / 2) == 0);
    CHECK(unlink(support_path("cut.db-wal")) == 0);
    CHECK(unlink(support_path("cut.db-shm")) == 0);
    CHECK(unlink(support_path("cut.db-lock")) == 0);
    check_refused(path, PL_INPUT, "damaged");
    /* garbage where the schema is: refused or, at the latest, a clear error */
    path = support_path("garbage.db");
    pl_store_close(must_open(path, PL_STORE_CREATE));
    int fd = open(path, O_WRONLY);
    char junk[3000];
    memset(junk, 0xa5, sizeof junk);
    CHECK(pwrite(fd, junk, sizeof junk, 100) == sizeof junk);
    (void)close(fd);
    struct pl_store *store = NULL;
    enum pl_status status = pl_store_open(path, PL_STORE_READ, &store, &err);
    CHECK(status == PL_INPUT, "%s: %s", pl_status_name(status), err.message);
}

static void test_permission(void)
{
    const char *path = support_path("mine.db");
    pl_store_close(must_open(path, PL_STORE_CREATE));
    if (geteuid() == 0) {
        /* root may read all: try as nobody, in a folder nobody may enter or write */
        CHECK(chmod(support_dir, 0755) == 0);
        pl_store_close(must_open(support_path("still/p.db"), PL_STORE_CREATE));
        (void)unlink(support_path("still/p.db-wal"));
        (void)unlink(support_path("still/p.db-shm"));
        CHECK(chmod(support_path("still"), 0555) == 0);
        CHECK(chmod(support_path("still/p.db"), 0444) == 0);
        pid_t pid = fork();
        if (pid == 0) {
            struct pl_error err = {0};
            struct pl_store *store = NULL;
            if (setgid(65534) != 0 || setuid(65534) != 0)
                _exit(9);
            int bad = pl_store_open(path, PL_STORE_READ, &store, &err) != PL_IO;
            bad |= !strstr(err.message, path);
            bad |= pl_store_open(support_path("new.db"), PL_STORE_CREATE, &store,
                                 &err) != PL_IO;
            bad |= pl_store_open(support_path("still/p.db"), PL_STORE_READ, &store,
                                 &err) != PL_OK; /* no side files can be made */
            pl_store_close(store);
            _exit(bad);
        }
        int status = 1;
        (void)waitpid(pid, &status, 0);
        CHECK(status == 0, "child says %d", status >> 8);
    } else {
        struct pl_error err = {0};
        struct pl_store *store = NULL;
        CHECK(chmod(path, 0) == 0);
        CHECK(pl_store_open(path, PL_STORE_READ, &store, &err) == PL_IO, "%s",
              err.message);
        CHECK(chmod(path, 0600) == 0);
    }
}

static void test_newer_minor(void)
{
    const char *path = support_path("minor.db");
    pl_store_close(must_open(path, PL_STORE_CREATE));
    make_database(path, "PRAGMA user_version=177");
    struct pl_store *store = must_open(path, PL_STORE_CREATE);
    struct pl_error err = {0};
    struct pl_chunk_sink sink;
    CHECK(pl_store_sink(store, &sink, &err) == PL_INPUT &&
          strstr(err.message, "newer"));
    CHECK(pl_db_begin_write(store, &err) == PL_INPUT);
    pl_store_close(store);
}

static void test_odd_names(void)
{
    static const char *const names[] = {"a b?c#d%e.db",
                                        ":memory:", "file:x?mode=memory"};
    char old[256];
    CHECK(getcwd(old, sizeof old) != NULL);
    CHECK(*support_path("x") && chdir(support_dir) == 0);
    for (size_t i = 0; i < 3; i++) {
        pl_store_close(must_open(names[i], PL_STORE_CREATE));
        CHECK(access(names[i], F_OK) == 0, "%s", names[i]);
        pl_store_close(must_open(names[i], PL_STORE_READ));
    }
    CHECK(chdir(old) == 0);
}

/* ---- putting ---- */

static struct pl_chunk_sink sink_of(struct pl_store *store)
{
    struct pl_chunk_sink sink = {0};
    struct pl_error err = {0};
    CHECK_OK(pl_store_sink(store, &sink, &err), err);
    return sink;
}

static void begin(const struct pl_chunk_sink *sink, int session)
{
    struct pl_error err = {0};
    struct pl_sink_session s = parts_session(id_of(session), base_ns);
    CHECK_OK(sink->session_begin(sink->self, &s, &err), err);
}

/* Samples of the part as put, in the order of thread, tick. */
struct expected {
    size_t thread;
    uint32_t stack;
    int64_t ts_ns, weight_ns;
    int on_cpu;
};

static size_t expect(const struct pl_sink_part *part, struct expected *out)
{
    size_t n = 0;
    for (size_t t = 0; t < part->thread_count; t++) {
        const struct pl_sink_thread *thread = &part->threads[t];
        bool known = true;
        for (size_t r = 0; r < thread->run_count; r++)
            known = known && (thread->runs[r].stack == PL_NO_INDEX ||
                              !thread->runs[r].count || thread->runs[r].on_cpu >= 0);
        size_t tick = 0;
        for (size_t r = 0; r < thread->run_count; r++) {
            const struct pl_sink_run *run = &thread->runs[r];
            for (uint32_t i = 0; i < run->count; i++, tick++)
                if (run->stack != PL_NO_INDEX)
                    out[n++] = (struct expected){
                        t, run->stack,
                        thread->times_ns ? thread->times_ns[tick]
                                         : part->ticks_ns[tick],
                        run->weight_ns ? run->weight_ns : part->period_ns,
                        known ? run->on_cpu > 0 : -1};
        }
    }
    return n;
}

static sqlite3_stmt *prepare(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *stmt = NULL;
    CHECK(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK, "%s: %s", sql,
          sqlite3_errmsg(db));
    return stmt;
}

/* Every sample put is in the view, with all it was put with, in order. */
static void check_samples(const char *path, const struct test_part *p)
{
    static struct expected want[50000];
    size_t count = expect(&p->part, want), i = 0, bad = 0;
    char uuid[PL_ID_TEXT];
    sqlite3 *db = NULL;
    CHECK(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK);
    sqlite3_stmt *stmt = prepare(
        db, "SELECT ts_ns, weight_ns, on_cpu, chunk_start_ns, chunk_end_ns,"
            " (SELECT count(*) FROM stack_frame f WHERE f.stack_id = s.stack_id)"
            " FROM sample s JOIN thread t ON t.id = s.thread_id"
            " WHERE chunk_id = (SELECT id FROM chunk WHERE uuid = ?)"
            " ORDER BY t.id, tick");
    pl_id_format(&p->part.chunk_id, uuid);
    (void)sqlite3_bind_text(stmt, 1, uuid, -1, SQLITE_TRANSIENT);
    while (sqlite3_step(stmt) == SQLITE_ROW) {
        if (i >= count) {
            i++;
            continue;
        }
        const struct expected *w = &want[i++];
        int64_t ts = sqlite3_column_int64(stmt, 0);
        int on = sqlite3_column_type(stmt, 2) == SQLITE_NULL
                     ? -1
                     : sqlite3_column_int(stmt, 2);
        bad += ts < w->ts_ns || ts >= w->ts_ns + 1000;
        bad += sqlite3_column_int64(stmt, 1) != w->weight_ns;
        bad += on != w->on_cpu;
        bad +=
            ts < sqlite3_column_int64(stmt, 3) || ts >= sqlite3_column_int64(stmt, 4);
        uint32_t frames = p->part.stacks[w->stack].frame_count;
        bad += (uint32_t)sqlite3_column_int(stmt, 5) != (frames ? frames : 1);
    }
    CHECK(i == count, "%zu samples of %zu", i, count);
    CHECK(bad == 0, "%zu differences", bad);
    (void)sqlite3_finalize(stmt);
    (void)sqlite3_close(db);
}

static struct test_part one, two;

static void test_roundtrip(void)
{
    const char *path = support_path("round.db");
    struct pl_store *store = must_open(path, PL_STORE_CREATE);
    struct pl_chunk_sink sink = sink_of(store);
    struct pl_error err = {0};
    begin(&sink, 1);
    parts_make(&one, 5, id_of(1), base_ns + 12345, false);
    parts_make(&two, 6, id_of(1), base_ns + 60 * PL_NS_PER_S, true);
    CHECK_OK(sink.put(sink.self, &one.part, &err), err);
    CHECK_OK(sink.put(sink.self, &two.part, &err), err);
    check_samples(path, &one);
    check_samples(path, &two);
    CHECK_OK(sink.session_end(sink.self, &one.part.session_id, base_ns + 1,
                              PL_SESSION_CRASHED, 139, &err),
             err);
    char *text =
        support_shell(path, "SELECT state, exit_status, pid, release,"
                            " end_ns = (SELECT max(end_ns) FROM part),"
                            " parent_id IS NULL FROM session;"
                            "SELECT group_concat(name, ',') FROM thread;"
                            "SELECT sum(count), count(thread_id) FROM loss;"
                            "SELECT key, value, first_tick, n FROM label LIMIT 2");
    CHECK(text && strcmp(text,
                         "crashed|139|42|1.0\xef\xbf\xbd|1|1\n"
                         "main,worker \xef\xbf\xbd(,w,own,main\n"
                         "40|2\ntenant|acme|10|20\nspan|GET /\xef\xbf\xbd|0|5\n") == 0,
          "%s", text);
    free(text);
    pl_store_close(store);
}

/* Stacks come back frame by frame, whatever they shared with others. */
static void test_stacks(void)
{
    const char *path = support_path("stacks.db");
    struct pl_store *store = must_open(path, PL_STORE_CREATE);
    struct pl_chunk_sink sink = sink_of(store);
    struct pl_error err = {0};
    begin(&sink, 1);
    for (int round = 0; round < 6; round++) {
        parts_make(&one, 100 + (uint64_t)round, id_of(1),
                   base_ns + round * 60 * PL_NS_PER_S, false);
        /* one sample per stack, in order */
        for (uint32_t i = 0; i < PARTS_STACKS; i++)
            one.runs[0][i] = (struct pl_sink_run){i, 1, 1, 0};
        one.threads[0].run_count = PARTS_STACKS;
        CHECK_OK(sink.put(sink.self, &one.part, &err), err);
        sqlite3 *db = store->db;
        sqlite3_stmt *stmt = prepare(
            db,
            "SELECT coalesce((SELECT group_concat(format('%x', address), ' ')"
            " FROM (SELECT r.address FROM stack_frame f JOIN frame_raw r"
            " ON r.id = f.frame_id WHERE f.stack_id = s.stack_id ORDER BY depth)), '')"
            " FROM sample s JOIN thread t ON t.id = s.thread_id WHERE t.tid = 100"
            " AND t.seq = 0 AND part_id = (SELECT max(id) FROM part) ORDER BY tick");
        for (uint32_t i = 0; i < PARTS_STACKS; i++) {
            char want[1024] = "";
            if (!one.stacks[i].frame_count)
                (void)snprintf(want, sizeof want, "0"); /* "[no stack]" */
            for (uint32_t f = 0; f < one.stacks[i].frame_count; f++) {
                size_t len = strlen(want);
                (void)snprintf(
                    want + len, sizeof want - len, "%s%llx", f ? " " : "",
                    (unsigned long long)one.frames[one.stack_frames[i][f]].address);
            }
            CHECK(sqlite3_step(stmt) == SQLITE_ROW);
            CHECK(strcmp((const char *)sqlite3_column_text(stmt, 0), want) == 0,
                  "round %d stack %u: %s, not %s", round, i,
                  sqlite3_column_text(stmt, 0), want);
        }
        (void)sqlite3_finalize(stmt);
        if (round == 2) { /* another writer, which knows nothing yet */
            pl_store_close(store);
            store = must_open(path, PL_STORE_WRITE);
            sink = sink_of(store);
        }
    }
    pl_store_close(store);
    CHECK(support_number(path, "SELECT count(*) FROM frame_raw") == PARTS_FRAMES + 1);
    /* the same again adds no stack */
    long long stacks = support_number(path, "SELECT count(*) FROM stack");
    store = must_open(path, PL_STORE_WRITE);
    sink = sink_of(store);
    one.part.chunk_id = id_of(99);
    one.part.start_ns += 60 * PL_NS_PER_S;
    one.part.end_ns += 60 * PL_NS_PER_S;
    for (size_t i = 0; i < one.part.tick_count; i++)
        one.ticks[i] += 60 * PL_NS_PER_S;
    for (size_t i = 0; i < 8000; i++)
        one.own_times[i] += 60 * PL_NS_PER_S;
    CHECK_OK(sink.put(sink.self, &one.part, &err), err);
    CHECK(support_number(path, "SELECT count(*) FROM stack") == stacks);
    pl_store_close(store);
}

static void test_idempotent(void)
{
    const char *path = support_path("twice.db");
    struct pl_store *store = must_open(path, PL_STORE_CREATE);
    struct pl_chunk_sink sink = sink_of(store);
    struct pl_error err = {0};
    begin(&sink, 1);
    begin(&sink, 1);
    parts_make(&one, 5, id_of(1), base_ns, false);
    uint64_t before = 0, after = 0;
    for (int i = 0; i < 3; i++) {
        CHECK_OK(sink.put(sink.self, &one.part, &err), err);
        CHECK_OK(pl_store_generation(store, &after, &err), err);
        CHECK((after == before) == (i > 0), "put %d", i);
        before = after;
    }
    CHECK(support_number(path, "SELECT count(*) FROM part") == 1);
    CHECK(support_number(path, "SELECT count(*) FROM session") == 1);
    /* a second part of the same chunk asks for another pass over it */
    CHECK(support_number(path, "SELECT finished FROM chunk") == 0);
    struct pl_id chunk = one.part.chunk_id;
    parts_make(&one, 7, id_of(1), base_ns + 60 * PL_NS_PER_S, false);
    one.part.chunk_id = chunk;
    CHECK_OK(sink.put(sink.self, &one.part, &err), err);
    CHECK(support_number(path, "SELECT count(*) FROM chunk") == 1);
    CHECK(support_number(path, "SELECT count(*) FROM part") == 2);
    CHECK(support_number(path, "SELECT end_ns - start_ns > 119000000000 FROM chunk") ==
          1);
    pl_store_close(store);
}

static void test_bad_parts(void)
{
    const char *path = support_path("bad.db");
    struct pl_store *store = must_open(path, PL_STORE_CREATE);
    struct pl_chunk_sink sink = sink_of(store);
    struct pl_error err = {0};
    parts_make(&one, 5, id_of(1), base_ns, false);
    CHECK(sink.put(sink.self, &one.part, &err) == PL_NOT_FOUND, "no session yet");
    CHECK(sink.session_end(sink.self, &one.part.session_id, 5, PL_SESSION_ENDED, 0,
                           &err) == PL_NOT_FOUND);
    begin(&sink, 1);
    for (int i = 0; i < 12; i++) {
        parts_make(&one, 5, id_of(1), base_ns, false);
        switch (i) {
        case 0:
            one.frames[0].module = 4;
            break;
        case 1:
            one.stack_frames[5][0] = PARTS_FRAMES;
            break;
        case 2:
            one.runs[0][0].stack = PARTS_STACKS;
            break;
        case 3:
            one.runs[0][0].count = 7000;
            break;
        case 4:
            one.ticks[5] = one.ticks[4] - 1;
            break;
        case 5:
            one.part.period_ns = 0;
            break;
        case 6:
            one.part.start_ns = base_ns - 30 * PL_NS_PER_S; /* another hour */
            break;
        case 7:
            one.losses[0].thread = 5;
            break;
        case 8:
            one.labels[0].thread = 5;
            break;
        case 9:
            one.runs[0][1].weight_ns = INT64_MAX;
            one.runs[0][1].count = 2;
            break;
        case 10:
            one.own_times[10] = one.own_times[9] - 1;
            break;
        case 11:
            one.part.end_ns = INT64_MAX;
            break;
        }
        enum pl_status status = sink.put(sink.self, &one.part, &err);
        CHECK(status == PL_INPUT, "case %d: %s %s", i, pl_status_name(status),
              err.message);
    }
    CHECK(support_number(path, "SELECT count(*) FROM chunk") == 0);
    parts_make(&one, 5, id_of(1), base_ns, false);
    CHECK_OK(sink.put(sink.self, &one.part, &err), err);
    check_samples(path, &one);
    pl_store_close(store);
}

/* ---- trouble ---- */

/* A full disk: nothing half-written, and the same put works later. */
static void test_full_disk(void)
{
    const char *path = support_path("full.db");
    struct pl_store *store = must_open(path, PL_STORE_CREATE);
    struct pl_chunk_sink sink = sink_of(store);
    struct pl_error err = {0};
    begin(&sink, 1);
    parts_make(&one, 5, id_of(1), base_ns, false);
    (void)sqlite3_exec(store->db, "PRAGMA max_page_count = 1", NULL, NULL, NULL);
    CHECK(sink.put(sink.self, &one.part, &err) == PL_IO);
    CHECK(strstr(err.message, "disk is full") && strstr(err.message, path), "%s",
          err.message);
    CHECK(support_number(path, "SELECT count(*) FROM stack") == 0);
    (void)sqlite3_exec(store->db, "PRAGMA max_page_count = 100000000", NULL, NULL,
                       NULL);
    CHECK_OK(sink.put(sink.self, &one.part, &err), err);
    check_samples(path, &one);
    pl_store_close(store);
}

/* A file size limit is an error to the put, not the end of the process. */
static void test_size_limit(void)
{
    const char *path = support_path("limit.db");
    struct pl_store *store = must_open(path, PL_STORE_CREATE);
    struct pl_chunk_sink sink = sink_of(store);
    struct pl_error err = {0};
    begin(&sink, 1);
    parts_make(&one, 5, id_of(1), base_ns, false);
    struct rlimit old, small;
    CHECK(getrlimit(RLIMIT_FSIZE, &old) == 0);
    small = old;
    small.rlim_cur = 64 << 10;
    CHECK(setrlimit(RLIMIT_FSIZE, &small) == 0);
    enum pl_status status = sink.put(sink.self, &one.part, &err);
    CHECK(setrlimit(RLIMIT_FSIZE, &old) == 0);
    CHECK(status == PL_IO && strstr(err.message, path), "%s: %s",
          pl_status_name(status), err.message);
    CHECK_OK(sink.put(sink.self, &one.part, &err), err);
    check_samples(path, &one);
    pl_store_close(store);
}

static void test_removed(void)
{
    const char *path = support_path("gone.db");
    struct pl_store *store = must_open(path, PL_STORE_CREATE);
    struct pl_chunk_sink sink = sink_of(store);
    struct pl_error err = {0};
    begin(&sink, 1);
    CHECK(unlink(path) == 0);
    parts_make(&one, 5, id_of(1), base_ns, false);
    CHECK(sink.put(sink.self, &one.part, &err) == PL_IO);
    CHECK(strstr(err.message, "removed or replaced"), "%s", err.message);
    pl_store_close(store);
}

/* Nobody writes while somebody holds the lock; a reader holds up nobody, and the
 * log stays bounded once it lets go. */
static void test_log(void)
{
    const char *path = support_path("log.db");
    struct pl_store *store = must_open(path, PL_STORE_CREATE);
    struct pl_store *reader = must_open(path, PL_STORE_READ);
    struct pl_chunk_sink sink = sink_of(store);
    struct pl_error err = {0};
    char log[300], lock[300];
    struct stat file;
    (void)snprintf(log, sizeof log, "%s-wal", path);
    (void)snprintf(lock, sizeof lock, "%s-lock", path);
    begin(&sink, 1);
    parts_make(&one, 5, id_of(1), base_ns, false);
    CHECK_OK(pl_db_begin_write(store, &err), err);
    int fd = open(lock, O_RDWR);
    CHECK(flock(fd, LOCK_SH | LOCK_NB) != 0, "the lock is held in a transaction");
    pl_db_rollback(store);
    CHECK(flock(fd, LOCK_SH | LOCK_NB) == 0, "and only there");
    (void)close(fd);

    uint64_t generation;
    CHECK_OK(pl_db_begin_read(reader, &err), err);
    CHECK_OK(pl_store_generation(reader, &generation, &err), err);
    off_t most = 0;
    for (int i = 0; i < 240; i++) {
        one.part.chunk_id = id_of(i);
        CHECK_OK(sink.put(sink.self, &one.part, &err), err);
        (void)stat(log, &file);
        most = file.st_size > most ? file.st_size : most;
        if (i == 80) {
            pl_db_end_read(reader);
            most = 0;
        }
    }
    CHECK(most < 20 << 20, "log reached %lld", (long long)most);
    CHECK_OK(pl_store_checkpoint(store, &err), err);
    CHECK(stat(log, &file) == 0 && file.st_size == 0, "log has %lld",
          (long long)file.st_size);
    pl_store_close(store);
    pl_store_close(reader);
    CHECK(support_number(path, "SELECT count(*) FROM part") == 240);
}

/* Reading never writes a byte, and works where nothing can be written. */
static void test_read_only(void)
{
    const char *path = support_path("quiet.db");
    struct pl_store *store = must_open(path, PL_STORE_CREATE);
    struct pl_chunk_sink sink = sink_of(store);
    begin(&sink, 1);
    pl_store_close(store);
    size_t before_len, after_len;
    char *before = read_all(path, &before_len);
    store = must_open(path, PL_STORE_READ);
    struct pl_error err = {0};
    uint64_t generation = 0;
    CHECK_OK(pl_store_generation(store, &generation, &err), err);
    CHECK(generation > 0 && generation < UINT64_C(1) << 53);
    CHECK(pl_db_begin_write(store, &err) == PL_INPUT);
    CHECK(pl_store_sink(store, &sink, &err) == PL_INPUT);
    CHECK(sqlite3_exec(store->db, "DELETE FROM session", NULL, NULL, NULL) !=
          SQLITE_OK);
    pl_store_close(store);
    char *after = read_all(path, &after_len);
    CHECK(before_len == after_len && memcmp(before, after, after_len) == 0);
    free(before);
    free(after);
}

static bool is_full(struct pl_store *store)
{
    sqlite3_stmt *stmt = NULL;
    int level = -1;
    if (sqlite3_prepare_v2(store->db, "PRAGMA synchronous", -1, &stmt, NULL) ==
            SQLITE_OK &&
        sqlite3_step(stmt) == SQLITE_ROW)
        level = sqlite3_column_int(stmt, 0);
    (void)sqlite3_finalize(stmt);
    return level == 2;
}

static void test_durable(void)
{
    struct pl_chunk_sink sink;
    struct pl_error error = {0};
    for (int durable = 0; durable < 2; durable++) {
        void *handle = NULL;
        CHECK_OK(pl_chunk_sink_open(support_path("durable.db"), durable, &sink, &handle,
                                    &error),
                 error);
        CHECK(handle && is_full(handle) == (durable != 0));
        pl_chunk_sink_close(handle);
    }
}

TEST_MAIN({"durable", test_durable}, {"refusals", test_refusals},
          {"planted", test_planted}, {"missing", test_missing}, {"create", test_create},
          {"create_race", test_create_race}, {"truncated", test_truncated},
          {"permission", test_permission}, {"newer_minor", test_newer_minor},
          {"odd_names", test_odd_names}, {"roundtrip", test_roundtrip},
          {"stacks", test_stacks}, {"idempotent", test_idempotent},
          {"bad_parts", test_bad_parts}, {"full_disk", test_full_disk},
          {"size_limit", test_size_limit}, {"removed", test_removed}, {"log", test_log},
          {"read_only", test_read_only})
