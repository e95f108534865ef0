/* Recorder: one run of the linked collector, from start to stop.
 *
 *   host threads ─▶ capture (segment in shared memory)
 *                       │
 *   drain thread "proflite" ─▶ pl_drain_* ─▶ store, opened for each write
 *
 * The store is open only while the drain thread writes to it: a fork at any other
 * moment finds no SQLite handle to inherit, and one during a write waits for it or
 * leaves a child that never opens a store (pl_recorder_fork_*).
 *
 * Threads  pl_recorder_* of one recorder: one at a time (collector.c's lock), but
 * for pl_recorder_flush_end. */
#ifndef PL_COLLECTOR_RECORDER_H
#define PL_COLLECTOR_RECORDER_H

#include "base/error.h"
#include "base/id.h"
#include "collector/drain.h"
#include "collector/settings.h"

struct pl_recorder;

/* Make the drain thread and begin to sample, all but our own threads and `hidden_tid`
 * (0: none). Borrows settings until stop. Errors  IO, NOMEM, UNSUPPORTED; nothing is
 * left behind. */
PL_MUST_CHECK enum pl_status pl_recorder_start(const struct pl_settings *settings,
                                               const struct pl_id *recording_id,
                                               int hidden_tid,
                                               struct pl_recorder **recorder_out,
                                               struct pl_error *err);

/* Stop sampling, write what is left, end the thread, free all. The error tells
 * what could not be written; the recorder is gone in any case. */
PL_MUST_CHECK enum pl_status pl_recorder_stop(struct pl_recorder *recorder,
                                              struct pl_drain_stats *stats_out,
                                              struct pl_error *err);

/* Have everything sampled so far written, in two halves: the first under the lock
 * that keeps the recorder alive, the second without it (a stop meanwhile waits).
 * Errors  BUSY not within `timeout_ms`; the sink's. */
void pl_recorder_flush_begin(struct pl_recorder *recorder);
PL_MUST_CHECK enum pl_status pl_recorder_flush_end(struct pl_recorder *recorder,
                                                   int timeout_ms,
                                                   struct pl_error *err);

void pl_recorder_get_stats(struct pl_recorder *recorder,
                           struct pl_drain_stats *stats_out);
const struct pl_id *pl_recorder_id(const struct pl_recorder *recorder);

/* Open and close the store once, to know that it can be. */
PL_MUST_CHECK enum pl_status pl_recorder_check_store(const char *path,
                                                     struct pl_error *err);

/* Around fork, from pthread_atfork handlers. In the child no recorder exists. */
void pl_recorder_fork_prepare(void);
void pl_recorder_fork_parent(void);
void pl_recorder_fork_child(void);

#endif
