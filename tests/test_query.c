/* Queries against a reference of one row per sample, against SQL on the `sample`
 * view, and against damaged files. */
#include "tests/query_choice.h"

#include "base/clock.h"
#include "store/query_spread.h"

#include <inttypes.h>
#include <sqlite3.h>

static void check_sums(const struct pl_profile *profile, int round)
{
    int64_t self = 0, samples = 0, by_function = 0, function_samples = 0;
    size_t wrong = 0;
    for (size_t i = 0; i < profile->node_count; i++) {
        self += profile->nodes[i].self_ns;
        samples += profile->nodes[i].self_samples;
        wrong += i && profile->nodes[i].parent >= i;
        wrong += profile->nodes[i].inlined;
    }
    for (size_t i = 0; i < profile->function_count; i++) {
        by_function += profile->functions[i].self_ns;
        function_samples += profile->functions[i].self_samples;
        wrong += profile->functions[i].total_ns > profile->total_ns;
        wrong += profile->functions[i].total_ns < profile->functions[i].self_ns;
    }
    CHECK(!wrong, "round %d", round);
    CHECK(self == profile->total_ns && by_function == self, "round %d", round);
    CHECK(samples == profile->samples && function_samples == samples, "round %d",
          round);
    CHECK(profile->nodes[0].total_ns == self, "round %d", round);
}

static void check_profile(struct pl_store *store, const struct choice *choice,
                          enum pl_metric metric, int round)
{
    static struct line expected[STACKS], got[STACKS * 2];
    struct pl_profile profile = {0};
    CHECK_OK(pl_query_profile(store, &choice->selection, metric, &profile, &err), err);
    check_sums(&profile, round);
    size_t want = expect_lines(choice, metric, expected);
    size_t have = profile_lines(&profile, got, STACKS * 2);
    CHECK(want == have, "round %d: %zu lines, not %zu", round, have, want);
    for (size_t i = 0; i < want && want == have; i++)
        CHECK(strcmp(expected[i].path, got[i].path) == 0 &&
                  expected[i].ns == got[i].ns && expected[i].samples == got[i].samples,
              "round %d: %s %" PRId64 "/%" PRId64 ", not %s %" PRId64 "/%" PRId64,
              round, got[i].path, got[i].ns, got[i].samples, expected[i].path,
              expected[i].ns, expected[i].samples);
    pl_profile_deinit(&profile);
}

/* ---- threads and timelines ---- */

struct sums {
    int64_t samples, wall_ns, cpu_ns;
};

static struct sums expect_thread(const struct choice *choice, int64_t thread_row,
                                 int64_t from_ns, int64_t to_ns)
{
    struct sums sums = {0};
    for (size_t i = 0; i < ref.count; i++) {
        const struct sample *sample = &ref.samples[i];
        if (thread_rows[sample->session][sample->thread] != thread_row ||
            sample->ts_ns < from_ns || sample->ts_ns >= to_ns ||
            !selects(choice, sample))
            continue;
        sums.samples++;
        sums.wall_ns += sample->weight_ns;
        sums.cpu_ns += sample->cpu_ns > 0 ? sample->cpu_ns : 0;
    }
    return sums;
}

static void check_threads(struct pl_store *store, const struct choice *choice,
                          int round)
{
    struct pl_thread_list list = {0};
    size_t expected = 0;
    CHECK_OK(pl_query_threads(store, &choice->selection, &list, &err), err);
    for (size_t i = 0; i < list.count; i++) {
        const struct pl_thread_row *row = &list.rows[i];
        struct sums sums = expect_thread(choice, row->id, 0, INT64_MAX);
        CHECK(sums.samples == row->samples && sums.wall_ns == row->weight_ns &&
                  sums.cpu_ns == row->cpu_ns,
              "round %d", round);
        CHECK(row->session_id == session_row((int)row->tid / 100) &&
                  row->name[7] == '0' + (char)(row->tid % 100),
              "round %d", round);
        CHECK(!i || row[-1].cpu_ns >= row->cpu_ns, "round %d", round);
    }
    for (int s = 0; s < SESSIONS; s++)
        for (int t = 0; t < THREADS; t++)
            expected +=
                expect_thread(choice, thread_rows[s][t], 0, INT64_MAX).samples > 0;
    CHECK(expected == list.count, "round %d", round);
    pl_thread_list_deinit(&list);
}

static void check_timeline(struct pl_store *store, const struct choice *choice,
                           int round)
{
    struct pl_timeline line = {0};
    size_t bins = 1 + pick(pick(2) ? 7 : 200), wrong = 0;
    enum pl_status status =
        pl_query_timeline(store, &choice->selection, bins, &line, &err);
    CHECK_OK(status, err);
    for (size_t i = 0; i < line.series_count; i++) {
        struct sums all = expect_thread(choice, line.series[i].thread_id, 0, INT64_MAX);
        for (size_t b = 0; b < bins; b++) {
            int64_t from = line.from_ns + (int64_t)b * line.bin_ns;
            struct sums sums = expect_thread(choice, line.series[i].thread_id, from,
                                             from + line.bin_ns);
            wrong += sums.wall_ns != line.series[i].wall_ns[b] ||
                     sums.cpu_ns != line.series[i].cpu_ns[b];
            all.wall_ns -= line.series[i].wall_ns[b];
            all.cpu_ns -= line.series[i].cpu_ns[b];
        }
        CHECK(!all.wall_ns && !all.cpu_ns, "round %d", round);
    }
    CHECK(!wrong, "round %d: %zu of %zu bins", round, wrong, bins);
    CHECK(line.bins == bins && (!line.series_count || line.to_ns > line.from_ns));
    pl_timeline_deinit(&line);
}

/* Kinds of code: in each bin what the threads have, together what functions have. */
static void check_code_times(struct pl_store *store, const struct choice *choice,
                             int round)
{
    struct pl_code_times times = {0};
    struct pl_timeline line = {0};
    struct pl_profile profile = {0};
    size_t bins = 1 + pick(60);
    int64_t by_code[PL_CODES] = {0};
    CHECK_OK(pl_query_code_times(store, &choice->selection, bins, &times, &err), err);
    CHECK_OK(pl_query_timeline(store, &choice->selection, bins, &line, &err), err);
    CHECK_OK(
        pl_query_profile(store, &choice->selection, PL_METRIC_WALL, &profile, &err),
        err);
    CHECK(times.from_ns == line.from_ns && times.bin_ns == line.bin_ns, "round %d",
          round);
    for (size_t b = 0; b < bins; b++) {
        int64_t wall = 0, cpu = 0;
        for (size_t i = 0; i < line.series_count; i++) {
            wall += line.series[i].wall_ns[b];
            cpu += line.series[i].cpu_ns[b];
        }
        for (int code = 0; code < PL_CODES; code++) {
            wall -= times.wall_ns[code][b];
            cpu -= times.cpu_ns[code][b];
            by_code[code] += times.wall_ns[code][b];
        }
        CHECK(!wall && !cpu, "round %d: bin %zu", round, b);
    }
    for (size_t i = 0; i < profile.function_count; i++) {
        const struct pl_function *f = &profile.functions[i];
        by_code[f->in_app < 0 ? PL_CODE_UNKNOWN
                : f->in_app   ? PL_CODE_APP
                              : PL_CODE_SYSTEM] -= f->self_ns;
    }
    for (int code = 0; code < PL_CODES; code++)
        CHECK(!by_code[code], "round %d: code %d", round, code);
    pl_profile_deinit(&profile);
    pl_timeline_deinit(&line);
    pl_code_times_deinit(&times);
}

/* Slices: all nodes are those of the profile, few are a part of them, and nothing is
 * lost either way. */
static void check_slices(struct pl_store *store, const struct choice *choice,
                         enum pl_metric metric, int round)
{
    struct pl_profile whole = {0}, sliced = {0}, few = {0};
    size_t slices = 2 + pick(PL_COLUMNS_MAX - 1), wrong = 0;
    CHECK_OK(pl_query_profile(store, &choice->selection, metric, &whole, &err), err);
    CHECK_OK(pl_query_slices(store, &choice->selection, metric, slices,
                             PL_SLICE_NODES_MAX, &sliced, &err),
             err);
    CHECK_OK(pl_query_slices(store, &choice->selection, metric, slices, 1 + pick(8),
                             &few, &err),
             err);
    CHECK(sliced.columns == slices && few.node_count <= 9, "round %d", round);
    size_t at = 0; /* nodes whose samples weigh nothing are left out */
    for (size_t i = 0; i < whole.node_count; i++) {
        if (i && !whole.nodes[i].total_ns)
            continue;
        if (at >= sliced.node_count)
            break;
        int64_t ns = sliced.nodes[at].self_ns;
        for (size_t c = 0; c < slices; c++)
            ns -= sliced.node_split[at * slices + c].self.ns;
        wrong += ns || sliced.nodes[at].total_ns != whole.nodes[i].total_ns ||
                 sliced.nodes[at].self_ns != whole.nodes[i].self_ns;
        at++;
    }
    CHECK(at == sliced.node_count, "round %d: %zu nodes of %zu", round, at,
          sliced.node_count);
    CHECK(!wrong, "round %d: %zu nodes", round, wrong);
    for (size_t c = 0; c < slices; c++)
        CHECK(few.node_split[c].total.ns == sliced.node_split[c].total.ns,
              "round %d: slice %zu", round, c);
    CHECK(few.total_ns == whole.total_ns && few.samples == whole.samples &&
              few.lost == whole.lost,
          "round %d", round);
    pl_profile_deinit(&whole);
    pl_profile_deinit(&sliced);
    pl_profile_deinit(&few);
}

struct totals {
    int64_t ns, samples;
};

static bool take_totals(void *self, size_t count, const struct pl_cell *cells)
{
    (void)count;
    struct totals *totals = self;
    *totals = (struct totals){cells[0].integer, cells[1].integer};
    return true;
}

/* The sum of the sample view over the choice's threads and time. */
static void check_sql(struct pl_store *store, const struct choice *choice, int round)
{
    char sql[512];
    struct totals totals = {0};
    struct pl_profile profile = {0};
    const struct pl_sql_consumer consumer = {&totals, take_columns, take_totals};
    const struct pl_selection *selection = &choice->selection;
    int used =
        snprintf(sql, sizeof sql,
                 "SELECT sum(weight_ns), count(*) FROM sample WHERE ts_ns >= %" PRId64
                 " AND ts_ns < %" PRId64 " AND thread_id IN (0",
                 selection->from_ns, selection->to_ns ? selection->to_ns : INT64_MAX);
    for (int s = 0; s < SESSIONS; s++)
        for (int t = 0; t < THREADS; t++)
            if (choice->session[s] && choice->thread[s][t])
                used += snprintf(sql + used, sizeof sql - (size_t)used, ",%" PRId64,
                                 thread_rows[s][t]);
    snprintf(sql + used, sizeof sql - (size_t)used, ")");
    CHECK_OK(pl_query_sql(store, sql, 0, &consumer, &err), err);
    CHECK_OK(pl_query_profile(store, selection, PL_METRIC_WALL, &profile, &err), err);
    CHECK(profile.total_ns == totals.ns && profile.samples == totals.samples,
          "round %d: %" PRId64 " ns, not %" PRId64, round, profile.total_ns, totals.ns);
    pl_profile_deinit(&profile);
}

static void test_random_selections(void)
{
    struct pl_store *store = NULL;
    const struct pl_sql_consumer consumer = {NULL, take_columns, take_thread_row};
    make_reference(&ref);
    CHECK_OK(pl_store_open(ref.path, PL_STORE_READ, &store, &err), err);
    CHECK_OK(pl_query_sql(store, "SELECT id, tid FROM thread", 0, &consumer, &err),
             err);
    for (int round = 0; round < 400; round++) {
        struct choice choice;
        choose(&choice);
        check_profile(store, &choice, PL_METRIC_WALL, round);
        check_profile(store, &choice, PL_METRIC_CPU, round);
        check_threads(store, &choice, round);
        if (round % 4 == 0)
            check_timeline(store, &choice, round);
        if (round % 4 == 1)
            check_code_times(store, &choice, round);
        if (round % 4 == 2)
            check_slices(store, &choice, (enum pl_metric)pick(2), round);
        if (round % 10 == 0 && choice.function < 0 && !choice.selection.label_count)
            check_sql(store, &choice, round);
    }
    pl_store_close(store);
    free_reference(&ref);
}

/* ---- against SQL where stored times are rounded ---- */

/* Times of which nothing fits a grid: what is stored is rounded, and the profile
 * has to cut where the view says the samples are. */
static void put_odd_times(const char *path)
{
    struct pl_store *store = NULL;
    struct pl_chunk_sink sink;
    int64_t ticks[TICKS];
    const uint32_t frame = 0;
    const struct pl_sink_frame frames[] = {
        {.module = PL_NO_INDEX, .function = "f", .in_app = -1}};
    const struct pl_sink_stack stacks[] = {{1, &frame}};
    const struct pl_sink_run runs[] = {{0, TICKS, 1, 0}};
    const struct pl_sink_thread threads[] = {
        {.tid = 1, .name = "a", .runs = runs, .run_count = 1, .cpu_ns = 77},
        {.tid = 2,
         .name = "b",
         .runs = runs,
         .run_count = 1,
         .times_ns = ticks,
         .cpu_ns = -1},
    };
    CHECK_OK(pl_store_open(path, PL_STORE_CREATE, &store, &err), err);
    CHECK_OK(pl_store_sink(store, &sink, &err), err);
    begin_session(&sink, 0);
    for (int p = 0; p < 5; p++) {
        int64_t start = HOUR_NS + p * 10 * SECOND_NS + pick(1000000);
        for (int i = 0; i < TICKS; i++)
            ticks[i] = start + i * PERIOD_NS + pick(p < 3 ? 900000 : 9000000);
        const struct pl_sink_part part = {
            .session_id = id_of(1, 0),
            .chunk_id = id_of(2, p),
            .start_ns = ticks[0],
            .end_ns = ticks[TICKS - 1] + 1,
            .period_ns = PERIOD_NS,
            .ticks_ns = ticks,
            .tick_count = TICKS,
            .frames = frames,
            .frame_count = 1,
            .stacks = stacks,
            .stack_count = 1,
            .threads = threads,
            .thread_count = 2,
        };
        CHECK_OK(sink.put(sink.self, &part, &err), err);
    }
    pl_store_close(store);
}

static void test_sql_sums(void)
{
    struct pl_store *store = NULL;
    char path[64];
    random_state = 7;
    temporary_path(path, sizeof path);
    put_odd_times(path);
    CHECK_OK(pl_store_open(path, PL_STORE_READ, &store, &err), err);
    for (int round = 0; round < 60; round++) {
        char sql[256];
        struct totals totals = {0};
        const struct pl_sql_consumer consumer = {&totals, take_columns, take_totals};
        struct pl_profile profile = {0};
        int64_t from = HOUR_NS + pick(5) * 10 * SECOND_NS;
        from += round % 3 ? (int64_t)pick(4000000) * 1000 : (int64_t)pick(1000000);
        const struct pl_selection selection = {
            .from_ns = from,
            .to_ns = from + (pick(2) ? (int64_t)pick(200000000) : 9 * SECOND_NS)};
        snprintf(sql, sizeof sql,
                 "SELECT sum(weight_ns), count(*) FROM sample WHERE ts_ns >= %" PRId64
                 " AND ts_ns < %" PRId64,
                 selection.from_ns, selection.to_ns);
        CHECK_OK(pl_query_sql(store, sql, 0, &consumer, &err), err);
        CHECK_OK(pl_query_profile(store, &selection, PL_METRIC_WALL, &profile, &err),
                 err);
        CHECK(profile.total_ns == totals.ns && profile.samples == totals.samples,
              "round %d: %" PRId64 " ns, not %" PRId64, round, profile.total_ns,
              totals.ns);
        pl_profile_deinit(&profile);
        struct pl_timeline line = {0};
        int64_t sum = 0;
        CHECK_OK(pl_query_timeline(store, &selection, 9, &line, &err), err);
        for (size_t i = 0; i < line.series_count; i++)
            for (size_t b = 0; b < line.bins; b++)
                sum += line.series[i].wall_ns[b];
        CHECK(sum == totals.ns, "round %d: timeline", round);
        pl_timeline_deinit(&line);
    }
    pl_store_close(store);
    remove_store(path);
}

/* ---- sessions ---- */

static void test_sessions(void)
{
    struct pl_store *store = NULL;
    struct pl_session_list list = {0};
    struct pl_profile profile = {0};
    const struct pl_selection all = {0};
    make_reference(&ref);
    CHECK_OK(pl_store_open(ref.path, PL_STORE_READ, &store, &err), err);
    CHECK_OK(pl_query_sessions(store, &all, &list, &err), err);
    CHECK(list.count == SESSIONS);
    int64_t samples = 0, lost = 0;
    for (size_t i = 0; i < list.count; i++) {
        const struct pl_session_row *row = &list.rows[i];
        int number = (int)row->pid - 1000;
        samples += row->samples;
        lost += row->lost;
        CHECK(row->threads == THREADS && row->bytes > 0 && row->samples > 0);
        CHECK(strcmp(row->app, number ? "beta" : "alpha") == 0);
        CHECK(!row->release == (number != 1) && !row->environment == (number != 2));
        CHECK(strcmp(row->state, number ? "live" : "crashed") == 0, "%s", row->state);
        CHECK(row->exit_status == (number ? -1 : 139));
        CHECK(strlen(row->uuid) == 32 && strlen(row->recording_id) == 32);
        CHECK(row->end_ns > row->start_ns && strcmp(row->mode, "wall") == 0);
        CHECK(!i || row[-1].start_ns >= row->start_ns, "newest first");
    }
    CHECK(samples == (int64_t)ref.count && lost == ref.lost);
    pl_session_list_deinit(&list);

    CHECK_OK(pl_query_profile(store, &all, PL_METRIC_WALL, &profile, &err), err);
    CHECK(profile.lost == ref.lost && profile.samples == samples);
    CHECK(profile.from_ns == HOUR_NS && profile.to_ns > HOUR_NS + 180 * SECOND_NS);
    pl_profile_deinit(&profile);

    static const struct {
        const char *name;
        struct pl_selection selection;
        size_t count;
    } narrower[] = {
        {"app", {.app = "beta"}, 2},
        {"no such app", {.app = "gamma"}, 0},
        {"release", {.release = "1.0"}, 1},
        {"environment", {.environment = "prod"}, 1},
        {"thread", {.thread_name = "thread 1"}, 3},
        {"no such thread", {.thread_name = "thread 9"}, 0},
        {"before", {.to_ns = HOUR_NS}, 0},
        {"first seconds", {.to_ns = HOUR_NS + SECOND_NS}, 1},
        {"after", {.from_ns = HOUR_NS + 3000 * SECOND_NS}, 0},
    };
    for (size_t i = 0; i < sizeof narrower / sizeof narrower[0]; i++) {
        CHECK_OK(pl_query_sessions(store, &narrower[i].selection, &list, &err), err);
        CHECK(list.count == narrower[i].count, "%s: %zu", narrower[i].name, list.count);
        pl_session_list_deinit(&list);
    }
    pl_store_close(store);
    free_reference(&ref);
}

static void test_empty(void)
{
    struct pl_store *store = NULL;
    struct pl_profile profile = {0};
    struct pl_timeline line = {0};
    struct pl_thread_list threads = {0};
    struct pl_session_list sessions = {0};
    const struct pl_selection none = {0}, named = {.function = "main", .from_ns = 5};
    char path[64];
    temporary_path(path, sizeof path);
    CHECK_OK(pl_store_open(path, PL_STORE_CREATE, &store, &err), err);
    CHECK_OK(pl_query_profile(store, &none, PL_METRIC_CPU, &profile, &err), err);
    CHECK(!profile.samples && profile.node_count == 1 && !profile.function_count);
    CHECK(!profile.from_ns && !profile.to_ns && !profile.total_ns);
    pl_profile_deinit(&profile);
    CHECK_OK(pl_query_profile(store, &named, PL_METRIC_WALL, &profile, &err), err);
    pl_profile_deinit(&profile);
    CHECK_OK(pl_query_timeline(store, &none, 10, &line, &err), err);
    CHECK(!line.series_count);
    pl_timeline_deinit(&line);
    CHECK(pl_query_timeline(store, &none, 0, &line, &err) == PL_USAGE);
    CHECK(pl_query_timeline(store, &none, 4097, &line, &err) == PL_USAGE);
    CHECK_OK(pl_query_threads(store, &named, &threads, &err), err);
    CHECK(!threads.count);
    pl_thread_list_deinit(&threads);
    CHECK_OK(pl_query_sessions(store, &none, &sessions, &err), err);
    CHECK(!sessions.count);
    pl_session_list_deinit(&sessions);
    pl_store_close(store);
    remove_store(path);
}

/* ---- damage ---- */

static enum pl_status ask_everything(struct pl_store *store)
{
    const struct pl_selection selections[] = {
        {0},
        {.from_ns = HOUR_NS + SECOND_NS, .to_ns = HOUR_NS + 130 * SECOND_NS},
        {.function = "fn_2"},
    };
    enum pl_status worst = PL_OK;
    for (size_t i = 0; i < sizeof selections / sizeof selections[0]; i++) {
        struct pl_profile profile = {0};
        struct pl_timeline line = {0};
        enum pl_metric metric = i % 2 ? PL_METRIC_CPU : PL_METRIC_WALL;
        enum pl_status status =
            pl_query_profile(store, &selections[i], metric, &profile, &err);
        worst = status != PL_OK ? status : worst;
        if (status == PL_OK)
            check_sums(&profile, -1);
        pl_profile_deinit(&profile);
        status = pl_query_timeline(store, &selections[i], 50, &line, &err);
        worst = status != PL_OK ? status : worst;
        pl_timeline_deinit(&line);
    }
    return worst;
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

static const struct {
    const char *sql;
    bool damaged; /* must be noticed */
} damage[] = {
    {"UPDATE slot SET runs = x''", true},
    {"UPDATE slot SET runs = x'BBBB'", true},
    {"UPDATE slot SET runs = zeroblob(100000), nruns = 1", true},
    {"UPDATE slot SET runs = CAST(runs || x'11' AS BLOB)", true},
    {"UPDATE slot SET nruns = -1", true},
    {"UPDATE slot SET nruns = 9223372036854775807", true},
    {"UPDATE slot SET n = n + 1", true},
    {"UPDATE slot SET n = 9223372036854775807, n_on = 0, cpu_ns = 0", true},
    {"UPDATE slot SET runs = x'99999999999999999999A0', nruns = 1", true},
    {"UPDATE slot SET runs = x'99999999A0999999999A', nruns = 2, n = 2", true},
    {"UPDATE slot SET cpu_ns = -5", true},
    {"UPDATE slot SET cpu_ns = 9223372036854775807", true},
    {"UPDATE slot SET thread_id = -thread_id", true},
    {"UPDATE slot SET thread_id = thread_id + 5000000000", true},
    {"UPDATE slot SET weights = x'01', weight_unit = 1", true},
    {"UPDATE slot SET weights = CAST(replace(hex(zeroblob(nruns)), '00', 'BBBBBBBB1') "
     "AS "
     "BLOB), weight_unit = 9223372036854775807",
     false},
    {"UPDATE slot SET ticks = x'0123'", true},
    {"UPDATE slot SET ticks = x'01234567'", true},
    {"UPDATE part SET ticks = x''", true},
    {"UPDATE part SET ticks = zeroblob(tick_count * 2), tick_width = 2", false},
    {"UPDATE part SET tick_width = 3", true},
    {"UPDATE part SET tick_width = 0", true},
    {"UPDATE part SET tick_count = 9223372036854775807", true},
    {"UPDATE part SET tick_count = -1", true},
    {"UPDATE part SET tick_count = 1", true},
    {"UPDATE part SET period_ns = -1", true},
    {"UPDATE part SET period_ns = 9223372036854775807", true},
    {"UPDATE part SET unit_ns = 9223372036854775807", true},
    {"UPDATE part SET origin_ns = 9223372036854775807", true},
    {"UPDATE part SET start_ns = -9223372036854775807 - 1", false},
    {"UPDATE part SET end_ns = 9223372036854775807", false},
    {"UPDATE stack SET parent = id", true},
    {"UPDATE stack SET parent = -1", true},
    {"UPDATE stack SET keep = 9223372036854775807", true},
    {"UPDATE stack SET keep = keep + 50 WHERE parent > 0", true},
    {"UPDATE stack SET keep = 1, parent = 0", true},
    {"UPDATE stack SET frames = x'BBBB'", true},
    {"UPDATE stack SET frames = x'0A'", true},
    {"UPDATE stack SET frames = x'9999999999999999999A'", true},
    {"UPDATE stack SET frames = x'99999A'", true},
    {"DELETE FROM stack WHERE id % 2", true},
    {"DELETE FROM stack", true},
    {"DELETE FROM frame_raw", true},
    {"DELETE FROM function", true},
    {"DELETE FROM module", true},
    {"DELETE FROM session", false},
    {"DELETE FROM thread", false},
    {"INSERT INTO stack VALUES (999999999, 5, 1, x'1A')", false},
    {"UPDATE stack SET frames = CAST(replace(hex(zeroblob(40000)), '00', 'x') AS BLOB) "
     "WHERE id = 3",
     true},
    {"INSERT INTO frame_name SELECT 1, value, 1, 0, 0, 0, 'x', 0 FROM (WITH RECURSIVE "
     "c(value) AS (SELECT 0 UNION ALL SELECT value + 1 FROM c LIMIT 300) SELECT * FROM "
     "c)",
     true},
};

static void test_damage(void)
{
    for (size_t i = 0; i < sizeof damage / sizeof damage[0]; i++) {
        struct pl_store *store = NULL;
        make_reference(&ref);
        run_sql(ref.path, damage[i].sql);
        CHECK_OK(pl_store_open(ref.path, PL_STORE_READ, &store, &err), err);
        enum pl_status status = ask_everything(store);
        CHECK(status == PL_INPUT || (status == PL_OK && !damage[i].damaged),
              "%s: %s %s", damage[i].sql, pl_status_name(status), err.message);
        CHECK(status == PL_OK || strstr(err.message, "damaged"), "%s", err.message);
        pl_store_close(store);
        free_reference(&ref);
    }
}

/* Chains of parents made to be slow: walked one by one this took seconds. */
static void test_long_chains(void)
{
    struct pl_store *store = NULL;
    struct pl_profile profile = {0};
    const struct pl_selection all = {0};
    make_reference(&ref);
    run_sql(
        ref.path,
        "DELETE FROM slot WHERE id > 1; DELETE FROM stack;"
        "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c LIMIT 60000) "
        "INSERT INTO stack SELECT i, i - 1, i - 1, x'1A' FROM c;"
        "WITH RECURSIVE c(i) AS (SELECT 60001 UNION ALL SELECT i + 1 FROM c "
        "LIMIT 39999) INSERT INTO stack SELECT i, 60000, 1, x'1A' FROM c;"
        "UPDATE part SET tick_count = 40000, ticks = zeroblob(80000), tick_width = 2;"
        "UPDATE slot SET cpu_ns = NULL, weights = NULL, ticks = NULL, nruns = 2, n = 2,"
        "runs = x'60000A60001A'");
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    static unsigned char runs[40000 * 3];
    for (uint32_t i = 0; i < 40000; i++) { /* stacks 60000.. as digits, A after each */
        uint32_t id = 60000 + i, digits = 0;
        for (int d = 0; d < 5; d++, id /= 10)
            digits |= (id % 10) << (4 * (d + 1));
        digits |= 0xA;
        runs[3 * i] = (unsigned char)(digits >> 16);
        runs[3 * i + 1] = (unsigned char)(digits >> 8);
        runs[3 * i + 2] = (unsigned char)digits;
    }
    CHECK(sqlite3_open(ref.path, &db) == SQLITE_OK);
    CHECK(sqlite3_prepare_v2(db, "UPDATE slot SET nruns = 40000, n = 40000, runs = ?",
                             -1, &stmt, NULL) == SQLITE_OK);
    sqlite3_bind_blob(stmt, 1, runs, sizeof runs, SQLITE_STATIC);
    CHECK(sqlite3_step(stmt) == SQLITE_DONE);
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    CHECK_OK(pl_store_open(ref.path, PL_STORE_READ, &store, &err), err);
    int64_t from_ns = pl_clock_mono_ns();
    CHECK_OK(pl_query_profile(store, &all, PL_METRIC_WALL, &profile, &err), err);
    CHECK(pl_clock_mono_ns() - from_ns < 10 * SECOND_NS);
    CHECK(profile.samples == 40000 && profile.node_count == 60001);
    CHECK(profile.nodes[2].self_samples == 39999 && profile.function_count == 1);
    CHECK(profile.functions[0].total_samples == 40000, "recursion counts once");
    pl_profile_deinit(&profile);
    pl_store_close(store);
    free_reference(&ref);
}

/* Any byte of any blob may be anything. */
static void test_random_damage(void)
{
    static const char *const blobs[] = {"slot SET runs", "part SET ticks",
                                        "stack SET frames", "slot SET weights",
                                        "slot SET ticks"};
    static const char *const columns[] = {"runs", "ticks", "frames", "weights",
                                          "ticks"};
    make_reference(&ref);
    for (int round = 0; round < 300; round++) {
        struct pl_store *store = NULL;
        char sql[512];
        uint32_t which = pick(5);
        snprintf(
            sql, sizeof sql,
            "UPDATE %s = CAST(coalesce(substr(%s, 1, length(%s) * %u / 100), x'') || "
            "x'%02x' || coalesce(substr(%s, length(%s) * %u / 100 + 2), x'') AS BLOB) "
            "WHERE id = %u AND %s IS NOT NULL",
            blobs[which], columns[which], columns[which], pick(100), pick(256),
            columns[which], columns[which], pick(100), 1 + pick(48), columns[which]);
        run_sql(ref.path, sql);
        CHECK_OK(pl_store_open(ref.path, PL_STORE_READ, &store, &err), err);
        enum pl_status status = ask_everything(store);
        CHECK(status == PL_OK || status == PL_INPUT, "%s: %s", sql, err.message);
        pl_store_close(store);
        if (round % 20 == 19) {
            free_reference(&ref);
            make_reference(&ref);
            random_state = (uint64_t)round;
        }
    }
    free_reference(&ref);
}

TEST_MAIN({"random_selections", test_random_selections}, {"sql_sums", test_sql_sums},
          {"sessions", test_sessions}, {"empty", test_empty}, {"damage", test_damage},
          {"long_chains", test_long_chains}, {"random_damage", test_random_damage})
