/* A temporary folder per test program, and SQL run by Debian's own sqlite3. */
#ifndef PL_TESTS_STORE_SUPPORT_H
#define PL_TESTS_STORE_SUPPORT_H

#include "base/buf.h"
#include "tests/test.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char support_dir[64];

static inline int support_remove(const char *path, const struct stat *st, int type,
                                 struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    return remove(path);
}

static inline void support_clean(void)
{
    (void)nftw(support_dir, support_remove, 16, FTW_DEPTH | FTW_PHYS);
}

/* `name` inside the folder; static storage, 8 of them in turn. */
static inline const char *support_path(const char *name)
{
    static char paths[8][256];
    static unsigned next;
    if (!*support_dir) {
        (void)snprintf(support_dir, sizeof support_dir, "/tmp/proflite-test-XXXXXX");
        if (!mkdtemp(support_dir))
            abort();
        (void)atexit(support_clean);
    }
    char *path = paths[next++ % 8];
    (void)snprintf(path, sizeof paths[0], "%s/%s", support_dir, name);
    return path;
}

/* What `sqlite3 -batch -readonly db sql` prints; free it. NULL: it failed. */
static inline char *support_shell(const char *db, const char *sql)
{
    int fds[2];
    if (pipe(fds) != 0)
        return NULL;
    pid_t pid = fork();
    if (pid == 0) {
        (void)dup2(fds[1], 1);
        (void)dup2(fds[1], 2);
        (void)close(fds[0]);
        (void)close(fds[1]);
        (void)execlp("sqlite3", "sqlite3", "-batch", "-readonly", db, sql,
                     (char *)NULL);
        _exit(127);
    }
    (void)close(fds[1]);
    struct pl_buf out;
    char chunk[4096];
    ssize_t got;
    pl_buf_init(&out, 1 << 28);
    pl_buf_puts(&out, "");
    while ((got = read(fds[0], chunk, sizeof chunk)) > 0)
        pl_buf_append(&out, chunk, (size_t)got);
    (void)close(fds[0]);
    int status = 1;
    (void)waitpid(pid, &status, 0);
    if (status != 0) {
        fprintf(stderr, "sqlite3 said: %s\n", out.data);
        pl_buf_deinit(&out);
        return NULL;
    }
    return pl_buf_take(&out, NULL);
}

/* The first line of what the shell prints, as a number; -1 if it failed. */
static inline long long support_number(const char *db, const char *sql)
{
    char *text = support_shell(db, sql);
    long long value = text ? atoll(text) : -1;
    free(text);
    return value;
}

#endif
