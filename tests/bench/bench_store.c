/* Size and speed of the writer on seeded workloads, next to a table with a row
 * per sample filled from the same samples.
 *
 *   bench_store [mixed|busy|idle|hard] [million samples] [alone]
 */
#include "store/store.h"
#include "tests/bench/workload.h"

#include <sqlite3.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- the peer ---- */

struct peer {
    sqlite3 *db;
    sqlite3_stmt *insert;
};

static void peer_open(struct peer *peer, const char *path)
{
    if (sqlite3_open(path, &peer->db) != SQLITE_OK ||
        sqlite3_exec(peer->db,
                     "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
                     "CREATE TABLE sample(ts INTEGER, thread INTEGER, stack INTEGER,"
                     " on_cpu INTEGER); CREATE INDEX ts ON sample(ts)",
                     NULL, NULL, NULL) != SQLITE_OK ||
        sqlite3_prepare_v2(peer->db, "INSERT INTO sample VALUES (?, ?, ?, ?)", -1,
                           &peer->insert, NULL) != SQLITE_OK)
        abort();
}

static void peer_put(struct peer *peer, const struct load *load, const struct minute *m)
{
    (void)sqlite3_exec(peer->db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    for (size_t i = 0; i < m->ticks; i++)
        for (int t = 0; m->times[i] != INT64_MIN && t < load->threads; t++) {
            (void)sqlite3_bind_int64(peer->insert, 1, m->times[i]);
            (void)sqlite3_bind_int(peer->insert, 2, t);
            (void)sqlite3_bind_int64(peer->insert, 3, m->samples[t][i]);
            (void)sqlite3_bind_int(peer->insert, 4, t < load->busy);
            (void)sqlite3_step(peer->insert);
            (void)sqlite3_reset(peer->insert);
        }
    (void)sqlite3_exec(peer->db, "COMMIT", NULL, NULL, NULL);
}

/* ---- the run ---- */

static double file_bytes(const char *path)
{
    struct stat file;
    return stat(path, &file) == 0 ? (double)file.st_size : 0;
}

/* So far, by this process: what the kernel counts as going to the disk. */
static double bytes_written(void)
{
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) == 0 ? 512.0 * (double)usage.ru_oublock : 0;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static int fail(const struct pl_error *err)
{
    fprintf(stderr, "%s\n", err->message);
    return 1;
}

int main(int argc, char **argv)
{
    const struct load *load = &loads[0];
    for (size_t i = 0; argc > 1 && i < sizeof loads / sizeof *loads; i++)
        if (strcmp(argv[1], loads[i].name) == 0)
            load = &loads[i];
    double wanted = 1e6 * (argc > 2 ? atof(argv[2]) : 10);
    char dir[] = "/tmp/bench-store-XXXXXX", path[64], peer_path[64];
    if (!mkdtemp(dir))
        return 1;
    (void)snprintf(path, sizeof path, "%s/p.db", dir);
    (void)snprintf(peer_path, sizeof peer_path, "%s/peer.db", dir);

    static struct minute minute;
    static struct builder builder;
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
    struct pl_error err = {0};
    struct pl_store *store = NULL;
    struct pl_chunk_sink sink;
    struct peer peer;
    struct pl_sink_session session = {
        .id = {{1}}, .app = "bench", .platform = "native"};
    if (pl_store_open(path, PL_STORE_CREATE, &store, &err) != PL_OK ||
        pl_store_sink(store, &sink, &err) != PL_OK ||
        sink.session_begin(sink.self, &session, &err) != PL_OK)
        return fail(&err);
    peer_open(&peer, peer_path);

    static double latency[100000];
    double samples = 0, ours = 0, theirs = 0, written = 0;
    size_t parts = 0;
    int64_t at = INT64_C(1700000000) / 3600 * 3600 * PL_NS_PER_S;
    for (; samples < wanted && parts < 100000; at += SECONDS * PL_NS_PER_S, parts++) {
        fill_minute(load, &minute, at);
        samples += (double)build_part(load, &minute, &builder, at, session.id);
        int64_t wall = pl_clock_mono_ns();
        double start = cpu_seconds(), before = bytes_written();
        if (sink.put(sink.self, &builder.part, &err) != PL_OK)
            return fail(&err);
        ours += cpu_seconds() - start;
        latency[parts] = (double)(pl_clock_mono_ns() - wall) / 1e6;
        written += bytes_written() - before;
        start = cpu_seconds();
        if (argc <= 3) /* "alone": for a profiler's eyes */
            peer_put(&peer, load, &minute);
        theirs += cpu_seconds() - start;
    }
    double start = cpu_seconds(), before = bytes_written();
    pl_store_close(store);
    ours += cpu_seconds() - start;
    written += bytes_written() - before;
    (void)sqlite3_finalize(peer.insert);
    (void)sqlite3_close(peer.db);
    qsort(latency, parts, sizeof *latency, by_value);
    printf("%s: %.1f M samples, %zu parts, %zu stacks\n", load->name, samples / 1e6,
           parts, stack_count);
    printf("  proflite        %6.3f B/sample  %6.1f M samples/s  put p50 %.2f ms, "
           "p99 %.2f ms  %.2f B written/sample\n",
           file_bytes(path) / samples, samples / ours / 1e6, latency[parts / 2],
           latency[parts * 99 / 100], written / samples);
    printf("  row per sample  %6.3f B/sample  %6.1f M samples/s\n",
           file_bytes(peer_path) / samples, samples / theirs / 1e6);
    (void)unlink(peer_path);
    static const char *const sides[] = {"", "-wal", "-shm", "-lock"};
    for (size_t i = 0; i < 4 && !getenv("KEEP"); i++) {
        char side[80];
        (void)snprintf(side, sizeof side, "%s%s", path, sides[i]);
        (void)unlink(side);
    }
    if (getenv("KEEP"))
        printf("  kept %s\n", path);
    (void)rmdir(dir);
    return 0;
}
