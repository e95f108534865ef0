/* One item of an envelope on its way into the store: what intake.c knows of it, and
 * the kinds of items there are. */
#ifndef PL_WEB_INTAKE_ITEM_H
#define PL_WEB_INTAKE_ITEM_H

#include "formats/envelope.h"
#include "store/receive.h"
#include "web/intake_batch.h"

/* Where it comes from. */
struct pl_intake_item {
    struct pl_store *store;
    struct pl_intake_batch *batch; /* for what may be stored together with others */
    const struct pl_inbox_row *row;
    const struct pl_item_header *header;
    int64_t index;                   /* in the envelope, from 0 */
    struct pl_intake_counts *counts; /* to add to */
    int profiles;          /* items of type profile so far, this one included */
    bool unsampled;        /* only metrics may be kept of it */
    bool is_task;          /* no envelope: the payload of a profile task */
    struct pl_id fallback; /* id of an item that has none of its own: of its bytes */
};

/* A kind of item: bytes go in, `end` puts what they were into the store or into the
 * batch, which then drops it. */
struct pl_intake_kind {
    /* NULL with `err`: out of memory. */
    void *(*begin)(const struct pl_intake_item *item, struct pl_error *err);
    /* What is wrong with the bytes is the kind's to remember. Errors  NOMEM. */
    enum pl_status (*data)(void *self, const void *bytes, size_t len,
                           struct pl_error *err);
    enum pl_status (*end)(void *self, struct pl_error *err);
    void (*drop)(void *self); /* NULL is fine */
};

/* NULL: not for us. It stays in the inbox, for forwarding. */
const struct pl_intake_kind *pl_intake_kind_of(const struct pl_item_header *header);

extern const struct pl_intake_kind pl_intake_profile, pl_intake_transaction,
    pl_intake_spans, pl_intake_report, pl_intake_perfetto;

#endif
