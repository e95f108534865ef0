/* Rollups: whatever was summed up, reopened, added late or deleted, a query answers the
 * same from sums as from samples: compared with a store of the same parts that has
 * none, for random selections, to the sample and to the ns. */
#include "tests/store_support.h"
#include "tests/test.h"

#include "base/clock.h"
#include "store/check.h"
#include "store/db.h"
#include "store/query.h"
#include "store/query_history.h"
#include "store/retention.h"
#include "store/rollup.h"

#include <inttypes.h>

enum { SESSIONS = 3, THREADS = 3, HOURS = 60, STACKS = 40, DEPTH = 8, FRAMES = 12 };

static const int64_t base_ns = INT64_C(19675) * 86400 * PL_NS_PER_S; /* a day's start */
static const int64_t hour_ns = 3600 * PL_NS_PER_S, minute_ns = 60 * PL_NS_PER_S;
static struct pl_error err;
static uint64_t rng = 11;

static uint32_t pick(uint32_t below)
{
    rng = rng * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(((rng >> 33) * below) >> 31);
}

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

static int run_sql(const char *path, const char *sql)
{
    sqlite3 *db = NULL;
    int rc = sqlite3_open(path, &db);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(db, sql, NULL, NULL, NULL);
    CHECK(rc == SQLITE_OK, "%s: %s", sql, sqlite3_errmsg(db));
    sqlite3_close(db);
    return rc;
}

/* ---- parts ---- */

/* A minute of a session; the same for the same numbers. */
static enum pl_status put_minute(struct pl_chunk_sink *sink, int session, int minute)
{
    enum { TICKS = 200, RUNS = 60 };
    static const char *const names[] = {"main", "io", "worker"};
    static char functions[FRAMES][16];
    struct pl_sink_frame frames[FRAMES];
    struct pl_sink_stack stacks[STACKS];
    uint32_t spelled[STACKS][DEPTH];
    struct pl_sink_thread threads[THREADS];
    struct pl_sink_run runs[THREADS][RUNS];
    int64_t ticks[TICKS], own[TICKS], start = base_ns + minute * minute_ns;
    uint64_t before = rng;
    rng = 5;
    for (uint32_t f = 0; f < FRAMES; f++) {
        (void)snprintf(functions[f], sizeof functions[f], "f%u", f);
        frames[f] = (struct pl_sink_frame){
            .module = PL_NO_INDEX, .function = functions[f], .in_app = -1};
    }
    for (uint32_t s = 0; s < STACKS; s++) {
        stacks[s] = (struct pl_sink_stack){1 + pick(DEPTH), spelled[s]};
        for (uint32_t d = 0; d < DEPTH; d++)
            spelled[s][d] = pick(FRAMES);
    }
    rng = (uint64_t)(minute * 10 + session) * 977 + 3;
    for (int i = 0; i < TICKS; i++) /* the last ones come after the hour */
        ticks[i] =
            start + i * minute_ns / TICKS + pick(minute % 60 == 59 ? 500000000 : 90000);
    for (int i = 1; i < TICKS; i++)
        ticks[i] = ticks[i] < ticks[i - 1] ? ticks[i - 1] : ticks[i];
    for (int t = 0; t < THREADS; t++) {
        uint32_t left = TICKS, n = 0, kind = pick(4);
        while (left && n < RUNS) {
            uint32_t count = 1 + pick(pick(4) ? 3 : 40);
            count = count < left ? count : left;
            runs[t][n++] = (struct pl_sink_run){
                .stack = pick(9) ? pick(STACKS) : PL_NO_INDEX,
                .count = count,
                .on_cpu = (int8_t)(kind == 0 ? -1 : (int)pick(3) > 0),
                .weight_ns = kind == 1 ? 1 + (int64_t)pick(900000) : 0};
            left -= count;
        }
        threads[t] = (struct pl_sink_thread){
            .tid = 10 * session + t,
            .name = names[t],
            .runs = runs[t],
            .run_count = n,
            .times_ns = kind == 2 ? own : NULL,
            .cpu_ns = pick(3) ? (int64_t)pick(2000000000) : (int64_t)pick(2) - 1};
    }
    for (int i = 0; i < TICKS; i++)
        own[i] = start + i * INT64_C(100000000) + pick(90000000);
    rng = before;
    const struct pl_sink_loss loss = {1, "ring_full", 3};
    const struct pl_sink_part part = {
        .session_id = {{1, (unsigned char)session}},
        .chunk_id = {{2, (unsigned char)session, (unsigned char)(minute >> 8),
                      (unsigned char)minute}},
        .start_ns = start,
        .end_ns = start + minute_ns,
        .period_ns = minute_ns / TICKS,
        .ticks_ns = ticks,
        .tick_count = TICKS,
        .frames = frames,
        .frame_count = FRAMES,
        .stacks = stacks,
        .stack_count = STACKS,
        .threads = threads,
        .thread_count = THREADS,
        .losses = &loss,
        .loss_count = 1,
    };
    return sink->put(sink->self, &part, &err);
}

static void begin_sessions(struct pl_chunk_sink *sink)
{
    static const char *const apps[] = {"alpha", "beta", "beta"};
    for (int s = 0; s < SESSIONS; s++) {
        const struct pl_sink_session session = {.id = {{1, (unsigned char)s}},
                                                .app = apps[s],
                                                .release = s == 1 ? "1.0" : NULL,
                                                .mode = "wall",
                                                .start_ns = base_ns};
        CHECK_OK(sink->session_begin(sink->self, &session, &err), err);
    }
}

/* Which minutes a session has: some hours full, some of few parts, some none. */
static bool has_minute(int session, int minute)
{
    int hour = minute / 60;
    if (session == 2)
        return hour % 7 == 3 && minute % 60 < 2;
    if ((hour + session) % 5 == 4)
        return false;
    return minute % 60 < 3 || minute % 60 >= 56 ||
           (minute % 10 == 0 && (hour + session) % 3 != 1);
}

/* Not the first ones: threads get the same ids in every store. */
static bool is_late(int session, int minute)
{
    return minute >= 4 * 60 && (minute + session) % 13 == 0;
}

/* In order of time, which sums up hours on the way; `late` ones come afterwards. */
static void fill(const char *path, bool late_ones_too)
{
    struct pl_store *store = open_store(path, PL_STORE_CREATE);
    struct pl_chunk_sink sink;
    CHECK_OK(pl_store_sink(store, &sink, &err), err);
    begin_sessions(&sink);
    for (int m = 0; m < HOURS * 60; m++)
        for (int s = 0; s < SESSIONS; s++)
            if (has_minute(s, m) && (late_ones_too || !is_late(s, m)))
                CHECK_OK(put_minute(&sink, s, m), err);
    pl_store_close(store);
}

static void put_late_ones(const char *path)
{
    struct pl_store *store = open_store(path, PL_STORE_WRITE);
    struct pl_chunk_sink sink;
    CHECK_OK(pl_store_sink(store, &sink, &err), err);
    for (int m = HOURS * 60; m-- > 0;)
        for (int s = 0; s < SESSIONS; s++)
            if (has_minute(s, m) && is_late(s, m))
                CHECK_OK(put_minute(&sink, s, m), err);
    pl_store_close(store);
}

static void roll(const char *path, bool force)
{
    struct pl_store *store = open_store(path, PL_STORE_WRITE);
    const struct pl_rollup_options all = {.before_ns = base_ns + (HOURS + 24) * hour_ns,
                                          .force = force};
    CHECK_OK(pl_rollup_run(store, &all, &err), err);
    pl_store_close(store);
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
    pl_store_close(store);
}

/* ---- comparing ---- */

static bool same_profile(const struct pl_profile *a, const struct pl_profile *b)
{
    if (a->total_ns != b->total_ns || a->samples != b->samples || a->lost != b->lost ||
        a->from_ns != b->from_ns || a->to_ns != b->to_ns ||
        a->node_count != b->node_count || a->function_count != b->function_count)
        return false;
    for (size_t i = 0; i < a->node_count; i++) {
        const struct pl_node *x = &a->nodes[i], *y = &b->nodes[i];
        if (x->parent != y->parent || x->self_ns != y->self_ns ||
            x->total_ns != y->total_ns || x->self_samples != y->self_samples ||
            (i && strcmp(a->functions[x->function].name,
                         b->functions[y->function].name) != 0))
            return false;
    }
    return true;
}

static int64_t random_time(void)
{
    switch (pick(5)) {
    case 0:
        return 0;
    case 1:
        return base_ns + (int64_t)pick(HOURS * 60) * minute_ns + pick(60000) * 1000;
    case 2:
        return base_ns + (int64_t)pick(4) * 24 * hour_ns;
    default:
        return base_ns + (int64_t)pick(HOURS + 1) * hour_ns +
               (pick(4) ? 0 : pick(3) - 1);
    }
}

static void choose(struct pl_selection *selection, int64_t *ids)
{
    static const char *const functions[] = {"f1", "f5", "f11", "none"};
    *selection =
        (struct pl_selection){.from_ns = random_time(), .to_ns = random_time()};
    for (int i = 0; i < SESSIONS * THREADS; i++)
        ids[i] = 1 + pick(i < SESSIONS ? SESSIONS : SESSIONS * THREADS);
    selection->sessions = ids;
    selection->threads = ids + SESSIONS;
    selection->session_count = pick(4) ? 0 : 1 + pick(SESSIONS - 1);
    selection->thread_count = pick(4) ? 0 : 1 + pick(5);
    selection->thread_name = pick(6) ? NULL : "io";
    selection->app = pick(5) ? NULL : "beta";
    selection->release = pick(9) ? NULL : "1.0";
    selection->function = pick(4) ? NULL : functions[pick(4)];
}

static bool same_threads(struct pl_store *left, struct pl_store *right,
                         const struct pl_selection *selection)
{
    struct pl_thread_list a = {0}, b = {0};
    CHECK_OK(pl_query_threads(left, selection, &a, &err), err);
    CHECK_OK(pl_query_threads(right, selection, &b, &err), err);
    bool same = a.count == b.count;
    for (size_t i = 0; i < a.count && same; i++)
        same = a.rows[i].id == b.rows[i].id &&
               a.rows[i].session_id == b.rows[i].session_id &&
               strcmp(a.rows[i].name, b.rows[i].name) == 0 &&
               a.rows[i].samples == b.rows[i].samples &&
               a.rows[i].weight_ns == b.rows[i].weight_ns &&
               a.rows[i].cpu_ns == b.rows[i].cpu_ns;
    pl_thread_list_deinit(&a);
    pl_thread_list_deinit(&b);
    return same;
}

static void compare(const char *path, const char *plain_path, int rounds)
{
    struct pl_store *store = open_store(path, PL_STORE_READ);
    struct pl_store *plain = open_store(plain_path, PL_STORE_READ);
    int with_samples = 0;
    for (int round = 0; round < rounds; round++) {
        struct pl_selection selection = {0};
        int64_t ids[SESSIONS * THREADS];
        if (round)
            choose(&selection, ids);
        for (int m = 0; m < 2; m++) {
            struct pl_profile a = {0}, b = {0};
            enum pl_metric metric = m ? PL_METRIC_CPU : PL_METRIC_WALL;
            CHECK_OK(pl_query_profile(store, &selection, metric, &a, &err), err);
            CHECK_OK(pl_query_profile(plain, &selection, metric, &b, &err), err);
            CHECK(same_profile(&a, &b),
                  "round %d, %" PRId64 " to %" PRId64 ": %" PRId64 " ns of %" PRId64
                  " samples, not %" PRId64 " of %" PRId64,
                  round, selection.from_ns, selection.to_ns, a.total_ns, a.samples,
                  b.total_ns, b.samples);
            with_samples += b.samples > 0;
            pl_profile_deinit(&a);
            pl_profile_deinit(&b);
        }
        CHECK(same_threads(store, plain, &selection), "threads of round %d", round);
    }
    CHECK(with_samples > rounds / 2, "%d", with_samples);
    pl_store_close(store);
    pl_store_close(plain);
}

static const char *make_plain(void)
{
    static const char *path;
    if (path)
        return path;
    path = kept_path("plain.db");
    fill(path, true);
    run_sql(path, "DELETE FROM rollup; DELETE FROM rolled");
    return path;
}

static long long count(const char *path, const char *what)
{
    char sql[256];
    (void)snprintf(sql, sizeof sql, "SELECT count(*) FROM rolled WHERE %s", what);
    return support_number(path, sql);
}

/* ---- tests ---- */

static void test_selections(void)
{
    const char *path = kept_path("rolled.db");
    fill(path, true);
    CHECK(count(path, "level = 3600 AND state = 1") > 50, "the writer sums up");
    roll(path, false);
    CHECK(count(path, "state = 0") == 0 && count(path, "state = 3") > 5);
    CHECK(count(path, "level = 86400 AND state = 1") == 6);
    check_sound(path);
    CHECK(support_number(path, "SELECT sum(n) FROM rollup_weight WHERE level = 3600") ==
          support_number(path, "SELECT sum(n) FROM rolled WHERE level = 3600"));
    CHECK(support_number(path,
                         "SELECT sum(wall_ns) - (SELECT sum(wall_ns) FROM rollup) "
                         "FROM rollup_weight") == 0);
    CHECK(support_number(path, "SELECT sum(cpu_ns) - (SELECT sum(cpu_ns) FROM rollup) "
                               "FROM rollup_weight") == 0);
    compare(path, make_plain(), 400);
    roll(path, true);
    CHECK(count(path, "state <> 1") == 0);
    compare(path, make_plain(), 100);
    /* the sums answer, not the samples */
    run_sql(path, "DELETE FROM slot");
    struct pl_store *store = open_store(path, PL_STORE_READ);
    struct pl_profile profile = {0};
    const struct pl_selection all = {0};
    CHECK_OK(pl_query_profile(store, &all, PL_METRIC_WALL, &profile, &err), err);
    CHECK(profile.samples == support_number(make_plain(), "SELECT sum(n) FROM slot"));
    pl_profile_deinit(&profile);
    pl_store_close(store);
}

/* Parts that come for hours and days already summed up. */
static void test_late(void)
{
    const char *path = kept_path("late.db");
    fill(path, false);
    roll(path, true);
    CHECK(count(path, "state <> 1") == 0);
    put_late_ones(path);
    CHECK(count(path, "state = 0") > 20);
    compare(path, make_plain(), 60);
    roll(path, false);
    check_sound(path);
    compare(path, make_plain(), 60);
    CHECK(count(path, "state = 0") == 0);
}

/* A part for an hour whose slots are gone is added to its sums. */
static void test_late_for_the_gone(void)
{
    const char *path = kept_path("gone.db");
    fill(path, false);
    roll(path, true);
    /* what retention does to the first day's slots, and to the second's hours */
    run_sql(path,
            "DELETE FROM slot WHERE part_id IN (SELECT id FROM part WHERE start_ns < "
            "(19675 + 2) * 86400000000000);"
            "DELETE FROM part WHERE start_ns < (19675 + 2) * 86400000000000;"
            "UPDATE rolled SET state = 2 WHERE level = 3600 AND bucket < 24 * 19677;"
            "UPDATE rolled SET state = 2 WHERE level = 86400 AND bucket = 19676;"
            "DELETE FROM rolled WHERE level = 3600 AND bucket / 24 = 19676;"
            "DELETE FROM rollup WHERE level = 3600 AND bucket / 24 = 19676");
    put_late_ones(path);
    roll(path, true);
    struct pl_store *store = open_store(path, PL_STORE_READ);
    struct pl_store *plain = open_store(make_plain(), PL_STORE_READ);
    for (int i = 0; i < 40; i++) {
        struct pl_profile a = {0}, b = {0};
        const bool day = i % 2;
        int64_t from = base_ns + (day ? 24 * (int64_t)pick(3) : pick(24)) * hour_ns;
        const struct pl_selection selection = {.from_ns = from,
                                               .to_ns = day ? from + 24 * hour_ns
                                                            : from + hour_ns,
                                               .app = i % 3 ? NULL : "beta"};
        enum pl_metric metric = i % 4 < 2 ? PL_METRIC_CPU : PL_METRIC_WALL;
        CHECK_OK(pl_query_profile(store, &selection, metric, &a, &err), err);
        CHECK_OK(pl_query_profile(plain, &selection, metric, &b, &err), err);
        a.lost = b.lost; /* losses went with their parts, or not */
        CHECK(same_profile(&a, &b), "%d: %" PRId64 ", not %" PRId64, i, a.total_ns,
              b.total_ns);
        pl_profile_deinit(&a);
        pl_profile_deinit(&b);
    }
    pl_store_close(store);
    pl_store_close(plain);
    CHECK(support_number(path, "SELECT sum(self_ns) FROM function_weight") ==
              support_number(make_plain(), "SELECT sum(self_ns) FROM function_weight"),
          "views show what is only summed up");
}

/* A history whose buckets nobody chose has all that the profile has. */
static bool history_is_whole(struct pl_store *store, struct pl_selection selection,
                             enum pl_metric metric, const struct pl_profile *profile)
{
    struct pl_history history = {0};
    int64_t samples = 0, ns = 0;
    selection.function = "f1";
    CHECK_OK(pl_query_history(store, &selection, metric, 0, &history, &err), err);
    for (size_t i = 0; i < history.count; i++) {
        samples += history.buckets[i].all.samples;
        ns += history.buckets[i].all.ns;
    }
    pl_history_deinit(&history);
    return samples == profile->samples && ns == profile->total_ns;
}

/* Samples for 12 h, hours for a day, days for ever: each answers for what it can. */
static void test_retention(void)
{
    const char *path = kept_path("kept.db");
    struct pl_retention retention = {.before_ns =
                                         base_ns + 48 * hour_ns + 17 * minute_ns,
                                     .hours_before_ns = base_ns + 30 * hour_ns,
                                     .days_before_ns = 0};
    struct pl_retention_result gone, would;
    fill(path, true);
    run_sql(path,
            "UPDATE chunk SET finished = 1;"
            "INSERT OR IGNORE INTO outcome (chunk_uuid, category, outcome, ts_ns) "
            "SELECT uuid, 'profile_chunk', 'accepted', 0 FROM chunk");
    struct pl_store *store = open_store(path, PL_STORE_WRITE);
    retention.dry_run = true;
    CHECK_OK(pl_store_gc(store, &retention, &would, &err), err);
    retention.dry_run = false;
    CHECK_OK(pl_store_gc(store, &retention, &gone, &err), err);
    CHECK(gone.samples == would.samples && gone.samples > 0, "%" PRId64, gone.samples);
    CHECK(gone.hours > 20 && gone.days == 0 && gone.sessions == 0);
    CHECK(support_number(path, "SELECT count(*) FROM part WHERE start_ns < "
                               "19677 * 86400000000000") == 0);
    CHECK(count(path, "level = 86400 AND state = 2") == SESSIONS, "the first day");
    CHECK(count(path, "level = 3600 AND bucket < 24 * 19676") == 0);
    CHECK(count(path, "level = 3600 AND state = 2 AND bucket / 24 = 19676") > 20);
    check_sound(path);
    struct pl_store *plain = open_store(make_plain(), PL_STORE_READ);
    for (int i = 0; i < 80; i++) {
        struct pl_profile a = {0}, b = {0};
        /* whole days; from the second day on whole hours, from the third any time */
        int64_t from = i % 3 == 0   ? (int64_t)pick(2) * 24 * hour_ns
                       : i % 3 == 1 ? (24 + (int64_t)pick(24)) * hour_ns
                                    : 48 * hour_ns + (int64_t)pick(600) * minute_ns / 7;
        int64_t to = pick(4) ? (48 + (int64_t)pick(12)) * hour_ns + pick(2) : 0;
        const struct pl_selection selection = {.from_ns = base_ns + from,
                                               .to_ns = to ? base_ns + to : 0,
                                               .thread_name = pick(3) ? NULL : "io",
                                               .app = pick(3) ? NULL : "beta"};
        enum pl_metric metric = pick(2) ? PL_METRIC_CPU : PL_METRIC_WALL;
        CHECK_OK(pl_query_profile(store, &selection, metric, &a, &err), err);
        CHECK_OK(pl_query_profile(plain, &selection, metric, &b, &err), err);
        a.lost = b.lost;
        CHECK(same_profile(&a, &b), "%d: %" PRId64 ", not %" PRId64, i, a.samples,
              b.samples);
        CHECK(same_threads(store, plain, &selection), "threads, %d", i);
        CHECK(history_is_whole(store, selection, metric, &a), "history, %d", i);
        pl_profile_deinit(&a);
        pl_profile_deinit(&b);
    }
    pl_store_close(plain);
    CHECK(support_number(path, "SELECT sum(self_ns) FROM function_weight") ==
          support_number(make_plain(), "SELECT sum(self_ns) FROM function_weight"));
    /* the days' turn, and with them all that is left of two sessions' first days */
    retention.days_before_ns = retention.hours_before_ns = retention.before_ns;
    CHECK_OK(pl_store_gc(store, &retention, &gone, &err), err);
    CHECK(gone.days == SESSIONS && gone.hours > 20 && gone.samples);
    CHECK(count(path, "state = 2") == 0);
    pl_store_close(store);
    check_sound(path);
}

static void note_finding(void *self, const char *kind, const char *message)
{
    (void)message;
    *(int *)self += strcmp(kind, "rollup") == 0;
}

static int rollup_findings(const char *path)
{
    int found = 0;
    struct pl_check_visitor visitor = {&found, note_finding};
    struct pl_check_result result;
    struct pl_store *store = open_store(path, PL_STORE_READ);
    CHECK_OK(pl_store_check(store, &visitor, &result, &err), err);
    pl_store_close(store);
    return found;
}

/* Rows that are missing mean: decode; rows that are wrong are damage. */
static void test_missing_and_damaged(void)
{
    static const struct {
        const char *sql;
        bool damaged;
    } cases[] = {
        {"DELETE FROM rollup", false},
        {"DELETE FROM rollup WHERE thread_id = 2", false},
        {"DELETE FROM rolled WHERE level = 3600", false},
        {"DELETE FROM rolled", false},
        {"UPDATE rolled SET n = n + 1", false},
        {"UPDATE rollup SET sums = x''", true},
        {"UPDATE rollup SET sums = x'1B'", true},
        {"UPDATE rollup SET sums = x'BBBB'", true},
        {"UPDATE rollup SET sums = x'1C2A'", true},
        {"UPDATE rollup SET sums = x'1B2B3B4B5B6B7A'", true},
        {"UPDATE rollup SET sums = x'0B5A'", true},
        {"UPDATE rollup SET wall_ns = 9223372036854775807", true},
        {"UPDATE rollup SET wall_ns = -1", true},
        {"UPDATE rollup SET each_ns = -1", true},
        {"UPDATE rollup SET thread_id = -thread_id", true},
        {"UPDATE rollup SET sums = substr(sums, 1), n = n", false}, /* as it was */
    };
    const char *made = kept_path("whole.db");
    fill(made, true);
    roll(made, true);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char copy[600];
        const char *path = support_path("damaged.db");
        (void)unlink(path);
        (void)snprintf(copy, sizeof copy, "VACUUM INTO '%s'", path);
        run_sql(made, copy);
        run_sql(path, cases[i].sql);
        struct pl_store *store = open_store(path, PL_STORE_READ);
        struct pl_profile profile = {0};
        const struct pl_selection all = {0};
        enum pl_status status =
            pl_query_profile(store, &all, PL_METRIC_WALL, &profile, &err);
        CHECK(status == (cases[i].damaged ? PL_INPUT : PL_OK), "%s: %s", cases[i].sql,
              pl_status_name(status));
        if (status == PL_OK)
            CHECK(profile.samples ==
                      support_number(make_plain(), "SELECT sum(n) FROM slot"),
                  "%s", cases[i].sql);
        pl_profile_deinit(&profile);
        pl_store_close(store);
        int found = rollup_findings(path);
        bool told = cases[i].damaged ||
                    strncmp(cases[i].sql, "UPDATE rolled", 13) == 0 ||
                    strncmp(cases[i].sql, "DELETE FROM rollup", 18) == 0;
        CHECK((found > 0) == told || strstr(cases[i].sql, "level = 3600"), "%s: %d",
              cases[i].sql, found);
    }
}

/* ---- sums as long as what they sum up ---- */

/* A minute in which no stack comes twice, nor in another minute. */
static void put_distinct(struct pl_chunk_sink *sink, uint32_t minute)
{
    enum { NAMES = 64, DISTINCT = 3000 };
    static char functions[NAMES][16];
    static struct pl_sink_frame frames[NAMES];
    static struct pl_sink_stack stacks[DISTINCT];
    static uint32_t spelled[DISTINCT][3];
    static struct pl_sink_run runs[DISTINCT];
    static int64_t ticks[DISTINCT];
    int64_t start = base_ns + minute * minute_ns;
    for (uint32_t f = 0; f < NAMES; f++) {
        (void)snprintf(functions[f], sizeof functions[f], "f%u", f);
        frames[f] = (struct pl_sink_frame){
            .module = PL_NO_INDEX, .function = functions[f], .in_app = -1};
    }
    for (uint32_t s = 0; s < DISTINCT; s++) {
        spelled[s][0] = minute;
        spelled[s][1] = s / NAMES;
        spelled[s][2] = s % NAMES;
        stacks[s] = (struct pl_sink_stack){3, spelled[s]};
        runs[s] = (struct pl_sink_run){.stack = s, .count = 1, .on_cpu = 1};
        ticks[s] = start + (int64_t)s * (minute_ns / DISTINCT);
    }
    const struct pl_sink_thread thread = {.tid = 1,
                                          .name = "main",
                                          .runs = runs,
                                          .run_count = DISTINCT,
                                          .cpu_ns = 1234567891};
    const struct pl_sink_part part = {.session_id = {{1}},
                                      .chunk_id = {{2, (unsigned char)minute}},
                                      .start_ns = start,
                                      .end_ns = start + minute_ns,
                                      .period_ns = minute_ns / DISTINCT,
                                      .ticks_ns = ticks,
                                      .tick_count = DISTINCT,
                                      .frames = frames,
                                      .frame_count = NAMES,
                                      .stacks = stacks,
                                      .stack_count = DISTINCT,
                                      .threads = &thread,
                                      .thread_count = 1};
    CHECK_OK(sink->put(sink->self, &part, &err), err);
}

static void check_hour(struct pl_store *store, const char *path, int state,
                       const char *what)
{
    const struct pl_selection all = {0};
    struct pl_profile profile = {0};
    CHECK_OK(pl_query_profile(store, &all, PL_METRIC_CPU, &profile, &err), err);
    CHECK(profile.samples == 24000 && profile.total_ns == 8 * INT64_C(1234567891),
          "%s: %lld", what, (long long)profile.samples);
    pl_profile_deinit(&profile);
    CHECK(support_number(path, "SELECT state FROM rolled WHERE level = 3600") == state,
          "%s", what);
    CHECK(support_number(path, "SELECT count(*) FROM rollup WHERE level = 3600") ==
              (state == PL_ROLLED_WHOLE),
          "%s", what);
}

static void test_long_sums(void)
{
    const char *path = kept_path("long.db");
    struct pl_store *store = open_store(path, PL_STORE_CREATE);
    struct pl_rollup_options all = {.before_ns = base_ns + hour_ns};
    struct pl_chunk_sink sink;
    CHECK_OK(pl_store_sink(store, &sink, &err), err);
    const struct pl_sink_session session = {
        .id = {{1}}, .app = "a", .mode = "wall", .start_ns = base_ns};
    CHECK_OK(sink.session_begin(sink.self, &session, &err), err);
    for (uint32_t minute = 0; minute < 8; minute++)
        put_distinct(&sink, minute);
    CHECK_OK(pl_rollup_run(store, &all, &err), err);
    check_hour(store, path, PL_ROLLED_SMALL, "not worth it");
    all.force = true;
    CHECK_OK(pl_rollup_run(store, &all, &err), err);
    check_hour(store, path, PL_ROLLED_WHOLE, "forced");
    pl_store_close(store);
}

TEST_MAIN({"long_sums", test_long_sums}, {"selections", test_selections},
          {"late", test_late}, {"retention", test_retention},
          {"late_for_the_gone", test_late_for_the_gone},
          {"missing_and_damaged", test_missing_and_damaged})
