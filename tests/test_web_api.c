/* web/: what the API answers is what the queries answer, number for number; and
 * what it answers when the store is damaged, gone, or another one. */
#include "base/clock.h"
#include "store/query.h"
#include "web/server.h"

#include "test.h"
#include "web_client.h"
#include "web_store.h"

#include <cjson/cJSON.h>
#include <sys/stat.h>

static char folder[64], db[96];
static struct pl_server *server;
static char auth[128];

/* ---- fixture ---- */

static void start_server(bool processing)
{
    struct pl_error err = {0};
    const struct pl_server_options options = {
        .listen = "127.0.0.1:0", .db_path = db, .no_processing = !processing};
    CHECK_OK(pl_server_start(&options, &server, &err), err);
    if (!server)
        exit(1);
    (void)snprintf(auth, sizeof auth, "Authorization: Bearer %s\r\n",
                   pl_server_token(server));
}

static void set_up(bool with_store, bool processing)
{
    struct pl_error err = {0};
    (void)snprintf(folder, sizeof folder, "/tmp/proflite-web-XXXXXX");
    CHECK(mkdtemp(folder) != NULL);
    (void)snprintf(db, sizeof db, "%s/p.db", folder);
    if (with_store)
        CHECK_OK(add_session(db, "demo", START_NS, &err), err);
    start_server(processing);
}

static void remove_store(void)
{
    static const char *const files[] = {"", "-wal", "-shm", "-journal", "-lock"};
    char path[128];
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        (void)snprintf(path, sizeof path, "%s%s", db, files[i]);
        (void)unlink(path);
    }
}

static void tear_down(void)
{
    char path[128];
    pl_server_stop(server);
    server = NULL;
    remove_store();
    (void)snprintf(path, sizeof path, "%s-token", db);
    (void)unlink(path);
    CHECK(rmdir(folder) == 0, "files are left in %s", folder);
}

static struct answer get_with(const char *target, const char *headers)
{
    int port = pl_server_port(server);
    return exchange(port, "GET /api/v1/%s HTTP/1.1\r\nHost: localhost:%d\r\n%s%s\r\n",
                    target, port, auth, headers);
}

/* The document; NULL (and a failed check) when the answer is not `status`. */
static cJSON *get_json(const char *target, int status)
{
    struct answer answer = get_with(target, "");
    cJSON *json = cJSON_ParseWithLength(answer.body, answer.body_len);
    CHECK(answer.status == status, "%s: %d: %s", target, answer.status, answer.body);
    CHECK(json != NULL, "%s: not JSON: %s", target, answer.body);
    CHECK(strcmp(header_of(&answer, "Content-Type"),
                 "application/json; charset=utf-8") == 0);
    CHECK((size_t)atoi(header_of(&answer, "Content-Length")) == answer.body_len);
    free(answer.text);
    return json;
}

static double number(const cJSON *json, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, key);
    CHECK(cJSON_IsNumber(item), "no number %s", key);
    return item ? item->valuedouble : -1;
}

static const char *text(const cJSON *json, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, key);
    CHECK(cJSON_IsString(item), "no text %s", key);
    return item && item->valuestring ? item->valuestring : "";
}

static const cJSON *list(const cJSON *json, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, key);
    CHECK(cJSON_IsArray(item), "no list %s", key);
    return item;
}

static const cJSON *object(const cJSON *json, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, key);
    CHECK(cJSON_IsObject(item), "no object %s", key);
    return item;
}

static double cell(const cJSON *json, const char *key, size_t row)
{
    return cJSON_GetArrayItem(list(json, key), (int)row)->valuedouble;
}

static struct pl_store *open_store(void)
{
    struct pl_store *store = NULL;
    struct pl_error err = {0};
    CHECK_OK(pl_store_open(db, PL_STORE_READ, &store, &err), err);
    return store;
}

/* ---- contents ---- */

static void check_nodes(const cJSON *json, const struct pl_profile *profile)
{
    const cJSON *nodes = cJSON_GetObjectItem(json, "nodes");
    const cJSON *functions = cJSON_GetObjectItem(json, "functions");
    for (size_t i = 0; i < profile->node_count; i++) {
        const struct pl_node *node = &profile->nodes[i];
        CHECK(cell(nodes, "parent", i) == (double)(i - node->parent), "node %zu", i);
        CHECK(cell(nodes, "self_ns", i) == (double)node->self_ns, "node %zu", i);
        CHECK(cell(nodes, "total_ns", i) == (double)node->total_ns, "node %zu", i);
        CHECK(cell(nodes, "self_samples", i) == (double)node->self_samples);
        CHECK(cell(nodes, "total_samples", i) == (double)node->total_samples);
        CHECK(cell(nodes, "inlined", i) == (double)node->inlined);
        CHECK(cell(nodes, "hidden_ns", i) == 0);
        int function = (int)cell(nodes, "function", i);
        if (i == 0) {
            CHECK(function == -1);
            continue;
        }
        const struct pl_function *f = &profile->functions[node->function];
        CHECK(strcmp(cJSON_GetArrayItem(list(functions, "name"), function)->valuestring,
                     f->name) == 0);
        CHECK(strcmp(cJSON_GetArrayItem(list(functions, "file"), function)->valuestring,
                     f->file) == 0);
        CHECK(cell(functions, "line", (size_t)function) == (double)f->line);
    }
}

static void test_flamegraph(void)
{
    static const char *const targets[] = {"flamegraph?min_ns=0",
                                          "flamegraph?min_ns=0&metric=cpu"};
    set_up(true, false);
    struct pl_store *store = open_store();
    for (int metric = 0; metric < 2; metric++) {
        struct pl_profile profile;
        struct pl_error err = {0};
        struct pl_selection all = {0};
        CHECK_OK(pl_query_profile(store, &all, (enum pl_metric)metric, &profile, &err),
                 err);
        cJSON *json = get_json(targets[metric], 200);
        CHECK(number(json, "schema") == 1);
        CHECK(strcmp(text(json, "metric"), metric ? "cpu" : "wall") == 0);
        CHECK(strcmp(text(json, "unit"), "ns") == 0);
        CHECK(number(json, "total_ns") == (double)profile.total_ns);
        CHECK(number(json, "samples") == (double)profile.samples);
        CHECK(number(json, "lost") == (double)profile.lost);
        CHECK(number(json, "node_count") == (double)profile.node_count);
        CHECK(number(json, "shown") == (double)profile.node_count);
        CHECK(number(json, "hidden_ns") == 0);
        check_nodes(json, &profile);
        cJSON_Delete(json);
        pl_profile_deinit(&profile);
    }
    pl_store_close(store);
    tear_down();
}

/* What the fixture holds is known: these are its numbers. */
static void test_totals(void)
{
    static const struct {
        const char *query;
        double total_ns, samples;
    } cases[] = {
        {"", 2e9, 200},
        {"app=demo", 2e9, 200},
        {"app=other", 0, 0},
        {"thread=worker", 1e9, 100},
        {"thread_name=main", 1e9, 100},
        {"function=work", 1.6e9, 160},
        {"from=1700000000500000000", 1e9, 100},
        {"to=1700000000500000000", 1e9, 100},
        {"from=1700000000500000000&to=1700000000600000000", .2e9, 20},
        {"metric=cpu", 1.54e9, 160},
        {"metric=cpu&thread=worker", .99e9, 100},
    };
    set_up(true, false);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char target[128];
        double self = 0, nodes_self = 0;
        (void)snprintf(target, sizeof target, "top?%s", cases[i].query);
        cJSON *top = get_json(target, 200);
        (void)snprintf(target, sizeof target, "flamegraph?%s", cases[i].query);
        cJSON *graph = get_json(target, 200);
        const cJSON *row;
        cJSON_ArrayForEach(row, list(top, "functions")) self += number(row, "self_ns");
        cJSON_ArrayForEach(row, list(cJSON_GetObjectItem(graph, "nodes"), "self_ns"))
            nodes_self += row->valuedouble;
        CHECK(number(top, "total_ns") == cases[i].total_ns, "%s: %.0f", cases[i].query,
              number(top, "total_ns"));
        CHECK(number(top, "samples") == cases[i].samples, "%s: %.0f", cases[i].query,
              number(top, "samples"));
        CHECK(number(graph, "total_ns") == cases[i].total_ns, "%s", cases[i].query);
        CHECK(self == cases[i].total_ns, "%s: top's sum %.0f", cases[i].query, self);
        CHECK(nodes_self + number(graph, "hidden_ns") == cases[i].total_ns, "%s",
              cases[i].query);
        cJSON_Delete(graph);
        cJSON_Delete(top);
    }
    tear_down();
}

static void test_top(void)
{
    set_up(true, false);
    cJSON *json = get_json("top", 200);
    const cJSON *rows = list(json, "functions");
    const cJSON *first = cJSON_GetArrayItem(rows, 0);
    const cJSON *second = cJSON_GetArrayItem(rows, 1);
    CHECK(cJSON_GetArraySize(rows) == 3);
    CHECK(strcmp(text(first, "function"), "work") == 0);
    CHECK(strcmp(text(first, "file"), "work.c") == 0);
    CHECK(number(first, "line") == 0, "where it is declared is not known");
    CHECK(number(first, "self_ns") == 1e9 && number(first, "total_ns") == 1.6e9);
    CHECK(number(first, "self_samples") == 100 &&
          number(first, "total_samples") == 160);
    CHECK(number(first, "in_app") == 1);
    CHECK(strcmp(text(second, "function"), "<b>parse</b>") == 0);
    cJSON_Delete(json);
    json = get_json("top?limit=1", 200);
    CHECK(cJSON_GetArraySize(list(json, "functions")) == 1);
    CHECK(number(json, "total_ns") == 2e9, "the whole is still the whole");
    cJSON_Delete(json);
    tear_down();
}

static void test_listings(void)
{
    struct pl_error err = {0};
    set_up(true, false);
    CHECK_OK(add_session(db, "other", START_NS + 3600 * PL_NS_PER_S, &err), err);
    cJSON *json = get_json("meta", 200);
    CHECK(strcmp(text(json, "db"), db) == 0);
    CHECK(strcmp(text(json, "version"), PL_VERSION) == 0);
    CHECK(number(json, "sessions") == 2 && number(json, "samples") == 400);
    CHECK(number(json, "first_ns") == (double)START_NS);
    CHECK(text(json, "generation")[0] != '\0');
    cJSON_Delete(json);

    json = get_json("apps", 200);
    CHECK(cJSON_GetArraySize(list(json, "apps")) == 2);
    const cJSON *app = cJSON_GetArrayItem(list(json, "apps"), 0);
    CHECK(strcmp(text(app, "app"), "demo") == 0 && number(app, "sessions") == 1);
    CHECK(number(app, "samples") == 200);
    cJSON_Delete(json);

    json = get_json("sessions", 200);
    CHECK(cJSON_GetArraySize(list(json, "sessions")) == 2);
    const cJSON *session = cJSON_GetArrayItem(list(json, "sessions"), 0);
    CHECK(strcmp(text(session, "app"), "other") == 0, "newest first");
    CHECK(strcmp(text(session, "state"), "ended") == 0);
    CHECK(strlen(text(session, "uuid")) == 32 && number(session, "pid") == 42);
    CHECK(number(session, "threads") == 2 && number(session, "exit_status") == 0);
    CHECK(cJSON_IsNull(cJSON_GetObjectItem(session, "release")));
    cJSON_Delete(json);

    json = get_json("threads?app=demo", 200);
    CHECK(cJSON_GetArraySize(list(json, "threads")) == 2);
    const cJSON *thread = cJSON_GetArrayItem(list(json, "threads"), 0);
    CHECK(strcmp(text(thread, "name"), "worker") == 0, "heaviest CPU first");
    CHECK(number(thread, "tid") == 101 && number(thread, "samples") == 100);
    CHECK(number(thread, "weight_ns") == 1e9 && number(thread, "cpu_ns") == .99e9);
    cJSON_Delete(json);

    json = get_json("health", 200);
    CHECK(cJSON_IsTrue(cJSON_GetObjectItem(json, "ok")));
    cJSON_Delete(json);
    tear_down();
}

static void test_timeline(void)
{
    set_up(true, false);
    cJSON *json = get_json("timeline?bins=10", 200);
    double wall = 0, cpu = 0;
    CHECK(number(json, "bins") == 10 && cJSON_GetArraySize(list(json, "series")) == 2);
    const cJSON *series, *bin;
    cJSON_ArrayForEach(series, list(json, "series"))
    {
        CHECK(cJSON_GetArraySize(list(series, "wall_ns")) == 10);
        cJSON_ArrayForEach(bin, list(series, "wall_ns")) wall += bin->valuedouble;
        cJSON_ArrayForEach(bin, list(series, "cpu_ns")) cpu += bin->valuedouble;
    }
    CHECK(wall == 2e9, "%.0f", wall);
    CHECK(cpu == 1.54e9, "%.0f", cpu);
    cJSON_Delete(json);
    json = get_json("timeline?bins=10&by=code", 200);
    CHECK(cJSON_GetArraySize(list(json, "series")) == 4);
    cJSON_ArrayForEach(series, list(json, "series"))
    {
        cJSON_ArrayForEach(bin, list(series, "wall_ns")) wall -= bin->valuedouble;
        cJSON_ArrayForEach(bin, list(series, "cpu_ns")) cpu -= bin->valuedouble;
    }
    CHECK(wall == 0 && cpu == 0, "%.0f %.0f", wall, cpu);
    CHECK(strcmp(text(cJSON_GetArrayItem(list(json, "series"), 0), "code"), "app") ==
          0);
    cJSON_Delete(json);
    cJSON_Delete(get_json("timeline?by=colour", 400));
    tear_down();
}

/* Slices of a graph add up to it. */
static void test_slices(void)
{
    set_up(true, false);
    cJSON *json = get_json("flamegraph?slices=5&max_nodes=50", 200);
    const cJSON *self = list(object(json, "nodes"), "self_ns"), *row, *cell;
    int i = 0;
    CHECK(number(json, "total_ns") == 2e9);
    cJSON_ArrayForEach(row, list(object(json, "over_time"), "slices"))
    {
        double sum = 0;
        CHECK(cJSON_GetArraySize(row) == 5);
        cJSON_ArrayForEach(cell, row) sum += cell->valuedouble;
        CHECK(sum == cJSON_GetArrayItem(self, i++)->valuedouble, "node %d", i);
    }
    CHECK(i == cJSON_GetArraySize(self) && i > 2);
    cJSON_Delete(json);
    static const char *const refused[] = {"flamegraph?slices=1",
                                          "flamegraph?slices=65",
                                          "flamegraph?slices=5&max_nodes=20000",
                                          "flamegraph?slices=5&t=threads",
                                          "flamegraph?t=labels:",
                                          "flamegraph?t=labels:a&t=threads",
                                          "flamegraph?t=labels:a&t=labels:b",
                                          "flamegraph?slices=5&t=labels:a"};
    for (size_t r = 0; r < sizeof refused / sizeof refused[0]; r++)
        cJSON_Delete(get_json(refused[r], 400));
    tear_down();
}

/* ---- caching ---- */

static void test_etag(void)
{
    struct pl_error err = {0};
    char tag[160], other[160];
    set_up(true, false);
    struct answer first = get_with("flamegraph", "");
    (void)snprintf(tag, sizeof tag, "If-None-Match: %s\r\n", header_of(&first, "ETag"));
    CHECK(strlen(tag) > 30 && first.status == 200);
    struct answer same = get_with("flamegraph", tag);
    CHECK(same.status == 304 && same.body_len == 0, "%d", same.status);
    CHECK(strstr(tag, header_of(&same, "ETag")) != NULL);
    struct answer else_where = get_with("top", tag);
    CHECK(else_where.status == 200, "another question");
    struct answer filtered = get_with("flamegraph?thread=main", tag);
    CHECK(filtered.status == 200, "another selection");
    struct answer relative = get_with("flamegraph?from=-1h", "");
    (void)snprintf(other, sizeof other, "If-None-Match: %s\r\n",
                   header_of(&relative, "ETag"));
    struct answer moved = get_with("flamegraph?from=-1h", other);
    CHECK(moved.status == 200, "the last hour moves on");
    CHECK_OK(add_session(db, "more", START_NS + PL_NS_PER_S * 100, &err), err);
    struct answer newer = get_with("flamegraph", tag);
    CHECK(newer.status == 200, "new data");
    free(first.text);
    free(same.text);
    free(else_where.text);
    free(filtered.text);
    free(relative.text);
    free(moved.text);
    free(newer.text);
    tear_down();
}

/* ---- when the store is not what it should be ---- */

static void check_error(const char *target, int status, const char *code)
{
    cJSON *json = get_json(target, status);
    const cJSON *error = cJSON_GetObjectItem(json, "error");
    CHECK(strcmp(text(error, "code"), code) == 0, "%s", text(error, "code"));
    CHECK(strlen(text(error, "message")) > 10);
    cJSON_Delete(json);
}

static void test_missing_store(void)
{
    struct pl_error err = {0};
    set_up(false, false);
    check_error("meta", 503, "store_missing");
    CHECK_OK(add_session(db, "demo", START_NS, &err), err);
    cJSON *json = get_json("meta", 200);
    CHECK(number(json, "sessions") == 1);
    cJSON_Delete(json);
    remove_store();
    check_error("flamegraph", 503, "store_missing");
    CHECK_OK(add_session(db, "a", START_NS, &err), err);
    CHECK_OK(add_session(db, "b", START_NS, &err), err);
    for (int i = 0; i < 8; i++) { /* whichever pool thread answers */
        json = get_json("meta", 200);
        CHECK(number(json, "sessions") == 2, "the old file's connection is dropped");
        cJSON_Delete(json);
    }
    tear_down();
}

static void overwrite(const char *bytes, size_t len, off_t at, bool cut)
{
    FILE *file = fopen(db, "r+");
    if (!file)
        return;
    (void)fseek(file, at, SEEK_SET);
    (void)fwrite(bytes, 1, len, file);
    fclose(file);
    if (cut)
        CHECK(truncate(db, at + (off_t)len) == 0);
}

static void test_damaged_store(void)
{
    char garbage[4096];
    struct pl_error err = {0};
    set_up(true, false);
    for (size_t i = 0; i < sizeof garbage; i++)
        garbage[i] = (char)(i * 37 + 11);
    for (int i = 0; i < 4; i++) /* open connections see it, too */
        cJSON_Delete(get_json("meta", 200));
    struct stat info;
    CHECK(stat(db, &info) == 0);
    for (off_t at = 4096; at + 4096 <= info.st_size && at < 40 * 4096; at += 4096)
        overwrite(garbage, sizeof garbage, at, false);
    static const char *const targets[] = {
        "meta", "apps", "sessions", "threads", "timeline", "flamegraph", "top"};
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++) {
        struct answer answer = get_with(targets[i], "");
        CHECK(answer.status == 200 || answer.status >= 500, "%s: %d", targets[i],
              answer.status);
        free(answer.text);
    }
    remove_store();
    FILE *file = fopen(db, "w");
    fwrite(garbage, 1, sizeof garbage, file);
    fclose(file);
    check_error("meta", 500, "store_damaged");
    CHECK(truncate(db, 10) == 0);
    struct answer answer = get_with("meta", "");
    CHECK(answer.status >= 500, "%d", answer.status);
    free(answer.text);
    remove_store();
    CHECK(mkdir(db, 0700) == 0);
    answer = get_with("meta", "");
    CHECK(answer.status >= 500, "a folder: %d", answer.status);
    free(answer.text);
    CHECK(rmdir(db) == 0);
    CHECK_OK(add_session(db, "demo", START_NS, &err), err);
    cJSON_Delete(get_json("meta", 200));
    tear_down();
}

/* ---- processing ---- */

static bool count_cell(void *self, size_t count, const struct pl_cell *cells)
{
    *(int64_t *)self = count ? cells[0].integer : -1;
    return true;
}

static bool any_columns(void *self, size_t count, const char *const *names)
{
    (void)self;
    (void)names;
    return count > 0;
}

static int64_t count_outcomes(void)
{
    int64_t count = -1;
    struct pl_error err = {0};
    const struct pl_sql_consumer consumer = {&count, any_columns, count_cell};
    struct pl_store *store = open_store();
    CHECK_OK(pl_query_sql(store, "SELECT count(*) FROM outcome", 0, &consumer, &err),
             err);
    pl_store_close(store);
    return count;
}

/* A chunk that arrives while the server runs is processed by it. */
static void test_processing(void)
{
    struct pl_error err = {0};
    set_up(true, true);
    int64_t until = pl_clock_mono_ns() + 20 * PL_NS_PER_S;
    while (count_outcomes() < 1 && pl_clock_mono_ns() < until)
        usleep(50000);
    CHECK(count_outcomes() == 1, "what was there");
    CHECK_OK(add_session(db, "late", START_NS, &err), err);
    while (count_outcomes() < 2 && pl_clock_mono_ns() < until)
        usleep(50000);
    CHECK(count_outcomes() == 2, "what came later");
    tear_down();
}

/* ---- closer looks ---- */

/* main;work;parse .6 s, main .4 s, main;work (worker) 1 s. */
static void test_transforms(void)
{
    static const struct {
        const char *t;
        double total_ns, left_out_ns;
        size_t nodes;
    } cases[] = {
        {"t=focus:work", 1.6e9, .4e9, 3},
        {"t=ignore:work", .4e9, 1.6e9, 2},
        {"t=hide:work", 2e9, 0, 3},
        {"t=callers:work", 1.6e9, .4e9, 3},
        {"t=in_app", 2e9, 0, 3},
        {"t=invert", 2e9, 0, 7},
        {"t=focus:work&t=hide:main", 1.6e9, .4e9, 3},
        {"t=files", 2e9, 0, 4},
    };
    char target[128];
    set_up(true, false);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        (void)snprintf(target, sizeof target, "flamegraph?%s", cases[i].t);
        cJSON *json = get_json(target, 200);
        CHECK(number(json, "total_ns") == cases[i].total_ns, "%s", target);
        CHECK(number(json, "left_out_ns") == cases[i].left_out_ns, "%s", target);
        CHECK(number(json, "node_count") == (double)cases[i].nodes, "%s: %g nodes",
              target, number(json, "node_count"));
        cJSON_Delete(json);
    }
    cJSON_Delete(get_json("flamegraph?t=shuffle", 400));
    cJSON_Delete(get_json("sessions?t=invert", 400));
    tear_down();
}

/* A node that was too light to be sent is sent when the tree is asked from it on, with
 * its callers; what else there is is hidden with them. */
static void test_root(void)
{
    char target[128];
    set_up(true, false);
    cJSON *whole = get_json("flamegraph?min_ns=0&keys=1", 200);
    cJSON *few = get_json("flamegraph?max_nodes=2", 200);
    const cJSON *nodes = cJSON_GetObjectItem(whole, "nodes");
    int count = (int)number(whole, "shown");
    CHECK(number(few, "shown") == 2 && number(few, "root") == 0);
    CHECK(!cJSON_GetObjectItem(cJSON_GetObjectItem(few, "nodes"), "key"));
    for (int i = 0; i < count; i++) {
        const char *key = cJSON_GetArrayItem(list(nodes, "key"), i)->valuestring;
        (void)snprintf(target, sizeof target, "flamegraph?max_nodes=1&root=%s", key);
        cJSON *zoomed = get_json(target, 200);
        const cJSON *shown = cJSON_GetObjectItem(zoomed, "nodes");
        int root = (int)number(zoomed, "root");
        CHECK(root >= 0 && number(zoomed, "shown") == root + 1, "%s: %d", target, root);
        CHECK(cell(shown, "total_ns", (size_t)root) ==
                  cell(nodes, "total_ns", (size_t)i),
              "%s", target);
        CHECK(cell(shown, "total_ns", 0) == number(whole, "total_ns"), "%s", target);
        cJSON_Delete(zoomed);
    }
    cJSON *gone = get_json("flamegraph?root=zz", 200);
    CHECK(number(gone, "root") == -1 && number(gone, "shown") == count);
    cJSON_Delete(gone);
    cJSON_Delete(get_json("top?root=zz", 400));
    cJSON *diff = get_json("diff?a=&b=&root=zz", 200);
    CHECK(number(cJSON_GetObjectItem(diff, "tree"), "root") == -1);
    cJSON_Delete(diff);
    cJSON_Delete(few);
    cJSON_Delete(whole);
    tear_down();
}

static void test_callers(void)
{
    set_up(true, false);
    cJSON *json = get_json("callers?function=work", 200);
    CHECK(strcmp(text(json, "function"), "work") == 0);
    CHECK(number(json, "whole_ns") == 2e9 && number(json, "total_ns") == 1.6e9);
    CHECK(number(json, "self_ns") == 1e9 && number(json, "self_samples") == TICKS);
    CHECK(number(object(json, "callers"), "total_ns") == 1.6e9);
    CHECK(number(object(json, "callees"), "total_ns") == 1.6e9);
    cJSON_Delete(json);
    cJSON_Delete(get_json("callers", 400));
    json = get_json("callers?function=nobody", 200);
    CHECK(number(json, "total_ns") == 0);
    cJSON_Delete(json);
    tear_down();
}

static void test_diff(void)
{
    set_up(true, false);
    cJSON *json = get_json("diff?a=thread_name:main&b=thread_name:worker", 200);
    const cJSON *first = cJSON_GetArrayItem(list(json, "functions"), 0);
    CHECK(number(object(json, "a"), "total_ns") == 1e9);
    CHECK(number(object(json, "b"), "total_ns") == 1e9);
    CHECK(strcmp(text(first, "function"), "work") == 0, "%s", text(first, "function"));
    CHECK(number(object(first, "self"), "share_a") == 0 &&
          number(object(first, "self"), "share_b") == 1);
    const cJSON *nodes = object(object(json, "tree"), "nodes");
    CHECK(cell(nodes, "total_a_ns", 0) == 1e9 && cell(nodes, "total_b_ns", 0) == 1e9);
    cJSON_Delete(json);
    json = get_json("diff?a=all&b=all", 200);
    first = cJSON_GetArrayItem(list(json, "functions"), 0);
    CHECK(number(object(first, "self"), "q") == 1, "nothing changed");
    cJSON_Delete(json);
    cJSON_Delete(get_json("diff?a=colour:red", 400));
    cJSON_Delete(get_json("diff?t=threads", 400));
    cJSON_Delete(get_json("diff?t=labels:a", 400));
    tear_down();
}

static void test_function(void)
{
    set_up(true, false);
    cJSON *json = get_json("function?function=work", 200);
    const cJSON *history = object(json, "history");
    const cJSON *bucket = cJSON_GetArrayItem(list(history, "buckets"), 0);
    CHECK(number(bucket, "whole_ns") == 2e9 && number(bucket, "total_ns") == 1.6e9 &&
          number(bucket, "self_ns") == 1e9);
    CHECK(cJSON_GetArraySize(list(history, "changes")) == 0);
    CHECK(cJSON_GetArraySize(list(json, "threads")) == 2);
    CHECK(cJSON_GetArraySize(list(json, "lines")) == 1);
    cJSON_Delete(json);
    cJSON_Delete(get_json("function", 400));
    cJSON_Delete(get_json("labels?bins=3", 400));
    json = get_json("labels", 200);
    CHECK(cJSON_GetArraySize(list(json, "labels")) == 0);
    cJSON_Delete(json);
    tear_down();
}

static void test_flamechart(void)
{
    set_up(true, false);
    cJSON *threads = get_json("threads", 200);
    const cJSON *row = cJSON_GetArrayItem(list(threads, "threads"), 1);
    char target[64];
    CHECK(strcmp(text(row, "name"), "main") == 0);
    (void)snprintf(target, sizeof target, "flamechart?thread=%.0f", number(row, "id"));
    cJSON *json = get_json(target, 200);
    const cJSON *boxes = object(json, "boxes");
    CHECK(number(json, "samples") == TICKS && number(json, "cell_ns") == 0);
    /* main all the time; work and parse for the first .6 s */
    CHECK(cJSON_GetArraySize(list(boxes, "start")) == 3);
    CHECK(cell(boxes, "length", 0) == 1e9 && cell(boxes, "depth", 0) == 1);
    CHECK(cell(boxes, "length", 1) == .6e9 && cell(boxes, "depth", 1) == 2);
    CHECK(cell(boxes, "length", 2) == .6e9 && cell(boxes, "depth", 2) == 3);
    cJSON_Delete(json);
    cJSON_Delete(threads);
    cJSON_Delete(get_json("flamechart", 400));
    cJSON_Delete(get_json("flamechart?thread=1&boxes=0", 400));
    tear_down();
}

static void test_export(void)
{
    static const struct {
        const char *format, *type, *has;
    } cases[] = {
        {"folded", "text/plain; charset=utf-8", "main;work 100\n"},
        {"svg", "image/svg+xml", "&lt;b&gt;parse&lt;/b&gt;"},
        {"html", "text/html; charset=utf-8", "&lt;b&gt;parse&lt;/b&gt;"},
        {"firefox", "application/json; charset=utf-8",
         "\"preprocessedProfileVersion\":50,"},
        {"pprof", "application/octet-stream", "\x1f\x8b\x08"},
        {"speedscope", "application/json; charset=utf-8",
         "\"unit\":\"nanoseconds\",\"startValue\":0,\"endValue\":2000000000,"},
    };
    char target[64];
    set_up(true, false);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        (void)snprintf(target, sizeof target, "export?format=%s", cases[i].format);
        struct answer answer = get_with(target, "");
        CHECK(answer.status == 200, "%s: %s", target, answer.body);
        CHECK(strcmp(header_of(&answer, "Content-Type"), cases[i].type) == 0, "%s",
              target);
        CHECK(strstr(answer.body, cases[i].has), "%s: %s", target, answer.body);
        free(answer.text);
    }
    struct answer focused = get_with("export?format=folded&t=focus:work", "");
    CHECK(strstr(focused.body, "\nwork;") || strncmp(focused.body, "work;", 5) == 0,
          "%s", focused.body);
    free(focused.text);
    cJSON_Delete(get_json("export?format=xls", 400));
    cJSON_Delete(get_json("export", 400));
    cJSON *json = get_json("export?format=speedscope", 200);
    const cJSON *profile = cJSON_GetArrayItem(list(json, "profiles"), 0);
    double sum = 0;
    const cJSON *weight;
    cJSON_ArrayForEach(weight, list(profile, "weights")) sum += weight->valuedouble;
    CHECK(sum == 2e9, "%g", sum);
    CHECK(cJSON_GetArraySize(list(profile, "samples")) ==
          cJSON_GetArraySize(list(profile, "weights")));
    cJSON_Delete(json);
    tear_down();
}

/* The store's frames name work.c, in no folder: the working one. */
static void test_source(void)
{
    char home[256], target[64] = "source?file=work.c";
    set_up(true, false);
    CHECK(getcwd(home, sizeof home) && chdir(folder) == 0);
    cJSON_Delete(get_json(target, 400));
    FILE *file = fopen("work.c", "we");
    CHECK(file && fputs("int a;\r\n\"<b>\"\n", file) >= 0 && fclose(file) == 0);
    cJSON *json = get_json(target, 200);
    CHECK(cJSON_GetArraySize(list(json, "lines")) == 2);
    CHECK(strcmp(cJSON_GetArrayItem(list(json, "lines"), 1)->valuestring, "\"<b>\"") ==
          0);
    CHECK(number(cJSON_GetArrayItem(list(json, "weights"), 0), "total_ns") == 1.6e9);
    cJSON_Delete(json);
    cJSON_Delete(get_json("source?file=/etc/passwd", 400));
    cJSON_Delete(get_json("source?file=/usr/include/stdio.h", 400));
    CHECK(unlink("work.c") == 0 && symlink("/etc/passwd", "work.c") == 0);
    cJSON_Delete(get_json(target, 400));
    CHECK(unlink("work.c") == 0 && chdir(home) == 0);
    cJSON_Delete(get_json("source", 400));
    tear_down();
}

TEST_MAIN({"flamegraph", test_flamegraph}, {"totals", test_totals}, {"top", test_top},
          {"listings", test_listings}, {"timeline", test_timeline},
          {"slices", test_slices}, {"etag", test_etag},
          {"missing_store", test_missing_store}, {"damaged_store", test_damaged_store},
          {"processing", test_processing}, {"transforms", test_transforms},
          {"root", test_root}, {"callers", test_callers}, {"diff", test_diff},
          {"function", test_function}, {"flamechart", test_flamechart},
          {"export", test_export}, {"source", test_source})
