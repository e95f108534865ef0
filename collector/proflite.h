/* proflite: a flight recorder for where a program's time goes.
 *
 * The one installed header (C and C++). Link -lproflite, call proflite_init and
 * proflite_start; every thread's stacks go into one SQLite file that `proflite
 * top`, `proflite serve` and any SQLite shell read.
 *
 * Define PROFLITE_DISABLE before including this file and every call turns into
 * nothing: no symbol of the library is referenced.
 *
 * All functions may be called from any thread, none from a signal handler unless
 * it says so. Before proflite_init and after proflite_close every call is a
 * harmless no-op. Nothing here ever prints, exits or raises. */
#ifndef PROFLITE_H
#define PROFLITE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PROFLITE_API __attribute__((visibility("default")))

enum proflite_mode {
    PROFLITE_MODE_DEFAULT = 0, /* as PROFLITE_MODE says, else wall */
    PROFLITE_MODE_WALL = 1,    /* every thread at every tick, running or blocked */
    PROFLITE_MODE_CPU = 2,     /* each thread by the CPU time it uses */
};

enum proflite_lifecycle {
    PROFLITE_LIFECYCLE_DEFAULT = 0, /* as PROFLITE_LIFECYCLE says, else manual */
    PROFLITE_LIFECYCLE_MANUAL = 1,  /* from proflite_start to proflite_stop */
    PROFLITE_LIFECYCLE_TRACE = 2,   /* while any thread has a span open */
};

enum proflite_durability {
    PROFLITE_DURABILITY_DEFAULT = 0, /* as PROFLITE_DURABILITY says, else normal */
    PROFLITE_DURABILITY_NORMAL = 1,  /* a power cut may cost the last chunks */
    PROFLITE_DURABILITY_FULL = 2,    /* a chunk written is on the disk */
};

enum proflite_result {
    PROFLITE_OK = 0,
    PROFLITE_ALREADY = 1,      /* already set up, or already running: nothing done */
    PROFLITE_INVALID = -1,     /* an option makes no sense */
    PROFLITE_IO = -2,          /* store or shared memory not to be had */
    PROFLITE_UNSUPPORTED = -3, /* this machine cannot do it */
    PROFLITE_OFF = -4,         /* not set up, not sampled, or not this lifecycle's
                                  call: nothing done */
};

/* Fill with PROFLITE_OPTIONS_INIT, then set what matters. An option's value is what
 * the program sets, else what the environment variable says, else the line
 * `field = value` of the config file ($XDG_CONFIG_HOME/proflite/config, else
 * ~/.config/proflite/config), else the default. `proflite config --show-origin`
 * prints them all.
 *
 *   field                environment                   default
 *   db                   PROFLITE_DB $XDG_DATA_HOME/proflite/proflite.db app
 * PROFLITE_APP                  the program's file name release PROFLITE_RELEASE none
 *   environment          PROFLITE_ENVIRONMENT          none
 *   dist                 PROFLITE_DIST                 none
 *   hz                   PROFLITE_HZ                   101
 *   mode                 PROFLITE_MODE                 wall (or cpu)
 *   session_sample_rate  PROFLITE_SESSION_SAMPLE_RATE  1
 *   lifecycle            PROFLITE_LIFECYCLE            manual (or trace)
 *   auto_start           PROFLITE_AUTO_START           0
 *   max_overhead         PROFLITE_MAX_OVERHEAD         0 (no limit)
 *   in_app_include       PROFLITE_IN_APP_INCLUDE       none
 *   in_app_exclude       PROFLITE_IN_APP_EXCLUDE       none
 *   project_root         PROFLITE_PROJECT_ROOT         none
 *   durability           PROFLITE_DURABILITY           normal (or full)
 *   control              PROFLITE_CONTROL              none
 *
 * Text is stored without blanks at its ends; nothing but blanks is none. A
 * set-user-ID or set-group-ID program looks at neither environment nor config file
 * and must set `db`. */
typedef struct proflite_options {
    size_t size;     /* sizeof(proflite_options): set by PROFLITE_OPTIONS_INIT */
    const char *db;  /* path of the store; borrowed during proflite_init */
    const char *app; /* likewise, and the three below */
    const char *release;
    const char *environment;
    const char *dist;
    unsigned hz; /* samples a second of each thread, 1 to 1000; 0: unset */
    enum proflite_mode mode;
    double session_sample_rate; /* 0.0 to 1.0: chance that this process samples at
                                   all; negative: unset */
    enum proflite_lifecycle lifecycle;
    int auto_start;      /* 1: proflite_init starts, and a forked child does, too (in
                            the manual lifecycle, once a process); negative: unset */
    double max_overhead; /* most of the process's CPU time that sampling may take, 0.0
                            to 1.0: beyond it ticks are left out and samples weigh
                            more; negative: unset */
    const char *in_app_include; /* prefixes of functions, modules or files that are the
                                   user's own code, with commas between */
    const char *in_app_exclude; /* and of those that are not */
    const char *project_root;   /* folder of the user's own code */
    enum proflite_durability durability;
    const char *control; /* path of a file that may start and stop sampling, below */
} proflite_options;

#define PROFLITE_OPTIONS_INIT                                                          \
    {                                                                                  \
        sizeof(proflite_options), NULL, NULL, NULL, NULL, NULL, 0,                     \
            PROFLITE_MODE_DEFAULT, -1.0, PROFLITE_LIFECYCLE_DEFAULT, -1, -1.0, NULL,   \
            NULL, NULL, PROFLITE_DURABILITY_DEFAULT, NULL                              \
    }

/* A piece of work of the thread that began it. The ids are those of its root span, all
 * zero when it is not recorded; `id` and `place` are the library's own. */
typedef struct proflite_span {
    uint64_t id;
    uint32_t place;
    uint8_t trace_id[16], span_id[8];
} proflite_span;

typedef struct proflite_stats {
    size_t size;      /* set to sizeof(proflite_stats) by the caller */
    uint64_t samples; /* stored so far */
    uint64_t lost;    /* asked for and not stored, all reasons */
    uint64_t chunks;  /* written to the store */
    int running;      /* 1 while sampling */
} proflite_stats;

#ifndef PROFLITE_DISABLE

/* Set up: read options, open the store. Starts no thread and touches no signal unless
 * auto_start or control want it. `options` may be NULL. Returns ALREADY when set up
 * before (nothing changes, but auto_start is tried again if it did not succeed yet in
 * this process). */
PROFLITE_API int proflite_init(const proflite_options *options);

/* Begin sampling all threads. ALREADY when running, here or from outside by
 * `proflite record`. OFF when not set up, this session was not sampled, or the
 * lifecycle is trace. A start after a stop is a new profiler id.
 *
 * The child of a fork is set up as its parent was, without its spans, and records from
 * its own first start, span (trace) or auto-start on, in the same store, under an id
 * of its own. */
PROFLITE_API int proflite_start(void);

/* Stop sampling and write what is left. Blocks until it is in the store. OK when
 * nothing runs; IO when some of it could not be written. OFF as for start. */
PROFLITE_API int proflite_stop(void);

/* Label this thread's samples from now on: `proflite top --label KEY=VALUE`. A NULL
 * value takes the label back. Copies both: keys of up to 63 bytes, values of up to
 * 255, 16 labels a thread. OFF when not set up or not sampled; INVALID without a key
 * or beyond 16. About as cheap as copying the text; a label costs nothing per sample
 * while it stays. */
PROFLITE_API int proflite_label_set(const char *key, const char *value);

/* Begin and end a piece of this thread's work. Its samples carry the label `span` with
 * the name (up to 127 bytes) of each span that is open. One begun while the thread has
 * none open is a root: its samples also carry `transaction`, its name, and `trace`,
 * its trace id and span id in hex with a dash between. In the trace lifecycle root
 * spans of any thread start the sampling, and it ends one interval after the last of
 * them, unless another has begun.
 *
 * 32 spans deep; what is begun deeper is not recorded. Any thread may end a span, any
 * number of times, in any order, after a stop, a fork or a close, too: only the first
 * end of an open span counts. Samples of a blocked thread whose span another thread
 * ends show that when it runs again. */
PROFLITE_API proflite_span proflite_span_begin(const char *name);
PROFLITE_API void proflite_span_end(proflite_span span);

/* Name this thread in profiles (up to 63 bytes), whatever the kernel calls it.
 * OFF as for labels. */
PROFLITE_API int proflite_thread_name(const char *name);

/* Write what was sampled so far; waits at most `timeout_ms`.
 * IO when it took longer or the store refused it. */
PROFLITE_API int proflite_flush(int timeout_ms);

/* Stop, then undo proflite_init; labels and spans are over. Also done at exit. */
PROFLITE_API void proflite_close(void);

/* The control file (option `control`): while set up, in the manual lifecycle, a change
 * of it is noticed within half a second and its first word is done: `start` or `stop`,
 * as the calls of these names. Anything else in it does nothing. It has to be a
 * regular file of at most 64 bytes that belongs to the program's effective user or to
 * root and that nobody else may write; any other is not looked at. */

/* 32 hex digits naming the running session, or NULL when none runs. Valid until
 * the next start, stop or close. */
PROFLITE_API const char *proflite_profiler_id(void);

/* Why the last call of this process that failed did; "" if none. Static. */
PROFLITE_API const char *proflite_last_error(void);

PROFLITE_API int proflite_get_stats(proflite_stats *stats_out);

#else /* PROFLITE_DISABLE */

static inline int proflite_init(const proflite_options *options)
{
    (void)options;
    return PROFLITE_OFF;
}
static inline int proflite_start(void)
{
    return PROFLITE_OFF;
}
static inline int proflite_stop(void)
{
    return PROFLITE_OFF;
}
static inline int proflite_label_set(const char *key, const char *value)
{
    (void)key;
    (void)value;
    return PROFLITE_OFF;
}
static inline proflite_span proflite_span_begin(const char *name)
{
    proflite_span none = {0, 0, {0}, {0}};
    (void)name;
    return none;
}
static inline void proflite_span_end(proflite_span span)
{
    (void)span;
}
static inline int proflite_thread_name(const char *name)
{
    (void)name;
    return PROFLITE_OFF;
}
static inline int proflite_flush(int timeout_ms)
{
    (void)timeout_ms;
    return PROFLITE_OFF;
}
static inline void proflite_close(void)
{
}
static inline const char *proflite_profiler_id(void)
{
    return NULL;
}
static inline const char *proflite_last_error(void)
{
    return "";
}
static inline int proflite_get_stats(proflite_stats *stats_out)
{
    (void)stats_out;
    return PROFLITE_OFF;
}

#endif /* PROFLITE_DISABLE */

#ifdef __cplusplus
}
#endif
#endif
