/* Files cut, removed, swapped or overwritten under a writer and a reader that have them
 * open: both live on, what a put acknowledges from then on is in the file under that
 * name, the loss is told with the next put at the latest, and writing goes on by itself
 * where there is something sound to write to. */
#include "tests/store_day.h"
#include "tests/store_support.h"
#include "tests/test.h"

#include "store/db.h"

#include <fcntl.h>
#include <signal.h>

static char db_path[300];

static const char *side(const char *suffix)
{
    static char paths[4][310];
    static unsigned next;
    char *path = paths[next++ % 4];
    (void)snprintf(path, sizeof paths[0], "%s%s", db_path, suffix);
    return path;
}

/* ---- the host: does as it is told, a byte a command ---- */

struct host {
    pid_t pid;
    int ask, answer;
};

static enum pl_status obey(struct day *day, char command, int *seq,
                           struct pl_error *err)
{
    switch (command) {
    case 'p': /* the next part */
        return day_put(day, ++*seq, err);
    case 'a': /* the same part again, as after an error */
        return day_put(day, *seq, err);
    case 'b':
        return day_begin(day, err);
    case 'r':
        return day_query(day, err);
    default:
        return pl_store_checkpoint(day->store, err);
    }
}

static _Noreturn void serve_commands(int ask, int answer)
{
    struct day day = {.path = db_path};
    struct pl_error err = {0};
    char command;
    int seq = 0;
    if (day_open(&day, &err) != PL_OK)
        _exit(1);
    while (read(ask, &command, 1) == 1 && command != 'q') {
        char status = (char)obey(&day, command, &seq, &err);
        if (write(answer, &status, 1) != 1)
            _exit(2);
    }
    day_close(&day);
    _exit(0);
}

static struct host start_host(void)
{
    int ask[2], answer[2];
    if (pipe(ask) != 0 || pipe(answer) != 0)
        abort();
    struct host host = {fork(), ask[1], answer[0]};
    if (host.pid == 0) {
        (void)close(ask[1]);
        (void)close(answer[0]);
        serve_commands(ask[0], answer[1]);
    }
    (void)close(ask[0]);
    (void)close(answer[1]);
    return host;
}

/* -1: it is dead. */
static int tell(const struct host *host, char command)
{
    char status = -1;
    if (write(host->ask, &command, 1) != 1 || read(host->answer, &status, 1) != 1)
        return -1;
    return status;
}

static int end_host(const struct host *host)
{
    int status = -1;
    char quit = 'q';
    (void)!write(host->ask, &quit, 1);
    (void)waitpid(host->pid, &status, 0);
    (void)close(host->ask);
    (void)close(host->answer);
    return status;
}

/* ---- what is done to the files ---- */

static void overwrite(const char *path, off_t at, size_t len)
{
    unsigned char junk[65536];
    for (size_t i = 0; i < sizeof junk; i++)
        junk[i] = (unsigned char)(i * 37 + 11);
    int fd = open(path, O_WRONLY);
    CHECK(fd >= 0 && pwrite(fd, junk, len, at) == (ssize_t)len, "%s", path);
    (void)close(fd);
}

static void swap_for(const char *path, const char *other)
{
    CHECK(rename(other, path) == 0, "%s", path);
}

static void make_empty(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    CHECK(fd >= 0);
    (void)close(fd);
}

static void cut_index(void)
{
    CHECK(truncate(side("-shm"), 0) == 0);
}
static void halve_index(void)
{
    CHECK(truncate(side("-shm"), 5000) == 0);
}
static void remove_index(void)
{
    CHECK(unlink(side("-shm")) == 0);
}
static void spoil_index(void)
{
    overwrite(side("-shm"), 0, 32768);
}
static void swap_index(void)
{
    make_empty(side("-x"));
    swap_for(side("-shm"), side("-x"));
}
static void cut_log(void)
{
    CHECK(truncate(side("-wal"), 0) == 0);
}
static void remove_log(void)
{
    CHECK(unlink(side("-wal")) == 0);
}
static void cut_and_remove_log(void)
{
    cut_log();
    remove_log();
}
static void spoil_log_head(void)
{
    overwrite(side("-wal"), 0, 32);
}
static void spoil_log(void)
{
    overwrite(side("-wal"), 0, 65536);
}
static void swap_log(void)
{
    make_empty(side("-x"));
    swap_for(side("-wal"), side("-x"));
}
static void remove_both(void)
{
    remove_index();
    remove_log();
}
static void cut_file(void)
{
    CHECK(truncate(db_path, 4096 * 3) == 0);
}
static void remove_file(void)
{
    CHECK(unlink(db_path) == 0);
}
static void spoil_file(void)
{
    overwrite(db_path, 4096, 65536);
}
static void spoil_head(void)
{
    overwrite(db_path, 0, 100);
}
static void swap_file(void)
{
    struct pl_store *store = NULL;
    struct pl_error err = {0};
    char *other = strdup(side("-other"));
    CHECK_OK(pl_store_open(other, PL_STORE_CREATE, &store, &err), err);
    pl_store_close(store);
    swap_for(db_path, other);
    free(other);
}
static void remove_lock(void)
{
    CHECK(unlink(side("-lock")) == 0);
}

/* What is left with parts 4 and 5 put after it, 3 before it; -1: the file's own pages
 * are gone, which opening or check says. */
static const struct {
    const char *name;
    void (*harm)(void);
    int first; /* status of the put that follows */
    long long parts;
} harms[] = {
    {"log index cut", cut_index, PL_OK, 5},
    {"log index halved", halve_index, PL_OK, 5},
    {"log index removed", remove_index, PL_OK, 5},
    {"log index overwritten", spoil_index, PL_OK, 5},
    {"log index swapped", swap_index, PL_OK, 5},
    {"log cut", cut_log, PL_IO, 2},
    {"log removed", remove_log, PL_OK, 5},
    {"log cut and removed", cut_and_remove_log, PL_IO, 2},
    {"log's head overwritten", spoil_log_head, PL_OK, 5},
    {"log overwritten", spoil_log, PL_IO, 2},
    {"log swapped", swap_log, PL_OK, 5},
    {"log and index removed", remove_both, PL_OK, 5},
    {"lock file removed", remove_lock, PL_OK, 5},
    {"file cut", cut_file, PL_OK, -1},
    {"file removed", remove_file, PL_IO, 2},
    {"file overwritten", spoil_file, PL_OK, -1},
    {"file's head overwritten", spoil_head, PL_OK, 5},
    {"file swapped", swap_file, PL_IO, 2},
};

/* A store with a log, a writer and a reader that have it open. */
static void run_case(size_t i)
{
    char name[32];
    (void)snprintf(name, sizeof name, "live%zu.db", i);
    (void)snprintf(db_path, sizeof db_path, "%s", support_path(name));
    struct host host = start_host();
    CHECK(tell(&host, 'b') == PL_OK);
    for (int k = 0; k < 3; k++)
        CHECK(tell(&host, 'p') == PL_OK);
    struct host reader = start_host();
    CHECK(tell(&reader, 'r') == PL_OK);
    harms[i].harm();
    int first = tell(&host, 'p'), again = tell(&host, 'a'), next = tell(&host, 'p');
    CHECK(first == harms[i].first && again == PL_OK && next == PL_OK,
          "%s: put %d, the same again %d, the next %d", harms[i].name, first, again,
          next);
    int read = tell(&reader, 'r');
    bool destroyed = harms[i].parts < 0;
    CHECK(read == PL_OK || (destroyed && read == PL_INPUT) ||
              (first == PL_IO && read == PL_IO && tell(&reader, 'r') == PL_OK),
          "%s: read %d", harms[i].name, read);
    CHECK(end_host(&host) == 0 && end_host(&reader) == 0, "%s: one died",
          harms[i].name);
    struct day day = {.path = db_path};
    struct pl_error err = {0};
    enum pl_status status = day_open(&day, &err);
    if (status == PL_OK)
        status = day_check(&day, &err);
    if (destroyed) {
        CHECK(status == PL_INPUT || day.findings > 0, "%s: nothing found",
              harms[i].name);
    } else {
        CHECK(status == PL_OK && day.findings == 0, "%s: %s", harms[i].name,
              err.message);
        CHECK(support_number(db_path, "SELECT count(*) FROM part") == harms[i].parts,
              "%s: %lld parts", harms[i].name,
              support_number(db_path, "SELECT count(*) FROM part"));
    }
    day_close(&day);
}

static void test_harm(void)
{
    (void)signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; i < sizeof harms / sizeof harms[0]; i++)
        run_case(i);
}

/* Harmed before a close, which folds the log back and may have to connect again. */
static void test_close(void)
{
    (void)signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; i < sizeof harms / sizeof harms[0]; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "close%zu.db", i);
        (void)snprintf(db_path, sizeof db_path, "%s", support_path(name));
        struct host host = start_host();
        CHECK(tell(&host, 'b') == PL_OK && tell(&host, 'p') == PL_OK);
        harms[i].harm();
        int status = end_host(&host);
        CHECK(status == 0, "%s: exit %d", harms[i].name, status);
    }
}

TEST_MAIN({"harm", test_harm}, {"close", test_close})
