/* Outbox: what goes to upstreams, and how far that is.
 *
 *   chunk, inbox ─fill─▶ waiting ─next─▶ (a try) ─▶ sent
 *                           ▲              │   └──▶ dead, with its reason
 *                           └─── retry ────┘
 *
 * A row says that something is to go, what goes stays where it is: retention leaves it
 * there while a row waits. Each step is one transaction, so a process killed between
 * two of them sends something again, and never leaves something out. One sender at a
 * time works on a target, under a lease. */
#ifndef PL_STORE_OUTBOX_H
#define PL_STORE_OUTBOX_H

#include "base/spool.h"
#include "store/store.h"

#define PL_OUTBOX_CATEGORIES 512 /* bytes of a row's categories */

struct pl_outbox_target {
    int64_t id;
    int64_t chunk_seen, inbox_seen;
    int64_t failures; /* one after the other */
    int64_t next_try_ns;
    bool paused;       /* it refuses us */
    char trouble[256]; /* of the last try, "" none */
};

/* The target of that name, made if there is none. A name holds no secret. */
PL_MUST_CHECK enum pl_status pl_outbox_target(struct pl_store *store, const char *name,
                                              struct pl_outbox_target *target_out,
                                              struct pl_error *err);
/* As it is by now; never made.  Errors  NOT_FOUND. */
PL_MUST_CHECK enum pl_status pl_outbox_target_find(struct pl_store *store,
                                                   const char *name,
                                                   struct pl_outbox_target *target_out,
                                                   struct pl_error *err);

/* Keep its failures, next_try_ns, paused and trouble. */
PL_MUST_CHECK enum pl_status pl_outbox_set_state(struct pl_store *store,
                                                 const struct pl_outbox_target *target,
                                                 struct pl_error *err);

/* Be its one sender for `for_ns`; again in time. `dead` is an owner known to be gone,
 * or "".  Errors  BUSY: somebody else is, and who is in `holder_out`. */
#define PL_OUTBOX_OWNER 160
PL_MUST_CHECK enum pl_status pl_outbox_lease(struct pl_store *store, int64_t target,
                                             const char *owner, const char *dead,
                                             int64_t for_ns,
                                             char holder_out[static PL_OUTBOX_OWNER],
                                             struct pl_error *err);
void pl_outbox_release(struct pl_store *store, int64_t target, const char *owner);

/* ---- what is to go ---- */

struct pl_outbox_bounds {
    int64_t rows, bytes; /* of what waits */
    int64_t age_ns;      /* since it came into the outbox */
};

/* Rows for chunks that are whole and processed and, if `received`, for what arrived.
 * What is older than the bound dies (reason spool_age). At the bounds of rows and bytes
 * nothing more is taken in while the upstream takes what it gets; while it does not
 * (`failing`), the oldest die instead (spool_count, spool_bytes).
 * `open_out`: chunks not ready yet. */
PL_MUST_CHECK enum pl_status pl_outbox_fill(struct pl_store *store,
                                            struct pl_outbox_target *target,
                                            const struct pl_outbox_bounds *bounds,
                                            bool received, bool failing,
                                            int64_t *open_out, struct pl_error *err);

enum pl_outbox_kind { PL_OUTBOX_CHUNK, PL_OUTBOX_SPANS, PL_OUTBOX_RECEIVED };

struct pl_outbox_row {
    int64_t id;
    enum pl_outbox_kind kind;
    int64_t chunk_id, inbox_id;
    int64_t attempts;
    char categories[PL_OUTBOX_CATEGORIES]; /* ",a,b,"; "": nobody has looked yet */
};

/* What may be sent now. NOT_FOUND: nothing; then *soonest_out is when there may be
 * something by itself, 0 never. */
PL_MUST_CHECK enum pl_status pl_outbox_next(struct pl_store *store, int64_t target,
                                            struct pl_outbox_row *row_out,
                                            int64_t *soonest_out, struct pl_error *err);

/* Every row that would be sent were the target new to everything, in order, with no
 * bound and nothing written: what has been sent to it is left out. False of `visit`
 * ends it. */
typedef bool pl_outbox_visit(void *self, const struct pl_outbox_row *row);
PL_MUST_CHECK enum pl_status pl_outbox_preview(struct pl_store *store, int64_t target,
                                               bool received, pl_outbox_visit *visit,
                                               void *self, struct pl_error *err);

PL_MUST_CHECK enum pl_status pl_outbox_set_categories(struct pl_store *store,
                                                      int64_t row,
                                                      const char *categories,
                                                      struct pl_error *err);
/* The upstream has it: `bytes` went over the wire. */
PL_MUST_CHECK enum pl_status pl_outbox_sent(struct pl_store *store, int64_t target,
                                            int64_t row, int64_t bytes,
                                            struct pl_error *err);
PL_MUST_CHECK enum pl_status pl_outbox_retry(struct pl_store *store, int64_t target,
                                             int64_t row, int64_t next_try_ns,
                                             const char *reason, struct pl_error *err);
PL_MUST_CHECK enum pl_status pl_outbox_dead(struct pl_store *store, int64_t target,
                                            int64_t row, const char *reason,
                                            struct pl_error *err);
/* What waits for its next try may be tried at once. */
PL_MUST_CHECK enum pl_status pl_outbox_hurry(struct pl_store *store, int64_t target,
                                             struct pl_error *err);
/* Dead ones wait again. */
PL_MUST_CHECK enum pl_status pl_outbox_revive(struct pl_store *store, int64_t target,
                                              struct pl_error *err);

/* Nothing of `category` ("": of any) until then. */
PL_MUST_CHECK enum pl_status pl_outbox_limit(struct pl_store *store, int64_t target,
                                             const char *category, int64_t until_ns,
                                             const char *reason, struct pl_error *err);

/* ---- what arrived ---- */

struct pl_outbox_received {
    bool is_store; /* a bare event */
    char encoding[16];
    char *headers; /* JSON object; the caller's to free */
    struct pl_spool body;
};

/* `folder` is where a large body may lie meanwhile, borrowed. Deinit in any case.
 * Errors  NOT_FOUND. */
PL_MUST_CHECK enum pl_status pl_outbox_received(struct pl_store *store,
                                                int64_t inbox_id, const char *folder,
                                                struct pl_outbox_received *received_out,
                                                struct pl_error *err);
void pl_outbox_received_deinit(struct pl_outbox_received *received);

/* ---- how it stands ---- */

struct pl_outbox_count {
    const char *name; /* sent, sent_bytes, retries, limited, dead:REASON */
    int64_t value;
};
struct pl_outbox_limited {
    const char *category, *reason; /* category "": all */
    int64_t until_ns;
};
struct pl_outbox_state {
    int64_t id;
    const char *name;
    bool paused;
    const char *trouble; /* "": none */
    int64_t failures, next_try_ns;
    int64_t waiting, waiting_bytes, oldest_ns; /* 0: none waits */
    struct pl_outbox_count *counts;
    size_t count_count;
    struct pl_outbox_limited *limits;
    size_t limit_count;
};
struct pl_outbox_state_list {
    struct pl_outbox_state *rows;
    size_t count;
    void *owned;
};
PL_MUST_CHECK enum pl_status pl_outbox_states(struct pl_store *store,
                                              struct pl_outbox_state_list *list_out,
                                              struct pl_error *err);
void pl_outbox_state_list_deinit(struct pl_outbox_state_list *list);

#endif
