#include "cli/launch.h"

#include "base/buf.h"
#include "base/hash.h"
#include "cli/target.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PRELOAD_NAME "libproflite-preload.so"

extern char **environ;

enum pl_status pl_launch_find_preload(char path_out[static PATH_MAX],
                                      struct pl_error *err)
{
    static const char *const places[] = {
        "",
        "../lib/proflite/",
        "../lib/x86_64-linux-gnu/proflite/",
        "../lib/x86_64-linux-gnu/",
        "../lib/",
        "../lib64/proflite/",
    };
    char exe[PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", exe, sizeof exe - 1);
    if (len <= 0)
        return pl_error_set(err, PL_IO, "cannot find the proflite program itself: %s",
                            strerror(errno));
    exe[len] = '\0';
    char *slash = strrchr(exe, '/');
    slash[1] = '\0';
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        char candidate[2 * PATH_MAX];
        snprintf(candidate, sizeof candidate, "%s%s" PRELOAD_NAME, exe, places[i]);
        if (access(candidate, R_OK) == 0 && realpath(candidate, path_out))
            return PL_OK;
    }
    return pl_error_set(err, PL_NOT_FOUND,
                        "cannot find " PRELOAD_NAME " beside %sproflite or in its "
                        "../lib; build or install all of proflite",
                        exe);
}

enum pl_status pl_launch_plain_path(const char *dir, char path[static PATH_MAX],
                                    struct pl_error *err)
{
    char link[PATH_MAX], there[PATH_MAX];
    if (!strpbrk(path, " :\t\n"))
        return PL_OK;
    const char *slash = strrchr(dir, '/');
    int parent = slash ? (int)(slash - dir) : 0;
    int wrote = snprintf(link, sizeof link, "%.*s/preload-%016" PRIx64 ".so", parent,
                         dir, pl_hash_bytes(path, strlen(path)));
    if (wrote >= PATH_MAX)
        return pl_error_set(err, PL_IO, "path too long: %s", dir);
    if (symlink(path, link) != 0) {
        ssize_t len = errno == EEXIST ? readlink(link, there, sizeof there - 1) : -1;
        if (len < 0 || (size_t)len != strlen(path) || memcmp(there, path, (size_t)len))
            return pl_error_set(err, PL_IO, "cannot link %s to %s", link, path);
    }
    memcpy(path, link, strlen(link) + 1);
    return PL_OK;
}

/* ---- environment ---- */

static bool is_ours(const char *entry)
{
    static const char *const names[] = {"LD_PRELOAD=", "PROFLITE_DIR=", "PROFLITE_HZ=",
                                        "PROFLITE_MODE=", "PROFLITE_MAX_OVERHEAD="};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strncmp(entry, names[i], strlen(names[i])) == 0)
            return true;
    return false;
}

/* Both the array and the text behind its last entries; NULL when out of memory. */
static char **make_environment(const struct pl_launch *launch, struct pl_buf *text)
{
    const char *before = getenv("LD_PRELOAD");
    bool more = before && before[0];
    size_t count = 0, kept = 0;
    while (environ[count])
        count++;
    char **env = calloc(count + 6, sizeof *env);
    if (!env)
        return NULL;
    for (size_t i = 0; i < count; i++)
        if (!is_ours(environ[i]))
            env[kept++] = environ[i];
    size_t at[5], added = 4;
    at[0] = text->len;
    pl_buf_printf(text, "LD_PRELOAD=%s%s%s", launch->preload, more ? ":" : "",
                  more ? before : "");
    pl_buf_putc(text, '\0');
    at[1] = text->len;
    pl_buf_printf(text, "PROFLITE_DIR=%s%c", launch->dir, 0);
    at[2] = text->len;
    pl_buf_printf(text, "PROFLITE_HZ=%ld%c", launch->hz, 0);
    at[3] = text->len;
    pl_buf_printf(text, "PROFLITE_MODE=%s%c", launch->cpu_mode ? "cpu" : "wall", 0);
    if (launch->max_overhead) {
        at[added++] = text->len;
        pl_buf_printf(text, "PROFLITE_MAX_OVERHEAD=%s%c", launch->max_overhead, 0);
    }
    if (text->failed) {
        free(env);
        return NULL;
    }
    for (size_t i = 0; i < added; i++)
        env[kept++] = text->data + at[i];
    return env;
}

/* ---- fork and exec ---- */

/* SIGCANCEL and SIGSETXID, of which libc's own functions say nothing. Programs that
 * posix_spawn started us (make) pass them on ignored. */
enum { LIBC_SIGNALS = 2, FIRST_LIBC_SIGNAL = 32 };
static bool was_ignored[LIBC_SIGNALS];

struct kernel_action {
    void (*handler)(int);
    unsigned long flags;
    void (*restorer)(void);
    uint64_t mask;
};

void pl_launch_note_signals(void)
{
    for (int i = 0; i < LIBC_SIGNALS; i++) {
        struct kernel_action now = {SIG_DFL, 0, NULL, 0};
        was_ignored[i] = syscall(SYS_rt_sigaction, FIRST_LIBC_SIGNAL + i, NULL, &now,
                                 sizeof now.mask) == 0 &&
                         now.handler == SIG_IGN;
    }
}

/* In the child: until exec, only what is safe after fork. */
static _Noreturn void become(const struct pl_launch *launch, char **env, int report_fd)
{
    const struct kernel_action ignore = {SIG_IGN, 0, NULL, 0};
    for (int i = 0; i < LIBC_SIGNALS; i++)
        if (was_ignored[i])
            (void)syscall(SYS_rt_sigaction, FIRST_LIBC_SIGNAL + i, &ignore, NULL,
                          sizeof ignore.mask);
    if (launch->sigchld_ignored)
        (void)signal(SIGCHLD, SIG_IGN);
    (void)sigprocmask(SIG_SETMASK, launch->mask, NULL);
    execvpe(launch->argv[0], launch->argv, env);
    int error = errno;
    (void)!write(report_fd, &error, sizeof error);
    _exit(PL_EXIT_FAILURE);
}

/* The errno of a failed exec, 0 when it succeeded (the pipe closed by itself). */
static int read_report(int fd)
{
    int error = 0;
    ssize_t got;
    do
        got = read(fd, &error, sizeof error);
    while (got < 0 && errno == EINTR);
    return got == (ssize_t)sizeof error ? error : 0;
}

static int exec_failed(const char *name, int error, struct pl_error *err)
{
    (void)pl_error_set(err, error == ENOENT ? PL_NOT_FOUND : PL_IO,
                       "cannot run %s: %s%s", name, strerror(error),
                       error == ENOENT ? " (itself, or its interpreter)" : "");
    return error == ENOENT ? PL_EXIT_NOT_THERE : PL_EXIT_NOT_RUN;
}

static int fork_and_exec(const struct pl_launch *launch, char **env, pid_t *pid_out,
                         struct pl_error *err)
{
    int report[2];
    if (pipe2(report, O_CLOEXEC) != 0) {
        (void)pl_error_set(err, PL_IO, "cannot make a pipe: %s", strerror(errno));
        return PL_EXIT_FAILURE;
    }
    pid_t pid = fork();
    if (pid < 0) {
        (void)pl_error_set(err, PL_IO, "cannot fork: %s", strerror(errno));
        close(report[0]);
        close(report[1]);
        return PL_EXIT_FAILURE;
    }
    if (pid == 0)
        become(launch, env, report[1]);
    close(report[1]);
    int error = read_report(report[0]);
    close(report[0]);
    if (error) {
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
            continue;
        return exec_failed(launch->argv[0], error, err);
    }
    *pid_out = pid;
    return 0;
}

int pl_launch_start(const struct pl_launch *launch, pid_t *pid_out,
                    struct pl_error *err)
{
    struct pl_buf text;
    pl_buf_init(&text, 4u << 20);
    char **env = make_environment(launch, &text);
    int exit_code = PL_EXIT_FAILURE;
    if (env)
        exit_code = fork_and_exec(launch, env, pid_out, err);
    else
        (void)pl_error_set(err, PL_NOMEM, "out of memory for the environment");
    free(env);
    pl_buf_deinit(&text);
    return exit_code;
}
