/* Preload, processes: the segment says how one ended, and the sampler steps aside where
 * the kernel or libc insists on threads it knows, or allows no more system calls. */
#include "collector/preload.h"

#include "collector/capture.h"
#include "collector/sys.h"

#include <alloca.h>
#include <errno.h>
#include <linux/seccomp.h>
#include <stdarg.h>
#include <string.h>

/* ---- ends of a process ---- */

EXPORT void _exit(int status)
{
    pl_capture_exiting(status);
    for (;;)
        pl_sys3(SYS_exit_group, status, 0, 0);
}

EXPORT void _Exit(int status)
{
    _exit(status);
}

/* libc's daemon() ends the parent with an _exit of its own. What the child of its
 * fork finds as its parent's state does not matter to it. */
EXPORT int daemon(int no_chdir, int no_close)
{
    pl_capture_exiting(0);
    int result = REAL(daemon)(no_chdir, no_close);
    pl_capture_exec_failed(); /* the fork failed, or: the child, already live */
    return result;
}

static int exec_failed(int result)
{
    pl_capture_exec_failed();
    return result;
}

EXPORT int execve(const char *path, char *const argv[], char *const envp[])
{
    pl_capture_execing();
    return exec_failed(REAL(execve)(path, argv, envp));
}

EXPORT int execv(const char *path, char *const argv[])
{
    pl_capture_execing();
    return exec_failed(REAL(execv)(path, argv));
}

EXPORT int execvp(const char *file, char *const argv[])
{
    pl_capture_execing();
    return exec_failed(REAL(execvp)(file, argv));
}

EXPORT int execvpe(const char *file, char *const argv[], char *const envp[])
{
    pl_capture_execing();
    return exec_failed(REAL(execvpe)(file, argv, envp));
}

EXPORT int fexecve(int fd, char *const argv[], char *const envp[])
{
    pl_capture_execing();
    return exec_failed(REAL(fexecve)(fd, argv, envp));
}

EXPORT int execveat(int dir, const char *path, char *const argv[], char *const envp[],
                    int flags)
{
    pl_capture_execing();
    return exec_failed(REAL(execveat)(dir, path, argv, envp, flags));
}

/* The arguments of an execl*() call as an array; `list` stands behind the first. */
#define GATHER(argv, first, list)                                                      \
    do {                                                                               \
        va_list count_list;                                                            \
        size_t count = 1;                                                              \
        va_copy(count_list, list);                                                     \
        while (va_arg(count_list, char *))                                             \
            count++;                                                                   \
        va_end(count_list);                                                            \
        argv = alloca((count + 1) * sizeof *argv);                                     \
        memcpy(argv, &(first), sizeof *argv);                                          \
        for (size_t i = 1; i <= count; i++)                                            \
            argv[i] = va_arg(list, char *);                                            \
    } while (0)

EXPORT int execl(const char *path, const char *arg, ...)
{
    char **argv;
    va_list list;
    va_start(list, arg);
    GATHER(argv, arg, list);
    va_end(list);
    return execv(path, argv);
}

EXPORT int execlp(const char *file, const char *arg, ...)
{
    char **argv;
    va_list list;
    va_start(list, arg);
    GATHER(argv, arg, list);
    va_end(list);
    return execvp(file, argv);
}

EXPORT int execle(const char *path, const char *arg, ...)
{
    char **argv;
    va_list list;
    va_start(list, arg);
    GATHER(argv, arg, list);
    char *const *envp = va_arg(list, char *const *);
    va_end(list);
    return execve(path, argv, envp);
}

/* ---- calls for processes of one thread ---- */

#define ALONE (CLONE_NEWUSER | CLONE_NEWTIME | CLONE_THREAD | CLONE_SIGHAND | CLONE_VM)

static void resume(bool paused)
{
    int saved = errno;
    if (paused)
        pl_capture_resume();
    errno = saved;
}

/* The kernel may count the sampler for a moment after it is gone to every question:
 * ask again for some milliseconds before its refusal is the host's. */
#define ALONE_TRIES 20

static bool ask_again(bool paused, int result, int tries)
{
    if (!paused || result == 0 || errno != EINVAL || tries >= ALONE_TRIES)
        return false;
    struct timespec moment = {0, 1000000};
    nanosleep(&moment, NULL);
    return true;
}

EXPORT int unshare(int flags)
{
    bool paused = flags & ALONE ? pl_capture_pause() : false;
    int result, tries = 0;
    do
        result = REAL(unshare)(flags);
    while (ask_again(paused, result, tries++));
    resume(paused);
    return result;
}

EXPORT int setns(int fd, int type)
{
    bool paused = !type || type & ALONE ? pl_capture_pause() : false;
    int result, tries = 0;
    do
        result = REAL(setns)(fd, type);
    while (ask_again(paused, result, tries++));
    resume(paused);
    return result;
}

/* ---- who the process is ---- */

/* libc changes the credentials of each thread it knows. The sampler is none of them:
 * its thread ends before and a new one starts after, as who the process then is. */
#define CREDENTIALS(name, parameters, arguments)                                       \
    EXPORT int name parameters                                                         \
    {                                                                                  \
        bool paused = pl_capture_pause_holding();                                      \
        int result = REAL(name) arguments;                                             \
        resume(paused);                                                                \
        return result;                                                                 \
    }

CREDENTIALS(setuid, (uid_t uid), (uid))
CREDENTIALS(seteuid, (uid_t uid), (uid))
CREDENTIALS(setreuid, (uid_t real_uid, uid_t uid), (real_uid, uid))
CREDENTIALS(setresuid, (uid_t real_uid, uid_t uid, uid_t saved), (real_uid, uid, saved))
CREDENTIALS(setgid, (gid_t gid), (gid))
CREDENTIALS(setegid, (gid_t gid), (gid))
CREDENTIALS(setregid, (gid_t real_gid, gid_t gid), (real_gid, gid))
CREDENTIALS(setresgid, (gid_t real_gid, gid_t gid, gid_t saved), (real_gid, gid, saved))
CREDENTIALS(setgroups, (size_t count, const gid_t *groups), (count, groups))
CREDENTIALS(initgroups, (const char *user, gid_t gid), (user, gid))

/* ---- filters of system calls ---- */

static void filter_set(bool stopped, bool confined)
{
    int saved = errno;
    if (stopped)
        pl_capture_after_filter(confined);
    errno = saved;
}

EXPORT int prctl(int option, ...)
{
    unsigned long word[4];
    va_list list;
    va_start(list, option);
    for (int i = 0; i < 4; i++)
        word[i] = va_arg(list, unsigned long);
    va_end(list);
    bool stopped = option == PR_SET_SECCOMP && pl_capture_before_filter();
    int result = REAL(prctl)(option, word[0], word[1], word[2], word[3]);
    filter_set(stopped, result == 0);
    return result;
}

/* seccomp(2) has no function of its own in libc, so syscall() is watched for it. Every
 * other call jumps on to libc's with stack and registers as they came: one of them may
 * be vfork, which returns twice. */
__attribute__((used)) long pl_preload_seccomp(long number, long operation, long flags,
                                              void *arguments);
long pl_preload_seccomp(long number, long operation, long flags, void *arguments)
{
    bool sets =
        operation == SECCOMP_SET_MODE_STRICT || operation == SECCOMP_SET_MODE_FILTER;
    bool stopped = sets && pl_capture_before_filter();
    long result = REAL(syscall)(number, operation, flags, arguments);
    filter_set(stopped, result >= 0); /* a descriptor, if one was asked for */
    return result;
}

__attribute__((used)) void *pl_preload_find_syscall(void);
void *pl_preload_find_syscall(void)
{
    void *function;
    __typeof__(pl_preload_real.syscall) found = REAL(syscall);
    memcpy(&function, &found, sizeof function);
    return function;
}

_Static_assert(SYS_seccomp == 317, "the number below");
__asm__(".text\n"
        ".globl syscall\n"
        ".type syscall, @function\n"
        "syscall:\n"
        ".cfi_startproc\n"
        "    endbr64\n"
        "    cmp  $317, %rdi\n"
        "    je   pl_preload_seccomp\n"
        "    push %rdi\n"
        "    .cfi_adjust_cfa_offset 8\n"
        "    push %rsi\n"
        "    .cfi_adjust_cfa_offset 8\n"
        "    push %rdx\n"
        "    .cfi_adjust_cfa_offset 8\n"
        "    push %rcx\n"
        "    .cfi_adjust_cfa_offset 8\n"
        "    push %r8\n"
        "    .cfi_adjust_cfa_offset 8\n"
        "    push %r9\n"
        "    .cfi_adjust_cfa_offset 8\n"
        "    sub  $8, %rsp\n"
        "    .cfi_adjust_cfa_offset 8\n"
        "    call pl_preload_find_syscall\n"
        "    add  $8, %rsp\n"
        "    .cfi_adjust_cfa_offset -8\n"
        "    pop  %r9\n"
        "    .cfi_adjust_cfa_offset -8\n"
        "    pop  %r8\n"
        "    .cfi_adjust_cfa_offset -8\n"
        "    pop  %rcx\n"
        "    .cfi_adjust_cfa_offset -8\n"
        "    pop  %rdx\n"
        "    .cfi_adjust_cfa_offset -8\n"
        "    pop  %rsi\n"
        "    .cfi_adjust_cfa_offset -8\n"
        "    pop  %rdi\n"
        "    .cfi_adjust_cfa_offset -8\n"
        "    jmp  *%rax\n"
        ".cfi_endproc\n"
        ".size syscall, . - syscall\n"
        ".previous\n");
