/* Capture: the profiled process's side. Creates the segment, starts the sampler
 * thread and the signal handler; everything it needs afterwards is signal-safe
 * or runs on the sampler's own thread.
 *
 * Used by the preload library (its constructor) and by the linked library. */
#ifndef PL_COLLECTOR_CAPTURE_H
#define PL_COLLECTOR_CAPTURE_H

#include <stdbool.h>
#include <stdint.h>

#define PL_HIDDEN_THREADS 3

struct pl_capture_options {
    const char *dir; /* the recording folder */
    const char *app; /* NULL: the program's file name */
    int64_t period_ns;
    bool cpu_mode;
    double max_overhead; /* of the process's CPU time; 0: no limit */
    bool follow_fork; /* the child of a fork starts a session of its own */
    bool forks_only;  /* and this process is left alone */
    /* Threads never to sample: the linked library's own; 0 none. */
    int hidden_tids[PL_HIDDEN_THREADS];
    uint8_t session_id[16]; /* all zero: a random one */
};

/* 0, or a negative errno. Nothing is left behind after an error. One capture per
 * process. Threads  one at a time.  Signals  unsafe. */
int pl_capture_start(const struct pl_capture_options *options);

/* Stop sampling: no signal of ours is in flight or will be sent when it returns.
 * The segment's state becomes EXITED. The handler stays installed (harmless). */
void pl_capture_stop(void);

bool pl_capture_running(void);

/* False when not running; else the session's id. */
bool pl_capture_session(uint8_t id_out[static 16]);

/* What is about to become of the process, told by the preload library; each does
 * nothing in a process that is not the one captured (the child of a vfork shares
 * its memory). Signals  safe. */
void pl_capture_exiting(int status); /* it ends with this status */
void pl_capture_execing(void);       /* another program takes its place... */
void pl_capture_exec_failed(void);   /* ...or did not */
/* Some system calls are refused to a process with more than one thread: end the
 * sampler's before such a call (true if it ran), and let it go on afterwards, in the
 * same session. Signals  unsafe. */
bool pl_capture_pause(void);
/* The same before the process gives up the right to open the segment. */
bool pl_capture_pause_holding(void);
void pl_capture_resume(void);
/* The host waits for our signal in its own way: use another. Signals  unsafe. */
void pl_capture_yield_signal(void);
/* The process's system calls are to be filtered, and a call the filter does not know
 * may end the process: stop before (true if it ran), and either go on (the filter was
 * refused) or, confined, make no call ever again but the return from signals. What was
 * recorded stays, and so does the session. Signals  unsafe. */
bool pl_capture_before_filter(void);
void pl_capture_after_filter(bool confined);
void pl_capture_maps_changed(void);  /* a library was unloaded */
void pl_capture_names_changed(void); /* a thread was renamed */

#endif
