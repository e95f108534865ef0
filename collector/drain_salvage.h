/* Inside of the drain: how salvage.c drives one. */
#ifndef PL_COLLECTOR_DRAIN_SALVAGE_H
#define PL_COLLECTOR_DRAIN_SALVAGE_H

#include "collector/journal_folder.h"

/* A drain that goes on where a dead one left off: it reads journals and segments of
 * the folder, and changes neither. The recording folder may be gone.
 * pl_drain_finish does the work, pl_drain_close leaves all files as they are. */
PL_MUST_CHECK enum pl_status pl_drain_open_salvage(const struct pl_journal_owner *owner,
                                                   const struct pl_chunk_sink *sink,
                                                   struct pl_drain **drain_out,
                                                   struct pl_error *err);

/* Take over a session from its journal. Errors  as pl_journal_replay. */
PL_MUST_CHECK enum pl_status pl_drain_adopt(struct pl_drain *drain, int journal_fd,
                                            const char *name, struct pl_error *err);

/* The store has all of that session: leave its segment alone. */
void pl_drain_skip(struct pl_drain *drain, const struct pl_id *session_id);

#endif
