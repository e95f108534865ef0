/* Journal: what the drain of one session has read and the store does not have yet.
 *
 *   folder <db>-journal.d/<id>/         one for each recorder (journal_folder.h)
 *     <session>.journal                 one for each session; append-only
 *
 *   file  = head, batch, batch ...      batch = size, hash, operations
 *   first batch: the whole state of the timeline; each later one: what came in
 *
 * The drain appends operations as it takes events and records in, commits them with
 * one write, and only then gives their room in the segment back. So at any instant
 * everything is in the journal, in the segment, or in the store, and a reader who
 * starts from the journal's own position in the rings counts nothing twice. The hash
 * tells a batch that was being written when its writer died. What the store has is
 * dropped by writing the state anew into another file, which takes the old one's
 * name.
 *
 * Written with pwrite, not mapped: a mapping would turn a file that someone cuts, or
 * a full disk, into a SIGBUS in the profiled program. Threads  the drain's. */
#ifndef PL_COLLECTOR_JOURNAL_H
#define PL_COLLECTOR_JOURNAL_H

#include "base/buf.h"
#include "base/id.h"
#include "collector/drain_labels.h"
#include "collector/drain_modules.h"
#include "collector/drain_stacks.h"
#include "collector/segment.h"

#include <stdbool.h>
#include <stdint.h>

#define PL_JOURNAL_ENDING  ".journal"
#define PL_JOURNAL_DONE    ".done"              /* the store has it all */
#define PL_JOURNAL_BYTES   ((uint64_t)64 << 20) /* most of one file */
#define PL_JOURNAL_SEGMENT UINT16_MAX           /* a slot that means the segment */

struct pl_answer;
struct pl_drain_session;

struct pl_journal {
    int dir_fd; /* of the recorder's folder; borrowed */
    int fd;     /* -1: nothing is written now */
    char name[PL_ID_TEXT + 16];
    struct pl_buf pending;
    uint64_t nonce, bytes;                       /* of the file */
    uint64_t snapshot_bytes;                     /* of its first batch */
    uint64_t damaged;                            /* as last told */
    size_t frames, stacks, pairs, sets, modules; /* of the tables: how many it has */
    int64_t retry_ns;                            /* mono, after a failure */
    bool tables_void; /* they were made anew: ids mean something else */
    bool stale;       /* the store has some of it by now */
    bool news;        /* pending is more than that the timeline went on */
    bool told;        /* news were written since the timeline last went on */
    bool failed;      /* the last write did; said once */
};

/* Caller's storage; no file is made before the first snapshot. */
void pl_journal_init(struct pl_journal *journal, int dir_fd, const struct pl_id *id);
/* The file stays. */
void pl_journal_deinit(struct pl_journal *journal);

/* ---- what comes in; each is nothing while no file is open ---- */

void pl_journal_tick(struct pl_journal *journal, uint32_t tick, int64_t mono_ns,
                     uint64_t event_full);
void pl_journal_event(struct pl_journal *journal, const struct pl_event *event,
                      uint32_t generation);
void pl_journal_answer(struct pl_journal *journal, const struct pl_stacks *stacks,
                       uint16_t slot, bool quiet, const struct pl_answer *answer);
void pl_journal_told(struct pl_journal *journal, const struct pl_label_sets *labels,
                     uint16_t slot, bool quiet, uint32_t set);
void pl_journal_ring_damaged(struct pl_journal *journal, uint16_t slot);
void pl_journal_release(struct pl_journal *journal, uint16_t slot);
void pl_journal_cut(struct pl_journal *journal);
/* The timeline went on; `turned`: a window began, or is complete. */
void pl_journal_advance(struct pl_journal *journal, int64_t now_ns, bool turned);
/* The host's counter of losses stands at `value`; of a slot or PL_JOURNAL_SEGMENT. */
void pl_journal_lost(struct pl_journal *journal, uint16_t slot, unsigned reason,
                     uint64_t value);
void pl_journal_modules(struct pl_journal *journal, struct pl_drain_modules *modules);

/* A window was dropped from the timeline, and with it the ids of its tables. */
void pl_journal_popped(struct pl_journal *journal);

/* ---- writing ---- */

/* Write what is pending, with the session's positions in its segment. Makes the file
 * if there is none and none was before. `all`: also that the timeline went on, which
 * else waits for what comes in next. Failing, the session goes on without. */
void pl_journal_commit(struct pl_journal *journal, struct pl_drain_session *session,
                       bool all);

/* The store has every window dropped so far: write the state anew if that is worth
 * it, or if writing failed before. */
void pl_journal_settle(struct pl_journal *journal, struct pl_drain_session *session,
                       int64_t now_ns);

/* The store has all of the session. First the segment has to go, then _forget. */
void pl_journal_done(struct pl_journal *journal);
void pl_journal_forget(struct pl_journal *journal);

/* ---- reading (journal_replay.c) ---- */

struct pl_drain_shared;

/* A session as its journal left it, not attached to a segment yet: that is
 * session->name, and its positions are in session->reader.
 * Errors  INPUT no journal of this version, or damaged beyond its first state; IO;
 *         NOMEM. What follows the first damage is left out. */
PL_MUST_CHECK enum pl_status pl_journal_replay(struct pl_drain_shared *shared,
                                               int dir_fd, const char *name,
                                               struct pl_drain_session **session_out,
                                               struct pl_error *err);

#endif
