/* Sessions a writer has begun and not ended, in memory: when a file is replaced or its
 * log damaged while it is in use, their rows go, and the writer puts them back. */
#ifndef PL_STORE_SESSIONS_H
#define PL_STORE_SESSIONS_H

#include "store/chunk_sink.h"

/* All zero is none. */
struct pl_sessions {
    struct pl_session_copy *first;
};

/* Copies; out of memory only costs the way back. */
void pl_sessions_add(struct pl_sessions *sessions,
                     const struct pl_sink_session *session);
/* Borrowed until it is dropped; NULL: not known. */
const struct pl_sink_session *pl_sessions_find(const struct pl_sessions *sessions,
                                               const struct pl_id *id);
void pl_sessions_drop(struct pl_sessions *sessions, const struct pl_id *id);
void pl_sessions_deinit(struct pl_sessions *sessions);

#endif
