/* Drain: everything of the collector that happens outside the profiled threads.
 *
 * Watches a recording folder, attaches to segments as they appear, merges their
 * events and stacks tick by tick, compiles unwind rows for modules that need
 * them, unwinds shipped stacks with libunwind, cuts chunks and hands them to a
 * sink. Used by `proflite record` (another process) and by the linked library
 * (a thread of the app): nothing here can block a profiled thread. */
#ifndef PL_COLLECTOR_DRAIN_H
#define PL_COLLECTOR_DRAIN_H

#include "base/error.h"
#include "store/chunk_sink.h"

#include <stdint.h>
#include <sys/types.h>

struct pl_drain;

struct pl_drain_options {
    const char *dir; /* the recording folder; must exist */
    struct pl_id recording_id;
    const char *app;                          /* NULL: each segment's own name */
    const char *release, *environment, *dist; /* nullable */
    const char *in_app_include, *in_app_exclude, *project_root; /* likewise */
    int64_t chunk_ns;                                           /* 0: 60 s */
    const char *db;      /* the store the sink writes, for a journal beside it; NULL:
                            none is kept */
    size_t memory_bytes; /* for what is not in the store yet; 0: 128 MiB */
    const char
        *keep_dir;    /* where unwind rows outlive the recording; NULL: they do not */
    bool sink_thread; /* the sink is called from a thread of its own, while steps go on
                       */
    void (*sink_idle)(void *sink_self); /* by whoever calls it, after each round */
};

struct pl_drain_stats {
    uint64_t samples, lost, chunks, sessions;
    uint64_t unwritten;                 /* samples the sink has refused so far */
    uint64_t processes;                 /* segments attached now */
    uint64_t walks_complete, walks_cut; /* stacks that reach the root, and not */
};

/* A file in the recording folder: the path of the folder with its journals, which
 * `owner` there tells more of. */
#define PL_RECORDING_NOTE "journal"

/* Why no journal is kept, "" when one is or none was asked for. Recording goes on. */
const char *pl_drain_journal_trouble(const struct pl_drain *drain);

/* The sink has everything. Until then the recording folder has to stay. */
bool pl_drain_is_written(struct pl_drain *drain);

/* Ownership  copies options, borrows the sink until close. */
PL_MUST_CHECK enum pl_status pl_drain_open(const struct pl_drain_options *options,
                                           const struct pl_chunk_sink *sink,
                                           struct pl_drain **drain_out,
                                           struct pl_error *err);

/* Make the unwind rows of a program that is about to be started, so that its first
 * stacks need not be shipped whole. Doing without is fine. */
void pl_drain_prepare(struct pl_drain *drain, const char *program);

/* One round: attach, read, seal what is due. Bounded work, some 10 us when idle:
 * call it after every pl_drain_pause_ms, or each 20-100 ms.
 * A sink that fails keeps its part for the next round (memory bounded; what no
 * longer fits is counted as lost). Errors  the sink's (with a thread: those of the
 * round before), after which going on is fine. */
PL_MUST_CHECK enum pl_status pl_drain_step(struct pl_drain *drain,
                                           struct pl_error *err);

/* As a step, then seal what is there of the open chunks: all that was captured
 * before the call has been handed to the sink when it returns OK. Sampling goes on;
 * the next part belongs to the next chunk or the same one, as the drain sees fit. */
PL_MUST_CHECK enum pl_status pl_drain_flush(struct pl_drain *drain,
                                            struct pl_error *err);

/* The thread that calls the sink; 0 if the drain's caller does. */
int pl_drain_sink_tid(const struct pl_drain *drain);

/* Milliseconds to wait before the next step: short while a program has just begun
 * and its stacks are large (shipped whole until rows are made), else longer. */
int pl_drain_pause_ms(const struct pl_drain *drain);

/* What the caller knows of a process it waited for; else death is found out by
 * the drain itself and told apart as far as the segment says. */
void pl_drain_process_ended(struct pl_drain *drain, pid_t pid, int wait_status);

/* Tell all segments to stop, read what is there, seal all open chunks, end all
 * sessions (still running ones as abandoned). */
PL_MUST_CHECK enum pl_status pl_drain_finish(struct pl_drain *drain,
                                             struct pl_error *err);

void pl_drain_get_stats(struct pl_drain *drain, struct pl_drain_stats *stats_out);
/* Stacks whose walk ended so (enum pl_walk_end of segment.h). */
uint64_t pl_drain_walk_count(const struct pl_drain *drain, unsigned end);
void pl_drain_close(struct pl_drain *drain); /* NULL is fine */

/* Make a recording folder under the shared-memory file system; `dir_out` gets
 * its path. Folders of recordings whose owner died, that have no journal and whose
 * segments nobody writes any more are removed on the way. */
PL_MUST_CHECK enum pl_status pl_recording_dir_make(const struct pl_id *recording_id,
                                                   char *dir_out, size_t dir_size,
                                                   struct pl_error *err);
void pl_recording_dir_remove(const char *dir);

#endif
