/* One chunk, whole and named: what the store reads (store/chunk_read.h) and formats
 * write (formats/sentry_chunk.h) when it goes to somewhere else.
 *
 * Samples come as stretches: of one thread and stack, laid end to end, each sample as
 * long as it weighs. A time may so differ from the stored one by up to a period, and
 * what lies between the end of a stretch and the thread's next one is time in which
 * nothing was sampled. */
#ifndef PL_BASE_WHOLE_CHUNK_H
#define PL_BASE_WHOLE_CHUNK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PL_CHUNK_NONE UINT32_MAX /* no such index */

struct pl_chunk_stretch {
    uint32_t thread; /* index */
    uint32_t stack;  /* index */
    uint32_t count;  /* samples */
    int64_t start_ns;
    int64_t weight_ns; /* of each sample */
};

struct pl_chunk_thread {
    int64_t id, tid;
    const char *name;
    int64_t end_ns; /* of its last stretch */
};

struct pl_chunk_module {
    int64_t id;
    const char *path, *build_id;
};

/* One function of a frame: the real one first, then those inlined into the one
 * before. */
struct pl_chunk_call {
    const char *function; /* "": nobody found a name */
    const char *file;
    uint32_t line, column;
    uint32_t module; /* index or PL_CHUNK_NONE */
    int8_t in_app;   /* 1, 0, -1 */
};

struct pl_chunk_frame {
    uint32_t first, count; /* of calls */
    uint32_t module;       /* of the address, or PL_CHUNK_NONE */
    bool native;           /* `address` means something */
    uint64_t address;      /* in the module, or absolute */
    const char *platform;  /* "" native */
};

/* The first `keep` frames of `parent`, then its own. Stacks that only are parents of
 * others come along. */
struct pl_chunk_stack {
    uint32_t parent, keep; /* index or PL_CHUNK_NONE */
    uint32_t first, count; /* of own frames in `words`: indexes, root first */
};

/* A label of a thread; of a root span (`trace` not NULL) the whole of it, though it may
 * have begun in an earlier chunk. Only spans that no later chunk knows are told. */
struct pl_chunk_label {
    uint32_t thread;
    int64_t start_ns, end_ns;
    const char *key, *value;
    const char *trace; /* "<trace id>-<span id>"; then `value` is the span's name */
};

struct pl_whole_chunk {
    int64_t id;
    const char *uuid, *session_uuid;
    const char *app, *release, *environment, *dist, *platform, *mode; /* "" none */
    int64_t start_ns, end_ns;
    struct pl_chunk_stretch *stretches; /* by thread and time */
    size_t stretch_count, stretch_cap;
    struct pl_chunk_thread *threads;
    size_t thread_count, thread_cap;
    struct pl_chunk_stack *stacks;
    size_t stack_count, stack_cap;
    uint32_t *words;
    size_t word_count, word_cap;
    struct pl_chunk_frame *frames;
    size_t frame_count;
    struct pl_chunk_call *calls;
    size_t call_count, call_cap;
    struct pl_chunk_module *modules;
    size_t module_count, module_cap;
    struct pl_chunk_label *labels;
    size_t label_count, label_cap;
    int64_t samples;
    void *owned;
};

#endif
