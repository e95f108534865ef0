/* How long queries take on a large store (not a test).
 *
 *   bench_query FILE [MILLIONS [NAME]]   make FILE if it is not there (10 M samples),
 * then print CPU milliseconds, median of 9, per query
 *
 * The load is "mixed": 16 threads of which 4 are busy, 100 Hz, parts of a minute;
 * 3000 functions, 5000 frames, 20000 stacks 6 to 80 deep, half of them over 31, made
 * by cutting the outer part off a stack and following few callees. A busy thread keeps
 * its stack with probability .15 or draws by Zipf's law; an idle one waits in one of 8
 * for seconds. */
#include "base/clock.h"
#include "base/memory.h"
#include "store/query_chart.h"
#include "store/query_diff.h"
#include "store/query_history.h"
#include "store/query_sandwich.h"
#include "store/rollup.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define HOUR_NS   (INT64_C(472222) * 3600 * PL_NS_PER_S)
#define FUNCTIONS 3000
#define FRAMES    5000
#define STACKS    20000
#define DEPTH     80
#define THREADS   16
#define BUSY      4
#define TICKS     6000
#define PERIOD_NS (10 * PL_NS_PER_MS)

static struct pl_error err;
static uint64_t state = 1;

static void check(enum pl_status status)
{
    if (status == PL_OK)
        return;
    fprintf(stderr, "%s: %s\n", pl_status_name(status), err.message);
    exit(1);
}

static uint32_t pick(uint32_t below)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)((state >> 32) * below >> 32);
}

static double fraction(void)
{
    return pick(1u << 30) / (double)(1u << 30);
}

/* ---- making ---- */

static char names[FUNCTIONS][40];
static struct pl_sink_frame frames[FRAMES];
static uint32_t stack_frames[STACKS][DEPTH];
static struct pl_sink_stack stacks[STACKS];
static double zipf[STACKS]; /* cumulative */
static const struct pl_sink_module modules[] = {
    {.path = "/usr/bin/app", .build_id = "1111"},
    {.path = "/usr/lib/x86_64-linux-gnu/libc.so.6", .build_id = "2222"}};

static void make_stacks(void)
{
    for (int i = 0; i < FUNCTIONS; i++)
        snprintf(names[i], sizeof names[i], "app::module_%d::function_%d", i % 40, i);
    for (uint32_t i = 0; i < FRAMES; i++)
        frames[i] = (struct pl_sink_frame){.module = PL_NO_INDEX,
                                           .function = names[i % FUNCTIONS],
                                           .file = "src/some/file.cc",
                                           .line = i,
                                           .in_app = 1};
    double sum = 0;
    for (uint32_t s = 0; s < STACKS; s++) {
        uint32_t from = s ? pick(s) : 0, len = stacks[from].frame_count;
        uint32_t keep = s ? len * 2 / 5 + pick(len - len * 2 / 5) : 0;
        double normal = sqrt(-2 * log(fraction() + 1e-9)) * cos(6.2831853 * fraction());
        double target = exp(3.45 + .5 * normal);
        uint32_t depth = target < 6 ? 6 : target > DEPTH ? DEPTH : (uint32_t)target;
        if (depth <= keep)
            depth = keep + 1 + pick(4) < DEPTH ? keep + 1 + pick(3) : DEPTH;
        memcpy(stack_frames[s], stack_frames[from], keep * sizeof stack_frames[0][0]);
        for (uint32_t i = keep; i < depth; i++) /* one of few callees of the caller */
            stack_frames[s][i] =
                i ? (stack_frames[s][i - 1] * 31 + 17 + pick(4) * 977) % FRAMES
                  : pick(3);
        stacks[s] =
            (struct pl_sink_stack){depth > keep ? depth : keep, stack_frames[s]};
        sum += 1 / pow(s + 1, 1.1);
        zipf[s] = sum;
    }
    for (uint32_t s = 0; s < STACKS; s++)
        zipf[s] /= sum;
}

static uint32_t draw(uint32_t hour)
{
    double want = fraction();
    uint32_t low = 0, high = STACKS - 1;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (zipf[middle] < want)
            low = middle + 1;
        else
            high = middle;
    }
    return low < 20 ? low : 20 + (low - 20 + hour * 1777) % (STACKS - 20);
}

static size_t make_runs(struct pl_sink_run *runs, int thread, uint32_t hour,
                        uint32_t *stack)
{
    size_t count = 0;
    for (uint32_t tick = 0; tick < TICKS; count++) {
        uint32_t n = 1;
        bool busy = thread < BUSY;
        if (busy)
            while (fraction() < .15)
                n++;
        else
            n = 1 + (uint32_t)(-2000 * log(fraction() + 1e-9));
        n = n < TICKS - tick ? n : TICKS - tick;
        runs[count] = (struct pl_sink_run){*stack, n, busy, 0};
        tick += n;
        *stack = busy ? draw(hour) : (uint32_t)thread * 8 + pick(8);
    }
    return count;
}

static void make_part(struct pl_chunk_sink *sink, int minute, uint32_t *last)
{
    static struct pl_sink_run runs[THREADS][TICKS];
    static int64_t ticks[TICKS];
    struct pl_sink_thread threads[THREADS];
    int64_t start = HOUR_NS + minute * 60 * PL_NS_PER_S;
    for (int i = 0; i < TICKS; i++)
        ticks[i] = start + i * PERIOD_NS + pick(120000);
    for (int t = 0; t < THREADS; t++) {
        size_t count = make_runs(runs[t], t, (uint32_t)minute / 60, &last[t]);
        threads[t] =
            (struct pl_sink_thread){.tid = t,
                                    .name = t < BUSY ? "busy" : "idle",
                                    .runs = runs[t],
                                    .run_count = count,
                                    .cpu_ns = t < BUSY ? 59 * PL_NS_PER_S : 1000000};
    }
    const struct pl_sink_part part = {
        .session_id = {{1}},
        .chunk_id = {{2, (unsigned char)(minute >> 8), (unsigned char)minute}},
        .start_ns = start,
        .end_ns = start + 60 * PL_NS_PER_S,
        .period_ns = PERIOD_NS,
        .ticks_ns = ticks,
        .tick_count = TICKS,
        .modules = modules,
        .module_count = 2,
        .frames = frames,
        .frame_count = FRAMES,
        .stacks = stacks,
        .stack_count = STACKS,
        .threads = threads,
        .thread_count = THREADS};
    check(sink->put(sink->self, &part, &err));
}

static void make(const char *path, int64_t samples)
{
    struct pl_store *store = NULL;
    struct pl_chunk_sink sink;
    uint32_t last[THREADS] = {0};
    const struct pl_sink_session session = {
        .id = {{1}}, .app = "bench", .mode = "wall", .start_ns = HOUR_NS};
    make_stacks();
    check(pl_store_open(path, PL_STORE_CREATE, &store, &err));
    check(pl_store_sink(store, &sink, &err));
    check(sink.session_begin(sink.self, &session, &err));
    for (int minute = 0; (int64_t)minute * TICKS * THREADS < samples; minute++)
        make_part(&sink, minute, last);
    const struct pl_rollup_options all = {.before_ns = pl_clock_wall_ns()};
    check(pl_rollup_run(store, &all, &err)); /* what the pass does */
    check(pl_store_checkpoint(store, &err));
    pl_store_close(store);
}

/* ---- measuring ---- */

enum kind {
    PROFILE,
    THREAD_LIST,
    TIMELINE,
    SESSION_LIST,
    CALLERS,
    DIFF, /* of the selection with the hour after it */
    INVERTED,
    HISTORY,
    CHART
};

#define NAME "app::module_7::function_127"

static const struct {
    const char *name;
    enum kind kind;
    enum pl_metric metric;
    struct pl_selection selection;
} queries[] = {
    {"profile, all", PROFILE, PL_METRIC_WALL, {0}},
    {"profile, all, cpu", PROFILE, PL_METRIC_CPU, {0}},
    {"profile, 1 h",
     PROFILE,
     PL_METRIC_WALL,
     {.from_ns = HOUR_NS, .to_ns = HOUR_NS + 3600 * PL_NS_PER_S}},
    {"profile, one thread",
     PROFILE,
     PL_METRIC_WALL,
     {.threads = (const int64_t[]){1}, .thread_count = 1}},
    {"profile, 10 min cut",
     PROFILE,
     PL_METRIC_WALL,
     {.from_ns = HOUR_NS + 1234567890123, .to_ns = HOUR_NS + 1834567890123}},
    {"profile, 1 s",
     PROFILE,
     PL_METRIC_WALL,
     {.from_ns = HOUR_NS + 1234567890123, .to_ns = HOUR_NS + 1235567890123}},
    {"profile, function", PROFILE, PL_METRIC_WALL, {.function = NAME}},
    {"threads", THREAD_LIST, PL_METRIC_WALL, {0}},
    {"timeline, 400 bins", TIMELINE, PL_METRIC_WALL, {0}},
    {"timeline, 1 h, 400 bins",
     TIMELINE,
     PL_METRIC_WALL,
     {.from_ns = HOUR_NS, .to_ns = HOUR_NS + 3600 * PL_NS_PER_S}},
    {"sessions", SESSION_LIST, PL_METRIC_WALL, {0}},
    {"callers, all", CALLERS, PL_METRIC_WALL, {.function = NAME}},
    {"diff, 1 h and the next",
     DIFF,
     PL_METRIC_WALL,
     {.from_ns = HOUR_NS, .to_ns = HOUR_NS + 3600 * PL_NS_PER_S}},
    {"profile, those 2 h",
     PROFILE,
     PL_METRIC_WALL,
     {.from_ns = HOUR_NS, .to_ns = HOUR_NS + 7200 * PL_NS_PER_S}},
    {"inverted, all", INVERTED, PL_METRIC_WALL, {0}},
    {"history of a function", HISTORY, PL_METRIC_WALL, {.function = NAME}},
    {"flame chart, one thread",
     CHART,
     PL_METRIC_WALL,
     {.threads = (const int64_t[]){1}, .thread_count = 1}},
};

static double cpu_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static int64_t ask_callers(struct pl_store *store, const struct pl_selection *selection,
                           enum pl_metric metric)
{
    struct pl_sandwich sandwich = {0};
    struct pl_selection whole = *selection;
    const struct pl_transform_list none = {0};
    whole.function = NULL;
    check(pl_query_sandwich(store, &whole, metric, &none, selection->function,
                            &sandwich, &err));
    int64_t rows = (int64_t)(sandwich.callers.node_count + sandwich.callees.node_count);
    pl_sandwich_deinit(&sandwich);
    return rows;
}

static int64_t ask_diff(struct pl_store *store, const struct pl_selection *a,
                        enum pl_metric metric)
{
    struct pl_profile pair = {0};
    struct pl_diff diff = {0};
    struct pl_selection b = *a;
    b.from_ns = a->to_ns;
    b.to_ns = a->to_ns + (a->to_ns - a->from_ns);
    check(pl_query_pair(store, a, store, &b, metric, &pair, &err));
    check(pl_diff_take(&pair, &diff, &err));
    int64_t rows = (int64_t)diff.profile.node_count;
    pl_diff_deinit(&diff);
    return rows;
}

static int64_t ask_inverted(struct pl_store *store,
                            const struct pl_selection *selection, enum pl_metric metric)
{
    struct pl_profile profile = {0};
    const struct pl_transform invert = {PL_TRANSFORM_INVERT, NULL};
    check(pl_query_profile(store, selection, metric, &profile, &err));
    check(pl_profile_transform(&profile, &invert, &err));
    int64_t rows = (int64_t)profile.node_count;
    pl_profile_deinit(&profile);
    return rows;
}

static int64_t ask_history(struct pl_store *store, const struct pl_selection *selection,
                           enum pl_metric metric)
{
    struct pl_history history = {0};
    check(
        pl_query_history(store, selection, metric, 3600 * PL_NS_PER_S, &history, &err));
    int64_t rows = (int64_t)history.count;
    pl_history_deinit(&history);
    return rows;
}

static int64_t ask_chart(struct pl_store *store, const struct pl_selection *selection)
{
    struct pl_chart chart = {0};
    check(pl_query_chart(store, selection, 20000, &chart, &err));
    int64_t rows = (int64_t)chart.box_count;
    pl_chart_deinit(&chart);
    return rows;
}

static double ask(struct pl_store *store, size_t query, int64_t *rows)
{
    enum pl_metric metric = queries[query].metric;
    int64_t more = 0;
    struct pl_profile profile = {0};
    struct pl_thread_list threads = {0};
    struct pl_timeline line = {0};
    struct pl_session_list sessions = {0};
    const struct pl_selection *selection = &queries[query].selection;
    double from = cpu_ms();
    switch (queries[query].kind) {
    case PROFILE:
        check(
            pl_query_profile(store, selection, queries[query].metric, &profile, &err));
        break;
    case THREAD_LIST:
        check(pl_query_threads(store, selection, &threads, &err));
        break;
    case TIMELINE:
        check(pl_query_timeline(store, selection, 400, &line, &err));
        break;
    case SESSION_LIST:
        check(pl_query_sessions(store, selection, &sessions, &err));
        break;
    case CALLERS:
        more = ask_callers(store, selection, metric);
        break;
    case DIFF:
        more = ask_diff(store, selection, metric);
        break;
    case INVERTED:
        more = ask_inverted(store, selection, metric);
        break;
    case HISTORY:
        more = ask_history(store, selection, metric);
        break;
    case CHART:
        more = ask_chart(store, selection);
        break;
    }
    *rows = (int64_t)(profile.node_count + threads.count + line.series_count +
                      sessions.count) +
            more;
    pl_profile_deinit(&profile);
    pl_thread_list_deinit(&threads);
    pl_timeline_deinit(&line);
    pl_session_list_deinit(&sessions);
    return cpu_ms() - from;
}

static int compare(const void *left, const void *right)
{
    const double *a = left, *b = right;
    return (*a > *b) - (*a < *b);
}

int main(int argc, char **argv)
{
    struct pl_store *store = NULL;
    pl_memory_keep(); /* as serve does */
    if (argc < 2)
        return fprintf(stderr, "usage: bench_query FILE [MILLIONS [NAME]]\n"), 2;
    if (access(argv[1], F_OK) != 0)
        make(argv[1], (argc > 2 ? atoll(argv[2]) : 10) * 1000000);
    check(pl_store_open(argv[1], PL_STORE_READ, &store, &err));
    for (size_t q = 0; q < sizeof queries / sizeof queries[0]; q++) {
        if (argc > 3 && !strstr(queries[q].name, argv[3]))
            continue;
        double ms[9];
        int64_t rows = 0;
        for (int i = 0; i < 9; i++)
            ms[i] = ask(store, q, &rows);
        qsort(ms, 9, sizeof ms[0], compare);
        printf("%-26s %8.2f ms  (best %.2f)  %" PRId64 " rows\n", queries[q].name,
               ms[4], ms[0], rows);
    }
    pl_store_close(store);
    return 0;
}
