/* Items profile and profile_chunk: parsed as they pass, judged at their end, then given
 * to the store as a chunk, or as an outcome that says why not. */
#include "base/clock.h"
#include "base/log.h"
#include "formats/sent.h"
#include "web/intake_build.h"
#include "web/intake_item.h"
#include "web/intake_metrics.h"
#include "web/limits.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct profile_item {
    struct pl_intake_ready ready; /* first: a ready one is a profile_item */
    struct pl_intake_item item;
    struct pl_inbox_row row;
    struct pl_intake_chunk chunk;
    char uuid[PL_ID_TEXT];
    bool in_batch; /* which owns it */
    struct pl_sent profile;
    struct pl_sent_parser *parser;
    size_t bytes;
    int64_t from_ns; /* when reading it began */
    struct pl_count counts[7];
    bool extra;         /* another profile came before it in the envelope */
    const char *reason; /* it is rejected for; NULL: none yet */
};

static void drop_ready(struct pl_intake_ready *ready)
{
    struct profile_item *it = (struct profile_item *)ready;
    pl_sent_parser_free(it->parser);
    pl_intake_chunk_deinit(&it->chunk);
    pl_sent_deinit(&it->profile);
    free(it);
}

static void drop(void *self)
{
    struct profile_item *it = self;
    if (it && !it->in_batch)
        drop_ready(&it->ready);
}

static enum pl_sent_kind kind_of(const struct pl_intake_item *item)
{
    if (item->is_task)
        return PL_SENT_TASK;
    return strcmp(item->header->type, "profile") == 0 ? PL_SENT_WITH_TXN
                                                      : PL_SENT_CHUNK;
}

static void *begin(const struct pl_intake_item *item, struct pl_error *err)
{
    struct profile_item *it = calloc(1, sizeof *it);
    if (!it) {
        pl_error_set(err, PL_NOMEM, "out of memory");
        return NULL;
    }
    it->row = *item->row;
    it->item = *item;
    it->item.row = &it->row;
    it->from_ns = pl_clock_mono_ns();
    pl_sent_init(&it->profile, kind_of(item), PL_LIMIT_PARSED);
    if (item->profiles > 1 && it->profile.kind == PL_SENT_WITH_TXN)
        it->extra = true;
    if (pl_sent_parser_new(&it->profile, &it->parser, err) == PL_OK)
        return it;
    drop(it);
    return NULL;
}

static void note(struct profile_item *it, enum pl_status status,
                 const struct pl_error *why)
{
    if (status == PL_OK || it->reason)
        return;
    it->reason = it->profile.budget.exceeded ? "profiling_exceed_size_limit"
                                             : "profiling_invalid_json";
    pl_log(PL_LOG_DEBUG, "web", "profile: %s", why->message);
}

static enum pl_status data(void *self, const void *bytes, size_t len,
                           struct pl_error *err)
{
    struct profile_item *it = self;
    struct pl_error why;
    (void)err;
    it->bytes += len;
    if (it->bytes > PL_LIMIT_PROFILE && !it->reason)
        it->reason = "profiling_exceed_size_limit";
    if (!it->reason)
        note(it, pl_sent_parser_feed(it->parser, bytes, len, &why), &why);
    return PL_OK;
}

/* ---- into the store ---- */

/* Sizes and time of it, for the file's counters. */
static void count(struct profile_item *it)
{
    const struct pl_sent *p = &it->profile;
    const struct pl_count counts[] = {
        {"payloads", 1},
        {"payload_bytes", (int64_t)it->bytes},
        {"received{of=\"samples\"}", (int64_t)p->sample_count},
        {"received{of=\"stacks\"}", (int64_t)p->stack_count},
        {"received{of=\"frames\"}", (int64_t)p->frame_count},
        {"stage_runs{stage=\"receive\"}", 1},
        {"stage_ns{stage=\"receive\"}", pl_clock_mono_ns() - it->from_ns},
    };
    static_assert(sizeof counts == sizeof it->counts, "room for each");
    memcpy(it->counts, counts, sizeof counts);
    it->ready.received.counts = it->counts;
    it->ready.received.count_count = sizeof counts / sizeof counts[0];
}

static void give(struct profile_item *it)
{
    struct pl_received *received = &it->ready.received;
    const char *platform = pl_sent_text(&it->profile, it->profile.platform);
    pl_id_format(it->profile.has_id ? &it->profile.id : &it->item.fallback, it->uuid);
    received->inbox_id = it->row.id;
    received->item = it->item.index;
    received->project_id = it->row.project_id;
    received->key_id = it->row.key_id;
    received->org_id = it->row.org_id;
    received->uuid = it->uuid;
    received->category = pl_sent_category(
        it->profile.kind, *platform ? platform : it->item.header->platform);
    count(it);
    if (it->reason) {
        received->outcome = "invalid";
        received->reason = it->reason;
    }
    it->ready.bytes = it->bytes;
    it->ready.drop = drop_ready;
    it->in_batch = true;
    pl_intake_batch_add(it->item.batch, &it->ready);
}

static enum pl_debug_meta debug_meta_of(const struct pl_sent *profile)
{
    if (profile->has_images)
        return PL_DEBUG_META_GOOD;
    return profile->has_debug_meta_keys ? PL_DEBUG_META_NO_IMAGES
                                        : PL_DEBUG_META_MISSING;
}

static enum pl_status build_chunk(struct profile_item *it, struct pl_error *err)
{
    const struct pl_intake_chunk *chunk = &it->chunk;
    enum pl_status status =
        pl_intake_build(it->item.store, &it->row, &it->profile, &it->chunk, err);
    if (status != PL_OK)
        return status;
    it->ready.received = (struct pl_received){
        .debug_meta = debug_meta_of(&it->profile),
        .device_class = pl_sent_text(&it->profile, it->profile.device_class),
        .session = &chunk->session,
        .parts = chunk->parts,
        .bare = chunk->part_count ? NULL : &chunk->origin,
        .part_count = chunk->part_count,
        .ends_session = it->profile.kind == PL_SENT_WITH_TXN,
        .images = chunk->images,
        .image_count = chunk->image_count,
        .measurements = chunk->measurements,
        .measurement_count = chunk->measurement_count,
    };
    return PL_OK;
}

/* Neither a chunk nor an outcome: what it says of functions, and that it was here. */
static enum pl_status keep_metrics(struct profile_item *it, struct pl_error *err)
{
    static const struct pl_count one = {"unsampled_profiles", 1};
    it->item.counts->profiles++;
    it->item.counts->rejected += it->reason != NULL;
    if (it->reason)
        return PL_OK;
    enum pl_status status =
        pl_intake_build(it->item.store, &it->row, &it->profile, &it->chunk, err);
    return status == PL_OK
               ? pl_intake_keep_metrics(it->item.store, &it->chunk, &one, 1, err)
               : status;
}

static const char *judge(struct profile_item *it)
{
    int64_t received_ns = it->row.received_ns;
    if (it->item.is_task && pl_sent_is_bare(&it->profile))
        return pl_sent_check_bare(&it->profile, received_ns);
    return pl_sent_check(&it->profile, it->item.header->platform, received_ns);
}

static enum pl_status end(void *self, struct pl_error *err)
{
    struct profile_item *it = self;
    struct pl_error why;
    enum pl_status status = PL_OK;
    if (!it->reason)
        note(it, pl_sent_parser_finish(it->parser, &why), &why);
    pl_sent_parser_free(it->parser); /* and its buffers */
    it->parser = NULL;
    pl_sent_settle(&it->profile);
    if (!it->reason && it->extra)
        it->reason = "profiling_too_many_profiles";
    if (!it->reason)
        it->reason = judge(it);
    if (it->item.unsampled)
        return keep_metrics(it, err);
    if (!it->reason)
        status = build_chunk(it, err);
    if (status == PL_OK)
        give(it);
    return status;
}

const struct pl_intake_kind pl_intake_profile = {begin, data, end, drop};

/* ---- Perfetto traces, which are not read ---- */

/* The JSON before the trace says which chunk it is. */
static enum pl_status read_meta(void *self, const void *bytes, size_t len,
                                struct pl_error *err)
{
    struct profile_item *it = self;
    int64_t left = it->item.header->meta_length - (int64_t)it->bytes;
    (void)err;
    it->bytes += len;
    if (left > 0 && !it->reason &&
        pl_sent_parser_feed(it->parser, bytes, (int64_t)len < left ? len : (size_t)left,
                            NULL) != PL_OK)
        it->reason = "profiling_invalid_json";
    return PL_OK;
}

static enum pl_status reject(void *self, struct pl_error *err)
{
    struct profile_item *it = self;
    (void)err;
    if (!it->reason)
        it->reason = "profiling_platform_not_supported";
    give(it);
    return PL_OK;
}

const struct pl_intake_kind pl_intake_perfetto = {begin, read_meta, reject, drop};
