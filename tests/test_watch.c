/* The open minute while somebody watches: what is shown of it counts once, until the
 * put of the whole takes its place, and nothing is shown to nobody. */
#include "tests/parts.h"
#include "tests/store_support.h"
#include "tests/test.h"

#include "store/check.h"
#include "store/db.h"
#include "store/query.h"

static const int64_t base_ns = INT64_C(1700000000) / 3600 * 3600 * PL_NS_PER_S;
static struct test_part part;
static struct pl_error err;

/* The first `ticks` of it: each thread's first runs. */
static void cut(size_t ticks)
{
    part.part.tick_count = ticks;
    part.part.end_ns = part.ticks[ticks - 1] + part.part.period_ns;
    part.part.label_count = 1;
    for (size_t t = 0; t < part.part.thread_count; t++) {
        struct pl_sink_thread *thread = &part.threads[t];
        size_t left = t == 3 ? ticks / 4 : ticks, n = 0;
        for (; n < thread->run_count && left; n++) {
            struct pl_sink_run *run = &part.runs[t][n];
            run->count = run->count < left ? run->count : (uint32_t)left;
            left -= run->count;
        }
        thread->run_count = n;
    }
}

static int64_t samples_of(const struct pl_sink_part *of)
{
    int64_t samples = 0;
    for (size_t t = 0; t < of->thread_count; t++)
        for (size_t r = 0; r < of->threads[t].run_count; r++)
            if (of->threads[t].runs[r].stack != PL_NO_INDEX)
                samples += of->threads[t].runs[r].count;
    return samples;
}

static void on_finding(void *self, const char *kind, const char *message)
{
    (void)self;
    CHECK(false, "%s: %s", kind, message);
}

/* All that asks says the same. */
static void check_samples(struct pl_store *store, int64_t want)
{
    const struct pl_selection all = {0};
    struct pl_profile profile = {0};
    struct pl_check_visitor visitor = {NULL, on_finding};
    struct pl_check_result result;
    CHECK_OK(pl_query_profile(store, &all, PL_METRIC_WALL, &profile, &err), err);
    CHECK(profile.samples == want, "%lld, not %lld", (long long)profile.samples,
          (long long)want);
    CHECK(support_number(pl_store_path(store), "SELECT count(*) FROM sample") == want);
    pl_profile_deinit(&profile);
    CHECK_OK(pl_store_check(store, &visitor, &result, &err), err);
}

static void make(int number, size_t ticks)
{
    parts_make(&part, (uint64_t)number, (struct pl_id){{1}},
               base_ns + number * 60 * PL_NS_PER_S, false);
    part.part.chunk_id = (struct pl_id){{2, (unsigned char)number}};
    if (ticks)
        cut(ticks);
}

static void test_replaced(void)
{
    const char *path = support_path("live.db");
    struct pl_sink_session session = parts_session((struct pl_id){{1}}, base_ns);
    struct pl_chunk_sink sink;
    struct pl_store *store = NULL;
    int64_t stored = 0;
    CHECK_OK(pl_store_open(path, PL_STORE_CREATE, &store, &err), err);
    CHECK_OK(pl_store_sink(store, &sink, &err), err);
    CHECK_OK(sink.session_begin(sink.self, &session, &err), err);
    for (int number = 0; number < 3; number++) {
        for (size_t ticks = 300; ticks < 5000; ticks += 1900) {
            make(number, ticks);
            CHECK_OK(sink.put_live(sink.self, &part.part, &err), err);
            check_samples(store, stored + samples_of(&part.part));
            CHECK(support_number(path, "SELECT count(*) FROM part WHERE live") == 1);
            CHECK(support_number(path, "SELECT sum(n) FROM live_run") ==
                  samples_of(&part.part));
        }
        make(number, 0);
        if (number != 1) /* whose whole part never came */
            CHECK_OK(sink.put(sink.self, &part.part, &err), err);
        else
            make(number, 4100);
        stored += samples_of(&part.part);
        if (number == 1) /* the last that was shown */
            CHECK(support_number(path, "SELECT count(*) FROM part WHERE live") == 1);
        check_samples(store, number == 1 ? stored : stored);
        if (number == 1)
            stored -= samples_of(&part.part); /* the next part takes its place */
    }
    CHECK(support_number(path, "SELECT count(*) FROM part WHERE live") == 0);
    CHECK(support_number(path, "SELECT count(*) FROM loss") == 4, "losses went, too");
    CHECK(support_number(path, "SELECT count(*) FROM label_span") == 4);
    check_samples(store, stored);
    /* too late: the whole of it is there */
    make(2, 700);
    CHECK_OK(sink.put_live(sink.self, &part.part, &err), err);
    check_samples(store, stored);
    CHECK(support_number(path, "SELECT count(*) FROM part") == 2);
    pl_store_close(store);
}

static void test_watched(void)
{
    const char *path = support_path("watched.db");
    struct pl_store *store = NULL, *viewer = NULL;
    struct pl_chunk_sink sink;
    uint64_t before, after;
    int64_t now_ns = pl_clock_wall_ns();
    CHECK_OK(pl_store_open(path, PL_STORE_CREATE, &store, &err), err);
    CHECK_OK(pl_store_open(path, PL_STORE_WRITE, &viewer, &err), err);
    CHECK_OK(pl_store_sink(store, &sink, &err), err);
    CHECK(!sink.watched(sink.self));
    CHECK_OK(pl_store_generation(store, &before, &err), err);
    CHECK_OK(pl_store_watch(viewer, "a", now_ns + 60 * PL_NS_PER_S, &err), err);
    CHECK(sink.watched(sink.self));
    CHECK_OK(pl_store_watch(viewer, "b", now_ns + 90 * PL_NS_PER_S, &err), err);
    CHECK_OK(pl_store_watch(viewer, "a", now_ns - 1, &err), err);
    CHECK(sink.watched(sink.self), "b watches on");
    CHECK_OK(pl_store_watch(viewer, "b", now_ns - 1, &err), err);
    CHECK(!sink.watched(sink.self));
    CHECK(support_number(path, "SELECT count(*) FROM watch") == 1, "a is forgotten");
    CHECK_OK(pl_store_generation(store, &after, &err), err);
    CHECK(before == after, "no query shows it");
    pl_store_close(viewer);
    pl_store_close(store);
}

TEST_MAIN({"replaced", test_replaced}, {"watched", test_watched})
