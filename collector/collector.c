/* The linked library's public calls (collector/proflite.h).
 *
 *   OFF ──init──▶ READY ──start──▶ RUNNING     close, from any state ──▶ OFF
 *                   ▲───────stop──────┘        fork: the child is READY (or OFF)
 *
 * One lock over all of it; every call takes it, so racing starts make one run.
 * What runs in between belongs to a struct pl_recorder (collector/recorder.h). A
 * forked child keeps the settings and the sampling decision and drops the parent's
 * recorder without touching it: its thread, store and segment are the parent's. */
#include "collector/proflite.h"

#include "base/clock.h"
#include "collector/recorder.h"
#include "collector/settings.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <time.h>

#define FORK_WAIT_NS (200 * PL_NS_PER_MS)
#define EXIT_WAIT_NS (2 * PL_NS_PER_S)

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* All under the lock. */
static struct {
    bool ready, sampled;
    bool hooked; /* atexit and atfork handlers are in place, for good */
    bool fork_holds_lock;
    struct pl_settings settings;
    struct pl_id recording_id;
    struct pl_recorder *recorder; /* NULL: not running */
    struct pl_drain_stats past;   /* of the runs before this one */
    char profiler_id[PL_ID_TEXT]; /* of the running session */
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

static bool lock_within(int64_t wait_ns)
{
    int64_t at = pl_clock_mono_ns() + wait_ns;
    struct timespec until = {.tv_sec = at / PL_NS_PER_S, .tv_nsec = at % PL_NS_PER_S};
    return pthread_mutex_clocklock(&lock, CLOCK_MONOTONIC, &until) == 0;
}

static void add_stats(struct pl_drain_stats *sum, const struct pl_drain_stats *more)
{
    sum->samples += more->samples;
    sum->lost += more->lost;
    sum->chunks += more->chunks;
}

/* `proflite record` is at work in this process already: one capture is enough. */
static bool recorded_from_outside(void)
{
    const char *dir = getauxval(AT_SECURE) ? NULL : getenv("PROFLITE_DIR");
    return dir && *dir;
}

/* ---- exit and fork ---- */

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

static void close_locked(void)
{
    (void)stop_locked();
    pl_settings_deinit(&self.settings);
    self.ready = false;
    self.past = (struct pl_drain_stats){0};
}

/* exit() may come from a signal handler that interrupted one of our calls: then
 * the tail is lost, but the program ends. */
static void at_exit(void)
{
    if (!lock_within(EXIT_WAIT_NS))
        return;
    close_locked();
    pthread_mutex_unlock(&lock);
}

static void before_fork(void)
{
    self.fork_holds_lock = lock_within(FORK_WAIT_NS);
    pl_recorder_fork_prepare();
}

static void in_parent(void)
{
    pl_recorder_fork_parent();
    if (self.fork_holds_lock)
        pthread_mutex_unlock(&lock);
}

/* Without the lock a call of another thread was under way, and what it was about
 * to change is unknown: the child starts from nothing. */
static void in_child(void)
{
    pl_recorder_fork_child();
    self.recorder = NULL;
    self.past = (struct pl_drain_stats){0};
    if (!self.fork_holds_lock) {
        self.ready = false;
        self.settings = (struct pl_settings){0};
    }
    lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
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
    char why[256] = "";
    if (self.ready)
        return PROFLITE_ALREADY;
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
    if (status == PL_OK && self.sampled)
        status = pl_recorder_check_store(self.settings.db, &err);
    if (status != PL_OK)
        pl_settings_deinit(&self.settings);
    self.ready = status == PL_OK;
    return report_status(status, &err);
}

int proflite_init(const proflite_options *options)
{
    pthread_mutex_lock(&lock);
    struct file_guard guard = guard_files();
    int result = init_locked(options);
    unguard_files(&guard);
    pthread_mutex_unlock(&lock);
    return result;
}

static int start_locked(void)
{
    struct pl_error err = {0};
    if (!self.ready || !self.sampled)
        return PROFLITE_OFF;
    if (self.recorder)
        return PROFLITE_ALREADY;
    if (recorded_from_outside())
        return report(PROFLITE_ALREADY, "`proflite record` records this process");
    enum pl_status status =
        pl_recorder_start(&self.settings, &self.recording_id, &self.recorder, &err);
    if (status != PL_OK) {
        self.recorder = NULL;
        return report_status(status, &err);
    }
    pl_id_format(pl_recorder_id(self.recorder), self.profiler_id);
    return PROFLITE_OK;
}

int proflite_start(void)
{
    pthread_mutex_lock(&lock);
    struct file_guard guard = guard_files();
    int result = start_locked();
    unguard_files(&guard);
    pthread_mutex_unlock(&lock);
    return result;
}

int proflite_stop(void)
{
    pthread_mutex_lock(&lock);
    int result = self.ready && self.sampled ? stop_locked() : PROFLITE_OFF;
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
    if (!lock_within((int64_t)timeout_ms * PL_NS_PER_MS))
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
    pthread_mutex_lock(&lock);
    close_locked();
    pthread_mutex_unlock(&lock);
}

const char *proflite_profiler_id(void)
{
    pthread_mutex_lock(&lock);
    const char *id = self.recorder ? self.profiler_id : NULL;
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
    bool running = self.recorder != NULL;
    if (running)
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
