/* Chunk sink: the one door from CHUNK to STORE.
 *
 * The collector's drain (and later importers) hand over sealed parts of chunks
 * through this struct of functions and know nothing of SQLite. Everything a
 * part refers to by index (modules, frames, stacks, threads) is in the part:
 * a sink keeps no state a caller must mirror. All pointers are borrowed for the
 * duration of the call. All text is UTF-8 or anything (hostile); sinks clean it. */
#ifndef PL_STORE_CHUNK_SINK_H
#define PL_STORE_CHUNK_SINK_H

#include "base/error.h"
#include "base/id.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PL_NO_INDEX UINT32_MAX

struct pl_sink_session {
    struct pl_id id;           /* the profiler id */
    struct pl_id recording_id; /* shared by all processes of one `record` or init */
    struct pl_id parent_id;    /* all zero: none */
    const char *app;
    const char *release; /* nullable, like all below */
    const char *environment;
    const char *dist;
    const char *in_app_include, *in_app_exclude; /* prefixes, with commas between */
    const char *project_root;
    const char *host;
    const char *platform; /* "native" */
    const char *mode;     /* "wall" or "cpu" */
    int64_t pid;          /* 0 unknown */
    int64_t start_ns;     /* Unix */
    int64_t project_id;   /* whose; 0: recorded on this machine */
};

struct pl_sink_module {
    const char *path;
    const char *build_id; /* hex, "" if none */
    const char *debug_id; /* nullable */
    const char *kind;     /* "macho", "pe", ...; nullable or "": ELF, or none said */
};

/* Native: module + address as captured. Otherwise: module PL_NO_INDEX and a
 * function name given by the source (interpreter frame, pseudo frame); with a module
 * too, the function is that module's. */
struct pl_sink_frame {
    uint32_t module;      /* index into modules, or PL_NO_INDEX */
    bool exact;           /* address is the instruction itself (leaf, or interrupted by
                             a signal), not a return address: look it up unadjusted */
    uint64_t address;     /* ELF virtual address in the module; absolute without one */
    const char *function; /* NULL for native frames */
    const char *file;
    uint32_t line;
    uint32_t column;
    const char *platform; /* NULL: the session's */
    int8_t in_app;        /* 1, 0, -1 unknown */
    uint32_t code; /* with a function: module + 1 of the minified or obfuscated code that
                      its names and line are of; 0: none */
};

struct pl_sink_stack {
    uint32_t frame_count;
    const uint32_t *frames; /* indexes into frames, root first */
};

/* `count` consecutive ticks with one stack. */
struct pl_sink_run {
    uint32_t stack; /* index into stacks; PL_NO_INDEX: no sample at these ticks */
    uint32_t count;
    int8_t on_cpu;     /* 1, 0, -1 unknown */
    int64_t weight_ns; /* of one sample; 0: the part's period */
};

struct pl_sink_thread {
    int64_t tid;
    const char *name; /* "" if unknown */
    /* Runs cover ticks 0..tick_count-1 of the part, or, with times of its own,
     * one entry per sample in `times_ns` (sum of counts entries). */
    const struct pl_sink_run *runs;
    size_t run_count;
    const int64_t *times_ns; /* NULL: the part's ticks; else Unix, ascending */
    int64_t cpu_ns;          /* exact CPU time spent in the part; -1 unknown */
};

struct pl_sink_loss {
    uint32_t thread; /* index into threads, or PL_NO_INDEX: the whole part */
    const char *reason;
    uint64_t count; /* samples */
};

struct pl_sink_label {
    uint32_t thread;
    uint32_t first_tick, count;
    const char *key, *value;
};

/* Where a chunk comes from that was not recorded here. Texts are nullable. */
struct pl_sink_origin {
    const char *event_id;
    const char *platform; /* NULL: the session's */
    const char *format;   /* "sample_v2", ... */
    const char *source;   /* the SDK's name */
    int64_t received_ns;
};

/* At most 60 s, never across an hour of Unix time. */
struct pl_sink_part {
    int64_t project_id;                  /* the session's */
    const struct pl_sink_origin *origin; /* NULL: recorded here */
    struct pl_id session_id;
    struct pl_id chunk_id;
    int64_t start_ns, end_ns; /* Unix; first tick .. last tick + period */
    int64_t period_ns;
    const int64_t *ticks_ns; /* Unix, ascending; INT64_MIN: missed tick */
    size_t tick_count;       /* 0 when every thread has times of its own */
    const struct pl_sink_module *modules;
    size_t module_count;
    const struct pl_sink_frame *frames;
    size_t frame_count;
    const struct pl_sink_stack *stacks;
    size_t stack_count;
    const struct pl_sink_thread *threads;
    size_t thread_count;
    const struct pl_sink_loss *losses;
    size_t loss_count;
    const struct pl_sink_label *labels;
    size_t label_count;
    uint64_t slowed_ticks; /* left out on purpose, to cost less: samples after them
                              weigh more */
};

enum pl_session_state {
    PL_SESSION_LIVE,
    PL_SESSION_ENDED,     /* exited by itself */
    PL_SESSION_CRASHED,   /* ended by a signal that means a fault */
    PL_SESSION_KILLED,    /* ended by another signal, or gone without a word */
    PL_SESSION_ABANDONED, /* still running when recording stopped */
};

/* Calls come from one thread at a time. Each call is durable or has no effect
 * when it returns; after an error the caller may call again with the same part
 * (sinks are idempotent on (session, chunk, start_ns)). */
struct pl_chunk_sink {
    void *self;
    enum pl_status (*session_begin)(void *self, const struct pl_sink_session *session,
                                    struct pl_error *err);
    enum pl_status (*put)(void *self, const struct pl_sink_part *part,
                          struct pl_error *err);
    /* Both or neither. Does somebody look at the newest data? Then the part that is
     * still being made is handed over every few seconds as far as it goes; the next
     * one, or its put, takes its place. Losing one is no loss. */
    bool (*watched)(void *self);
    enum pl_status (*put_live)(void *self, const struct pl_sink_part *part,
                               struct pl_error *err);
    enum pl_status (*session_end)(void *self, const struct pl_id *session_id,
                                  int64_t end_ns, enum pl_session_state state,
                                  int exit_status /* -1 unknown; as a shell counts */,
                                  struct pl_error *err);
};

/* The writer of the store at `path` (created if missing) as a sink of its own, for
 * a caller that knows no more of the store than this header; `durable`: what is
 * written is on the disk (a power cut costs nothing). The caller's thread
 * only.  Errors  as pl_store_open (store/store.h). */
PL_MUST_CHECK enum pl_status pl_chunk_sink_open(const char *path, bool durable,
                                                struct pl_chunk_sink *sink_out,
                                                void **handle_out,
                                                struct pl_error *err);
void pl_chunk_sink_close(void *handle); /* NULL is fine; the sink is gone then */

#endif
