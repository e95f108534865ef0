/* bench_peers, the half in C: one seeded workload into a store and into what peers
 * read, and the flame graph out of the two that are SQLite.
 *
 *   peers_data FOLDER MILLIONS [mixed|busy|idle|hard]
 *
 * Leaves p.db, rows.db, CSV files for DuckDB (sample, node, frame), firefox.json,
 * sentry-N.json and pprof-N.pb (one a minute); prints "name write_ms flame_ms samples"
 * a line. Stacks are one prefix tree of nodes for all but the store. Times are CPU. */
#include "store/query.h"
#include "tests/bench/workload.h"

#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>

enum { FUNCTIONS = 3000, MINUTES_MAX = 100000 };

static char names[FUNCTIONS][48];
static const char *folder;
static const struct load *load_;

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "peers_data: %s\n", what);
    exit(1);
}

static FILE *create(const char *name, int number)
{
    char path[512];
    if (number < 0)
        (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    else
        (void)snprintf(path, sizeof path, "%s/%s-%d%s", folder, name, number,
                       strcmp(name, "pprof") == 0 ? ".pb" : ".json");
    FILE *file = fopen(path, "wb");
    if (!file)
        die(path);
    return file;
}

/* ---- one prefix tree of all stacks ---- */

struct node {
    uint32_t parent, frame, child, sibling; /* 0: none */
};
static struct node *nodes;
static uint32_t node_count = 1, node_cap;
static uint32_t *leaf_of; /* by stack */
static size_t leaf_count;

static uint32_t find_child(uint32_t parent, uint32_t frame)
{
    for (uint32_t n = nodes[parent].child; n; n = nodes[n].sibling)
        if (nodes[n].frame == frame)
            return n;
    if (node_count == node_cap) {
        node_cap *= 2;
        nodes = realloc(nodes, node_cap * sizeof *nodes);
        if (!nodes)
            die("out of memory");
    }
    nodes[node_count] = (struct node){parent, frame, 0, nodes[parent].child};
    return nodes[parent].child = node_count++;
}

static void add_leaves(void)
{
    leaf_of = realloc(leaf_of, stack_count * sizeof *leaf_of);
    if (!nodes)
        nodes = calloc(node_cap = 1u << 20, sizeof *nodes);
    if (!leaf_of || !nodes)
        die("out of memory");
    for (; leaf_count < stack_count; leaf_count++) {
        uint32_t at = 0;
        for (uint32_t d = 0; d < stacks[leaf_count].depth; d++)
            at = find_child(at, stacks[leaf_count].frames[d]);
        leaf_of[leaf_count] = at;
    }
}

/* ---- a row per sample ---- */

static sqlite3 *rows;
static sqlite3_stmt *insert_row;

static void run_sql(const char *sql)
{
    if (sqlite3_exec(rows, sql, NULL, NULL, NULL) != SQLITE_OK)
        die(sqlite3_errmsg(rows));
}

static void rows_open(void)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s/rows.db", folder);
    if (sqlite3_open(path, &rows) != SQLITE_OK)
        die(path);
    run_sql("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
            "CREATE TABLE sample(ts INTEGER, thread INTEGER, node INTEGER);"
            "CREATE INDEX sample_ts ON sample(ts);"
            "CREATE TABLE node(id INTEGER PRIMARY KEY, parent INTEGER, frame INTEGER);"
            "CREATE TABLE frame(id INTEGER PRIMARY KEY, name TEXT)");
    if (sqlite3_prepare_v2(rows, "INSERT INTO sample VALUES (?, ?, ?)", -1, &insert_row,
                           NULL) != SQLITE_OK)
        die(sqlite3_errmsg(rows));
}

static void rows_put(const struct minute *m)
{
    run_sql("BEGIN");
    for (size_t i = 0; i < m->ticks; i++)
        for (int t = 0; m->times[i] != INT64_MIN && t < load_->threads; t++) {
            (void)sqlite3_bind_int64(insert_row, 1, m->times[i]);
            (void)sqlite3_bind_int(insert_row, 2, t);
            (void)sqlite3_bind_int64(insert_row, 3, leaf_of[m->samples[t][i]]);
            (void)sqlite3_step(insert_row);
            (void)sqlite3_reset(insert_row);
        }
    run_sql("COMMIT");
}

static void rows_end(void)
{
    char sql[256];
    run_sql("BEGIN");
    for (uint32_t n = 1; n < node_count; n++) {
        (void)snprintf(sql, sizeof sql, "INSERT INTO node VALUES (%u, %u, %u)", n,
                       nodes[n].parent, nodes[n].frame);
        run_sql(sql);
    }
    for (uint32_t f = 0; f < FRAMES; f++) {
        (void)snprintf(sql, sizeof sql, "INSERT INTO frame VALUES (%u, '%s')", f,
                       names[f % FUNCTIONS]);
        run_sql(sql);
    }
    run_sql("COMMIT");
    (void)sqlite3_finalize(insert_row);
    (void)sqlite3_close(rows);
}

/* Total of each node; the root's is returned. */
static int64_t rows_flame(void)
{
    char path[512];
    sqlite3_stmt *stmt = NULL;
    int64_t *totals = calloc(node_count, sizeof *totals);
    uint32_t *parents = calloc(node_count, sizeof *parents);
    (void)snprintf(path, sizeof path, "%s/rows.db", folder);
    if (!totals || !parents || sqlite3_open(path, &rows) != SQLITE_OK ||
        sqlite3_prepare_v2(rows, "SELECT node, count(*) FROM sample GROUP BY node", -1,
                           &stmt, NULL) != SQLITE_OK)
        die("rows.db");
    while (sqlite3_step(stmt) == SQLITE_ROW)
        totals[sqlite3_column_int(stmt, 0)] = sqlite3_column_int64(stmt, 1);
    (void)sqlite3_finalize(stmt);
    if (sqlite3_prepare_v2(rows, "SELECT id, parent FROM node", -1, &stmt, NULL) !=
        SQLITE_OK)
        die("rows.db");
    while (sqlite3_step(stmt) == SQLITE_ROW)
        parents[sqlite3_column_int(stmt, 0)] = (uint32_t)sqlite3_column_int(stmt, 1);
    for (uint32_t n = node_count - 1; n; n--)
        totals[parents[n]] += totals[n];
    (void)sqlite3_finalize(stmt);
    (void)sqlite3_close(rows);
    int64_t all = totals[0];
    free(totals);
    free(parents);
    return all;
}

/* ---- the store ---- */

static void check(enum pl_status status, const struct pl_error *err)
{
    if (status != PL_OK)
        die(err->message);
}

static int64_t store_flame(const char *path)
{
    static const struct pl_selection all;
    struct pl_error err = {0};
    struct pl_store *store = NULL;
    struct pl_profile profile = {0};
    check(pl_store_open(path, PL_STORE_READ, &store, &err), &err);
    check(pl_query_profile(store, &all, PL_METRIC_WALL, &profile, &err), &err);
    int64_t samples = profile.nodes[0].total_samples;
    pl_profile_deinit(&profile);
    pl_store_close(store);
    return samples;
}

/* ---- Sentry: a chunk a minute, with its own frames and stacks ---- */

static uint32_t *own; /* index + 1 in the chunk, by stack, frame or node */

static void sentry_write(const struct minute *m, int number)
{
    FILE *out = create("sentry", number);
    size_t used = 0, cap = stack_count > FRAMES ? stack_count : FRAMES;
    uint32_t *order = malloc(cap * sizeof *order);
    own = realloc(own, cap * sizeof *own);
    if (!own || !order)
        die("out of memory");
    memset(own, 0, cap * sizeof *own);
    fprintf(out,
            "{\"version\":\"2\",\"chunk_id\":\"%032d\",\"profiler_id\":\"%032d\","
            "\"platform\":\"native\",\"profile\":{\"samples\":[",
            number, 1);
    const char *comma = "";
    for (size_t i = 0; i < m->ticks; i++)
        for (int t = 0; m->times[i] != INT64_MIN && t < load_->threads; t++) {
            uint32_t stack = m->samples[t][i];
            if (!own[stack]) {
                order[used] = stack;
                own[stack] = (uint32_t)++used;
            }
            fprintf(out, "%s{\"timestamp\":%.6f,\"stack_id\":%u,\"thread_id\":\"%d\"}",
                    comma, (double)m->times[i] / 1e9, own[stack] - 1, 1000 + t);
            comma = ",";
        }
    fputs("],\"stacks\":[", out);
    for (size_t i = 0; i < used; i++) {
        const struct stack *s = &stacks[order[i]];
        fputs(i ? ",[" : "[", out);
        for (uint32_t d = s->depth; d; d--) /* leaf first */
            fprintf(out, "%s%u", d < s->depth ? "," : "", s->frames[d - 1]);
        fputc(']', out);
    }
    fputs("],\"frames\":[", out);
    for (uint32_t f = 0; f < FRAMES; f++)
        fprintf(out, "%s{\"function\":\"%s\"}", f ? "," : "", names[f % FUNCTIONS]);
    fputs("],\"thread_metadata\":{}}}", out);
    if (fclose(out) != 0)
        die("sentry");
    free(order);
}

/* ---- pprof: a profile a minute, which keeps no times within it ---- */

struct wire {
    unsigned char *bytes;
    size_t len, cap;
};

static void put_byte(struct wire *w, unsigned char byte)
{
    if (w->len == w->cap) {
        w->cap = 2 * w->cap + 4096;
        w->bytes = realloc(w->bytes, w->cap);
        if (!w->bytes)
            die("out of memory");
    }
    w->bytes[w->len++] = byte;
}

static void put_number(struct wire *w, uint64_t n)
{
    for (; n > 127; n >>= 7)
        put_byte(w, (unsigned char)(n | 128));
    put_byte(w, (unsigned char)n);
}

static void put_field(struct wire *w, unsigned field, uint64_t n)
{
    put_number(w, field << 3);
    put_number(w, n);
}

static void put_bytes(struct wire *w, unsigned field, const void *bytes, size_t len)
{
    const unsigned char *at = bytes;
    put_number(w, field << 3 | 2);
    put_number(w, len);
    for (size_t i = 0; i < len; i++)
        put_byte(w, at[i]);
}

static void put_sample(struct wire *w, const struct stack *s, uint64_t count,
                       uint64_t weight_ns)
{
    static struct wire sample, list;
    sample.len = list.len = 0;
    for (uint32_t d = s->depth; d; d--)
        put_number(&list, s->frames[d - 1] + 1);
    put_bytes(&sample, 1, list.bytes, list.len);
    list.len = 0;
    put_number(&list, count);
    put_number(&list, weight_ns);
    put_bytes(&sample, 2, list.bytes, list.len);
    put_bytes(w, 2, sample.bytes, sample.len);
}

static void put_names(struct wire *w)
{
    static const char *const fixed[] = {"", "samples", "count", "wall", "nanoseconds"};
    static struct wire piece, line;
    for (uint32_t f = 0; f < FRAMES; f++) {
        piece.len = line.len = 0;
        put_field(&line, 1, f % FUNCTIONS + 1);
        put_field(&line, 2, f);
        put_field(&piece, 1, f + 1);
        put_bytes(&piece, 4, line.bytes, line.len);
        put_bytes(w, 4, piece.bytes, piece.len);
    }
    for (uint32_t f = 0; f < FUNCTIONS; f++) {
        piece.len = 0;
        put_field(&piece, 1, f + 1);
        put_field(&piece, 2, f + 5);
        put_bytes(w, 5, piece.bytes, piece.len);
    }
    for (size_t i = 0; i < 5; i++)
        put_bytes(w, 6, fixed[i], strlen(fixed[i]));
    for (uint32_t f = 0; f < FUNCTIONS; f++)
        put_bytes(w, 6, names[f], strlen(names[f]));
}

static void pprof_write(const struct minute *m, int number)
{
    static struct wire w;
    static const unsigned char types[2][4] = {{8, 1, 16, 2}, {8, 3, 16, 4}};
    uint64_t period = (uint64_t)(PL_NS_PER_S / load_->hz);
    own = realloc(own, stack_count * sizeof *own);
    if (!own)
        die("out of memory");
    memset(own, 0, stack_count * sizeof *own);
    for (size_t i = 0; i < m->ticks; i++)
        for (int t = 0; m->times[i] != INT64_MIN && t < load_->threads; t++)
            own[m->samples[t][i]]++;
    w.len = 0;
    put_bytes(&w, 1, types[0], 4);
    put_bytes(&w, 1, types[1], 4);
    for (size_t s = 0; s < stack_count; s++)
        if (own[s])
            put_sample(&w, &stacks[s], own[s], own[s] * period);
    put_names(&w);
    FILE *out = create("pprof", number);
    if (fwrite(w.bytes, 1, w.len, out) != w.len || fclose(out) != 0)
        die("pprof");
}

/* ---- Firefox: arrays a thread, one stack table for all ---- */

static FILE *firefox[THREADS_MAX][2]; /* pieces of stack and timeDeltas */
static int64_t firefox_last[THREADS_MAX];

static void firefox_put(const struct minute *m)
{
    for (int t = 0; t < load_->threads; t++)
        for (size_t i = 0; i < m->ticks; i++) {
            if (m->times[i] == INT64_MIN)
                continue;
            if (!firefox[t][0])
                for (int k = 0; k < 2; k++)
                    firefox[t][k] = tmpfile();
            bool first = !firefox_last[t];
            int64_t delta = first ? 0 : m->times[i] - firefox_last[t];
            fprintf(firefox[t][0], "%s%u", first ? "" : ",",
                    leaf_of[m->samples[t][i]] - 1);
            fprintf(firefox[t][1], "%s%.3f", first ? "" : ",", (double)delta / 1e6);
            firefox_last[t] = m->times[i];
        }
}

static void copy_piece(FILE *out, FILE *piece)
{
    char bytes[65536];
    size_t got;
    rewind(piece);
    while ((got = fread(bytes, 1, sizeof bytes, piece)) > 0)
        (void)fwrite(bytes, 1, got, out);
    (void)fclose(piece);
}

static void firefox_end(void)
{
    FILE *out = create("firefox.json", -1);
    fputs("{\"meta\":{\"version\":27},\"threads\":[", out);
    for (int t = 0; t < load_->threads; t++) {
        fprintf(out, "%s{\"samples\":{\"stack\":[", t ? "," : "");
        copy_piece(out, firefox[t][0]);
        fputs("],\"timeDeltas\":[", out);
        copy_piece(out, firefox[t][1]);
        fputs("]}}", out);
    }
    fputs("],\"shared\":{\"stackTable\":{\"prefix\":[", out);
    for (uint32_t n = 1; n < node_count; n++) {
        if (nodes[n].parent)
            fprintf(out, "%s%u", n > 1 ? "," : "", nodes[n].parent - 1);
        else
            fputs(n > 1 ? ",null" : "null", out);
    }
    fputs("],\"frame\":[", out);
    for (uint32_t n = 1; n < node_count; n++)
        fprintf(out, "%s%u", n > 1 ? "," : "", nodes[n].frame);
    fputs("]},\"frameTable\":{\"func\":[", out);
    for (uint32_t f = 0; f < FRAMES; f++)
        fprintf(out, "%s%u", f ? "," : "", f % FUNCTIONS);
    fputs("]},\"funcTable\":{\"name\":[", out);
    for (uint32_t f = 0; f < FUNCTIONS; f++)
        fprintf(out, "%s%u", f ? "," : "", f);
    fputs("]},\"stringArray\":[", out);
    for (uint32_t f = 0; f < FUNCTIONS; f++)
        fprintf(out, "%s\"%s\"", f ? "," : "", names[f]);
    fputs("]}}", out);
    if (fclose(out) != 0)
        die("firefox");
}

/* ---- CSV for DuckDB ---- */

static FILE *csv_samples;

static void csv_put(const struct minute *m)
{
    for (size_t i = 0; i < m->ticks; i++)
        for (int t = 0; m->times[i] != INT64_MIN && t < load_->threads; t++)
            fprintf(csv_samples, "%" PRId64 ",%d,%u\n", m->times[i], t,
                    leaf_of[m->samples[t][i]]);
}

static void csv_end(void)
{
    FILE *node_file = create("node.csv", -1), *frame_file = create("frame.csv", -1);
    for (uint32_t n = 1; n < node_count; n++)
        fprintf(node_file, "%u,%u,%u\n", n, nodes[n].parent, nodes[n].frame);
    for (uint32_t f = 0; f < FRAMES; f++)
        fprintf(frame_file, "%u,%s\n", f, names[f % FUNCTIONS]);
    if (fclose(csv_samples) | fclose(node_file) | fclose(frame_file))
        die("csv");
}

/* ---- all ---- */

enum form { STORE, ROWS, SENTRY, PPROF, FIREFOX, FORMS };
static double spent[FORMS];

#define TIMED(form, call)                                                              \
    do {                                                                               \
        double began_ = cpu_seconds();                                                 \
        call;                                                                          \
        spent[form] += cpu_seconds() - began_;                                         \
    } while (0)

static int64_t fill_all(double wanted, struct pl_chunk_sink *sink,
                        const struct pl_sink_session *session, struct builder *b)
{
    static struct minute m;
    struct pl_error err = {0};
    int64_t at = INT64_C(1700000000) / 3600 * 3600 * PL_NS_PER_S, samples = 0;
    for (int t = 0; t < load_->threads; t++)
        m.samples[t] = malloc(sizeof(uint32_t) * SECONDS * 1000);
    for (int i = 0; (double)samples < wanted && i < MINUTES_MAX; i++) {
        fill_minute(load_, &m, at);
        samples += (int64_t)build_part(load_, &m, b, at, session->id);
        add_leaves();
        TIMED(STORE, check(sink->put(sink->self, &b->part, &err), &err));
        TIMED(ROWS, rows_put(&m));
        TIMED(SENTRY, sentry_write(&m, i));
        TIMED(PPROF, pprof_write(&m, i));
        TIMED(FIREFOX, firefox_put(&m));
        csv_put(&m);
        at += SECONDS * PL_NS_PER_S;
    }
    return samples;
}

static double best_of_5(int64_t (*flame)(const char *path), const char *path,
                        int64_t samples)
{
    double best = 1e9;
    for (int i = 0; i < 5; i++) {
        double began = cpu_seconds();
        if (flame(path) != samples)
            die("a flame graph has not all samples");
        double took = cpu_seconds() - began;
        best = took < best ? took : best;
    }
    return best;
}

static int64_t rows_flame_at(const char *path)
{
    (void)path;
    return rows_flame();
}

int main(int argc, char **argv)
{
    static struct builder b;
    struct pl_error err = {0};
    struct pl_store *store = NULL;
    struct pl_chunk_sink sink;
    char path[512];
    const struct pl_sink_session session = {
        .id = {{1}}, .app = "bench", .platform = "native"};
    if (argc < 3)
        return fprintf(stderr, "usage: peers_data FOLDER MILLIONS [LOAD]\n"), 2;
    folder = argv[1];
    load_ = &loads[0];
    for (size_t i = 0; argc > 3 && i < sizeof loads / sizeof *loads; i++)
        if (strcmp(argv[3], loads[i].name) == 0)
            load_ = &loads[i];
    make_stacks();
    for (int f = 0; f < FUNCTIONS; f++)
        (void)snprintf(names[f], sizeof names[f], "app::module_%d::function_%d", f % 40,
                       f);
    for (uint32_t f = 0; f < FRAMES; f++)
        b.frames[f] = (struct pl_sink_frame){.module = PL_NO_INDEX,
                                             .function = names[f % FUNCTIONS],
                                             .line = f,
                                             .in_app = 1};
    for (int t = 0; t < load_->threads; t++) {
        b.runs[t] = malloc(sizeof **b.runs * SECONDS * 1000);
        (void)snprintf(b.names[t], sizeof b.names[t], "worker %d", t);
    }
    (void)snprintf(path, sizeof path, "%s/p.db", folder);
    csv_samples = create("sample.csv", -1);
    rows_open();
    check(pl_store_open(path, PL_STORE_CREATE, &store, &err), &err);
    check(pl_store_sink(store, &sink, &err), &err);
    check(sink.session_begin(sink.self, &session, &err), &err);
    int64_t samples = fill_all(1e6 * atof(argv[2]), &sink, &session, &b);
    TIMED(STORE, pl_store_close(store));
    TIMED(ROWS, rows_end());
    TIMED(FIREFOX, firefox_end());
    csv_end();
    double flame = best_of_5(store_flame, path, samples);
    printf("proflite %.1f %.1f %" PRId64 "\n", spent[STORE] * 1e3, flame * 1e3,
           samples);
    flame = best_of_5(rows_flame_at, path, samples);
    printf("rows %.1f %.1f %" PRId64 "\n", spent[ROWS] * 1e3, flame * 1e3, samples);
    printf("sentry %.1f 0 %" PRId64 "\n", spent[SENTRY] * 1e3, samples);
    printf("pprof %.1f 0 %" PRId64 "\n", spent[PPROF] * 1e3, samples);
    printf("firefox %.1f 0 %" PRId64 "\n", spent[FIREFOX] * 1e3, samples);
    return 0;
}
