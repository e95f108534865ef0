/* The linked library's public calls (collector/proflite.h).
 *
 *   OFF ──init──▶ READY ──start──▶ RUNNING     close, from any state ──▶ OFF
 *                   ▲───────stop──────┘        fork: the child is READY (or OFF)
 *
 * start and stop come from the program (manual lifecycle), or from the controller's
 * thread (collector/controller.h): root spans, the control file, auto-start after a
 * fork. Under `proflite record` nothing runs here: labels go where that recorder's
 * capture reads them (collector/recorded.h).
 *
 * One lock over the state; every call but those of labels and spans takes it, so
 * racing starts make one run. A second one, taken before it, keeps init and close
 * apart: close has to let go of the first while the controller's thread ends. What
 * runs belongs to a struct pl_recorder (collector/recorder.h). A forked child keeps
 * the settings and the sampling decision and drops the parent's recorder and
 * controller without touching them: their threads, store and segment are the
 * parent's. */
#include "collector/proflite.h"

#include "base/clock.h"
#include "collector/controller.h"
#include "collector/heap.h"
#include "collector/labels.h"
#include "collector/recorded.h"
#include "collector/recorder.h"
#include "collector/settings.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <time.h>
#include <unistd.h>

#define FORK_WAIT_NS (200 * PL_NS_PER_MS)
#define EXIT_WAIT_NS (2 * PL_NS_PER_S)
#define FOR_EVER     INT64_C(-1)

static pthread_mutex_t setup_lock = PTHREAD_MUTEX_INITIALIZER; /* init, close */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* All under the lock. */
static struct {
    bool ready, sampled;
    pid_t auto_started; /* the process in which auto-start has succeeded */
    bool hooked;        /* atexit and atfork handlers are in place, for good */
    bool fork_holds_lock;
    struct pl_settings settings;
    struct pl_id recording_id;
    struct pl_recorder *recorder;     /* NULL: not running */
    struct pl_controller *controller; /* NULL: nobody to watch for, or not yet */
    struct pl_drain_stats past;       /* of the runs before this one */
    char profiler_id[PL_ID_TEXT];     /* of the running session */
    char last_error[sizeof((struct pl_error *)0)->message];
} self;

/* ---- helpers ---- */

static int report(int result, const char *why)
{
    (void)snprintf(self.last_error, sizeof self.last_error, "%s", why);
    return result;
}

static int report_status(enum pl_status status, const struct pl_error *err)
{
    switch (status) {
    case PL_OK:
        return PROFLITE_OK;
    case PL_UNSUPPORTED:
        return report(PROFLITE_UNSUPPORTED, err->message);
    case PL_USAGE:
        return report(PROFLITE_INVALID, err->message);
    default:
        return report(PROFLITE_IO, err->message);
    }
}

/* Writing past RLIMIT_FSIZE raises SIGXFSZ in the thread that writes, and the
 * default is death: while a caller's thread makes files for us it is blocked, and
 * one that we caused is taken back. */
struct file_guard {
    sigset_t before, fsize;
    bool was_pending;
};

static struct file_guard guard_files(void)
{
    struct file_guard guard;
    sigset_t pending;
    sigemptyset(&guard.fsize);
    sigaddset(&guard.fsize, SIGXFSZ);
    (void)pthread_sigmask(SIG_BLOCK, &guard.fsize, &guard.before);
    guard.was_pending =
        sigpending(&pending) == 0 && sigismember(&pending, SIGXFSZ) == 1;
    return guard;
}

static void unguard_files(const struct file_guard *guard)
{
    static const struct timespec now = {0};
    if (!guard->was_pending)
        (void)sigtimedwait(&guard->fsize, NULL, &now);
    (void)pthread_sigmask(SIG_SETMASK, &guard->before, NULL);
}

static bool lock_within(pthread_mutex_t *mutex, int64_t wait_ns)
{
    if (wait_ns == FOR_EVER)
        return pthread_mutex_lock(mutex) == 0;
    int64_t at = pl_clock_mono_ns() + wait_ns;
    struct timespec until = {.tv_sec = at / PL_NS_PER_S, .tv_nsec = at % PL_NS_PER_S};
    return pthread_mutex_clocklock(mutex, CLOCK_MONOTONIC, &until) == 0;
}

static void add_stats(struct pl_drain_stats *sum, const struct pl_drain_stats *more)
{
    sum->samples += more->samples;
    sum->lost += more->lost;
    sum->chunks += more->chunks;
}

/* ---- start and stop, under the lock ---- */

static int start_locked(void)
{
    struct pl_error err = {0};
    uint8_t id[16];
    if (!self.ready || !self.sampled)
        return PROFLITE_OFF;
    if (self.recorder)
        return PROFLITE_ALREADY;
    if (pl_recorded_session(id))
        return report(PROFLITE_ALREADY, "`proflite record` records this process");
    enum pl_status status =
        pl_recorder_start(&self.settings, &self.recording_id,
                          pl_controller_tid(self.controller), &self.recorder, &err);
    if (status != PL_OK) {
        self.recorder = NULL;
        return report_status(status, &err);
    }
    pl_id_format(pl_recorder_id(self.recorder), self.profiler_id);
    return PROFLITE_OK;
}

static int stop_locked(void)
{
    struct pl_error err = {0};
    struct pl_drain_stats stats = {0};
    if (!self.recorder)
        return PROFLITE_OK;
    enum pl_status status = pl_recorder_stop(self.recorder, &stats, &err);
    self.recorder = NULL;
    add_stats(&self.past, &stats);
    return report_status(status, &err);
}

/* Once a process, but a start that failed does not count. */
static void auto_start_locked(void)
{
    if (!self.settings.auto_start || self.settings.trace || !self.sampled ||
        self.auto_started == getpid())
        return;
    int result = start_locked();
    if (result == PROFLITE_OK || result == PROFLITE_ALREADY)
        self.auto_started = getpid();
}

/* ---- the controller ---- */

/* Its thread has all signals blocked: no need for a guard around files. */
static bool start_for_controller(void)
{
    pthread_mutex_lock(&lock);
    int result;
    if (self.settings.auto_start && self.auto_started != getpid()) {
        auto_start_locked();
        result = self.recorder ? PROFLITE_ALREADY : PROFLITE_OFF;
    } else {
        result = start_locked();
    }
    pthread_mutex_unlock(&lock);
    return result == PROFLITE_OK || result == PROFLITE_ALREADY;
}

static void stop_for_controller(void)
{
    pthread_mutex_lock(&lock);
    (void)stop_locked();
    pthread_mutex_unlock(&lock);
}

static void watch_locked(bool start_soon)
{
    struct pl_error err = {0};
    const struct pl_controller_options options = {
        .trace = self.settings.trace,
        .start_soon = start_soon,
        .control = self.settings.trace ? NULL : self.settings.control,
        .interval_ns = PL_NS_PER_S / self.settings.hz,
        .start = start_for_controller,
        .stop = stop_for_controller,
    };
    uint8_t outside[16];
    if (!self.ready || !self.sampled || self.controller || pl_recorded_session(outside))
        return;
    if (pl_controller_start(&options, &self.controller, &err) != PL_OK)
        (void)report_status(err.status, &err);
}

/* The first root span of the trace lifecycle. */
static void watch_roots(void)
{
    pthread_mutex_lock(&lock);
    if (self.settings.trace)
        watch_locked(false);
    if (self.ready && !self.controller) /* the next root span may have more luck */
        pl_labels_on_root(watch_roots);
    pthread_mutex_unlock(&lock);
}

/* What is to be watched from the start, or from the fork on. */
static void begin_watching(bool forked)
{
    bool control = self.settings.control && !self.settings.trace;
    bool start_soon = forked && self.settings.auto_start && !self.settings.trace;
    pl_labels_on_root(self.settings.trace && self.sampled ? watch_roots : NULL);
    if (control || start_soon)
        watch_locked(start_soon);
}

/* ---- exit and fork ---- */

static void forget_locked(void)
{
    (void)stop_locked();
    pl_settings_deinit(&self.settings);
    self.past = (struct pl_drain_stats){0};
    self.auto_started = 0;
}

/* With the setup lock. The controller's thread may need the lock to end. */
static void tear_down(int64_t wait_ns)
{
    if (!lock_within(&lock, wait_ns))
        return;
    struct pl_controller *controller = self.controller;
    self.controller = NULL;
    self.ready = false;
    pl_labels_on_root(NULL);
    pl_labels_use(NULL);
    pthread_mutex_unlock(&lock);
    pl_controller_stop(controller);
    if (!lock_within(&lock, wait_ns))
        return;
    forget_locked();
    pthread_mutex_unlock(&lock);
}

/* exit() may come from a signal handler that interrupted one of our calls: then
 * the tail is lost, but the program ends. */
static void at_exit(void)
{
    if (!lock_within(&setup_lock, EXIT_WAIT_NS))
        return;
    tear_down(EXIT_WAIT_NS);
    pthread_mutex_unlock(&setup_lock);
}

static void before_fork(void)
{
    self.fork_holds_lock = lock_within(&lock, FORK_WAIT_NS);
    pl_recorder_fork_prepare();
    pl_labels_fork_prepare();
    pl_heap_fork_prepare();
}

static void in_parent(void)
{
    pl_heap_fork_done();
    pl_recorder_fork_parent();
    if (self.fork_holds_lock)
        pthread_mutex_unlock(&lock);
}

/* Without the lock a call of another thread was under way, and what it was about
 * to change is unknown: the child starts from nothing. */
static void in_child(void)
{
    pl_heap_fork_done();
    pl_recorder_fork_child();
    pl_labels_fork_child();
    self.recorder = NULL;
    self.controller = NULL;
    self.past = (struct pl_drain_stats){0};
    if (!self.fork_holds_lock) {
        self.ready = false;
        self.settings = (struct pl_settings){0};
        pl_labels_use(NULL);
    }
    lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    setup_lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    begin_watching(true);
}

static bool hook(void)
{
    if (!self.hooked)
        self.hooked = pthread_atfork(before_fork, in_parent, in_child) == 0 &&
                      atexit(at_exit) == 0;
    return self.hooked;
}

/* ---- the public calls ---- */

static int init_locked(const proflite_options *options)
{
    struct pl_error err = {0};
    uint8_t outside[16];
    char why[256] = "";
    if (self.ready) {
        auto_start_locked();
        return PROFLITE_ALREADY;
    }
    int result = pl_settings_init(&self.settings, options, getauxval(AT_SECURE) != 0,
                                  why, sizeof why);
    if (result != PROFLITE_OK)
        return report(result, why);
    enum pl_status status = PL_OK;
    if (!hook())
        status = pl_error_set(&err, PL_NOMEM, "out of memory");
    if (status == PL_OK)
        status = pl_id_new(&self.recording_id, &err);
    self.sampled = pl_settings_draw(&self.settings);
    if (status == PL_OK && self.sampled && !pl_recorded_session(outside))
        status = pl_recorder_check_store(self.settings.db, &err);
    if (status != PL_OK)
        pl_settings_deinit(&self.settings);
    self.ready = status == PL_OK;
    if (self.ready && self.sampled) {
        pl_labels_use(pl_recorded_labels());
        begin_watching(false); /* first: what samples hides that thread */
        auto_start_locked();
    }
    return report_status(status, &err);
}

int proflite_init(const proflite_options *options)
{
    pthread_mutex_lock(&setup_lock);
    pthread_mutex_lock(&lock);
    struct file_guard guard = guard_files();
    int result = init_locked(options);
    unguard_files(&guard);
    pthread_mutex_unlock(&lock);
    pthread_mutex_unlock(&setup_lock);
    return result;
}

/* OFF: start and stop are not the program's to say. */
static int manual_locked(int (*call)(void))
{
    if (!self.ready || !self.sampled)
        return PROFLITE_OFF;
    if (self.settings.trace)
        return report(PROFLITE_OFF, "the lifecycle is trace: spans start and stop");
    return call();
}

int proflite_start(void)
{
    pthread_mutex_lock(&lock);
    struct file_guard guard = guard_files();
    int result = manual_locked(start_locked);
    unguard_files(&guard);
    pthread_mutex_unlock(&lock);
    return result;
}

int proflite_stop(void)
{
    pthread_mutex_lock(&lock);
    int result = manual_locked(stop_locked);
    pthread_mutex_unlock(&lock);
    return result;
}

/* Waits without the lock, so that nobody waits for the one who flushes. */
int proflite_flush(int timeout_ms)
{
    struct pl_error err = {0};
    int result = PROFLITE_OFF;
    int64_t from_ns = pl_clock_mono_ns();
    if (timeout_ms < 0)
        timeout_ms = 0;
    if (!lock_within(&lock, (int64_t)timeout_ms * PL_NS_PER_MS))
        return PROFLITE_IO;
    struct pl_recorder *recorder = self.recorder;
    if (self.ready && self.sampled)
        result = PROFLITE_OK; /* nothing runs: nothing is unwritten */
    if (recorder)
        pl_recorder_flush_begin(recorder);
    pthread_mutex_unlock(&lock);
    if (!recorder)
        return result;

    int64_t used_ms = (pl_clock_mono_ns() - from_ns) / PL_NS_PER_MS;
    int left_ms = used_ms < timeout_ms ? timeout_ms - (int)used_ms : 0;
    enum pl_status status = pl_recorder_flush_end(recorder, left_ms, &err);
    if (status == PL_OK)
        return PROFLITE_OK;
    pthread_mutex_lock(&lock);
    result = report_status(status, &err);
    pthread_mutex_unlock(&lock);
    return result;
}

void proflite_close(void)
{
    pthread_mutex_lock(&setup_lock);
    tear_down(FOR_EVER);
    pthread_mutex_unlock(&setup_lock);
}

int proflite_label_set(const char *key, const char *value)
{
    return pl_labels_set(key, value);
}

proflite_span proflite_span_begin(const char *name)
{
    return pl_labels_begin(name);
}

void proflite_span_end(proflite_span span)
{
    pl_labels_end(&span);
}

int proflite_thread_name(const char *name)
{
    return pl_labels_name(name);
}

const char *proflite_profiler_id(void)
{
    struct pl_id outside;
    pthread_mutex_lock(&lock);
    const char *id = self.recorder ? self.profiler_id : NULL;
    if (!id && self.ready && self.sampled && pl_recorded_session(outside.bytes)) {
        pl_id_format(&outside, self.profiler_id);
        id = self.profiler_id;
    }
    pthread_mutex_unlock(&lock);
    return id;
}

const char *proflite_last_error(void)
{
    return self.last_error;
}

int proflite_get_stats(proflite_stats *stats_out)
{
    struct pl_drain_stats sum = {0};
    if (!stats_out || stats_out->size < sizeof stats_out->size)
        return PROFLITE_INVALID;
    pthread_mutex_lock(&lock);
    int result = self.ready ? PROFLITE_OK : PROFLITE_OFF;
    uint8_t outside[16];
    bool running =
        self.recorder || (self.ready && self.sampled && pl_recorded_session(outside));
    if (self.recorder)
        pl_recorder_get_stats(self.recorder, &sum);
    add_stats(&sum, &self.past);
    pthread_mutex_unlock(&lock);
    proflite_stats stats = {
        .size = stats_out->size,
        .samples = sum.samples,
        .lost = sum.lost,
        .chunks = sum.chunks,
        .running = running,
    };
    memcpy(stats_out, &stats, stats.size < sizeof stats ? stats.size : sizeof stats);
    return result;
}
