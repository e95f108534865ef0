/* A day in the life of a store, as steps that each succeed or fail: opening, putting,
 * the pass, retention, check, queries, closing. A step knows how to tell from outside,
 * by one number of SQL, whether it has been done. */
#ifndef PL_TESTS_STORE_DAY_H
#define PL_TESTS_STORE_DAY_H

#include "tests/parts.h"

#include "store/check.h"
#include "store/query.h"
#include "store/retention.h"
#include "store/symbols.h"

#define DAY_NS (INT64_C(1700000000) / 3600 * 3600 * PL_NS_PER_S)

struct day {
    const char *path;
    struct pl_store *store; /* NULL until opened */
    struct pl_chunk_sink sink;
    int64_t findings; /* of check */
};

static inline struct pl_id day_session(void)
{
    return (struct pl_id){{1}};
}

/* Part `seq` of the day, made from its number alone; static storage. */
static inline const struct pl_sink_part *day_part(int seq)
{
    static struct test_part part;
    parts_make(&part, (uint64_t)seq, day_session(),
               DAY_NS + seq % 59 * 60 * PL_NS_PER_S, seq % 3 == 1);
    part.part.chunk_id =
        (struct pl_id){{2, (unsigned char)(seq >> 8), (unsigned char)seq}};
    for (uint32_t i = 0; i < PARTS_FRAMES; i += 4) /* some of its own */
        if (!part.frames[i].function)
            part.frames[i].address += (uint64_t)seq << 20;
    return &part.part;
}

static inline enum pl_status day_open(struct day *day, struct pl_error *err)
{
    enum pl_status status = PL_OK;
    if (!day->store)
        status = pl_store_open(day->path, PL_STORE_CREATE, &day->store, err);
    return status == PL_OK ? pl_store_sink(day->store, &day->sink, err) : status;
}

static inline enum pl_status day_begin(struct day *day, struct pl_error *err)
{
    struct pl_sink_session session = parts_session(day_session(), DAY_NS);
    return day->sink.session_begin(day->sink.self, &session, err);
}

static inline enum pl_status day_put(struct day *day, int seq, struct pl_error *err)
{
    return day->sink.put(day->sink.self, day_part(seq), err);
}

static inline enum pl_status day_name(struct day *day, int64_t chunk_id,
                                      struct pl_error *err)
{
    static const struct pl_frame_name names[] = {{"outer", "a.c", 1, 2, 3, 1, NULL},
                                                 {"inlined", "b.h", 4, 5, 6, 0, NULL}};
    struct pl_raw_frame_list raw = {0};
    struct pl_normal_frame_list named = {0};
    struct pl_named_frame found[3 * PARTS_FRAMES];
    size_t count = 0;
    enum pl_status status = pl_pass_raw_frames(day->store, chunk_id, false, &raw, err);
    for (; status == PL_OK && count < raw.count && count < 3 * PARTS_FRAMES; count++)
        found[count] = (struct pl_named_frame){raw.rows[count].frame_id, "symbolicated",
                                               names, 1 + count % 2};
    const struct pl_pass_names all = {.frames = found, .count = count, .done = true};
    if (status == PL_OK)
        status = pl_pass_put_names(day->store, chunk_id, &all, err);
    if (status == PL_OK)
        status = pl_pass_named_frames(day->store, chunk_id, &named, err);
    for (size_t i = 0; status == PL_OK && i < named.count; i++)
        named.rows[i].in_app = 1;
    if (status == PL_OK)
        status = pl_pass_put_normal(day->store, chunk_id, named.rows, named.count, true,
                                    90, err);
    pl_raw_frame_list_deinit(&raw);
    pl_normal_frame_list_deinit(&named);
    return status;
}

/* The pass over every chunk that waits, each once, as the pass does: in a damaged file
 * one may wait for ever. Names are not looked up. */
static inline enum pl_status day_pass(struct day *day, struct pl_error *err)
{
    struct pl_pending_chunk chunk = {0};
    size_t count;
    enum pl_status status = pl_pass_lease(day->store, "day", 60000, err);
    while (status == PL_OK && (status = pl_pass_next(day->store, chunk.id, &chunk, 1,
                                                     &count, err)) == PL_OK) {
        status = day_name(day, chunk.id, err);
        struct pl_pass_end end = {
            .chunk_id = chunk.id, .category = "profile_chunk", .outcome = "accepted"};
        if (status == PL_OK)
            status = pl_pass_finish(day->store, &end, 1, NULL, 0, err);
    }
    pl_pass_release(day->store, "day");
    return status == PL_NOT_FOUND ? PL_OK : status;
}

/* Parts that ended before the `minutes`-th minute go. */
static inline enum pl_status day_gc(struct day *day, int minutes, struct pl_error *err)
{
    int64_t before_ns = DAY_NS + minutes * 60 * PL_NS_PER_S;
    struct pl_retention keep = {.before_ns = before_ns, /* sums go with their samples */
                                .hours_before_ns = before_ns,
                                .days_before_ns = before_ns};
    struct pl_retention_result result;
    return pl_store_gc(day->store, &keep, &result, err);
}

static inline void day_count_finding(void *self, const char *kind, const char *message)
{
    fprintf(stderr, "check: %s: %s\n", kind, message);
    ++*(int64_t *)self;
}

static inline enum pl_status day_check(struct day *day, struct pl_error *err)
{
    struct pl_check_visitor visitor = {&day->findings, day_count_finding};
    struct pl_check_result result;
    return pl_store_check(day->store, &visitor, &result, err);
}

static inline enum pl_status day_query(struct day *day, struct pl_error *err)
{
    static const struct pl_selection all;
    struct pl_profile profile = {0};
    enum pl_status status =
        pl_query_profile(day->store, &all, PL_METRIC_WALL, &profile, err);
    pl_profile_deinit(&profile);
    return status;
}

static inline enum pl_status day_end(struct day *day, struct pl_error *err)
{
    struct pl_id id = day_session();
    return day->sink.session_end(day->sink.self, &id, DAY_NS + 60, PL_SESSION_ENDED, 0,
                                 err);
}

static inline void day_close(struct day *day)
{
    pl_store_close(day->store);
    day->store = NULL;
}

#endif
