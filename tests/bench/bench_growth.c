/* How a store grows: one table, from a million samples to a billion.
 *
 *   bench_growth FOLDER [MILLIONS...]     (1 10 100 1000; the last takes two minutes
 *                                          and 1.7 GB in FOLDER)
 *
 * The load is "mixed" of workload.h. A file growth-N.db that is in FOLDER already is
 * used again (its load is not known then). CPU times, queries the median of 9 on a
 * connection that is open, as serve's are; a day is deleted from a copy. */
#include "base/memory.h"
#include "store/query_diff.h"
#include "store/query_sandwich.h"
#include "store/retention.h"
#include "store/rollup.h"
#include "tests/bench/workload.h"

#include <fcntl.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#define DAY_NS   (86400 * PL_NS_PER_S)
#define START_NS (INT64_C(19676) * DAY_NS)
#define PART_NS  (SECONDS * PL_NS_PER_S)

enum { ROUNDS = 9 };

static struct pl_error err;

static void check(enum pl_status status)
{
    if (status == PL_OK)
        return;
    fprintf(stderr, "%s: %s\n", pl_status_name(status), err.message);
    exit(1);
}

static void run_sql(const char *path, const char *sql)
{
    sqlite3 *db = NULL;
    if (sqlite3_open(path, &db) != SQLITE_OK ||
        sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK) {
        fprintf(stderr, "%s: %s\n", sql, sqlite3_errmsg(db));
        exit(1);
    }
    (void)sqlite3_close(db);
}

/* ---- making ---- */

static struct builder builder;
static struct minute minute;

static void prepare(const struct load *load)
{
    make_stacks();
    builder.module =
        (struct pl_sink_module){.path = "/usr/bin/app", .build_id = "00ff00ff00ff00ff"};
    for (uint32_t f = 0; f < FRAMES; f++)
        builder.frames[f] = (struct pl_sink_frame){
            .address = 0x401000 + 37 * f, .exact = f % 2 == 0, .in_app = -1};
    for (int t = 0; t < load->threads; t++) {
        minute.samples[t] = malloc(sizeof(uint32_t) * SECONDS * 1000);
        builder.runs[t] = malloc(sizeof **builder.runs * SECONDS * 1000);
        (void)snprintf(builder.names[t], sizeof builder.names[t], "worker %d", t);
    }
}

/* CPU seconds of the store's part of it. */
static double make(const char *path, double wanted)
{
    const struct load *load = &loads[0];
    const struct pl_sink_session session = {
        .id = {{1}}, .app = "bench", .mode = "wall", .start_ns = START_NS};
    struct pl_store *store = NULL;
    struct pl_chunk_sink sink;
    double samples = 0, took = 0;
    seed = 7;
    check(pl_store_open(path, PL_STORE_CREATE, &store, &err));
    check(pl_store_sink(store, &sink, &err));
    check(sink.session_begin(sink.self, &session, &err));
    int64_t at = START_NS;
    for (; samples < wanted; at += PART_NS) {
        fill_minute(load, &minute, at);
        samples += (double)build_part(load, &minute, &builder, at, session.id);
        double from = cpu_seconds();
        check(sink.put(sink.self, &builder.part, &err));
        took += cpu_seconds() - from;
    }
    const struct pl_rollup_options all = {.before_ns = at};
    double from = cpu_seconds();
    check(pl_rollup_run(store, &all, &err)); /* what the pass does */
    check(sink.session_end(sink.self, &session.id, at, PL_SESSION_ENDED, 0, &err));
    check(pl_store_checkpoint(store, &err));
    pl_store_close(store);
    took += cpu_seconds() - from;
    run_sql(path, "UPDATE chunk SET finished = 1"); /* so that gc may take them */
    return took;
}

/* ---- asking ---- */

static const char *const function = "app+0x40225b";

static void ask_flame(struct pl_store *store, const struct pl_selection *selection)
{
    struct pl_profile profile = {0};
    check(pl_query_profile(store, selection, PL_METRIC_WALL, &profile, &err));
    pl_profile_deinit(&profile);
}

static void ask_callers(struct pl_store *store, const struct pl_selection *selection)
{
    const struct pl_transform_list none = {0};
    struct pl_sandwich sandwich = {0};
    check(pl_query_sandwich(store, selection, PL_METRIC_WALL, &none, function,
                            &sandwich, &err));
    pl_sandwich_deinit(&sandwich);
}

/* The first half of the selection against the second. */
static void ask_diff(struct pl_store *store, const struct pl_selection *selection)
{
    int64_t middle = selection->from_ns + (selection->to_ns - selection->from_ns) / 2;
    const struct pl_selection a = {.from_ns = selection->from_ns, .to_ns = middle};
    const struct pl_selection b = {.from_ns = middle, .to_ns = selection->to_ns};
    struct pl_profile pair = {0};
    struct pl_diff diff = {0};
    check(pl_query_pair(store, &a, store, &b, PL_METRIC_WALL, &pair, &err));
    check(pl_diff_take(&pair, &diff, &err));
    pl_diff_deinit(&diff);
}

static void ask_threads(struct pl_store *store, const struct pl_selection *selection)
{
    struct pl_thread_list list = {0};
    check(pl_query_threads(store, selection, &list, &err));
    pl_thread_list_deinit(&list);
}

static void ask_timeline(struct pl_store *store, const struct pl_selection *selection)
{
    struct pl_timeline line = {0};
    check(pl_query_timeline(store, selection, 300, &line, &err));
    pl_timeline_deinit(&line);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

typedef void question(struct pl_store *store, const struct pl_selection *selection);

static double median_ms(struct pl_store *store, question *ask,
                        const struct pl_selection *selection)
{
    double ms[ROUNDS];
    for (int i = 0; i < ROUNDS; i++) {
        double from = cpu_seconds();
        ask(store, selection);
        ms[i] = 1e3 * (cpu_seconds() - from);
    }
    qsort(ms, ROUNDS, sizeof *ms, by_value);
    return ms[ROUNDS / 2];
}

/* ---- deleting ---- */

static void copy_file(const char *from, const char *to)
{
    int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    ssize_t sent = 1;
    while (in >= 0 && out >= 0 && sent > 0)
        sent = sendfile(out, in, NULL, 1 << 30);
    if (in < 0 || out < 0 || sent < 0 || fsync(out) != 0) {
        perror(to);
        exit(1);
    }
    (void)close(in);
    (void)close(out);
}

/* Wall and CPU milliseconds for the first day and its sums. */
static void delete_day(const char *path, const char *copy, double *wall_ms,
                       double *cpu_ms)
{
    static const char *const sides[] = {"", "-wal", "-shm", "-lock"};
    const struct pl_retention day = {.before_ns = START_NS + DAY_NS,
                                     .hours_before_ns = START_NS + DAY_NS,
                                     .days_before_ns = START_NS + DAY_NS};
    struct pl_retention_result gone = {0};
    struct pl_store *store = NULL;
    copy_file(path, copy);
    check(pl_store_open(copy, PL_STORE_WRITE, &store, &err));
    int64_t from = pl_clock_mono_ns();
    double cpu_from = cpu_seconds();
    check(pl_store_gc(store, &day, &gone, &err));
    *cpu_ms = 1e3 * (cpu_seconds() - cpu_from);
    *wall_ms = (double)(pl_clock_mono_ns() - from) / 1e6;
    pl_store_close(store);
    if (gone.samples < 130000000)
        fprintf(stderr, "only %" PRId64 " samples went\n", gone.samples);
    for (size_t i = 0; i < 4; i++) {
        char side[330];
        (void)snprintf(side, sizeof side, "%s%s", copy, sides[i]);
        (void)unlink(side);
    }
}

/* ---- a row ---- */

static void measure(const char *folder, double millions)
{
    char path[300], copy[320];
    struct pl_store *store = NULL;
    struct stat file;
    double load = 0, wall_ms = 0, cpu_ms = 0;
    (void)snprintf(path, sizeof path, "%s/growth-%g.db", folder, millions);
    (void)snprintf(copy, sizeof copy, "%s.copy", path);
    if (access(path, F_OK) != 0)
        load = millions / make(path, millions * 1e6);
    if (stat(path, &file) != 0)
        exit(1);
    int64_t parts = (int64_t)(millions * 1e6 / (16 * 100 * SECONDS) * 1.0006) + 1;
    int64_t end = START_NS + parts * PART_NS;
    const struct pl_selection all = {0};
    const struct pl_selection whole = {.from_ns = START_NS, .to_ns = end};
    const struct pl_selection hour = {.from_ns = end - 3600 * PL_NS_PER_S,
                                      .to_ns = end};
    check(pl_store_open(path, PL_STORE_READ, &store, &err));
    printf("| %g M | %.1f | %.3f | ", millions, (double)file.st_size / 1e6,
           (double)file.st_size / (millions * 1e6));
    printf(load > 0 ? "%.1f" : "–", load);
    printf(" | %.1f | %.1f | %.1f | %.1f | %.1f | %.1f | %.1f |",
           median_ms(store, ask_flame, &all), median_ms(store, ask_flame, &hour),
           median_ms(store, ask_callers, &all), median_ms(store, ask_diff, &whole),
           median_ms(store, ask_diff, &hour), median_ms(store, ask_threads, &all),
           median_ms(store, ask_timeline, &all));
    pl_store_close(store);
    if (end - START_NS > DAY_NS) {
        delete_day(path, copy, &wall_ms, &cpu_ms);
        printf(" %.0f (%.0f CPU) |\n", wall_ms, cpu_ms);
    } else {
        printf(" – |\n");
    }
    (void)fflush(stdout);
}

int main(int argc, char **argv)
{
    static const double usual[] = {1, 10, 100, 1000};
    if (argc < 2)
        return fprintf(stderr, "usage: bench_growth FOLDER [MILLIONS...]\n"), 2;
    pl_memory_keep(); /* as serve does */
    prepare(&loads[0]);
    printf("| samples | file MB | B/sample | load M/s | flame, all ms | last hour | "
           "callers, all | diff, halves of all | of the last hour | threads | timeline "
           "| a day deleted |\n"
           "|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n");
    for (int i = 0; i < (argc > 2 ? argc - 2 : 4); i++)
        measure(argv[1], argc > 2 ? atof(argv[2 + i]) : usual[i]);
    return 0;
}
