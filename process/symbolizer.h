/* Symbolizer: the parent's side of the symbol worker (process/worker.h).
 *
 * Starts the worker when first asked, keeps it for the next question, and
 * replaces it when it crashed or took too long. The module it failed on is
 * remembered as failed until the symbolizer is closed. */
#ifndef PL_PROCESS_SYMBOLIZER_H
#define PL_PROCESS_SYMBOLIZER_H

#include "base/error.h"

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
    const char *debug_root; /* NULL: /usr/lib/debug; copied */
    int timeout_ms;         /* of one question; 0: 60 s */
    int cpu_seconds;        /* of one question; 0: 30 */
    uint64_t memory_bytes;  /* of the worker besides the files it reads; 0: 1 GiB */
};

struct pl_symbolizer;

/* `options` may be NULL. Starts nothing yet. Errors  NOMEM. */
PL_MUST_CHECK enum pl_status
pl_symbolizer_open(const struct pl_symbolizer_options *options,
                   struct pl_symbolizer **symbolizer_out, struct pl_error *err);
void pl_symbolizer_close(struct pl_symbolizer *symbolizer); /* NULL is fine */

/* As enum pl_image_status, told apart by the parent. */
enum pl_module_status {
    PL_MODULE_FOUND,
    PL_MODULE_UNKNOWN,   /* nothing to look for */
    PL_MODULE_MISSING,   /* no file of this build */
    PL_MODULE_MALFORMED, /* not an ELF file */
};

/* Why there is no answer at all. */
enum pl_symbolizer_failure {
    PL_SYMBOLIZER_OK,
    PL_SYMBOLIZER_CRASHED,  /* the worker died or talked nonsense over this module */
    PL_SYMBOLIZER_TIMEOUT,  /* it took too long, by the clock or in CPU time */
    PL_SYMBOLIZER_NO_START, /* no worker to be had */
};

struct pl_resolved_name {
    const char *function, *file; /* file "" unknown */
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
    void *owned;
};

/* Look `addresses` (ELF virtual addresses, adjusted by the caller) up in one
 * module. A failure of the worker is a result, not an error.
 * Ownership  caller deinits `resolved_out`.  Errors  NOMEM.
 * Threads    one at a time for each symbolizer. */
PL_MUST_CHECK enum pl_status pl_symbolizer_ask(struct pl_symbolizer *symbolizer,
                                               const char *path, const char *build_id,
                                               const uint64_t *addresses, size_t count,
                                               struct pl_resolved *resolved_out,
                                               struct pl_error *err);
void pl_resolved_deinit(struct pl_resolved *resolved);

#endif
