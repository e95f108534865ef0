/* Preload, signals: the capture's stays deliverable and out of the host's sight. */
#include "collector/preload.h"

#include "collector/capture.h"
#include "collector/handler.h"
#include "collector/sys.h"

#include <errno.h>
#include <string.h>

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
    if (number == pl_preload_signal() && pl_handler_installed())
        return host_sigaction(action, old);
    return REAL(sigaction)(number, action, old);
}

EXPORT sighandler_t signal(int number, sighandler_t handler)
{
    if (number == pl_preload_signal() && pl_handler_installed())
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
    if (number == pl_preload_signal() && pl_handler_installed())
        return host_signal(handler, (int)(SA_RESETHAND | SA_NODEFER));
    return REAL(sysv_signal)(number, handler);
}

EXPORT sighandler_t __sysv_signal(int number, sighandler_t handler)
{
    return sysv_signal(number, handler);
}

EXPORT int siginterrupt(int number, int interrupts)
{
    if (number != pl_preload_signal() || !pl_handler_installed())
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
    if (!pl_preload_recording || !set || pl_preload_signal() != PL_SIGNAL ||
        sigismember(set, PL_SIGNAL) != 1 || sigismember(set, PL_SPARE_SIGNAL) == 1)
        return;
    int saved = errno;
    uint64_t signal = UINT64_C(1) << (PL_SIGNAL - 1);
    pl_capture_yield_signal();
    if (atomic_load(&kept_unblocked) && pl_preload_signal() != PL_SIGNAL)
        pl_sys4(SYS_rt_sigprocmask, SIG_BLOCK, PL_ARG(&signal), 0, sizeof signal);
    errno = saved;
}

/* The set without our signal; `copy` is the room for it. */
static const sigset_t *without_ours(const sigset_t *set, sigset_t *copy)
{
    if (!pl_preload_recording || !set || sigismember(set, pl_preload_signal()) != 1)
        return set;
    *copy = *set;
    sigdelset(copy, pl_preload_signal());
    return copy;
}

/* A mask to set or add to. */
static const sigset_t *mask_without_ours(const sigset_t *set, sigset_t *copy)
{
    const sigset_t *without = without_ours(set, copy);
    if (without != set && pl_preload_signal() == PL_SIGNAL)
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
