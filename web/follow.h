/* Follower: while the server runs, chunks that arrive in the store are processed,
 * so that recordings in progress appear with names. */
#ifndef PL_WEB_FOLLOW_H
#define PL_WEB_FOLLOW_H

#include "base/error.h"
#include "web/events.h"

struct pl_follow;

/* Starts its thread, which opens the store once it is there and writable, runs the
 * pass when the data has changed, and tidies the log. Where the store cannot be
 * written, or another process runs the pass, it leaves it alone.
 * `symbolicate_ms`: as pl_pass_options. While pages listen to `events` it tells
 * recorders that somebody watches. Ownership  `db_path` is copied, `events` borrowed.
 * Errors  IO, NOMEM. */
PL_MUST_CHECK enum pl_status pl_follow_start(const char *db_path, int symbolicate_ms,
                                             struct pl_events *events,
                                             struct pl_follow **follow_out,
                                             struct pl_error *err);

/* Something has arrived: look now. Threads  any. */
void pl_follow_wake(struct pl_follow *follow); /* NULL is fine */

/* Ends after the chunk in hand. NULL is fine. */
void pl_follow_stop(struct pl_follow *follow);

#endif
