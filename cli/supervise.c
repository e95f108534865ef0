#include "cli/supervise.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const int watched[] = {
    SIGCHLD, SIGINT,  SIGQUIT, SIGTERM, SIGHUP,  SIGUSR1,  SIGUSR2,
    SIGALRM, SIGCONT, SIGTSTP, SIGTTIN, SIGTTOU, SIGWINCH,
};

/* Blocked, not ignored: the program would inherit that. */
void pl_supervise_guard(struct pl_supervisor *s)
{
    sigset_t guarded;
    *s = (struct pl_supervisor){.child = -1};
    sigemptyset(&guarded);
    sigaddset(&guarded, SIGPIPE);
    sigaddset(&guarded, SIGXFSZ);
    sigprocmask(SIG_BLOCK, &guarded, &s->before);
}

void pl_supervise_begin(struct pl_supervisor *s)
{
    sigemptyset(&s->watched);
    for (size_t i = 0; i < sizeof watched / sizeof watched[0]; i++)
        sigaddset(&s->watched, watched[i]);
    sigprocmask(SIG_BLOCK, &s->watched, NULL);
    /* Ignored, the kernel would reap for us. To set it later would throw away the word
     * of a program that is gone already. */
    struct sigaction usual = {.sa_handler = SIG_DFL}, before;
    s->sigchld_ignored =
        sigaction(SIGCHLD, &usual, &before) == 0 && before.sa_handler == SIG_IGN;
}

void pl_supervise_child(struct pl_supervisor *s, pid_t child)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    s->child = child;
    sigaction(SIGPIPE, &ignore, NULL);
    sigaction(SIGXFSZ, &ignore, NULL);
}

/* Stop as the program did, so that the shell that waits for us takes over. Only
 * where a terminal and its job control are; elsewhere nobody would continue us. A
 * SIGSTOP sent to the program alone stops us only if the terminal waits for us. */
static void stop_with_child(pid_t child, int signal_number)
{
    int tty = open("/dev/tty", O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (tty < 0)
        return;
    bool foreground = tcgetpgrp(tty) == getpgrp();
    close(tty);
    bool job_control = signal_number == SIGTSTP || signal_number == SIGTTIN ||
                       signal_number == SIGTTOU;
    if (getpgid(child) == getpgrp() && (job_control || foreground))
        (void)kill(getpid(), SIGSTOP);
}

static void look_at_child(struct pl_supervisor *s)
{
    for (;;) {
        int status = 0;
        pid_t got = waitpid(s->child, &status, WNOHANG | WUNTRACED | WCONTINUED);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return;
        if (WIFSTOPPED(status)) {
            s->child_stopped = true;
            stop_with_child(s->child, WSTOPSIG(status));
        } else if (WIFCONTINUED(status)) {
            s->child_stopped = false;
        } else {
            s->ended = true;
            s->wait_status = status;
            return;
        }
    }
}

static void take_signal(struct pl_supervisor *s, const siginfo_t *info)
{
    bool sent = info->si_code <= 0; /* by a process, not by the terminal */
    int number = info->si_signo;
    if (number == SIGCHLD || !sent || info->si_pid == s->child || s->ended)
        return;
    if (number == SIGTSTP || number == SIGTTIN || number == SIGTTOU)
        return; /* asks us to stop; we stop when the program does */
    if (number == SIGCONT && !s->child_stopped)
        return;
    (void)kill(s->child, number);
}

bool pl_supervise_wait(struct pl_supervisor *s, int timeout_ms)
{
    struct timespec timeout = {.tv_sec = timeout_ms / 1000,
                               .tv_nsec = (long)(timeout_ms % 1000) * 1000000};
    siginfo_t info;
    while (!s->ended) {
        int number = sigtimedwait(&s->watched, &info, &timeout);
        if (number < 0 && errno == EINTR)
            continue;
        look_at_child(s);
        if (number < 0)
            break;
        take_signal(s, &info);
        timeout = (struct timespec){0};
    }
    return !s->ended;
}

void pl_supervise_end(struct pl_supervisor *s)
{
    const struct timespec now = {0};
    while (sigtimedwait(&s->watched, NULL, &now) >= 0 || errno == EINTR)
        continue;
    sigprocmask(SIG_SETMASK, &s->before, NULL);
}

int pl_wait_status_code(int wait_status)
{
    if (WIFSIGNALED(wait_status))
        return 128 + WTERMSIG(wait_status);
    return WEXITSTATUS(wait_status);
}

void pl_supervise_die(int signal_number)
{
    struct rlimit none = {0};
    struct sigaction usual = {.sa_handler = SIG_DFL};
    sigset_t only;
    (void)prctl(PR_SET_DUMPABLE, 0); /* a core pattern that is a pipe knows no limit */
    (void)setrlimit(RLIMIT_CORE, &none);
    (void)sigaction(signal_number, &usual, NULL);
    sigemptyset(&only);
    sigaddset(&only, signal_number);
    (void)sigprocmask(SIG_UNBLOCK, &only, NULL);
    (void)kill(getpid(), signal_number);
}
