/* What tests of programs that link libproflite share: a folder with a store, a host
 * program run in one of its modes, questions to the store. */
#ifndef PL_TESTS_LINKED_H
#define PL_TESTS_LINKED_H

#include "store/query.h"
#include "tests/test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[64], db[128], output[8192];

static inline void make_folder(void)
{
    (void)snprintf(folder, sizeof folder, "/tmp/test_linked_XXXXXX");
    CHECK(mkdtemp(folder) != NULL);
    (void)snprintf(db, sizeof db, "%s/test.db", folder);
}

static inline int64_t ask(const char *sql);

/* Wall mode: each tick of a thread's life is a sample, the weight of one, or a loss,
 * and the first thread lives as long as its process. */
static inline void check_ledger(void)
{
    static const char wrong[] =
        "SELECT count(*) FROM (SELECT p.tick_count AS ticks, t.tid = s.pid AS first, "
        "coalesce(x.weight, 0) / p.period_ns + coalesce((SELECT sum(l.count) FROM loss "
        "l WHERE l.part_id = p.id AND l.thread_id = t.id), 0) AS known FROM part p "
        "JOIN "
        "session s ON s.id = p.session_id JOIN thread t ON t.session_id = s.id LEFT "
        "JOIN slot x ON x.part_id = p.id AND x.thread_id = t.id WHERE s.mode = 'wall') "
        "WHERE known > ticks OR (first AND known <> ticks)";
    int64_t slots = access(db, F_OK) == 0 ? ask(wrong) : 0;
    CHECK(slots == 0, "%lld slots do not add up", (long long)slots);
}

static inline void remove_folder(void)
{
    check_ledger();
    static const char *const names[] = {"", "-wal", "-shm", "-lock", "-journal"};
    char path[256];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        (void)snprintf(path, sizeof path, "%s%s", db, names[i]);
        unlink(path);
    }
    CHECK(rmdir(folder) == 0, "%s is not empty", folder);
}

/* Run `argv` with PROFLITE_DB set; its output is in `output`. The wait status. */
static inline int run_program(char *const argv[])
{
    int pipes[2], status = -1;
    size_t used = 0;
    ssize_t got;
    CHECK(pipe2(pipes, O_CLOEXEC) == 0);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(pipes[1], 1);
        setenv("PROFLITE_DB", db, 1);
        /* In a forked child the leak check takes the parent's memory for leaks. */
        if (strstr(argv[1], "fork"))
            setenv("ASAN_OPTIONS", "detect_leaks=0", 1);
        execv(argv[0], argv);
        _exit(127);
    }
    close(pipes[1]);
    while ((got = read(pipes[0], output + used, sizeof output - 1 - used)) > 0)
        used += (size_t)got;
    output[used] = '\0';
    close(pipes[0]);
    CHECK(waitpid(pid, &status, 0) == pid);
    return status;
}

/* LINKED_HOST is the program. */
static inline int run_host(const char *mode)
{
    char program[] = LINKED_HOST, argument[64];
    (void)snprintf(argument, sizeof argument, "%s", mode);
    return run_program((char *[]){program, argument, NULL});
}

static inline void check_host(const char *mode)
{
    int status = run_host(mode);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%s: status %x\n%s", mode,
          (unsigned)status, output);
}

static inline bool take_columns(void *self, size_t count, const char *const *names)
{
    (void)self;
    (void)names;
    return count > 0;
}

static inline bool take_number(void *self, size_t count, const struct pl_cell *cells)
{
    if (count > 0 && cells[0].type == PL_CELL_INT)
        *(int64_t *)self = cells[0].integer;
    return false;
}

/* The first number of an answer; -1 if there is none. */
static inline int64_t ask(const char *sql)
{
    struct pl_store *store = NULL;
    struct pl_error err = {0};
    int64_t number = -1;
    const struct pl_sql_consumer consumer = {&number, take_columns, take_number};
    CHECK_OK(pl_store_open(db, PL_STORE_READ, &store, &err), err);
    if (store)
        CHECK_OK(pl_query_sql(store, sql, 0, &consumer, &err), err);
    pl_store_close(store);
    return number;
}

#endif
