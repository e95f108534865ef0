/* Forwarder: takes what the outbox has for one target to it, step by step.
 *
 * At least once: a row is sent until the upstream says that it has it, always under the
 * same ids. Failing requests are tried again after a random part of 1 s, 2 s, 4 s ...
 * 5 min; limits are obeyed by category; an upstream that refuses us (401, 403, 404,
 * a redirect) is left alone for a while, and nothing is lost meanwhile; what it will
 * never take (400, 413, other 4xx) is dead. */
#ifndef PL_WEB_FORWARDER_H
#define PL_WEB_FORWARDER_H

#include "base/dsn.h"
#include "formats/redact.h"
#include "store/outbox.h"

#include <stdatomic.h>

#define PL_FORWARD_NAME       600 /* of a target, with its NUL */
#define PL_FORWARD_TIMEOUT_MS 30000
#define PL_FORWARD_BOUNDS                                                              \
    ((struct pl_outbox_bounds){100000, INT64_C(512) << 20,                             \
                               7 * 24 * 3600 * INT64_C(1000000000)})

struct pl_forward_options {
    const char *db_path;
    const char *dsn;
    const struct pl_redact *redact; /* nullable */
    bool received;                  /* also what arrived */
    int timeout_ms;                 /* of a request */
    struct pl_outbox_bounds bounds;
    const atomic_bool *stop; /* nullable: ends a step at once */
};

enum pl_forward_state {
    PL_FORWARD_SENT,   /* a row is done with: go on */
    PL_FORWARD_IDLE,   /* nothing to send */
    PL_FORWARD_WAITS,  /* a limit, or an attempt that failed */
    PL_FORWARD_PAUSED, /* refused: somebody has to look */
    PL_FORWARD_OTHER,  /* another process sends to it */
};

struct pl_forward_step {
    enum pl_forward_state state;
    int64_t wait_ns;     /* until the next one makes sense; 0 at once */
    int64_t failures;    /* in a row */
    int64_t open_chunks; /* not ready yet */
    char message[256];   /* of WAITS and PAUSED */
};

struct pl_forwarder;

/* The name of the target: the DSN without its keys. False: not a DSN. */
bool pl_forward_name(const char *dsn, char name_out[static PL_FORWARD_NAME]);

/* Options are copied, texts and all but `redact` and `stop`. The store need not be
 * there yet.  Errors  USAGE not a DSN; NOMEM; UNSUPPORTED. */
PL_MUST_CHECK enum pl_status pl_forwarder_new(const struct pl_forward_options *options,
                                              struct pl_forwarder **forwarder_out,
                                              struct pl_error *err);
void pl_forwarder_free(struct pl_forwarder *forwarder); /* NULL is fine */

/* Do one thing.  Errors  BUSY stopped; NOT_FOUND no store; as the store's, which is
 * opened anew by the next step.  Threads  one. */
PL_MUST_CHECK enum pl_status pl_forwarder_step(struct pl_forwarder *forwarder,
                                               struct pl_forward_step *step_out,
                                               struct pl_error *err);

/* Dead ones wait again, from the next step on. */
void pl_forwarder_revive(struct pl_forwarder *forwarder);

const char *pl_forwarder_name(const struct pl_forwarder *forwarder);

#endif
