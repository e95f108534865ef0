/* The processing pass: raw chunk -> readable chunk.
 *
 *   intake ─▶ sampled check ─▶ metadata ─▶ symbolicate ─▶ deobfuscate ─▶ normalize
 *          ─▶ outcome
 *
 * Each step is one transaction together with its flag, the last one of several
 * chunks, so the pass may be killed at any instruction and run again: steps whose
 * flag is set are passed by, a chunk gets exactly one outcome. A failing or slow
 * symbolication keeps the chunk, with the error stored beside it; only data that a
 * step cannot read rejects it.
 *
 * Symbolicated is what Sentry symbolicates: our own recordings, and what SDKs for
 * cocoa, rust, javascript and node sent. Without debug_meta, or without samples,
 * that is counted and the flag stays unset; debug_meta without images rejects.
 *
 * Then hours and days nobody writes to any more are summed up (store/rollup.h).
 *
 * One process at a time runs the pass on a file, under a lease in the store. */
#ifndef PL_PROCESS_PASS_H
#define PL_PROCESS_PASS_H

#include "process/normalize.h"
#include "process/pass_counters.h"
#include "process/symbol_places.h"
#include "process/symbolizer.h"
#include "store/store.h"

#include <stdatomic.h>

struct pl_pass_options {
    struct pl_symbolizer_options symbols;
    struct pl_places_options places;
    struct pl_normalize_options normalize;
    int symbolicate_ms;      /* most time for one chunk's names; 0: 15 min */
    int retention_days;      /* noted with what is normalized; 0: 90 */
    bool redo;               /* first mark every chunk as not symbolicated, and ask
                                again for frames that have names */
    const atomic_bool *stop; /* nullable: true ends the pass after this chunk */
    void (*progress)(void *self, uint64_t chunks_done); /* nullable */
    void *progress_self;
    /* nullable: brings one thing in that waits outside the chunks; NOT_FOUND when
     * nothing does. Called under the lease, before chunks are looked for. */
    enum pl_status (*intake)(void *self, struct pl_error *err);
    void *intake_self;
};

struct pl_pass;

/* Ownership  borrows store, options and what they point to until close. Keeps its
 * symbol worker from one run to the next.  Threads  those of the store. */
PL_MUST_CHECK enum pl_status pl_pass_open(struct pl_store *store,
                                          const struct pl_pass_options *options,
                                          struct pl_pass **pass_out,
                                          struct pl_error *err);
void pl_pass_close(struct pl_pass *pass); /* NULL is fine */

/* Everything there is to do now; OK when that is nothing.
 * Errors  BUSY another process runs the pass; IO; NOMEM. What was done stays. */
PL_MUST_CHECK enum pl_status pl_pass_run(struct pl_pass *pass, struct pl_error *err);

const struct pl_pass_counters *pl_pass_counters(const struct pl_pass *pass);

#endif
