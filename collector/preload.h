/* Preload: what its files share. Each function of the library stands before libc's own
 * and calls it for the work, through REAL(). */
#ifndef PL_COLLECTOR_PRELOAD_H
#define PL_COLLECTOR_PRELOAD_H

#include "collector/state.h"

#include <grp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

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

struct pl_preload_real {
#define X(name, type, arguments) type(*name) arguments;
    REAL_LIST(X)
#undef X
};
extern struct pl_preload_real pl_preload_real;

/* Look libc's function of that name up; `pointer` is to a pointer to it. */
void pl_preload_find(void *pointer, const char *name);

#define REAL(name)                                                                     \
    (pl_preload_real.name                                                              \
         ? pl_preload_real.name                                                        \
         : (pl_preload_find(&pl_preload_real.name, #name), pl_preload_real.name))

/* Set by the constructor, never changed after. */
extern bool pl_preload_recording;

/* The capture's signal. */
static inline int pl_preload_signal(void)
{
    return atomic_load_explicit(&pl_state_signal, memory_order_relaxed);
}

#endif
