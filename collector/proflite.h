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

enum proflite_result {
    PROFLITE_OK = 0,
    PROFLITE_ALREADY = 1,      /* already set up, or already running: nothing done */
    PROFLITE_INVALID = -1,     /* an option makes no sense */
    PROFLITE_IO = -2,          /* store or shared memory not to be had */
    PROFLITE_UNSUPPORTED = -3, /* this machine cannot do it */
    PROFLITE_OFF = -4,         /* not set up, or not sampled: nothing done */
};

/* Fill with PROFLITE_OPTIONS_INIT, then set what matters. Where each option's
 * value comes from, first match wins:
 *
 *   field         environment           default
 *   db            PROFLITE_DB           $XDG_DATA_HOME/proflite/proflite.db
 *   app           PROFLITE_APP          the program's file name
 *   release       PROFLITE_RELEASE      none
 *   environment   PROFLITE_ENVIRONMENT  none
 *   dist          PROFLITE_DIST         none
 *   hz            PROFLITE_HZ           101
 *   mode          PROFLITE_MODE         wall ("wall" or "cpu")
 *   session_sample_rate  PROFLITE_SESSION_SAMPLE_RATE  1.0
 *
 * Text is stored without blanks at its ends; nothing but blanks is none. A
 * set-user-ID or set-group-ID program ignores the environment and must set `db`. */
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
} proflite_options;

#define PROFLITE_OPTIONS_INIT                                                          \
    {                                                                                  \
        sizeof(proflite_options), NULL, NULL, NULL, NULL, NULL, 0,                     \
            PROFLITE_MODE_DEFAULT, -1.0                                                \
    }

typedef struct proflite_stats {
    size_t size;      /* set to sizeof(proflite_stats) by the caller */
    uint64_t samples; /* stored so far */
    uint64_t lost;    /* asked for and not stored, all reasons */
    uint64_t chunks;  /* written to the store */
    int running;      /* 1 while sampling */
} proflite_stats;

#ifndef PROFLITE_DISABLE

/* Set up: read options, open the store. Starts no thread, touches no signal.
 * `options` may be NULL. Returns ALREADY when set up before (nothing changes). */
PROFLITE_API int proflite_init(const proflite_options *options);

/* Begin sampling all threads. ALREADY when running, here or from outside by
 * `proflite record`. OFF when not set up or this session was not sampled. A start
 * after a stop is a new profiler id.
 *
 * The child of a fork is set up as its parent was and records from its own start
 * on, in the same store, under an id of its own. */
PROFLITE_API int proflite_start(void);

/* Stop sampling and write what is left. Blocks until it is in the store. OK when
 * nothing runs; IO when some of it could not be written. */
PROFLITE_API int proflite_stop(void);

/* Write what was sampled so far; waits at most `timeout_ms`.
 * IO when it took longer or the store refused it. */
PROFLITE_API int proflite_flush(int timeout_ms);

/* Stop, then undo proflite_init. Also done at exit. */
PROFLITE_API void proflite_close(void);

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
