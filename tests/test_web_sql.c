/* web/: SQL over HTTP, by whoever holds the token: what may be asked, in which form,
 * and what becomes of statements that want too much. */
#include "base/clock.h"
#include "web/server.h"
#include "web/sql.h"

#include "test.h"
#include "web_client.h"
#include "web_store.h"

#include <cjson/cJSON.h>
#include <sys/stat.h>

static char folder[64], db[96], auth[128];
static struct pl_server *server;

static void set_up(void)
{
    struct pl_error err = {0};
    const struct pl_server_options options = {.listen = "127.0.0.1:0",
                                              .db_path = db,
                                              .program = PROGRAM_PATH,
                                              .no_processing = true};
    (void)snprintf(folder, sizeof folder, "/tmp/proflite-sql-XXXXXX");
    CHECK(mkdtemp(folder) != NULL);
    (void)snprintf(db, sizeof db, "%s/p.db", folder);
    CHECK_OK(add_session(db, "demo", START_NS, &err), err);
    CHECK_OK(pl_server_start(&options, &server, &err), err);
    if (!server)
        exit(1);
    (void)snprintf(auth, sizeof auth, "Authorization: Bearer %s\r\n",
                   pl_server_token(server));
}

static void tear_down(void)
{
    static const char *const files[] = {"", "-wal", "-shm", "-token", "-lock"};
    char path[128];
    pl_server_stop(server);
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        (void)snprintf(path, sizeof path, "%s%s", db, files[i]);
        (void)unlink(path);
    }
    CHECK(rmdir(folder) == 0, "a statement left files in %s", folder);
}

static struct answer post(const char *headers, const char *body)
{
    int port = pl_server_port(server);
    return exchange(port,
                    "POST /api/v1/sql HTTP/1.1\r\nHost: localhost:%d\r\n%s"
                    "Content-Length: %zu\r\n\r\n%s",
                    port, headers, strlen(body), body);
}

static void test_answers(void)
{
    static const struct {
        const char *body;
        int status;
        const char *has; /* in the answer */
    } cases[] = {
        {"SELECT app FROM session", 200,
         "\"columns\":[\"app\"],\"rows\":[\n[\"demo\"]],\"truncated\":false}"},
        {"{\"sql\":\"SELECT 1 AS a, NULL, 1.5, x'00ff', 9223372036854775807\"}", 200,
         "[1,null,1.5,\"x'00ff'\",9223372036854775807]"},
        {"SELECT sum(weight_ns) FROM sample", 200, "[2000000000]"},
        {"SELECT 1e999, -1e999", 200, "[\"Inf\",\"-Inf\"]"},
        {"SELECT 1 WHERE 0", 200, "\"rows\":[],"},
        {"WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c LIMIT 10001) "
         "SELECT x FROM c",
         200, "[10000]],\"truncated\":true}"},
        {"SELECT printf('%.*c', 100000, 'x') FROM sample", 200, "\"truncated\":true}"},
        {"SELEC", 400, "syntax error"},
        {"", 400, "no SQL statement"},
        {"{}", 400, "SELECT ..."},
        {"{\"sql\":7}", 400, "SELECT ..."},
        {"SELECT 1; SELECT 2", 400, "more than one"},
        {"DELETE FROM session", 400, "only reading"},
        {"CREATE TABLE x (y)", 400, "only reading"},
        {"VACUUM INTO '/tmp/proflite-stolen.db'", 400, "only reading"},
        {"ATTACH '/etc/passwd' AS x", 400, "only reading"},
        {"PRAGMA writable_schema=1", 400, "only reading"},
        {"SELECT load_extension('x')", 400, "not authorized"},
#ifndef __SANITIZE_ADDRESS__ /* whose shadow knows no limit */
        {"SELECT hex(randomblob(500000000))", 500, "out of memory"},
#endif
    };
    set_up();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct answer answer = post(auth, cases[i].body);
        CHECK(answer.status == cases[i].status, "%s: %d: %.200s", cases[i].body,
              answer.status, answer.body);
        CHECK(strstr(answer.body, cases[i].has), "%s: %.200s", cases[i].body,
              answer.body);
        cJSON *json = cJSON_ParseWithLength(answer.body, answer.body_len);
        CHECK(json != NULL, "%s: not JSON", cases[i].body);
        cJSON_Delete(json);
        CHECK(strcmp(header_of(&answer, "Content-Type"),
                     "application/json; charset=utf-8") == 0);
        free(answer.text);
    }
    CHECK(access("/tmp/proflite-stolen.db", F_OK) != 0);
    tear_down();
}

/* Also what no callback of SQLite's could stop. */
static void test_time(void)
{
    static const char *const endless[] = {
        "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c) "
        "SELECT count(*) FROM c",
        "SELECT count(*) FROM (SELECT printf('%.*c', 200000000, 'x') AS a UNION ALL "
        "SELECT replace(printf('%.*c', 90000000, 'x'), 'x', 'yyyyy')), "
        "(WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c) SELECT * FROM "
        "c)",
    };
    set_up();
    for (size_t i = 0; i < sizeof endless / sizeof endless[0]; i++) {
        int64_t start_ns = pl_clock_mono_ns();
        struct answer answer = post(auth, endless[i]);
        CHECK(answer.status == 400 || answer.status == 500, "%d: %s", answer.status,
              answer.body);
        CHECK(pl_clock_mono_ns() - start_ns < 30 * PL_NS_PER_S);
        free(answer.text);
    }
    struct answer after = post(auth, "SELECT 1");
    CHECK(after.status == 200, "%s", after.body);
    free(after.text);
    tear_down();
}

static int status_of(struct answer answer)
{
    free(answer.text);
    return answer.status;
}

static void test_who_may_ask(void)
{
    char *large = malloc(PL_SQL_BODY_BYTES + 2);
    char headers[256];
    set_up();
    int port = pl_server_port(server);
    CHECK(status_of(post("", "SELECT 1")) == 401);
    CHECK(status_of(post("Authorization: Bearer x\r\n", "SELECT 1")) == 401);
    (void)snprintf(headers, sizeof headers, "%sOrigin: https://evil.example\r\n", auth);
    CHECK(status_of(post(headers, "SELECT 1")) == 403);
    (void)snprintf(headers, sizeof headers, "%sSec-Fetch-Site: cross-site\r\n", auth);
    CHECK(status_of(post(headers, "SELECT 1")) == 403);
    (void)snprintf(headers, sizeof headers, "%sTransfer-Encoding: chunked\r\n", auth);
    CHECK(status_of(post(headers, "SELECT 1")) == 400);
    CHECK(status_of(exchange(port,
                             "GET /api/v1/sql HTTP/1.1\r\nHost: localhost:%d\r\n"
                             "%s\r\n",
                             port, auth)) == 405);
    memset(large, ' ', PL_SQL_BODY_BYTES + 1);
    large[PL_SQL_BODY_BYTES + 1] = '\0';
    CHECK(status_of(post(auth, large)) == 413);
    free(large);
    tear_down();
}

TEST_MAIN({"answers", test_answers}, {"time", test_time},
          {"who_may_ask", test_who_may_ask})
