/* Symbolizer: the parent's side of the symbol worker (process/worker.h).
 *
 * Starts the worker when first asked, keeps it for the next question, and
 * replaces it when it crashed or took too long. The module it failed on is
 * remembered as failed until the symbolizer is closed. */
#ifndef PL_PROCESS_SYMBOLIZER_H
#define PL_PROCESS_SYMBOLIZER_H

#include "base/error.h"
#include "process/lookup.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum pl_worker_start {
    PL_WORKER_EXEC, /* run this program again with PL_WORKER_ARGUMENT; its main must
                       call pl_symbols_worker_main then. Fit for any caller. */
    PL_WORKER_FORK, /* fork only: single-threaded callers without such a main (tests) */
};

struct pl_symbolizer_options {
    enum pl_worker_start start;
    int timeout_ms;        /* of one question; 0: 60 s */
    int cpu_seconds;       /* of one question; 0: 30 */
    uint64_t memory_bytes; /* of the worker besides the files it reads; 0: 1 GiB */
};

struct pl_symbolizer;

/* `options` may be NULL. Starts nothing yet. Errors  NOMEM. */
PL_MUST_CHECK enum pl_status
pl_symbolizer_open(const struct pl_symbolizer_options *options,
                   struct pl_symbolizer **symbolizer_out, struct pl_error *err);
void pl_symbolizer_close(struct pl_symbolizer *symbolizer); /* NULL is fine */

/* Whatever is asked from now on has to be answered by then (pl_clock_mono_ns); 0: each
 * question has only its own time. What comes later is a TIMEOUT without being asked. */
void pl_symbolizer_limit(struct pl_symbolizer *symbolizer, int64_t deadline_ns);
/* How long that is from now, at least 0; INT64_MAX: there is no such limit. */
int64_t pl_symbolizer_left_ms(const struct pl_symbolizer *symbolizer);

/* As enum pl_image_status, told apart by the parent. */
enum pl_module_status {
    PL_MODULE_FOUND,
    PL_MODULE_UNKNOWN,         /* nothing to look for */
    PL_MODULE_MISSING,         /* no file of this build */
    PL_MODULE_MALFORMED,       /* not what it should be */
    PL_MODULE_UNSUPPORTED,     /* nobody here reads such files */
    PL_MODULE_FETCHING_FAILED, /* a server that was asked is in trouble */
    PL_MODULE_TIMEOUT,         /* or too slow; of these two no worker speaks */
};

/* Why there is no answer at all. */
enum pl_symbolizer_failure {
    PL_SYMBOLIZER_OK,
    PL_SYMBOLIZER_CRASHED,  /* the worker died over this module */
    PL_SYMBOLIZER_NONSENSE, /* it answered what is not to be believed */
    PL_SYMBOLIZER_TIMEOUT,  /* it took too long, by the clock or in CPU time */
    PL_SYMBOLIZER_NO_START, /* no worker to be had */
};

struct pl_resolved_name {
    const char *function, *file; /* file "" unknown */
    const char *module;          /* of its own (a class); "" the one asked for */
    uint32_t decl_line, line, column;
};

struct pl_resolved_frame {
    const struct pl_resolved_name *names; /* outermost first */
    size_t name_count;                    /* 0: nothing known */
    bool anonymous; /* the one name is module+0x<start of the function> */
};

struct pl_resolved {
    enum pl_symbolizer_failure failure;
    enum pl_module_status module;
    char message[256];                /* why not, "" if found */
    struct pl_resolved_frame *frames; /* one for each address, in their order */
    size_t frame_count;               /* 0 after a failure */
    bool lacks_debug;                 /* a file with more in it could help */
    void *owned;
};

/* Where to look for the files of a question. */
struct pl_symbol_place {
    enum pl_place_kind kind;
    const char
        *text; /* path of a folder; of a file, what names its contents for good */
    /* Of PL_PLACE_FILE and PL_PLACE_MINIFIED: called when the worker wants it, perhaps
     * more than once. The descriptor is closed here. */
    enum pl_status (*open)(void *self, int64_t id, int *fd_out, struct pl_error *err);
    void *self;
    int64_t id;
};

struct pl_symbol_question {
    enum pl_lookup_kind kind;
    const char *path;     /* as the module calls itself; "" unknown */
    const char *build_id; /* or what the kind calls a file by; "" unknown */
    const struct pl_symbol_place *places;
    size_t place_count; /* at most PL_SYMBOL_PLACES are looked at */
    const struct pl_lookup_key *keys;
    size_t key_count;
};
#define PL_SYMBOL_PLACES 32

/* Look the keys up in the files of one module, map or mapping. A failure of the worker
 * is a result, not an error; so is a file that cannot be opened (MISSING). Ownership
 * caller deinits `resolved_out`.  Errors  NOMEM. Threads    one at a time for each
 * symbolizer. */
PL_MUST_CHECK enum pl_status
pl_symbolizer_ask(struct pl_symbolizer *symbolizer,
                  const struct pl_symbol_question *question,
                  struct pl_resolved *resolved_out, struct pl_error *err);
void pl_resolved_deinit(struct pl_resolved *resolved);

#endif
