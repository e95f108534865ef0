/* Salvage: what recorders left that died before the store had it.
 *
 *   folder <db>-journal.d/<id>/ without a living owner
 *     journals ─▶ sessions, as far as they had been drained ─▶ the segments they were
 *     read from, where those still are ─▶ timeline, chunk, sink, as ever
 *
 * Exactly once: a window of a session has the same chunk id whoever builds it, and a
 * sink knows what it has. Nothing is removed, nor written to a segment, before the
 * sink has all of a recorder; whoever is killed on the way leaves all of it to the
 * next. Threads  one a process. */
#ifndef PL_COLLECTOR_SALVAGE_H
#define PL_COLLECTOR_SALVAGE_H

#include "base/error.h"
#include "store/chunk_sink.h"

#include <stdint.h>

struct pl_salvage_result {
    unsigned recorders, sessions;
    uint64_t samples, lost; /* those the sink has now and may have had before */
    unsigned refused;       /* journals that made no sense, set aside */
};

/* Put all that is left of dead recorders of the store `db` into it. A few system calls
 * when there is nothing; the store is opened only for what there is. Programs that
 * still run are told to stop sampling; their sessions end as abandoned.
 * Errors  the store's, after which all is left as it was; IO, NOMEM. */
PL_MUST_CHECK enum pl_status
pl_salvage(const char *db, struct pl_salvage_result *result_out, struct pl_error *err);

/* The same through a sink of the caller's. */
PL_MUST_CHECK enum pl_status pl_salvage_into(const char *db,
                                             const struct pl_chunk_sink *sink,
                                             struct pl_salvage_result *result_out,
                                             struct pl_error *err);

#endif
