/* web/: the real server on a free port, raw sockets against it, a real store
 * behind it. What is hostile here must get an answer of 4xx and nothing else. */
#include "base/clock.h"
#include "store/query.h"
#include "web/assets.h"
#include "web/routes.h"
#include "web/server.h"

#include "test.h"
#include "web_client.h"
#include "web_store.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <sys/stat.h>

static char folder[64], db[96];
static struct pl_server *server;
static int port;
static char auth[128]; /* the whole header line */

/* ---- fixture ---- */

static void start_server(const char *static_dir, bool no_token)
{
    struct pl_error err = {0};
    const struct pl_server_options options = {.listen = "127.0.0.1:0",
                                              .db_path = db,
                                              .static_dir = static_dir,
                                              .no_token = no_token,
                                              .no_processing = true};
    CHECK_OK(pl_server_start(&options, &server, &err), err);
    if (!server)
        exit(1);
    port = pl_server_port(server);
    (void)snprintf(auth, sizeof auth, "Authorization: Bearer %s\r\n",
                   pl_server_token(server));
}

static void set_up(void)
{
    struct pl_error err = {0};
    (void)snprintf(folder, sizeof folder, "/tmp/proflite-web-XXXXXX");
    CHECK(mkdtemp(folder) != NULL);
    (void)snprintf(db, sizeof db, "%s/p.db", folder);
    CHECK_OK(add_session(db, "demo", START_NS, &err), err);
    start_server(NULL, false);
}

static void tear_down(void)
{
    static const char *const files[] = {"",         "-wal",  "-shm", "-token",
                                        "-journal", "-lock", ".old", "-lock-2"};
    char path[128];
    pl_server_stop(server);
    server = NULL;
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        (void)snprintf(path, sizeof path, "%s%s", db, files[i]);
        (void)unlink(path);
    }
    CHECK(rmdir(folder) == 0, "files are left in %s", folder);
}

/* GET with the right Host; `headers` are whole lines. */
static struct answer get(const char *target, const char *headers)
{
    return exchange(port, "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n%s\r\n", target,
                    port, headers);
}

static int status_of(struct answer answer)
{
    free(answer.text);
    return answer.status;
}

static void check_hardened(const struct answer *answer, const char *what)
{
    CHECK(strstr(header_of(answer, "Content-Security-Policy"), "default-src 'none'") &&
              !strstr(header_of(answer, "Content-Security-Policy"), "unsafe"),
          "%s", what);
    CHECK(strcmp(header_of(answer, "X-Content-Type-Options"), "nosniff") == 0, "%s",
          what);
    CHECK(strcmp(header_of(answer, "Referrer-Policy"), "no-referrer") == 0, "%s", what);
    CHECK(strcmp(header_of(answer, "Connection"), "close") == 0, "%s", what);
    CHECK(header_of(answer, "Cache-Control")[0], "%s", what);
    CHECK(!header_of(answer, "Access-Control-Allow-Origin")[0], "%s", what);
}

/* ---- who may ask ---- */

/* Let in: some routes want a parameter and say so. */
static bool is_let_in(int status)
{
    return status == 200 || status == 400;
}

static void test_hosts_and_origins(void)
{
    static const struct {
        const char *text;
        bool port, ours;
    } hosts[] =
        {
            {"127.0.0.1", true, true},   {"localhost", true, true},
            {"[::1]", true, true},       {"evil.example", true, false},
            {"127.0.0.1", false, false}, {"127.0.0.1:1", false, false},
        },
      origins[] = {
          {"", false, true},
          {"http://127.0.0.1", true, true},
          {"http://localhost", true, true},
          {"https://evil.example", false, false},
          {"null", false, false},
          {"https://127.0.0.1", true, false},
      };
    set_up();
    size_t route_count = 2;
    const char *targets[32] = {"/", "/healthz"};
    for (const struct pl_route *route = pl_routes; route->path; route++)
        targets[route_count++] = route->path;
    for (size_t t = 0; t < route_count; t++) {
        for (size_t h = 0; h < 6; h++) {
            for (size_t o = 0; o < 6; o++) {
                char suffix[16], origin[96] = "";
                (void)snprintf(suffix, sizeof suffix, ":%d", port);
                if (origins[o].text[0])
                    (void)snprintf(origin, sizeof origin, "Origin: %s%s\r\n",
                                   origins[o].text, origins[o].port ? suffix : "");
                struct answer answer = exchange(
                    port, "GET %s HTTP/1.1\r\nHost: %s%s\r\n%s%s\r\n", targets[t],
                    hosts[h].text, hosts[h].port ? suffix : "", origin, auth);
                int wanted = !hosts[h].ours ? 421 : !origins[o].ours ? 403 : 200;
                CHECK(wanted == 200 ? is_let_in(answer.status)
                                    : answer.status == wanted,
                      "%s host %zu origin %zu: %d, not %d", targets[t], h, o,
                      answer.status, wanted);
                check_hardened(&answer, targets[t]);
                free(answer.text);
            }
        }
    }
    tear_down();
}

static void test_sites(void)
{
    set_up();
    CHECK(status_of(get("/", "Sec-Fetch-Site: none\r\n")) == 200);
    CHECK(status_of(get("/", "Sec-Fetch-Site: same-origin\r\n")) == 200);
    CHECK(status_of(get("/", "Sec-Fetch-Site: cross-site\r\n")) == 403);
    CHECK(status_of(get("/", "Sec-Fetch-Site: same-site\r\n")) == 403);
    CHECK(status_of(get("/healthz", "Sec-Fetch-Site: cross-site\r\n")) == 403);
    CHECK(status_of(get(
              "/", "Sec-Fetch-Site: none\r\nSec-Fetch-Site: cross-site\r\n")) == 403);
    tear_down();
}

static void test_token(void)
{
    char wrong[128];
    struct stat info;
    char path[128], kept[64];
    set_up();
    for (const struct pl_route *route = pl_routes; route->path; route++) {
        int status = route->open ? 200 : 401;
        CHECK(status_of(get(route->path, "")) == status, "%s", route->path);
        CHECK(status_of(get(route->path, "Authorization: Bearer x\r\n")) == status);
        CHECK(is_let_in(status_of(get(route->path, auth))), "%s", route->path);
    }
    (void)snprintf(wrong, sizeof wrong, "%s", auth);
    wrong[strlen(wrong) - 3] ^= 1; /* the last digit */
    CHECK(status_of(get("/api/v1/meta", wrong)) == 401);
    (void)snprintf(wrong, sizeof wrong, "%.*s0\r\n", (int)strlen(auth) - 2, auth);
    CHECK(status_of(get("/api/v1/meta", wrong)) == 401);
    CHECK(status_of(get("/api/v1/meta", "Authorization: Basic x\r\n")) == 401);
    CHECK(status_of(get("/api/v1/none", "")) == 401, "nothing to learn without it");
    CHECK(status_of(get("/api/v1/none", auth)) == 404);
    CHECK(status_of(get("/", "")) == 200);
    CHECK(status_of(get("/healthz", "")) == 200);

    (void)snprintf(path, sizeof path, "%s-token", db);
    CHECK(stat(path, &info) == 0 && (info.st_mode & 0777) == 0600);
    CHECK(strlen(pl_server_token(server)) == 48);
    CHECK(strstr(pl_server_url(server), "/#t=") != NULL, "%s", pl_server_url(server));
    (void)snprintf(kept, sizeof kept, "%s", pl_server_token(server));
    pl_server_stop(server);
    start_server(NULL, false);
    CHECK(strcmp(kept, pl_server_token(server)) == 0, "the token is kept");
    pl_server_stop(server);
    CHECK(chmod(path, 0644) == 0);
    start_server(NULL, false);
    CHECK(strcmp(kept, pl_server_token(server)) != 0, "others could have read it");
    CHECK(stat(path, &info) == 0 && (info.st_mode & 0777) == 0600);
    pl_server_stop(server);
    CHECK(unlink(path) == 0 && symlink("/etc/hostname", path) == 0);
    start_server(NULL, false);
    CHECK(lstat(path, &info) == 0 && S_ISREG(info.st_mode), "links are not followed");
    pl_server_stop(server);
    start_server(NULL, true);
    CHECK(!pl_server_token(server)[0] && !strstr(pl_server_url(server), "#"));
    CHECK(status_of(get("/api/v1/meta", "")) == 200);
    tear_down();
}

/* ---- hostile requests ---- */

static void test_methods(void)
{
    static const char *const methods[] = {"POST",    "PUT",   "DELETE", "PATCH",
                                          "OPTIONS", "TRACE", "CONNECT"};
    set_up();
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        struct answer answer =
            exchange(port,
                     "%s /api/v1/meta HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n%s"
                     "Access-Control-Request-Method: GET\r\nContent-Length: 0\r\n\r\n",
                     methods[i], port, auth);
        CHECK(answer.status == 405 || answer.status == 400, "%s: %d", methods[i],
              answer.status);
        check_hardened(&answer, methods[i]);
        free(answer.text);
    }
    struct answer head = exchange(
        port, "HEAD /api/v1/meta HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n%s\r\n", port, auth);
    CHECK(head.status == 200 && head.body_len == 0);
    CHECK(atoi(header_of(&head, "Content-Length")) > 100);
    free(head.text);
    tear_down();
}

static void test_paths(void)
{
    static const char *const targets[] = {
        "/../../../../etc/passwd",
        "/..%2f..%2fetc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/./app.js",
        "//app.js",
        "/css/../app.js",
        "/app.js/",
        "/css",
        "/css/",
        "/static/app.js",
        "/index.html%00.js",
        "/.git/config",
        "/app.js%20",
        "/api",
        "/..\\..\\windows\\win.ini",
        "/p.db",
        "/p.db-token",
        "/package.json",
        "/app%2ejs",
        "/\xc0\xae\xc0\xae/etc/passwd",
        "/index.html~",
        "/con",
    };
    set_up();
    for (int disk = 0; disk < 2; disk++) {
        for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++) {
            struct answer answer = get(targets[i], "");
            CHECK(answer.status == 404 || answer.status == 400, "%s: %d", targets[i],
                  answer.status);
            CHECK(!strstr(answer.text, "root:"), "%s", targets[i]);
            free(answer.text);
        }
        pl_server_stop(server);
        start_server(folder, false); /* the second time: files from disk */
    }
    tear_down();
}

static void test_framing(void)
{
    static const struct {
        const char *name, *headers;
        int status;
    } cases[] = {
        {"CL and TE", "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", 400},
        {"TE and CL", "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", 400},
        {"TE", "Transfer-Encoding: chunked\r\n", 400},
        {"TE, other", "Transfer-Encoding: gzip\r\n", 400},
        {"two CL", "Content-Length: 0\r\nContent-Length: 4\r\n", 400},
        {"two equal CL", "Content-Length: 0\r\nContent-Length: 0\r\n", 400},
        {"CL with plus", "Content-Length: +5\r\n", 400},
        {"CL negative", "Content-Length: -1\r\n", 400},
        {"CL empty", "Content-Length:\r\n", 400},
        {"CL hex", "Content-Length: 0x5\r\n", 400},
        {"CL list", "Content-Length: 0, 4\r\n", 400},
        {"CL huge", "Content-Length: 99999999999999999999\r\n", 413},
        {"a body", "Content-Length: 4\r\n", 413},
        {"no body", "Content-Length: 0\r\n", 200},
        {"two hosts", "Host: evil.example\r\n", 400},
        {"two tokens", "Authorization: Bearer x\r\n", 401},
    };
    set_up();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct answer answer =
            exchange(port,
                     "GET /api/v1/health HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n%s%s\r\n"
                     "0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n",
                     port, auth, cases[i].headers, port);
        CHECK(answer.status == cases[i].status ||
                  (cases[i].status >= 400 && answer.status == 400),
              "%s: %d, not %d", cases[i].name, answer.status, cases[i].status);
        CHECK(!strstr(answer.body, "HTTP/1.1"), "%s: a second answer", cases[i].name);
        free(answer.text);
    }
    tear_down();
}

/* Raw bytes that are hardly requests. Any 4xx or a closed connection will do. */
static void test_garbage(void)
{
    static const char *const cases[] = {
        "\r\n\r\n",
        "GET\r\n\r\n",
        "GET /\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
        "GET http://evil.example/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        "GET * HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost 127.0.0.1\r\n\r\n",
        "GET / HTTP/1.1\r\n: x\r\n\r\n",
        "GET / HTTP/1.1\r\nHost:\r\n\r\n",
        "GET / HTTP/1.1\nHost: x\n\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 hello\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "get / http/1.1\r\nhost: x\r\n\r\n",
    };
    set_up();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct answer answer = exchange_bytes(port, cases[i], strlen(cases[i]));
        CHECK(answer.status == 0 || (answer.status >= 400 && answer.status < 506),
              "case %zu: %d", i, answer.status);
        free(answer.text);
    }
    static const char with_nul[] = "GET /\0x HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
    struct answer nul = exchange_bytes(port, with_nul, sizeof with_nul - 1);
    CHECK(nul.status == 0 || nul.status >= 400);
    free(nul.text);
    CHECK(status_of(get("/healthz", "")) == 200, "still there");
    tear_down();
}

static char *repeat(const char *part, size_t count)
{
    size_t len = strlen(part);
    char *text = malloc(len * count + 1);
    for (size_t i = 0; i < count; i++)
        memcpy(text + i * len, part, len);
    text[len * count] = '\0';
    return text;
}

static void test_sizes(void)
{
    set_up();
    char *many = repeat("X-A: b\r\n", 62), *too_many = repeat("X-A: b\r\n", 63);
    char *long_path = repeat("a", 20000), *long_query = repeat("a", 10000);
    CHECK(status_of(get("/healthz", many)) == 200, "63 headers");
    CHECK(status_of(get("/healthz", too_many)) == 431, "64 headers");
    struct answer answer = get(long_path, ""); /* no slash, and too long */
    CHECK(answer.status == 0 || answer.status >= 400, "%d", answer.status);
    free(answer.text);
    answer = exchange(port, "GET /%s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n", long_path,
                      port);
    CHECK(answer.status == 0 || answer.status >= 400, "%d", answer.status);
    free(answer.text);
    answer = exchange(port,
                      "GET /api/v1/meta?app=%s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n"
                      "%s\r\n",
                      long_query, port, auth);
    CHECK(answer.status == 200, "a long filter is a filter: %d", answer.status);
    free(answer.text);
    free(many);
    free(too_many);
    free(long_path);
    free(long_query);
    tear_down();
}

static void test_parameters(void)
{
    static const char *const bad[] = {
        "flamegraph?metric=heap",
        "flamegraph?min_ns=-1",
        "flamegraph?max_nodes=0",
        "flamegraph?max_nodes=1000001",
        "flamegraph?min_ns=99999999999999999999",
        "timeline?bins=0",
        "timeline?bins=4097",
        "timeline?bins=1e3",
        "top?limit=0",
        "top?limit=x",
        "top?bins=5",
        "sessions?session=1,",
        "sessions?from=soon",
        "sessions?from=5&to=5",
        "meta?app=%zz",
        "meta?app=%00",
        "meta?app=%4",
        "meta?nonsense=1",
        "flamegraph?min=5",
        "meta?max=1",
    };
    set_up();
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char target[128];
        (void)snprintf(target, sizeof target, "/api/v1/%s", bad[i]);
        struct answer answer = get(target, auth);
        cJSON *json = cJSON_Parse(answer.body);
        const cJSON *error = cJSON_GetObjectItem(json, "error");
        CHECK(answer.status == 400, "%s: %d", bad[i], answer.status);
        CHECK(cJSON_IsString(cJSON_GetObjectItem(error, "code")), "%s", bad[i]);
        CHECK(cJSON_IsString(cJSON_GetObjectItem(error, "message")), "%s", bad[i]);
        cJSON_Delete(json);
        free(answer.text);
    }
    CHECK(status_of(get("/api/v1/meta?app='%20OR%201=1--&&session=", auth)) == 200);
    CHECK(status_of(get("/api/v1/top?from=-1h&to=now&limit=5&metric=cpu", auth)) ==
          200);
    tear_down();
}

/* ---- slow peers ---- */

static void test_slow_peers(void)
{
    enum { PEERS = 100, GOOD = 40 };
    int peers[PEERS];
    int64_t worst_ns = 0;
    set_up();
    for (int i = 0; i < PEERS; i++) {
        const char *start = i % 2 ? "GET /healthz HTTP/1.1\r\nHost: 127" : "";
        peers[i] = connect_to(port);
        CHECK(peers[i] >= 0);
        (void)send(peers[i], start, strlen(start), MSG_NOSIGNAL);
    }
    for (int i = 0; i < GOOD; i++) {
        int64_t start_ns = pl_clock_mono_ns();
        CHECK(status_of(get(i % 2 ? "/api/v1/meta" : "/healthz", auth)) == 200);
        int64_t took_ns = pl_clock_mono_ns() - start_ns;
        worst_ns = took_ns > worst_ns ? took_ns : worst_ns;
    }
    CHECK(worst_ns < PL_NS_PER_S, "a good request took %lld ms",
          (long long)(worst_ns / PL_NS_PER_MS));
    printf("slow peers: worst good request %lld ms\n",
           (long long)(worst_ns / PL_NS_PER_MS));
    /* they are sent away: a byte a second does not help */
    int64_t start_ns = pl_clock_mono_ns();
    char last_words[4096];
    ssize_t got = -1;
    while (pl_clock_mono_ns() - start_ns < 15 * PL_NS_PER_S) {
        (void)send(peers[1], "1", 1, MSG_NOSIGNAL);
        got = recv(peers[1], last_words, sizeof last_words, MSG_DONTWAIT);
        if (got == 0 || (got < 0 && errno != EAGAIN))
            break;
        usleep(200000);
    }
    CHECK(pl_clock_mono_ns() - start_ns < 12 * PL_NS_PER_S, "still connected");
    for (int i = 0; i < PEERS; i++)
        close(peers[i]);
    tear_down();
}

/* Connections the server (in this process) has accepted and not closed. */
static int count_connections(void)
{
    int count = 0;
    for (int fd = 0; fd < 1024; fd++) {
        struct sockaddr_in name = {0};
        socklen_t len = sizeof name;
        if (getsockname(fd, (struct sockaddr *)&name, &len) != 0 ||
            ntohs(name.sin_port) != port)
            continue;
        len = sizeof name;
        count += getpeername(fd, (struct sockaddr *)&name, &len) == 0;
    }
    return count;
}

/* Peers that ask for a lot and read nothing are given up on. */
static void test_slow_readers(void)
{
    enum { PEERS = 30 };
    int peers[PEERS];
    char path[128];
    set_up();
    pl_server_stop(server);
    (void)snprintf(path, sizeof path, "%s/large.js", folder);
    FILE *large = fopen(path, "w");
    for (int i = 0; i < 1 << 20; i++)
        fputs("12345678901\n", large);
    fclose(large);
    start_server(folder, false);
    for (int i = 0; i < PEERS; i++) {
        char request[128];
        int len =
            snprintf(request, sizeof request,
                     "GET /large.js HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n", port);
        peers[i] = connect_to(port);
        (void)send(peers[i], request, (size_t)len, MSG_NOSIGNAL);
    }
    struct answer answer = get("/large.js", "");
    CHECK(answer.status == 200 && answer.body_len == 12 << 20, "%zu", answer.body_len);
    free(answer.text);
    CHECK(count_connections() >= PEERS);
    int64_t until = pl_clock_mono_ns() + 15 * PL_NS_PER_S;
    while (count_connections() && pl_clock_mono_ns() < until)
        usleep(100000);
    CHECK(count_connections() == 0, "%d are still served", count_connections());
    CHECK(pl_clock_mono_ns() < until - 5 * PL_NS_PER_S, "it took over 10 s");
    for (int i = 0; i < PEERS; i++)
        close(peers[i]);
    (void)unlink(path);
    tear_down();
}

/* Peers that ask and do not read; the server can still be stopped. */
static void test_stop(void)
{
    int peers[20];
    set_up();
    for (int i = 0; i < 20; i++) {
        char text[256];
        int len =
            snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n%s",
                     port, i % 2 ? "\r\n" : "");
        peers[i] = connect_to(port);
        (void)send(peers[i], text, (size_t)len, MSG_NOSIGNAL);
    }
    int64_t start_ns = pl_clock_mono_ns();
    tear_down();
    CHECK(pl_clock_mono_ns() - start_ns < 8 * PL_NS_PER_S, "stopping took %lld ms",
          (long long)((pl_clock_mono_ns() - start_ns) / PL_NS_PER_MS));
    for (int i = 0; i < 20; i++)
        close(peers[i]);
}

/* ---- events ---- */

static int listen_for_events(void)
{
    char text[384];
    int fd = connect_to(port);
    int len = snprintf(text, sizeof text,
                       "GET /api/v1/events HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n%s\r\n",
                       port, auth);
    (void)send(fd, text, (size_t)len, MSG_NOSIGNAL);
    return fd;
}

/* What came until `word` was in it the `times`-th time. Caller frees. */
static char *read_until(int fd, const char *word, int times)
{
    char *text = calloc(1, 16384);
    for (size_t len = 0; len < 16000;) {
        int found = 0;
        for (const char *at = text; (at = strstr(at, word)); at++)
            found++;
        if (found >= times)
            break;
        ssize_t got = recv(fd, text + len, 16000 - len, 0);
        if (got <= 0)
            break;
        len += (size_t)got;
    }
    return text;
}

/* A listener is told what is there at once, and every change; others are answered
 * meanwhile, and stopping does not wait for it. */
static void test_events(void)
{
    struct pl_error err = {0};
    int fds[40];
    set_up();
    CHECK(status_of(get("/api/v1/events", "")) == 401);
    int fd = listen_for_events();
    char *first = read_until(fd, "\n\n", 1);
    CHECK(strstr(first, "200 OK") && strstr(first, "text/event-stream"), "%s", first);
    CHECK(strstr(first, "default-src 'none'") && strstr(first, "no-store"), "%s",
          first);
    CHECK(strstr(first, "data: {\"generation\":\""), "%s", first);
    CHECK_OK(add_session(db, "later", START_NS + PL_NS_PER_S, &err), err);
    char *second = read_until(fd, "\n\n", 1);
    const char *was = strstr(first, "data:"), *is = strstr(second, "data:");
    CHECK(was && is && strcmp(was, is) != 0, "%s then %s", first, second);
    free(first);
    free(second);
    int refused = 0;
    for (int i = 0; i < 40; i++)
        fds[i] = listen_for_events();
    for (int i = 0; i < 40; i++) {
        char *head = read_until(fds[i], "\r\n", 1);
        refused += strstr(head, " 503 ") != NULL;
        free(head);
    }
    CHECK(refused == 9, "of 41 listeners %d were refused, not 9", refused);
    CHECK(status_of(get("/api/v1/meta", auth)) == 200);
    int64_t start_ns = pl_clock_mono_ns();
    tear_down();
    CHECK(pl_clock_mono_ns() - start_ns < 8 * PL_NS_PER_S, "stopping took %lld ms",
          (long long)((pl_clock_mono_ns() - start_ns) / PL_NS_PER_MS));
    close(fd);
    for (int i = 0; i < 40; i++)
        close(fds[i]);
}

/* ---- assets ---- */

/* A browser gets the smallest form, each with a tag of its own. */
static void check_forms(const struct pl_asset *asset, const char *target)
{
    const struct {
        const char *accept, *coding, *body;
        size_t len;
    } forms[] = {
        {"gzip, deflate, br, zstd", "br", asset->brotli, asset->brotli_len},
        {"deflate, gzip;q=0.5", "gzip", asset->gzip, asset->gzip_len},
        {"br;q=0, gzip;q=0.000", "", asset->data, asset->len},
        {"brr, xgzip", "", asset->data, asset->len},
    };
    char tags[4][PL_ETAG_TEXT], sent[128];
    for (size_t i = 0; i < 4; i++) {
        (void)snprintf(sent, sizeof sent, "Accept-Encoding: %s\r\n", forms[i].accept);
        struct answer answer = get(target, sent);
        CHECK(answer.status == 200 &&
                  strcmp(header_of(&answer, "Content-Encoding"), forms[i].coding) == 0 &&
                  answer.body_len == forms[i].len &&
                  memcmp(answer.body, forms[i].body, answer.body_len) == 0,
              "%s, %s", target, forms[i].accept);
        CHECK(strcmp(header_of(&answer, "Vary"), "Accept-Encoding") == 0);
        check_hardened(&answer, target);
        (void)snprintf(tags[i], sizeof tags[i], "%s", header_of(&answer, "ETag"));
        free(answer.text);
    }
    CHECK(strcmp(tags[0], tags[1]) != 0 && strcmp(tags[1], tags[2]) != 0 &&
          strcmp(tags[0], tags[2]) != 0 && strcmp(tags[2], tags[3]) == 0);
}

static void test_assets(void)
{
    set_up();
    for (size_t i = 0; i < pl_asset_count; i++) {
        char target[256], tag[128];
        (void)snprintf(target, sizeof target, "/%s", pl_assets[i].path);
        struct answer answer = get(target, "");
        CHECK(answer.status == 200, "%s: %d", target, answer.status);
        CHECK(answer.body_len == pl_assets[i].len &&
                  memcmp(answer.body, pl_assets[i].data, pl_assets[i].len) == 0,
              "%s", target);
        CHECK(header_of(&answer, "Content-Type")[0], "%s", target);
        check_hardened(&answer, target);
        (void)snprintf(tag, sizeof tag, "If-None-Match: W/\"x\", %s\r\n",
                       header_of(&answer, "ETag"));
        free(answer.text);
        answer = get(target, tag);
        CHECK(answer.status == 304 && answer.body_len == 0, "%s", target);
        free(answer.text);
        if (strcmp(pl_assets[i].path, "app.js") == 0)
            check_forms(&pl_assets[i], target);
    }
    CHECK(pl_asset_count > 0 && pl_assets[pl_asset_count].path == NULL);
    struct answer page = get("/", "");
    CHECK(page.status == 200 &&
          strcmp(header_of(&page, "Content-Type"), "text/html; charset=utf-8") == 0);
    free(page.text);
    tear_down();
}

static void write_file(const char *path, const char *text)
{
    FILE *out = fopen(path, "w");
    fputs(text, out);
    fclose(out);
}

static void test_static_dir(void)
{
    char path[128], link[128];
    set_up();
    pl_server_stop(server);
    (void)snprintf(path, sizeof path, "%s/index.html", folder);
    (void)snprintf(link, sizeof link, "%s/link.js", folder);
    write_file(path, "<p>one");
    CHECK(symlink("/etc/passwd", link) == 0);
    start_server(folder, false);
    struct answer one = get("/", "");
    CHECK(one.status == 200 && strcmp(one.body, "<p>one") == 0);
    free(one.text);
    write_file(path, "<p>two");
    struct answer two = get("/index.html", "");
    CHECK(two.status == 200 && strcmp(two.body, "<p>two") == 0);
    free(two.text);
    CHECK(status_of(get("/link.js", "")) == 404);
    CHECK(status_of(get("/app.js", "")) == 404, "embedded files are not mixed in");
    unlink(path);
    unlink(link);
    tear_down();
}

/* ---- starting ---- */

static void test_start_errors(void)
{
    static const struct {
        const char *listen, *word;
        enum pl_status status;
    } cases[] = {
        {"nonsense", "ADDRESS:PORT", PL_USAGE},
        {"127.0.0.1:", "ADDRESS:PORT", PL_USAGE},
        {"127.0.0.1:65536", "ADDRESS:PORT", PL_USAGE},
        {"127.0.0.1:-1", "ADDRESS:PORT", PL_USAGE},
        {"127.0.0.1:80x", "ADDRESS:PORT", PL_USAGE},
        {"", "ADDRESS:PORT", PL_USAGE},
        {"300.0.0.1:80", "ADDRESS:PORT", PL_USAGE},
        {"127.0.0.1:80:80", "ADDRESS:PORT", PL_USAGE},
        {"[::1]:0", "IPv6", PL_UNSUPPORTED},
        {"::1", "IPv6", PL_UNSUPPORTED},
        {"0.0.0.0:0", "--no-token", PL_USAGE},
        {"192.0.2.7:7717", "--no-token", PL_USAGE},
    };
    set_up();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct pl_error err = {0};
        struct pl_server *other = NULL;
        const struct pl_server_options options = {
            .listen = cases[i].listen, .db_path = db, .no_token = true};
        CHECK(pl_server_start(&options, &other, &err) == cases[i].status, "%s: %s",
              cases[i].listen, err.message);
        CHECK(!other && strstr(err.message, cases[i].word), "%s", err.message);
    }
    struct pl_error err = {0};
    struct pl_server *other = NULL;
    char taken[64];
    (void)snprintf(taken, sizeof taken, "127.0.0.1:%d", port);
    struct pl_server_options options = {.listen = taken, .db_path = db};
    CHECK(pl_server_start(&options, &other, &err) == PL_IO && !other);
    CHECK(strstr(err.message, taken) && strstr(err.message, "--listen"), "%s",
          err.message);
    options.listen = "192.0.2.7:7717"; /* not an address of this machine */
    CHECK(pl_server_start(&options, &other, &err) == PL_IO && !other);
    CHECK(strstr(err.message, "no such address"), "%s", err.message);
    options.listen = "127.0.0.1:0";
    options.static_dir = db;
    CHECK(pl_server_start(&options, &other, &err) == PL_INPUT && !other);
    tear_down();
}

/* Listening everywhere: addresses are fine as Host, foreign names are not. */
static void test_all_interfaces(void)
{
    struct pl_error err = {0};
    set_up();
    pl_server_stop(server);
    const struct pl_server_options options = {.listen = "0.0.0.0:0", .db_path = db};
    CHECK_OK(pl_server_start(&options, &server, &err), err);
    port = pl_server_port(server);
    CHECK(status_of(exchange(port, "GET /healthz HTTP/1.1\r\nHost: 10.1.2.3:%d\r\n\r\n",
                             port)) == 200);
    CHECK(
        status_of(exchange(port, "GET /healthz HTTP/1.1\r\nHost: [fe80::1]:%d\r\n\r\n",
                           port)) == 200);
    CHECK(status_of(exchange(port,
                             "GET /healthz HTTP/1.1\r\nHost: evil.example:%d\r\n\r\n",
                             port)) == 421);
    CHECK(status_of(get("/api/v1/meta", "")) == 401);
    tear_down();
}

TEST_MAIN({"hosts_and_origins", test_hosts_and_origins}, {"sites", test_sites},
          {"token", test_token}, {"methods", test_methods}, {"paths", test_paths},
          {"framing", test_framing}, {"garbage", test_garbage}, {"sizes", test_sizes},
          {"parameters", test_parameters}, {"slow_peers", test_slow_peers},
          {"slow_readers", test_slow_readers}, {"stop", test_stop},
          {"events", test_events}, {"assets", test_assets},
          {"static_dir", test_static_dir}, {"start_errors", test_start_errors},
          {"all_interfaces", test_all_interfaces})
