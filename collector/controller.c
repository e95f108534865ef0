#include "collector/controller.h"

#include "base/clock.h"
#include "collector/control_file.h"
#include "collector/labels.h"

#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define STACK_BYTES       ((size_t)256 << 10)
#define CONTROL_POLL_NS   (250 * PL_NS_PER_MS)
#define START_SOON_NS     (10 * PL_NS_PER_MS)
#define LEAST_INTERVAL_NS (10 * PL_NS_PER_MS)

struct pl_controller {
    struct pl_controller_options options;
    struct pl_control_file control;
    pthread_t thread;
    sem_t begun; /* `tid` is known */
    int tid;
    _Atomic bool stop;
    int64_t start_ns;   /* mono; 0: not to be started */
    int64_t control_ns; /* when to look at the file */
    bool sampling;      /* for the sake of root spans */
    bool idle;          /* none was open when last looked at */
    uint32_t seen;      /* roots begun, when last looked at */
};

/* ---- trace ---- */

/* Roots that were begun and ended since the last look count, too. */
static void follow_spans(struct pl_controller *c)
{
    uint32_t begun = pl_labels_roots_begun();
    bool any = begun != c->seen || pl_labels_roots_open();
    c->seen = begun;
    if (!c->sampling) {
        c->idle = false;
        c->sampling = any && c->options.start();
    } else if (any) {
        c->idle = false;
    } else if (!c->idle) {
        c->idle = true; /* one interval for another to begin */
    } else {
        c->sampling = c->idle = false;
        c->options.stop();
    }
}

/* ---- the other two ---- */

static void follow_file(struct pl_controller *c, int64_t now_ns)
{
    if (now_ns < c->control_ns)
        return;
    c->control_ns = now_ns + CONTROL_POLL_NS;
    enum pl_control wanted = pl_control_look(&c->control);
    if (wanted == PL_CONTROL_START)
        (void)c->options.start();
    else if (wanted == PL_CONTROL_STOP)
        c->options.stop();
}

static void start_if_due(struct pl_controller *c, int64_t now_ns)
{
    if (!c->start_ns || now_ns < c->start_ns)
        return;
    c->start_ns = 0;
    (void)c->options.start();
}

/* ---- the thread ---- */

static int64_t sooner(int64_t at_ns, int64_t due_ns)
{
    return due_ns && (!at_ns || due_ns < at_ns) ? due_ns : at_ns;
}

/* How long nothing is due; 0: until a root span begins. */
static int64_t pause_ns(const struct pl_controller *c, int64_t now_ns)
{
    int64_t due_ns = sooner(0, c->start_ns);
    if (c->options.control)
        due_ns = sooner(due_ns, c->control_ns);
    if (c->sampling)
        due_ns = sooner(due_ns, now_ns + c->options.interval_ns);
    if (!due_ns)
        return 0;
    return due_ns > now_ns ? due_ns - now_ns : 1;
}

static void *run(void *argument)
{
    struct pl_controller *c = argument;
    (void)prctl(PR_SET_NAME, "proflite");
    c->tid = gettid();
    sem_post(&c->begun);
    while (!atomic_load(&c->stop)) {
        uint32_t signals = pl_labels_signals();
        int64_t now_ns = pl_clock_mono_ns();
        start_if_due(c, now_ns);
        if (c->options.control)
            follow_file(c, now_ns);
        if (c->options.trace)
            follow_spans(c);
        if (!atomic_load(&c->stop))
            pl_labels_wait(signals, pause_ns(c, pl_clock_mono_ns()),
                           c->options.trace && !c->sampling ? &c->seen : NULL);
    }
    return NULL;
}

enum pl_status pl_controller_start(const struct pl_controller_options *options,
                                   struct pl_controller **controller_out,
                                   struct pl_error *err)
{
    pthread_attr_t attributes;
    sigset_t all, before;
    struct pl_controller *c = calloc(1, sizeof *c);
    if (!c || pthread_attr_init(&attributes) != 0) {
        free(c);
        return pl_error_set(err, PL_NOMEM, "out of memory");
    }
    c->options = *options;
    c->control.path = options->control;
    if (c->options.interval_ns < LEAST_INTERVAL_NS)
        c->options.interval_ns = LEAST_INTERVAL_NS;
    if (options->start_soon)
        c->start_ns = pl_clock_mono_ns() + START_SOON_NS;
    (void)pthread_attr_setstacksize(&attributes, STACK_BYTES);
    (void)sem_init(&c->begun, 0, 0);
    sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&c->thread, &attributes, run, c);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    if (rc != 0) {
        (void)sem_destroy(&c->begun);
        free(c);
        return pl_error_set(err, PL_IO, "no thread to watch: %s", strerror(rc));
    }
    while (sem_wait(&c->begun) != 0)
        ;
    *controller_out = c;
    return PL_OK;
}

int pl_controller_tid(const struct pl_controller *c)
{
    return c ? c->tid : 0;
}

void pl_controller_stop(struct pl_controller *c)
{
    if (!c)
        return;
    atomic_store(&c->stop, true);
    pl_labels_wake();
    (void)pthread_join(c->thread, NULL);
    (void)sem_destroy(&c->begun);
    free(c);
}
