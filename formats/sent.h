/* A profile as an SDK sent it: plain arrays, indexes as sent, nothing judged yet.
 *
 *   bytes -> sent_parse.c (JSON) -> struct pl_sent -> sent_check.c
 *                 android_trace.c (ART method trace) --^
 *
 * Texts are offsets into `strings` (0: "" or not there). */
#ifndef PL_FORMATS_SENT_H
#define PL_FORMATS_SENT_H

#include "base/error.h"
#include "base/id.h"
#include "formats/strings.h"

struct pl_sent_frame {
    uint32_t function, file, path, module, package, platform; /* texts */
    uint32_t line, column;                                    /* 0 unknown */
    uint64_t address;                                         /* of the instruction */
    bool has_function, has_address;
    int8_t in_app; /* 1, 0, -1 not said */
};

struct pl_sent_sample {
    int64_t at_ns; /* Unix, or since the start (v1) */
    uint32_t stack, thread;
};

struct pl_sent_stack {
    uint32_t first, count; /* of `indexes`: frames, leaf first */
};

struct pl_sent_thread {
    uint32_t id, name;
    uint32_t after; /* the thread that was named after this one last time */
    int64_t tid;    /* id as a number, or made from it */
    size_t samples;
};

struct pl_sent_image {
    uint32_t type, code_file, code_id, debug_file, debug_id;
    uint64_t address, size, vmaddr;
};

struct pl_sent_measurement {
    uint32_t name, unit, value;
    int64_t at_ns;
};

/* A method trace of Android that Relay has put into words. */
struct pl_sent_method {
    uint32_t id, class_name, name, signature, file; /* texts, but for the id */
    uint32_t line;                                  /* 0 unknown */
};

struct pl_sent_event {
    uint32_t method; /* id */
    uint32_t at_us;  /* since the start */
    uint16_t tid;
    bool leaves; /* the method; else it is entered */
};

#define PL_SENT_THREADS 8192 /* most of them */

enum pl_sent_kind {
    PL_SENT_CHUNK,    /* item profile_chunk */
    PL_SENT_WITH_TXN, /* item profile: of one transaction */
    PL_SENT_TASK      /* one of them, by whether it has a profiler_id; known when it
                         was parsed */
};

struct pl_sent {
    enum pl_sent_kind kind;
    struct pl_budget budget;
    struct pl_strings strings;

    struct pl_sent_frame *frames;
    size_t frame_count, frame_cap;
    uint32_t *indexes;
    size_t index_count, index_cap;
    struct pl_sent_stack *stacks;
    size_t stack_count, stack_cap;
    struct pl_sent_sample *samples;
    size_t sample_count, sample_cap;
    size_t embedded_samples; /* of them: JavaScript's in a profile of Android */
    struct pl_sent_thread *threads;
    size_t thread_count, thread_cap;
    uint16_t thread_at[PL_SENT_THREADS]; /* hash of an id -> its thread, perhaps */
    uint32_t last_thread;                /* named */
    struct pl_sent_image *images;
    size_t image_count, image_cap;
    struct pl_sent_measurement *measurements;
    size_t measurement_count, measurement_cap;

    /* texts */
    uint32_t version, platform, release, environment, dist, sdk, timestamp, build_id;
    uint32_t architecture, os_name, os_version, os_build, model, manufacturer, locale;
    uint32_t transaction_name, transaction_id, trace_id, active_thread;
    uint32_t device_class;
    bool has_transaction, emulator_said, has_profile;
    bool has_other_profile;   /* `profile` has keys that are not read */
    bool has_images;          /* a list of them in debug_meta, if only an empty one */
    bool has_debug_meta_keys; /* something else in debug_meta */
    bool has_id, has_profiler_id, bad_ids; /* bad: there, and not 32 hex digits */
    struct pl_id id, profiler_id;          /* chunk or event, session */
    bool has_event_id;                     /* of PL_SENT_TASK, until it is parsed */
    struct pl_id event_id;

    /* android: an ART method trace, base64 as sent; owned */
    char *trace;
    size_t trace_len;
    bool from_task; /* it went through Relay, and may have the trace in words: */
    struct pl_sent_method *methods;
    size_t method_count, method_cap;
    struct pl_sent_event *events;
    size_t event_count, event_cap;
    int64_t trace_start_ns; /* Unix; 0 unknown */
    int64_t duration_ns;    /* as said; 0 not */
    int64_t start_ns;       /* Unix, of the whole; 0 unknown */

    bool malformed_samples; /* a sample without time, stack or thread */
    bool malformed_stacks;
};

/* `limit`: bytes of memory it may take, strings and arrays together. */
void pl_sent_init(struct pl_sent *profile, enum pl_sent_kind kind, size_t limit);
void pl_sent_deinit(struct pl_sent *profile);

/* Samples, stacks and frames go; their counts, threads and texts stay. */
void pl_sent_forget(struct pl_sent *profile);

/* "" for 0. */
const char *pl_sent_text(const struct pl_sent *profile, uint32_t at);

/* It has a method trace, and so times that count from its start. */
static inline bool pl_sent_is_traced(const struct pl_sent *profile)
{
    return profile->trace_len || profile->event_count;
}

/* Thread of that id; added if it is new. UINT32_MAX: over the budget. */
uint32_t pl_sent_thread(struct pl_sent *profile, const char *id, size_t len);

/* ---- parsing: JSON by the piece ---- */

struct pl_sent_parser;

PL_MUST_CHECK enum pl_status pl_sent_parser_new(struct pl_sent *profile,
                                                struct pl_sent_parser **out,
                                                struct pl_error *err);
void pl_sent_parser_free(struct pl_sent_parser *parser); /* NULL is fine */
/* Errors  INPUT, not JSON or not of this shape; a budget exceeded is INPUT, too, and
 * said in profile->budget. */
PL_MUST_CHECK enum pl_status pl_sent_parser_feed(struct pl_sent_parser *parser,
                                                 const void *bytes, size_t len,
                                                 struct pl_error *err);
PL_MUST_CHECK enum pl_status pl_sent_parser_finish(struct pl_sent_parser *parser,
                                                   struct pl_error *err);

/* What a task payload was for is known now: to be called when it is parsed, or cannot
 * be. */
void pl_sent_settle(struct pl_sent *profile);

/* ---- judging ---- */

/* Complete and check a parsed profile: times become Unix times, samples sorted by
 * thread and time. NULL when it is good; else the reason it is rejected for, as
 * Sentry's Relay names it ("profiling_malformed_stacks"). `item_platform` is of the
 * item header, "" if it said none; `received_ns` stands in for a missing start. */
const char *pl_sent_check(struct pl_sent *profile, const char *item_platform,
                          int64_t received_ns);

/* No samples, nor anything of what they need: `profile` is missing or as good as
 * empty. One with keys that are not read is not. */
bool pl_sent_is_bare(const struct pl_sent *profile);

/* The same for one that is bare, which the task takes and Relay does not. */
const char *pl_sent_check_bare(struct pl_sent *profile, int64_t received_ns);

/* "profile", "profile_chunk" or "profile_chunk_ui". */
const char *pl_sent_category(enum pl_sent_kind kind, const char *platform);

/* "sample_v1", "sample_v2", "android_chunk" or "legacy". */
const char *pl_sent_format(const struct pl_sent *profile);

#endif
