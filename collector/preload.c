/* Preload: `proflite record` puts this library into every program it starts.
 *
 * The constructor starts the capture if PROFLITE_DIR says where to; without it, in a
 * set-user-ID program, or when anything is missing, the library does nothing. It
 * never prints.
 *
 * The functions here stand before libc's own. They keep three promises:
 *   - the capture's signal stays deliverable and out of the host's sight
 *   - the segment says how the process ended
 *   - unloaded libraries and renamed threads are noticed soon
 * Each calls libc's function for the work. A process that is not captured (the child
 * of a vfork, for one, which shares our memory) gets libc's behaviour unchanged. */
#include "collector/capture.h"
#include "collector/recorded.h"
#include "collector/handler.h"
#include "collector/state.h"
#include "collector/sys.h"

#include <alloca.h>
#include <dlfcn.h>
#include <errno.h>
#include <grp.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#define EXPORT     __attribute__((visibility("default")))
#define DEFAULT_HZ 101
#define HIGHEST_HZ 1000

/* libc's functions behind ours: found by the constructor, so that none is looked up
 * in the child of a vfork or in a signal handler. Another library's constructor may
 * call one earlier. */
#define REAL_LIST(X)                                                                   \
    X(sigaction, int, (int, const struct sigaction *, struct sigaction *))             \
    X(signal, sighandler_t, (int, sighandler_t))                                       \
    X(sysv_signal, sighandler_t, (int, sighandler_t))                                  \
    X(siginterrupt, int, (int, int))                                                   \
    X(sigprocmask, int, (int, const sigset_t *, sigset_t *))                           \
    X(pthread_sigmask, int, (int, const sigset_t *, sigset_t *))                       \
    X(sigwait, int, (const sigset_t *, int *))                                         \
    X(sigwaitinfo, int, (const sigset_t *, siginfo_t *))                               \
    X(signalfd, int, (int, const sigset_t *, int))                                     \
    X(sigtimedwait, int, (const sigset_t *, siginfo_t *, const struct timespec *))     \
    X(execve, int, (const char *, char *const *, char *const *))                       \
    X(execv, int, (const char *, char *const *))                                       \
    X(execvp, int, (const char *, char *const *))                                      \
    X(execvpe, int, (const char *, char *const *, char *const *))                      \
    X(fexecve, int, (int, char *const *, char *const *))                               \
    X(execveat, int, (int, const char *, char *const *, char *const *, int))           \
    X(daemon, int, (int, int))                                                         \
    X(unshare, int, (int))                                                             \
    X(setns, int, (int, int))                                                          \
    X(setuid, int, (uid_t))                                                            \
    X(seteuid, int, (uid_t))                                                           \
    X(setreuid, int, (uid_t, uid_t))                                                   \
    X(setresuid, int, (uid_t, uid_t, uid_t))                                           \
    X(setgid, int, (gid_t))                                                            \
    X(setegid, int, (gid_t))                                                           \
    X(setregid, int, (gid_t, gid_t))                                                   \
    X(setresgid, int, (gid_t, gid_t, gid_t))                                           \
    X(setgroups, int, (size_t, const gid_t *))                                         \
    X(initgroups, int, (const char *, gid_t))                                          \
    X(prctl, int, (int, ...))                                                          \
    X(syscall, long, (long, ...))                                                      \
    X(dlclose, int, (void *))                                                          \
    X(pthread_setname_np, int, (pthread_t, const char *))

static struct {
#define X(name, type, arguments) type(*name) arguments;
    REAL_LIST(X)
#undef X
} real;

static bool recording; /* set by the constructor, never changed after */

static void find(void *pointer, const char *name)
{
    void *symbol = dlsym(RTLD_NEXT, name);
    memcpy(pointer, &symbol, sizeof symbol);
}

static void find_all(void)
{
#define X(name, type, arguments)                                                       \
    if (!real.name)                                                                    \
        find(&real.name, #name);
    REAL_LIST(X)
#undef X
}

#define REAL(name) (real.name ? real.name : (find(&real.name, #name), real.name))

/* The capture's signal. */
static int ours(void)
{
    return atomic_load_explicit(&pl_state_signal, memory_order_relaxed);
}

/* ---- the signal's disposition ---- */

static int host_sigaction(const struct sigaction *action, struct sigaction *old)
{
    int result = pl_handler_host_action(action, old);
    if (result == 0)
        return 0;
    errno = -result;
    return -1;
}

static sighandler_t host_signal(sighandler_t handler, int flags)
{
    struct sigaction action = {.sa_flags = flags}, old;
    action.sa_handler = handler;
    if (handler == SIG_ERR) {
        errno = EINVAL;
        return SIG_ERR;
    }
    return host_sigaction(&action, &old) ? SIG_ERR : old.sa_handler;
}

EXPORT int sigaction(int number, const struct sigaction *action, struct sigaction *old)
{
    if (number == ours() && pl_handler_installed())
        return host_sigaction(action, old);
    return REAL(sigaction)(number, action, old);
}

EXPORT sighandler_t signal(int number, sighandler_t handler)
{
    if (number == ours() && pl_handler_installed())
        return host_signal(handler, SA_RESTART);
    return REAL(signal)(number, handler);
}

EXPORT sighandler_t bsd_signal(int number, sighandler_t handler);
EXPORT sighandler_t bsd_signal(int number, sighandler_t handler)
{
    return signal(number, handler);
}

EXPORT sighandler_t ssignal(int number, sighandler_t handler)
{
    return signal(number, handler);
}

EXPORT sighandler_t sysv_signal(int number, sighandler_t handler)
{
    if (number == ours() && pl_handler_installed())
        return host_signal(handler, (int)(SA_RESETHAND | SA_NODEFER));
    return REAL(sysv_signal)(number, handler);
}

EXPORT sighandler_t __sysv_signal(int number, sighandler_t handler)
{
    return sysv_signal(number, handler);
}

EXPORT int siginterrupt(int number, int interrupts)
{
    if (number != ours() || !pl_handler_installed())
        return REAL(siginterrupt)(number, interrupts);
    struct sigaction action;
    pl_handler_host_action(NULL, &action);
    action.sa_flags =
        interrupts ? action.sa_flags & ~SA_RESTART : action.sa_flags | SA_RESTART;
    return host_sigaction(&action, NULL);
}

/* ---- the signal's mask ---- */

static _Atomic bool kept_unblocked; /* the host meant to block our signal somewhere */

/* A host that waits for our signal on purpose, not among all signals, gets it for
 * itself. To wait for it, it has blocked it in this thread. */
static void yield_if_wanted(const sigset_t *set)
{
    if (!recording || !set || ours() != PL_SIGNAL || sigismember(set, PL_SIGNAL) != 1 ||
        sigismember(set, PL_SPARE_SIGNAL) == 1)
        return;
    int saved = errno;
    uint64_t signal = UINT64_C(1) << (PL_SIGNAL - 1);
    pl_capture_yield_signal();
    if (atomic_load(&kept_unblocked) && ours() != PL_SIGNAL)
        pl_sys4(SYS_rt_sigprocmask, SIG_BLOCK, PL_ARG(&signal), 0, sizeof signal);
    errno = saved;
}

/* The set without our signal; `copy` is the room for it. */
static const sigset_t *without_ours(const sigset_t *set, sigset_t *copy)
{
    if (!recording || !set || sigismember(set, ours()) != 1)
        return set;
    *copy = *set;
    sigdelset(copy, ours());
    return copy;
}

/* A mask to set or add to. */
static const sigset_t *mask_without_ours(const sigset_t *set, sigset_t *copy)
{
    const sigset_t *without = without_ours(set, copy);
    if (without != set && ours() == PL_SIGNAL)
        atomic_store_explicit(&kept_unblocked, true, memory_order_relaxed);
    return without;
}

EXPORT int sigprocmask(int how, const sigset_t *set, sigset_t *old)
{
    sigset_t copy;
    if (how != SIG_UNBLOCK)
        set = mask_without_ours(set, &copy);
    return REAL(sigprocmask)(how, set, old);
}

EXPORT int pthread_sigmask(int how, const sigset_t *set, sigset_t *old)
{
    sigset_t copy;
    if (how != SIG_UNBLOCK)
        set = mask_without_ours(set, &copy);
    return REAL(pthread_sigmask)(how, set, old);
}

EXPORT int sigwait(const sigset_t *set, int *number)
{
    sigset_t copy;
    yield_if_wanted(set);
    return REAL(sigwait)(without_ours(set, &copy), number);
}

EXPORT int sigwaitinfo(const sigset_t *set, siginfo_t *info)
{
    sigset_t copy;
    yield_if_wanted(set);
    return REAL(sigwaitinfo)(without_ours(set, &copy), info);
}

EXPORT int sigtimedwait(const sigset_t *set, siginfo_t *info,
                        const struct timespec *timeout)
{
    sigset_t copy;
    yield_if_wanted(set);
    return REAL(sigtimedwait)(without_ours(set, &copy), info, timeout);
}

EXPORT int signalfd(int fd, const sigset_t *set, int flags)
{
    yield_if_wanted(set);
    return REAL(signalfd)(fd, set, flags);
}

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
    __typeof__(real.syscall) found = REAL(syscall);
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

/* ---- changes ---- */

EXPORT int dlclose(void *handle)
{
    int result = REAL(dlclose)(handle);
    if (recording)
        pl_capture_maps_changed();
    return result;
}

EXPORT int pthread_setname_np(pthread_t thread, const char *name)
{
    int result = REAL(pthread_setname_np)(thread, name);
    if (recording)
        pl_capture_names_changed();
    return result;
}

/* ---- a program that also links libproflite ---- */

static bool recorded_session(uint8_t id_out[static 16])
{
    return recording && pl_capture_session(id_out);
}

EXPORT const struct pl_recorded *proflite_recorded(void);
EXPORT const struct pl_recorded *proflite_recorded(void)
{
    static const struct pl_recorded recorded = {sizeof recorded, recorded_session,
                                                pl_label_table_make};
    return &recorded;
}

/* ---- sanitizers ---- */

/* AddressSanitizer's runtime ends a program in which another library comes before it,
 * as preloaded ones do, unless its options say otherwise. It asks this function for
 * them; a program's own function of the name, and ASAN_OPTIONS, win over ours. */
EXPORT const char *__asan_default_options(void);
EXPORT const char *__asan_default_options(void)
{
    return "verify_asan_link_order=0";
}

/* ---- start ---- */

static void at_exit(int status, void *unused)
{
    (void)unused;
    pl_capture_exiting(status);
}

static int64_t period_from(const char *text)
{
    int64_t hz = 0;
    for (const char *c = text ? text : ""; *c; c++) {
        if (*c < '0' || *c > '9' || hz > HIGHEST_HZ)
            return 1000000000 / DEFAULT_HZ;
        hz = hz * 10 + (*c - '0');
    }
    if (hz < 1 || hz > HIGHEST_HZ)
        hz = DEFAULT_HZ;
    return 1000000000 / hz;
}

/* "0.02", whatever the locale; 0 for what is no share. */
static double share_from(const char *text)
{
    double share = 0, unit = 1;
    for (const char *c = text ? text : ""; *c; c++) {
        if (*c == '.' && unit == 1)
            unit = 0.1;
        else if (*c < '0' || *c > '9')
            return 0;
        else if (unit == 1)
            share = share * 10 + (*c - '0');
        else {
            share += unit * (*c - '0');
            unit /= 10;
        }
    }
    return share <= 1 ? share : 0;
}

/* A signal mask outlives exec: our signal may come in blocked. */
static void unblock_signal(void)
{
    uint64_t signal = UINT64_C(1) << (ours() - 1);
    pl_sys4(SYS_rt_sigprocmask, SIG_UNBLOCK, PL_ARG(&signal), 0, sizeof signal);
}

/* Chromium and what is built on it (Electron, CEF) fork their processes from one, the
 * zygote, that looks into /proc and ends itself when it finds a second thread. */
static bool insists_on_one_thread(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--type=zygote") == 0)
            return true;
    }
    return false;
}

__attribute__((constructor)) static void start(int argc, char **argv)
{
    int saved = errno;
    find_all();
    const char *dir = getenv("PROFLITE_DIR"), *mode = getenv("PROFLITE_MODE");
    if (dir && *dir && !getauxval(AT_SECURE)) {
        struct pl_capture_options options = {
            .dir = dir,
            .app = getenv("PROFLITE_APP"),
            .period_ns = period_from(getenv("PROFLITE_HZ")),
            .cpu_mode = mode && strcmp(mode, "cpu") == 0,
            .max_overhead = share_from(getenv("PROFLITE_MAX_OVERHEAD")),
            .follow_fork = true,
            .forks_only = insists_on_one_thread(argc, argv),
        };
        if (pl_capture_start(&options) == 0) {
            unblock_signal();
            on_exit(at_exit, NULL);
            recording = true;
        }
    }
    errno = saved;
}
