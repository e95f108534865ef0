/* Inside of the journal: what its files share. */
#ifndef PL_COLLECTOR_JOURNAL_STATE_H
#define PL_COLLECTOR_JOURNAL_STATE_H

#include "collector/journal.h"
#include "collector/journal_wire.h"

/* Append one operation to what is pending. */
void pl_journal_put(struct pl_journal *journal, struct pl_journal_op op,
                    const void *body, size_t bytes);
/* Those of the tables that are not in the journal yet. */
void pl_journal_stacks(struct pl_journal *journal, const struct pl_stacks *stacks);
void pl_journal_labels(struct pl_journal *journal, const struct pl_label_sets *labels);
void pl_journal_put_module(struct pl_journal *journal,
                           const struct pl_drain_module *module);

/* All of the session: what a reader needs to go on from here. */
void pl_journal_put_state(struct pl_journal *journal, struct pl_drain_session *session);

#endif
