/* Log guard: what others do to the log (-wal) and its index (-shm) while we have them
 * open, SQLite does not notice: a cut index is SIGBUS, a removed log takes commits to
 * nowhere, and bytes of another in it go into the database with the next checkpoint.
 *
 * Every transaction looks first, which costs five system calls; a checkpoint reads
 * all it is going to fold back. Both files' formats are SQLite's published ones.
 *
 * | found                         | done                                 | lost       |
 * |-------------------------------|--------------------------------------|------------|
 * | index too short               | filled up; SQLite makes it anew      | nothing    |
 * | index removed or another      | opened again                         | nothing    |
 * | log removed or another        | folded back from ours, opened again  | nothing    |
 * | log damaged, then removed      | the index is made anew, opened again | the log    |
 * | log's head overwritten        | written again                        | nothing    |
 * | database removed or another   | what is there now opened, or made    | all of it  |
 * | log cut, frames overwritten   | SQLite takes what is whole; the      | its tail,  |
 * |                               | dictionary begins a new epoch, so    | which the  |
 * |                               | that no writer uses ids that are gone| error says |
 *
 * Another process of ours that notices later finds a sound log. Calls of the store's
 * thread; all but the first want the writer lock. */
#ifndef PL_STORE_LOG_GUARD_H
#define PL_STORE_LOG_GUARD_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

struct pl_store;

enum { PL_LOG_HEAD = 32 }; /* bytes of the log's header */

/* Of one connection; all zero: there is no log, nobody can be writing. */
struct pl_log_guard {
    uint64_t log_dev, log_ino, index_dev, index_ino; /* 0: not known */
    int64_t index_bytes;
    unsigned char head[PL_LOG_HEAD];
    bool has_head;
};

/* After opening, which SQLite's first transaction ends. */
PL_MUST_CHECK enum pl_status pl_log_guard_remember(struct pl_store *store,
                                                   struct pl_error *err);

/* Before reading. A connection that only reads is opened again; one that writes is to
 * begin a transaction first, if `*mend_out`.
 * Errors  IO the index cannot be mended; as open. */
PL_MUST_CHECK enum pl_status pl_log_guard_read(struct pl_store *store, bool *mend_out,
                                               struct pl_error *err);

/* Before writing; `whole`: before a checkpoint. May open the connection again.
 * Errors  IO something is lost, which is said once; the next call goes on. */
PL_MUST_CHECK enum pl_status pl_log_guard_write(struct pl_store *store, bool whole,
                                                struct pl_error *err);

#endif
