#include "web/intake_batch.h"

#include "base/log.h"

#define BYTES_MOST ((size_t)2 << 20) /* then they do not wait for more */

void pl_intake_batch_add(struct pl_intake_batch *batch, struct pl_intake_ready *ready)
{
    batch->ready[batch->count++] = ready;
    batch->bytes += ready->bytes;
}

void pl_intake_batch_drop(struct pl_intake_batch *batch)
{
    for (size_t i = 0; i < batch->count; i++)
        batch->ready[i]->drop(batch->ready[i]);
    batch->count = 0;
    batch->bytes = 0;
}

static void count(struct pl_intake_counts *counts, const struct pl_received *received,
                  bool duplicate)
{
    counts->profiles++;
    counts->rejected += received->outcome && !duplicate;
    counts->duplicates += duplicate;
}

/* Only its outcome is left of it. */
static void reject(struct pl_received *received)
{
    const struct pl_received all = *received;
    *received = (struct pl_received){
        .inbox_id = all.inbox_id,
        .item = all.item,
        .project_id = all.project_id,
        .key_id = all.key_id,
        .org_id = all.org_id,
        .uuid = all.uuid,
        .category = all.category,
        .outcome = "invalid",
        .reason = "profiling_failed_serialization",
        .counts = all.counts,
        .count_count = all.count_count,
    };
}

/* One of them is not as the store wants it: which? */
static enum pl_status receive_each(struct pl_intake_batch *batch, struct pl_error *err)
{
    enum pl_status status = PL_OK;
    for (size_t i = 0; i < batch->count && status == PL_OK; i++) {
        struct pl_received *received = &batch->ready[i]->received;
        const struct pl_received *const one = received;
        bool duplicate;
        status = pl_receive(batch->store, &one, 1, &duplicate, err);
        if (status == PL_INPUT && !received->outcome) {
            pl_log(PL_LOG_WARN, "web", "profile: %s", err ? err->message : "");
            reject(received);
            status = pl_receive(batch->store, &one, 1, &duplicate, err);
        }
        if (status == PL_OK)
            count(batch->counts, received, duplicate);
    }
    return status;
}

enum pl_status pl_intake_batch_flush(struct pl_intake_batch *batch,
                                     struct pl_error *err)
{
    const struct pl_received *received[PL_INTAKE_BATCH];
    bool duplicates[PL_INTAKE_BATCH];
    if (!batch->count)
        return PL_OK;
    for (size_t i = 0; i < batch->count; i++)
        received[i] = &batch->ready[i]->received;
    enum pl_status status =
        pl_receive(batch->store, received, batch->count, duplicates, err);
    for (size_t i = 0; i < batch->count && status == PL_OK; i++)
        count(batch->counts, received[i], duplicates[i]);
    if (status == PL_INPUT)
        status = receive_each(batch, err);
    pl_intake_batch_drop(batch);
    return status;
}

enum pl_status pl_intake_batch_settle(struct pl_intake_batch *batch,
                                      struct pl_error *err)
{
    bool full = batch->count == PL_INTAKE_BATCH || batch->bytes > BYTES_MOST;
    return full ? pl_intake_batch_flush(batch, err) : PL_OK;
}
