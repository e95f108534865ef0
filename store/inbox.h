/* Inbox: what arrived by HTTP, durable before it is acknowledged, and taken from
 * there item by item (store/receive.h) by whoever runs the processing pass. */
#ifndef PL_STORE_INBOX_H
#define PL_STORE_INBOX_H

#include "base/spool.h"
#include "store/store.h"

struct pl_inbox_entry {
    int64_t project_id, key_id;
    int64_t org_id; /* 0: not said */
    int64_t received_ns;
    const char *kind;     /* "envelope", "store" or "task" */
    const char *encoding; /* of the body: "", gzip, deflate, br, zstd */
    const char *headers;  /* a JSON object */
    const struct pl_spool *body;
};

/* Add all `count` of them in one transaction, or none. For them to be on the disk then:
 * pl_store_make_durable. */
PL_MUST_CHECK enum pl_status pl_inbox_add(struct pl_store *store,
                                          const struct pl_inbox_entry *const *entries,
                                          size_t count, struct pl_error *err);

struct pl_inbox_row {
    int64_t id;
    int64_t project_id, key_id; /* key 0: none */
    int64_t org_id;             /* 0: not said */
    int64_t received_ns;
    bool is_store, is_task; /* else an envelope */
    char encoding[16];
    int64_t items_done; /* taken already */
    char app[256];      /* name of the project */
};

/* The oldest one waiting after `after_id`. NOT_FOUND: none. */
PL_MUST_CHECK enum pl_status pl_inbox_next(struct pl_store *store, int64_t after_id,
                                           struct pl_inbox_row *row_out,
                                           struct pl_error *err);

/* What a row of the project would say that is not in the inbox.  Errors  IO. */
PL_MUST_CHECK enum pl_status pl_inbox_row_of(struct pl_store *store, int64_t project_id,
                                             int64_t received_ns,
                                             struct pl_inbox_row *row_out,
                                             struct pl_error *err);

/* Its body, into a spool of the caller's. */
PL_MUST_CHECK enum pl_status pl_inbox_body(struct pl_store *store, int64_t id,
                                           struct pl_spool *body, struct pl_error *err);

/* Nothing of these is left to take: they are "stored". In one transaction. */
PL_MUST_CHECK enum pl_status pl_inbox_finish_all(struct pl_store *store,
                                                 const int64_t *ids, size_t count,
                                                 struct pl_error *err);

/* Nothing of it is left to take. `error` NULL: "stored", else "rejected". */
PL_MUST_CHECK enum pl_status pl_inbox_finish(struct pl_store *store, int64_t id,
                                             const char *error, struct pl_error *err);

/* Retention: requests done with and received before `before_ns`, spans that ended
 * before it, function metrics of unsampled profiles, and what hung on chunks that are
 * gone. In transactions of some milliseconds. */
PL_MUST_CHECK enum pl_status pl_inbox_expire(struct pl_store *store, int64_t before_ns,
                                             struct pl_error *err);

#endif
